//! What is not of this connection: segments of another one between the same ports, and RSTs that are not believed (RFC 9293 §3.10.7.4).
//!
//! A RST that is next ends both directions. One ahead of what was shown comes in its order, as a FIN does: a capture may show it before
//! bytes that were sent before it. It waits as long as these would. One that the peer's acknowledgements show to be out of its window is
//! not believed, nor one behind which its sender goes on: peers answer such with a challenge (RFC 5961 §3.2).

use super::half::{Half, Tag};
use super::{Reassembler, Streams};
use crate::model::{Dir, End, Segment, Stamp, TcpFlags};
use crate::net::limits::{BOTH_WAYS, WINDOW};

impl Reassembler {
    /// It is over, and that was not captured: a hole of which nobody knows how long it is, where anything was said before.
    pub fn end_is_lost(&mut self) -> bool {
        let lost = self.halves.iter().any(Half::has_begun) && !self.is_over();
        self.sums.rare().gaps += u64::from(lost);
        lost
    }

    /// Whether a segment is of another connection, by its numbers of both directions, or of one that was seen to open, where of the other
    /// one nothing is known: so the last acknowledgements of an old connection come behind the first SYN of a new one. Data far ahead may
    /// be behind a large hole.
    pub(super) fn is_elsewhere(&self, seg: &Segment, dir: Dir) -> bool {
        let [ours, theirs] = [dir, dir.other()].map(|dir| &self.halves[dir.index()]);
        let opened = ours.opened || theirs.opened;
        let far = |half: &Half, seq: u32| if half.is_placed() { half.is_far(seq, BOTH_WAYS) } else { opened };
        let brings = !seg.payload.is_empty() || seg.cut > 0;
        if brings && ours.is_placed() && ours.place(seg.seq) >= ours.next as i64 {
            return false;
        }
        seg.flags.has(TcpFlags::ACK) && far(ours, seg.seq) && far(theirs, seg.ack)
    }

    /// Notes a RST, unless it can not be of this connection.
    pub(super) fn reset(&mut self, seg: &Segment, dir: Dir) {
        let needs = self.acknowledge(seg, dir);
        let packets = self.now().packets;
        let half = &mut self.halves[dir.index()];
        half.begin(seg.seq, false);
        let (place, next) = (half.place(seg.seq), half.next as i64);
        if place.abs_diff(next) > WINDOW || half.is_acked_past(place) {
            self.sums.rare().strays += 1;
            return;
        }
        let tag = Tag { stamp: seg.stamp, packets, needs };
        let beyond = half.beyond();
        let at = (place.max(next) as u64).max(beyond.pieces.end());
        match &mut beyond.reset {
            Some((earlier, _)) => *earlier = at.min(*earlier),
            none => *none = Some((at, tag)),
        }
    }

    /// A direction's bytes go on up to `end`: a RST before that was not believed by the peer.
    pub(super) fn goes_on(&mut self, dir: Dir, end: u64) {
        let reset = self.halves[dir.index()].beyond().reset.take_if(|(at, _)| *at < end);
        if reset.is_some() {
            self.sums.rare().strays += 1;
        }
    }

    /// A RST's turn has come.
    pub(super) fn cut_off(&mut self, dir: Dir, stamp: Stamp, out: &mut impl Streams) {
        self.halves[dir.index()].beyond().reset = None;
        self.sums.rare().hung_up.get_or_insert((dir, stamp));
        self.over(End::Rst, stamp, out);
    }
}
