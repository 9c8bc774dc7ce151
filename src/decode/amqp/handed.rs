//! A message that a tap was handed whole, told as the wire's analyzer tells it and by the same functions. Not where it came from: that is
//! the tap's.

use super::content::BAD_PROPERTIES;
use super::field::{Field, Table};
use super::{PROTOCOL, message};
use crate::decode::{Cx, Limits, Sink, detect};
use crate::model::{ConnMeta, Dir, Event, Fields, Head, Issue, Part, Pattern, Stamp, Totals, text_of};

/// What comes to an exchange of dead letters is the broker's publish; not where a client sends on what it got of those.
const DEAD_LETTER: Issue = Issue::remark("dead-lettered before: the broker may have published it, not a client");

/// A message.
#[derive(Debug)]
pub struct Handed<'a> {
    /// Whether the broker delivers it to a consumer of this queue; else a client has published it.
    pub queue: Option<&'a [u8]>,
    /// Where it was published; empty: the default exchange.
    pub exchange: &'a [u8],
    /// With which key.
    pub routing_key: &'a [u8],
    /// Its properties; none where they lie too deep in one another.
    pub properties: Option<Table<'a>>,
    /// Its body.
    pub body: &'a [u8],
    /// What else the broker told of it.
    pub fields: Fields,
}

/// The events of the flow that a message is: flow `key` of a session. What becomes of it, and how long
/// that took, nobody tells a tap: it has neither status nor duration.
pub fn tell(events: &mut Vec<Event>, session: &ConnMeta, key: u64, at: Stamp, handed: Handed<'_>, limits: &Limits) {
    let decode_as = detect::DecodeAs::default();
    let (totals, streams, held) = (&mut Totals::default(), &mut 1, &mut 0);
    let mut sink = Sink {
        events,
        totals,
        streams,
        held,
        crowded: false,
        memory: usize::MAX,
        meta: session,
        at,
        limits,
        decode_as: &decode_as,
    };
    let cx = &mut Cx { sink: &mut sink, meta: session, turned: false, stream: 0, nest: &mut None };
    let Handed { queue, exchange, routing_key, properties, body, fields } = handed;
    let mut routed = message::routed(exchange, routing_key);
    let (pattern, operation, dir) = match queue {
        None => (Pattern::Publish, message::published(exchange, routing_key), Dir::ToServer),
        Some(queue) => {
            let queue = text_of(queue);
            routed.set("amqp.queue", &*queue);
            (Pattern::Deliver, message::named("deliver", &queue), Dir::ToClient)
        }
    };
    routed.merge(fields);
    cx.open(key, PROTOCOL.name, pattern, operation, dir, at);
    cx.fields(key, routed);
    let headers = properties.as_ref().map(|properties| properties.get(message::HEADERS));
    match headers {
        None => cx.note(key, BAD_PROPERTIES),
        Some(Some(Field::Table(headers))) if queue.is_none() && headers.get(message::DEATHS).is_some() => {
            cx.note(key, DEAD_LETTER)
        }
        Some(_) => {}
    }
    let told = message::told(&message::in_order(properties.unwrap_or_default()));
    let room = limits.keep(!told.hint.encodings.is_empty());
    cx.trace(key, &told.carried);
    cx.fields(key, told.fields);
    cx.part(key, Part::Head(Box::new(Head { dir, first: at, headers: told.headers, head_bytes: 0, hint: told.hint })));
    cx.body(key, dir, body.get(..room).unwrap_or(body));
    cx.part(key, Part::BodyEnd { dir, bytes: body.len() as u64, whole: true });
    cx.close(key, None, true, None);
}
