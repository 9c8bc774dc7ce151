//! Hand-made flows for the detectors' tests, a line each.

use super::message::Letter;
use super::{Book, Detector, Look, see};
use crate::engine::traces::{Hop, settled};
use crate::model::{
    Body, ConnId, Detail, Dir, Fields, Finding, Flow, FlowId, Half, Link, Node, Party, Pattern, Row, SourceSet, Stamp, State,
    Value,
};
use crate::time::{Span, Time};

/// A moment, in milliseconds.
pub(in crate::engine) fn at(millis: u64) -> Time {
    Time::from_nanos(millis as i64 * 1_000_000)
}

fn party(text: &str) -> Party {
    let (service, addr) = match text.split_once('=') {
        Some((service, addr)) => (Some(service), addr),
        None if text.contains(':') => (None, text),
        None => (Some(text), "10.0.0.1:80"),
    };
    Party { addr: addr.into(), service: service.map(Into::into), rank: None, owner: None }
}

/// A flow `from>to begin-end operation status`, times in milliseconds, of a protocol; `-` is no end, no status.
pub(in crate::engine) fn flow(number: u64, pattern: Pattern, protocol: &'static str, text: &str) -> Flow {
    let (ends, rest) = text.split_once(' ').unwrap();
    let (times, rest) = rest.split_once(' ').unwrap();
    let (operation, status) = rest.rsplit_once(' ').unwrap();
    let (from, to) = ends.split_once('>').unwrap();
    let (begin, end) = times.split_once('-').unwrap();
    let begin: u64 = begin.parse().unwrap();
    let duration = end.parse::<u64>().ok().map(|end| Span::from_millis(end - begin));
    let bad = ["nack", "reject", "returned", "pending", "ERROR"].contains(&status) || status.starts_with(['4', '5']);
    let dir = if pattern == Pattern::Deliver { Dir::ToClient } else { Dir::ToServer };
    let (client, server) = if pattern == Pattern::Deliver { (to, from) } else { (from, to) };
    let row = Row {
        id: FlowId(number),
        conn: ConnId::default(),
        time: at(begin),
        duration,
        place: 0,
        protocol,
        pattern,
        state: State::Settled,
        ok: !bad,
        dir,
        operation: operation.into(),
        status: Some(status).filter(|status| *status != "-").map(Into::into),
        bytes: 0,
        trace_id: None,
        link: None,
        sources: SourceSet::default(),
    };
    let detail = Detail { request: Some(Half::default()), ..Detail::default() };
    let (client, server) = (party(client), party(server));
    Flow { row, detail: Some(detail.into()), client: client.into(), server: server.into(), connection: 1, sources: Vec::new() }
}

/// An HTTP call.
pub(in crate::engine) fn call(number: u64, text: &str) -> Flow {
    flow(number, Pattern::RequestResponse, "http", text)
}

/// A message to a broker at `number` milliseconds, of words `id=`, `body=`, `key=`, `by=`, `status=`, `channel=`, else headers.
pub(in crate::engine) fn publish(number: u64, text: &str) -> Flow {
    message(number, Pattern::Publish, text)
}

/// A message from it; also `queue=`, `again=`, and `requeue=0` where it was rejected for good.
pub(in crate::engine) fn deliver(number: u64, text: &str) -> Flow {
    message(number, Pattern::Deliver, text)
}

fn message(number: u64, pattern: Pattern, text: &str) -> Flow {
    let words: Vec<(&str, &str)> = text.split_whitespace().map(|word| word.split_once('=').unwrap()).collect();
    let get = |name: &str| words.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
    let by = get("by").unwrap_or("billing");
    let ends = if pattern == Pattern::Deliver { format!("rabbit>{by}") } else { format!("{by}>rabbit") };
    let status = get("status").unwrap_or("-");
    let mut flow = flow(number, pattern, "amqp", &format!("{ends} {number}-{} {} {status}", number + 1, pattern.word()));
    let own = ["id", "body", "key", "by", "status", "queue", "again", "channel", "correlation", "requeue"];
    let value = |text: &str| Value::Text(text.into());
    let headers =
        words.iter().filter(|(name, _)| !own.contains(name)).map(|(name, text)| ((*name).into(), value(text))).collect();
    let mut properties = vec![("headers".into(), Value::Map(headers))];
    properties.extend(get("id").map(|id| ("message_id".into(), value(id))));
    properties.extend(get("correlation").map(|id| ("correlation_id".into(), value(id))));
    let mut fields = Fields::default()
        .with("amqp.exchange", "shop")
        .with("amqp.routing_key", get("key").unwrap_or("order"))
        .with("amqp.properties", Value::Map(properties))
        .with("amqp.channel", get("channel").map_or(1, |n| n.parse::<i64>().unwrap()));
    if let Some(queue) = get("queue") {
        fields = fields.with("amqp.queue", queue).with("amqp.redelivered", get("again").is_some());
    }
    if let Some(requeue) = get("requeue") {
        fields = fields.with("amqp.requeue", requeue != "0");
    }
    let kept = get("body").unwrap_or("{}").as_bytes().to_vec();
    let body = Body { bytes: kept.len() as u64, kept, whole: true, ..Body::default() };
    flow.detail = Some(
        Detail { request: Some(Half { first: Stamp::default(), body, ..Half::default() }), fields, ..Detail::default() }.into(),
    );
    flow
}

/// A message as detectors see it.
pub(in crate::engine::findings) fn letter(flow: &Flow) -> Letter {
    Letter::of(flow.as_ref()).unwrap()
}

/// What a detector finds in flows that settle one after the other, and after the last.
pub(in crate::engine::findings) fn found(detector: &mut dyn Detector, flows: &[Flow]) -> Vec<Finding> {
    let mut book = Book::default();
    for flow in flows {
        book.turn_to(flow.row.time);
        see(detector, flow.as_ref(), Letter::of(flow.as_ref()).as_ref(), &mut book);
    }
    detector.end(&mut book);
    book.all().map(|(finding, _)| finding.clone()).collect()
}

/// What a detector finds in a trace: flows with their depths, in causal order; their numbers go up.
pub(in crate::engine::findings) fn judged(detector: &mut dyn Detector, tree: &[(usize, Flow)]) -> Vec<Finding> {
    let mut book = Book::default();
    judge(detector, tree, &mut book);
    detector.end(&mut book);
    book.all().map(|(finding, _)| finding.clone()).collect()
}

/// Has a detector look at a trace.
pub(in crate::engine::findings) fn judge(detector: &mut dyn Detector, tree: &[(usize, Flow)], book: &mut Book) {
    let (hops, nodes) = trace(tree);
    detector.trace(&Look::new(&hops, &nodes), book);
}

/// A trace's flows and its tree.
pub(in crate::engine) fn trace(tree: &[(usize, Flow)]) -> (Vec<Hop>, Vec<Node>) {
    let mut hops: Vec<_> = tree.iter().map(|(_, flow)| settled(flow.as_ref(), true)).collect();
    hops.sort_by_key(|hop| hop.flow);
    let node = |(depth, flow): &(usize, Flow)| Node {
        flow: flow.row.id,
        depth: *depth,
        link: (*depth > 0).then_some(Link::TraceId),
        leg: false,
    };
    (hops, tree.iter().map(node).collect())
}

/// How they read, and how often each was seen.
pub(in crate::engine) fn titles(findings: &[Finding]) -> Vec<(&str, u64)> {
    findings.iter().map(|finding| (finding.title.as_str(), finding.count)).collect()
}
