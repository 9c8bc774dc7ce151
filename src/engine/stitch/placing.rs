//! The place of one flow, by the evidence that holds, the strongest first.

use super::super::findings::housekeeping;
use super::super::traces::{Hop, Mark, answered, asked, begun, beside, leg, name, streams, what};
use super::super::{Engine, look_at};
use super::Stitch;
use super::accepted::Because;
use super::carriers::near;
use super::hidden::is_veiled;
use super::kinds::{alike, requests, values};
use super::payload::{self, Values};
use super::place::{Manner, Place, chain, innermost, prefer, sharing, usual};
use super::relays::relayed;
use super::senders::Sent;
use super::work::Work;
use super::works::{self, Sure};
use crate::model::{FlowId, Link, Pattern};
use crate::time::Span;
use std::cell::LazyCell;
use std::sync::Arc;

/// What lasts for longer may be a stream of news, because of which nothing is done in between.
const STREAM: Span = Span::from_secs(1);
/// How long after it was answered a flow may still cause others that carry an ID of it.
const LATE: Span = Span::from_secs(5);

impl Engine {
    /// Where a flow belongs, which is `alone` in no trace, or one of its trace. Of which kind of call it is one, and what circumstances
    /// are worth of that, it leaves behind where it looked at them.
    pub(super) fn place(&mut self, id: FlowId, alone: Option<&Hop>, manner: &mut Option<(u64, Manner)>) -> Option<Place> {
        let Self { stitch, store, traces, conns, facts, sources, .. } = self;
        let child = alone.or_else(|| traces.hop(id))?;
        let slot = store.get(id)?;
        let detail = slot.detail.as_deref()?;
        if let Some(first) = child.extra().first_leg {
            let up = look_at(first, store, conns, facts, sources).map(begun)?;
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
        if let Some(place) = relayed(child, store, |flow| look_at(flow, store, conns, facts, sources).map(begun)) {
            return Some(place);
        }
        let veiled = is_veiled(stitch, conns, facts, child, None);
        let Stitch { works, senders, carriers, constants, habits, pairs, once, .. } = stitch;
        let mut may = |outer: &Work, inner: &Work| pairs.may_nest(outer, inner, traces);
        let (whose, sure) = works.senders(&child.from, &child.to);
        if veiled && sure == Sure::No {
            // what is seen of it may be what led to the hidden
            return None;
        }
        let nameless = sure == Sure::No;
        let is_stranger = |work: &Work| child.extra().strangers.contains(&work.to.addr);
        let carried = requests(child);
        if !carried.is_empty() {
            // what it was asked with may be answered before all that it causes is done
            let mut works = works.at(&whose, child.time, Some(LATE), child.flow);
            works.retain(|work| work.requests.iter().any(|id| carried.contains(id)));
            prefer(&mut works, |work| !is_stranger(work));
            let acts = |flow| look_at(flow, store, conns, facts, sources).is_some_and(|flow| answered(flow, child.time));
            if let Some(place) = innermost(&works, Link::RequestId, sure, &mut may, acts) {
                return Some(place);
            }
        }
        let accepts = !nameless && works.accepts(&whose);
        // of a sender that is known it says something whether it was at rest between two such calls
        let watched = whose.one().filter(|_| sure == Sure::Yes && child.pattern != Pattern::Query).map(|label| {
            let kind = child.call();
            let moment = habits.between(kind, child);
            let at_rest = moment.map(|moment| works.at(&whose, moment, None, child.flow).is_empty());
            (label, kind, at_rest, works.received(label, child.time))
        });
        let mut open = works.at(&whose, child.time, None, child.flow);
        // a proxy passes on one request because of that very request
        for work in open.iter_mut().filter(|work| work.pattern == child.pattern) {
            work.compare(|flow| {
                let flow = look_at(flow, store, conns, facts, sources)?;
                let mut hop = begun(flow);
                hop.asked = asked(flow);
                Some(hop)
            });
        }
        let passed_on = |work: &Work| work.hop.as_ref().is_some_and(|hop| leg(hop, child));
        prefer(&mut open, passed_on);
        // of several instances the one that sent it, where it received any of them itself and hands on none
        if let Some(pid) = child.from.pid()
            && open.iter().any(|work| work.to.pid() == Some(pid))
        {
            open.retain(|work| work.to.pid().is_none_or(|other| other == pid));
        }
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
            long && look_at(work.flow, store, conns, facts, sources).is_some_and(streams)
        };
        let streams_news: Vec<_> = open.iter().filter(|work| news(work)).map(|work| work.flow).collect();
        let last = open.iter().rev().map(|work| work.flow).find(|flow| !streams_news.contains(flow));
        let by_itself = senders.seen(sent, last, at_work) || housekeeping(child);
        let watched = watched.filter(|_| !veiled);
        *manner = watched.as_ref().filter(|_| by_itself || last.is_none()).map(|(_, kind, ..)| (*kind, Manner::ByItself));
        let read = || payload::values(&slot.row, detail);
        let late = |up| Place { parent: Some((up, Link::PayloadId)), ..Place::default() };
        let known = whose.one().filter(|_| !nameless);
        // what carries a trace of its own may as well have begun it
        let own = nameless && child.marks.iter().any(Mark::of_tracer) && !open.iter().any(|work| passed_on(work));
        let call = LazyCell::new(|| child.call());
        if open.is_empty() {
            if known.is_some_and(|label| works.knows(label)) {
                constants.sent(*call, &read(), &[], (child.time, None));
            }
            _ = own && carriers.shares(child.call(), false);
            let (up, _) = works.later(known, child, read)?;
            works.went_on(child.call());
            return Some(late(up));
        }
        let carried = constants.foreign(*call, read());
        let mut sharing = sharing(&mut open, &carried, constants, |flow| {
            let slot = store.get(flow)?;
            Some(values(&slot.row, slot.detail.as_deref()))
        });
        constants.sent(*call, &carried, &open, (child.time, last));
        if sharing.is_empty() && !(carried.is_empty() || by_itself || accepts || veiled) {
            carriers.without(*call, &open);
        }
        // that a value is one of many tell those of its kind that share none with anything that could be read as a whole
        let all = || !accepts && open.iter().all(|work| work.values.as_ref().is_some_and(Values::are_all));
        let tells = own || !sharing.is_empty() || !carried.is_empty() && all();
        if tells && !carriers.shares(*call, !sharing.is_empty()) {
            if own {
                return None;
            }
            sharing.clear();
        }
        if !sharing.is_empty() {
            // those of a kind that causes such calls without a value of theirs may have caused it as well
            let works_on = |work: &Work| !streams_news.contains(&work.flow);
            let of_kind = |flow: &FlowId| store.get(*flow).is_some_and(|slot| slot.row.operation == child.operation);
            let content = payload::content(&slot.row, detail);
            let rivals = carriers.rivals((*call, content), (&open, &sharing), works_on, |one| {
                near(child.flow).filter(of_kind).any(|flow| {
                    let other = look_at(flow, store, conns, facts, sources);
                    other.is_some_and(|other| one.covers(other.row.time) && alike(other, child, content))
                })
            });
            let acts = |flow| look_at(flow, store, conns, facts, sources).is_some_and(|flow| answered(flow, child.time));
            sharing.extend(rivals);
            let all = open.into_iter().enumerate();
            let mut sharing: Vec<_> = all.filter(|(at, _)| sharing.contains(at)).map(|(_, work)| work).collect();
            let link = if sharing.len() > 1 { Link::Time } else { Link::PayloadId };
            // a connection has one sender
            prefer(&mut sharing, |work| senders.may_be(sent, works::label(&work.to)));
            let mut place = innermost(&sharing, link, sure, &mut may, acts)?;
            if let Some(last) = sharing.last().filter(|_| nameless && place.parent.is_some()) {
                senders.innermost(sent, works::label(&last.to));
            } else if nameless && let Some(one) = usual(&sharing, senders, sent, traces) {
                place = Place::at(one, Link::Time);
            }
            if let ([one], Link::PayloadId) = (sharing.as_mut_slice(), link) {
                carriers.with(one.sort, *call);
                one.adopt(&carried);
            }
            if accepts && place.parent.is_some() {
                works.asked(known, child, *call, &carried);
            }
            return Some(place);
        }
        let acts = |flow| look_at(flow, store, conns, facts, sources).is_some_and(|flow| answered(flow, child.time));
        if let Some((label, kind, at_rest, received)) = watched.filter(|_| manner.is_none()) {
            let chance = habits.seen((kind, child), label, at_rest, &open, &received);
            *manner = Some((kind, if chance { Manner::ByChance } else { Manner::Asked }));
        }
        open.retain(|work| !streams_news.contains(&work.flow));
        let alone = open.len() == 1;
        match open.as_slice() {
            [one] if sure == Sure::Yes => once.caused(child, one),
            _ if sure == Sure::Yes => once.narrow(child, &mut open, traces),
            _ => {}
        }
        let flows: Vec<_> = open.iter().map(|work| work.flow).collect();
        let others = open.iter().filter(|work| accepts && !carriers.would_share(work, *call)).map(|work| work.sort);
        let others: Vec<_> = others.collect();
        // and a connection has one sender
        prefer(&mut open, |work| senders.may_be(sent, works::label(&work.to)));
        // the innermost of those that lie within each other, else who sends such when nobody else can; a flow that began a trace of its own
        // began it, as far as time can tell
        let mut likely = None;
        if nameless && child.marks.is_empty() {
            let kind = child.kind();
            let may_lie = |work: &Work| traces.may_lie_within(what(&work.to, work.sort), kind);
            let within = open.last().filter(|last| may_lie(last) && chain(&open, &mut may, acts));
            within.into_iter().for_each(|last| senders.innermost(sent, works::label(&last.to)));
            let one = within.map(|last| &**last).or_else(|| usual(&open, senders, sent, traces));
            likely = one.map(|work| (Arc::clone(works::label(&work.to)), work.cause()));
        }
        let Some(last) = open.pop() else { return works.later(known, child, || carried).map(|(up, _)| late(up)) };
        let (cause, given_up) = (last.cause(), last.given_up);
        if let Some((up, sort)) = works.later(known, child, || carried.clone()) {
            // none that is open is such that it would not carry what the calls do that it causes
            let why = if others.iter().all(|other| *other == sort) { Because::Accepted } else { works.why(*call) };
            match why {
                Because::Accepted => return Some(late(up)),
                Because::Either => return Some(Place::doubt(flows.into_iter().chain([up.flow]))),
                Because::Asked => {}
            }
        } else if accepts && !carried.is_empty() {
            works.asked(known, child, *call, &carried);
        }
        // who sends news as they come works on nothing in between
        let news = flows.len() == 1 && look_at(cause.flow, store, conns, facts, sources).is_some_and(streams);
        // a trace of its own is as well that of something which was answered before
        let later = accepts && child.marks.iter().any(Mark::of_tracer);
        // and of who asked by a clock of its own, which is no trace of somebody else's
        let by_chance = child.marks.iter().any(Mark::of_tracer) && manner.is_some_and(|(_, manner)| manner == Manner::ByChance);
        let by_itself = by_itself || news || later || by_chance;
        let caused = match sure {
            Sure::Yes if flows.len() != 1 || given_up => None,
            Sure::Yes => Some((cause, if alone { Link::SoleInFlight } else { Link::Time })),
            Sure::No => {
                let can_be = |(label, _): &(Arc<str>, _)| senders.can_be(sent, label, works.load(label, child.last));
                likely.filter(can_be).map(|(_, cause)| (cause, Link::Time))
            }
        };
        match caused.filter(|_| !by_itself && !veiled) {
            Some(caused) => Some(Place { parent: Some(caused), ..Place::default() }),
            // who it was is not known either: then no few are likelier than all others
            None if by_itself => None,
            None if sure == Sure::No => Some(Place { untold: true, ..Place::default() }),
            // what cannot be seen is as likely
            None => Some(Place { untold: veiled, ..Place::doubt(flows.into_iter()) }),
        }
    }

    /// What circumstances are worth of calls of each kind, by all that was seen, is told to those who find something by them.
    pub(in crate::engine) fn tell_manners(&mut self) {
        let Self { stitch: Stitch { habits, works, .. }, now, .. } = &*self;
        for (kind, by_chance) in habits.all(|service| (works.received(service, *now), works.sorts(service))) {
            self.findings.manner(kind, if by_chance { Manner::ByChance } else { Manner::Asked });
        }
    }
}
