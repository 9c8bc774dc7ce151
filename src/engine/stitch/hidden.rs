//! Requests that may be there and cannot be seen: on connections that are encrypted or of an unknown protocol, and on those that were
//! joined while one may have waited for its answer, since before the capture began. Who received one may be at work on it, so that nothing
//! is the only thing it works on.

use super::super::conns::Conns;
use super::super::facts::Facts;
use super::super::traces::{Hop, name};
use super::Stitch;
use super::works::label;
use crate::model::{ConnId, Dir, Opened, Party, Pattern};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many such connections are remembered.
const MAX_HIDDEN: usize = 1024;
/// How long a request that cannot be seen is reckoned with where nothing is seen of it: one from before the capture, or one on a connection
/// that cannot be read, since bytes came last.
const UNSEEN: Span = Span::from_secs(5);
/// How long a trace from before the capture rests at most until something is seen of it: one that is seen first after that began later.
const RESTING: Span = Span::from_secs(1);
/// Before every capture.
const BEGINNING: Time = Time::from_nanos(i64::MIN);

/// A connection with something hidden.
#[derive(Debug)]
struct Hidden {
    since: Time,
    until: Option<Time>,
    /// Whether it cannot be read, and it is told anew when bytes come.
    anew: bool,
    /// Where its protocol may be found yet, so that all of it is read: in which directions anything was said.
    unknown: Option<[bool; 2]>,
    /// Whether its client works on what it is sent, rather than its server on what it is asked.
    consumes: bool,
    /// Who works on it, once that was asked for.
    worker: Option<Worker>,
}

impl Hidden {
    fn new(since: Time, until: Option<Time>) -> Self {
        Self { since, until, anew: false, unknown: None, consumes: false, worker: None }
    }

    /// Whether nobody has answered anything so far.
    fn is_one_sided(&self) -> bool {
        self.unknown.is_some_and(|said| said != [true; 2])
    }
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
    /// Those of which it may not be known yet as what they began, and when that was, the oldest first.
    unknown: VecDeque<(ConnId, Time)>,
}

impl Veil {
    /// A connection began, and it is not known as what: what it is asked may lead to others before that is known.
    pub(in crate::engine) fn unknown(&mut self, conn: ConnId, dir: Dir, since: Time) {
        if !self.list.contains_key(&conn) {
            if self.unknown.len() >= MAX_HIDDEN {
                self.unknown.pop_front();
            }
            self.unknown.push_back((conn, since));
            self.add(conn, Hidden { unknown: Some([false; 2]), ..Hidden::new(since, None) });
        }
        if let Some(said) = self.list.get_mut(&conn).and_then(|hidden| hidden.unknown.as_mut()) {
            said[dir.index()] = true;
        }
    }

    /// A connection cannot be read; that is told `anew` while bytes come, or not.
    pub(in crate::engine) fn unread(&mut self, conn: ConnId, since: Time, anew: bool) {
        let until = anew.then(|| since.after(UNSEEN));
        let Some(hidden) = self.list.get_mut(&conn) else {
            return self.add(conn, Hidden { anew, ..Hidden::new(since, until) });
        };
        // what came meanwhile was read, or nothing came for so long that all that was sent then has its place
        if hidden.until.is_some_and(|until| until <= since && (!hidden.anew || until.after(UNSEEN) <= since)) {
            hidden.since = since;
        }
        (hidden.until, hidden.unknown, hidden.anew) = (until, None, anew);
    }

    /// It can be read after all.
    pub(in crate::engine) fn read(&mut self, conn: ConnId, since: Time) {
        let Some(hidden) = self.list.get_mut(&conn) else { return };
        if hidden.unknown.is_some() {
            return self.remove(conn);
        }
        let until = if hidden.since == BEGINNING { since.after(UNSEEN) } else { since };
        hidden.until.get_or_insert(until);
    }

