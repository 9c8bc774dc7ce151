//! One owner of all flows: events in, settled flows and a view of the rows out. It knows no protocol, and decodes nothing.
//!
//! The core ([`Engine`]) has no thread, no lock and no clock: time is packet time, from the stamps. [`owner`] runs it on a thread of its
//! own, and `looker` is the thread that decodes what somebody looks at.
//!
//! ```text
//!  Turn ─> event() ─> conns, facts ─> open: (connection, key) -> flow ─> settling (FIFO) ─> Record
//!                                          │                                  │
//!                                          └───────────> store <──────────────┘
//!  Query ─> screen: list of matching flows <── changed rows, sweeps ──┘  ─> View;  Job ─> looker ─> Answer
//! ```
//!
//! Invariants: a flow settles once, in the order of completion; the same events give the same records, however turns cut them; a part
//! for a flow that is not open is counted, never a panic; what is held elsewhere on behalf of a row is given back when the row goes.

mod conns;
mod detail;
mod facts;
mod flow;
mod looker;
pub mod owner;
mod screen;
#[cfg(test)]
mod script;
mod store;
mod tally;
pub mod view;

use crate::filter::Filter;
use crate::mask::Secrets;
use crate::model::{
    Closed, ConnId, ConnMeta, ConnRecord, Detail, Ended, Event, EventKind, Fact, Flow, FlowId, FlowRef, Issue, Key, Opened, Rank,
    Row, Scope, SourceNews, Stamp, State, Stats, Totals, Turn,
};
use crate::time::{Span, Time};
use conns::Conns;
use facts::Facts;
use hashbrown::HashMap;
use screen::Screen;
use std::collections::VecDeque;
use std::net::SocketAddr;
use store::{Charge, Store};
use tally::{Sources, Tally};

/// How long a complete flow may wait for a name, live.
pub const SETTLE_LIVE: Span = Span::from_millis(300);
/// How long it may wait in a file: packet time costs nothing there.
pub const SETTLE_FILE: Span = Span::from_secs(2);
/// How many flows may be open at once: far above what `net` and the decoders let be open, so that this one only guards against a mistake.
const MAX_OPEN: usize = 1 << 20;

/// What the engine is told at the start.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What the store may hold, in bytes.
    pub max_memory: usize,
    /// Whether settled flows are kept for a screen. Without it a flow goes once its record is out, and nothing is ever evicted.
    pub keep: bool,
    /// Bytes kept of each body.
    pub body_limit: usize,
    /// How long a complete flow may wait for a name.
    pub settle: Span,
    /// What the user said, or the system knows, about who is who.
    pub names: Vec<Fact>,
    /// Whether secrets are shown to those who look.
    pub secrets: Secrets,
    /// The capture filter in force, for the status line.
    pub capture_filter: Option<String>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            max_memory: 256 << 20,
            keep: true,
            body_limit: 64 << 10,
            settle: SETTLE_LIVE,
            names: Vec::new(),
            secrets: Secrets::Mask,
            capture_filter: None,
        }
    }
}

/// What comes out, in its order.
#[derive(Clone, Debug)]
pub enum Record {
    /// A flow that has settled.
    Flow(Flow),
    /// A connection that ended.
    Connection(ConnRecord),
    /// The sums: last of all.
    Stats(Stats),
}

/// The core.
pub struct Engine {
    options: EngineOptions,
    facts: Facts,
    sources: Sources,
    conns: Conns,
    open: HashMap<(ConnId, Key), FlowId>,
    /// Complete flows in the order in which they completed, with the moment at which they settle at the latest.
    settling: VecDeque<(FlowId, Time)>,
    store: Store,
    tally: Tally,
    screen: Screen,
    /// How far packet time has come; a capture's clock that steps back does not turn it back.
    now: Time,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(options: EngineOptions) -> Self {
        let mut facts = Facts::default();
        let mut tally = Tally::default();
        for fact in &options.names {
            tally.unplaced += u64::from(!facts.learn(fact.clone()));
        }
        Self {
            store: Store::new(options.max_memory, options.keep),
            facts,
            tally,
            sources: Sources::default(),
            conns: Conns::default(),
            open: HashMap::new(),
            settling: VecDeque::new(),
            screen: Screen::default(),
            now: Time::from_nanos(i64::MIN),
            options,
        }
    }

