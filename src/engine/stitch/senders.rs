//! What is learned of who sends what: which services a nameless sender can only be one of, and what is sent by itself.

use super::super::digest::digester;
use super::super::traces::Hop;
use crate::model::FlowId;
use hashbrown::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many kinds of flows are remembered; then all is learned anew.
const MAX_LEARNED: usize = 1 << 15;
/// How many requests have to have been in flight at flows of a kind before it is said whose those can only be.
const ENOUGH: u32 = 3;
/// A kind of which one in so many is sent while nothing is asked, by a timer or after the answer, may always be: that a request is in flight
/// then is chance.
const ONE_IN: u32 = 1000;
/// The same of one that begins a trace and of which one in so many shares no value with what anybody is at work on: that others do is chance.
const ONE_IN_OWN: u32 = 10;
/// How likely it may be that a service was at work at all of those moments by mere chance.
const CHANCE: f64 = 0.001;

/// Flows of one sender to one receiver, of one operation.
#[derive(Debug, Default)]
struct Kind {
    /// How often the sender was at work on nothing.
    idle: u32,
    /// How often on something, and on how many different things; the last of them.
    busy: u32,
    occasions: u32,
    last: FlowId,
    /// The services that were at work on something each time, where the sender has no name.
    services: Vec<Arc<str>>,
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Senders {
    kinds: HashMap<u64, Kind>,
    /// How often what begins a trace shared no value with what anybody was at work on, and how often it did.
    own: HashMap<u64, [u32; 2]>,
}

impl Senders {
    /// A flow of a kind was sent, while these services were at work: of a nameless sender any of its host, of another one itself; `last` is
    /// what came last to them.
    /// Says whether such flows are sent without being asked for.
    pub(super) fn seen(&mut self, kind: u64, last: Option<FlowId>, at_work: impl Iterator<Item = Arc<str>>) -> bool {
        if self.kinds.len() >= MAX_LEARNED {
            self.kinds.clear();
        }
        let mut services: Vec<_> = at_work.collect();
        services.dedup();
        let kind = self.kinds.entry(kind).or_default();
        match last {
            None => kind.idle += 1,
            Some(last) => {
                kind.busy += 1;
                kind.occasions += u32::from(std::mem::replace(&mut kind.last, last) != last);
            }
        }
        if kind.idle + kind.busy == 1 {
            kind.services = services;
        } else {
            kind.services.retain(|one| services.contains(one));
        }
        kind.idle * ONE_IN > kind.idle + kind.busy
    }

    /// A nameless sender's flow that begins a trace shares a value with what somebody is at work on, or with nothing. Says whether it was
    /// sent because of that: not where others of its kind share none, so that the value is one of many.
    pub(super) fn shares(&mut self, hop: &Hop, shares: bool) -> bool {
        if self.own.len() >= MAX_LEARNED {
            self.own.clear();
        }
        let mut kind = digester();
        (hop.from.host(), hop.kind()).hash(&mut kind);
        let seen = self.own.entry(kind.finish()).or_default();
        seen[usize::from(shares)] += 1;
        shares && seen[0] * ONE_IN_OWN <= seen[0] + seen[1]
    }

    /// Whether a nameless sender of a kind can be this service, which is at work for a part `load` of the time: it was each time, and not
    /// by chance.
    pub(super) fn can_be(&self, kind: u64, service: &str, load: f64) -> bool {
        let Some(kind) = self.kinds.get(&kind) else { return false };
        let chance = load.powi(i32::try_from(kind.occasions).unwrap_or(i32::MAX));
        kind.idle == 0 && kind.occasions >= ENOUGH && chance <= CHANCE && kind.services.iter().any(|one| **one == *service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> impl Iterator<Item = Arc<str>> {
        list.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn a_nameless_sender_is_one_of_those_who_were_at_work_each_time() {
        let mut senders = Senders::default();
        for (n, at_work) in (1..).zip([&["a", "b"][..], &["b", "c"], &["b"]]) {
            assert!(!senders.can_be(1, "b", 0.05));
            // any number because of one request is one occasion
            senders.seen(1, Some(FlowId(n)), names(at_work));
            senders.seen(1, Some(FlowId(n)), names(at_work));
        }
        assert!(senders.can_be(1, "b", 0.05) && !senders.can_be(1, "a", 0.05));
        // who is always at work is so at any moment
        assert!(!senders.can_be(1, "b", 0.9));
        senders.seen(1, Some(FlowId(4)), names(&["a"]));
        assert!(!senders.can_be(1, "b", 0.05));
    }

    #[test]
    fn what_is_sent_while_nothing_is_asked_is_sent_by_itself() {
        let mut senders = Senders::default();
        let request = Some(FlowId(1));
        assert!((0..20).all(|_| !senders.seen(1, request, names(&["a"]))));
        assert!(senders.seen(1, None, names(&[])));
        assert!(senders.seen(1, request, names(&["a"])));
        assert!((0..2 * ONE_IN).any(|_| !senders.seen(1, request, names(&["a"]))), "that was an exception");
    }
}
