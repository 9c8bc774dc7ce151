//! The same packet on several interfaces, told from a retransmission: it comes from another source, soon.

use super::limits::{COPIES, COPY_WINDOW};
use crate::model::{Dir, Segment, SourceId};
use crate::time::Time;
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

    /// Nothing has come for so long that what comes is no copy.
    pub(super) fn rest(&mut self) {
        self.0 = None;
    }
}
