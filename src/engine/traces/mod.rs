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

mod callers;
mod doubts;
mod failure;
mod hop;
mod legs;
mod list;
mod mark;
mod outlives;
mod parties;
mod passer;
mod path;
mod queue;
mod sealed;
mod shape;
mod shown;
mod ties;
mod trace;
mod tree;

use crate::model::{FlowId, FlowRef, Issue, Pattern, Severity, TraceContext, TraceNo};
use crate::time::{Span, Time};
use callers::Callers;
use compact_str::CompactString;
pub(super) use doubts::{Doubt, doubts};
pub(super) use failure::{chains, failed, outcome, passes_on};
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
pub(super) use hop::{Hop, UNREAD, acknowledged, begun, hop, settled};
pub(super) use legs::{asked, beside, forwards, leg};
use list::List;
use mark::tail;
pub(super) use mark::{Mark, digest};
pub(super) use outlives::what;
pub(super) use parties::{caller, everybodys, name, whoever};
use sealed::Sealed;
pub(super) use shape::{answered, sort, streams};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use trace::MAX_IDS;
pub(super) use trace::Trace;

/// How long none of a trace's flows is open before it is told.
pub const QUIET: Span = Span::from_secs(5);
/// How many flows a trace tells apart: beyond it they are only counted. A tree is built over all of them at once.
pub const MAX_HOPS: usize = 4096;
/// What a trace takes beside its hops, and a hop: texts of the usual lengths included.
const TRACE_COST: usize = size_of::<Trace>() + 192;
const HOP_COST: usize = size_of::<Hop>() + 64;

/// All traces that are kept.
#[derive(Debug)]
pub(super) struct Traces {
    list: List,
    /// By the digest of its key, and of the last 16 characters of one of 128 bits: an ID of 64 bits is the lower half of such a one.
    index: HashMap<u64, TraceNo>,
    /// Where each flow with a hop is.
    of: HashMap<FlowId, TraceNo>,
    /// Request IDs that were seen with several traces, so that they tell none apart.
    shared: HashSet<CompactString>,
    /// Where traces went that are parts of others now.
    moved: BTreeMap<TraceNo, TraceNo>,
    /// Flows that may have caused others, with those.
    doubts: BTreeMap<FlowId, ties::Doubted>,
    /// Traces of which no flow was open lately, in the order of the moments at which they may be told: at most once each.
    due: VecDeque<(Time, TraceNo)>,
    /// None where nobody reads of traces.
    callers: Option<Callers>,
    sealed: Sealed,
    used: usize,
    limit: usize,
    evicted: u64,
    changes: u64,
}

