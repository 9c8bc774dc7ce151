//! The texts of a flow as they are shown, secrets masked: what a filter compares and searches. Each visitor stops at the first text that
//! is accepted, and says whether one was.

use super::eval::Look;
use crate::body::{self, Content, Context, protobuf};
use crate::mask::{self, Secrets};
use crate::model::{Body, Detail, Fields, FlowRef, Half, Headers, Party, Row, Value, text_of};
use crate::schema::Place;
use std::borrow::Cow;

/// Asks about one text.
pub type Ask<'a> = &'a mut dyn FnMut(&str) -> bool;

/// The ways to call a party: its name, `addr:port`, the address, `:port`, the port.
pub fn party(party: &Party, ask: Ask<'_>) -> bool {
    let (host, port) = party.addr.rsplit_once(':').unwrap_or((&party.addr, ""));
    let bare = party.host();
    party.service.as_deref().is_some_and(&mut *ask)
        || ask(&party.addr)
        || ask(host)
        || (bare != host && ask(bare))
        || (!port.is_empty() && (ask(&format!(":{port}")) || ask(port)))
}

/// The values of a header or trailer field of either side.
pub fn header(detail: &Detail, name: &str, look: Look<'_>, ask: Ask<'_>) -> bool {
    let mut one = |value: &[u8]| {
        ask(&mask::header(name, &text_of(value), look.secrets))
            || protobuf::in_header(name, value, look.schemas, look.secrets).is_some_and(|more| ask(&more))
    };
    sections(detail).any(|headers| headers.all(name).any(&mut one))
}

/// All header and trailer fields of both sides, as lines.
pub fn headers(detail: &Detail, look: Look<'_>, ask: Ask<'_>) -> bool {
    let mut line = |(name, raw): (&[u8], &[u8])| {
        let (name, value) = (text_of(name), text_of(raw));
        ask(&format!("{name}: {}", mask::header(&name, &value, look.secrets)))
            || protobuf::in_header(&name, raw, look.schemas, look.secrets).is_some_and(|more| ask(&more))
    };
    sections(detail).any(|headers| headers.iter().any(&mut line))
}

/// The decoded bodies of both sides.
pub fn bodies(detail: &Detail, look: Look<'_>, ask: Ask<'_>) -> bool {
    let kept = |body: &&Body| !body.kept.is_empty();
    let context = Context { limit: look.body_limit, schemas: look.schemas, place: Place::of(detail) };
    let text = |body: &Body| text(body, &context, look.secrets);
    let of = |half: &Half| half.messages.iter().map(|m| &m.body).chain([&half.body]).filter(kept).any(|b| ask(&text(b)));
    halves(detail).any(of)
}

/// A protocol's own field, each value of a list by itself. A name may go on into a map (`amqp.properties.type`).
pub fn own(row: &Row, detail: &Detail, name: &str, look: Look<'_>, ask: Ask<'_>) -> bool {
    let mut found = false;
    // to guess a method costs more than all else that a filter does: only who asks for what descriptors add pays
    let added = [protobuf::CANDIDATES, protobuf::DETAILS].contains(&name);
    let fields = if added { known(row, detail, look) } else { Cow::Borrowed(&detail.fields) };
    for (field, value) in fields.iter() {
        let value = match name.strip_prefix(field) {
            Some("") => Some(value),
            Some(path) => path.strip_prefix('.').and_then(|path| inside(value, path)),
            None => None,
        };
        found = found || value.is_some_and(|v| texts(name, v, look, ask));
    }
    found
}

/// The protocol's own fields, with what descriptors add to them.
pub fn known<'d>(row: &Row, detail: &'d Detail, look: Look<'_>) -> Cow<'d, Fields> {
    let context = Context { limit: look.body_limit, schemas: look.schemas, place: Place::default() };
    protobuf::fields(row.pattern, detail, &context)
}

/// All of the protocol's own fields.
pub fn fields(fields: &Fields, look: Look<'_>, ask: Ask<'_>) -> bool {
    fields.iter().any(|(name, value)| texts(name, value, look, ask))
}

/// Everything that the row shows.
pub fn row(flow: FlowRef<'_>, ask: Ask<'_>) -> bool {
    let row = flow.row;
    let one = |party: &Party, ask: Ask<'_>| {
        ask(&party.addr) || party.service.as_deref().is_some_and(&mut *ask) || party.container().is_some_and(ask)
    };
    ask(row.protocol)
        || ask(&row.operation)
        || row.status.as_deref().is_some_and(&mut *ask)
        || row.trace_id.as_deref().is_some_and(&mut *ask)
        || one(flow.client, ask)
        || one(flow.server, ask)
}

fn halves(detail: &Detail) -> impl Iterator<Item = &Half> {
    detail.request.iter().chain(&detail.response)
}

fn sections(detail: &Detail) -> impl Iterator<Item = &Headers> {
    halves(detail).flat_map(|half| [&half.headers, &half.trailers])
}

/// A body as it reads, one line under the other; of JSON its compact form too, since that is what NDJSON shows.
fn text(body: &Body, context: &Context<'_>, secrets: Secrets) -> String {
    let document = body::decode(body, context);
    let mut text: String = body::render(&document, secrets).iter().map(|line| line.text() + "\n").collect();
    if let Content::Json(json) = &document.value {
        text.push_str(&mask::json(json, secrets));
    }
    text
}

fn inside<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let Value::Map(pairs) = value else { return None };
    pairs.iter().find(|(key, _)| **key == *path).map(|(_, v)| v).or_else(|| {
        let (key, rest) = path.split_once('.')?;
        pairs.iter().find(|(k, _)| **k == *key).and_then(|(_, v)| inside(v, rest))
    })
}

fn texts(name: &str, value: &Value, look: Look<'_>, ask: Ask<'_>) -> bool {
    let ask_one = |text: &str, ask: Ask<'_>| ask(&mask::value(name, text, look.secrets));
    match value {
        Value::Text(text) | Value::Number(text) => ask_one(text, ask),
        Value::Secret(text) => ask(&mask::secret(text, look.secrets)),
        Value::Null => ask_one("null", ask),
        Value::Int(n) => ask_one(&n.to_string(), ask),
        Value::Bool(b) => ask_one(if *b { "true" } else { "false" }, ask),
        Value::List(items) => items.iter().any(|v| texts(name, v, look, ask)),
        Value::Map(pairs) => pairs.iter().any(|(key, v)| texts(key, v, look, ask)),
    }
}
