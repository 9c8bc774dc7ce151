//! A map of what mostly is only a few, on very many connections: in the order of the keys, in as much room as that takes.

use std::borrow::Borrow;

/// By key.
#[derive(Debug)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Few<K, V> {
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(self.place(key).ok()?).map(|(_, one)| one)
    }

    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.0.get_mut(at).map(|(_, one)| one)
    }

    /// The lowest key.
    pub(super) fn first(&self) -> Option<&K> {
        self.0.first().map(|(key, _)| key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, one)| (key, one))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, one)| (&*key, one))
    }

    /// What the key stood for goes.
    pub(super) fn insert(&mut self, key: K, one: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, before)| std::mem::replace(before, one)),
            Err(at) => {
                if self.0.is_empty() {
                    // mostly there is but one at a time
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (key, one));
                None
            }
        }
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&V) -> bool) {
        self.0.retain(|(_, one)| stays(one));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Gives back the room for more.
    pub(super) fn rest(&mut self) {
        self.0.shrink_to_fit();
    }
}

impl<K, V> IntoIterator for Few<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
