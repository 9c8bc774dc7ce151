//! NDJSON: one record a line, keys in the contract's order, a key without a value left out. Not how bodies are decoded: that is `body`'s.

mod difference;
mod finding;
mod object;
mod tree;

use crate::body::{self, Context, protobuf};
use crate::mask::{self, MASK, Secrets};
use crate::model::{
    Body, ConnRecord, Counts, Detail, Edge, Fields, FlowRef, Half, Headers, Message, Party, Row, Stats, TraceContext, Value,
    text_of,
};
use crate::schema::{Place, Schemas};
use crate::text::write_json_string;
use crate::trace;
use object::{Object, write_list, write_number};

pub use difference::{write_diff, write_differences};
pub use finding::write_finding;
pub use tree::write_trace;

/// The version of the schema: keys are only ever added to it.
const SCHEMA: u64 = 1;

/// The note of a flow whose headers and bodies made room for newer ones before it was printed.
const DETAIL_EVICTED: &str = "headers and bodies dropped for the memory limit";

/// The note of a flow whose bodies did.
const BODIES_EVICTED: &str = "bodies dropped for the memory limit";

/// The note of a stream that has more messages than are kept.
const MESSAGES_DROPPED: &str = "oldest messages dropped for the limit";

/// How flows are printed.
#[derive(Clone, Copy, Debug)]
pub struct NdjsonOptions<'a> {
    /// How much of an inflated body is kept.
    pub body_limit: usize,
    /// Masked or not.
    pub secrets: Secrets,
    /// Which messages are known.
    pub schemas: &'a Schemas,
}

/// Appends the first line.
pub fn write_meta(out: &mut Vec<u8>) {
    let mut o = Object::record("meta", out);
    o.number("schema", SCHEMA);
    o.text("meshtop", env!("CARGO_PKG_VERSION"));
    o.end_line();
}

/// Appends a flow.
pub fn write_flow(flow: FlowRef<'_>, options: &NdjsonOptions<'_>, out: &mut Vec<u8>) {
    let row = flow.row;
    let mut o = Object::record("flow", out);
    o.number("id", row.id.0);
    o.time("time", row.time);
    o.opt(row.duration, |o, d| o.number("duration_us", d.micros_up()));
    o.text("protocol", row.protocol);
    let shape = options.schemas.shape(&row.operation, row.pattern);
    o.text("pattern", shape.unwrap_or(row.pattern).word());
    // a name that never came: the contract wants one, and the protocol's is the most that is known
    o.text("operation", if row.operation.is_empty() { row.protocol } else { &row.operation });
    o.opt(row.status.as_deref().filter(|s| !s.is_empty()), |o, s| o.text("status", s));
    o.flag("ok", row.ok);
    for (key, party) in [("client", flow.client), ("server", flow.server)] {
        if party.is_known() {
            write_party(key, party, &mut o);
        }
    }
    o.opt(row.direction(), |o, dir| o.text("direction", dir.word()));
    let fields = flow.detail.map(|detail| {
        let context = Context { limit: options.body_limit, schemas: options.schemas, place: Place::default() };
        protobuf::fields(row.pattern, detail, &context)
    });
    o.opt(flow.detail.zip(fields.as_deref()), |o, (detail, fields)| {
        write_detail(row, detail, fields, options, o);
    });
    o.list("layers", flow.detail.map(|d| d.layers.as_slice()).unwrap_or_default().iter().copied(), false);
    o.list("sources", flow.sources.iter().map(|s| &**s), true);
    o.number("connection", flow.connection);
    let notes = flow.detail.zip(fields.as_deref()).map(|(detail, fields)| protobuf::notes(row, detail, fields, options.schemas));
    o.list("notes", notes.into_iter().flatten().chain(dropped(flow.detail)), false);
    o.end_line();
}

/// Appends a connection.
pub fn write_connection(conn: &ConnRecord, out: &mut Vec<u8>) {
    let mut o = Object::record("connection", out);
    o.number("id", conn.id);
    o.time("time", conn.time);
    o.number("duration_us", conn.duration.micros_up());
    write_party("client", &conn.client, &mut o);
    write_party("server", &conn.server, &mut o);
    o.opt(conn.protocol, |o, p| o.text("protocol", p));
    write_counts("bytes", conn.bytes, &mut o);
    write_counts("packets", conn.packets, &mut o);
    o.number("retransmissions", conn.retransmissions);
    o.number("gaps", conn.gaps);
    o.text("end", conn.end.word());
    if !conn.head.is_empty() {
        let hex: String = conn.head.iter().map(|b| format!("{b:02x}")).collect();
        o.text("head", &hex);
    }
    o.end_line();
}

/// Appends an edge.
pub fn write_edge(edge: &Edge, out: &mut Vec<u8>) {
    let load = &edge.load;
    let mut o = Object::record("edge", out);
    o.text("from", &edge.from);
    o.text("to", &edge.to);
    o.opt(edge.via.as_deref(), |o, via| o.text("via", via));
    o.text("protocol", edge.protocol);
    o.number("count", load.count);
    o.number("errors", load.errors);
    for (key, span) in [("p50_us", load.p50), ("p95_us", load.p95), ("p99_us", load.p99)] {
        o.opt(span, |o, span| o.number(key, span.micros_up()));
    }
    o.number("bytes", load.bytes);
    o.end_line();
}