    /// Takes in a turn whole; settled flows, connection records and, after the last turn, the stats go to `out`.
    pub fn take(&mut self, turn: Turn, out: &mut dyn FnMut(Record)) {
        let Turn { events, until, news, totals, last } = turn;
        self.hear(news);
        for event in events {
            self.event(event, out);
        }
        self.pass(until, totals, last, out);
    }

    /// The first part of a turn: what the sources said.
    pub fn hear(&mut self, news: Vec<SourceNews>) {
        for news in news {
            if let SourceNews::Name(ip, service) = news {
                self.learn(Fact { scope: Scope::Ip(ip), rank: Rank::Capture, service });
            } else {
                self.sources.hear(news);
            }
        }
    }

    /// The second part, event by event.
    pub fn event(&mut self, event: Event, out: &mut dyn FnMut(Record)) {
        let Event { conn, at, kind } = event;
        self.advance(at.time, out);
        let placed = match kind {
            EventKind::Began(meta, source) => {
                let placed = self.begin(&meta);
                self.seen_by(meta.id, source) && placed
            }
            EventKind::Oriented(client, server) => self.orient(conn, client, server),
            EventKind::SeenBy(source) => self.seen_by(conn, source),
            EventKind::Identified(protocol) => self.conns.identify(conn, protocol),
            EventKind::Open(key, opened) => self.open(conn, key, *opened, out),
            EventKind::Part(key, part) => self.part(conn, key, part, at),
            EventKind::Close(key, closed) => self.open.remove(&(conn, key)).map(|id| self.complete(id, *closed, out)).is_some(),
            EventKind::Note(Some(key), issue) => self.note(conn, key, issue),
            // a connection's own oddities are counted where they are found; its record has no place for them
            EventKind::Note(None, _) => true,
            EventKind::Fact(fact) => self.learn(*fact),
            EventKind::Ended(ended) => self.end(conn, *ended, out),
        };
        self.tally.unplaced += u64::from(!placed);
    }

    /// The third part: how far packet time and the sums have come, and whether that was all.
    pub fn pass(&mut self, until: Stamp, totals: Totals, last: bool, out: &mut dyn FnMut(Record)) {
        self.tally.totals = totals;
        self.advance(until.time, out);
        if !last || self.tally.ended {
            return;
        }
        self.tally.ended = true;
        let mut open: Vec<_> = self.open.drain().map(|(_, id)| id).collect();
        open.sort_unstable();
        for id in open {
            self.give_up(id, out);
        }
        self.settle_due(Time::from_nanos(i64::MAX), out);
        out(Record::Stats(self.tally.stats(&self.conns, &self.sources, &self.store)));
    }

    /// Somebody is finding out who an address is: flows with it wait for a fact about it, up to their deadline.
    pub fn expect_name(&mut self, addr: SocketAddr) {
        self.facts.expect(addr);
    }

    /// Nobody will find out who it is.
    pub fn give_up_name(&mut self, addr: SocketAddr, out: &mut dyn FnMut(Record)) {
        self.facts.give_up(addr);
        self.settle_due(self.now, out);
    }

    /// Learns who somebody is, from elsewhere than the wire. Says whether there was room for it.
    pub fn learn(&mut self, fact: Fact) -> bool {
        let learned = self.facts.learn(fact);
        self.screen.names_changed(self.facts.version());
        learned
    }

    /// Forgets every flow so far, as if the watch began now. Those that are not settled still become records.
    pub fn clear(&mut self) {
        let Self { store, facts, screen, .. } = self;
        store.clear(&mut |row| facts.release(row.client) + facts.release(row.server));
        screen.clear(store.next_id());
    }

    /// Packet time moves on; what has waited long enough settles.
    fn advance(&mut self, time: Time, out: &mut dyn FnMut(Record)) {
        self.now = self.now.max(time);
        self.settle_due(self.now, out);
    }

    fn begin(&mut self, meta: &ConnMeta) -> bool {
        if !self.conns.has_room_for(meta.id) {
            return false;
        }
        let (client, server) = (self.hold(meta.client), self.hold(meta.server));
        self.conns.begin(meta.id, client, server, meta.first);
        true
    }

