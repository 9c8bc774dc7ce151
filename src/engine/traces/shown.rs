//! Traces as the screen shows them: with the rows of their flows and the names that are known now. Built for who looks, and no sooner.

use super::super::Engine;
use super::super::view::{Guests, HopLine, Shown, TraceLine, Traces, Waterfall};
use super::parties::services;
use super::queue::{Copies, Since};
use super::{Hop, Trace, path, tree};
use crate::model::{Above, FindingKind, FlowId, Node, Pattern, TraceNo};
use crate::time::Time;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// How many traces a list holds: the newest, more than a person looks through.
const LISTED: usize = 1000;

impl Engine {
    /// The list of traces, where it is shown.
    pub(in crate::engine) fn traces(&mut self) -> Option<Arc<Traces>> {
        let query = self.screen.query().filter(|query| query.shown == Shown::Traces)?;
        let filtered = query.filter.is_some();
        if let Some((list, _)) = self.screen.traces.as_ref() {
            return Some(Arc::clone(list));
        }
        let chosen = |trace: &Trace| !filtered || trace.hops.iter().any(|hop| self.screen.lists(hop.flow));
        let mut numbers: Vec<_> =
            self.traces.newest().filter(|(_, trace)| chosen(trace)).map(|(no, _)| no).take(LISTED).collect();
        numbers.reverse();
        let found = self.found_in_traces();
        let line = |no| Some(TraceLine { found: found.get(&no).copied(), ..self.trace_line(no)? });
        let list = numbers.into_iter().filter_map(line).collect();
        let list = Arc::new(Traces { list, total: self.traces.len() as u64 });
        self.screen.traces = Some((Arc::clone(&list), self.findings_change()));
        Some(list)
    }

    /// For each trace that shows something the worst of it.
    fn found_in_traces(&self) -> HashMap<TraceNo, FindingKind> {
        let mut found: HashMap<TraceNo, FindingKind> = HashMap::new();
        for (flow, kind) in self.findings.marks() {
            let Some(no) = self.traces.of(flow) else { continue };
            let worst = found.entry(no).or_insert(kind);
            if kind.severity() < worst.severity() {
                *worst = kind;
            }
        }
        found
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
        let mut hops: Vec<Hop> = trace.hops.clone().into_iter().map(|old| self.renewed(old)).collect();
        self.traces.sealed.tell(&mut hops);
        let tree = tree::tree(&hops);
        let at = |flow| hops.binary_search_by_key(&flow, |hop: &Hop| hop.flow).ok().and_then(|at| hops.get(at));
        let waits = queued(&hops, &tree);
        let mut lines = Vec::with_capacity(tree.len());
        for node in &tree {
            let Some(hop) = at(node.flow) else { continue };
            let queued = waits.get(&node.flow).copied();
            let maybe = if node.link.is_none() { self.candidates(&hop.extra().maybe) } else { Vec::new() };
            lines.push(HopLine { queued, maybe, ..self.hop_line(*node, hop) });
        }
        self.seat_guests(&mut lines);
        let services = services(tree.iter().filter_map(|node| at(node.flow)));
        let waterfall = Arc::new(Waterfall { line, services, more, why: path::why(&hops, &tree), hops: lines });
        self.screen.trace = Some((Arc::clone(&waterfall), self.findings_change()));
        Some(waterfall)
    }

    fn hop_line(&mut self, node: Node, hop: &Hop) -> HopLine {
        HopLine {
            node,
            from: hop.from.service.clone().unwrap_or_else(|| Arc::clone(&hop.from.addr)),
            to: hop.to.service.clone().unwrap_or_else(|| Arc::clone(&hop.to.addr)),
            time: hop.time,
            last: Some(hop.last).filter(|_| hop.settled && !hop.pending),
            queued: None,
            ok: hop.ok,
            found: self.findings.mark_of(node.flow),
            maybe: Vec::new(),
            guest: false,
            guests: Guests::default(),
            flow: self.flow(node.flow, false),
        }
    }

    /// Puts flows of which nothing is claimed below each flow of the trace that may have caused them, behind what that surely did.
    fn seat_guests(&mut self, lines: &mut Vec<HopLine>) {
        let tied: HashSet<_> = lines.iter().filter(|line| line.node.link.is_some()).map(|line| line.node.flow).collect();
        for at in (0..lines.len()).rev() {
            let Some((up, depth)) = lines.get(at).map(|line| (line.node.flow, line.node.depth)) else { continue };
            let doubted = self.traces.doubted(up);
            let below = lines.iter().skip(at + 1).take_while(|line| line.node.depth > depth).count();
            let guests: Vec<_> = doubted.flows.into_iter().filter_map(|flow| self.guest(flow, up, depth + 1, &tied)).collect();
            if let Some(line) = lines.get_mut(at) {
                line.guests = Guests { shown: guests.len() as u64, left: doubted.more };
            }
            lines.splice(at + 1 + below..at + 1 + below, guests);
        }
    }

    /// One of them, where it is still in doubt.
    fn guest(&mut self, id: FlowId, up: FlowId, depth: usize, tied: &HashSet<FlowId>) -> Option<HopLine> {
        let flow = self.flow(id, true)?;
        let maybe = &flow.detail.as_ref().filter(|_| flow.row.link.is_none())?.candidates;
        if !maybe.contains(&up) || tied.contains(&id) {
            return None;
        }
        let (maybe, hop) = (self.candidates(maybe), Hop { settled: true, ..super::hop(flow.as_ref()) });
        let node = Node { flow: id, depth, link: None, leg: false };
        Some(HopLine { maybe, guest: true, ..self.hop_line(node, &hop) })
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
            found: None,
            root: None,
        };
        Some(TraceLine { root: root.and_then(|flow| self.flow(flow, false)), ..line })
    }

    /// A hop with what is known of its flow by now, where that is still there.
    fn renewed(&mut self, mut hop: Hop) -> Hop {
        if let Some(flow) = self.flow(hop.flow, true) {
            hop.renew(flow.as_ref());
        }
        hop
    }
}

/// Since when each message that was delivered waited in its queue, where that is known.
fn queued(hops: &[Hop], tree: &[Node]) -> HashMap<FlowId, Time> {
    let hop = |flow: FlowId| hops.binary_search_by_key(&flow, |hop| hop.flow).ok().and_then(|at| hops.get(at));
    let (mut above, mut published) = (Above::default(), HashMap::<FlowId, (Time, Vec<&Hop>)>::new());
    for node in tree {
        let Some(here) = hop(node.flow) else { continue };
        let up = above.enter(node.depth, here).filter(|up| node.link.is_some() && up.pattern == Pattern::Publish);
        if let Some(up) = up {
            published.entry(up.flow).or_insert((up.time, Vec::new())).1.push(here);
        }
    }
    let mut waits = HashMap::new();
    for (time, caused) in published.values() {
        let copies = Copies::of(caused.iter().copied().enumerate());
        let since = |copy: &Hop| match copies.since(copy) {
            Since::Published => Some(*time),
            Since::GivenBack(_, back) => back,
            Since::Unknown => None,
        };
        waits.extend(caused.iter().filter_map(|copy| Some((copy.flow, since(copy)?))));
    }
    waits
}

#[cfg(test)]
mod tests;
