//! Connections and the stamps of packets. Not the connection table: that is `net`'s.

use crate::time::Time;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

/// The number the one reader gave a packet, from 1 up: the order of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketNo(pub u64);

/// A connection, named by its first packet: unique, and the same for any number of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub PacketNo);

/// Stands in the name of a session for a packet: no capture has so many.
const SESSION: u64 = 1 << 63;

impl ConnId {
    /// The `n`th session that a tap tells of: a connection of which no packet was seen.
    pub const fn session(n: u64) -> Self {
        Self(PacketNo(SESSION | n))
    }

    /// Whether it is one.
    pub const fn is_session(self) -> bool {
        self.0.0 & SESSION != 0
    }
}

/// Stands for the end of a session that nobody tells of.
pub const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Which packet, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Its number: the order.
    pub packet: PacketNo,
    /// Its time: for people; never an order.
    pub time: Time,
}

/// A network namespace that is captured in: 0 is our own. What a loopback address means depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(pub u16);

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dir {
    /// From the side that opened the connection.
    ToServer,
    /// From the side that accepted it.
    ToClient,
}

impl Dir {
    /// Both, requests first.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ToServer => "to_server",
            Self::ToClient => "to_client",
        }
    }

    /// 0 to the server, 1 to the client: for arrays of two.
    pub const fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP: an ordered stream of bytes a direction.
    Stream,
    /// UDP: one datagram at a time.
    Datagram,
}

/// How a connection came into view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Joined {
    /// From its first packet: the first byte seen is the first byte sent.
    Opening,
    /// Somewhere on its way: roles and the first message are guesses until the wire shows them.
    Midway,
    /// The client's bytes before the first one that was seen are lost: other requests may be among them.
    BehindHole,
}

/// How one direction of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// FIN: everything was sent.
    Fin,
    /// RST: cut off.
    Rst,
    /// Nothing for a long time.
    Idle,
    /// Given up for lack of room.
    Evicted,
    /// The capture ended first.
    Open,
}

impl End {
    /// The word of the `connection` record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Open => "open",
        }
    }
}

/// What is known of a connection when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnMeta {
    /// Its name.
    pub id: ConnId,
    /// Who opened it; guessed from the ports where the opening was not seen.
    pub client: SocketAddr,
    /// Who accepted it.
    pub server: SocketAddr,
    /// TCP or UDP.
    pub transport: Transport,
    /// Its first packet.
    pub first: Stamp,
    /// Seen from the start or not.
    pub joined: Joined,
    /// The client's initial sequence number, where its SYN was the first packet; a 0 is taken for none.
    pub isn: Option<NonZeroU32>,
    /// The network namespace in which it was seen first.
    pub zone: Zone,
}

impl ConnMeta {
    /// The same with client and server the other way round.
    pub fn turned(self) -> Self {
        Self { client: self.server, server: self.client, ..self }
    }
}
