//! The same packet on several interfaces, told from a retransmission: it comes from another source, soon.

use super::limits::{COPIES, COPY_WINDOW};
use crate::model::{Dir, Segment, SourceId};
use crate::time::Time;
use std::collections::VecDeque;

/// The last packets of a connection.
#[derive(Debug, Default)]
pub(super) struct Copies {
    last: VecDeque<Print>,
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
    fn is_copy_of(&self, other: &Self) -> bool {
        (self.seq, self.ack, self.len, self.flags, self.dir) == (other.seq, other.ack, other.len, other.flags, other.dir)
            && self.source != other.source
            && self.time.since(other.time) <= COPY_WINDOW
            && other.time.since(self.time) <= COPY_WINDOW
    }
}

impl Copies {
    /// Whether another source showed this packet just now. A copy is not kept: else the original's retransmission would be one of it.
    pub(super) fn has(&mut self, seg: &Segment, dir: Dir) -> bool {
        let len = (seg.payload.len() as u32).wrapping_add(seg.cut);
        let print = Print { time: seg.stamp.time, seq: seg.seq, ack: seg.ack, len, source: seg.source, flags: seg.flags.0, dir };
        self.mixed |= self.last.back().is_some_and(|p| p.source != print.source);
        if self.mixed && self.last.iter().rev().any(|p| print.is_copy_of(p)) {
            return true;
        }
        if self.last.len() == COPIES {
            self.last.pop_front();
        }
        self.last.push_back(print);
        false
    }
}
