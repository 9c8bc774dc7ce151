//! What is learned of senders: which service a nameless one can only be, and what services send by themselves.

use hashbrown::HashMap;
use std::sync::Arc;

/// How many nameless senders, and kinds of flows, are remembered; then all is learned anew.
const MAX_LEARNED: usize = 1 << 15;
/// Of how many flows a nameless sender has to be seen before it is said who it can only be.
const ENOUGH: u32 = 3;

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// By address: the services that were at work on something each time it sent.
    nameless: HashMap<Arc<str>, (Vec<Arc<str>>, u32)>,
    /// By who sends what to whom: how often its sender was at work on nothing, and how often on something.
    kinds: HashMap<u64, (u32, u32)>,
}

impl Senders {
    /// Which service a nameless sender can only be: the one that was at work each time it sent.
    pub(super) fn known(&self, addr: &str) -> Option<Arc<str>> {
        match self.nameless.get(addr) {
            Some((services, flows)) if *flows >= ENOUGH => match services.as_slice() {
                [one] => Some(Arc::clone(one)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A nameless one sent while these were at work.
    pub(super) fn seen(&mut self, addr: &Arc<str>, at_work: impl Iterator<Item = Arc<str>>) {
        if self.nameless.len() >= MAX_LEARNED {
            self.nameless.clear();
        }
        let mut services: Vec<_> = at_work.collect();
        services.dedup();
        let (known, flows) = self.nameless.entry(Arc::clone(addr)).or_insert_with(|| (services.clone(), 0));
        known.retain(|one| services.contains(one));
        *flows += 1;
    }

    /// A kind of flow was sent while its sender was at work on nothing, or on something. Says whether it sends these by itself.
    pub(super) fn by_itself(&mut self, kind: u64, idle: bool) -> bool {
        if self.kinds.len() >= MAX_LEARNED {
            self.kinds.clear();
        }
        let (alone, busy) = self.kinds.entry(kind).or_default();
        *(if idle { &mut *alone } else { &mut *busy }) += 1;
        *alone >= 2 && *alone * 4 >= *busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<Arc<str>> {
        list.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn a_nameless_sender_is_who_was_at_work_each_time() {
        let mut senders = Senders::default();
        let addr = Arc::from("127.0.0.1:5");
        for at_work in [&["a", "b"][..], &["b", "c"], &["b"]] {
            assert_eq!(senders.known(&addr), None);
            senders.seen(&addr, names(at_work).into_iter());
        }
        assert_eq!(senders.known(&addr).as_deref(), Some("b"));
        senders.seen(&addr, names(&["a"]).into_iter());
        assert_eq!(senders.known(&addr), None);
    }

    #[test]
    fn what_is_sent_while_nothing_is_asked_is_sent_by_itself() {
        let mut senders = Senders::default();
        assert!((0..20).all(|_| !senders.by_itself(1, false)));
        assert!(!senders.by_itself(1, true));
        assert!(!senders.by_itself(2, true));
        assert!(senders.by_itself(2, true));
        assert!(senders.by_itself(2, false));
    }
}
