//! Bytes that wait for those before them: sorted, disjoint, what was seen first wins. It sets no limits; its users do.

use std::collections::VecDeque;

/// A run of bytes.
#[derive(Debug)]
pub(super) struct Piece<T> {
    /// Where it begins.
    pub(super) start: u64,
    /// How long it is.
    pub(super) len: u64,
    /// The bytes, all of them; none where they were cut off and are lost.
    pub(super) bytes: Box<[u8]>,
    /// What its user knows of it.
    pub(super) tag: T,
}

impl<T> Piece<T> {
    /// Where the next one may begin.
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// Runs of bytes in the order of their places.
#[derive(Debug)]
pub(super) struct Pieces<T> {
    list: VecDeque<Piece<T>>,
    held: usize,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { list: VecDeque::new(), held: 0 }
    }
}

impl<T: Copy> Pieces<T> {
    /// Keeps what is new of `bytes`, and of `cut` lost ones behind them; says how many of the bytes were new.
    pub(super) fn insert(&mut self, start: u64, bytes: &[u8], cut: u64, tag: T) -> u64 {
        let seen_to = start + bytes.len() as u64;
        let new = self.fill(start, seen_to, tag, |from, to| {
            let range = (from - start) as usize..(to - start) as usize;
            bytes.get(range).unwrap_or_default().into()
        });
        self.fill(seen_to, seen_to + cut, tag, |_, _| Box::default());
        new
    }

    /// Puts a piece into each free place between `at` and `end`.
    fn fill(&mut self, mut at: u64, end: u64, tag: T, bytes: impl Fn(u64, u64) -> Box<[u8]>) -> u64 {
        let mut new = 0;
        let mut index = self.list.partition_point(|p| p.end() <= at);
        while at < end {
            let (to, after) = match self.list.get(index) {
                Some(p) if p.start < end => (p.start.max(at), p.end()),
                _ => (end, end),
            };
            if to > at {
                let piece = Piece { start: at, len: to - at, bytes: bytes(at, to), tag };
                self.held += piece.bytes.len();
                new += piece.len;
                self.list.insert(index, piece);
                index += 1;
            }
            at = after;
            index += 1;
        }
        new
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<&Piece<T>> {
        self.list.front()
    }

    /// Where the last one ends: 0 where there is none.
    pub(super) fn end(&self) -> u64 {
        self.list.back().map_or(0, Piece::end)
    }

    /// Takes the first one out.
    pub(super) fn pop(&mut self) -> Option<Piece<T>> {
        let piece = self.list.pop_front()?;
        self.held -= piece.bytes.len();
        Some(piece)
    }

    /// Lets go what is at `end` and beyond; says how many bytes that were.
    pub(super) fn truncate(&mut self, end: u64) -> u64 {
        let before = self.held;
        while let Some(mut piece) = self.list.pop_back_if(|p| p.end() > end) {
            self.held -= piece.bytes.len();
            piece.len = end.saturating_sub(piece.start);
            if piece.len > 0 {
                if let Some(bytes) = piece.bytes.get(..piece.len as usize) {
                    piece.bytes = bytes.into();
                }
                self.held += piece.bytes.len();
                self.list.push_back(piece);
            }
        }
        (before - self.held) as u64
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Piece<T>> {
        self.list.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// What they take in memory.
    pub(super) fn room(&self) -> usize {
        self.held + self.list.capacity() * size_of::<Piece<T>>()
    }

    /// How many bytes they hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}
