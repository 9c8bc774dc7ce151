//! A message as the tap's connection hands it on, told as one from the wire: read by the same functions from the same bytes.

use super::amqp::frames;
use super::url::Url;
use crate::decode::amqp::field::{DEPTH, Field, Table, apart};
use crate::decode::amqp::handed::Handed;
use crate::decode::amqp::{message, method};
use crate::model::{Fields, text_of};
use lapin::message::Delivery;
use lapin::types::AMQPValue;
use std::net::SocketAddr;

/// What the keys of the trace exchange begin with (<https://www.rabbitmq.com/docs/firehose>).
const PUBLISH: &[u8] = b"publish.";
/// See [`PUBLISH`].
const DELIVER: &[u8] = b"deliver.";
/// The header that has other keys by which a message is routed (<https://www.rabbitmq.com/docs/sender-selected>).
const CC: &str = "CC";

pub use crate::decode::amqp::tap::QUEUE;

/// The bytes of a message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    method: &'a [u8],
    header: &'a [u8],
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Those of a delivery; none where they are not told, as they are too many.
    pub fn of(delivery: &'a Delivery) -> Option<Self> {
        let headers = delivery.properties.headers().as_ref()?.inner();
        let bytes = |name| match headers.get(name) {
            Some(AMQPValue::ByteArray(bytes)) => Some(bytes.as_slice()),
            _ => None,
        };
        Some(Self { method: bytes(frames::METHOD)?, header: bytes(frames::HEADER)?, body: &delivery.data })
    }

    /// How it was delivered.
    fn args(self) -> Table<'a> {
        method::read(self.method).and_then(|(_, args)| args).unwrap_or_default()
    }

    /// A message that came to a bound queue: a publish.
    pub fn bound(self) -> Handed<'a> {
        let args = self.args();
        Handed {
            queue: None,
            exchange: args.bytes("exchange"),
            routing_key: args.bytes("routing_key"),
            properties: message::read(self.header).map(|(_, properties)| properties),
            body: self.body,
            fields: Fields::default(),
        }
    }

    /// A message of the trace exchange: a publish, or a delivery, and between which client and server, where that is told. None where it
    /// is not wanted, or is neither.
    pub fn traced(self, url: &Url) -> Option<(Handed<'a>, Option<(SocketAddr, SocketAddr)>)> {
        let mut properties = Some(Table::default());
        // of one in the other, as on the wire: the properties are no table there
        let (_, told) = message::read_by(self.header, |bytes| {
            let (told, inner) = apart(bytes, b"properties", DEPTH + 1)?;
            properties = inner;
            Some(told)
        })?;
        let Some(Field::Table(told)) = told.get(message::HEADERS) else { return None };
        let Some(Field::Text(exchange)) = told.get("exchange_name") else { return None };
        let Some(Field::List(keys)) = told.get("routing_keys") else { return None };
        let name = self.args().bytes("routing_key");
        let queue = match name.strip_prefix(DELIVER) {
            Some(queue) => Some(queue),
            None => name.strip_prefix(PUBLISH).map(|_| None)?,
        };
        let keys: Vec<_> = keys.iter().filter_map(text).collect();
        let wanted = url.wants_exchange(&text_of(exchange)) && keys.iter().any(|key| url.wants_key(&text_of(key)));
        if !wanted || queue.is_some_and(|queue| queue.starts_with(QUEUE.as_bytes())) {
            return None;
        }
        let mut fields = Fields::default();
        if let Some(redelivered) = told.get("redelivered") {
            fields.set("amqp.redelivered", *redelivered != Field::Int(0));
        }
        for (name, header) in
            [("amqp.routed_queues", "routed_queues"), ("amqp.user", "user"), ("amqp.channel", "channel"), ("amqp.node", "node")]
        {
            if let Some(value) = told.get(header) {
                fields.set(name, value.value());
            }
        }
        let connection = told.text("connection");
        let between =
            connection.split_once(" -> ").and_then(|(client, server)| Some((client.parse().ok()?, server.parse().ok()?)));
        Some((Handed { queue, exchange, routing_key: keys.first()?, properties, body: self.body, fields }, between))
    }
}

/// Whether a message has one of some keys, beside its own: what it was published with as `CC` (`BCC` the broker keeps to itself).
pub fn is_for(handed: &Handed<'_>, url: &Url) -> bool {
    let headers = handed.properties.as_ref().and_then(|properties| properties.get(message::HEADERS));
    let also = match headers {
        Some(Field::Table(headers)) => headers.get(CC),
        _ => None,
    };
    let also = if let Some(Field::List(keys)) = also { keys.as_slice() } else { &[] };
    let keys = std::iter::once(handed.routing_key).chain(also.iter().filter_map(text));
    keys.into_iter().any(|key| url.wants_key(&text_of(key)))
}

fn text<'a>(field: &Field<'a>) -> Option<&'a [u8]> {
    if let Field::Text(text) = field { Some(text) } else { None }
}
