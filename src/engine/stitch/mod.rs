//! What caused a flow that no ID of its own ties to another one: found when it settles, by the strongest evidence that holds.
//!
//! ```text
//!  opened ─> begun ─(when a flow settles, up to that flow)─> works: who is at work on what; messages: what was published
//!  a flow settles, first of its trace or without one ─> place ─> the same message > a shared request ID > a value that both
//!      carry > the only one that its sender was at work on > nesting in time;  several as likely: none, and which they are
//! ```
//! What was seen twice on its way, before and behind something that passes it on as it is, has legs: the second is because of the first, and
//! what its receiver does is because of the last.
//! Flows are looked at in the order in which they opened, and no sooner than somebody needs it, so that their ends have their names.
//! Without names time alone tells, and which connection it was: who opened it for this was asked before ([`dials`]).
//! What a service also sends while it is at work on nothing (polling, a timer's work) is tied by no circumstance, only by what it carries.

mod accepted;
mod dials;
mod habits;
mod hidden;
mod hosts;
mod kinds;
mod messages;
mod nat;
mod payload;
mod place;
mod relays;
mod replies;
mod senders;
mod work;
mod works;

use super::Engine;
use super::cost::Charge;
use super::findings::housekeeping;
use super::traces::{Hop, Mark, Trace, asked, begun, beside, everybodys, leg, name, settled, streams};
use crate::model::{FlowId, FlowRef, Key, Link, Pattern, State};
use crate::time::Span;
use habits::Habits;
use hidden::{Veil, is_veiled};
use kinds::{asked_for, causes, placeable, requests, values};
use messages::Messages;
use nat::Nat;
pub(super) use nat::whole;
pub(super) use place::Manner;
use place::{Cause, Place, chain, innermost, prefer, sharing};
use relays::relayed;
use replies::Replies;
use senders::{Senders, Sent};
use std::collections::VecDeque;
use std::sync::Arc;
use work::Work;
use works::{Sure, Works};

