//! A broker's message as detectors see it: what it is known by, and where it went. Not which flows are tied: that is `engine::stitch`'s.

use super::ledger::label;
use crate::engine::digest::digester;
use crate::engine::traces::{caller, whoever};
use crate::engine::twins;
use crate::model::{Detail, FlowRef, Pattern, Row, Value};
use crate::trace;
use compact_str::CompactString;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// Headers and properties that a client or a broker writes anew each time a message is passed on, as tracers do theirs.
const ANEW: &[&str] = &["timestamp", "x-delivery-count", "x-acquired-count"];
/// Headers by which a message is handed on otherwise than it was published: dead-lettered, delayed, read from a stream.
const OTHERWISE: &[&str] = &["x-death", "x-first-death-queue", "x-delay", "x-stream-offset", "CC", "BCC"];
/// How much of a body is compared: as much as anybody does.
const COMPARED: usize = 4096;

/// A message that was published or delivered.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Stands for its route and its ID, else all that it is.
    pub(super) id: u64,
    /// Stands for all that it is, its ID too.
    pub(super) whole: u64,
    /// Whether it carries an ID of its own, so that two of the same are one twice. How that reads.
    pub(super) named: Option<CompactString>,
    /// Stands for its route on its broker.
    pub(super) route: u64,
    /// The same for people: `exchange shop, key order.placed`.
    pub(super) way: CompactString,
    /// Where it was delivered from; none where that was not seen.
    pub(super) queue: Option<CompactString>,
    /// Whether the broker says that it was delivered before.
    pub(super) again: bool,
    /// Whether it may be handed on in another order, more than once, or never, as its headers say.
    pub(super) otherwise: bool,
    /// Which channel of which connection it went by: a broker keeps the order of those.
    pub(super) lane: (u64, i64),
    /// The client: who published it, or consumes it.
    pub(super) client: Arc<str>,
    /// The same, whatever port it has.
    pub(super) who: Arc<str>,
    /// Who took it in, or handed it out.
    pub(super) broker: Arc<str>,
}

impl Letter {
    /// Of a flow; none where it is no message, or its properties could not be seen.
    pub(super) fn of(flow: FlowRef<'_>) -> Option<Self> {
        let detail = flow.detail.filter(|_| matches!(flow.row.pattern, Pattern::Publish | Pattern::Deliver))?;
        let (exchange, key) = (text(detail, "amqp.exchange")?, text(detail, "amqp.routing_key")?);
        let body = &detail.request.as_ref()?.body;
        let mut route = digester();
        (&flow.server.addr, exchange, key).hash(&mut route);
        let properties = pairs(detail.fields.get("amqp.properties"));
        let headers = pairs(properties.iter().find(|(name, _)| &**name == "headers").map(|(_, value)| value));
        let mut whole = route.clone();
        let anew = |name: &str| name == "headers" || ANEW.contains(&name) || trace::writes(name);
        for (name, value) in properties.iter().chain(headers).filter(|(name, _)| !anew(name)) {
            let mut one = digester();
            name.hash(&mut one);
            twins::digest(value, &mut one);
            // in whichever order they come
            whole.write_u64(one.finish());
        }
        body.bytes.hash(&mut whole);
        body.kept.get(..COMPARED).unwrap_or(&body.kept).hash(&mut whole);
        let property = |wanted: &str| match properties.iter().find(|(name, _)| &**name == wanted) {
            Some((_, Value::Text(text))) if !text.is_empty() => Some(text),
            _ => None,
        };
        let id = property("message_id").map(|id| {
            let mut hasher = route.clone();
            id.hash(&mut hasher);
            hasher.finish()
        });
        let named = match (property("message_id"), property("correlation_id")) {
            (Some(id), _) => Some(format!("message {id}").into()),
            (None, Some(id)) if !body.kept.is_empty() => Some(format!("the message with correlation ID {id}").into()),
            _ => None,
        };
        let way = if exchange.is_empty() { format!("queue {key}") } else { format!("exchange {exchange}, key {key}") };
        let channel = match detail.fields.get("amqp.channel") {
            Some(Value::Int(n)) => *n,
            _ => 0,
        };
        let expires = property("expiration").is_some() || properties.iter().any(|(name, _)| &**name == "priority");
        Some(Self {
            id: id.unwrap_or(whole.finish()),
            whole: whole.finish(),
            named,
            route: route.finish(),
            way: way.into(),
            queue: text(detail, "amqp.queue").map(Into::into),
            again: detail.fields.get("amqp.redelivered") == Some(&Value::Bool(true)),
            otherwise: expires || headers.iter().any(|(name, _)| OTHERWISE.contains(&&**name)),
            lane: (flow.connection, channel),
            client: caller(flow.client),
            who: whoever(flow.client).into(),
            broker: label(flow.server),
        })
    }

    /// Its queue on its broker.
    pub(super) fn from(&self, flow: FlowRef<'_>) -> Option<String> {
        Some(format!("{} {}", flow.server.addr, self.queue.as_deref()?))
    }

    /// How it is called.
    pub(super) fn called(&self) -> &str {
        self.named.as_deref().unwrap_or("a message")
    }
}

/// What became of a message, for people.
pub(super) fn fate(row: &Row) -> &'static str {
    match row.status.as_deref() {
        Some("reject") => "rejected",
        Some("nack") => "nacked",
        Some("ack") => "acknowledged",
        _ => "not acknowledged",
    }
}

fn text<'d>(detail: &'d Detail, name: &str) -> Option<&'d str> {
    match detail.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn pairs(value: Option<&Value>) -> &[(CompactString, Value)] {
    match value {
        Some(Value::Map(pairs)) => pairs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{deliver, letter, publish};
    use super::*;

    #[test]
    fn a_message_is_known_by_its_id_else_by_all_of_it_and_never_by_what_is_written_anew() {
        let of = |text: &str| Letter::of(publish(1, text).as_ref()).unwrap();
        assert_eq!(of("id=m1 body=a").id, of("id=m1 body=b").id);
        assert_ne!(of("id=m1 body=a").whole, of("id=m1 body=b").whole);
        assert_eq!(of("body=a traceparent=1").id, of("body=a traceparent=2").id);
        assert_eq!(of("body=a sentry-trace=1 X-Datadog-Parent-Id=1").id, of("body=a sentry-trace=2 X-Datadog-Parent-Id=2").id);
        assert_ne!(of("body=a x-request-id=1").id, of("body=a x-request-id=2").id);
        assert_ne!(of("body=a retry=1").id, of("body=a retry=2").id);
        assert_ne!(of("key=a body=a").id, of("key=b body=a").id);
        assert_eq!(of("body=a").named, None);
        let delivered = letter(&deliver(2, "id=m1 queue=q again=1"));
        assert_eq!((delivered.id, delivered.again, delivered.queue.as_deref()), (of("id=m1").id, true, Some("q")));
    }
}
