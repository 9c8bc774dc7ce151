//! What makes flows of several IDs, or of none, one trace: a request ID beside a tracer's, and places that were found for flows without
//! an ID of their own. Not how they are found: that is `engine::stitch`'s.

use super::super::Engine;
use super::super::cost::Charge;
use super::{Hop, MAX_HOPS, Trace, Traces, digest};
use crate::model::{FlowId, Link, TraceContext, TraceNo};
use crate::time::Time;
use crate::trace;

/// The shortest request ID that ties flows to a tracer's trace: of shorter ones (`1`) many requests have the same.
const TELLING: usize = 8;
/// How many request IDs are remembered to tell nothing apart.
const MAX_SHARED: usize = 1 << 14;
/// How many traces are remembered to have become part of others.
const MAX_MOVED: usize = 1 << 12;
/// How many flows are remembered to be one of several that may have caused another, the newest; and of each how many others.
const MAX_DOUBTS: usize = 1 << 12;
const MAX_DOUBTED: usize = 16;

/// Flows of which nothing is claimed, and that one other may have caused.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubted {
    pub(super) flows: Vec<FlowId>,
    /// How many more there are than are remembered.
    pub(super) more: u64,
}

impl Engine {
    /// Nothing is claimed of what caused a flow: these may have, if any.
    pub(in crate::engine) fn doubt(&mut self, id: FlowId, maybe: Vec<FlowId>) {
        if !maybe.is_empty() {
            self.traces.doubt(id, maybe.clone());
            self.reopened([(id, maybe)].into());
        }
    }

    /// Nothing is claimed of flows any more: these may have caused each.
    pub(in crate::engine) fn reopened(&mut self, flows: Vec<(FlowId, Vec<FlowId>)>) {
        for (id, maybe) in flows {
            self.change(id, |_, detail| {
                detail.candidates = maybe;
                Charge::default()
            });
        }
    }
}

impl Traces {
    /// A flow that is part of a trace carries another context too: a request ID makes those one trace that carry only it.
    pub(in crate::engine) fn also(&mut self, flow: FlowId, context: &TraceContext) {
        let Some(no) = self.of(flow).filter(|_| trace::is_request_id(context.carrier)) else { return };
        let key = trace::key(context);
        if key.len() < TELLING || self.shared.contains(&*key) {
            return;
        }
        let only_requests = |trace: &Trace| trace.keys.iter().all(|(_, tracer)| !tracer);
        match self.index.get(&digest(&key)).copied() {
            None => self.know(no, &key, false),
            Some(other) if other == no => {}
            Some(other) if self.list.get(&other).is_some_and(only_requests) => _ = self.merge(no, other),
            // it tells two traces: so it tells nothing
            Some(_) => {
                self.index.remove(&digest(&key));
                if self.shared.len() >= MAX_SHARED {
                    self.shared.clear();
                }
                self.shared.insert(key);
                return;
            }
        }
        let Some(trace) = self.of(flow).and_then(|no| self.list.get_mut(&no)) else { return };
        let place = trace.key_of(&key);
        if let Some(hop) = trace.hop_mut(flow) {
            hop.keys[1] = place;
        }
    }

    /// A flow that is part of no trace was caused by nothing that is known, and has caused another.
    pub(in crate::engine) fn begin_with(&mut self, hop: Hop) {
        let no = self.begin(None);
        self.add(no, hop);
    }

    /// A flow was caused by another one, as `link` tells: they are one trace. Which; none where it has no room for them. `alone` is the
    /// flow where it is part of no trace so far.
    pub(in crate::engine) fn tie(
        &mut self,
        flow: FlowId,
        alone: Option<Hop>,
        (cause, link): (FlowId, Link),
        now: Time,
    ) -> Option<TraceNo> {
        let above = self.of(cause)?;
        let no = match self.of(flow) {
            Some(no) if no == above => no,
            Some(no) => self.merge(above, no)?,
            None => {
                self.list.get(&above).filter(|trace| trace.hops.len() < MAX_HOPS)?;
                self.add(above, alone?);
                above
            }
        };
        self.changes += 1;
        if let Some(hop) = self.list.get_mut(&no).and_then(|trace| trace.hop_mut(flow)) {
            hop.extra_mut().placed = Some((cause, link));
        }
        self.settle(no, now);
        Some(no)
    }