/// How many flows wait for one to settle: beyond it half of them are taken at once, with the names that are known.
const MAX_BEGUN: usize = 1 << 16;
/// What lasts for longer may be a stream of news, because of which nothing is done in between.
const STREAM: Span = Span::from_secs(1);
/// How long after it was answered a flow may still cause others that carry an ID of it.
const LATE: Span = Span::from_secs(5);

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
    habits: Habits,
    veil: Veil,
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
            let values = |all| ask(all).then(|| values(&slot.row, slot.detail.as_deref()));
            stitch.works.ended(&slot.row, *now, values);
        }
    }

    /// A flow has settled: finds what caused it, where no ID tells. One that is part of no trace is `alone`: gives it back where it stays so.
    pub(super) fn stitch_settled(&mut self, id: FlowId, mut alone: Option<Hop>) -> Option<Hop> {
        let Self { stitch, store, traces, .. } = self;
        let detail = |id| store.get(id).and_then(|slot| slot.detail.as_deref());
        if let Some(hop) = alone.as_ref().or_else(|| traces.hop(id)).filter(|hop| hop.pattern == Pattern::Publish)
            && stitch.begun.front().is_none_or(|next| *next > id)
            && let Some(detail) = detail(id)
        {
            stitch.messages.settled(detail, hop);
        }
        self.stitch_up_to(id);
        let Self { stitch, store, conns, facts, sources, traces, .. } = self;
        let slot = store.get(id)?;
        if let Some(flow) = super::look_at(id, store, conns, facts, sources).filter(|flow| stitch.replies.is_reply(*flow))
            && let Some(hop) = alone.as_mut().or_else(|| traces.hop_mut(id))
        {
            hop.answers(flow.row);
        }
        if let (Some(hop), Some(first)) = (&mut alone, slot.detail.as_ref().and_then(|detail| detail.first_leg())) {
            hop.extra_mut().first_leg = Some(first);
        }
        if let Some(hop) = alone.as_ref().or_else(|| traces.hop(id)) {
            let strangers = dials::strangers(&slot.row, hop, conns, &stitch.works);
            if !strangers.is_empty()
                && let Some(hop) = alone.as_mut().or_else(|| traces.hop_mut(id))
            {
                hop.extra_mut().strangers = strangers;
            }
        }
        let anybody = |hop: &&Hop| name(&hop.from).is_none() && everybodys(hop.from.host());
        if stitch.veil.any()
            && let Some(hop) = traces.hop(id).filter(anybody)
            && is_veiled(stitch, conns, facts, hop)
        {
            traces.veil(id);
        }
        let first = alone.is_some() || traces.of(id).is_none_or(|no| traces.get(no).is_some_and(|trace| trace.leaves_open(id)));
        if !first {
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
        if !maybe.is_empty() {
            if let Some(hop) = &mut alone {
                hop.extra_mut().maybe.clone_from(&maybe);
            }
            self.traces.doubt(id, maybe.clone());
            self.change(id, |_, detail| {
                detail.candidates = maybe;
                Charge::default()
            });
        }
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
        let (key, trace_id) = self.traces.get(trace).and_then(Trace::known_by)?;
        let (key, trace_id) = (key.into(), trace_id.into());
        self.change(id, |row, detail| {
            row.link = Some(link);
            if row.trace_id.is_none() {
                (row.trace_id, detail.inferred) = (Some(key), Some(trace_id));
            }
            Charge::default()
        });
        None
    }

    /// Takes in the flows that began up to one.
    fn stitch_up_to(&mut self, until: FlowId) {
        while let Some(id) = self.stitch.begun.pop_front_if(|flow| *flow <= until) {
            self.stitch.known = self.stitch.known.saturating_sub(1);
            self.pair_relayed(id);
            let Self { stitch, store, conns, facts, sources, traces, now, .. } = self;
            // what a first leg causes its last one does
            let Some(flow) = whole(id, store, conns, facts, sources) else { continue };
            if flow.row.pattern == Pattern::Publish {
                stitch.messages.published(flow);
                stitch.replies.published(flow);
            } else if causes(flow.row) && !stitch.replies.is_reply(flow) {
                let values = |all| (all || asked_for(flow.row, store, traces)).then(|| values(flow.row, flow.detail));
                stitch.works.add(flow, *now, values);
            }
        }
    }

    /// Where a flow belongs, which is `alone` in no trace, or one of its trace. Of which kind of call it is one, and what circumstances
    /// are worth of that, it leaves behind where it looked at them.
    fn place(&mut self, id: FlowId, alone: Option<&Hop>, manner: &mut Option<(u64, Manner)>) -> Option<Place> {
        let Self { stitch, store, traces, conns, facts, sources, now, .. } = self;
        let child = alone.or_else(|| traces.hop(id))?;
        let slot = store.get(id)?;
        let detail = slot.detail.as_deref()?;
        if let Some(first) = child.extra().first_leg {
            let up = super::look_at(first, store, conns, facts, sources).map(begun)?;
            let message = matches!(child.pattern, Pattern::Publish | Pattern::Deliver);
            let link = if message { Link::MessageId } else { Link::PayloadId };
            return Some(Place::of(&Arc::new(up), link));
        }
        if child.pattern == Pattern::Deliver {
            let parent = stitch.messages.publish_of(child, detail);
            return parent.map(|up| Place::of(up, Link::MessageId));
        }
        if name(&child.from).is_none() {
            stitch.habits.nameless(child);
        }
        if let Some(place) = relayed(child, store, |flow| super::look_at(flow, store, conns, facts, sources).map(begun)) {
            return Some(place);
        }
        let veiled = is_veiled(stitch, conns, facts, child);
        let Stitch { works, senders, habits, .. } = stitch;
        let (whose, sure) = works.senders(&child.from, &child.to);
        if veiled && sure == Sure::No {
            // what is seen of it may be what led to the hidden
            return None;
        }
        let is_stranger = |work: &Work| child.extra().strangers.contains(&work.to.addr);
        let carried = requests(child);
        if !carried.is_empty() {
            // what it was asked with may be answered before all that it causes is done
            let mut works = works.at(&whose, child.time, Some(LATE), child.flow);
            works.retain(|work| work.requests.iter().any(|id| carried.contains(id)));
            prefer(&mut works, |work| !is_stranger(work));
            if let Some(place) = innermost(&works, Link::RequestId, sure) {
                return Some(place);
            }
        }
        // of a sender that is known it says something whether it was at rest between two such calls
        let watched = whose.one().filter(|_| sure == Sure::Yes && child.pattern != Pattern::Query).map(|label| {
            let kind = child.call();
            let moment = habits.between(kind, child.time);
            let at_rest = moment.map(|moment| works.at(&whose, moment, None, child.flow).is_empty());
            (label, kind, at_rest, works.received(label, child.time))
        });
        let mut open = works.at(&whose, child.time, None, child.flow);
        // a proxy passes on one request because of that very request
        for work in open.iter_mut().filter(|work| work.pattern == child.pattern) {
            work.compare(|flow| {
                let flow = super::look_at(flow, store, conns, facts, sources)?;
                let mut hop = begun(flow);
                hop.asked = asked(flow);
                Some(hop)
            });
        }
        let passed_on = |work: &Work| work.hop.as_ref().is_some_and(|hop| leg(hop, child));
        prefer(&mut open, passed_on);
        // of several instances the one that sent it, where it received any of them itself and hands on none
        let itself = |work: &Work| child.from.pid().is_some() && work.to.pid() == child.from.pid();
        prefer(&mut open, itself);
        let nameless = sure == Sure::No;
        if nameless {
            open.retain(|work| passed_on(work) || !is_stranger(work));
            // whoever it was waited for it, as far as anybody can tell
            open.retain(|work| {
                work.until().is_none_or(|end| end >= child.last) && (passed_on(work) || !beside(work.time, child))
            });
        }
        let sent = Sent::of(child, nameless.then_some(slot.row.conn));
        // of a sender that is known it says all that it was at work on something
        let told = open.iter().rev().take(if nameless { open.len() } else { 1 });
        let at_work = told.map(|work| Arc::clone(works::label(&work.to)));
        if veiled && open.is_empty() {
            // because of nothing that can be seen, which says nothing of what it is
            return None;
        }
        // who has sent news for long works on nothing in between, and what is sent then is sent by itself
        let mut news = |work: &Work| {
            let long = child.time.since(work.time) > STREAM && work.pattern != Pattern::BidiStream;
            long && super::look_at(work.flow, store, conns, facts, sources).is_some_and(streams)
        };
        let flows: Vec<_> = open.iter().filter(|work| !news(work)).map(|work| work.flow).collect();
        let by_itself = senders.seen(sent, flows.last().copied(), at_work) || housekeeping(child);
        let watched = watched.filter(|_| !veiled);
        *manner = watched.as_ref().filter(|_| by_itself || flows.is_empty()).map(|(_, kind, ..)| (*kind, Manner::ByItself));
        let read = || payload::values(&slot.row, detail);
        let late = |up| Place { parent: Some((up, Link::PayloadId)), ..Place::default() };
        let known = whose.one().filter(|_| !nameless);
        // what carries a trace of its own may as well have begun it
        let own = nameless && child.marks.iter().any(Mark::of_tracer) && !open.iter().any(|work| passed_on(work));
        if open.is_empty() {
            _ = own && senders.shares(child, false);
            return works.later(known, child, read).map(late);
        }
        let carried = read();
        let sharing = sharing(&mut open, &carried, |flow| {
            let slot = store.get(flow)?;
            Some(values(&slot.row, slot.detail.as_deref()))
        });
        if own && !senders.shares(child, !sharing.is_empty()) {
            return None;
        }
        if !sharing.is_empty() {
            let all = open.into_iter().enumerate();
            let mut sharing: Vec<_> = all.filter(|(at, _)| sharing.contains(at)).map(|(_, work)| work).collect();
            let place = innermost(&sharing, Link::PayloadId, sure)?;
            if let ([one], Some(_)) = (sharing.as_mut_slice(), &place.parent) {
                one.adopt(&carried);
            }
            return Some(place);
        }
        if let Some((label, kind, at_rest, received)) = watched.filter(|_| manner.is_none()) {
            let chance = habits.seen((kind, child), label, at_rest, &open, &received);
            *manner = Some((kind, if chance { Manner::ByChance } else { Manner::Asked }));
        }
        open.retain(|work| flows.contains(&work.flow));
        // and a connection has one sender
        prefer(&mut open, |work| senders.may_be(sent, works::label(&work.to)));
        let within = chain(&open);
        let Some(last) = open.pop() else { return works.later(known, child, || carried).map(late) };
        let (receiver, cause) = (Arc::clone(works::label(&last.to)), last.cause());
        if let Some(up) = works.later(known, child, || carried) {
            return Some(late(up));
        }
        // who sends news as they come works on nothing in between
        let news = flows.len() == 1 && super::look_at(cause.flow, store, conns, facts, sources).is_some_and(streams);
        // a trace of its own is as well that of something which was answered before
        let later = !nameless && works.accepts(&whose) && child.marks.iter().any(Mark::of_tracer);
        // and of who asked by a clock of its own, which is no trace of somebody else's
        let by_chance = child.marks.iter().any(Mark::of_tracer) && manner.is_some_and(|(_, manner)| manner == Manner::ByChance);
        let by_itself = by_itself || news || later || by_chance;
        let link = match sure {
            Sure::Yes => (flows.len() == 1).then_some(Link::SoleInFlight),
            // a flow that began a trace of its own began it, as far as time can tell
            Sure::No => {
                let can_be = || senders.can_be(sent, &receiver, works.load(&receiver, *now));
                (within && child.marks.is_empty() && can_be()).then_some(Link::Time)
            }
        };
        match link.filter(|_| !by_itself && !veiled) {
            Some(link) => Some(Place { parent: Some((cause, link)), ..Place::default() }),
            // who it was is not known either: then no few are likelier than all others
            None if by_itself => None,
            None if sure == Sure::No => Some(Place { untold: true, ..Place::default() }),
            // what cannot be seen is as likely
            None => Some(Place { untold: veiled, ..Place::doubt(flows.into_iter()) }),
        }
    }

    /// What circumstances are worth of calls of each kind, by all that was seen, is told to those who find something by them.
    pub(super) fn tell_manners(&mut self) {
        let Self { stitch: Stitch { habits, works, .. }, now, .. } = &*self;
        for (kind, by_chance) in habits.all(|service| (works.received(service, *now), works.sorts(service))) {
            self.findings.manner(kind, if by_chance { Manner::ByChance } else { Manner::Asked });
        }
    }
}

#[cfg(test)]
mod tests;