/// Appends the sums.
pub fn write_stats(stats: &Stats, out: &mut Vec<u8>) {
    let totals = &stats.totals;
    let mut o = Object::record("stats", out);
    o.number("packets", totals.packets);
    o.number("bytes", totals.bytes);
    write_numbers("dropped", [("kernel", stats.kernel_drops), ("meshtop", totals.own_drops)], &mut o);
    write_numbers("passed_over", totals.passed_over.iter().copied(), &mut o);
    o.number("connections", stats.connections);
    write_numbers("flows", stats.flows.iter().copied(), &mut o);
    o.number("header_bytes", totals.header_bytes);
    o.number("passed_over_bytes", totals.passed_over_bytes);
    o.number("repeated_bytes", totals.repeated_bytes);
    o.number("stream_bytes", totals.stream_bytes);
    o.number("decoded_bytes", u64::try_from(totals.decoded_bytes).unwrap_or(0));
    o.number("undecoded_bytes", totals.undecoded_bytes);
    o.number("encrypted_bytes", totals.encrypted_bytes);
    if totals.tap_bytes > 0 {
        o.number("tap_bytes", totals.tap_bytes);
    }
    if !totals.unassigned.is_empty() {
        write_numbers("unassigned", totals.unassigned.iter().copied(), &mut o);
    }
    o.number("lost_bytes", totals.lost_bytes);
    o.number("gaps", totals.gaps);
    o.number("decode_errors", totals.decode_errors);
    let evicted = [
        ("bodies", stats.evicted_bodies),
        ("details", stats.evicted_details),
        ("flows", stats.evicted_flows),
        ("connections", totals.evicted_connections),
        ("traces", stats.evicted_traces),
        ("findings", stats.evicted_findings),
    ];
    let held = (totals.evicted_held > 0).then_some(("held", totals.evicted_held));
    write_numbers("evicted", evicted.into_iter().chain(held), &mut o);
    if stats.unplaced > 0 {
        o.number("unplaced", stats.unplaced);
    }
    o.number("peak_memory", stats.peak_memory);
    o.end_line();
}

/// What is missing because it made room, in words.
fn dropped(detail: Option<&Detail>) -> impl Iterator<Item = &'static str> {
    let messages = |d: &Detail| d.request.iter().chain(&d.response).any(|half| half.messages_dropped > 0);
    let notes = [
        detail.is_none().then_some(DETAIL_EVICTED),
        detail.is_some_and(|d| d.bodies_evicted).then_some(BODIES_EVICTED),
        detail.is_some_and(messages).then_some(MESSAGES_DROPPED),
    ];
    notes.into_iter().flatten()
}

fn write_detail(row: &Row, detail: &Detail, fields: &Fields, options: &NdjsonOptions<'_>, o: &mut Object<'_>) {
    let half =
        |half: &Half, answer: bool, out: &mut Vec<u8>| write_half(half, answer, row.pattern.is_call(), detail, options, out);
    o.opt(detail.request.as_ref(), |o, request| half(request, false, o.key("request")));
    o.opt(detail.response.as_ref(), |o, response| half(response, true, o.key("response")));
    match detail.traces.first() {
        Some(trace) => write_context(trace, o.key("trace")),
        None => o.opt(detail.inferred.as_deref().zip(row.link), |o, (trace_id, link)| {
            let mut t = Object::open(o.key("trace"));
            t.text("trace_id", trace_id);
            t.text("inferred", link.word());
            t.end();
        }),
    }
    let tracers: Vec<_> = detail.traces.iter().filter(|context| !trace::is_request_id(context.carrier)).collect();
    if tracers.windows(2).any(|pair| trace::key(pair[0]) != trace::key(pair[1])) {
        write_list(&tracers, o.key("traces"), |context, out| write_context(context, out));
    }
    if !detail.candidates.is_empty() {
        write_list(&detail.candidates, o.key("candidates"), |flow, out| write_number(flow.0, out));
    }
    write_fields(fields, options.secrets, o);
}

