//! What is learned of who sends what: which services a nameless sender can only be one of, and what is sent by itself.

use hashbrown::HashMap;
use std::sync::Arc;

/// How many kinds of flows are remembered; then all is learned anew.
const MAX_LEARNED: usize = 1 << 15;
/// How many flows of a kind have to be seen at least before it is said whose they can only be.
const ENOUGH: u32 = 3;
/// How likely it may be that a service was at work at all of those moments by mere chance.
const CHANCE: f64 = 0.001;

/// Flows of one sender to one receiver, of one operation.
#[derive(Debug, Default)]
struct Kind {
    /// How often the sender was at work on nothing.
    idle: u32,
    /// How often on something.
    busy: u32,
    /// The services that were at work on something each time, where the sender has no name.
    services: Vec<Arc<str>>,
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Senders {
    kinds: HashMap<u64, Kind>,
}

impl Senders {
    /// A flow of a kind was sent, while these services were at work: of a nameless sender any of its host, of another one itself.
    /// Says whether such flows are sent without being asked for.
    pub(super) fn seen(&mut self, kind: u64, at_work: impl Iterator<Item = Arc<str>>) -> bool {
        if self.kinds.len() >= MAX_LEARNED {
            self.kinds.clear();
        }
        let mut services: Vec<_> = at_work.collect();
        services.dedup();
        let kind = self.kinds.entry(kind).or_default();
        *(if services.is_empty() { &mut kind.idle } else { &mut kind.busy }) += 1;
        if kind.idle + kind.busy == 1 {
            kind.services = services;
        } else {
            kind.services.retain(|one| services.contains(one));
        }
        kind.idle >= 2 && kind.idle * 4 >= kind.busy
    }

    /// Whether a nameless sender of a kind can be this service, which is at work for a part `load` of the time: it was each time, and not
    /// by chance.
    pub(super) fn can_be(&self, kind: u64, service: &str, load: f64) -> bool {
        let Some(kind) = self.kinds.get(&kind) else { return false };
        let seen = kind.idle + kind.busy;
        let chance = load.powi(i32::try_from(seen).unwrap_or(i32::MAX));
        seen >= ENOUGH && chance <= CHANCE && kind.services.iter().any(|one| **one == *service)
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
        for at_work in [&["a", "b"][..], &["b", "c"], &["b"]] {
            assert!(!senders.can_be(1, "b", 0.05));
            senders.seen(1, names(at_work));
        }
        assert!(senders.can_be(1, "b", 0.05) && !senders.can_be(1, "a", 0.05));
        // who is always at work is so at any moment
        assert!(!senders.can_be(1, "b", 0.9));
        senders.seen(1, names(&["a"]));
        assert!(!senders.can_be(1, "b", 0.05));
    }

    #[test]
    fn what_is_sent_while_nothing_is_asked_is_sent_by_itself() {
        let mut senders = Senders::default();
        assert!((0..20).all(|_| !senders.seen(1, names(&["a"]))));
        assert!(!senders.seen(1, names(&[])));
        assert!(!senders.seen(2, names(&[])));
        assert!(senders.seen(2, names(&[])));
        assert!(senders.seen(2, names(&["a"])));
    }
}
