//! Flows' places in the order of their numbers: they come at the back and go at the front. In chunks, so that nothing is copied as there
//! are more of them, and what has gone takes no room.

use super::Slot;
use std::collections::VecDeque;

/// Places of a chunk.
const CHUNK: usize = 256;

/// The places; a flow that left its own leaves it empty.
#[derive(Debug, Default)]
pub(super) struct Slots {
    chunks: VecDeque<Vec<Option<Slot>>>,
    /// How many places of the first chunk have gone.
    gone: usize,
    len: usize,
}

impl Slots {
    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push_back(&mut self, slot: Slot) {
        if self.chunks.back().is_none_or(|last| last.len() == CHUNK) {
            self.chunks.push_back(Vec::with_capacity(CHUNK));
        }
        if let Some(last) = self.chunks.back_mut() {
            last.push(Some(slot));
            self.len += 1;
        }
    }

    /// The first place goes; none where there is none.
    pub(super) fn pop_front(&mut self) -> Option<Option<Slot>> {
        let first = self.chunks.front_mut()?.get_mut(self.gone)?.take();
        self.len -= 1;
        self.gone += 1;
        if self.gone == CHUNK || self.len == 0 {
            self.chunks.pop_front();
            self.gone = 0;
        }
        Some(first)
    }

    /// The first place, none where there is none.
    pub(super) fn front(&self) -> Option<&Option<Slot>> {
        self.chunks.front()?.get(self.gone)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Slot> {
        let at = self.gone + at;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Slot> {
        self.place(at)?.as_mut()
    }

    /// Empties a place.
    pub(super) fn take(&mut self, at: usize) -> Option<Slot> {
        self.place(at)?.take()
    }

    /// Those that are in their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.chunks.iter().flatten().flatten()
    }

    /// The last one before a place that is in its own.
    pub(super) fn before(&self, end: usize) -> Option<&Slot> {
        (0..end.min(self.len)).rev().find_map(|at| self.get(at))
    }

    fn place(&mut self, at: usize) -> Option<&mut Option<Slot>> {
        let at = self.gone + at;
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }
}