    /// Of those that may have caused a flow, of which nothing was claimed, one did, as their trace tells.
    pub(in crate::engine) fn tie_doubted(&mut self, flow: FlowId, cause: FlowId, now: Time) {
        let maybe = self.hop_mut(flow).map(|hop| std::mem::take(&mut hop.extra_mut().maybe)).unwrap_or_default();
        for up in maybe {
            self.doubts.get_mut(&up).into_iter().for_each(|doubted| doubted.flows.retain(|other| *other != flow));
        }
        self.tie(flow, None, (cause, Link::Time), now);
    }

    /// Nothing is claimed of a flow: these may have caused it. It may be in no trace.
    pub(in crate::engine) fn doubt(&mut self, flow: FlowId, maybe: Vec<FlowId>) {
        self.changes += 1;
        for &up in &maybe {
            let doubted = self.doubts.entry(up).or_default();
            match doubted.flows.len() < MAX_DOUBTED {
                true => doubted.flows.push(flow),
                false => doubted.more += 1,
            }
        }
        while self.doubts.len() > MAX_DOUBTS {
            self.doubts.pop_first();
        }
        if let Some(hop) = self.hop_mut(flow) {
            hop.extra_mut().maybe = maybe;
        }
    }

    /// Whether one flow is because of another one, as far as its trace tells.
    pub(in crate::engine) fn is_because(&self, flow: FlowId, up: FlowId) -> Option<bool> {
        self.list.get(&self.of(flow)?)?.is_because(flow, up)
    }

    /// Because of which flows of its trace one is, directly and by way of others.
    pub(in crate::engine) fn causes(&self, flow: FlowId) -> Vec<FlowId> {
        self.of(flow).and_then(|no| self.list.get(&no)).map(|trace| trace.causes(flow)).unwrap_or_default()
    }

    /// It was learned who sends what: of those flows nothing is claimed any more that others are as likely to have caused.
    pub(super) fn reopen(&mut self, no: TraceNo) -> Vec<(FlowId, Vec<FlowId>)> {
        let reopened = self.list.get(&no).map(Trace::reopened).unwrap_or_default();
        reopened.iter().for_each(|(flow, maybe)| self.doubt(*flow, maybe.clone()));
        reopened
    }

    /// Flows that this one may have caused, of which none was claimed when they settled.
    pub(super) fn doubted(&self, flow: FlowId) -> Doubted {
        self.doubts.get(&flow).cloned().unwrap_or_default()
    }

    /// Two traces are one: the older keeps its number. None where they have too many flows together.
    fn merge(&mut self, a: TraceNo, b: TraceNo) -> Option<TraceNo> {
        let flows = |no| self.list.get(&no).map(|trace: &Trace| trace.hops.len());
        if flows(a)? + flows(b)? > MAX_HOPS {
            return None;
        }
        let (to, from) = (a.min(b), a.max(b));
        let Trace { keys, ids, hops, more, .. } = self.forget(from)?;
        for (key, tracer) in &keys {
            self.know(to, key, *tracer);
        }
        let trace = self.list.get_mut(&to)?;
        trace.more += more;
        let hops: Vec<_> = hops
            .into_iter()
            .map(|hop| Hop {
                id: hop.id.and_then(|id| trace.id_of(ids.get(usize::from(id))?)),
                keys: hop.keys.map(|key| trace.key_of(&keys.get(usize::from(key?))?.0)),
                ..hop
            })
            .collect();
        hops.into_iter().for_each(|hop| self.add(to, hop));
        self.moved.values_mut().filter(|no| **no == from).for_each(|no| *no = to);
        self.moved.insert(from, to);
        if self.moved.len() > MAX_MOVED {
            self.moved.pop_first();
        }
        self.changes += 1;
        Some(to)
    }
}
