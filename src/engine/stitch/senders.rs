//! What is learned of who sends what: which services a nameless sender can only be one of, and what is sent by itself.

use super::super::digest::digester;
use super::super::traces::{Hop, everybodys, sort};
use crate::model::{ConnId, FlowId};
use hashbrown::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many kinds of flows are remembered, and connections; then all is learned anew.
const MAX_LEARNED: usize = 1 << 15;
/// How many requests have to have been in flight at flows of a kind before it is said whose those can only be.
const ENOUGH: u32 = 3;
/// A kind of which one in so many is sent while nothing is asked, by a timer or after the answer, may always be: that a request is in
/// flight then is chance.
const ONE_IN: u32 = 1000;
/// Of a moment at which more are at work nothing is learned of a connection: that says little, and takes room.
const MAX_AT_WORK: usize = 32;
/// How likely it may be that a service was at work at all of those moments by mere chance.
const CHANCE: f64 = 0.001;

/// Flows of one sender to one receiver, of one operation apart from what looks like IDs in it.
#[derive(Debug, Default)]
struct Kind {
    /// How often the sender was at work on nothing.
    idle: u32,
    /// How often on something, and on how many different things; the last of them.
    busy: u32,
    occasions: u32,
    last: FlowId,
    /// The services that were at work on something each time, where the sender has no name; and of how many of those times each of them
    /// was at work because of all others that were.
    services: Vec<(Arc<str>, u32)>,
}

/// What a flow is one of: those of its sender to its receiver, of one operation; where its sender has no name, those of its connection,
/// too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    kind: u64,
    conn: Option<ConnId>,
}

impl Sent {
    /// Of a flow whose sender has a name, or of a `nameless` one's on a connection.
    pub(super) fn of(hop: &Hop, nameless: Option<ConnId>) -> Self {
        let from = if nameless.is_some() { hop.from.host() } else { hop.from.label() };
        let mut kind = digester();
        (from, hop.to.label(), sort(&hop.operation)).hash(&mut kind);
        Self { kind: kind.finish(), conn: nameless.filter(|_| everybodys(hop.from.host())) }
    }
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Senders {
    kinds: HashMap<u64, Kind>,
    /// The same of connections whose senders have no name: each has one, whatever it sends, unless it sends that by itself.
    conns: HashMap<ConnId, Kind>,
}

impl Senders {
    /// A flow of a kind was sent, while these services were at work: of a nameless sender any of its host, of another one itself; `last` is
    /// what came last to them.
    /// Says whether such flows are sent without being asked for.
    pub(super) fn seen(&mut self, sent: Sent, last: Option<FlowId>, at_work: impl Iterator<Item = Arc<str>>) -> bool {
        let mut services: Vec<_> = at_work.collect();
        services.dedup();
        if self.kinds.len() >= MAX_LEARNED {
            self.kinds.clear();
        }
        let kind = self.kinds.entry(sent.kind).or_default();
        kind.seen(last, &services);
        let by_itself = kind.idle * ONE_IN > kind.idle + kind.busy;
        if let Some(conn) = sent.conn.filter(|_| !by_itself && services.len() <= MAX_AT_WORK) {
            if self.conns.len() >= MAX_LEARNED {
                self.conns.clear();
            }
            self.conns.entry(conn).or_default().seen(last, &services);
        }
        by_itself
    }

    /// Whether a service can have sent a flow by all that was sent on its connection so far.
    pub(super) fn may_be(&self, sent: Sent, service: &str) -> bool {
        let conn = sent.conn.and_then(|conn| self.conns.get(&conn)).filter(|conn| conn.occasions >= ENOUGH);
        conn.is_none_or(|conn| conn.services.iter().any(|(one, _)| **one == *service))
    }

    /// Whether a service was not at work at some of what was sent on a connection.
    pub(super) fn cannot_be(&self, sent: Sent, service: &str) -> bool {
        let conn = sent.conn.and_then(|conn| self.conns.get(&conn));
        conn.is_some_and(|conn| conn.services.iter().all(|(one, _)| **one != *service))
    }

    /// When a flow of a nameless sender was sent, this service was at work because of all others that were.
    pub(super) fn innermost(&mut self, sent: Sent, service: &str) {
        let kind = self.kinds.get_mut(&sent.kind).into_iter();
        let these = kind.flat_map(|kind| &mut kind.services).filter(|(one, _)| **one == *service);
        these.for_each(|(_, times)| *times += 1);
    }

