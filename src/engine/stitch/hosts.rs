//! Which services share a host, and which of those are at work: of many a sender without a name may be any, and few are at work at a time.

use crate::time::Time;
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How much room a queue keeps, whatever it holds.
const KEPT: usize = 64;

/// A queue holds less than it did: much more room than it needs is given back, as there may be very many.
pub(super) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT && queue.len() * 4 < queue.capacity() {
        queue.shrink_to((queue.len() * 2).max(KEPT / 2));
    }
}

/// The services of one host.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// The place of each, and how many of them answer on a port that is their own.
    pub(super) services: Vec<usize>,
    pub(super) servers: usize,
    /// Those that are at work on something.
    busy: Vec<usize>,
    /// Those that were, in the order of the moments until which they were.
    ended: VecDeque<(Time, usize)>,
    /// Whether any of them sends what has to be placed, and whether any works on what it has answered before.
    pub(super) sends: bool,
    pub(super) accepts: bool,
}

impl Host {
    /// A service is at work again; the place among those that are.
    pub(super) fn begins(&mut self, service: usize) -> usize {
        self.busy.push(service);
        self.busy.len() - 1
    }

    /// The one at this place is not any more; which other one has its place now.
    pub(super) fn rests(&mut self, place: usize) -> Option<usize> {
        self.busy.swap_remove(place);
        self.busy.get(place).copied()
    }

    /// A service was at work until a moment.
    pub(super) fn ended(&mut self, until: Time, service: usize) {
        match self.ended.back().is_some_and(|(last, _)| *last > until) {
            true => self.ended.insert(self.ended.partition_point(|(other, _)| *other <= until), (until, service)),
            false => self.ended.push_back((until, service)),
        }
    }

    /// One of its works is forgotten: the oldest.
    pub(super) fn forget(&mut self) {
        self.ended.pop_front();
        give_back(&mut self.ended);
    }

    /// One of them sends something: the places of those that may be at work because of which.
    pub(super) fn asked(&mut self, since: Time) -> Vec<usize> {
        self.sends = true;
        self.at_work(since)
    }

    /// The places of those that were at work on something after a moment, each once, in order.
    pub(super) fn at_work(&self, since: Time) -> Vec<usize> {
        let ended = self.ended.iter().rev().take_while(|(until, _)| *until > since).map(|(_, service)| *service);
        let mut all: Vec<_> = self.busy.iter().copied().chain(ended).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// All hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    list: Vec<Host>,
    places: HashMap<CompactString, usize>,
}

impl Hosts {
    /// The place of a host, which is new or not.
    pub(super) fn place(&mut self, host: &str) -> usize {
        if let Some(place) = self.places.get(host) {
            return *place;
        }
        self.list.push(Host::default());
        self.places.insert(host.into(), self.list.len() - 1);
        self.list.len() - 1
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// What all are called, by their places.
    pub(super) fn into_names(self) -> Vec<CompactString> {
        let mut names: Vec<_> = self.places.into_iter().collect();
        names.sort_unstable_by_key(|(_, place)| *place);
        names.into_iter().map(|(name, _)| name).collect()
    }

    pub(super) fn at(&mut self, place: usize) -> Option<&mut Host> {
        self.list.get_mut(place)
    }

    pub(super) fn find(&self, host: &str) -> Option<(usize, &Host)> {
        let place = *self.places.get(host)?;
        self.list.get(place).map(|host| (place, host))
    }

    pub(super) fn find_mut(&mut self, host: &str) -> Option<&mut Host> {
        self.list.get_mut(*self.places.get(host)?)
    }
}

/// Who may have sent a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Senders {
    /// This service.
    One(Arc<str>),
    /// Any one of a host, but its receiver.
    OfHost(CompactString, Arc<str>),
}

impl Senders {
    /// The only one.
    pub(super) fn one(&self) -> Option<&Arc<str>> {
        match self {
            Self::One(label) => Some(label),
            Self::OfHost(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn of_many_services_only_those_are_looked_at_that_are_at_work() {
        let mut host = Host::default();
        let places = [3, 5, 8].map(|service| host.begins(service));
        assert_eq!((places, host.at_work(at(9))), ([0, 1, 2], vec![3, 5, 8]));
        // the last one takes the place of one that rests
        assert_eq!((host.rests(0), host.rests(1)), (Some(8), None));
        assert_eq!(host.at_work(at(9)), [8]);
        for (until, service) in [(4, 3), (6, 5), (5, 4), (7, 8)] {
            host.ended(at(until), service);
        }
        let at_work = |host: &Host| [3, 4, 5, 6].map(|since| host.at_work(at(since)));
        assert_eq!(at_work(&host), [vec![3, 4, 5, 8], vec![4, 5, 8], vec![5, 8], vec![8]]);
        host.forget();
        assert_eq!(at_work(&host)[0], [4, 5, 8]);
    }
}
