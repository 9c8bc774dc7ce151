//! Statements, commands and messages that something passes on which reads nothing of them: docker-proxy, a pooler, another relay of bytes.
//! A store asks nobody for anything, so that a query is because of another one only where it is that very query, sent on at once. A message
//! that is sent on so is one: what became of it is told by its last leg.

use super::super::store::{Slot, Store};
use super::super::traces::{Hop, everybodys, name};
use super::super::{Engine, look_at};
use super::nat::alike;
use super::place::Place;
use super::{begun, payload};
use crate::model::{Detail, FlowId, Link, Party, Pattern, Row, State, Value};
use crate::time::Span;
use std::sync::Arc;

/// How soon a relay passes on what it was sent.
const WITHIN: Span = Span::from_millis(5);
/// How many flows may begin meanwhile.
const BETWEEN: u64 = 32;
/// The fields that say what a query asks.
const ASKED: [&str; 3] = ["sql", "postgresql.parameters", "redis.args"];

/// The fields that say what a message is, and how it was numbered.
const MESSAGE: [&str; 7] = [
    "amqp.channel",
    "amqp.exchange",
    "amqp.routing_key",
    "amqp.queue",
    "amqp.delivery_tag",
    "amqp.redelivered",
    "amqp.properties",
];

impl Engine {
    /// A message was sent: where it is one that was just sent elsewhere, to the letter, to who may have sent it on, the two are its legs.
    pub(super) fn pair_relayed(&mut self, id: FlowId) {
        let Self { store, conns, facts, sources, .. } = self;
        let Some(slot) = store.get(id).filter(|slot| matches!(slot.row.pattern, Pattern::Publish | Pattern::Deliver)) else {
            return;
        };
        let row = &slot.row;
        let Some(detail) = slot.detail.as_ref().filter(|detail| detail.legs.is_none()) else { return };
        let last = row.last().unwrap_or(row.time);
        let sent_on = |up: &Slot| {
            let open = up.row.duration.is_none_or(|span| up.row.time.after(span) >= last) && up.row.state != State::Settled;
            let same = up.row.pattern == row.pattern && up.row.conn != row.conn && up.row.operation == row.operation;
            let says =
                |up: &Arc<Detail>| up.legs.is_none() && MESSAGE.iter().all(|name| up.fields.get(name) == detail.fields.get(name));
            open && same && up.detail.as_ref().is_some_and(says) && alike(up, slot)
        };
        let up: Vec<_> = just_before(row, store).filter(|up| sent_on(up)).map(|up| up.row.id).collect();
        if up.is_empty() {
            return;
        }
        let mut hop = |flow| look_at(flow, store, conns, facts, sources).map(begun);
        let Some(child) = hop(id).filter(|child| knows_sender(child) || !payload::values(row, detail).is_empty()) else { return };
        let relays = |up: &FlowId| hop(*up).is_some_and(|up| up.from.addr != child.from.addr && may_relay(&up.to, &child));
        let up: Vec<_> = up.into_iter().filter(relays).collect();
        if let [first] = up[..] {
            self.set_leg(first, id, true);
            if let Some(detail) = self.store.get(first).and_then(|slot| slot.detail.as_deref()) {
                self.stitch.messages.forget(detail, first);
            }
        }
    }
}

/// The flows that began just before one, the last first.
fn just_before<'s>(row: &Row, store: &'s Store) -> impl Iterator<Item = &'s Slot> {
    let (since, until) = (row.time.before(WITHIN), row.time);
    let before = (row.id.0.saturating_sub(BETWEEN)..row.id.0).rev().filter_map(|id| store.get(FlowId(id)));
    before.take_while(move |slot| slot.row.time >= since).filter(move |slot| slot.row.time <= until)
}

/// What becomes of a query that was just sent to another store, to the letter, and is not answered: none where there is none.
pub(super) fn relayed(child: &Hop, store: &Store, mut begun: impl FnMut(FlowId) -> Option<Hop>) -> Option<Place> {
    let Slot { row, detail, .. } = store.get(child.flow)?;
    let detail = detail.as_deref().filter(|detail| row.pattern == Pattern::Query && asks(detail) != ([None; 3], &[]))?;
    let alike = just_before(row, store).filter(|slot| {
        let up = &slot.row;
        let open = up.duration.is_none_or(|span| up.time.after(span) >= child.last);
        let same = up.protocol == row.protocol && up.conn != row.conn && up.operation == row.operation;
        open && same && slot.detail.as_deref().is_some_and(|up| up.second_leg().is_none() && asks(up) == asks(detail))
    });
    let mut hops: Vec<_> = alike.filter_map(|slot| begun(slot.row.id)).filter(|up| may_relay(&up.to, child)).collect();
    let up = hops.pop()?;
    if !hops.is_empty() {
        return Some(Place::doubt(hops.iter().chain([&up]).map(|hop| hop.flow)));
    }
    let shown = !payload::values(row, detail).is_empty();
    let link = if shown { Some(Link::PayloadId) } else { knows_sender(child).then_some(Link::SoleInFlight) };
    Some(link.map_or_else(Place::default, |link| Place::of(&Arc::new(up), link)))
}

/// What a query asks, in its fields or its body.
fn asks(detail: &Detail) -> ([Option<&Value>; 3], &[u8]) {
    let body = detail.request.as_ref().map_or(&[][..], |half| &half.body.kept);
    (ASKED.map(|name| detail.fields.get(name)), body)
}

/// Whether it is known who sent it, by name or as one of a host.
fn knows_sender(child: &Hop) -> bool {
    name(&child.from).is_some() || !everybodys(child.from.host())
}

/// Whether who received a query or a message may have sent that one, as far as names and addresses tell.
fn may_relay(relay: &Party, child: &Hop) -> bool {
    relay.addr != child.to.addr
        && match (name(relay), name(&child.from)) {
            (Some(relay), Some(from)) => relay == from,
            _ => relay.host() == child.from.host(),
        }
}
