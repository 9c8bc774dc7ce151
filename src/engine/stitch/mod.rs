//! What caused a flow that no ID of its own ties to another one: found when it settles, by the strongest evidence that holds.
//!
//! ```text
//!  opened ─> begun ─(when a flow settles, up to that flow)─> works: who is at work on what; messages: what was published
//!  a flow settles, first of its trace or without one ─> place ─> the same message > a shared request ID > a value that both
//!      carry > the only one that its sender was at work on > nesting in time;  several as likely: none, and which they are
//! ```
//! Flows are looked at in the order in which they opened, and no sooner than somebody needs it, so that their ends have their names.
//! What a service also sends while it is at work on nothing (polling, a timer's work) is tied by no circumstance, only by what it carries.

mod hidden;
mod messages;
mod payload;
mod senders;
mod works;

use super::Engine;
use super::cost::Charge;
use super::findings::housekeeping;
use super::traces::{Hop, Trace, asked, digest, hop, leg, name, settled};
use crate::model::{ConnId, Detail, Dir, FlowId, FlowRef, Link, Party, Pattern, Row, State};
use crate::time::{Span, Time};
use hidden::Veil;
use messages::Messages;
use senders::Senders;
use std::collections::VecDeque;
use works::{Sure, Work, Works, chain};

/// How many flows wait for one to settle: beyond it half of them are taken at once, with the names that are known.
const MAX_BEGUN: usize = 1 << 16;
/// How many flows are named of those that may have caused one: of more nobody learns anything.
const MAX_CANDIDATES: usize = 16;
/// How long after it was answered a flow may still cause others that carry an ID of it.
const LATE: Span = Span::from_secs(5);

/// What is known of who was at work on what.
#[derive(Debug, Default)]
pub(super) struct Stitch {
    begun: VecDeque<FlowId>,
    works: Works,
    messages: Messages,
    senders: Senders,
    veil: Veil,
}

/// What was found out about a flow.
#[derive(Debug, Default)]
struct Place {
    /// What caused it.
    parent: Option<(Box<Hop>, Link)>,
    /// Those of which each is as likely to have caused it.
    maybe: Vec<FlowId>,
}

impl Place {
    fn doubt(maybe: impl Iterator<Item = FlowId>) -> Self {
        Self { parent: None, maybe: maybe.take(MAX_CANDIDATES).collect() }
    }

    fn at(work: &Work, link: Link) -> Self {
        Self { parent: Some((Box::new(work.hop.clone()), link)), maybe: Vec::new() }
    }
}

impl Stitch {
    /// A connection cannot be read.
    pub(super) fn unread(&mut self, conn: ConnId, since: Time) {
        self.veil.unread(conn, since);
    }

    /// It can, from now on.
    pub(super) fn read(&mut self, conn: ConnId, since: Time) {
        self.veil.read(conn, since);
    }

    /// A connection was joined.
    pub(super) fn joined(&mut self, conn: ConnId, since: Time) {
        self.veil.joined(conn, since);
    }

    /// A connection is over.
    pub(super) fn ended(&mut self, conn: ConnId, at: Time, server: &Party) {
        self.veil.ended(conn, at, server);
    }
}

impl Engine {
    /// A flow has begun.
    pub(super) fn stitch_opened(&mut self, flow: FlowId, conn: ConnId, time: Time) {
        self.stitch.veil.shown(conn, time);
        self.stitch.begun.push_back(flow);
        if self.stitch.begun.len() > MAX_BEGUN
            && let Some(&half) = self.stitch.begun.get(MAX_BEGUN / 2)
        {
            self.stitch_up_to(half);
        }
    }

    /// A flow is complete.
    pub(super) fn stitch_closed(&mut self, id: FlowId) {
        if let Some(slot) = self.store.get(id) {
            self.stitch.works.ended(&slot.row, self.now);
        }
    }

