//! Traces: which flows carry the same ID, from the first of them until they make room. Not what caused what: that is [`tree`]'s.
//!
//! ```text
//!  a flow's context ─> join ─> Hop, open ─> settled ─> quiet for 5 s ─> TraceRecord
//!                       │                     └── again, where the trace grew
//!                       └── no room: the oldest trace is told and forgotten, and counted
//! ```
//! A hop holds what the tree needs, so that a trace outlives the rows of its flows.

mod shown;
mod tree;

use crate::model::{Detail, Dir, FlowId, FlowRef, PENDING, Party, Pattern, TraceContext, TraceNo, TraceRecord, Value};
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
pub(super) use tree::Hop;

/// How long none of a trace's flows is open before it is told.
pub const QUIET: Span = Span::from_secs(5);
/// How many flows a trace tells apart: beyond it they are only counted. A tree is built over all of them at once.
pub const MAX_HOPS: usize = 4096;
/// How many different IDs one trace is known by: a carrier each, at the most.
const MAX_IDS: usize = 16;
/// What a trace takes beside its hops, and a hop: texts of the usual lengths included.
const TRACE_COST: usize = size_of::<Trace>() + 192;
const HOP_COST: usize = size_of::<Hop>() + 64;

/// A trace.
#[derive(Debug)]
pub(super) struct Trace {
    /// What it is known by, whatever carries it.
    key: Box<str>,
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
    /// Where each flow of an open hop is.
    open: HashMap<FlowId, TraceNo>,
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
            open: HashMap::new(),
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

    /// Bytes held.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// How many traces were forgotten to make room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A flow turned out to carry a trace context: it is open until it settles.
    pub(super) fn join(&mut self, key: &str, context: &TraceContext, flow: FlowRef<'_>) {
        self.changes += 1;
        let no = self.find(key).unwrap_or_else(|| self.begin(key));
        let Some(trace) = self.list.get_mut(&no) else { return };
        trace.grown = true;
        if trace.hops.len() >= MAX_HOPS {
            trace.more += 1;
            return;
        }
        let known = trace.ids.iter().position(|id| *id == context.trace_id);
        if known.is_none() && trace.ids.len() < MAX_IDS {
            trace.ids.push(context.trace_id.clone());
        }
        let mut hop = hop(flow);
        hop.id = known.unwrap_or(trace.ids.len() - 1) as u8;
        (hop.span, hop.parent_span) = (context.span_id.clone(), context.parent_id.clone());
        let place = trace.hops.partition_point(|other| other.flow < hop.flow);
        trace.hops.insert(place, hop);
        trace.open += 1;
        self.open.insert(flow.row.id, no);
        self.used += HOP_COST;
    }

    /// A flow has settled: what its hop tells is final, save for names.
    pub(super) fn settled(&mut self, flow: FlowRef<'_>, now: Time) {
        let Some(no) = self.open.remove(&flow.row.id) else { return };
        let Some(trace) = self.list.get_mut(&no) else { return };
        self.changes += 1;
        trace.grown = true;
        trace.open -= 1;
        if let Ok(at) = trace.hops.binary_search_by_key(&flow.row.id, |hop| hop.flow) {
            let old = &mut trace.hops[at];
            let (id, span, parent_span) = (old.id, old.span.take(), old.parent_span.take());
            *old = Hop { id, span, parent_span, settled: true, ..hop(flow) };
        }
        trace.quiet_since = now;
        if trace.open == 0 && !std::mem::replace(&mut trace.waiting, true) {
            self.due.insert((now.after(QUIET), no));
        }
    }

    /// Forgets the oldest traces where there is no room; `lost` is handed those that were not told as they are.
    pub(super) fn make_room(&mut self, mut lost: impl FnMut(&Trace)) {
        while self.used > self.limit
            && let Some(no) = self.list.first_key_value().map(|(no, _)| *no)
        {
            // one that was told and is quiet is no loss
            if let Some(trace) = self.forget(no).filter(|trace| trace.grown) {
                lost(&trace);
                self.evicted += 1;
            }
        }
    }

