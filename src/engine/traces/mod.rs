//! Traces: which flows carry the same ID, from the first of them until they make room. Not what caused what: that is [`tree`]'s.
//!
//! ```text
//!  a flow's context ─> join ─> Hop, open ─> settled ─> quiet for 5 s ─> judged by the findings, told as a TraceRecord
//!  a flow's place   ─> tie ──┤                     └── again, where the trace grew
//!                            └── no room: the oldest trace is told and forgotten, and counted
//! ```
//! A hop holds what the tree needs, so that a trace outlives the rows of its flows. A trace is known by several keys, as carriers write
//! IDs in ways of their own and a request ID rides beside a tracer's; flows that were tied without an ID are traces too, and are
//! not told.

mod failure;
mod hop;
mod legs;
mod parties;
mod path;
mod shape;
mod shown;
mod ties;
mod tree;

use crate::model::{FlowId, FlowRef, Node, TraceContext, TraceNo, TraceRecord, Why};
use crate::time::{Span, Time};
use crate::trace;
pub(super) use failure::{failed, outcome, passes_on};
use hashbrown::{HashMap, HashSet};
use hop::tail;
pub(super) use hop::{Hop, Mark, begun, digest, everybodys, hop, name, settled};
pub(super) use legs::{asked, beside, leg};
use parties::services;
use std::collections::{BTreeMap, BTreeSet};

/// How long none of a trace's flows is open before it is told.
pub const QUIET: Span = Span::from_secs(5);
/// From when on a trace is slow, so that its record tells where its time went.
const SLOW: Span = Span::from_secs(1);
/// How many flows a trace tells apart: beyond it they are only counted. A tree is built over all of them at once.
pub const MAX_HOPS: usize = 4096;
/// How many different IDs one trace is known by: more than there are carriers and services that change them.
const MAX_IDS: usize = 64;
/// How many flows of a trace are looked through for what caused another one, where some of them were tied without an ID.
const SEARCHED: usize = 256;
/// What a trace takes beside its hops, and a hop: texts of the usual lengths included.
const TRACE_COST: usize = size_of::<Trace>() + 192;
const HOP_COST: usize = size_of::<Hop>() + 64;

/// A trace.
#[derive(Debug)]
pub(super) struct Trace {
    /// What it is known by, whatever carries it, and whether a tracer made it; none where its flows were tied without an ID.
    keys: Vec<(Box<str>, bool)>,
    /// Its IDs as on the wire, in the order in which they were seen.
    ids: Vec<Box<str>>,
    /// In the order of flows.
    hops: Vec<Hop>,
    /// Flows beyond the limit.
    more: u64,
    /// How many hops are not settled.
    open: usize,
    /// When the last of them settled.
    quiet_since: Time,
    /// Whether its time is already waited for.
    waiting: bool,
    /// Whether it has grown since it was told.
    grown: bool,
}

/// All traces that are kept.
#[derive(Debug)]
pub(super) struct Traces {
    list: BTreeMap<TraceNo, Trace>,
    /// By key, and by the last 16 characters of those of 128 bits: an ID of 64 bits is the lower half of such a one.
    index: HashMap<Box<str>, TraceNo>,
    /// Where each flow with a hop is.
    of: HashMap<FlowId, TraceNo>,
    /// Request IDs that were seen with several traces, so that they tell none apart.
    shared: HashSet<Box<str>>,
    /// Where traces went that are parts of others now.
    moved: BTreeMap<TraceNo, TraceNo>,
    /// Flows that may have caused others, with those.
    doubts: BTreeMap<FlowId, Vec<FlowId>>,
    /// Traces of which no flow was open lately, by the moment at which they may be told: at most once each.
    due: BTreeSet<(Time, TraceNo)>,
    next: TraceNo,
    used: usize,
    limit: usize,
    evicted: u64,
    changes: u64,
}

