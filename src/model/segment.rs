//! Packets and TCP segments on their way from the one reader to the shards, in batches that share one slab of bytes.

use super::conn::{PacketNo, Stamp, Zone};
use super::event::Event;
use super::fact::OwnedEnd;
use super::tap::Attachment;
use crate::time::Time;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

/// An interface, a file, an interface within a pcapng file, or a tap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u16);

/// A LINKTYPE value (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

/// One captured packet. Its bytes are in the slab of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Number and time.
    pub stamp: Stamp,
    /// What saw it.
    pub source: SourceId,
    /// How to read its first bytes.
    pub link: LinkType,
    /// How long it was on the wire; more than `bytes` holds where a snaplen cut it.
    pub wire_len: u32,
    /// Where its bytes are in the slab.
    pub bytes: Range<usize>,
}

/// Packets as a source delivers them: appended to a slab, not yet looked into.
#[derive(Debug, Default)]
pub struct Packets {
    /// The bytes of all packets, one after the other.
    pub slab: Vec<u8>,
    /// What is in it, in the order of capture.
    pub list: Vec<Packet>,
    /// What happened to the sources meanwhile.
    pub news: Vec<SourceNews>,
    /// What the comments of packets say of the ends of their connections, in packet order.
    pub owned: Vec<(PacketNo, Vec<OwnedEnd>)>,
    next: u64,
}

impl Packets {
    /// An empty batch whose first packet gets number `first`.
    pub fn starting_at(first: PacketNo) -> Self {
        Self { next: first.0, ..Self::default() }
    }

    /// The same, in the memory of a slab that nobody needs any more.
    pub fn reusing(mut slab: Vec<u8>, first: PacketNo) -> Self {
        slab.clear();
        Self { slab, ..Self::starting_at(first) }
    }

    /// Appends a packet and numbers it.
    pub fn push(&mut self, time: Time, source: SourceId, link: LinkType, wire_len: u32, bytes: &[u8]) {
        let start = self.slab.len();
        self.slab.extend_from_slice(bytes);
        let stamp = Stamp { packet: PacketNo(self.next), time };
        self.next += 1;
        self.list.push(Packet { stamp, source, link, wire_len, bytes: start..self.slab.len() });
    }

    /// What a comment on the packet that was pushed last says of the ends of its connection.
    pub fn own(&mut self, ends: Vec<OwnedEnd>) {
        if let Some(packet) = self.list.last() {
            self.owned.push((packet.stamp.packet, ends));
        }
    }

    /// The number the next packet gets.
    pub fn next(&self) -> PacketNo {
        PacketNo(self.next)
    }

    /// The bytes of one of its packets.
    pub fn bytes(&self, packet: &Packet) -> &[u8] {
        self.slab.get(packet.bytes.clone()).unwrap_or_default()
    }
}

/// What a source has to say beside packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceNews {
    /// It is being read: its name as it is shown in `sources`.
    Opened(SourceId, Arc<str>),
    /// It is in another network namespace; said before its packets. What is not said of is in our own.
    Zone(SourceId, Zone),
    /// It ended or went away, and why.
    Closed(SourceId, Arc<str>),
    /// The kernel's count of packets that it had no room for, since the start.
    KernelDrops(SourceId, u64),
    /// How many packets came from it so far.
    Packets(SourceId, u64),
    /// How far a file is read: bytes done, bytes in all.
    Progress(u64, u64),
    /// The answer to what the person who watches asked for: that packets were saved, and where.
    Told(Arc<str>),
    /// Something that went wrong, and stays so: packets are not written any more.
    Warned(Arc<str>),
    /// How a tap stands, each time that changes.
    Tap(SourceId, Arc<Attachment>),
    /// A name for an address that the capture itself holds (pcapng name resolution block).
    Name(std::net::IpAddr, Arc<str>),
}

/// The flags of a TCP segment (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// Whether all bits of `mask` are set.
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
}

/// One TCP segment, or one UDP datagram (then without an acknowledgement).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The packet it came in; the last one where fragments were joined.
    pub stamp: Stamp,
    /// What saw it.
    pub source: SourceId,
    /// The network namespace that it was seen in.
    pub zone: Zone,
    /// The sender.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// Sequence number of the first payload byte (of the SYN, where it is set). Of a datagram: IPv4's identification, 0 where there is none.
    pub seq: u32,
    /// Acknowledgement number; counts where ACK is set.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// Where the payload is in the slab of its batch.
    pub payload: Range<usize>,
    /// Payload bytes that a snaplen cut off: they follow `payload`, and are lost.
    pub cut: u32,
    /// The shard that owns its connection.
    pub shard: u8,
}

/// What the shards are handed, in packet order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A TCP segment.
    Segment(Segment),
    /// A UDP datagram.
    Datagram(Segment),
    /// Packet time has moved on to here: for every shard. The stamp's packet is the last one before it.
    Tick(Stamp),
}

impl Item {
    /// Its segment or datagram; a tick has none.
    pub fn segment(&self) -> Option<&Segment> {
        match self {
            Self::Segment(segment) | Self::Datagram(segment) => Some(segment),
            Self::Tick(_) => None,
        }
    }

    /// How many bytes of payload it has.
    pub fn payload(&self) -> u64 {
        self.segment().map_or(0, |segment| segment.payload.len() as u64)
    }
}

/// One batch for all workers: each takes the items of its own shards.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts up from 0 without a hole.
    pub no: u64,
    /// The bytes that the items' ranges point into.
    pub slab: Vec<u8>,
    /// In packet order.
    pub items: Vec<Item>,
    /// The last packet in it, or the last one before its last tick: what every worker has passed once it is done.
    pub last: Stamp,
    /// Packets and captured bytes in it, whatever was in them.
    pub packets: u64,
    /// Captured bytes.
    pub bytes: u64,
    /// What the sources said.
    pub news: Vec<SourceNews>,
    /// What taps tell: behind all that the packets hold.
    pub tapped: Vec<Event>,
    /// What the comments of packets say of the ends of their connections, in packet order.
    pub owned: Vec<(PacketNo, Vec<OwnedEnd>)>,
    /// Of the packets of its items: what is not payload.
    pub header_bytes: u64,
    /// Packets that hold nothing we look into (ARP, ICMP, an unknown link type), by reason.
    pub passed_over: Vec<(&'static str, u64)>,
    /// Captured bytes of these.
    pub passed_over_bytes: u64,
    /// Whether new connections are refused, because the workers are behind.
    pub overload: bool,
    /// Whether there are several sources, so that one may show what another one did.
    pub several: bool,
}
