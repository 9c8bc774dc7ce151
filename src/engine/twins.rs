//! The same message from the wire and from a tap: one flow with two sources. Merged one to one, in order, within broker (`brokers`),
//! exchange, routing key and message ID (or a hash of properties and body) and [`WINDOW`]; two of the wire, or two of taps, are two
//! messages.
//!
//! What the wire tells is a flow at once, as it knows who and what became of it. What a tap tells waits for the wire's: it is a flow of its
//! own only where that does not come.

mod brokers;

use super::conns::Conn;
use super::cost::Charge;
use super::digest::{Digester, digester};
use super::{Engine, Record};
use crate::decode::amqp::message::{DEATHS, HIDDEN};
use crate::model::{Body, ConnId, Event, EventKind, Fields, FlowId, Part, Pattern, SourceSet, Value};
use crate::time::{Span, Time};
use brokers::{Brokers, Place};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// How far the two may be apart.
pub const WINDOW: Span = Span::from_secs(2);
/// How many messages wait for the other one at once; of more the oldest waits no longer.
const MAX_WAITING: usize = 1 << 16;
/// How many bytes of bodies wait with them; of more the oldest waits no longer.
const MAX_HELD: usize = 16 << 20;
/// How much of a body is compared, in bytes; its length always is.
const COMPARED: usize = 4096;

/// What two have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Same {
    delivered: bool,
    exchange: CompactString,
    routing_key: CompactString,
    id: Result<CompactString, u64>,
}

/// One that waits for the other.
#[derive(Debug)]
struct Waiting<T> {
    time: Time,
    came: Time,
    at: Place,
    /// Of a delivery, where it is known.
    queue: Option<CompactString>,
    what: T,
}

#[derive(Debug, Default)]
struct Pair {
    wires: VecDeque<Waiting<FlowId>>,
    taps: VecDeque<Waiting<Told>>,
}

/// A message as a tap told it.
#[derive(Debug)]
struct Told {
    sources: SourceSet,
    events: Vec<Event>,
    /// Bytes of its body.
    held: usize,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Twins {
    pairs: HashMap<Same, Pair>,
    /// Of each, in the order in which they came: when it came.
    taps: VecDeque<(Time, Same)>,
    /// The same of the wire's.
    wires: VecDeque<(Time, Same)>,
    /// Bytes of bodies that wait.
    held: usize,
    brokers: Brokers,
    /// The flow that a tap is telling.
    making: Vec<Event>,
}

impl Twins {
    /// What a tap told of waits for the wire's.
    fn hold(&mut self, same: Same, tap: Waiting<Told>) {
        self.held += tap.what.held;
        self.taps.push_back((tap.came, same.clone()));
        self.pairs.entry(same).or_default().taps.push_back(tap);
    }

    /// What the wire told of waits for a tap's.
    fn show(&mut self, same: Same, wire: Waiting<FlowId>) {
        self.wires.push_back((wire.came, same.clone()));
        self.pairs.entry(same).or_default().wires.push_back(wire);
    }

    /// What taps told of before `until` waits no longer.
    fn give_up(&mut self, until: Time) -> Vec<(Same, Waiting<Told>)> {
        let mut over = Vec::new();
        let full = |twins: &Self| twins.taps.len() > MAX_WAITING || twins.held > MAX_HELD;
        while self.taps.front().is_some_and(|(came, _)| *came < until) || full(self) {
            let Some((came, same)) = self.taps.pop_front() else { break };
            let Some(pair) = self.pairs.get_mut(&same) else { continue };
            if let Some(tap) = pair.taps.pop_front_if(|tap| tap.came <= came) {
                self.held -= tap.what.held;
                over.push((same.clone(), tap));
            }
            self.forget_empty(&same);
        }
        over
    }

    /// What the wire told of before `until` waits no longer, where it waited for as long again: what taps told of late is looked at once
    /// more before that.
    fn forget(&mut self, until: Time) {
        let until = Time::from_nanos(until.nanos().saturating_sub(WINDOW.nanos() as i64));
        while self.wires.front().is_some_and(|(came, _)| *came < until) || self.wires.len() > MAX_WAITING {
            let Some((came, same)) = self.wires.pop_front() else { break };
            self.pairs.get_mut(&same).and_then(|pair| pair.wires.pop_front_if(|wire| wire.came <= came));
            self.forget_empty(&same);
        }
    }

    fn forget_empty(&mut self, same: &Same) {
        if self.pairs.get(same).is_some_and(|pair| pair.wires.is_empty() && pair.taps.is_empty()) {
            self.pairs.remove(same);
        }
    }
}

impl Engine {
    /// Keeps back what a tap tells of a message. Returns what is to be taken in now.
    pub(super) fn keep_back(&mut self, event: Event, out: &mut dyn FnMut(Record)) -> Option<Event> {
        self.let_go(Time::from_nanos(self.now.nanos().saturating_sub(WINDOW.nanos() as i64)), out);
        if !event.conn.is_session() {
            return Some(event);
        }
        match event.kind {
            EventKind::Open(..) => self.twins.making = vec![event],
            EventKind::Part(..) | EventKind::Note(Some(_), _) => self.twins.making.push(event),
            EventKind::Close(..) => {
                let conn = event.conn;
                self.twins.making.push(event);
                let events = std::mem::take(&mut self.twins.making);
                self.tap_told(conn, events, out);
            }
            EventKind::Ended(_) => {
                self.let_go(Time::from_nanos(i64::MAX), out);
                return Some(event);
            }
            _ => return Some(event),
        }
        None
    }

