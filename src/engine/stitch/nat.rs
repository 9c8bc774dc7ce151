//! Connections that are one, captured on both sides of a kernel's address translation: a published port (DNAT), a container that calls out
//! (masquerade), or both at once. The kernel changes addresses and keeps sequence numbers, so that one SYN is there twice before anything
//! is said. A proxy connects onwards because of what it was asked, and by a number of its own.
//!
//! ```text
//!  SYN ─> openings, by initial sequence number ─> the same number and port, of other ends, at once: two sides of one connection
//!  a flow opens ─> the same key on the other side: what was seen first is its first leg ─> complete: still the same?
//! ```

use super::super::conns::Conns;
use super::super::cost::{Charge, heap};
use super::super::facts::Facts;
use super::super::store::{Slot, Store};
use super::super::tally::Sources;
use super::super::{between, look_at};
use super::{Engine, Stitch};
use crate::model::{ConnId, ConnMeta, Detail, Dir, FlowId, FlowRef, Key, Legs, Row, State};
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::num::NonZeroU32;

/// How far apart the two sides may show the same packet.
const WITHIN: Span = Span::from_millis(5);
/// How many places there are for the last openings: far more than there are in the time that a kernel takes.
const OPENINGS: u32 = 1 << 10;
/// How many connections are remembered to be a side of another one, and how many of the last flows of each.
const MAX_SIDES: usize = 1 << 13;
const MAX_FLOWS: usize = 16;
/// How many of the last flows of all connections are: one interface may show all that was said before another one shows the SYN.
const RECENT: usize = 1 << 10;

/// A connection's SYN.
#[derive(Clone, Copy, Debug)]
struct Opening {
    isn: NonZeroU32,
    port: u16,
    /// Whether the number came again otherwise: whoever makes such numbers gives them to several connections.
    common: bool,
    conn: ConnId,
    time: Time,
}

/// A connection that is a side of another one.
#[derive(Debug, Default)]
struct Side {
    /// The one that opened before it, and the one that opened behind it.
    others: [Option<ConnId>; 2],
    /// Its last flows.
    flows: VecDeque<Begun>,
}

/// A flow that has begun, and when.
type Begun = (Key, FlowId, Time);

/// What is known of translation.
#[derive(Debug, Default)]
pub(super) struct Nat {
    /// The last openings, each at the place of its number.
    openings: Vec<Option<Opening>>,
    sides: HashMap<ConnId, Side>,
    /// The oldest first.
    order: VecDeque<ConnId>,
    recent: VecDeque<(ConnId, Begun)>,
}

impl Nat {
    /// A connection began. `look` tells of an earlier one that has other ends, and on which nothing had been said by then, whether anything
    /// was shown of it since.
    fn began(&mut self, meta: &ConnMeta, look: impl FnOnce(ConnId) -> Option<bool>) {
        let Some(isn) = meta.isn else { return };
        self.openings.resize(OPENINGS as usize, None);
        let Some(place) = self.openings.get_mut((isn.get().wrapping_mul(0x9e37_79b9) / (u32::MAX / OPENINGS + 1)) as usize)
        else {
            return;
        };
        let (port, time) = (meta.client.port(), meta.first.time);
        let Some(before) = place.replace(Opening { isn, port, common: false, conn: meta.id, time }) else { return };
        if before.isn != isn {
            return;
        }
        let fits = !before.common && before.port == port && near(before.time, time);
        if let Some(shown) = fits.then(|| look(before.conn)).flatten() {
            self.side(before.conn, shown).others[1] = Some(meta.id);
            self.side(meta.id, false).others[0] = Some(before.conn);
        } else {
            place.iter_mut().for_each(|opening| opening.common = true);
            self.part(before.conn);
        }
    }

    /// A connection that is a side now, of which flows may have been `shown` before.
    fn side(&mut self, conn: ConnId, shown: bool) -> &mut Side {
        if !self.sides.contains_key(&conn) {
            self.order.push_back(conn);
            if self.order.len() > MAX_SIDES
                && let Some(oldest) = self.order.pop_front()
            {
                self.sides.remove(&oldest);
            }
        }
        let recent = || self.recent.iter().filter(|(of, _)| *of == conn).map(|(_, begun)| *begun).collect();
        let flows = || if shown { recent() } else { VecDeque::new() };
        self.sides.entry(conn).or_insert_with(|| Side { flows: flows(), ..Side::default() })
    }

    /// A connection is no side of any other.
    fn part(&mut self, conn: ConnId) {
        let Some(side) = self.sides.get_mut(&conn) else { return };
        for other in std::mem::take(&mut side.others).into_iter().flatten() {
            if let Some(side) = self.sides.get_mut(&other) {
                side.others.iter_mut().for_each(|other| _ = other.take_if(|other| *other == conn));
            }
        }
    }

    /// A flow begins: the same flow on another side, with its first byte, where it was seen there.
    fn opened(&mut self, conn: ConnId, key: Key, flow: FlowId, time: Time) -> Option<(FlowId, Time)> {
        self.recent.push_back((conn, (key, flow, time)));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let side = self.sides.get_mut(&conn)?;
        side.flows.push_back((key, flow, time));
        while side.flows.len() > MAX_FLOWS {
            side.flows.pop_front();
        }
        let others = side.others.into_iter().flatten().filter_map(|other| self.sides.get(&other));
        let mut same = others.filter_map(|side| side.flows.iter().rev().find(|(of, ..)| *of == key));
        same.find(|(.., at)| near(*at, time)).map(|(_, flow, at)| (*flow, *at))
    }
}

