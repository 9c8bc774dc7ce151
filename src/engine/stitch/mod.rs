//! What caused a flow that no ID of its own ties to another one: found when it settles, by the strongest evidence that holds.
//!
//! ```text
//!  opened ─> begun ─(when a flow settles, up to that flow)─> works: who is at work on what; messages: what was published
//!  a flow settles, first of its trace or without one ─> place ─> the same message > a shared request ID > a value that both
//!      carry > the only one that its sender was at work on > nesting in time;  several as likely: none, and which they are
//! ```
//! What was seen twice on its way, before and behind something that passes it on as it is, has legs: the second is because of the first,
//! and what its receiver does is because of the last. Flows are looked at in the order in which they opened, and no sooner than somebody
//! needs it, so that their ends have their names. Without names time alone tells, and which connection it was: who opened it for this was
//! asked before ([`dials`]). What a service also sends while it is at work on nothing (polling, a timer's work) is tied by no circumstance,
//! only by what it carries. Of several requests that it is at work on those drop out that cannot be it, as others of their kind tell
//! ([`once`]): what is left alone then is tied by time.

mod accepted;
mod carriers;
mod constants;
mod dials;
mod habits;
mod hidden;
mod hosts;
mod kinds;
mod messages;
mod nat;
mod once;
mod pairs;
mod payload;
mod place;
mod placing;
mod relays;
mod replies;
mod senders;
mod waiting;
mod work;
mod works;

use super::Engine;
use super::cost::Charge;
use super::traces::{Hop, Trace, begun, everybodys, name, settled, sort};
use crate::model::{FlowId, FlowRef, Key, Link, Pattern, State, TraceNo};
use carriers::Carriers;
use constants::Constants;
use habits::Habits;
use hidden::{Veil, is_veiled};
use kinds::{asked_for, causes, placeable, values};
use messages::Messages;
use nat::Nat;
pub(super) use nat::whole;
use once::Once;
use pairs::Pairs;
pub(super) use place::Manner;
use place::{Cause, Place};
use replies::Replies;
use senders::Senders;
use std::collections::VecDeque;
use works::Works;

/// How many flows wait for one to settle: beyond it half of them are taken at once, with the names that are known.
const MAX_BEGUN: usize = 1 << 16;

/// What is known of who was at work on what.
#[derive(Debug, Default)]
pub(super) struct Stitch {
    /// Flows that have begun and are not taken in.
    begun: VecDeque<FlowId>,
    /// How many of those, the first, are known to have their names.
    known: usize,
    works: Works,
    messages: Messages,
    replies: Replies,
    senders: Senders,
    carriers: Carriers,
    constants: Constants,
    once: Once,
    /// Which flow waits to be placed, and until which request is done.
    awaits: Option<(FlowId, FlowId)>,
    habits: Habits,
    pairs: Pairs,
    /// Told by whoever sees a connection.
    pub(super) veil: Veil,
    nat: Nat,
}

impl Stitch {
    /// Remembers as much as fits some bytes: works that are open and that are over, and messages, a third each.
    pub(super) fn new(limit: usize) -> Self {
        let works = Works::new(limit / 3 / works::WORK_COST);
        let messages = Messages::new(limit / 3 / messages::MESSAGE_COST);
        Self { works, messages, ..Self::default() }
    }

    /// Whether all flows that have begun up to one, and are not taken in, are known. What is known stays so.
    pub(super) fn all_before(&mut self, until: FlowId, is_known: impl Fn(FlowId) -> bool) -> bool {
        let more = self.begun.range(self.known.min(self.begun.len())..);
        for flow in more.take_while(|flow| **flow <= until) {
            if !is_known(*flow) {
                return false;
            }
            self.known += 1;
        }
        true
    }
}

impl Engine {
    /// A flow has begun.
    pub(super) fn stitch_opened(&mut self, flow: FlowId, key: Key) {
        self.pair_legs(flow, key);
        self.stitch.begun.push_back(flow);
        if self.stitch.begun.len() > MAX_BEGUN
            && let Some(&half) = self.stitch.begun.get(MAX_BEGUN / 2)
        {
            self.stitch_up_to(half);
        }
    }

