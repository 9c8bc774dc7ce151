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
mod cost;
mod detail;
mod facts;
mod flow;
mod life;
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
    ConnId, ConnRecord, Detail, Event, EventKind, Fact, Flow, FlowId, FlowRef, Key, Rank, Row, Scope, SourceNews, Stamp, Stats,
    Totals, Turn,
};
use crate::schema::Current;
use crate::time::{Span, Time};
use conns::Conns;
use cost::Charge;
use facts::Facts;
use hashbrown::HashMap;
use screen::Screen;
use std::collections::VecDeque;
use std::net::SocketAddr;
use store::Store;
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
    /// Which messages are known to those who look.
    pub schemas: Current,
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
            schemas: Current::default(),
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
            EventKind::SeenBy(source) => {
                // a packet behind the close: the connection may be forgotten already
                self.seen_by(conn, source);
                true
            }
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
}

#[cfg(test)]
mod tests;
