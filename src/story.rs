//! What a run did, remembered as briefly as a report needs it: flows without their headers and bodies, traces, findings. It judges nothing.

use crate::engine::Record;
use crate::model::{Dir, Finding, Flow, FlowId, Link, Party, Pattern, Stats, TraceRecord};
use crate::text::escape;
use crate::time::{Span, Time};
use crate::trace;
use compact_str::CompactString;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many flows are remembered, the newest: some 50 MiB of them.
const MAX_FLOWS: usize = 1 << 18;
/// How many flows the traces have together that are remembered, the newest traces: some 16 MiB of them.
const MAX_NODES: usize = 1 << 19;

/// A flow, as a line of a report tells it. Nothing in it acts on a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its number.
    pub id: FlowId,
    /// Its first byte.
    pub time: Time,
    /// How long it took, where it is over.
    pub duration: Option<Span>,
    /// Who sent it: a name; else the address of a server, the host of a client, whose ports mean nothing.
    pub from: Arc<str>,
    /// Who received it, likewise.
    pub to: Arc<str>,
    /// Its protocol.
    pub protocol: &'static str,
    /// Its shape.
    pub pattern: Pattern,
    /// What a person would call it.
    pub operation: CompactString,
    /// The protocol's own word.
    pub status: Option<CompactString>,
    /// Whether it went well.
    pub ok: bool,
    /// Whether it carries a tracer's context itself; none where its headers are not kept any more.
    pub carries: Option<bool>,
    /// Whether it is part of a trace.
    pub traced: bool,
    /// What tied it to that, where it was not an ID of its own.
    pub link: Option<Link>,
}

impl Brief {
    /// Of a flow.
    pub fn of(flow: &Flow) -> Self {
        let row = &flow.row;
        let (client, server) = (called(&flow.client, flow.client.host()), called(&flow.server, &flow.server.addr));
        let (from, to) = match row.direction() {
            Some(Dir::ToClient) => (server, client),
            _ => (client, server),
        };
        Self {
            id: row.id,
            time: row.time,
            duration: row.duration,
            from,
            to,
            protocol: row.protocol,
            pattern: row.pattern,
            operation: escape(if row.operation.is_empty() { row.protocol } else { &row.operation }).into(),
            status: row.status.as_deref().map(|status| escape(status).into()),
            ok: row.ok,
            carries: flow.detail.as_ref().map(|detail| detail.traces.iter().any(|t| !trace::is_request_id(t.carrier))),
            traced: row.trace_id.is_some(),
            link: row.link,
        }
    }
}