impl Traces {
    /// Room for `limit` bytes of traces.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            list: BTreeMap::new(),
            index: HashMap::new(),
            of: HashMap::new(),
            shared: HashSet::new(),
            moved: BTreeMap::new(),
            doubts: BTreeMap::new(),
            due: BTreeSet::new(),
            next: TraceNo(1),
            used: 0,
            limit,
            evicted: 0,
            changes: 0,
        }
    }

    /// Counts up with each change.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether some have to make room.
    pub(super) fn full(&self) -> bool {
        self.used > self.limit
    }

    /// Bytes held.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// How many traces were forgotten to make room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A flow turned out to carry a trace context, its first: it is open until it settles.
    pub(super) fn join(&mut self, key: &str, context: &TraceContext, flow: FlowRef<'_>) {
        self.changes += 1;
        let tracer = !trace::is_request_id(context.carrier);
        let no = self.find(key).unwrap_or_else(|| self.begin(Some((key, tracer))));
        let Some(trace) = self.list.get_mut(&no) else { return };
        trace.grown = true;
        if trace.hops.len() >= MAX_HOPS {
            trace.more += 1;
            return;
        }
        let mut hop = begun(flow);
        hop.id = trace.id_of(&context.trace_id);
        hop.keys[usize::from(!tracer)] = trace.key_of(key);
        (hop.span, hop.parent_span) = (context.span_id.clone(), context.parent_id.clone());
        self.add(no, hop);
    }

    /// A flow has settled: what its hop tells is final, save for names.
    pub(super) fn settled(&mut self, flow: FlowRef<'_>, now: Time) {
        let Some(&no) = self.of.get(&flow.row.id) else { return };
        let Some(trace) = self.list.get_mut(&no) else { return };
        self.changes += 1;
        trace.grown = true;
        if let Some(old) = trace.hop_mut(flow.row.id).filter(|hop| !hop.settled) {
            old.renew(settled(flow));
            trace.open -= 1;
        }
        self.settle(no, now);
    }

    /// A trace that has no open flow is told when it has been quiet.
    fn settle(&mut self, no: TraceNo, now: Time) {
        let Some(trace) = self.list.get_mut(&no) else { return };
        trace.quiet_since = now;
        if trace.open == 0 && !std::mem::replace(&mut trace.waiting, true) {
            self.due.insert((now.after(QUIET), no));
        }
    }

    /// Forgets the oldest traces where there is no room; `lost` is handed those that were not told as they are.
    fn make_room(&mut self, lost: &mut dyn FnMut(&mut Trace)) {
        while self.full()
            && let Some(no) = self.list.first_key_value().map(|(no, _)| *no)
        {
            // one that was told and is quiet is no loss
            if let Some(mut trace) = self.forget(no).filter(|trace| trace.grown) {
                lost(&mut trace);
                self.evicted += 1;
            }
        }
    }

    /// Tells the traces that have been quiet for long enough, and those that have to make room.
    pub(super) fn tell_due(&mut self, now: Time, tell: &mut dyn FnMut(&mut Trace)) {
        self.make_room(tell);
        while let Some(&(at, no)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(at, no));
            let Some(trace) = self.list.get_mut(&no) else { continue };
            let due = trace.quiet_since.after(QUIET);
            if trace.open > 0 {
                trace.waiting = false;
            } else if due > now {
                self.due.insert((due, no));
            } else {
                (trace.waiting, trace.grown) = (false, false);
                tell(trace);
            }
        }
    }

    /// Tells every trace that has grown since it was told: the end.
    pub(super) fn tell_rest(&mut self, tell: &mut dyn FnMut(&mut Trace)) {
        self.due.clear();
        for trace in self.list.values_mut() {
            if std::mem::take(&mut trace.grown) {
                tell(trace);
            }
        }
    }

    /// Forgets all traces that have no open flow, and of the others all but their open flows.
    pub(super) fn clear(&mut self) {
        self.changes += 1;
        self.doubts.clear();
        let all: Vec<_> = self.list.keys().copied().collect();
        for no in all {
            if self.list.get(&no).is_some_and(|trace| trace.open == 0) {
                self.forget(no);
            } else if let Some(trace) = self.list.get_mut(&no) {
                for hop in trace.hops.extract_if(.., |hop| hop.settled) {
                    self.of.remove(&hop.flow);
                    self.used -= HOP_COST;
                }
            }
        }
    }

    /// The traces in view, the newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (TraceNo, &Trace)> {
        self.list.iter().rev().map(|(no, trace)| (*no, trace))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The sender of a flow, who has no name, may have been at work on something that cannot be read.
    pub(super) fn veil(&mut self, flow: FlowId) {
        if let Some(trace) = self.of(flow).and_then(|no| self.list.get_mut(&no)) {
            trace.veil(flow);
        }
    }

    /// A trace, also by the number that it had before it became part of another.
    pub(super) fn get(&self, no: TraceNo) -> Option<&Trace> {
        self.list.get(&no).or_else(|| self.list.get(self.moved.get(&no)?))
    }

    /// The trace of a key.
    pub(super) fn find(&self, key: &str) -> Option<TraceNo> {
        let short =
            |no: &&TraceNo| self.list.get(no).is_some_and(|trace| trace.keys.iter().any(|(known, _)| **known == *tail(key)));
        self.index.get(key).or_else(|| self.index.get(tail(key)).filter(short)).copied()
    }

    /// The trace of a flow.
    pub(super) fn of(&self, flow: FlowId) -> Option<TraceNo> {
        self.of.get(&flow).copied()
    }

    fn begin(&mut self, key: Option<(&str, bool)>) -> TraceNo {
        let no = self.next;
        self.next.0 += 1;
        let (ids, hops, keys, quiet_since) = (Vec::new(), Vec::new(), Vec::new(), Time::default());
        let trace = Trace { keys, ids, hops, more: 0, open: 0, quiet_since, waiting: false, grown: true };
        self.list.insert(no, trace);
        self.used += TRACE_COST;
        if let Some((key, tracer)) = key {
            self.know(no, key, tracer);
        }
        no
    }

    /// A trace is known by this key too.
    fn know(&mut self, no: TraceNo, key: &str, tracer: bool) {
        let Some(trace) = self.list.get_mut(&no).filter(|trace| trace.keys.len() < MAX_IDS) else { return };
        trace.keys.push((key.into(), tracer));
        self.index.insert(key.into(), no);
        // of several with one lower half the first is the one meant by it
        self.index.entry(tail(key).into()).or_insert(no);
    }

    /// Adds a hop to a trace that has room for it.
    fn add(&mut self, no: TraceNo, hop: Hop) {
        let Some(trace) = self.list.get_mut(&no) else { return };
        trace.grown = true;
        trace.open += usize::from(!hop.settled);
        self.of.insert(hop.flow, no);
        let place = trace.hops.partition_point(|other| other.flow < hop.flow);
        trace.hops.insert(place, hop);
        self.used += HOP_COST;
    }

    fn forget(&mut self, no: TraceNo) -> Option<Trace> {
        let trace = self.list.remove(&no)?;
        self.used -= TRACE_COST + trace.hops.len() * HOP_COST;
        for hop in &trace.hops {
            self.of.remove(&hop.flow);
        }
        for key in trace.keys.iter().flat_map(|(key, _)| [&**key, tail(key)]) {
            if self.index.get(key) == Some(&no) {
                self.index.remove(key);
            }
        }
        Some(trace)
    }
}

