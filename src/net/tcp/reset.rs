//! RST (RFC 9293 §3.10.7.4): which ones are believed, and when. The rest of a connection's life is its parent's.
//!
//! One that is next ends both directions. One ahead of what was shown comes in its order, as a FIN does: a capture may show it before
//! bytes that were sent before it. It waits as long as these would. One that the peer's acknowledgements show to be out of its window is
//! not believed, nor one behind which its sender goes on: peers answer such with a challenge (RFC 5961 §3.2).

use super::half::Tag;
use super::{Reassembler, Streams};
use crate::model::{Dir, End, Segment, Stamp};
use crate::net::limits::RESET_WINDOW;

impl Reassembler {
    /// Notes a RST, unless it can not be of this connection.
    pub(super) fn reset(&mut self, seg: &Segment, dir: Dir) {
        let needs = self.acknowledge(seg, dir);
        let packets = self.now().packets;
        let half = &mut self.halves[dir.index()];
        half.begin(seg.seq, false);
        let (place, next) = (half.place(seg.seq), half.next as i64);
        if place.abs_diff(next) > RESET_WINDOW || half.is_acked_past(place) {
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
