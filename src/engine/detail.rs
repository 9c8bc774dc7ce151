//! One flow made readable: the overview, and each side with its fields and its body decoded, masked and escaped. The looker's work.

use super::looker::Looks;
use super::view::{Candidate, DetailView, MessageView, SideView};
use crate::body::{self, Content, Context, Kind, protobuf};
use crate::mask::{self, Secrets};
use crate::model::{Body, Dir, Fields, Flow, Half, Headers, MAX_CANDIDATES, Party, Process, TraceContext, Value, text_of};
use crate::schema::Place;
use crate::text::{Line, escape};
use crate::time::{Span, Time};
use compact_str::CompactString;
use std::borrow::Cow;

pub(super) use messages::Memory;

mod command;
mod messages;

/// The flow for reading; `memory` is what was read when a flow was inspected last.
pub(super) fn inspect(flow: &Flow, looks: &Looks, memory: &mut Memory) -> DetailView {
    let detail = flow.detail.as_deref();
    // one for all of it: they may be exchanged at any moment
    let schemas = looks.schemas.get();
    let place = detail.map(Place::of).unwrap_or_default();
    let fields =
        detail.map(|d| protobuf::fields(flow.row.pattern, d, &Context { limit: looks.body_limit, schemas: &schemas, place }));
    let eye = Eye { secrets: looks.secrets, context: Context { limit: looks.body_limit, schemas: &schemas, place } };
    let candidate = match fields.as_deref().and_then(|fields| fields.get(protobuf::CANDIDATES)) {
        Some(Value::List(methods)) => methods.first().map(|method| shown(method, &eye)),
        _ => None,
    };
    let messages = detail.map(|d| messages::list(d, &flow.row, candidate.as_deref(), &eye, memory)).unwrap_or_default();
    DetailView {
        overview: overview(flow, fields.as_deref(), &eye),
        request: detail.and_then(|d| Some(side(d.request.as_ref()?, true, &messages, &eye))),
        response: detail.and_then(|d| Some(side(d.response.as_ref()?, false, &messages, &eye))),
        command: detail.and_then(|d| command::of(flow, d, &messages, &eye)),
        no_command: detail.and_then(command::lacking),
        messages,
        unknown: flow.row.pattern.is_call() && schemas.method(&flow.row.operation).is_none(),
        ..untold(flow)
    }
}

/// How one flow is looked at.
struct Eye<'a> {
    secrets: Secrets,
    context: Context<'a>,
}

impl Eye<'_> {
    /// The same for messages that may be of this side of a method.
    fn expecting<'e>(&'e self, may_be: Option<&'e str>) -> Eye<'e> {
        let place = Place { may_be, ..self.context.place };
        Eye { context: Context { place, ..self.context }, ..*self }
    }
}

/// The flow, where a decoder failed on it.
pub(super) fn unreadable(flow: &Flow) -> DetailView {
    DetailView { overview: vec![("note".to_owned(), "decoder failed".to_owned())], ..untold(flow) }
}

/// The same, with what may have caused it.
pub(super) fn doubted(mut view: DetailView, candidates: Vec<Candidate>) -> DetailView {
    // above who its ends are, which mostly is more than fits
    let at = view.overview.iter().position(|(name, _)| name == "client").unwrap_or(view.overview.len());
    if candidates.len() >= MAX_CANDIDATES {
        view.overview.insert(at, ("maybe caused by".to_owned(), "or one that began before these".to_owned()));
    }
    for candidate in candidates.iter().rev() {
        let told = candidate.flow.as_ref().map_or("evicted".to_owned(), |flow| {
            let clock = flow.row.time.to_string();
            let clock = clock.split_once('T').map_or("", |(_, clock)| clock.get(..12).unwrap_or(clock));
            format!("{}, {clock}", untold(flow).title)
        });
        view.overview.insert(at, ("maybe caused by".to_owned(), told));
    }
    DetailView { candidates, ..view }
}

fn untold(flow: &Flow) -> DetailView {
    let (client, server) = (flow.client.label(), flow.server.label());
    let (from, to) = if flow.row.dir == Dir::ToServer { (client, server) } else { (server, client) };
    DetailView { id: flow.row.id, title: escape(&format!("{} · {from} → {to}", flow.row.operation)), ..DetailView::default() }
}

