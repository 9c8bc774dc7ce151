//! A list that grows chunk by chunk. Unlike a `Vec` it copies nothing when it grows, so that it never takes twice its memory, and what it
//! has left over is less than a chunk. Nothing is taken out of it: places are used again.

use std::ops::{Index, IndexMut};

/// Entries of a chunk.
const CHUNK: usize = 64;

/// The list.
#[derive(Debug)]
pub(crate) struct Chunked<T>(Vec<Vec<T>>);

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunked<T> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    /// Appends an entry, and says where it is.
    pub(crate) fn push(&mut self, entry: T) -> u32 {
        if self.0.last().is_none_or(|last| last.len() == CHUNK) {
            self.0.push(Vec::with_capacity(CHUNK));
        }
        if let Some(last) = self.0.last_mut() {
            last.push(entry);
        }
        (self.len() - 1) as u32
    }

    /// An entry.
    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        self.0.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// An entry, to change it.
    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        let at = at as usize;
        self.0.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> IntoIterator for Chunked<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

impl<T> Index<u32> for Chunked<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        &self.0[at as usize / CHUNK][at as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunked<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.0[at as usize / CHUNK][at as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_where_it_was_put_and_stays_there() {
        let mut list = Chunked::default();
        assert_eq!((list.len(), list.get(0)), (0, None));
        assert_eq!(list.push(0), 0);
        let first: *const u32 = &raw const list[0];
        for n in 1..1000 {
            assert_eq!((list.push(n), list.len()), (n, n as usize + 1));
        }
        assert_eq!(first, &raw const list[0]);
        list[64] += 5000;
        assert_eq!([63, 64, 65, 999].map(|at| list[at]), [63, 5064, 65, 999]);
        assert_eq!((list.get(999), list.get(1000)), (Some(&999), None));
        assert!(list.iter().copied().eq(list.0.concat()) && list.into_iter().count() == 1000);
    }
}
