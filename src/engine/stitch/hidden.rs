//! Requests that may be there and cannot be seen: on connections that are encrypted or of an unknown protocol, and on those that were
//! joined while one may have waited for its answer, since before the capture began. Who received one may be at work on it, so that nothing
//! is the only thing it works on.

use super::super::conns::Conns;
use super::super::facts::Facts;
use super::super::traces::{Hop, name};
use super::Stitch;
use super::works::label;
use crate::model::{ConnId, Opened, Party, Pattern};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many such connections are remembered.
const MAX_HIDDEN: usize = 1024;
/// How long a request from before the capture is reckoned with where nothing is seen of it.
const BEFORE: Span = Span::from_secs(5);
/// Before every capture.
const BEGINNING: Time = Time::from_nanos(i64::MIN);

/// A connection with something hidden.
#[derive(Debug)]
struct Hidden {
    since: Time,
    until: Option<Time>,
    /// Whether its client works on what it is sent, rather than its server on what it is asked.
    consumes: bool,
    /// Who works on it, once that was asked for.
    worker: Option<Worker>,
}

/// Who works on something hidden.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Worker {
    /// An end of connections, by its number.
    End(u32),
    /// What it was called when the connection was over, and its host.
    Was(Arc<str>, CompactString),
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Veil {
    list: HashMap<ConnId, Hidden>,
    /// The oldest first.
    order: VecDeque<ConnId>,
    /// Those on which each works: few serve many connections.
    by: HashMap<Worker, Vec<ConnId>>,
    /// Those of which it is to be found out who works on them.
    unplaced: Vec<ConnId>,
    /// When a connection was joined first.
    joined: Option<Time>,
}

impl Veil {
    /// A connection cannot be read.
    pub(in crate::engine) fn unread(&mut self, conn: ConnId, since: Time) {
        match self.list.get_mut(&conn) {
            Some(hidden) => hidden.until = None,
            None => self.add(conn, Hidden { since, until: None, consumes: false, worker: None }),
        }
    }

    /// It can be read after all.
    pub(in crate::engine) fn read(&mut self, conn: ConnId, since: Time) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            let until = if hidden.since == BEGINNING { since.after(BEFORE) } else { since };
            hidden.until.get_or_insert(until);
        }
    }

    /// A connection was joined: what was asked on it before the capture began may be worked on still.
    pub(in crate::engine) fn joined(&mut self, conn: ConnId, first: Time) {
        self.joined.get_or_insert(first);
        self.add(conn, Hidden { since: BEGINNING, until: Some(first.after(BEFORE)), consumes: false, worker: None });
    }

    /// A flow began on a connection: where one thing is asked after the other, nothing was open before it.
    pub(in crate::engine) fn shown(&mut self, conn: ConnId, opened: &Opened) {
        let Some(hidden) = self.list.get_mut(&conn).filter(|hidden| hidden.until > Some(opened.first.time)) else { return };
        match opened.pattern {
            Pattern::Deliver => {
                hidden.consumes = true;
                self.moved(conn);
            }
            // a store asks nobody because of what it is asked
            Pattern::Query => hidden.until = Some(hidden.since),
            Pattern::RequestResponse if opened.protocol != "amqp" && !opened.layers.contains(&"http2") => {
                hidden.until = Some(hidden.since);
            }
            _ => {}
        }
    }

    /// It turned out to be the answer to something that was asked before.
    pub(in crate::engine) fn unasked(&mut self, conn: ConnId, answered: Time) {
        if let Some(hidden) = self.list.get_mut(&conn).filter(|hidden| hidden.since == BEGINNING) {
            hidden.until = hidden.until.map(|until| until.max(answered));
        }
    }

    /// A connection is over.
    pub(in crate::engine) fn ended(&mut self, conn: ConnId, at: Time, client: &Party, server: &Party) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            hidden.until = Some(hidden.until.map_or(at, |until| until.min(at)));
            let worker = if hidden.consumes { client } else { server };
            self.place(conn, Worker::Was(Arc::clone(label(worker)), worker.host().into()));
        }
    }

    /// The ends of a connection are others than before, unless it is over.
    pub(in crate::engine) fn moved(&mut self, conn: ConnId) {
        let worker = self.list.get_mut(&conn).and_then(|hidden| hidden.worker.take_if(|worker| matches!(worker, Worker::End(_))));
        if let Some(worker) = worker {
            self.leave(conn, &worker);
            self.unplaced.push(conn);
        }
    }

    /// Whether it is so soon after the first connection was joined that others may be yet, which something is hidden on, too.
    pub(in crate::engine) fn young(&self, now: Time, settle: Span) -> bool {
        self.joined.is_some_and(|joined| now < joined.after(settle))
    }

    /// Whether anything is hidden at all.
    pub(super) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Whether somebody may have been at work on something hidden at a moment: `is` tells of a service and its host whether they are
    /// meant, `end` whose number the client has, or else the server, of a connection that is not over, and `called` what that one is
    /// called.
    fn hides(
        &mut self,
        at: Time,
        is: impl Fn(&str, &str) -> bool,
        end: impl Fn(ConnId, bool) -> Option<u32>,
        mut called: impl FnMut(u32) -> Arc<Party>,
    ) -> bool {
        for conn in std::mem::take(&mut self.unplaced) {
            // who worked on one that is over is known
            let hidden = self.list.get(&conn).filter(|hidden| hidden.worker.is_none());
            if let Some(end) = hidden.and_then(|hidden| end(conn, hidden.consumes)) {
                self.place(conn, Worker::End(end));
            }
        }
        let list = &self.list;
        let then = |conn: &ConnId| {
            list.get(conn).is_some_and(|hidden| hidden.since <= at && hidden.until.is_none_or(|until| at < until))
        };
        self.by.iter().any(|(worker, conns)| {
            let meant = match worker {
                Worker::Was(worker, host) => is(worker, host),
                Worker::End(end) => {
                    let party = called(*end);
                    is(label(&party), party.host())
                }
            };
            meant && conns.iter().any(then)
        })
    }

    fn add(&mut self, conn: ConnId, hidden: Hidden) {
        match self.list.insert(conn, hidden) {
            Some(before) => before.worker.iter().for_each(|worker| self.leave(conn, worker)),
            None => self.order.push_back(conn),
        }
        self.unplaced.push(conn);
        if self.order.len() > MAX_HIDDEN
            && let Some(oldest) = self.order.pop_front()
            && let Some(Hidden { worker: Some(worker), .. }) = self.list.remove(&oldest)
        {
            self.leave(oldest, &worker);
        }
        if self.unplaced.len() > 2 * MAX_HIDDEN {
            let list = &self.list;
            self.unplaced.retain(|conn| list.get(conn).is_some_and(|hidden| hidden.worker.is_none()));
        }
    }

    /// Somebody works on what is hidden on a connection.
    fn place(&mut self, conn: ConnId, worker: Worker) {
        let Some(hidden) = self.list.get_mut(&conn) else { return };
        if let Some(before) = hidden.worker.replace(worker.clone()) {
            self.leave(conn, &before);
        }
        self.by.entry(worker).or_default().push(conn);
    }

    /// Somebody does no more.
    fn leave(&mut self, conn: ConnId, worker: &Worker) {
        let Some(conns) = self.by.get_mut(worker) else { return };
        conns.retain(|other| *other != conn);
        if conns.is_empty() {
            self.by.remove(worker);
        }
    }
}