    /// Tells the traces that have been quiet for long enough, and those that have to make room.
    pub(super) fn tell_due(&mut self, now: Time, tell: &mut dyn FnMut(TraceRecord)) {
        self.make_room(|trace| tell(trace.record()));
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
                tell(trace.record());
            }
        }
    }

    /// Tells every trace that has grown since it was told: the end.
    pub(super) fn tell_rest(&mut self, tell: &mut dyn FnMut(TraceRecord)) {
        self.due.clear();
        for trace in self.list.values_mut() {
            if std::mem::take(&mut trace.grown) {
                tell(trace.record());
            }
        }
    }

    /// Forgets all traces that have no open flow, and of the others all but their open flows.
    pub(super) fn clear(&mut self) {
        self.changes += 1;
        let all: Vec<_> = self.list.keys().copied().collect();
        for no in all {
            if self.list.get(&no).is_some_and(|trace| trace.open == 0) {
                self.forget(no);
            } else if let Some(trace) = self.list.get_mut(&no) {
                let before = trace.hops.len();
                trace.hops.retain(|hop| !hop.settled);
                self.used -= (before - trace.hops.len()) * HOP_COST;
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

    /// A trace.
    pub(super) fn get(&self, no: TraceNo) -> Option<&Trace> {
        self.list.get(&no)
    }

    /// The trace of a key.
    pub(super) fn find(&self, key: &str) -> Option<TraceNo> {
        let short = |no: &&TraceNo| self.list.get(no).is_some_and(|trace| *trace.key == *tail(key));
        self.index.get(key).or_else(|| self.index.get(tail(key)).filter(short)).copied()
    }

    fn begin(&mut self, key: &str) -> TraceNo {
        let no = self.next;
        self.next.0 += 1;
        self.index.insert(key.into(), no);
        // of several with one lower half the first is the one meant by it
        self.index.entry(tail(key).into()).or_insert(no);
        let (ids, hops, quiet_since) = (Vec::new(), Vec::new(), Time::default());
        let trace = Trace { key: key.into(), ids, hops, more: 0, open: 0, quiet_since, waiting: false, grown: true };
        self.list.insert(no, trace);
        self.used += TRACE_COST;
        no
    }

    fn forget(&mut self, no: TraceNo) -> Option<Trace> {
        let trace = self.list.remove(&no)?;
        self.used -= TRACE_COST + trace.hops.len() * HOP_COST;
        for hop in trace.hops.iter().filter(|hop| !hop.settled) {
            self.open.remove(&hop.flow);
        }
        for key in [&*trace.key, tail(&trace.key)] {
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

    /// As it is told.
    pub(super) fn record(&self) -> TraceRecord {
        let tree = tree::tree(&self.hops);
        let root = tree.first().and_then(|node| self.hop(node.flow));
        let services = services(tree.iter().filter_map(|node| self.hop(node.flow)));
        let (time, last) = self.times();
        let roots = tree.iter().filter(|node| node.depth == 0).count();
        TraceRecord {
            trace_id: root.and_then(|hop| self.ids.get(usize::from(hop.id))).cloned().unwrap_or_default(),
            trace_ids: self.ids.clone(),
            tree,
            services,
            time,
            duration: last.since(time),
            errors: self.errors(),
            complete: roots == 1 && self.more == 0 && self.hops.iter().all(|hop| hop.settled && !hop.pending),
        }
    }

    /// Its first byte and its last one so far.
    fn times(&self) -> (Time, Time) {
        let first = self.hops.iter().map(|hop| hop.time).min().unwrap_or_default();
        (first, self.hops.iter().map(|hop| hop.last).max().unwrap_or_default())
    }

    fn errors(&self) -> u64 {
        self.hops.iter().filter(|hop| !hop.ok).count() as u64
    }

    fn hop(&self, flow: FlowId) -> Option<&Hop> {
        self.hops.binary_search_by_key(&flow, |hop| hop.flow).ok().and_then(|at| self.hops.get(at))
    }
}

/// Who takes part, in the order of first appearance.
fn services<'h>(hops: impl Iterator<Item = &'h Hop>) -> Vec<Arc<str>> {
    let mut services: Vec<Arc<str>> = Vec::new();
    for hop in hops {
        for service in [party(&hop.from, !hop.to_server), party(&hop.to, hop.to_server)].into_iter().flatten() {
            if !services.contains(service) {
                services.push(Arc::clone(service));
            }
        }
    }
    services
}

/// What a party counts as among the services: a client's port is nobody's name.
fn party(party: &Party, server: bool) -> Option<&Arc<str>> {
    match tree::name(party) {
        Some(_) => party.service.as_ref(),
        None => server.then_some(&party.addr),
    }
}

/// What two keys of one trace have in common.
fn tail(key: &str) -> &str {
    if key.len() == 32 { key.get(16..).unwrap_or(key) } else { key }
}

/// A flow as its trace sees it now.
pub(super) fn hop(flow: FlowRef<'_>) -> Hop {
    let row = flow.row;
    let to_server = !row.pattern.one_way() || row.dir == Dir::ToServer;
    let (from, to) = if to_server { (flow.client, flow.server) } else { (flow.server, flow.client) };
    let last = row.duration.map(|span| row.time.after(span));
    // who took a message that needs no word of thanks may be at work on it for long
    let acknowledged = row.pattern != Pattern::Deliver || row.status.as_deref().is_some_and(|status| status != "auto");
    Hop {
        flow: row.id,
        time: row.time,
        end: last.filter(|_| acknowledged),
        last: last.unwrap_or(row.time),
        from: from.clone(),
        to: to.clone(),
        to_server,
        pattern: row.pattern,
        settled: false,
        ok: row.ok,
        pending: row.status.as_deref() == Some(PENDING),
        span: None,
        parent_span: None,
        topic: flow.detail.and_then(topic),
        id: 0,
    }
}

/// The fields that a message is routed by, whichever protocol's it is.
const ROUTE: &[&str] = &["amqp.exchange", "amqp.routing_key", "kafka.topic", "nats.subject", "mqtt.topic", "stomp.destination"];

/// Stands for what a message was routed by: equal for what was published and what was delivered of it.
fn topic(detail: &Detail) -> Option<u64> {
    let text = |name: &&str| match detail.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let route: Vec<_> = ROUTE.iter().map(text).collect();
    let mut hasher = DefaultHasher::new();
    route.hash(&mut hasher);
    route.iter().any(Option::is_some).then(|| hasher.finish())
}

#[cfg(test)]
mod tests;