/// What is known of it, in a fixed order; what has no value is left out.
fn overview(flow: &Flow, fields: Option<&Fields>, eye: &Eye<'_>) -> Vec<(String, String)> {
    let row = &flow.row;
    let mut out = List::default();
    let shape = eye.context.schemas.shape(&row.operation, row.pattern);
    out.push("protocol", format!("{}, {}", row.protocol, shape.unwrap_or(row.pattern).word()));
    out.push("operation", &row.operation);
    match &row.status {
        Some(status) => out.push("status", if row.ok { status.to_string() } else { format!("{status} (failed)") }),
        None if !row.ok => out.push("status", "failed"),
        None => {}
    }
    out.push("time", row.time.to_string());
    out.push("duration", row.duration.map(span).unwrap_or_default());
    for (name, party) in [("client", &flow.client), ("server", &flow.server)] {
        party_lines(name, party, row.time, eye, &mut out);
    }
    let (Some(detail), Some(fields)) = (flow.detail.as_deref(), fields) else {
        out.push("size", size(row.bytes));
        out.push("trace id", row.trace_id.as_deref().unwrap_or_default());
        out.push("connection", flow.connection.to_string());
        out.push("note", "headers and bodies were dropped for the memory budget");
        return out.0;
    };
    for (name, half) in [("request", &detail.request), ("response", &detail.response)] {
        let Some(half) = half else { continue };
        let head = if half.head_bytes > 0 { format!("head {}, ", size(half.head_bytes)) } else { String::new() };
        out.push(name, format!("{head}{}", sizes(half)));
        if name == "response" {
            out.push("first byte after", span(half.first.time.since(row.time)));
        }
    }
    if let Some((trace, others)) = detail.traces.split_first() {
        trace_lines(trace, eye, &mut out);
        others.iter().for_each(|other| out.push("also carries", format!("{} {}", other.carrier, other.trace_id)));
    }
    for (name, value) in fields.iter() {
        out.push(name, mask::value(name, &shown(value, eye), eye.secrets));
    }
    out.push("layers", detail.layers.join(", "));
    out.push("seen by", flow.sources.join(", "));
    out.push("connection", flow.connection.to_string());
    protobuf::notes(row, detail, fields, eye.context.schemas).into_iter().for_each(|note| out.push("note", note));
    if row.pattern.is_call() && fields.get("grpc.method").is_none() {
        let client = flow.client.label();
        out.push("hint", format!("restart {client} to see the method: its name went over the wire before, or was lost"));
    }
    if detail.bodies_evicted {
        out.push("note", "bodies were dropped for the memory budget");
    }
    out.0
}

/// Who one end was: its name and address, and below what is known of its process as of `time`.
fn party_lines(side: &str, party: &Party, time: Time, eye: &Eye<'_>, out: &mut List) {
    match &party.service {
        Some(service) => out.push(side, format!("{service} ({})", party.addr)),
        None => out.push(side, &party.addr),
    }
    let mut line = |what: &str, value: &str| out.push(&format!("{side} {what}"), value);
    line("named by", party.named_by().unwrap_or_default());
    let Some(owner) = &party.owner else { return };
    let process = owner.process.as_ref();
    // of several processes that share a command, one may be another user's
    let ids = [owner.pid.map(|pid| format!("pid {pid}")), owner.pid.and(process).map(|p| format!("uid {}", p.uid))];
    line("process", &ids.into_iter().flatten().collect::<Vec<_>>().join(" · "));
    line("container", owner.container.as_deref().unwrap_or_default());
    let Some(Process { command, cwd, started, .. }) = process else { return };
    line("command", &mask::command(command, eye.secrets));
    line("folder", cwd.as_deref().unwrap_or_default());
    line("since", &started.map(|began| since(began, time)).unwrap_or_default());
}

/// When a process began, in seconds: the system's clock ticks are no finer than some hundredths, and when it booted is less certain yet.
/// And how old that was.
fn since(began: Time, time: Time) -> String {
    let text = began.to_string();
    let second = text.split_once('.').map_or(&*text, |(second, _)| second);
    let seconds = (time.nanos() - began.nanos()) / 1_000_000_000;
    let age = match seconds {
        ..0 => return format!("{second}Z"),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        172_800.. => format!("{} days", seconds / 86_400),
    };
    format!("{second}Z, {age} before")
}

fn trace_lines(trace: &TraceContext, eye: &Eye<'_>, out: &mut List) {
    out.push("trace id", &trace.trace_id);
    out.push("span id", trace.span_id.as_deref().unwrap_or_default());
    out.push("parent id", trace.parent_id.as_deref().unwrap_or_default());
    out.push("carrier", trace.carrier);
    out.push("sampled", trace.sampled.map_or("", |sampled| if sampled { "yes" } else { "no" }));
    out.push("trace state", mask::text(trace.state.as_deref().unwrap_or_default(), eye.secrets));
    out.push("baggage", mask::text(trace.baggage.as_deref().unwrap_or_default(), eye.secrets));
}

