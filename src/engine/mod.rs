//! One owner of all flows: events in, settled flows and a view of the rows out. It knows no protocol, and decodes nothing.
//!
//! The core ([`Engine`]) has no thread, no lock and no clock: time is packet time, from the stamps. [`owner`] runs it on a thread of its
//! own, and `looker` is the thread that decodes what somebody looks at.
//!
//! ```text
//!  Turn ─> event() ─> conns, facts ─> open: (connection, key) -> flow ─> settling (FIFO) ─> Record
//!                                          │                                  │
//!                                          └───────────> store <──────────────┴─> edges
//!  Query ─> screen: list of matching flows <── changed rows, sweeps ──┘  ─> View;  Job ─> looker ─> Answer
//! ```
//!
//! Invariants: a flow settles once, in the order of completion; the same events give the same records, however turns cut them; a part
//! for a flow that is not open is counted, never a panic; what is held elsewhere on behalf of a row is given back when the row goes.

mod conns;
pub(crate) mod control;
mod cost;
mod detail;
mod digest;
pub mod edges;
mod facts;
mod findings;
mod flow;
mod life;
mod load;
mod looker;
#[cfg(test)]
mod mesh;
mod naming;
mod options;
pub mod owner;
mod screen;
#[cfg(test)]
mod script;
mod settle;
mod spots;
mod stitch;
mod store;
mod tally;
mod traces;
pub mod twins;
pub mod view;

use crate::filter::Filter;
use crate::model::{
    ConnId, ConnRecord, Detail, Event, EventKind, Fact, Finding, Flow, FlowId, FlowRef, Key, Rank, Row, Scope, SourceNews, Stamp,
    Stats, Totals, TraceRecord, Turn,
};
use crate::schema::Offer;
use crate::time::{Span, Time};
use conns::Conns;
use cost::Charge;
use edges::Edges;
use facts::Facts;
use findings::Findings;
use hashbrown::HashMap;
pub use options::{EngineOptions, Wants};
use screen::Screen;
use std::collections::VecDeque;
use std::sync::Arc;
use stitch::Stitch;
use store::{Slot, Store};
use tally::{Sources, Tally};
use traces::Traces;
use twins::Twins;

/// How long a complete flow waits for what may still be told of it, live.
pub const SETTLE_LIVE: Span = Span::from_millis(300);
/// How long it may wait in a file: packet time costs nothing there.
pub const SETTLE_FILE: Span = Span::from_secs(2);
/// How many flows may be open at once; of those that the store has no room for, too, it is known that they are.
const MAX_OPEN: usize = 1 << 18;
/// An open flow that was given up to make room: what still comes of it is nobody's.
const GIVEN_UP: FlowId = FlowId(0);
/// Which part of the memory traces may take: with the default 256 MiB, some 10,000 of four flows each.
const TRACES: usize = 16;
/// Which part what stitching remembers may take: with the default some 5,000 requests in flight, as many that are over, and messages.
const STITCHING: usize = 32;