fn called(party: &Party, else_this: &str) -> Arc<str> {
    escape(party.service.as_deref().unwrap_or(else_this)).into()
}

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub struct Story {
    flows: BTreeMap<FlowId, Brief>,
    /// By the smallest number of their flows, which a trace that has grown, or become one with another, still holds.
    traces: BTreeMap<FlowId, TraceRecord>,
    /// Of the traces those that are wanted, likewise.
    wanted: BTreeSet<FlowId>,
    /// How many flows are wanted, by protocol, and how many of them did not go well.
    sums: Vec<(&'static str, u64)>,
    nodes: usize,
    findings: BTreeMap<u64, Finding>,
    stats: Option<Stats>,
    failed: u64,
    forgotten: u64,
    gone: u64,
}

impl Story {
    /// Takes in what the engine told. What is not wanted is remembered, for what lies around it, and not counted.
    pub fn take(&mut self, record: &Record, wanted: bool) {
        match record {
            Record::Flow(flow) => {
                if wanted {
                    self.count(flow.row.protocol, flow.row.ok);
                }
                self.remember(Brief::of(flow));
            }
            Record::Trace(trace) => self.take_trace(trace, wanted),
            Record::Finding(finding) => _ = self.findings.insert(finding.id, finding.clone()),
            Record::Stats(stats) => self.stats = Some(stats.clone()),
            Record::Connection(_) => {}
        }
    }

    /// Takes in a flow.
    pub fn remember(&mut self, flow: Brief) {
        self.flows.insert(flow.id, flow);
        if self.flows.len() > MAX_FLOWS {
            self.flows.pop_first();
        }
    }

    fn count(&mut self, protocol: &'static str, ok: bool) {
        self.failed += u64::from(!ok);
        match self.sums.iter_mut().find(|(known, _)| *known == protocol) {
            Some((_, n)) => *n += 1,
            None => self.sums.push((protocol, 1)),
        }
    }

    fn take_trace(&mut self, trace: &TraceRecord, wanted: bool) {
        for node in &trace.tree {
            self.nodes -= self.traces.remove(&node.flow).map_or(0, |old| old.tree.len());
            self.wanted.remove(&node.flow);
        }
        let Some(first) = trace.tree.iter().map(|node| node.flow).min() else { return };
        self.nodes += trace.tree.len();
        self.traces.insert(first, trace.clone());
        if wanted {
            self.wanted.insert(first);
        }
        while self.nodes > MAX_NODES {
            let Some((first, old)) = self.traces.pop_first() else { return };
            self.nodes -= old.tree.len();
            // still one of those that were counted
            self.gone += u64::from(self.wanted.remove(&first));
            self.forgotten += 1;
        }
    }

    /// A flow, where it is remembered.
    pub fn flow(&self, id: FlowId) -> Option<&Brief> {
        self.flows.get(&id)
    }

    /// All flows that are remembered, in their order.
    pub fn flows(&self) -> impl Iterator<Item = &Brief> {
        self.flows.values()
    }

    /// All traces that are remembered, in the order of their first flows.
    pub fn traces(&self) -> impl Iterator<Item = &TraceRecord> {
        self.traces.values()
    }

    /// The trace that a flow is part of.
    pub fn trace_of(&self, flow: FlowId) -> Option<&TraceRecord> {
        self.traces.range(..=flow).rev().map(|(_, trace)| trace).find(|trace| trace.tree.iter().any(|node| node.flow == flow))
    }

    /// All findings, as they were told last.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values()
    }

    /// The sums, at the end.
    pub fn stats(&self) -> Option<&Stats> {
        self.stats.as_ref()
    }

    /// How many flows are wanted, by protocol, in the order of first appearance.
    pub fn sums(&self) -> &[(&'static str, u64)] {
        &self.sums
    }

    /// How many traces are wanted.
    pub fn wanted(&self) -> u64 {
        self.wanted.len() as u64 + self.gone
    }

    /// How many of the wanted flows did not go well.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How many traces were forgotten to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Node;

    fn trace(flows: &[u64]) -> TraceRecord {
        let tree = flows.iter().map(|&flow| Node { flow: FlowId(flow), depth: 0, link: None, leg: false }).collect();
        let (trace_id, trace_ids, services, time, duration, errors, complete) =
            ("a".into(), Vec::new(), Vec::new(), Time::default(), Span::default(), 0, true);
        TraceRecord { trace_id, trace_ids, tree, services, time, duration, errors, complete, why: Default::default() }
    }

    #[test]
    fn the_last_record_of_a_trace_counts_also_where_two_became_one() {
        let mut story = Story::default();
        for flows in [&[3, 5][..], &[4], &[3, 5, 9], &[6, 4, 3, 5, 9], &[10]] {
            story.take(&Record::Trace(trace(flows)), true);
        }
        let kept: Vec<_> = story.traces().map(|trace| trace.tree.len()).collect();
        assert_eq!((kept, story.nodes, story.wanted()), (vec![5, 1], 6, 2));
        assert_eq!(story.trace_of(FlowId(6)).map(|trace| trace.tree.len()), Some(5));
        assert_eq!(story.trace_of(FlowId(7)), None);
    }

    #[test]
    fn the_oldest_traces_make_room_and_are_counted() {
        let mut story = Story::default();
        let long: Vec<u64> = (0..4096).collect();
        for n in 0..130 {
            story.take(&Record::Trace(trace(&long.iter().map(|flow| flow + n * 5000).collect::<Vec<_>>())), n > 0);
        }
        assert_eq!((story.traces().count(), story.nodes, story.forgotten()), (128, MAX_NODES, 2));
        assert_eq!(story.wanted(), 129, "all but the first, also one that was forgotten");
    }
}
