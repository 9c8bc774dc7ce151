//! What a message tells beside its body: its properties, its headers, its name. The same for one from the wire and for one that a tap
//! was handed.

use super::field::{self, Field, Table};
use crate::decode::cursor::Cursor;
use crate::model::{BodyHint, Fields, Headers, text_of};
use std::hash::{Hash as _, Hasher};

/// How the payload of a content's header begins: the class `basic`, and a weight that is not used (§2.3.5.2).
pub const BASIC: [u8; 4] = [0, 60, 0, 0];
/// The name of the property that holds the headers.
pub const HEADERS: &str = "headers";

/// The header of further routing keys that no receiver is to see: the broker takes it away
/// (<https://www.rabbitmq.com/docs/sender-selected>).
pub const HIDDEN: &str = "BCC";

/// The header in which the broker tells where a message was dead-lettered (<https://www.rabbitmq.com/docs/dlx#effects>).
pub const DEATHS: &str = "x-death";

/// The type of a property.
#[derive(Clone, Copy)]
enum Kind {
    Octet,
    ShortStr,
    Table,
    Time,
}

/// The properties of class `basic`, from the highest flag down (§1.8.1 of the reference).
const PROPERTIES: [(&str, Kind); 14] = [
    ("content_type", Kind::ShortStr),
    ("content_encoding", Kind::ShortStr),
    (HEADERS, Kind::Table),
    ("delivery_mode", Kind::Octet),
    ("priority", Kind::Octet),
    ("correlation_id", Kind::ShortStr),
    ("reply_to", Kind::ShortStr),
    ("expiration", Kind::ShortStr),
    ("message_id", Kind::ShortStr),
    ("timestamp", Kind::Time),
    ("type", Kind::ShortStr),
    ("user_id", Kind::ShortStr),
    ("app_id", Kind::ShortStr),
    ("cluster_id", Kind::ShortStr),
];

/// The payload of a content's header: how long the body is, and the properties, in order.
pub fn read(payload: &[u8]) -> Option<(u64, Table<'_>)> {
    read_by(payload, field::bare_table)
}

/// The same, where the bytes of the headers' table are read otherwise.
pub fn read_by<'a>(payload: &'a [u8], table: impl FnOnce(&'a [u8]) -> Option<Table<'a>>) -> Option<(u64, Table<'a>)> {
    let mut c = Cursor::new(payload.strip_prefix(&BASIC)?);
    let (size, flags) = (field::eight(&mut c)?, c.u16()?);
    // the lowest bit tells of further flags, which no property of this class has
    let (mut found, mut table) = (Table::default(), Some(table));
    for (n, (name, kind)) in PROPERTIES.into_iter().enumerate() {
        if flags >> (15 - n) & 1 == 0 {
            continue;
        }
        let value = match kind {
            Kind::Octet => Field::Uint(c.u8()?.into()),
            Kind::ShortStr => Field::Text(field::short(&mut c)?),
            Kind::Table => Field::Table(table.take()?(field::long(&mut c)?)?),
            Kind::Time => Field::Time(field::eight(&mut c)?),
        };
        found.0.push((name.as_bytes(), value));
    }
    (flags & 3 == 0 && c.rest().is_empty()).then_some((size, found))
}

/// The properties among some pairs, in the order of the wire.
pub fn in_order<'a>(Table(pairs): Table<'a>) -> Table<'a> {
    let place = |name: &[u8]| PROPERTIES.iter().position(|(known, _)| known.as_bytes() == name);
    let mut found: Vec<_> = pairs.into_iter().filter_map(|pair| Some((place(pair.0)?, pair))).collect();
    found.sort_by_key(|(place, _)| *place);
    Table(found.into_iter().map(|(_, pair)| pair).collect())
}

/// What properties tell.
#[derive(Debug, Default)]
pub struct Told {
    /// The headers, each with its value as text.
    pub headers: Headers,
    /// The fields in which trace context may be: the headers, and the correlation ID.
    pub carried: Headers,
    /// How to read the body.
    pub hint: BodyHint,
    /// `amqp.properties`.
    pub fields: Fields,
}

/// What a message's properties tell.
pub fn told(properties: &Table<'_>) -> Told {
    let mut told = Told::default();
    if let Some(Field::Table(Table(pairs))) = properties.get(HEADERS) {
        for (name, field) in pairs {
            match field {
                Field::Text(bytes) | Field::Bytes(bytes) => told.carried.push(name, bytes),
                Field::Int(_) | Field::Uint(_) => told.carried.push(name, field.text().as_bytes()),
                _ => {}
            }
            match field {
                Field::Text(bytes) => told.headers.push(name, bytes),
                other => told.headers.push(name, other.text().as_bytes()),
            }
        }
    }
    let correlation = properties.bytes("correlation_id");
    if !correlation.is_empty() {
        told.carried.push(b"correlation-id", correlation);
    }
    let text = |name: &str| Some(properties.text(name)).filter(|text| !text.is_empty());
    told.hint.media_type = text("content_type").map(Into::into);
    told.hint.encodings = text("content_encoding").filter(|coding| !is_charset(coding)).map(Into::into).into_iter().collect();
    told.fields.set("amqp.properties", properties.value());
    told
}

/// Takes in what properties say, where it is compared with what the broker gives back of it: without the header that it takes away.
pub fn digest(properties: &Table<'_>, hasher: &mut impl Hasher) {
    let mut take = |name: &[u8], field: &Field<'_>| (name, field.text()).hash(hasher);
    for (name, field) in &properties.0 {
        match field {
            Field::Table(Table(pairs)) => {
                pairs.iter().filter(|(name, _)| *name != HIDDEN.as_bytes()).for_each(|(name, field)| take(name, field));
            }
            field => take(name, field),
        }
    }
}

/// Clients write there how text is encoded (`utf-8`), and whether it is any (`binary`), as often as what the body is compressed by.
fn is_charset(coding: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii", "binary", "8bit", "7bit"].iter().any(|name| name.eq_ignore_ascii_case(coding))
}

/// What a publish is called. The default exchange has no name (§3.1.3.1), and hands a message to the queue that its key names.
pub fn published(exchange: &[u8], routing_key: &[u8]) -> String {
    let exchange = if exchange.is_empty() { "(default)".into() } else { text_of(exchange) };
    named("publish", &format!("{exchange} {}", text_of(routing_key)))
}

/// What something is called that is done to `name`.
pub fn named(what: &str, name: &str) -> String {
    format!("{what} {name}").trim_end().to_owned()
}

/// How a message was routed.
pub fn routed(exchange: &[u8], routing_key: &[u8]) -> Fields {
    Fields::default().with("amqp.exchange", &*text_of(exchange)).with("amqp.routing_key", &*text_of(routing_key))
}
