//! Traces as the screen shows them: with the rows of their flows and the names that are known now. Built for who looks, and no sooner.

use super::super::Engine;
use super::super::view::{HopLine, Shown, TraceLine, Traces, Waterfall};
use super::{Hop, Trace, services, tree};
use crate::model::{Pattern, TraceNo};
use std::sync::Arc;

/// How many traces a list holds: the newest, more than a person looks through.
const LISTED: usize = 1000;

impl Engine {
    /// The list of traces, where it is shown.
    pub(in crate::engine) fn traces(&mut self) -> Option<Arc<Traces>> {
        let query = self.screen.query().filter(|query| query.shown == Shown::Traces)?;
        let filtered = query.filter.is_some();
        let changes = self.traces.changes();
        if let Some((list, _)) = self.screen.traces.as_ref() {
            return Some(Arc::clone(list));
        }
        let chosen = |trace: &Trace| !filtered || trace.hops.iter().any(|hop| self.screen.lists(hop.flow));
        let mut numbers: Vec<_> =
            self.traces.newest().filter(|(_, trace)| chosen(trace)).map(|(no, _)| no).take(LISTED).collect();
        numbers.reverse();
        let list = numbers.into_iter().filter_map(|no| self.trace_line(no)).collect();
        let list = Arc::new(Traces { list, total: self.traces.len() as u64 });
        self.screen.traces = Some((Arc::clone(&list), changes));
        Some(list)
    }

    /// The trace that is shown.
    pub(in crate::engine) fn waterfall(&mut self) -> Option<Arc<Waterfall>> {
        let Shown::Trace(no) = self.screen.query()?.shown else { return None };
        if let Some((waterfall, _)) = self.screen.trace.as_ref() {
            return Some(Arc::clone(waterfall));
        }
        let line = self.trace_line(no)?;
        let trace = self.traces.get(no)?;
        let more = trace.more;
        let hops: Vec<Hop> = trace.hops.clone().into_iter().map(|old| self.renewed(old)).collect();
        let tree = tree::tree(&hops);
        let at = |flow| hops.binary_search_by_key(&flow, |hop: &Hop| hop.flow).ok().and_then(|at| hops.get(at));
        let mut above: Vec<&Hop> = Vec::new();
        let mut lines = Vec::with_capacity(tree.len());
        for node in &tree {
            let Some(hop) = at(node.flow) else { continue };
            above.truncate(node.depth);
            let published = above.last().filter(|up| node.link.is_some() && up.pattern == Pattern::Publish);
            lines.push(HopLine {
                node: *node,
                from: hop.from.service.clone().unwrap_or_else(|| Arc::clone(&hop.from.addr)),
                to: hop.to.service.clone().unwrap_or_else(|| Arc::clone(&hop.to.addr)),
                time: hop.time,
                last: Some(hop.last).filter(|_| hop.settled && !hop.pending),
                queued: published.map(|up| up.time),
                ok: hop.ok,
                found: self.findings.mark_of(node.flow),
                flow: self.flow(node.flow, false),
            });
            above.push(hop);
        }
        let services = services(tree.iter().filter_map(|node| at(node.flow)));
        let waterfall = Arc::new(Waterfall { line, services, more, hops: lines });
        self.screen.trace = Some((Arc::clone(&waterfall), self.findings_change()));
        Some(waterfall)
    }

    fn trace_line(&mut self, no: TraceNo) -> Option<TraceLine> {
        let trace = self.traces.get(no)?;
        let (time, last) = trace.times();
        let root = trace.hops.iter().min_by_key(|hop| (hop.time, hop.flow)).map(|hop| hop.flow);
        let line = TraceLine {
            no,
            trace_id: trace.ids.first().cloned().unwrap_or_default(),
            time,
            duration: last.since(time),
            open: trace.open > 0,
            hops: trace.flows(),
            services: services(trace.hops.iter()).len(),
            errors: trace.errors(),
            root: None,
        };
        Some(TraceLine { root: root.and_then(|flow| self.flow(flow, false)), ..line })
    }

    /// A hop with what is known of its flow by now, where that is still there.
    fn renewed(&mut self, mut hop: Hop) -> Hop {
        if let Some(flow) = self.flow(hop.flow, true) {
            hop.renew(super::hop(flow.as_ref()));
        }
        hop
    }
}

#[cfg(test)]
mod tests;