    /// What taps told before `until`, and the wire did not, becomes flows.
    pub(super) fn let_go(&mut self, until: Time, out: &mut dyn FnMut(Record)) {
        for (same, tap) in self.twins.give_up(until) {
            match self.find_late(&same, &tap) {
                Some(flow) => self.seen_too(flow, tap.what.sources),
                None => tap.what.events.into_iter().for_each(|event| self.apply(event, out)),
            }
        }
        self.twins.forget(until);
    }

    /// The wire's, now that more may be known of who accepts connections.
    fn find_late(&mut self, same: &Same, tap: &Waiting<Told>) -> Option<FlowId> {
        let conn = tap.what.events.first()?.conn;
        let mut wires = std::mem::take(&mut self.twins.pairs.get_mut(same)?.wires);
        for wire in &mut wires {
            let conn = self.store.get(wire.what).map(|slot| slot.row.conn);
            wire.at = conn.and_then(|conn| self.broker(conn)).unwrap_or_else(|| wire.at.clone());
            self.twins.brokers.seen(&wire.at);
        }
        let at = self.broker(conn).unwrap_or_else(|| tap.at.clone());
        let Twins { pairs, brokers, .. } = &mut self.twins;
        brokers.tapped(&at);
        let found = take(&mut wires, tap.time, tap.queue.as_deref(), |wire| brokers.are_one(wire, &at));
        pairs.get_mut(same)?.wires = wires;
        self.twins.forget_empty(same);
        found
    }

    /// A tap has told all of a message.
    fn tap_told(&mut self, conn: ConnId, events: Vec<Event>, out: &mut dyn FnMut(Record)) {
        let (mut fields, mut body, mut delivered, mut time) = (Fields::default(), Body::default(), false, self.now);
        for event in &events {
            match &event.kind {
                EventKind::Open(_, opened) => (delivered, time) = (opened.pattern == Pattern::Deliver, opened.first.time),
                EventKind::Part(_, Part::Fields(more)) => _ = fields.merge(more.clone()),
                EventKind::Part(_, Part::Body(_, bytes)) => body.kept.extend(bytes),
                EventKind::Part(_, Part::BodyEnd { bytes, .. }) => body.bytes = *bytes,
                _ => {}
            }
        }
        let sources = self.conns.get(conn).map(|conn| conn.sources).unwrap_or_default();
        let (broker, same) = (self.broker(conn), same(delivered, &fields, &body));
        let (Some(at), Some((same, queue))) = (broker, same) else {
            return events.into_iter().for_each(|event| self.apply(event, out));
        };
        let Twins { pairs, brokers, .. } = &mut self.twins;
        brokers.tapped(&at);
        let is = |wire: &Place| brokers.are_one(wire, &at);
        match pairs.get_mut(&same).and_then(|pair| take(&mut pair.wires, time, queue.as_deref(), is)) {
            Some(flow) => self.seen_too(flow, sources),
            None => {
                let (came, held) = (self.now.max(time), body.kept.len());
                self.twins.hold(same, Waiting { time, came, at, queue, what: Told { sources, events, held } });
            }
        }
    }

    /// The wire has told all of a message.
    pub(super) fn wire_told(&mut self, flow: FlowId) {
        let Some(slot) = self.store.get(flow).filter(|slot| matches!(slot.row.pattern, Pattern::Publish | Pattern::Deliver))
        else {
            return;
        };
        let (conn, time, delivered) = (slot.row.conn, slot.row.time, slot.row.pattern == Pattern::Deliver);
        let Some(detail) = slot.detail.clone() else { return };
        let (Some(half), Some(at)) = (&detail.request, self.broker(conn)) else { return };
        let Some((same, queue)) = same(delivered, &detail.fields, &half.body) else { return };
        let Twins { pairs, brokers, .. } = &mut self.twins;
        brokers.seen(&at);
        let is = |tap: &Place| brokers.are_one(&at, tap);
        match pairs.get_mut(&same).and_then(|pair| take(&mut pair.taps, time, queue.as_deref(), is)) {
            Some(Told { sources, held, .. }) => {
                self.twins.held -= held;
                self.seen_too(flow, sources);
            }
            None => {
                let came = self.now.max(time);
                self.twins.show(same, Waiting { time, came, at, queue, what: flow });
            }
        }
    }

    fn seen_too(&mut self, flow: FlowId, sources: SourceSet) {
        self.change(flow, |row, _| {
            row.sources = SourceSet(row.sources.0 | sources.0);
            Charge::default()
        });
    }