/// Whether who sent a flow may have been at work on something that cannot be read.
pub(super) fn is_veiled(stitch: &mut Stitch, conns: &Conns, facts: &mut Facts, hop: &Hop) -> bool {
    let Stitch { works, veil, .. } = stitch;
    if !veil.any() {
        return false;
    }
    let (senders, _) = works.senders(&hop.from, &hop.to);
    let host = name(&hop.from).is_none().then(|| hop.from.host());
    let is = |label: &str, on: &str| senders.one().is_some_and(|known| **known == *label) || host == Some(on);
    let end = |conn, client| {
        let conn = conns.at(conns.place(conn)?)?;
        Some(if client { conn.client } else { conn.server })
    };
    veil.hides(hop.time, is, end, |end| Arc::clone(facts.parties(end, end).0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PacketNo;
    use std::cell::Cell;

    /// A worker that has an address and no name.
    fn party(end: u32) -> Arc<Party> {
        Arc::new(Party { addr: format!("10.0.0.{end}:80").into(), service: None, rank: None, owner: None })
    }

    fn conn(n: u64) -> ConnId {
        ConnId(PacketNo(n))
    }

    #[test]
    fn who_works_on_many_connections_is_looked_at_once() {
        let mut veil = Veil::default();
        let time = |seconds: i64| Time::from_nanos(seconds * 1_000_000_000);
        (0..1000).for_each(|n| veil.joined(conn(n), time(0)));
        let looked = Cell::new(0);
        let hides = |veil: &mut Veil, at, end: &dyn Fn(ConnId) -> u32, host: &str| {
            let called = |end| {
                looked.set(looked.get() + 1);
                party(end)
            };
            veil.hides(at, |_, on| on == host, |conn, _| Some(end(conn)), called)
        };
        let end = |conn: ConnId| (conn.0.0 % 4) as u32;
        assert!(hides(&mut veil, time(1), &end, "10.0.0.3"));
        assert!(!hides(&mut veil, time(1), &end, "10.0.0.4"));
        assert!(looked.get() <= 8, "{} times", looked.get());
        assert!(!hides(&mut veil, time(6), &end, "10.0.0.3"), "it is over by then");
        // one of them turns out to be another's; then it is over, under the name that it has by then
        veil.moved(conn(3));
        assert!(hides(&mut veil, time(1), &|_| 4, "10.0.0.4"));
        veil.ended(conn(3), time(2), &party(5), &party(6));
        veil.moved(conn(3));
        veil.joined(conn(1001), time(0));
        veil.ended(conn(1001), time(2), &party(5), &party(7));
        assert!(hides(&mut veil, time(1), &end, "10.0.0.7"), "whoever has its number now");
        assert!(hides(&mut veil, time(1), &end, "10.0.0.6") && !hides(&mut veil, time(1), &end, "10.0.0.4"));
        assert!(!hides(&mut veil, time(3), &end, "10.0.0.6"));
        // the oldest make room
        (1000..3000).for_each(|n| veil.unread(conn(n), time(0)));
        assert!(!hides(&mut veil, time(1), &end, "10.0.0.6"));
        assert_eq!((veil.by.len(), veil.unplaced.len()), (4, 0));
        assert_eq!(veil.by.values().map(Vec::len).sum::<usize>(), MAX_HIDDEN);
    }
}
