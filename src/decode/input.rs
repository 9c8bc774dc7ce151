//! What an analyzer is shown: the unconsumed bytes of one direction, and which packet brought each of them.

use crate::model::{Dir, Stamp};
use std::ops::Range;

/// Unconsumed bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The direction.
    pub dir: Dir,
    /// The bytes.
    pub data: &'a [u8],
    /// The offset of `data`'s first byte in its stream.
    base: u64,
    /// From which stream offset on which packet brought the bytes; ascending, the first one at or before `base`.
    marks: &'a [(u64, Stamp)],
}

impl<'a> Input<'a> {
    pub(super) fn new(dir: Dir, data: &'a [u8], base: u64, marks: &'a [(u64, Stamp)]) -> Self {
        Self { dir, data, base, marks }
    }

    /// The stamp of the packet that first brought byte `i`; of the last byte's, where `i` is past the end.
    pub fn at(&self, i: usize) -> Stamp {
        let offset = self.base + i.min(self.data.len().saturating_sub(1)) as u64;
        let n = self.marks.partition_point(|(start, _)| *start <= offset);
        self.marks.get(n.saturating_sub(1)).map(|(_, stamp)| *stamp).unwrap_or_default()
    }

    /// A part of it, for an inner stream.
    pub fn part(&self, range: Range<usize>) -> Self {
        let start = range.start.min(self.data.len());
        Self { data: self.data.get(range).unwrap_or_default(), base: self.base + start as u64, ..*self }
    }

    /// The same bytes in another direction.
    pub(super) fn turned(self, dir: Dir) -> Self {
        Self { dir, ..self }
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn marks(&self) -> &'a [(u64, Stamp)] {
        let n = self.marks.partition_point(|(start, _)| *start <= self.base);
        self.marks.get(n.saturating_sub(1)..).unwrap_or_default()
    }
}
