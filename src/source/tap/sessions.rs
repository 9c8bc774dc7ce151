//! The sessions that a tap tells of: connections of a broker's clients, as far as it knows them. What was said in them is not kept here.

use crate::model::{ConnId, ConnMeta, Counts, End, Ended, Event, EventKind, Joined, SourceId, Stamp, Transport, Zone};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many are open at once; of more the one that was silent for longest ends.
const MAX_SESSIONS: usize = 1024;

/// All of one tap.
pub struct Sessions {
    source: SourceId,
    numbers: Arc<AtomicU64>,
    open: BTreeMap<(SocketAddr, SocketAddr), Session>,
    turn: u64,
}

struct Session {
    meta: ConnMeta,
    flows: u64,
    /// When it was last used, by a count of uses, and by the clock.
    used: u64,
    last: Stamp,
}

impl Sessions {
    /// None yet.
    pub fn new(source: SourceId, numbers: Arc<AtomicU64>) -> Self {
        Self { source, numbers, open: BTreeMap::new(), turn: 0 }
    }

    /// The session between a client and the broker, and the number of its next flow. It begins here where it is new.
    pub fn next(&mut self, between: (SocketAddr, SocketAddr), at: Stamp, events: &mut Vec<Event>) -> (ConnMeta, u64) {
        self.turn += 1;
        if !self.open.contains_key(&between) && self.open.len() >= MAX_SESSIONS {
            let oldest = self.open.iter().min_by_key(|(_, session)| session.used).map(|(between, _)| *between);
            oldest.and_then(|oldest| self.open.remove(&oldest)).into_iter().for_each(|session| session.end(End::Evicted, events));
        }
        let (source, numbers) = (self.source, &self.numbers);
        let session = self.open.entry(between).or_insert_with(|| {
            let id = ConnId::session(numbers.fetch_add(1, Ordering::Relaxed));
            let (client, server) = between;
            let (transport, joined, zone) = (Transport::Stream, Joined::Midway, Zone::default());
            let meta = ConnMeta { id, client, server, transport, first: at, joined, isn: None, zone };
            events.push(Event { conn: id, at, kind: EventKind::Began(Box::new(meta), source) });
            events.push(Event { conn: id, at, kind: EventKind::Identified("amqp") });
            Session { meta, flows: 0, used: 0, last: at }
        });
        session.flows += 1;
        (session.used, session.last) = (self.turn, at);
        (session.meta, session.flows)
    }

    /// Nothing more will be told of any.
    pub fn end(&mut self, events: &mut Vec<Event>) {
        std::mem::take(&mut self.open).into_values().for_each(|session| session.end(End::Open, events));
    }
}

impl Session {
    /// What went by on the wire is not known to a tap: nothing is counted.
    fn end(self, how: End, events: &mut Vec<Event>) {
        let (bytes, packets) = <(Counts, Counts)>::default();
        let ended = Ended { how, last: self.last, hung_up: None, bytes, packets, retransmissions: 0, gaps: 0, head: Vec::new() };
        events.push(Event { conn: self.meta.id, at: self.last, kind: EventKind::Ended(Box::new(ended)) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bounded_and_each_ends_once() {
        let mut sessions = Sessions::new(SourceId(0), Arc::default());
        let mut events = Vec::new();
        let between = |port| (SocketAddr::new([10, 0, 0, 1].into(), port), SocketAddr::new([10, 0, 0, 2].into(), 5672));
        for port in 1..=MAX_SESSIONS as u16 + 1 {
            sessions.next(between(port), Stamp::default(), &mut events);
            // the first one is never silent for longest
            sessions.next(between(1), Stamp::default(), &mut events);
        }
        sessions.end(&mut events);
        let count = |is: fn(&EventKind) -> bool| events.iter().filter(|event| is(&event.kind)).count();
        assert_eq!(count(|kind| matches!(kind, EventKind::Began(..))), MAX_SESSIONS + 1);
        let evicted = |kind: &EventKind| matches!(kind, EventKind::Ended(ended) if ended.how == End::Evicted);
        assert_eq!((count(evicted), count(|kind| matches!(kind, EventKind::Ended(_)))), (1, MAX_SESSIONS + 1));
    }
}