impl Trace {
    /// How many flows it has so far.
    pub(super) fn flows(&self) -> u64 {
        self.hops.len() as u64 + self.more
    }

    /// Who caused whom.
    pub(super) fn tree(&self) -> Vec<Node> {
        tree::tree(&self.hops)
    }

    /// As it is told, with its tree; none where none of its flows carries an ID.
    pub(super) fn record(&self, tree: Vec<Node>) -> Option<TraceRecord> {
        let ids = || tree.iter().filter_map(|node| self.ids.get(usize::from(self.hop(node.flow)?.id?)));
        let trace_id = ids().next()?.clone();
        let services = services(tree.iter().filter_map(|node| self.hop(node.flow)));
        let (time, last) = self.times();
        let roots = tree.iter().filter(|node| node.depth == 0).count();
        let why = path::why(&self.hops, &tree);
        let told = self.errors() > 0 || last.since(time) >= SLOW;
        Some(TraceRecord {
            trace_id,
            trace_ids: self.ids.clone(),
            services,
            time,
            duration: last.since(time),
            errors: self.errors(),
            why: if told { why } else { Why::default() },
            complete: roots == 1 && self.more == 0 && self.hops.iter().all(|hop| hop.settled && !hop.pending),
            tree,
        })
    }

    /// A flow's sender may have been at work on something hidden.
    pub(super) fn veil(&mut self, flow: FlowId) {
        if let Some(hop) = self.hop_mut(flow) {
            hop.veiled = true;
        }
    }

    /// Has its flows judged, those that were before told apart.
    pub(super) fn judge(&mut self, look: impl FnOnce(&[Hop])) {
        look(&self.hops);
        self.hops.iter_mut().for_each(|hop| hop.judged = true);
    }

    /// Its first byte and its last one so far.
    fn times(&self) -> (Time, Time) {
        let first = self.hops.iter().map(|hop| hop.time).min().unwrap_or_default();
        (first, self.hops.iter().map(|hop| hop.last).max().unwrap_or_default())
    }

    fn errors(&self) -> u64 {
        self.hops.iter().filter(|hop| !hop.ok).count() as u64
    }

    /// Whether nothing in it caused a flow: it is the first one, or, where others of them were tied elsewhere, like those.
    pub(super) fn leaves_open(&self, flow: FlowId) -> bool {
        let first = self.hops.first().is_some_and(|hop| hop.flow == flow);
        let tied = || self.hops.len() <= SEARCHED && self.hops.iter().any(|hop| hop.placed.is_some());
        first || (tied() && tree::is_root(&self.hops, flow))
    }

    /// What it is found by, and its first ID as on the wire.
    pub(super) fn known_by(&self) -> Option<(&str, &str)> {
        Some((&self.keys.first()?.0, self.ids.first()?))
    }

    /// A flow of it.
    pub(super) fn hop(&self, flow: FlowId) -> Option<&Hop> {
        self.hops.binary_search_by_key(&flow, |hop| hop.flow).ok().and_then(|at| self.hops.get(at))
    }

    fn hop_mut(&mut self, flow: FlowId) -> Option<&mut Hop> {
        self.hops.binary_search_by_key(&flow, |hop| hop.flow).ok().and_then(|at| self.hops.get_mut(at))
    }

    /// The place of an ID as on the wire.
    fn id_of(&mut self, id: &str) -> Option<u8> {
        let known = self.ids.iter().position(|known| **known == *id);
        let at = known.or_else(|| {
            let room = self.ids.len() < MAX_IDS;
            room.then(|| self.ids.push(id.into())).map(|()| self.ids.len() - 1)
        })?;
        Some(at as u8)
    }

    /// The place of a key, however long the ID is written.
    fn key_of(&self, key: &str) -> Option<u8> {
        self.keys.iter().position(|(known, _)| trace::same(known, key)).map(|at| at as u8)
    }
}

#[cfg(test)]
mod tests;