    /// A flow is complete.
    pub(super) fn stitch_closed(&mut self, id: FlowId) {
        self.prove_leg(id);
        let Self { stitch, store, traces, now, .. } = self;
        if let Some(slot) = store.get(id) {
            let ask = |all| all || asked_for(&slot.row, store, traces);
            let Stitch { works, constants, .. } = stitch;
            let read = || values(&slot.row, slot.detail.as_deref());
            let values = |all| ask(all).then(|| constants.read(sort(&slot.row.operation), read()));
            works.ended(&slot.row, *now, values);
        }
    }

    /// A flow has settled: finds what caused it, where no ID tells. One that is part of no trace is `alone`: gives it back where it stays
    /// so.
    pub(super) fn stitch_settled(&mut self, id: FlowId, mut alone: Option<Hop>) -> Option<Hop> {
        let Self { stitch, store, traces, .. } = self;
        let slot = store.get(id)?;
        if slot.row.pattern == Pattern::Publish
            && stitch.begun.front().is_none_or(|next| *next > id)
            && let Some((hop, detail)) = alone.as_ref().or_else(|| traces.hop(id)).zip(slot.detail.as_deref())
        {
            stitch.messages.settled(detail, hop);
        }
        self.stitch_up_to(id);
        let Self { stitch, store, conns, facts, sources, traces, .. } = self;
        let slot = store.get(id)?;
        if stitch.replies.may_be(&slot.row)
            && let Some(flow) = super::look_at(id, store, conns, facts, sources).filter(|flow| stitch.replies.is_reply(*flow))
            && let Some(hop) = alone.as_mut().or_else(|| traces.hop_mut(id))
        {
            hop.answers(flow.row);
        }
        if let (Some(hop), Some(first)) = (&mut alone, slot.detail.as_ref().and_then(|detail| detail.first_leg())) {
            hop.extra_mut().first_leg = Some(first);
        }
        let strangers = dials::strangers(&slot.row, || alone.as_ref().or_else(|| traces.hop(id)), conns, &stitch.works);
        if !strangers.is_empty()
            && let Some(hop) = alone.as_mut().or_else(|| traces.hop_mut(id))
        {
            hop.extra_mut().strangers = strangers;
        }
        traces.compare(id);
        let anybody = |hop: &&Hop| name(&hop.from).is_none() && everybodys(hop.from.host());
        if stitch.veil.any()
            && let Some(hop) = traces.hop(id).filter(anybody)
            && let began = traces.of(id).and_then(|no| traces.get(no)).and_then(Trace::began)
            && is_veiled(stitch, conns, facts, hop, began)
        {
            traces.veil(id);
        }
        let trace = traces.of(id).filter(|_| alone.is_none()).and_then(|no| traces.get(no));
        if let Some(trace) = trace.filter(|trace| !trace.leaves_open(id)) {
            if slot.row.pattern == Pattern::Deliver
                && let Some(up) = stitch.messages.one_of_several(id).filter(|up| traces.of(*up) == traces.of(id))
            {
                traces.tie(id, None, (up, Link::MessageId), self.now);
            } else {
                let maybe = trace.in_doubt(id);
                self.doubt(id, maybe);
            }
            return alone;
        }
        let placeable = placeable(&slot.row);
        let mut manner = None;
        let place = placeable.then(|| self.place(id, alone.as_ref(), &mut manner)).flatten();
        let Place { parent, maybe, untold } = place.unwrap_or_default();
        // of a flow in no trace the findings are told that nothing has caused it
        if let Some((kind, manner)) =
            manner.filter(|(_, manner)| *manner != Manner::ByItself || alone.is_none() && parent.is_none())
        {
            self.findings.manner(kind, manner);
        }
        if let Some((up, link)) = parent {
            let carries = !matches!(link, Link::SoleInFlight | Link::Time);
            if let Some(hop) = alone.as_ref().or_else(|| self.traces.hop(id)).filter(|_| carries) {
                self.stitch.habits.known(hop);
            }
            return self.tied(id, alone, &up, link);
        }
        if untold && let Some(hop) = alone.as_mut().or_else(|| self.traces.hop_mut(id)) {
            hop.extra_mut().untold = true;
        }
        if let Some(hop) = alone.as_mut().filter(|_| !maybe.is_empty()) {
            hop.extra_mut().maybe.clone_from(&maybe);
        }
        let by_id = || self.traces.of(id).and_then(|no| self.traces.get(no)).map(|trace| trace.in_doubt(id));
        let maybe = if maybe.is_empty() { by_id().unwrap_or_default() } else { maybe };
        self.doubt(id, maybe);
        if let Some(hop) = alone.as_ref().or_else(|| self.traces.hop(id)) {
            self.findings.unclaimed(hop);
        }
        alone
    }