/// One side. Bodies that were evicted are left out rather than shown as empty: a note tells why.
fn write_half(half: &Half, answer: bool, always_messages: bool, of: &Detail, options: &NdjsonOptions<'_>, out: &mut Vec<u8>) {
    let (evicted, place) = (of.bodies_evicted, Place::of(of));
    let mut o = Object::open(out);
    if answer {
        o.time("time", half.first.time);
    }
    write_headers("headers", &half.headers, options.secrets, &mut o);
    write_headers("trailers", &half.trailers, options.secrets, &mut o);
    o.number("bytes", half.body.bytes.max(half.messages.iter().map(|m| m.body.bytes).sum()));
    if half.head_bytes > 0 {
        o.number("head_bytes", half.head_bytes);
    }
    if always_messages || !half.messages.is_empty() {
        write_list(&half.messages, o.key("messages"), |message: &Message, out| {
            let mut o = Object::open(out);
            o.time("time", message.first.time);
            if !evicted || message.body.bytes == 0 {
                write_body(&message.body, place, options, o.key("body"));
            } else {
                // the schema wants a body for each message: what is known is that its bytes are gone
                o.key("body").extend_from_slice(b"{\"kind\":\"binary\",\"cut\":true}");
            }
            o.end();
        });
    } else if !(evicted && half.body.bytes > 0 || is_only_counted(&half.body, options)) {
        write_body(&half.body, place, options, o.key("body"));
    }
    o.end();
}

/// Whether nothing of a body was kept though there was room: its protocol told all of it in fields.
fn is_only_counted(body: &Body, options: &NdjsonOptions<'_>) -> bool {
    body.whole && body.bytes > 0 && body.kept.is_empty() && options.body_limit > 0
}

fn write_body(body: &Body, place: Place<'_>, options: &NdjsonOptions<'_>, out: &mut Vec<u8>) {
    let context = Context { limit: options.body_limit, schemas: options.schemas, place };
    body::write_json(&body::decode(body, &context), options.secrets, out);
}

fn write_headers(key: &str, headers: &Headers, secrets: Secrets, o: &mut Object<'_>) {
    if headers.is_empty() {
        return;
    }
    write_list(headers.iter(), o.key(key), |(name, value), out| {
        let (name, value) = (text_of(name), text_of(value));
        out.push(b'[');
        write_json_string(&name, out);
        out.push(b',');
        write_json_string(&mask::header(&name, &value, secrets), out);
        out.push(b']');
    });
}

fn write_context(trace: &TraceContext, out: &mut Vec<u8>) {
    let mut t = Object::open(out);
    t.text("trace_id", &trace.trace_id);
    t.opt(trace.span_id.as_deref(), |t, id| t.text("span_id", id));
    t.opt(trace.parent_id.as_deref(), |t, id| t.text("parent_id", id));
    t.text("carrier", trace.carrier);
    t.end();
}

/// The protocol's own: `http.method` goes into the object `http`, where the first of its fields stands; a name without a dot stands alone.
fn write_fields(fields: &Fields, secrets: Secrets, o: &mut Object<'_>) {
    let mut done: Vec<&str> = Vec::new();
    for (name, value) in fields.iter() {
        let Some((group, _)) = name.split_once('.') else {
            write_value(name, value, secrets, o.key(name));
            continue;
        };
        if done.contains(&group) {
            continue;
        }
        done.push(group);
        let mut inner = Object::open(o.key(group));
        for (full, value) in fields.iter() {
            if let Some((_, own)) = full.split_once('.').filter(|(g, _)| *g == group) {
                write_value(own, value, secrets, inner.key(own));
            }
        }
        inner.end();
    }
}

/// A value, masked by its name; one that is no text becomes one where it is masked.
fn write_value(name: &str, value: &Value, secrets: Secrets, out: &mut Vec<u8>) {
    let plain = |text: &str, out: &mut Vec<u8>| match mask::value(name, text, secrets) {
        shown if shown == text => out.extend_from_slice(text.as_bytes()),
        _ => write_json_string(MASK, out),
    };
    match value {
        Value::Text(text) => write_json_string(&mask::value(name, text, secrets), out),
        Value::Secret(text) => write_json_string(&mask::secret(text, secrets), out),
        Value::Int(n) => plain(&n.to_string(), out),
        Value::Number(n) => plain(n, out),
        Value::Null => plain("null", out),
        Value::Bool(b) => plain(if *b { "true" } else { "false" }, out),
        Value::List(items) => write_list(items, out, |item, out| write_value(name, item, secrets, out)),
        Value::Map(pairs) => {
            let mut o = Object::open(out);
            pairs.iter().for_each(|(key, value)| write_value(key, value, secrets, o.key(key)));
            o.end();
        }
    }
}

fn write_party(key: &str, party: &Party, o: &mut Object<'_>) {
    let mut p = Object::open(o.key(key));
    p.text("addr", &party.addr);
    p.opt(party.service.as_deref().filter(|s| !s.is_empty()), |p, s| p.text("service", s));
    p.opt(party.pid(), |p, pid| p.number("pid", pid.into()));
    p.opt(party.container(), |p, c| p.text("container", c));
    p.end();
}

fn write_counts(key: &str, counts: Counts, o: &mut Object<'_>) {
    write_numbers(key, [("to_server", counts.to_server), ("to_client", counts.to_client)], o);
}

fn write_numbers<'n>(key: &str, numbers: impl IntoIterator<Item = (&'n str, u64)>, o: &mut Object<'_>) {
    let mut inner = Object::open(o.key(key));
    numbers.into_iter().for_each(|(name, n)| inner.number(name, n));
    inner.end();
}

#[cfg(test)]
mod tests;
