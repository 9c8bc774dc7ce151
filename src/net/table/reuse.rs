//! Whether the ports of a connection are another one's by now, which sequence numbers tell.

use super::{Entry, State};
use crate::model::{Segment, TcpFlags, Transport};
use crate::net::limits::COPY_WINDOW;
use crate::time::Time;
use std::num::NonZeroU32;

/// How far before the last that a closed connection sent, and how far behind it, in bytes, another one's data lie whose opening was not
/// seen: no data that is sent again is as old, none follows, and initial sequence numbers are random.
const FAR: (i32, i32) = (1 << 22, 1 << 17);
/// What a SYN's data may add to the number that its answer acknowledges (RFC 7413).
const SYN_DATA: u32 = 1 << 16;

impl<C> Entry<C> {
    /// Whether a segment shows that the ports are in use anew: an opening with another initial sequence number, or after the close; or, after
    /// the close, data with other numbers both ways, whose opening was not seen.
    pub(super) fn is_over_by(&self, seg: &Segment, side: usize, now: Time) -> bool {
        if self.key.transport == Transport::Datagram || seg.flags.has(TcpFlags::RST) {
            return false;
        }
        let closed = matches!(self.state, State::Closed);
        if !seg.flags.has(TcpFlags::SYN) {
            let far = |side: usize, at: u32| {
                let from_last = at.wrapping_sub(self.at[side]) as i32;
                self.sent[side] && !(-FAR.0..=FAR.1).contains(&from_last)
            };
            return closed && !seg.payload.is_empty() && far(side, seg.seq) && far(1 - side, seg.ack);
        }
        if seg.flags.has(TcpFlags::ACK) {
            return self.isn[1 - side].is_some_and(|isn| seg.ack.wrapping_sub(isn.get()).wrapping_sub(1) > SYN_DATA);
        }
        // a client that was refused may try again with the same number; another source's copy comes sooner
        self.isn[side].is_some_and(|isn| isn.get() != seg.seq) || closed && now.since(self.touched) > COPY_WINDOW
    }

    /// What a segment tells of the initial sequence numbers.
    pub(super) fn note_isn(&mut self, seg: &Segment, side: usize) {
        let before = if seg.flags.has(TcpFlags::SYN) { 0 } else { 1 };
        self.isn[side] = self.isn[side].or(NonZeroU32::new(seg.seq.wrapping_sub(before)));
        if seg.flags.has(TcpFlags::ACK) {
            self.isn[1 - side] = self.isn[1 - side].or(NonZeroU32::new(seg.ack.wrapping_sub(1)));
        }
    }
}
