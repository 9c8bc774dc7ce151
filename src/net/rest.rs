//! What is left of a packet while its headers are peeled off. Not a parser: it takes, skips and cuts.

use std::ops::Range;

/// Why a packet is passed over: what is counted, and shown.
pub(super) type Reason = &'static str;

/// A header ends before its last byte.
pub(super) const TRUNCATED: Reason = "truncated header";

/// The bytes from here on, where in the slab they are, and how many more were on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
    cut: usize,
}

impl<'a> Rest<'a> {
    /// `range` of the slab, with `cut` bytes more on the wire.
    pub(super) fn new(slab: &'a [u8], range: Range<usize>, cut: usize) -> Self {
        Self { at: range.start, bytes: slab.get(range).unwrap_or_default(), cut }
    }

    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Reason> {
        let (head, bytes) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
        self.bytes = bytes;
        self.at += N;
        Ok(head)
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Result<u8, Reason> {
        self.bytes.first().copied().ok_or(TRUNCATED)
    }

    /// Whether it goes on with these bytes, which stay.
    pub(super) fn starts_with(&self, bytes: &[u8]) -> bool {
        self.bytes.starts_with(bytes)
    }

    /// Leaves out `n` bytes, be they captured or cut.
    pub(super) fn skip(&mut self, n: usize) -> Result<(), Reason> {
        let seen = n.min(self.bytes.len());
        self.cut = self.cut.checked_sub(n - seen).ok_or(TRUNCATED)?;
        self.bytes = self.bytes.get(seen..).unwrap_or_default();
        self.at += seen;
        Ok(())
    }

    /// A header says that `n` bytes follow it: what is beyond is padding, what is missing was cut.
    pub(super) fn limit(&mut self, n: usize) {
        self.cut = n.saturating_sub(self.bytes.len());
        self.bytes = self.bytes.get(..n).unwrap_or(self.bytes);
    }

    /// Where the captured bytes are in the slab.
    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.bytes.len()
    }

    /// How many bytes follow that were not captured.
    pub(super) fn cut(&self) -> usize {
        self.cut
    }
}
