//! The channels of a connection by their numbers: mostly one or two, in as much room as that takes.

use super::channel::Channel;

/// In the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<(u16, Box<Channel>)>);

impl Channels {
    fn place(&self, number: u16) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(own, _)| *own)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, number: u16) -> bool {
        self.place(number).is_ok()
    }

    pub(super) fn get_mut(&mut self, number: &u16) -> Option<&mut Channel> {
        let at = self.place(*number).ok()?;
        self.0.get_mut(at).map(|(_, channel)| &mut **channel)
    }

    /// One that may begin here.
    pub(super) fn begin(&mut self, number: u16, new: impl FnOnce() -> Channel) -> Option<&mut Channel> {
        let at = self.place(number).unwrap_or_else(|at| {
            self.0.insert(at, (number, Box::new(new())));
            at
        });
        self.0.get_mut(at).map(|(_, channel)| &mut **channel)
    }

    pub(super) fn remove(&mut self, number: &u16) -> Option<Box<Channel>> {
        let at = self.place(*number).ok()?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter().map(|(_, channel)| &**channel)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.0.iter_mut().map(|(_, channel)| &mut **channel)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u16, &mut Channel)> {
        self.0.iter_mut().map(|(number, channel)| (*number, &mut **channel))
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = Box<Channel>> {
        self.0.into_iter().map(|(_, channel)| channel)
    }

    /// Nothing has come for a while: of those that are as one that begins nothing is kept, nor room for more.
    pub(super) fn rest(&mut self) {
        self.values_mut().for_each(Channel::rest);
        self.0.retain(|(_, channel)| !channel.is_blank());
        self.0.shrink_to_fit();
    }
}
