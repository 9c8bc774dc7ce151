//! The datagrams of one connection: counted, and each taken once, whatever shows it. There is no order to restore and nothing waits.
//!
//! A capture of several interfaces under one name, or of a bridge, shows a datagram twice: the same bytes in packets of the same number.
//! Who sends it again sends it in another packet. Those of IPv6 have no numbers, nor have some of IPv4; such a one is the same only where
//! it comes at once.

use super::copies::Copies;
use super::limits::{AGAIN_WINDOW, COPY_WINDOW};
use super::tcp::{Tally, count};
use crate::model::{Dir, Segment, Stamp};

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was taken and counted.
    First,
    /// Another source showed it just before: only that source is news.
    Copy,
    /// Its own source showed it just before: it was counted, and brings nothing.
    Again,
}

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
        // what sequence numbers do for a segment
        let hash = hash(&seg.seq.to_be_bytes(), payload);
        let print = Segment { seq: hash as u32, ack: (hash >> 32) as u32, ..seg.clone() };
        let again = self.copies.has_again(&print, dir, if seg.seq > 0 { COPY_WINDOW } else { AGAIN_WINDOW });
        if self.copies.has(&print, dir) {
            return Seen::Copy;
        }
        self.last = seg.stamp;
        *count(&mut self.tally.packets, dir) += 1;
        if again {
            self.tally.repeated += payload.len() as u64;
            self.tally.retransmissions += 1;
            return Seen::Again;
        }
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

/// FNV-1a (draft-eastlake-fnv), 64 bits: two datagrams are not taken for one by chance.
fn hash(number: &[u8], bytes: &[u8]) -> u64 {
    number.iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
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
        let mut see = |ms: i64, (source, id): (u16, u32), payload: &[u8]| {
            let stamp = Stamp { packet: PacketNo(1), time: Time::from_nanos(ms * 1_000_000) };
            let (flags, payload_at) = (TcpFlags::default(), 0..payload.len());
            let seg = Segment {
                stamp,
                source: SourceId(source),
                zone: crate::model::Zone::default(),
                from,
                to,
                seq: id,
                ack: 0,
                flags,
                payload: payload_at,
                cut: 0,
                shard: 0,
            };
            datagrams.datagram(&seg, payload, Dir::ToServer)
        };
        assert_eq!(see(0, (0, 7), b"one"), Seen::First);
        assert_eq!(see(1, (1, 7), b"one"), Seen::Copy);
        assert_eq!(see(2, (1, 7), b"two"), Seen::First, "the same length is not the same datagram");
        assert_eq!(see(3, (0, 7), b"one"), Seen::Again, "its own source shows it twice");
        assert_eq!(see(4, (1, 7), b"one"), Seen::Copy, "and so does the other one");
        assert_eq!(see(5, (1, 8), b"two"), Seen::First, "sent again");
        assert_eq!(see(900, (1, 7), b"two"), Seen::First, "too late for a copy");
        assert_eq!(see(1100, (1, 7), b"two"), Seen::First, "numbers come again");
        assert_eq!(see(2000, (0, 0), b"one"), Seen::First);
        assert_eq!(see(2001, (0, 0), b"one"), Seen::Again, "without a number: at once");
        assert_eq!(see(2005, (0, 0), b"one"), Seen::First, "without a number: sent again");
        let Tally { packets, bytes, repeated, retransmissions, .. } = datagrams.tally();
        assert_eq!(packets, Counts { to_server: 9, to_client: 0 });
        assert_eq!(bytes, Counts { to_server: 21, to_client: 0 });
        assert_eq!((repeated, retransmissions), (6, 2));
    }
}
