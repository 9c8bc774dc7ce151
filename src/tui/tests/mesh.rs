//! The traces of the scripted engine: each of some flows of the small mesh, one of them behind a queue.

use crate::engine::view::{Candidate, FindingLine, Guests, HopLine, RowView, Spot, TraceLine, Traces, Waterfall};
use crate::model::{FindingKind, FindingSeverity, FlowId, Link, Node, Step, StepKind, TraceNo, Why};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// For each flow of a trace: how deep it lies, when it began and how long it took in milliseconds, and how long it was queued.
const SHAPE: &[(usize, u64, u64, u64)] =
    &[(0, 0, 38, 0), (1, 2, 6, 0), (2, 3, 1, 0), (2, 4, 2, 0), (3, 14, 20, 8), (1, 30, 6, 0), (0, 37, 1, 0)];

fn of(rows: &[RowView], no: TraceNo) -> Vec<&RowView> {
    rows.iter().filter(|row| row.trace.is_some_and(|(of, _)| of == no)).collect()
}

fn line(rows: &[&RowView], no: TraceNo) -> Option<TraceLine> {
    let root = rows.first()?.flow.clone();
    Some(TraceLine {
        no,
        trace_id: rows.iter().find_map(|row| row.flow.row.trace_id.clone()).unwrap_or_default(),
        time: root.row.time,
        duration: Span::from_millis(38),
        open: rows.len() < 6,
        hops: rows.len() as u64,
        services: 5,
        errors: rows.iter().filter(|row| !row.flow.row.ok).count() as u64,
        found: (no.0 % 3 == 1).then_some(FindingKind::TraceLost),
        root: Some(root),
    })
}

/// The list of traces.
pub fn traces(rows: &[RowView]) -> Traces {
    let mut numbers: Vec<_> = rows.iter().filter_map(|row| row.trace.map(|(no, _)| no)).collect();
    numbers.dedup();
    Traces { total: numbers.len() as u64, list: numbers.into_iter().filter_map(|no| line(&of(rows, no), no)).collect() }
}

/// One trace; none where there is no such.
pub fn waterfall(rows: &[RowView], no: TraceNo) -> Option<Waterfall> {
    let rows = of(rows, no);
    let line = line(&rows, no)?;
    let after = |time: Time, millis: u64| time.after(Span::from_millis(millis));
    let hop = |(row, &(depth, begin, took, queued)): (&&RowView, &(usize, u64, u64, u64))| HopLine {
        node: Node {
            flow: row.flow.row.id,
            depth,
            link: (depth > 0).then_some(if depth == 3 { Link::SoleInFlight } else { Link::TraceId }),
            leg: begin == 30,
        },
        from: row.flow.client.label().into(),
        to: row.flow.server.label().into(),
        time: after(line.time, begin),
        last: Some(after(line.time, begin + took)).filter(|_| took != 2),
        queued: (queued > 0).then(|| after(line.time, begin - queued)),
        ok: row.flow.row.ok,
        found: (depth == 3).then_some(FindingKind::TraceLost),
        maybe: Vec::new(),
        guest: false,
        guests: Guests::default(),
        flow: Some(row.flow.clone()).filter(|_| took != 1),
    };
    let hops: Vec<_> = rows.iter().zip(SHAPE).map(hop).collect();
    let mut services: Vec<Arc<str>> = Vec::new();
    for service in hops.iter().flat_map(|hop| [&hop.from, &hop.to]) {
        if !services.contains(service) {
            services.push(Arc::clone(service));
        }
    }
    Some(Waterfall { line, services, more: 0, why: why(&hops), hops })
}

/// What failed in a trace, and where its time went.
fn why(hops: &[HopLine]) -> Why {
    let step = |(hop, kind, millis): (&HopLine, StepKind, u64)| {
        let service = if kind == StepKind::Queue { "billing".into() } else { Arc::clone(&hop.to) };
        Step { flow: hop.node.flow, service, kind, own: Span::from_millis(millis) }
    };
    let kinds = [(StepKind::Proxy, 3), (StepKind::Work, 2), (StepKind::Work, 7), (StepKind::Queue, 8), (StepKind::Work, 18)];
    let path = hops.iter().zip(kinds).map(|(hop, (kind, millis))| step((hop, kind, millis))).collect();
    Why { cause: hops.iter().rev().find(|hop| !hop.ok).map(|hop| hop.node.flow), path }
}

/// The same trace with a flow below two others that may have caused it.
pub fn doubted(mut waterfall: Waterfall) -> Waterfall {
    let candidate = |hop: &HopLine| Candidate { spot: Spot::Hop(waterfall.line.no, hop.node.flow), flow: hop.flow.clone() };
    let maybe: Vec<_> = waterfall.hops.iter().take(2).map(candidate).collect();
    let Some(last) = waterfall.hops.last().cloned() else { return waterfall };
    if let Some(first) = waterfall.hops.first_mut() {
        first.guests = Guests { shown: 1, left: 24 };
    }
    for at in [2, 1] {
        let node = Node { flow: FlowId(900), depth: at, link: None, leg: false };
        waterfall.hops.insert(at, HopLine { node, maybe: maybe.clone(), guest: true, found: None, ..last.clone() });
    }
    waterfall
}

/// A finding that shows at the last flow of a trace, seen so often.
pub fn finding(id: u64, kind: FindingKind, service: &str, count: u64) -> FindingLine {
    FindingLine {
        id,
        kind,
        service: Some(service.into()),
        count,
        title: format!("{service} loses the trace: its HTTP calls to payments carry no trace context"),
        evidence: format!("{service} received traceparent with AMQP messages and sent it on 0 of {count} HTTP calls to payments"),
        advice: format!("its HTTP client is not instrumented: let {service} inject the context of what it works on"),
        time: Time::from_nanos(1_795_245_663_000_000_000),
        proof: Some(Spot::Hop(TraceNo(4), FlowId(28))),
    }
}

/// How many there are, and how bad the worst is.
pub fn found(findings: &[FindingLine]) -> Option<(u64, FindingSeverity)> {
    Some((findings.len() as u64, findings.iter().map(|line| line.kind.severity()).min()?))
}

/// The same of each service.
pub fn found_at(findings: &[FindingLine]) -> BTreeMap<Arc<str>, (u64, FindingSeverity)> {
    let of = |service: &Arc<str>| {
        let theirs: Vec<_> = findings.iter().filter(|line| line.service.as_ref() == Some(service)).cloned().collect();
        found(&theirs).map(|found| (Arc::clone(service), found))
    };
    findings.iter().filter_map(|line| of(line.service.as_ref()?)).collect()
}
