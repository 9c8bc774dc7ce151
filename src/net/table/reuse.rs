//! Whether the ports of a connection are another one's by now, which sequence numbers tell.

use super::{Entry, State};
use crate::model::{Segment, TcpFlags, Transport};
use crate::net::limits::{BOTH_WAYS, COPY_WINDOW, WINDOW};
use crate::time::Time;
use std::num::NonZeroU32;

/// How far before the last that a closed connection sent, and how far behind it, in bytes, another one's data lie whose opening was not
/// seen: no data that is sent again is as old, none follows, and initial sequence numbers are random.
const CLOSED: (u64, u64) = (BOTH_WAYS, 1 << 17);
/// The same where it is open, as far as was seen.
const OPEN: (u64, u64) = (BOTH_WAYS, BOTH_WAYS);
/// What a SYN's data may add to the number that its answer acknowledges (RFC 7413).
const SYN_DATA: u32 = 1 << 16;

impl<C> Entry<C> {
    /// Whether a segment shows that the ports are in use anew: an opening with another initial sequence number, or after the close; or data
    /// with other numbers both ways, whose opening was not seen: of an open connection once two segments in a row tell it.
    pub(super) fn is_over_by(&mut self, seg: &Segment, side: usize, now: Time) -> bool {
        if self.key.transport == Transport::Datagram {
            return false;
        }
        let (closed, reset) = (matches!(self.state, State::Closed), seg.flags.has(TcpFlags::RST));
        if reset || !seg.flags.has(TcpFlags::SYN) {
            let brings = !reset && (!seg.payload.is_empty() || seg.cut > 0);
            return if closed { brings && self.is_elsewhere(seg, side, CLOSED) } else { self.is_anothers(seg, side, brings) };
        }
        self.doubt = None;
        if seg.flags.has(TcpFlags::ACK) {
            return self.isn[1 - side].is_some_and(|isn| seg.ack.wrapping_sub(isn.get()).wrapping_sub(1) > SYN_DATA);
        }
        // a client that was refused may try again with the same number; another source's copy comes sooner
        self.isn[side].is_some_and(|isn| isn.get() != seg.seq) || closed && now.since(self.touched) > COPY_WINDOW
    }

    /// Whether a segment that may bring data begins another connection, as the one before it said, too: what they tell lies before what was
    /// seen, or so far behind it both ways that it is hardly a hole. If it is a hole, that is where the connection goes on.
    fn is_anothers(&mut self, seg: &Segment, side: usize, brings: bool) -> bool {
        if !self.is_elsewhere(seg, side, OPEN) {
            self.doubt = None;
            return false;
        }
        let told = if side == 0 { [seg.seq, seg.ack] } else { [seg.ack, seg.seq] };
        let apart = |one: u32, other: u32| u64::from((one.wrapping_sub(other) as i32).unsigned_abs());
        let near = |before: &[u32; 2]| (0..2).all(|at| apart(told[at], before[at]) <= BOTH_WAYS);
        let before = self.doubt.filter(near).unwrap_or(told);
        self.doubt = Some(before);
        let twice = before != told;
        // where one end has only sent its SYN, what is left of an old connection may come behind it
        let [Some(low), Some(high)] = self.at else { return false };
        let ahead = [told[0].wrapping_sub(low.get()), told[1].wrapping_sub(high.get())].map(|by| i64::from(by as i32));
        let another = ahead.iter().any(|by| *by < 0) || ahead.iter().all(|by| *by > WINDOW as i64);
        if twice && !another {
            self.at = told.map(NonZeroU32::new);
        }
        twice && another && brings
    }

    /// Whether what a segment sends and what it acknowledges are both so far from what is known: before that, and behind it. Behind a SYN
    /// nothing is known of the other end: then what is known of this one decides.
    fn is_elsewhere(&self, seg: &Segment, side: usize, (before, behind): (u64, u64)) -> bool {
        let opened = self.at != [None; 2];
        let far = |side: usize, at: u32| {
            let Some(last) = self.at[side] else { return opened };
            let from_last = at.wrapping_sub(last.get()) as i32;
            u64::from(from_last.unsigned_abs()) > if from_last < 0 { before } else { behind }
        };
        seg.flags.has(TcpFlags::ACK) && far(side, seg.seq) && far(1 - side, seg.ack)
    }

    /// A packet of it: what it tells of where both ends are, unless it is from elsewhere.
    pub(super) fn note(&mut self, seg: &Segment, side: usize) {
        self.sent[side] = true;
        if self.doubt.is_none() {
            self.at[side] = NonZeroU32::new(seg.seq);
            if !self.sent[1 - side] {
                self.at[1 - side] = NonZeroU32::new(seg.ack).filter(|_| seg.flags.has(TcpFlags::ACK));
            }
        }
        self.note_isn(seg, side);
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