    /// A flow has settled: finds what caused it, where no ID tells. Says whether that changed it.
    pub(super) fn stitch_settled(&mut self, flow: FlowRef<'_>) -> bool {
        let id = flow.row.id;
        if flow.row.pattern == Pattern::Publish && self.stitch.begun.front().is_none_or(|next| *next > id) {
            self.stitch.messages.settled(flow);
        }
        self.stitch_up_to(id);
        let first = self.traces.of(id).is_none_or(|no| self.traces.get(no).is_some_and(|trace| trace.leaves_open(id)));
        let nameless = name(if flow.row.dir == Dir::ToServer { flow.client } else { flow.server }).is_none();
        if nameless && self.stitch.veil.any() && self.is_veiled(&hop(flow)) {
            self.traces.veil(id);
        }
        let Some(detail) = flow.detail.filter(|_| first && placeable(flow.row)) else { return false };
        let child = settled(flow);
        let Place { parent, maybe } = self.place(&child, flow.row, detail);
        match parent {
            Some((up, link)) => self.tied(child, *up, link),
            None if maybe.is_empty() => return false,
            None => {
                self.traces.doubt(id, maybe.clone());
                self.change(id, |_, detail| {
                    detail.candidates = maybe;
                    Charge::default()
                });
            }
        }
        true
    }

    /// A flow without an ID of the other's trace was caused by it.
    fn tied(&mut self, child: Hop, up: Hop, link: Link) {
        let id = child.flow;
        let Some(trace) = self.traces.tie(child, up, link, self.now) else { return };
        let Some((key, trace_id)) = self.traces.get(trace).and_then(Trace::known_by) else { return };
        let (key, trace_id) = (key.into(), trace_id.into());
        self.change(id, |row, detail| {
            row.link = Some(link);
            if row.trace_id.is_none() {
                (row.trace_id, detail.inferred) = (Some(key), Some(trace_id));
            }
            Charge::default()
        });
    }

    /// Takes in the flows that began up to one.
    fn stitch_up_to(&mut self, until: FlowId) {
        while let Some(id) = self.stitch.begun.pop_front_if(|flow| *flow <= until) {
            let Self { stitch, store, conns, facts, sources, now, .. } = self;
            let Some(flow) = super::look_at(id, store, conns, facts, sources) else { continue };
            if flow.row.pattern == Pattern::Publish {
                stitch.messages.published(flow);
            } else if causes(flow.row) {
                stitch.works.add(hop(flow));
                if flow.row.state != State::Open {
                    stitch.works.ended(flow.row, *now);
                }
            }
        }
    }

    /// Whether who sent a flow may have been at work on something that cannot be read.
    fn is_veiled(&mut self, child: &Hop) -> bool {
        let Self { stitch, conns, facts, .. } = self;
        let (labels, _) = stitch.works.senders(&child.from, &child.to);
        let server = |conn| {
            let conn = conns.at(conns.place(conn)?)?;
            let server = facts.parties(conn.client, conn.server).1;
            Some((works::label(server), server.host().into()))
        };
        stitch.veil.hides(&labels, name(&child.from).is_none().then(|| child.from.host()), child.time, server)
    }

    fn place(&mut self, child: &Hop, row: &Row, detail: &Detail) -> Place {
        if child.pattern == Pattern::Deliver {
            let parent = self.stitch.messages.publish_of(child, detail);
            return Place { parent: parent.map(|up| (Box::new(up.clone()), Link::MessageId)), maybe: Vec::new() };
        }
        let Self { stitch, store, traces, conns, facts, sources, .. } = self;
        let Stitch { works, senders, .. } = stitch;
        let (labels, sure) = works.senders(&child.from, &child.to);
        let carried = requests(child);
        if !carried.is_empty() {
            // what it was asked with may be answered before all that it causes is done
            let mut works = works.at(&labels, child.time, Some(LATE), child.flow);
            works.retain(|work| requests(&work.hop).iter().any(|id| carried.contains(id)));
            if let Some(place) = innermost(&works, Link::RequestId, sure) {
                return place;
            }
        }
        let mut open = works.at(&labels, child.time, None, child.flow);
        // a proxy passes on one request because of that very request
        for work in open.iter_mut().filter(|work| work.hop.asked.is_none() && work.hop.pattern == child.pattern) {
            let flow = super::look_at(work.hop.flow, store, conns, facts, sources);
            work.hop.asked = flow.and_then(asked);
        }
        if open.iter().any(|work| leg(&work.hop, child)) {
            open.retain(|work| leg(&work.hop, child));
        }
        let nameless = sure == Sure::No;
        if nameless {
            // whoever it was waited for it, as far as anybody can tell
            open.retain(|work| work.until().is_none_or(|end| end >= child.last));
        }
        let from = if nameless { child.from.host() } else { child.from.label() };
        let kind = digest(&format!("{from} {} {}", child.to.label(), child.operation));
        let by_itself = senders.seen(kind, open.iter().map(|work| works::label(&work.hop.to))) || housekeeping(child);
        let flows: Vec<_> = open.iter().map(|work| work.hop.flow).collect();
        if flows.len() > 1 {
            let values = payload::values(row, detail);
            let mut sharing = sharing(open, &values, |flow| {
                let slot = store.get(flow)?;
                Some(payload::values(&slot.row, slot.detail.as_deref()?))
            });
            if let Some(place) = innermost(&sharing, Link::PayloadId, sure) {
                if let ([one], Some(_)) = (sharing.as_mut_slice(), &place.parent) {
                    one.adopt(&values);
                }
                return place;
            }
            open = works.at(&labels, child.time, None, child.flow);
            open.retain(|work| flows.contains(&work.hop.flow));
        }
        let Some(last) = open.last() else { return Place::default() };
        let link = match sure {
            Sure::Yes => (flows.len() == 1).then_some(Link::SoleInFlight),
            // a flow that began a trace of its own began it, as far as time can tell
            Sure::No => {
                let known = senders.can_be(kind, &works::label(&last.hop.to)) && traces.of(child.flow).is_none();
                (known && chain(&open)).then_some(Link::Time)
            }
        };
        let last = Box::new(last.hop.clone());
        match link.filter(|_| !by_itself && !self.is_veiled(child)) {
            Some(link) => Place { parent: Some((last, link)), maybe: Vec::new() },
            // who it was is not known either: then no few are likelier than all others
            None if by_itself || sure == Sure::No => Place::default(),
            None => Place::doubt(flows.into_iter()),
        }
    }
}