    /// A flow without an ID of the other's trace was caused by it. Gives it back where the other one is gone.
    fn tied(&mut self, id: FlowId, alone: Option<Hop>, up: &Cause, link: Link) -> Option<Hop> {
        if self.traces.of(up.flow).is_none() {
            let now = super::look_at(up.flow, &self.store, &self.conns, &mut self.facts, &mut self.sources);
            let settled = |now: FlowRef<'_>| if now.row.state == State::Settled { settled(now, true) } else { begun(now) };
            match now.map(settled).or_else(|| up.hop.as_deref().cloned()) {
                Some(hop) => self.traces.begin_with(hop),
                None => return alone,
            }
        }
        let trace = self.traces.tie(id, alone, (up.flow, link), self.now)?;
        let others = self.traces.get(trace).map(|trace| trace.told_by(up.flow)).unwrap_or_default();
        for other in others {
            self.traces.tie_doubted(other, up.flow, self.now);
            self.linked(trace, other, Link::Time);
        }
        self.linked(trace, id, link);
        None
    }

    /// A flow is one of a trace, as `link` tells.
    fn linked(&mut self, trace: TraceNo, id: FlowId, link: Link) {
        let Some((key, trace_id)) = self.traces.get(trace).and_then(Trace::known_by) else { return };
        let (key, trace_id) = (key.into(), trace_id.into());
        self.change(id, |row, detail| {
            row.link = Some(link);
            detail.candidates.clear();
            if row.trace_id.is_none() {
                (row.trace_id, detail.inferred) = (Some(key), Some(trace_id));
            }
            Charge::default()
        });
    }

    /// Takes in the flows that began up to one.
    fn stitch_up_to(&mut self, until: FlowId) {
        while let Some(id) = self.stitch.begun.pop_front_if(|flow| *flow <= until) {
            self.stitch.known = self.stitch.known.saturating_sub(1);
            self.pair_relayed(id);
            let Self { stitch, store, conns, facts, sources, traces, now, .. } = self;
            // what a first leg causes its last one does
            let Some(flow) = whole(id, store, conns, facts, sources) else { continue };
            stitch.once.opened(flow, &mut stitch.works, traces);
            if flow.row.pattern == Pattern::Publish {
                stitch.messages.published(flow);
                stitch.replies.published(flow);
                continue;
            }
            if flow.row.pattern == Pattern::Deliver
                && let Some(detail) = flow.detail.filter(|detail| detail.legs.is_none())
            {
                stitch.messages.delivered(id, flow.row.time, flow.via().unwrap_or_default(), detail);
            }
            if causes(flow.row) && !stitch.replies.is_reply(flow) {
                let Stitch { works, constants, .. } = stitch;
                let read = || constants.read(sort(&flow.row.operation), values(flow.row, flow.detail));
                let values = |all| (all || asked_for(flow.row, store, traces)).then(read);
                works.add(flow, *now, values);
            }
        }
    }
}

#[cfg(test)]
mod tests;
