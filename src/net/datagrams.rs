//! The datagrams of one connection: counted, and each taken once, whatever shows it. There is no order to restore and nothing waits.

use super::copies::Copies;
use super::tcp::{Seen, Tally, count};
use crate::model::{Dir, Segment, Stamp};

/// Both directions of one connection.
#[derive(Debug, Default)]
pub struct Datagrams {
    copies: Copies,
    last: Stamp,
    tally: Tally,
}

impl Datagrams {
    /// A datagram with its captured payload.
    pub fn datagram(&mut self, seg: &Segment, payload: &[u8], dir: Dir) -> Seen {
        // what a sequence number does for a segment
        if self.copies.has(&Segment { seq: hash(payload), ..seg.clone() }, dir) {
            return Seen::Copy;
        }
        self.last = seg.stamp;
        *count(&mut self.tally.packets, dir) += 1;
        *count(&mut self.tally.bytes, dir) += payload.len() as u64;
        Seen::First
    }

    /// Nothing has come for a while: only what is known is kept, no room for what may come.
    pub fn rest(&mut self) {
        self.copies.rest();
    }

    /// What it counted.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Its last packet.
    pub fn last(&self) -> Stamp {
        self.last
    }
}

/// FNV-1a (draft-eastlake-fnv), 32 bits.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Counts, PacketNo, SourceId, TcpFlags};
    use crate::time::Time;

    #[test]
    fn a_copy_is_what_another_source_shows_soon() {
        let [from, to] = ["10.0.0.1:40000", "10.0.0.2:53"].map(|a| a.parse().unwrap());
        let mut datagrams = Datagrams::default();
        let mut see = |ms: i64, source, payload: &[u8]| {
            let stamp = Stamp { packet: PacketNo(1), time: Time::from_nanos(ms * 1_000_000) };
            let (flags, payload_at) = (TcpFlags::default(), 0..payload.len());
            let seg = Segment {
                stamp,
                source: SourceId(source),
                zone: crate::model::Zone::default(),
                from,
                to,
                seq: 0,
                ack: 0,
                flags,
                payload: payload_at,
                cut: 0,
                shard: 0,
            };
            datagrams.datagram(&seg, payload, Dir::ToServer)
        };
        assert_eq!(see(0, 0, b"one"), Seen::First);
        assert_eq!(see(1, 1, b"one"), Seen::Copy);
        assert_eq!(see(2, 1, b"two"), Seen::First, "the same length is not the same datagram");
        assert_eq!(see(3, 0, b"one"), Seen::First, "sent again: its own source shows it twice");
        assert_eq!(see(900, 1, b"two"), Seen::First, "too late for a copy");
        assert_eq!(datagrams.tally().packets, Counts { to_server: 4, to_client: 0 });
        assert_eq!(datagrams.tally().bytes, Counts { to_server: 12, to_client: 0 });
    }
}