/// What comes out, in its order.
#[derive(Clone, Debug)]
pub enum Record {
    /// A flow that has settled.
    Flow(Flow),
    /// A connection that ended.
    Connection(ConnRecord),
    /// A trace that has been quiet for a while, or that is as whole as it gets; the last one of a trace counts.
    Trace(TraceRecord),
    /// Something wrong or suspicious: when it is seen first, and at the end with its count.
    Finding(Finding),
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
    /// How many of them were given up.
    given_up: usize,
    /// The same in their order, and some that are not open any more.
    opened: VecDeque<(FlowId, (ConnId, Key))>,
    /// The open flow that was added to last: the next part is mostly its, too.
    last: Option<((ConnId, Key), FlowId)>,
    /// Complete flows in the order in which they completed, with the moment at which they settle at the latest.
    settling: VecDeque<(FlowId, Time)>,
    store: Store,
    traces: Traces,
    stitch: Stitch,
    findings: Findings,
    twins: Twins,
    tally: Tally,
    /// Of the settled flows, where there is a screen to show them.
    edges: Edges,
    /// By which names of addresses the edges' ends are called.
    called: u32,
    screen: Screen,
    /// How often the schemas that are looked with had been loaded, and what is wrong with them.
    schemas: u64,
    problems: Arc<[String]>,
    /// Descriptors that could be read too.
    offers: Arc<[Offer]>,
    /// How far packet time has come; a capture's clock that steps back does not turn it back.
    now: Time,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(options: EngineOptions) -> Self {
        let mut facts = Facts::default();
        let mut tally = Tally::default();
        for (scope, service) in &options.names {
            tally.unplaced += u64::from(!facts.learn(scope.clone(), Rank::User, Arc::clone(service)));
        }
        let schemas = options.schemas.get();
        let engine = Self {
            schemas: schemas.generation(),
            problems: schemas.problems().into(),
            offers: Arc::default(),
            store: Store::new(options.max_memory - options.max_memory / TRACES - options.max_memory / STITCHING, options.keep),
            traces: Traces::new(options.max_memory / TRACES, options.keep || options.wants.traces || options.wants.findings),
            stitch: Stitch::new(options.max_memory / STITCHING),
            findings: Findings::new(options.schemas.clone(), options.wants.findings),
            twins: Twins::default(),
            facts,
            tally,
            edges: Edges::default(),
            called: 0,
            sources: Sources::default(),
            conns: Conns::default(),
            open: HashMap::new(),
            given_up: 0,
            opened: VecDeque::new(),
            last: None,
            settling: VecDeque::new(),
            screen: Screen::default(),
            now: Time::from_nanos(i64::MIN),
            options,
        };
        engine.tell_user_names();
        engine
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
                self.learn(Fact::Named { scope: Scope::Ip(ip), rank: Rank::Capture, service });
            } else {
                self.sources.hear(news);
            }
        }
    }

    /// The schemas may be others now: then what somebody looks at is decoded anew, filters judge again, and that is told. Says whether.
    pub fn renew_schemas(&mut self) -> bool {
        let schemas = self.options.schemas.get();
        let new = schemas.generation() != self.schemas;
        if new {
            (self.schemas, self.problems) = (schemas.generation(), schemas.problems().into());
            let methods = schemas.methods().count();
            let s = if methods == 1 { "" } else { "s" };
            self.sources.answer(match self.problems.first() {
                None => format!("read descriptors: {methods} method{s}").into(),
                Some(problem) => problem.as_str().into(),
            });
            self.screen.look_again();
        }
        new
    }

    /// What could be read too, to be offered on the screen.
    pub fn offer(&mut self, offers: Arc<[Offer]>) {
        self.offers = offers;
    }

    /// The second part, event by event.
    pub fn event(&mut self, event: Event, out: &mut dyn FnMut(Record)) {
        if !self.options.twins {
            self.apply(event, out);
        } else if let Some(event) = self.keep_back(event, out) {
            self.apply(event, out);
        }
    }

    fn apply(&mut self, event: Event, out: &mut dyn FnMut(Record)) {
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
            EventKind::Unknown(dir) => {
                self.stitch.veil.unknown(conn, dir, at.time);
                true
            }
            EventKind::Unread { anew } => {
                self.stitch.veil.unread(conn, at.time, anew);
                true
            }
            EventKind::Sealed(dir) => self.sealed(conn, dir, at.time),
            EventKind::Identified(protocol) => {
                self.stitch.veil.read(conn, at.time);
                self.conns.identify(conn, protocol)
            }
            EventKind::Open(key, opened) => self.open(conn, key, *opened, out),
            EventKind::Part(key, part) => self.part(conn, key, part, at),
            EventKind::Close(key, closed) => self.close(conn, key, *closed, out),
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
        self.findings.totals(&self.tally.totals, self.sources.kernel_drops(), self.now);
        let waited = if last { i64::MAX } else { self.now.nanos().saturating_sub(twins::WINDOW.nanos() as i64) };
        self.let_go(Time::from_nanos(waited), out);
        self.tell_passed(until.packet);
        if !last || self.tally.ended {
            return;
        }
        self.tally.ended = true;
        let mut open: Vec<_> = self.open.drain().map(|(_, id)| id).filter(|id| *id != GIVEN_UP).collect();
        open.sort_unstable();
        self.given_up = 0;
        for id in open {
            self.give_up(id, out);
        }
        self.settle_due(Time::from_nanos(i64::MAX), out);
        self.tell_manners();
        let Self { traces, findings, options, now, facts, .. } = self;
        let reopened = traces.tell_rest(&mut |trace| settle::tell(trace, facts, findings, (*now, options), out));
        findings.end();
        findings.news().into_iter().chain(findings.grown()).for_each(|finding| out(Record::Finding(finding)));
        self.reopened(reopened);
        self.renew_tables();
        out(Record::Stats(self.tally.stats(&self.conns, &self.sources, &self.store, &self.traces, &self.findings)));
    }

    /// Learns who somebody is. Says whether there was room for it.
    pub fn learn(&mut self, fact: Fact) -> bool {
        match fact {
            Fact::Named { ref scope, rank, ref service } => {
                let learned = self.facts.learn(scope.clone(), rank, Arc::clone(service));
                self.tell_address(&fact);
                self.screen.names_changed(self.facts.version());
                learned
            }
            Fact::Owned { conn, end, owner } => {
                self.owned(conn, end, owner.as_ref());
                true
            }
        }
    }

    /// Forgets every flow so far, as if the watch began now. Those that are not settled still become records.
    pub fn clear(&mut self) {
        let Self { store, facts, conns, screen, .. } = self;
        store.clear(&mut |row| life::released(conns, facts, row));
        screen.clear(store.next_id());
        self.edges = Edges::default();
        self.traces.clear();
        self.findings.clear();
    }

    /// A flow as it stands, with the names that are known now.
    fn flow(&mut self, id: FlowId, with_detail: bool) -> Option<Flow> {
        let slot = self.store.get(id)?;
        let conn = self.conns.at(slot.row.place)?;
        let (client, server) = self.facts.parties(conn.client, conn.server);
        Some(Flow {
            row: slot.row.clone(),
            detail: slot.detail.clone().filter(|_| with_detail),
            client: client.clone(),
            server: server.clone(),
            connection: conn.number,
            sources: self.sources.names_of(slot.row.sources).to_vec(),
        })
    }

    /// Whether a flow matches a filter that reads rows alone; none where it is gone.
    fn matches(&mut self, id: FlowId, filter: &Filter) -> Option<bool> {
        look_at(id, &self.store, &self.conns, &mut self.facts, &mut self.sources).map(|flow| filter.matches(flow))
    }

    fn change(&mut self, id: FlowId, change: impl FnOnce(&mut Row, &mut Detail) -> Charge) {
        self.store.change(id, change);
        self.screen.changed(id);
    }
}

/// A flow as it stands, with the names that are known now; nothing is copied.
fn look_at<'e>(
    id: FlowId,
    store: &'e Store,
    conns: &Conns,
    facts: &'e mut Facts,
    sources: &'e mut Sources,
) -> Option<FlowRef<'e>> {
    let slot = store.get(id)?;
    let conn = conns.at(slot.row.place)?;
    Some(between(slot, conn.number, (conn.client, conn.server), facts, sources))
}

/// A flow of a connection, between these two endpoints.
fn between<'e>(
    slot: &'e Slot,
    connection: u64,
    (client, server): (u32, u32),
    facts: &'e mut Facts,
    sources: &'e mut Sources,
) -> FlowRef<'e> {
    let (client, server) = facts.parties(client, server);
    let sources = sources.names_of(slot.row.sources);
    FlowRef { row: &slot.row, detail: slot.detail.as_deref(), client, server, connection, sources }
}

#[cfg(test)]
mod tests;
