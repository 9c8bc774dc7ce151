//! What two socket addresses tell: which shard, and who may be the client. The table decides.

use super::limits::SHARDS;
use crate::model::{Segment, TcpFlags, Transport, Zone};
use std::net::{IpAddr, SocketAddr};

/// Ports from here on are given to clients (Linux: `ip_local_port_range`).
const EPHEMERAL: u16 = 32768;

/// The shard that a connection belongs to: the same for both directions, on every run.
pub(super) fn shard(from: SocketAddr, to: SocketAddr, transport: Transport, realm: Zone) -> u8 {
    // not the bits that the table goes by
    ((hash(from, to, transport, realm) >> 32) % SHARDS as u64) as u8
}

/// The same for both directions of a connection, and unlikely to be another's.
pub fn connection_key(from: SocketAddr, to: SocketAddr, zone: Zone) -> u64 {
    hash(from, to, Transport::Stream, realm(from, to, zone))
}

/// Where the two addresses mean the same: a loopback's are each namespace's own. All others are shared, for a container's packet is
/// seen on its own interface, on the other end of its cable and on the bridge; also link-local ones, which are the same at both ends
/// of the cable.
pub(super) fn realm(from: SocketAddr, to: SocketAddr, zone: Zone) -> Zone {
    if from.ip().to_canonical().is_loopback() || to.ip().to_canonical().is_loopback() { zone } else { Zone::default() }
}

/// Whether the sender of an opening segment is the client; none where the segment does not tell.
pub(super) fn opened_by(seg: &Segment) -> Option<bool> {
    seg.flags.has(TcpFlags::SYN).then(|| !seg.flags.has(TcpFlags::ACK))
}

/// Whether the sender is the client, by the ports alone: a server's is known, or below the ephemeral ones, or lower.
pub(super) fn guess(from: SocketAddr, to: SocketAddr, known: fn(u16) -> bool) -> bool {
    let (from, to) = (from.port(), to.port());
    if known(from) != known(to) {
        known(to)
    } else if (from >= EPHEMERAL) != (to >= EPHEMERAL) {
        from >= EPHEMERAL
    } else {
        from >= to
    }
}

/// A number that tells connections apart: the same for both directions, on every run.
pub(super) fn hash(from: SocketAddr, to: SocketAddr, transport: Transport, realm: Zone) -> u64 {
    let transport = match transport {
        Transport::Stream => 6,
        Transport::Datagram => 17,
    };
    mix(end(from).wrapping_add(end(to)).wrapping_add(transport).wrapping_add(u64::from(realm.0) << 8))
}

fn end(addr: SocketAddr) -> u64 {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() as u64) ^ mix((ip.to_bits() >> 64) as u64),
    };
    mix(ip ^ u64::from(addr.port()) << 48)
}

/// Spreads a number over all its bits (the finalizer of SplitMix64, by S. Vigna).
fn mix(mut n: u64) -> u64 {
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