impl Traces {
    /// Room for `limit` bytes of traces; whether somebody reads of them.
    pub(super) fn new(limit: usize, read: bool) -> Self {
        Self {
            list: List::default(),
            index: HashMap::new(),
            of: HashMap::new(),
            shared: HashSet::new(),
            moved: BTreeMap::new(),
            doubts: BTreeMap::new(),
            due: VecDeque::new(),
            callers: read.then(Callers::default),
            sealed: Sealed::default(),
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

    /// A connection begins at an address.
    pub(super) fn began(&mut self, client: SocketAddr) {
        self.callers.iter_mut().for_each(|callers| callers.began(client));
    }

    /// A flow is part of no trace: where that could not be seen, it may be of any. What came first on a connection that was joined is all
    /// there, and a store asks nobody for anything.
    pub(super) fn alone(&mut self, flow: FlowRef<'_>, hop: &Hop) {
        let seen = |note: &Issue| note.severity == Severity::Remark || *note == Issue::JOINED;
        let asks = hop.to_server && hop.pattern != Pattern::Query;
        if asks && !flow.detail.is_some_and(|detail| detail.notes.iter().all(seen)) {
            self.callers.iter_mut().for_each(|callers| callers.unseen(hop));
        }
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
        let tracer = !crate::trace::is_request_id(context.carrier);
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
        hop.span = context.span_id.as_deref().map(digest);
        if let Some(parent) = context.parent_id.as_deref().map(digest) {
            hop.extra_mut().parent_span = Some(parent);
        }
        self.add(no, hop);
    }

    /// A flow has settled: what its hop tells is final, save for names; what findings ask is read where it is to be `judged`. Gives back
    /// the hop of one that is part of no trace.
    pub(super) fn settled(&mut self, flow: FlowRef<'_>, judged: bool, now: Time) -> Option<Hop> {
        let Some(&no) = self.of.get(&flow.row.id) else {
            let mut hop = settled(flow, judged);
            self.sealed.tell(std::slice::from_mut(&mut hop));
            return Some(hop);
        };
        let trace = self.list.get_mut(&no)?;
        self.changes += 1;
        trace.grown = true;
        let copied = trace.copied(flow.row.id);
        if let Some(hop) = trace.hop_mut(flow.row.id).filter(|hop| !hop.settled) {
            hop.renew(flow);
            hop.settle(flow, judged);
            if copied {
                hop.compare(flow);
            }
            trace.open -= 1;
        }
        self.settle(no, now);
        None
    }

    /// A trace that has no open flow is told when it has been quiet.
    fn settle(&mut self, no: TraceNo, now: Time) {
        let Some(trace) = self.list.get_mut(&no) else { return };
        trace.quiet_since = now;
        if trace.open == 0 && !std::mem::replace(&mut trace.waiting, true) {
            self.falls_due((now.after(QUIET), no));
        }
    }

    /// A trace may be told at a moment: mostly after all others, else soon.
    fn falls_due(&mut self, at: (Time, TraceNo)) {
        match self.due.back().is_some_and(|last| *last > at) {
            true => self.due.insert(self.due.partition_point(|other| *other < at), at),
            false => self.due.push_back(at),
        }
    }

    /// Forgets the oldest traces where there is no room; `lost` is handed those that were not told as they are.
    fn make_room(&mut self, lost: &mut dyn FnMut(&mut Trace)) {
        while self.full()
            && let Some(no) = self.list.oldest()
        {
            // one that was told and is quiet is no loss
            if let Some(mut trace) = self.forget(no).filter(|trace| trace.grown) {
                lost(&mut trace);
                self.evicted += 1;
            }
        }
    }

    /// Tells the traces that have been quiet for long enough, and those that have to make room. Gives the flows of which nothing is claimed
    /// any more, with those that may have caused them.
    pub(super) fn tell_due(&mut self, now: Time, tell: &mut dyn FnMut(&mut Trace)) -> Vec<(FlowId, Vec<FlowId>)> {
        self.make_room(tell);
        let mut reopened = Vec::new();
        while let Some((_, no)) = self.due.pop_front_if(|(due, _)| *due <= now) {
            let Some(trace) = self.list.get_mut(&no) else { continue };
            let due = trace.quiet_since.after(QUIET);
            if trace.open > 0 {
                trace.waiting = false;
            } else if due > now {
                self.falls_due((due, no));
            } else {
                (trace.waiting, trace.grown) = (false, false);
                if let Some(callers) = &mut self.callers {
                    trace.learn(callers);
                    callers.tell(&mut trace.hops);
                }
                self.sealed.tell(&mut trace.hops);
                reopened.extend(self.reopen(no));
                self.list.get_mut(&no).into_iter().for_each(&mut *tell);
            }
        }
        reopened
    }

    /// Tells every trace that has grown since it was told: the end. Gives the same flows.
    pub(super) fn tell_rest(&mut self, tell: &mut dyn FnMut(&mut Trace)) -> Vec<(FlowId, Vec<FlowId>)> {
        self.due.clear();
        let grown: Vec<_> = self.list.iter().filter(|(_, trace)| trace.grown).map(|(no, _)| no).collect();
        for no in &grown {
            if let Some((callers, trace)) = self.callers.as_mut().zip(self.list.get_mut(no)) {
                trace.learn(callers);
            }
        }
        let mut reopened = Vec::new();
        for no in grown {
            let Some(trace) = self.list.get_mut(&no) else { continue };
            trace.grown = false;
            self.callers.iter().for_each(|callers| callers.tell(&mut trace.hops));
            self.sealed.tell(&mut trace.hops);
            reopened.extend(self.reopen(no));
            self.list.get_mut(&no).into_iter().for_each(&mut *tell);
        }
        reopened
    }

    /// Forgets all traces that have no open flow, and of the others all but their open flows.
    pub(super) fn clear(&mut self) {
        self.changes += 1;
        self.doubts.clear();
        let all: Vec<_> = self.list.iter().map(|(no, _)| no).collect();
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
        self.list.iter().rev()
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

    /// Who was to answer a flow, or to say what became of a message, did not until now, and will not any more.
    pub(super) fn let_go(&mut self, flow: FlowId, at: Time) {
        if let Some(hop) = self.of(flow).and_then(|no| self.list.get_mut(&no)?.hop_mut(flow)) {
            hop.extra_mut().let_go = Some(at);
        }
    }

    /// Whether two flows are legs of one, as far as they are part of traces.
    pub(super) fn leg(&mut self, first: FlowId, second: FlowId, is: bool) {
        if let Some(hop) = self.hop_mut(first) {
            hop.passed_on = is;
        }
        if let Some(hop) = self.hop_mut(second) {
            hop.extra_mut().first_leg = is.then_some(first);
        }
    }

    /// A trace, also by the number that it had before it became part of another.
    pub(super) fn get(&self, no: TraceNo) -> Option<&Trace> {
        self.list.get(&no).or_else(|| self.list.get(self.moved.get(&no)?))
    }

    /// The trace of a key.
    pub(super) fn find(&self, key: &str) -> Option<TraceNo> {
        let at = |part: &str, is: &dyn Fn(&str) -> bool| {
            let no = *self.index.get(&digest(part))?;
            self.list.get(&no)?.keys.iter().any(|(known, _)| is(known)).then_some(no)
        };
        let short = || at(tail(key), &|known| known == tail(key));
        at(key, &|known| known == key || tail(known) == key).or_else(short)
    }

    /// A flow of a trace.
    pub(super) fn hop(&self, flow: FlowId) -> Option<&Hop> {
        self.list.get(&self.of(flow)?)?.hop(flow)
    }

    /// The same, to be changed.
    pub(super) fn hop_mut(&mut self, flow: FlowId) -> Option<&mut Hop> {
        self.list.get_mut(&self.of(flow)?)?.hop_mut(flow)
    }

    /// The trace of a flow.
    pub(super) fn of(&self, flow: FlowId) -> Option<TraceNo> {
        self.of.get(&flow).copied()
    }

    fn begin(&mut self, key: Option<(&str, bool)>) -> TraceNo {
        // many have one flow, and a hop is large
        let (ids, hops, keys, quiet_since) =
            (Vec::with_capacity(1), Vec::with_capacity(1), Vec::with_capacity(1), Time::default());
        let trace = Trace { keys, ids, hops, more: 0, open: 0, quiet_since, waiting: false, grown: true, learned: false };
        let no = self.list.push(trace);
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
        self.index.insert(digest(key), no);
        // of several with one lower half the first is the one meant by it
        self.index.entry(digest(tail(key))).or_insert(no);
    }

    /// Adds a hop to a trace that has room for it.
    fn add(&mut self, no: TraceNo, hop: Hop) {
        let Some(trace) = self.list.get_mut(&no) else { return };
        trace.grown = true;
        trace.open += usize::from(!hop.settled);
        self.of.insert(hop.flow, no);
        let place = trace.hops.partition_point(|other| other.flow < hop.flow);
        if trace.hops.len() == trace.hops.capacity() {
            // most stay small, and a hop is large
            trace.hops.reserve_exact(trace.hops.len().max(1));
        }
        trace.hops.insert(place, hop);
        self.used += HOP_COST;
    }

    fn forget(&mut self, no: TraceNo) -> Option<Trace> {
        let trace = self.list.remove(no)?;
        self.used -= TRACE_COST + trace.hops.len() * HOP_COST;
        for hop in &trace.hops {
            self.of.remove(&hop.flow);
        }
        for key in trace.keys.iter().flat_map(|(key, _)| [&**key, tail(key)]) {
            if let Entry::Occupied(known) = self.index.entry(digest(key))
                && *known.get() == no
            {
                known.remove();
            }
        }
        Some(trace)
    }
}

#[cfg(test)]
mod tests;
