//! What a connection is found by.

use crate::model::{Segment, Transport, Zone};
use crate::net::ends::{hash, realm};
use std::net::{IpAddr, SocketAddr};

/// Both ends, the lower one first, so that both directions have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) low: Socket,
    high: Socket,
    pub(super) transport: Transport,
    realm: Zone,
}

/// What a packet tells of an end: a socket address without what IPv6 may add to it on a machine.
pub(super) type Socket = (IpAddr, u16);

pub(super) fn socket(end: SocketAddr) -> Socket {
    (end.ip(), end.port())
}

impl Key {
    pub(super) fn of(seg: &Segment, transport: Transport) -> Self {
        let (low, high) = if seg.from <= seg.to { (seg.from, seg.to) } else { (seg.to, seg.from) };
        let (low, high) = (socket(low), socket(high));
        Self { low, high, transport, realm: realm(seg.from, seg.to, seg.zone) }
    }

    pub(super) fn hash(&self) -> u64 {
        hash(self.low.into(), self.high.into(), self.transport, self.realm)
    }
}
