//! What names stand for in a session, which has few: in order of the names, in as much room as that takes.

/// By name.
#[derive(Debug)]
pub(super) struct Named<T>(Vec<(Box<[u8]>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| (**own).cmp(name))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&T> {
        self.0.get(self.place(name).ok()?).map(|(_, one)| one)
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut T> {
        let at = self.place(name).ok()?;
        self.0.get_mut(at).map(|(_, one)| one)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &T)> {
        self.0.iter().map(|(name, one)| (&**name, one))
    }

    /// What the name stood for goes.
    pub(super) fn insert(&mut self, name: Box<[u8]>, one: T) -> Option<T> {
        match self.place(&name) {
            Ok(at) => self.0.get_mut(at).map(|(_, before)| std::mem::replace(before, one)),
            Err(at) => {
                if self.0.is_empty() {
                    // mostly there is but one at a time
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (name, one));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<T> {
        let at = self.place(name).ok()?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Gives back the room for more.
    pub(super) fn rest(&mut self) {
        self.0.shrink_to_fit();
    }
}

impl<T> IntoIterator for Named<T> {
    type Item = (Box<[u8]>, T);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
