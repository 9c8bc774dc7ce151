//! A message as lapin has it, told as one from the wire: its types are put into ours, nothing is read of them.

use super::url::Url;
use crate::decode::amqp::field::{DEPTH, Field, Table};
use crate::decode::amqp::handed::Handed;
use crate::model::Fields;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::net::SocketAddr;

/// What the keys of the trace exchange begin with (<https://www.rabbitmq.com/docs/firehose>).
const PUBLISH: &str = "publish.";
/// See [`PUBLISH`].
const DELIVER: &str = "deliver.";

/// What the names of taps' queues begin with: what is delivered to them is no message between services.
pub const QUEUE: &str = "meshtop.tap.";

/// A message that came to a bound queue: a publish. None where it is not wanted.
pub fn bound<'a>(url: &Url, delivery: &'a Delivery) -> Option<Handed<'a>> {
    let (exchange, key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
    url.wants(exchange, key).then(|| handed(None, exchange, key, properties(delivery), &delivery.data, Fields::default()))
}

/// A message of the trace exchange: a publish, or a delivery. None where it is not wanted, or is neither.
pub fn traced<'a>(url: &Url, delivery: &'a Delivery) -> Option<Handed<'a>> {
    let headers = delivery.properties.headers().as_ref()?;
    let (exchange, key) = (text(headers, "exchange_name")?, first(headers, "routing_keys")?);
    let name = delivery.routing_key.as_str();
    let queue = match name.strip_prefix(DELIVER) {
        Some(queue) => Some(queue),
        None => name.strip_prefix(PUBLISH).map(|_| None)?,
    };
    if !url.wants(exchange, key) || queue.is_some_and(|queue| queue.starts_with(QUEUE)) {
        return None;
    }
    let mut fields = Fields::default();
    if let Some(redelivered) = headers.inner().get("redelivered") {
        fields.set("amqp.redelivered", field(redelivered, DEPTH) != Some(Field::Int(0)));
    }
    for (name, header) in
        [("amqp.routed_queues", "routed_queues"), ("amqp.user", "user"), ("amqp.channel", "channel"), ("amqp.node", "node")]
    {
        if let Some(value) = headers.inner().get(header).and_then(|value| field(value, DEPTH)) {
            fields.set(name, value.value());
        }
    }
    let properties = match headers.inner().get("properties") {
        // of one in the other, as on the wire: the properties are no table there
        Some(AMQPValue::FieldTable(properties)) => table(properties, DEPTH + 1),
        _ => Some(Table::default()),
    };
    Some(handed(queue, exchange, key, properties, &delivery.data, fields))
}

/// Between whom the connection is that a traced message came or went by: client, server. None where that is not told.
pub fn between(delivery: &Delivery) -> Option<(SocketAddr, SocketAddr)> {
    let (client, server) = text(delivery.properties.headers().as_ref()?, "connection")?.split_once(" -> ")?;
    Some((client.parse().ok()?, server.parse().ok()?))
}

fn handed<'a>(
    queue: Option<&'a str>,
    exchange: &'a str,
    key: &'a str,
    properties: Option<Table<'a>>,
    body: &'a [u8],
    fields: Fields,
) -> Handed<'a> {
    Handed {
        queue: queue.map(str::as_bytes),
        exchange: exchange.as_bytes(),
        routing_key: key.as_bytes(),
        properties,
        body,
        fields,
    }
}

/// What a message's own properties are, by the names that the wire's reader has for them, and within its bounds.
fn properties(delivery: &Delivery) -> Option<Table<'_>> {
    let of = &delivery.properties;
    let texts = [
        ("content_type", of.content_type()),
        ("content_encoding", of.content_encoding()),
        ("correlation_id", of.correlation_id()),
        ("reply_to", of.reply_to()),
        ("expiration", of.expiration()),
        ("message_id", of.message_id()),
        ("type", of.kind()),
        ("user_id", of.user_id()),
        ("app_id", of.app_id()),
        ("cluster_id", of.cluster_id()),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some((name.as_bytes(), words(value.as_ref()?))));
    let octets = [("delivery_mode", of.delivery_mode()), ("priority", of.priority())];
    let octets = octets.into_iter().filter_map(|(name, value)| Some((name.as_bytes(), Field::Uint((*value)?.into()))));
    let headers = match of.headers() {
        Some(headers) => Some((&b"headers"[..], Field::Table(table(headers, DEPTH)?))),
        None => None,
    };
    let time = of.timestamp().map(|time| (&b"timestamp"[..], Field::Time(time)));
    Some(Table(texts.chain(octets).chain(headers).chain(time).collect()))
}

fn words(text: &ShortString) -> Field<'_> {
    Field::Text(text.as_str().as_bytes())
}

/// A table in which others lie no deeper than this.
fn table(table: &FieldTable, depth: usize) -> Option<Table<'_>> {
    let pairs = table.inner().iter().map(|(name, value)| Some((name.as_str().as_bytes(), field(value, depth)?)));
    pairs.collect::<Option<_>>().map(Table)
}

fn field(value: &AMQPValue, depth: usize) -> Option<Field<'_>> {
    Some(match value {
        AMQPValue::Boolean(b) => Field::Bool(*b),
        AMQPValue::ShortShortInt(n) => Field::Int((*n).into()),
        AMQPValue::ShortShortUInt(n) => Field::Uint((*n).into()),
        AMQPValue::ShortInt(n) => Field::Int((*n).into()),
        AMQPValue::ShortUInt(n) => Field::Uint((*n).into()),
        AMQPValue::LongInt(n) => Field::Int((*n).into()),
        AMQPValue::LongUInt(n) => Field::Uint((*n).into()),
        AMQPValue::LongLongInt(n) => Field::Int(*n),
        AMQPValue::Float(n) => Field::Float(*n),
        AMQPValue::Double(n) => Field::Double(*n),
        AMQPValue::DecimalValue(n) => Field::Decimal(n.value.cast_signed(), n.scale),
        AMQPValue::ShortString(text) => Field::Text(text.as_str().as_bytes()),
        AMQPValue::LongString(text) => Field::Text(text.as_bytes()),
        AMQPValue::FieldArray(items) => {
            let depth = depth.checked_sub(1)?;
            Field::List(items.as_slice().iter().map(|item| field(item, depth)).collect::<Option<_>>()?)
        }
        AMQPValue::Timestamp(seconds) => Field::Time(*seconds),
        AMQPValue::FieldTable(inner) => Field::Table(table(inner, depth.checked_sub(1)?)?),
        AMQPValue::ByteArray(bytes) => Field::Bytes(bytes.as_slice()),
        AMQPValue::Void => Field::Void,
    })
}

fn text<'a>(table: &'a FieldTable, name: &str) -> Option<&'a str> {
    match table.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

fn first<'a>(table: &'a FieldTable, name: &str) -> Option<&'a str> {
    match table.inner().get(name)? {
        AMQPValue::FieldArray(items) => match items.as_slice().first()? {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
            _ => None,
        },
        _ => None,
    }
}