impl Stitch {
    /// Whether a complete flow may still be seen on another side of its connection.
    pub(in crate::engine) fn awaits_leg(&self, row: &Row, now: Time) -> bool {
        self.nat.sides.contains_key(&row.conn) && now <= row.time.after(WITHIN)
    }
}

impl Engine {
    /// A connection has begun.
    pub(in crate::engine) fn stitch_began(&mut self, meta: &ConnMeta) {
        let Self { stitch, conns, store, facts, .. } = self;
        stitch.nat.began(meta, |conn| {
            let before = conns.get(conn)?;
            let first = before.flows().map(|(first, _)| first);
            let said = first.is_some_and(|first| store.get(first).is_none_or(|slot| slot.row.time <= meta.first.time));
            let ends = [before.client, before.server].map(|end| facts.addr(end));
            (!said && ends != [meta.client, meta.server].map(Some)).then_some(first.is_some())
        });
    }

    /// A flow has begun: where the same one was seen on another side of its connection, the two are its legs.
    pub(super) fn pair_legs(&mut self, flow: FlowId, key: Key) {
        let Some(Slot { row, .. }) = self.store.get(flow) else { return };
        let time = row.time;
        let Some((other, at)) = self.stitch.nat.opened(row.conn, key, flow, time) else { return };
        let (first, second) = if time < at { (flow, other) } else { (other, flow) };
        let open = |flow| self.store.get(flow).is_some_and(|slot| slot.row.state != State::Settled && slot.detail.is_some());
        if open(first) && open(second) {
            self.set_leg(first, second, true);
        }
    }

    /// A flow is complete that was taken for a leg of another one: it is none where it says anything else, nor are the connections one.
    pub(super) fn prove_leg(&mut self, id: FlowId) {
        let Some((one, detail)) = self.store.get(id).and_then(|slot| Some((slot, slot.detail.as_ref()?))) else { return };
        let (first, second) = (detail.first_leg().map(|first| (first, id)), detail.second_leg().map(|second| (id, second)));
        let unlike = |other| self.store.get(other).is_some_and(|other| !alike(one, other));
        let wrong = |pair: &(FlowId, FlowId)| unlike(if pair.0 == id { pair.1 } else { pair.0 });
        let (wrong, conn) = ([first, second].map(|pair| pair.filter(wrong)), one.row.conn);
        for (first, second) in wrong.into_iter().flatten() {
            self.stitch.nat.part(conn);
            self.set_leg(first, second, false);
        }
    }

    /// Whether two flows are one, which was `first` where it was seen first.
    pub(super) fn set_leg(&mut self, first: FlowId, second: FlowId, is: bool) {
        let Some(before) = self.store.get(first) else { return };
        let legs = before.detail.as_ref().and_then(|detail| detail.legs.as_ref()?.first);
        let origin = legs.map_or(before.row.conn, |(_, origin)| origin);
        self.change(second, |_, detail| with_legs(detail, |legs| legs.first = is.then_some((first, origin))));
        self.change(first, |_, detail| with_legs(detail, |legs| legs.second = is.then_some(second)));
        self.traces.leg(first, second, is);
    }
}

fn with_legs(detail: &mut Detail, change: impl FnOnce(&mut Legs)) -> Charge {
    let before = detail.legs.as_ref().map_or(heap(size_of::<Legs>()), |_| 0);
    change(detail.legs.get_or_insert_default());
    Charge { kept: before as isize, bodies: 0 }
}

/// Whether two flows say the same, as far as it could be seen and is still there; one that is open may say more yet.
pub(super) fn alike(one: &Slot, other: &Slot) -> bool {
    let (Some(a), Some(b)) = (&one.detail, &other.detail) else { return true };
    let open = one.row.state == State::Open || other.row.state == State::Open;
    let said = match (&a.request, &b.request) {
        (Some(one), Some(other)) => {
            let begun = || one.body.kept.starts_with(&other.body.kept) || other.body.kept.starts_with(&one.body.kept);
            let body = a.bodies_evicted || b.bodies_evicted || begun();
            one.headers == other.headers && body && (open || one.body.bytes == other.body.bytes)
        }
        (one, other) => open || one.is_some() == other.is_some(),
    };
    let same = said && one.row.protocol == other.row.protocol && one.row.operation == other.row.operation;
    same || one.noted || other.noted
}

/// A flow once for all of its legs: the last of them, between who sent and who received it. None of the others.
pub(in crate::engine) fn whole<'e>(
    id: FlowId,
    store: &'e Store,
    conns: &Conns,
    facts: &'e mut Facts,
    sources: &'e mut Sources,
) -> Option<FlowRef<'e>> {
    let slot = store.get(id)?;
    let Some(legs) = slot.detail.as_ref().and_then(|detail| detail.legs.as_ref()) else {
        return look_at(id, store, conns, facts, sources);
    };
    let own = conns.at(slot.row.place).filter(|_| legs.second.is_none())?;
    let first = legs.first.and_then(|(_, conn)| conns.at(conns.place(conn)?)).unwrap_or(own);
    let (sender, receiver) = if slot.row.dir == Dir::ToServer { (first, own) } else { (own, first) };
    Some(between(slot, own.number, (sender.client, receiver.server), facts, sources))
}

fn near(a: Time, b: Time) -> bool {
    a.since(b).max(b.since(a)) <= WITHIN
}

#[cfg(test)]
mod tests;