    /// A connection was joined: what was asked on it before the capture began may be worked on still.
    pub(in crate::engine) fn joined(&mut self, conn: ConnId, first: Time) {
        self.joined.get_or_insert(first);
        self.add(conn, Hidden::new(BEGINNING, Some(first.after(UNSEEN))));
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
        let Some(hidden) = self.list.get_mut(&conn) else { return };
        if hidden.is_one_sided() && !are_two(client, server) {
            return self.remove(conn);
        }
        hidden.unknown = None;
        hidden.until = Some(hidden.until.map_or(at, |until| until.min(at)));
        let worker = if hidden.consumes { client } else { server };
        self.place(conn, Worker::Was(Arc::clone(label(worker)), worker.host().into()));
    }

    /// The ends of a connection are others than before, unless it is over.
    pub(in crate::engine) fn moved(&mut self, conn: ConnId) {
        let worker = self.list.get_mut(&conn).and_then(|hidden| hidden.worker.take_if(|worker| matches!(worker, Worker::End(_))));
        if let Some(worker) = worker {
            self.leave(conn, &worker);
            self.unplaced.push(conn);
        }
    }

    /// Whether it is so soon after the first connection was joined that others may be yet, which something is hidden on, too; or so soon
    /// after one began that it may turn out to be one.
    pub(in crate::engine) fn young(&mut self, now: Time, settle: Span) -> bool {
        let is_young = |then: Time| now < then.after(settle);
        let Self { list, unknown, joined, .. } = self;
        let is_unknown = |conn: &ConnId| list.get(conn).is_some_and(|hidden| hidden.unknown.is_some());
        while unknown.pop_front_if(|(conn, since)| !is_young(*since) || !is_unknown(conn)).is_some() {}
        !unknown.is_empty() || joined.is_some_and(is_young)
    }