    fn orient(&mut self, id: ConnId, client: SocketAddr, server: SocketAddr) -> bool {
        let (client, server) = (self.hold(client), self.hold(server));
        let Some(conn) = self.conns.get(id) else {
            self.release(client, server);
            return false;
        };
        let before = (conn.client, conn.server);
        (conn.client, conn.server) = (client, server);
        if conn.unsettled > 0 {
            // rare: a decoder says so before its first flow. Once a connection, over the open flows of all
            let flows: Vec<_> = self.open.iter().filter(|((conn, _), _)| *conn == id).map(|(_, &flow)| flow).collect();
            for flow in flows {
                self.facts.hold_again(client);
                self.facts.hold_again(server);
                let mut was = (client, server);
                self.change(flow, |row, _| {
                    was = (std::mem::replace(&mut row.client, client), std::mem::replace(&mut row.server, server));
                    Charge::default()
                });
                self.release(was.0, was.1);
            }
        }
        self.release(before.0, before.1);
        true
    }

    fn seen_by(&mut self, conn: ConnId, source: crate::model::SourceId) -> bool {
        self.conns.get(conn).map(|conn| conn.sources.add(source)).is_some()
    }

    fn open(&mut self, id: ConnId, key: Key, opened: Opened, out: &mut dyn FnMut(Record)) -> bool {
        let flow = self.store.next_id();
        if self.open.len() >= MAX_OPEN {
            return false;
        }
        let Some(conn) = self.conns.get(id) else { return false };
        conn.unsettled += 1;
        let (client, server, sources, number) = (conn.client, conn.server, conn.sources, conn.number);
        self.facts.hold_again(client);
        self.facts.hold_again(server);
        let Opened { protocol, pattern, operation, dir, first, layers } = opened;
        let (state, ok, status, duration, trace_id) = (State::Open, true, None, None, None);
        let (time, bytes) = (first.time, 0);
        let row = Row {
            id: flow,
            conn: id,
            time,
            duration,
            client,
            server,
            protocol,
            pattern,
            state,
            ok,
            dir,
            operation,
            status,
            bytes,
            trace_id,
            sources,
        };
        self.store.push(row, Detail { layers, ..Detail::default() }, number);
        self.tally.opened(self.now);
        self.screen.changed(flow);
        // two open flows of one key would be a mistake of the decoder: the earlier one cannot be told from the later any more
        if let Some(earlier) = self.open.insert((id, key), flow) {
            self.tally.unplaced += 1;
            self.give_up(earlier, out);
        }
        self.trim();
        true
    }

    fn part(&mut self, conn: ConnId, key: Key, part: crate::model::Part, at: Stamp) -> bool {
        let Some(&id) = self.open.get(&(conn, key)) else { return false };
        let trace_id = match &part {
            crate::model::Part::Trace(trace) => Some(trace.trace_id.clone()),
            _ => None,
        };
        let (full, limit) = (self.store.full(), self.options.body_limit);
        let mut stripped = false;
        self.change(id, |row, detail| {
            stripped = full && !detail.bodies_evicted;
            detail.bodies_evicted |= full;
            flow::add(row, detail, part, at, limit)
        });
        if stripped {
            self.store.count_stripped();
        }
        if let Some(trace_id) = trace_id
            && self.store.get(id).is_some_and(|slot| slot.row.trace_id.is_none())
        {
            self.store.join_trace(id, &trace_id);
        }
        self.trim();
        true
    }

    fn note(&mut self, conn: ConnId, key: Key, issue: Issue) -> bool {
        let Some(&id) = self.open.get(&(conn, key)) else { return false };
        self.change(id, |_, detail| flow::note(detail, issue));
        true
    }

    fn end(&mut self, id: ConnId, ended: Ended, out: &mut dyn FnMut(Record)) -> bool {
        let Some(conn) = self.conns.get(id).filter(|conn| !conn.ended) else { return false };
        conn.ended = true;
        let (number, first, protocol) = (conn.number, conn.first, conn.protocol);
        let (client, server) = self.facts.parties(conn.client, conn.server);
        let Ended { how, last, bytes, packets, retransmissions, gaps, head } = ended;
        out(Record::Connection(ConnRecord {
            id: number,
            time: first.time,
            duration: last.time.since(first.time),
            client: client.clone(),
            server: server.clone(),
            protocol,
            bytes,
            packets,
            retransmissions,
            gaps,
            end: how,
            head: if protocol.is_none() { head } else { Vec::new() },
        }));
        self.forget_done(id);
        true
    }