    /// Where the broker of a connection is.
    fn broker(&mut self, conn: ConnId) -> Option<Place> {
        let Conn { client, server, .. } = *self.conns.get(conn)?;
        let addr = self.facts.addr(server)?;
        Some(Place::new(addr, self.facts.parties(client, server).1.owner.clone()))
    }
}

/// The first one that waits, within the window, at such a broker, and of the same queue as far as that is known.
fn take<T>(list: &mut VecDeque<Waiting<T>>, time: Time, queue: Option<&str>, is: impl Fn(&Place) -> bool) -> Option<T> {
    let near = |w: &Waiting<T>| time.since(w.time).max(w.time.since(time)) <= WINDOW;
    let fits = |w: &Waiting<T>| w.queue.as_deref().zip(queue).is_none_or(|(a, b)| a == b);
    let at = list.iter().position(|w| near(w) && fits(w) && is(&w.at))?;
    list.remove(at).map(|w| w.what)
}

/// Headers that a broker takes away from what was published, or adds: how often a quorum queue has handed it out, and where it was
/// dead-lettered (<https://www.rabbitmq.com/docs/dlx#effects>).
const ADDED: &[&str] = &[
    HIDDEN,
    "x-delivery-count",
    "x-acquired-count",
    DEATHS,
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];
const TIMESTAMP: &str = "timestamp";

/// By what a message is known, and its queue; none where it is none of a broker's exchanges.
fn same(delivered: bool, fields: &Fields, body: &Body) -> Option<(Same, Option<CompactString>)> {
    let field = |name| text(fields.get(name)).map(CompactString::from);
    let (exchange, routing_key) = (field("amqp.exchange")?, field("amqp.routing_key")?);
    let properties = fields.get("amqp.properties");
    let id = match entry(properties, "message_id") {
        Some(Value::Text(id)) if !id.is_empty() => Ok(id.clone()),
        _ => {
            let mut hasher = digester();
            properties.iter().for_each(|properties| digest(properties, &mut hasher));
            body.bytes.hash(&mut hasher);
            body.kept.get(..COMPARED).unwrap_or(&body.kept).hash(&mut hasher);
            Err(hasher.finish())
        }
    };
    Some((Same { delivered, exchange, routing_key, id }, field("amqp.queue").filter(|_| delivered)))
}

/// What a message is known by, from whichever side of which broker it is seen; none where it is none of a broker's exchanges.
pub(super) fn identity(fields: &Fields, body: &Body) -> Option<u64> {
    let (mut same, _) = same(false, fields, body)?;
    if let Some((exchange, key)) = published_to(fields) {
        (same.exchange, same.routing_key) = (exchange.into(), key.into());
    }
    let mut hasher = digester();
    same.hash(&mut hasher);
    Some(hasher.finish())
}

/// The exchange and key that a message was published with: before it was dead-lettered, as the oldest entry of that, the last, tells.
pub(super) fn published_to(fields: &Fields) -> Option<(&str, &str)> {
    let deaths = entry(entry(fields.get("amqp.properties"), "headers"), DEATHS);
    if let Some(Value::List(deaths)) = deaths
        && let Some(Value::List(keys)) = entry(deaths.last(), "routing-keys")
    {
        return Some((text(entry(deaths.last(), "exchange"))?, text(keys.first())?));
    }
    Some((text(fields.get("amqp.exchange"))?, text(fields.get("amqp.routing_key"))?))
}

/// The queues that a message was in before it was delivered as it is here: its own where the broker delivers it again, and those that it
/// was dead-lettered from.
pub(super) fn was_in(fields: &Fields) -> impl Iterator<Item = &str> {
    let again = fields.get("amqp.redelivered") == Some(&Value::Bool(true));
    let deaths = match entry(entry(fields.get("amqp.properties"), "headers"), DEATHS) {
        Some(Value::List(deaths)) => deaths.as_slice(),
        _ => &[],
    };
    let own = text(fields.get("amqp.queue")).filter(|_| again);
    own.into_iter().chain(deaths.iter().filter_map(|death| text(entry(Some(death), "queue"))))
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// A value of a map.
pub(super) fn entry<'v>(map: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    let Some(Value::Map(pairs)) = map else { return None };
    pairs.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
}

/// Whether the broker wrote it, not who published.
fn added(name: &str, value: &Value) -> bool {
    let all = |pairs: &[(CompactString, Value)]| pairs.iter().all(|(name, value)| added(name, value));
    ADDED.contains(&name) || matches!(value, Value::Map(pairs) if name == "headers" && all(pairs))
}

/// The same for any order of names, as a tap is handed them sorted, and whatever the broker adds.
pub(super) fn digest(value: &Value, hasher: &mut Digester) {
    match value {
        Value::Text(text) | Value::Secret(text) | Value::Number(text) => text.hash(hasher),
        Value::Int(n) => n.hash(hasher),
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(b) => b.hash(hasher),
        Value::List(items) => items.iter().for_each(|item| digest(item, hasher)),
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().filter(|(name, value)| !added(name, value)).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, value) in pairs {
                name.hash(hasher);
                match value {
                    // in its traces a broker gives the lower half of it alone
                    Value::Int(n) if name == TIMESTAMP => (*n as u32).hash(hasher),
                    value => digest(value, hasher),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
