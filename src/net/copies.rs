//! The same packet on several interfaces, told from a retransmission: it comes from another source, soon. And a packet again, from its own.

use super::limits::{COPIES, COPY_WINDOW};
use crate::model::{Dir, Segment, SourceId};
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// The last packets of a connection; none where it has been quiet, for a copy comes soon.
#[derive(Debug, Default)]
pub(super) struct Copies(Option<Box<Last>>);

#[derive(Debug, Default)]
struct Last {
    prints: VecDeque<Print>,
    /// Whether they came from more than one source.
    mixed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Print {
    time: Time,
    seq: u32,
    ack: u32,
    len: u32,
    source: SourceId,
    flags: u8,
    dir: Dir,
}

impl Print {
    fn of(seg: &Segment, dir: Dir) -> Self {
        let len = (seg.payload.len() as u32).wrapping_add(seg.cut);
        Self { time: seg.stamp.time, seq: seg.seq, ack: seg.ack, len, source: seg.source, flags: seg.flags.0, dir }
    }

    fn is_copy_of(&self, other: &Self) -> bool {
        self.source != other.source && self.is_like(other)
    }

    /// Whether it is the same packet, from whatever source.
    fn is_like(&self, other: &Self) -> bool {
        (self.seq, self.ack, self.len, self.flags, self.dir) == (other.seq, other.ack, other.len, other.flags, other.dir)
            && self.time.since(other.time) <= COPY_WINDOW
            && other.time.since(self.time) <= COPY_WINDOW
    }
}

impl Copies {
    /// Whether another source showed this packet just now, of those that were asked for. A copy is not kept: else the original's retransmission would be one of it.
    pub(super) fn has(&mut self, seg: &Segment, dir: Dir) -> bool {
        let print = Print::of(seg, dir);
        let Last { prints, mixed } = &mut **self.0.get_or_insert_default();
        *mixed |= prints.back().is_some_and(|p| p.source != print.source);
        if *mixed && prints.iter().rev().any(|p| print.is_copy_of(p)) {
            return true;
        }
        if prints.len() == COPIES {
            prints.pop_front();
        }
        prints.push_back(print);
        false
    }

    /// Whether the packet's own source showed the same one just before, at most so long.
    pub(super) fn has_again(&self, seg: &Segment, dir: Dir, within: Span) -> bool {
        let print = Print::of(seg, dir);
        let own = |p: &Print| p.source == print.source && print.is_like(p) && print.time.since(p.time) <= within;
        self.0.as_ref().is_some_and(|last| last.prints.iter().rev().any(own))
    }

    /// Nothing has come for so long that what comes is no copy.
    pub(super) fn rest(&mut self) {
        self.0 = None;
    }
}