    /// An open flow whose decoder says no more: an answer that was due did not come.
    fn give_up(&mut self, id: FlowId, out: &mut dyn FnMut(Record)) {
        let Some(slot) = self.store.get(id) else { return };
        let status = if slot.row.pattern.one_way() { None } else { Some("pending".into()) };
        let ok = slot.row.ok;
        self.complete(id, Closed { status, ok, last: None }, out);
    }

    fn complete(&mut self, id: FlowId, closed: Closed, out: &mut dyn FnMut(Record)) {
        let sources = self.store.get(id).map(|slot| slot.row.conn).and_then(|conn| Some(self.conns.get(conn)?.sources));
        self.change(id, |row, detail| {
            row.state = State::Complete;
            row.ok = closed.ok;
            row.status = closed.status;
            // an exchange that fits one packet took some time, if less than the clock can tell
            row.duration = closed.last.map(|last| last.time.since(row.time).max(Span::from_nanos(1)));
            row.sources = sources.unwrap_or(row.sources);
            flow::shrink(detail)
        });
        self.settling.push_back((id, self.now.after(self.options.settle)));
        self.settle_due(self.now, out);
    }

    /// Settles complete flows from the first on, up to one that still waits for a name.
    fn settle_due(&mut self, now: Time, out: &mut dyn FnMut(Record)) {
        while let Some(&(id, deadline)) = self.settling.front() {
            let waits = |row: &Row| self.facts.awaits(row.client) || self.facts.awaits(row.server);
            if deadline > now && self.store.get(id).is_some_and(|slot| waits(&slot.row)) {
                return;
            }
            self.settling.pop_front();
            self.settle(id, out);
        }
    }

    fn settle(&mut self, id: FlowId, out: &mut dyn FnMut(Record)) {
        self.change(id, |row, _| {
            row.state = State::Settled;
            Charge::default()
        });
        let Some(flow) = self.flow(id, true) else { return };
        self.tally.settled(flow.row.protocol);
        let conn = flow.row.conn;
        out(Record::Flow(flow));
        let Self { store, facts, screen, .. } = self;
        store.settled(id, &mut |row| {
            screen.gone(row.id);
            facts.release(row.client) + facts.release(row.server)
        });
        if let Some(conn) = self.conns.get(conn) {
            conn.unsettled -= 1;
        }
        self.forget_done(conn);
    }

    /// A flow as it stands, with the names that are known now.
    fn flow(&mut self, id: FlowId, with_detail: bool) -> Option<Flow> {
        let slot = self.store.get(id)?;
        let (client, server) = self.facts.parties(slot.row.client, slot.row.server);
        Some(Flow {
            row: slot.row.clone(),
            detail: slot.detail.clone().filter(|_| with_detail),
            client: client.clone(),
            server: server.clone(),
            connection: slot.connection.into(),
            sources: self.sources.names_of(slot.row.sources).to_vec(),
        })
    }

    /// Whether a flow matches a filter that reads rows alone; none where it is gone.
    fn matches(&mut self, id: FlowId, filter: &Filter) -> Option<bool> {
        let slot = self.store.get(id)?;
        let (client, server) = self.facts.parties(slot.row.client, slot.row.server);
        let sources = self.sources.names_of(slot.row.sources);
        let connection = slot.connection.into();
        Some(filter.matches(FlowRef { row: &slot.row, detail: slot.detail.as_deref(), client, server, connection, sources }))
    }

    fn change(&mut self, id: FlowId, change: impl FnOnce(&mut Row, &mut Detail) -> Charge) {
        self.store.change(id, change);
        self.screen.changed(id);
    }

    fn trim(&mut self) {
        let Self { store, facts, screen, .. } = self;
        store.trim(&mut |row| {
            screen.gone(row.id);
            facts.release(row.client) + facts.release(row.server)
        });
    }

    fn hold(&mut self, addr: SocketAddr) -> u32 {
        let (at, new) = self.facts.hold(addr);
        if new {
            self.store.charge(facts::ENDPOINT_COST);
        }
        at
    }

    fn release(&mut self, client: u32, server: u32) {
        let freed = self.facts.release(client) + self.facts.release(server);
        self.store.discharge(freed);
    }

    fn forget_done(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.remove_done(id) {
            self.release(conn.client, conn.server);
        }
    }
}

#[cfg(test)]
mod tests;