/// Whether the receiver of such a flow does something because of it that can be seen: a broker, a data store and a resolver do not.
fn causes(row: &Row) -> bool {
    match row.pattern {
        Pattern::RequestResponse => row.protocol != "amqp",
        Pattern::Unary | Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream | Pattern::Deliver => true,
        Pattern::Query | Pattern::Publish | Pattern::Message | Pattern::Session => false,
    }
}

/// Whether such a flow is sent because of another one: not what a client says to its broker about itself, nor what a resolver is asked.
fn placeable(row: &Row) -> bool {
    match row.pattern {
        Pattern::RequestResponse => row.protocol != "amqp",
        Pattern::Query => row.protocol != "dns",
        Pattern::Session | Pattern::Message => false,
        Pattern::Unary | Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream => true,
        Pattern::Publish | Pattern::Deliver => true,
    }
}

/// The request IDs that a flow carries.
fn requests(hop: &Hop) -> Vec<u64> {
    hop.marks.iter().filter(|mark| !mark.of_tracer()).map(|mark| mark.id).collect()
}

/// Of works that are as likely by what they carry: the only one; of nameless services that lie within each other the innermost, which
/// time alone tells. None of none.
fn innermost(works: &[&mut Work], link: Link, sure: Sure) -> Option<Place> {
    match works {
        [] => None,
        [one] => Some(Place::at(one, link)),
        [.., last] if sure == Sure::No && chain(works) => Some(Place::at(last, link.max(Link::Time))),
        several => Some(Place::doubt(several.iter().map(|work| work.hop.flow))),
    }
}

/// Of works those that carry a value of these: where one of several carries some that no other does, that one.
fn sharing<'w>(works: Vec<&'w mut Work>, values: &[u64], mut of: impl FnMut(FlowId) -> Option<Box<[u64]>>) -> Vec<&'w mut Work> {
    let mut hits: Vec<(Vec<u64>, &mut Work)> = Vec::new();
    for work in works {
        let own = work.values.get_or_insert_with(|| of(work.hop.flow).unwrap_or_default());
        let common: Vec<_> = values.iter().filter(|value| own.contains(value)).copied().collect();
        if !common.is_empty() {
            hits.push((common, work));
        }
    }
    let alone: Vec<bool> = (0..hits.len())
        .map(|at| hits[at].0.iter().any(|v| hits.iter().enumerate().all(|(other, (c, _))| other == at || !c.contains(v))))
        .collect();
    let only = alone.iter().filter(|alone| **alone).count() == 1;
    hits.into_iter().zip(alone).filter(|(_, alone)| !only || *alone).map(|((_, work), _)| work).collect()
}

#[cfg(test)]
mod tests;