    /// Whether a service, and none but it, was at work each time that flows of a kind were sent, and now and then because of all others
    /// that were: then it is the one that sends them, whoever else is at work.
    pub(super) fn is_usual(&self, sent: Sent, service: &str) -> bool {
        let services = self.kinds.get(&sent.kind).map(|kind| kind.services.as_slice()).unwrap_or_default();
        let mut usual = services.iter().filter(|(_, times)| *times >= ENOUGH);
        usual.next().is_some_and(|(one, _)| **one == *service) && usual.next().is_none()
    }

    /// Whether a nameless sender of a kind can be this service, which is at work for a part `load` of the time: it was each time, and not
    /// by chance.
    pub(super) fn can_be(&self, sent: Sent, service: &str, load: f64) -> bool {
        let conn = sent.conn.and_then(|conn| self.conns.get(&conn));
        let kind = || self.kinds.get(&sent.kind).is_some_and(|kind| kind.can_be(service, load));
        self.may_be(sent, service) && (conn.is_some_and(|conn| conn.can_be(service, load)) || kind())
    }
}

impl Kind {
    fn seen(&mut self, last: Option<FlowId>, services: &[Arc<str>]) {
        match last {
            None => self.idle += 1,
            Some(last) => {
                self.busy += 1;
                self.occasions += u32::from(std::mem::replace(&mut self.last, last) != last);
            }
        }
        if self.idle + self.busy == 1 {
            self.services = services.iter().map(|one| (Arc::clone(one), 0)).collect();
        } else {
            self.services.retain(|(one, _)| services.contains(one));
        }
    }

    fn can_be(&self, service: &str, load: f64) -> bool {
        let chance = load.powi(i32::try_from(self.occasions).unwrap_or(i32::MAX));
        self.idle == 0 && self.occasions >= ENOUGH && chance <= CHANCE && self.services.iter().any(|(one, _)| **one == *service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PacketNo;

    const KIND: Sent = Sent { kind: 1, conn: None };

    fn names(list: &[&str]) -> impl Iterator<Item = Arc<str>> {
        list.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn a_nameless_sender_is_one_of_those_who_were_at_work_each_time() {
        let mut senders = Senders::default();
        for (n, at_work) in (1..).zip([&["a", "b"][..], &["b", "c"], &["b"]]) {
            assert!(!senders.can_be(KIND, "b", 0.05));
            // any number because of one request is one occasion
            senders.seen(KIND, Some(FlowId(n)), names(at_work));
            senders.seen(KIND, Some(FlowId(n)), names(at_work));
        }
        assert!(senders.can_be(KIND, "b", 0.05) && !senders.can_be(KIND, "a", 0.05));
        // who is always at work is so at any moment
        assert!(!senders.can_be(KIND, "b", 0.9));
        senders.seen(KIND, Some(FlowId(4)), names(&["a"]));
        assert!(!senders.can_be(KIND, "b", 0.05));
    }

    #[test]
    fn of_a_connection_it_counts_whatever_is_sent_by_it_unless_by_itself() {
        let mut senders = Senders::default();
        let on = |conn, kind| Sent { kind, conn: Some(ConnId(PacketNo(conn))) };
        for n in 1..=3 {
            senders.seen(on(1, n), Some(FlowId(n)), names(&["gate", "a"]));
            senders.seen(on(2, n), Some(FlowId(9 + n)), names(&["gate", "b"]));
            // a timer's
            senders.seen(on(1, 9), None, names(&[]));
        }
        assert!(senders.can_be(on(1, 1), "a", 0.05) && !senders.can_be(on(1, 1), "b", 0.05));
        assert!(senders.may_be(on(2, 1), "b") && !senders.may_be(on(2, 1), "a"));
        assert!(senders.may_be(on(3, 1), "a") && senders.may_be(on(3, 1), "b") && !senders.can_be(on(3, 1), "a", 0.05));
        // what all of a kind have in common is not of a connection that it was not at work at
        (20..23).for_each(|n| _ = senders.seen(on(4, 4), Some(FlowId(n)), names(&["gate", "a"])));
        assert!(senders.can_be(on(3, 4), "a", 0.05) && !senders.can_be(on(2, 4), "a", 0.05));
    }

    #[test]
    fn what_is_sent_while_nothing_is_asked_is_sent_by_itself() {
        let mut senders = Senders::default();
        let request = Some(FlowId(1));
        assert!((0..20).all(|_| !senders.seen(KIND, request, names(&["a"]))));
        assert!(senders.seen(KIND, None, names(&[])));
        assert!(senders.seen(KIND, request, names(&["a"])));
        assert!((0..2 * ONE_IN).any(|_| !senders.seen(KIND, request, names(&["a"]))), "that was an exception");
    }
}