/// One side; its messages are among those of both.
fn side(half: &Half, request: bool, messages: &[MessageView], eye: &Eye<'_>) -> SideView {
    let mut view = SideView { headers: fields(&half.headers, eye), trailers: fields(&half.trailers, eye), ..SideView::default() };
    if half.messages.is_empty() && half.messages_dropped == 0 {
        let read = read(&half.body, eye);
        view.caption = read.caption;
        (view.body, view.hex) = (read.lines, body::hex(&half.body.kept, eye.secrets));
        (view.copy, view.formatted) = (read.copy, read.formatted);
        return view;
    }
    let total = half.messages.len() as u64 + half.messages_dropped;
    view.caption = format!("{total} message{}", if total == 1 { "" } else { "s" });
    if half.messages_dropped > 0 {
        view.caption.push_str(&format!(", the oldest {} not kept", half.messages_dropped));
    }
    let own = || messages.iter().filter(|message| message.request == request);
    view.copy = own().map(|message| message.said.copy.as_str()).collect::<Vec<_>>().join("\n");
    view.formatted = own().any(|message| message.said.formatted);
    view
}

/// A body for reading.
struct Read {
    caption: String,
    lines: Vec<Line>,
    copy: String,
    formatted: bool,
    /// All of it, for a tool to send, where a schema says all of it.
    json: Option<String>,
}

fn read(body: &Body, eye: &Eye<'_>) -> Read {
    let plain = |caption| Read { caption, lines: Vec::new(), copy: String::new(), formatted: false, json: None };
    if body.kept.is_empty() && body.bytes > 0 {
        return plain(format!("{} · not kept", size(body.bytes)));
    }
    let document = body::decode(body, &eye.context);
    // an empty message is not nothing
    if body.kept.is_empty() && document.kind == Kind::Empty {
        return plain("empty".to_owned());
    }
    let parts = [
        Some(document.kind).filter(|kind| *kind != Kind::Empty).map(|kind| kind.word().to_owned()),
        document.encoding.as_deref().map(escape),
        Some(size(body.bytes)),
        document
            .cut
            .then(|| if body.partial() { format!("cut after {}", size(body.kept.len() as u64)) } else { "cut".to_owned() }),
        document.about.as_deref().map(escape),
        document.error.as_deref().map(escape),
    ];
    let caption = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let copy = body::plain(&document, eye.secrets);
    let formatted = matches!(document.kind, Kind::Json | Kind::Protobuf | Kind::Xml) && copy.as_bytes() != body.kept;
    let json = match &document.value {
        Content::Json(json) if document.schema.is_some() && !document.guess && !document.cut && !document.unknown => {
            Some(mask::json(json, eye.secrets).into_owned())
        }
        _ => None,
    };
    Read { caption, lines: body::render(&document, eye.secrets), copy, formatted, json }
}

fn fields(headers: &Headers, eye: &Eye<'_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (name, raw) in headers.iter() {
        let (name, value) = (text_of(name), text_of(raw));
        out.push((escape(&name), escape(&mask::header(&name, &value, eye.secrets))));
        if let Some(shown) = protobuf::in_header(&name, raw, eye.context.schemas, eye.secrets) {
            out.push((format!("{}, decoded", escape(&name)), escape(&shown)));
        }
    }
    out
}

fn sizes(half: &Half) -> String {
    if half.messages.is_empty() && half.messages_dropped == 0 {
        return format!("body {}", size(half.body.bytes));
    }
    let bytes = half.messages.iter().map(|m| m.body.bytes).sum();
    let (count, s) = (half.messages.len(), if half.messages.len() == 1 { "" } else { "s" });
    format!("{count} message{s} kept, {}", size(bytes))
}

/// A field's value on one line.
fn shown<'v>(value: &'v Value, eye: &Eye<'_>) -> Cow<'v, str> {
    match value {
        Value::Text(text) | Value::Number(text) => Cow::Borrowed(text),
        Value::Secret(text) => mask::secret(text, eye.secrets),
        Value::Null => Cow::Borrowed("null"),
        Value::Int(n) => Cow::Owned(n.to_string()),
        Value::Bool(yes) => Cow::Borrowed(if *yes { "yes" } else { "no" }),
        Value::List(items) => Cow::Owned(items.iter().map(|v| shown(v, eye)).collect::<Vec<_>>().join(", ")),
        Value::Map(pairs) => {
            let pair = |(key, v): &(CompactString, Value)| format!("{key}={}", mask::value(key, &shown(v, eye), eye.secrets));
            Cow::Owned(pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

#[derive(Default)]
struct List(Vec<(String, String)>);

impl List {
    fn push(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if !value.is_empty() {
            self.0.push((name.to_owned(), escape(value)));
        }
    }
}

/// `834 µs`, `1.834 ms`, `2.500 s`.
fn span(span: Span) -> String {
    match span.micros_up() {
        micros @ 0..1000 => format!("{micros} µs"),
        micros @ 1000..1_000_000 => format!("{}.{:03} ms", micros / 1000, micros % 1000),
        micros => format!("{}.{:03} s", micros / 1_000_000, micros / 1000 % 1000),
    }
}

/// `412 B`, `1.2 KiB`, `61.0 MiB`.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, bits)| bytes >> bits > 0) {
        Some((unit, bits)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1 << bits)),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests;
