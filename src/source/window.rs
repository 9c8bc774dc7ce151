//! A sliding window over an input: whole records in one piece, however the bytes arrive. It knows no format.

use super::input::{Bytes, Read};
use std::io;

/// The window's first size; it doubles only as bytes really arrive.
const START: usize = 64 * 1024;

/// Bytes that were read and not yet consumed.
pub(super) struct Window {
    bytes: Bytes,
    data: Vec<u8>,
    start: usize,
    end: usize,
    consumed: u64,
}

/// Whether the window holds what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It does.
    Ready,
    /// Not yet.
    Idle,
    /// It never will: the input ended after so many bytes.
    Short(usize),
}

impl Window {
    /// A window at the beginning of `bytes`.
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, data: Vec::new(), start: 0, end: 0, consumed: 0 }
    }

    /// Reads on until `n` bytes are there. The caller bounds `n`.
    pub(super) fn need(&mut self, n: usize) -> io::Result<Need> {
        while self.end - self.start < n {
            if self.end == self.data.len() {
                self.make_room();
            }
            let room = self.data.get_mut(self.end..).unwrap_or_default();
            match self.bytes.read(room)? {
                Read::Some(got) => self.end += got,
                Read::Idle => return Ok(Need::Idle),
                Read::End => return Ok(Need::Short(self.end - self.start)),
            }
        }
        Ok(Need::Ready)
    }

    /// Everything in the window.
    pub(super) fn held(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// Moves on by up to `n` of the bytes held; returns by how many.
    pub(super) fn consume(&mut self, n: usize) -> usize {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.consumed += n as u64;
        n
    }

    /// How many bytes lie before the window.
    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }

    /// Allows the next read to wait a little for a pipe.
    pub(super) fn be_patient(&mut self) {
        self.bytes.be_patient();
    }

    /// Bytes of the file that were read, and its size; none for a pipe.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        self.bytes.progress()
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else {
            self.data.resize((self.data.len() * 2).max(START), 0);
        }
    }
}