    /// Whether anything is hidden at all.
    pub(super) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Whether somebody may have been at work on something hidden at a moment, that is of a trace which `began` then: `is` tells of a
    /// service and its host whether they are meant, `end` whose number the client has, or else the server, of a connection that is not
    /// over, and `called` what that one is called.
    fn hides(
        &mut self,
        (at, began): (Time, Time),
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
        let is_new = self.joined.is_some_and(|first| began > first.after(RESTING));
        let then = |conn: &ConnId, called: &mut dyn FnMut(u32) -> Arc<Party>| {
            let hidden = list.get(conn).filter(|hidden| hidden.since <= at && hidden.until.is_none_or(|until| at < until));
            // what was asked before the capture is of no trace that began in it
            let hidden = hidden.filter(|hidden| hidden.since > BEGINNING || !is_new);
            let mut are_two =
                || end(*conn, true).zip(end(*conn, false)).is_some_and(|(one, two)| are_two(&called(one), &called(two)));
            hidden.is_some_and(|hidden| !hidden.is_one_sided() || are_two())
        };
        self.by.iter().any(|(worker, conns)| {
            let meant = match worker {
                Worker::Was(worker, host) => is(worker, host),
                Worker::End(end) => {
                    let party = called(*end);
                    is(label(&party), party.host())
                }
            };
            meant && conns.iter().any(|conn| then(conn, &mut called))
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

    /// Nothing was hidden on a connection. It mostly is one of the last.
    fn remove(&mut self, conn: ConnId) {
        if let Some(at) = self.order.iter().rposition(|other| *other == conn) {
            self.order.remove(at);
        }
        if let Some(Hidden { worker: Some(worker), .. }) = self.list.remove(&conn) {
            self.leave(conn, &worker);
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

/// Whether the ends of a connection are two, as far as is known: who wakes itself by a connection asks nobody anything.
fn are_two(client: &Party, server: &Party) -> bool {
    let same = client.pid().is_some() && client.pid() == server.pid();
    client.host() != server.host() || name(server).is_some() && !same
}

/// Whether who sent a flow may have been at work on something that cannot be read, of a trace which `began` then, where it is of one.
pub(super) fn is_veiled(stitch: &mut Stitch, conns: &Conns, facts: &mut Facts, hop: &Hop, began: Option<Time>) -> bool {
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
    veil.hides((hop.time, began.unwrap_or(BEGINNING)), is, end, |end| Arc::clone(facts.parties(end, end).0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PacketNo, Stamp};
    use std::cell::Cell;

    /// A worker that has an address and no name.
    fn party(end: u32) -> Arc<Party> {
        Arc::new(Party { addr: format!("10.0.0.{end}:80").into(), service: None, rank: None, owner: None })
    }

    fn conn(n: u64) -> ConnId {
        ConnId(PacketNo(n))
    }

    #[test]
    fn what_was_read_in_between_hid_nothing() {
        let (mut veil, time) = (Veil::default(), |seconds: i64| Time::from_nanos(seconds * 1_000_000_000));
        let hides = |veil: &mut Veil, at| veil.hides((time(at), BEGINNING), |_, on| on == "10.0.0.1", |_, _| Some(1), party);
        let first = Stamp { packet: PacketNo(1), time: time(1) };
        let (operation, layers, pattern) = ("GET /ws".into(), Vec::new(), Pattern::RequestResponse);
        // joined, and a request is read; then it goes on as something else
        veil.joined(conn(1), time(0));
        assert!(hides(&mut veil, 1));
        veil.shown(conn(1), &Opened { protocol: "http", pattern, operation, dir: Dir::ToServer, first, layers });
        assert!(!hides(&mut veil, 1));
        veil.unread(conn(1), time(3), false);
        assert_eq!([1, 2, 3, 9].map(|at| hides(&mut veil, at)), [false, false, true, true]);
        // what turns out to be read is forgotten, and makes no room
        (2..9).for_each(|n| veil.unknown(conn(n), Dir::ToServer, time(1)));
        (2..9).for_each(|n| veil.read(conn(n), time(2)));
        assert_eq!((veil.list.len(), veil.order.len(), veil.by.len()), (1, 1, 1));
    }

    #[test]
    fn what_cannot_be_read_hides_nothing_once_it_rests() {
        let (mut veil, time) = (Veil::default(), |seconds: i64| Time::from_nanos(seconds * 1_000_000_000));
        let hides = |veil: &mut Veil, at| veil.hides((time(at), BEGINNING), |_, on| on == "10.0.0.1", |_, _| Some(1), party);
        [10, 13].into_iter().for_each(|at| veil.unread(conn(1), time(at), true));
        assert_eq!([9, 10, 17, 18].map(|at| hides(&mut veil, at)), [false, true, true, false]);
        veil.unread(conn(1), time(20), true);
        assert!(hides(&mut veil, 12), "what was sent then may not have its place yet");
        veil.unread(conn(1), time(60), true);
        assert_eq!([24, 59, 60, 64].map(|at| hides(&mut veil, at)), [false, false, true, true]);
    }

    #[test]
    fn what_was_asked_before_the_capture_is_of_no_trace_that_began_in_it() {
        let (mut veil, time) = (Veil::default(), |seconds: i64| Time::from_nanos(seconds * 1_000_000_000));
        let hides = |veil: &mut Veil, began| veil.hides((time(4), began), |_, on| on == "10.0.0.1", |_, _| Some(1), party);
        veil.joined(conn(1), time(1));
        assert_eq!([BEGINNING, time(1), time(2), time(3)].map(|began| hides(&mut veil, began)), [true, true, true, false]);
        // on one that cannot be read anything may be asked at any time
        veil.unread(conn(2), time(0), true);
        assert!(hides(&mut veil, time(3)));
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
            veil.hides((at, BEGINNING), |_, on| on == host, |conn, _| Some(end(conn)), called)
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
        (1000..3000).for_each(|n| veil.unread(conn(n), time(0), false));
        assert!(!hides(&mut veil, time(1), &end, "10.0.0.6"));
        assert_eq!((veil.by.len(), veil.unplaced.len()), (4, 0));
        assert_eq!(veil.by.values().map(Vec::len).sum::<usize>(), MAX_HIDDEN);
    }
}
