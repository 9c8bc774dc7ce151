//! Who was at work on what: of each service the flows that it received and has not answered, and those that it answered lately.

use super::super::traces::{Hop, everybodys, name};
use super::accepted::{Accepted, accepted};
use super::payload::Values;
use crate::model::{FlowId, Party, Pattern, Row};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How long an answered flow is remembered: what it caused may itself take that long before it is placed.
const REMEMBERED: Span = Span::from_secs(30);
/// How many flows of a service may be open at once, to be told apart: of more one is forgotten.
const MAX_OPEN: usize = 4096;
/// What a flow takes that is remembered: texts and values of the usual lengths included.
pub(super) const WORK_COST: usize = size_of::<Work>() + size_of::<Hop>() + 256;
/// How many values a flow is known by, those of what it caused included.
const MAX_ADOPTED: usize = 64;
/// How many services there are: more than a machine runs, as nameless consumers count too.
const MAX_SERVICES: usize = 1 << 14;
/// How long a delivery that is not acknowledged is worked on, as far as anybody can tell.
const UNACKNOWLEDGED: Span = Span::from_secs(1);

/// A flow that its receiver is at work on.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) hop: Arc<Hop>,
    /// Until when; none while it is open.
    pub(super) end: Option<Time>,
    /// The values in it that look like IDs, once somebody asked.
    pub(super) values: Option<Values>,
}

impl Work {
    /// Until when it was worked on; none while that is not over.
    pub(super) fn until(&self) -> Option<Time> {
        let unacknowledged = self.hop.settled && self.hop.pattern == Pattern::Deliver;
        self.end.or_else(|| unacknowledged.then(|| self.hop.time.after(UNACKNOWLEDGED)))
    }

    /// What it caused carries these values, so that more may be found by them.
    pub(super) fn adopt(&mut self, values: &Values) {
        let known = self.values.get_or_insert_default();
        values.iter().for_each(|value| known.add(value, MAX_ADOPTED));
    }

    /// Whether the receiver of `outer` may have sent it.
    pub(super) fn may_be_of(&self, outer: &Self) -> bool {
        match (name(&self.hop.from), name(&outer.hop.to)) {
            (Some(from), Some(to)) => from == to,
            _ => self.hop.from.host() == outer.hop.to.host(),
        }
    }
}

#[derive(Debug, Default)]
struct Service {
    open: Vec<Work>,
    /// In the order in which they ended.
    ended: VecDeque<Work>,
    /// Whether it answers on a port that is its own.
    server: bool,
    /// Whether it sends what has to be placed.
    sends: bool,
    /// Whether it has answered that it would work on something later.
    accepts: bool,
    /// When it was asked first, and how long it was at work in all on what is over.
    since: Option<Time>,
    busy: u64,
}

/// How sure it is who sent a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    /// By name, by its whole address, or as the one service of its host.
    Yes,
    /// Some service of its host.
    No,
}

/// All services that received something.
#[derive(Debug, Default)]
pub(super) struct Works {
    services: HashMap<Arc<str>, Service>,
    /// The services of each host.
    hosts: HashMap<CompactString, Vec<Arc<str>>>,
    /// Which service listens at an address, where one is known by name: on further connections it may have none.
    listeners: HashMap<Arc<str>, Arc<str>>,
    /// Whose each open flow is.
    open: HashMap<FlowId, Arc<str>>,
    /// Of the flows that are over, in the order in which they ended, whose each was, and its last byte.
    ended: VecDeque<(Time, Arc<str>)>,
    accepted: Accepted,
    /// How many flows are remembered of either.
    room: usize,
}

/// What a party counts as: its name, else its address.
pub(super) fn label(party: &Party) -> &Arc<str> {
    name(party).and(party.service.as_ref()).unwrap_or(&party.addr)
}

impl Works {
    /// Remembers so many flows that are open, and so many that are over.
    pub(super) fn new(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    /// A service has received something.
    pub(super) fn add(&mut self, hop: Arc<Hop>) {
        let label = self.listener(&hop);
        if self.services.len() >= MAX_SERVICES && !self.services.contains_key(&label) {
            self.forget_idle();
        }
        if self.open.len() >= self.room {
            return;
        }
        let host = hop.to.host();
        let labels = match self.hosts.get_mut(host) {
            Some(labels) => labels,
            None => self.hosts.entry(host.into()).or_default(),
        };
        if !labels.contains(&label) {
            labels.push(Arc::clone(&label));
        }
        self.open.insert(hop.flow, Arc::clone(&label));
        let service = self.services.entry(label).or_default();
        service.server |= hop.to_server;
        service.since.get_or_insert(hop.time);
        if service.open.len() >= MAX_OPEN {
            self.open.remove(&service.open.swap_remove(0).hop.flow);
        }
        service.open.push(Work { hop, end: None, values: None });
    }

    /// What who receives a flow counts as.
    fn listener(&mut self, hop: &Hop) -> Arc<str> {
        let (label, addr) = (label(&hop.to), &hop.to.addr);
        if !hop.to_server {
            return Arc::clone(label);
        }
        let known = self.listeners.get(addr);
        if name(&hop.to).is_none() {
            return Arc::clone(known.unwrap_or(label));
        }
        if known != Some(label) && (known.is_some() || self.listeners.len() < MAX_SERVICES) {
            self.listeners.insert(Arc::clone(addr), Arc::clone(label));
        }
        Arc::clone(label)
    }

    /// A flow is over: its receiver was at work on it until its end, as far as that can be told. Its `values` are read where they may be
    /// asked for once it is gone; none where they can not. They always may be, of a service that works on some of it later.
    pub(super) fn ended(&mut self, row: &Row, now: Time, values: impl FnOnce(bool) -> Option<Values>) {
        let Some(label) = self.open.remove(&row.id) else { return };
        let Some(service) = self.services.get_mut(&label) else { return };
        let Some(at) = service.open.iter().position(|work| work.hop.flow == row.id) else { return };
        let mut work = service.open.swap_remove(at);
        Arc::make_mut(&mut work.hop).ended(row);
        work.end = work.hop.end.or_else(|| work.hop.pending.then_some(now));
        service.accepts |= accepted(row);
        if work.values.is_none() && (service.sends || service.accepts || work.hop.pattern == Pattern::Deliver) {
            work.values = values(service.accepts);
        }
        if let Some(values) = work.values.as_ref().filter(|_| service.accepts) {
            self.accepted.brought(&label, row.id, values);
        }
        service.busy += work.hop.last.since(work.hop.time).nanos();
        self.ended.push_back((work.hop.last, label));
        service.ended.push_back(work);
        let full = self.ended.len() > self.room;
        while let Some((_, label)) = self.ended.pop_front_if(|(last, _)| full || now.since(*last) > REMEMBERED) {
            self.services.get_mut(&label).and_then(|service| service.ended.pop_front());
            if full {
                break;
            }
        }
    }

    /// For which part of the time a service is at work; beyond one where it works on several things at once.
    pub(super) fn load(&self, service: &str, now: Time) -> f64 {
        let Some(service) = self.services.get(service) else { return 1.0 };
        let elapsed = service.since.map_or(0, |since| now.since(since).nanos());
        let open: u64 = service.open.iter().map(|work| now.since(work.hop.time).nanos()).sum();
        (service.busy + open) as f64 / elapsed.max(1) as f64
    }

    /// Which services may have sent a flow.
    pub(super) fn senders(&self, from: &Party, to: &Party) -> (Vec<Arc<str>>, Sure) {
        if name(from).is_some() {
            return (vec![Arc::clone(label(from))], Sure::Yes);
        }
        let host = from.host();
        let labels = self.hosts.get(host).map(Vec::as_slice).unwrap_or_default();
        let receiver = label(to);
        let others: Vec<_> = labels.iter().filter(|label| *label != receiver).cloned().collect();
        if others.contains(&from.addr) && everybodys(host) {
            return (vec![Arc::clone(&from.addr)], Sure::Yes);
        }
        let servers = others.iter().filter(|label| self.services.get(*label).is_some_and(|s| s.server)).count();
        let sure = if everybodys(host) || servers > 1 { Sure::No } else { Sure::Yes };
        (others, sure)
    }

    /// The request that a service took to work on it later, and that alone brought it one of the values that it sends now. They are read
    /// where there may be one.
    pub(super) fn later(&mut self, services: &[Arc<str>], child: &Hop, values: impl FnOnce() -> Values) -> Option<Arc<Hop>> {
        let [label] = services else { return None };
        let service = self.services.get(label).filter(|service| service.accepts)?;
        let sent = values();
        let found = self.accepted.only(label, &sent).and_then(|flow| {
            let before = |work: &&Work| work.hop.flow == flow && work.until().is_some_and(|end| end <= child.time);
            service.ended.iter().find(before).filter(|work| work.hop.status.as_deref() == Some("202"))
        });
        let found = found.map(|work| Arc::clone(&work.hop));
        if found.is_none() {
            self.accepted.known(label, &sent);
        }
        found
    }

    /// What these services were at work on at a moment, or `late` before it, the oldest first.
    pub(super) fn at(&mut self, services: &[Arc<str>], time: Time, late: Option<Span>, not: FlowId) -> Vec<&mut Work> {
        let since = time.before(late.unwrap_or_default());
        let mut works: Vec<&mut Work> = match services {
            [one] => self.services.get_mut(one).into_iter().flat_map(|one| one.sending(since, time)).collect(),
            _ => {
                let chosen = self.services.iter_mut().filter(|(label, _)| services.contains(label));
                chosen.flat_map(|(_, one)| one.sending(since, time)).collect()
            }
        };
        works.retain(|work| work.hop.flow != not);
        works.sort_by_key(|work| (work.hop.time, work.hop.flow));
        works
    }

    fn forget_idle(&mut self) {
        self.services.retain(|_, service| !service.open.is_empty());
        self.ended.retain(|(_, label)| self.services.contains_key(label));
        let services = &self.services;
        self.hosts.retain(|_, labels| {
            labels.retain(|label| services.contains_key(label));
            !labels.is_empty()
        });
    }
}

impl Service {
    /// It sent something at a moment: what of it began before `time`, and was still worked on after `since`.
    fn sending(&mut self, since: Time, time: Time) -> impl Iterator<Item = &mut Work> {
        self.sends = true;
        // they lie in the order of their ends, so that those before the first that is too old are too old
        let ended = self.ended.iter_mut().rev().take_while(move |work| work.until().is_none_or(|end| end > since));
        self.open.iter_mut().chain(ended).filter(move |work| work.hop.time <= time && work.until().is_none_or(|end| end > since))
    }
}

/// Works of which each may have been caused by the one before: the last is the innermost. Not of a service that is there twice: one of
/// the two is another request's.
pub(super) fn chain(works: &[&mut Work]) -> bool {
    let distinct = |at: usize| works[..at].iter().all(|work| work.hop.to != works[at].hop.to);
    (1..works.len()).all(|at| works[at].may_be_of(works[at - 1]) && distinct(at))
}

/// Which of these works carry a value of those: where one of several carries some that no other does, that one.
pub(super) fn sharing(works: &mut [&mut Work], values: &Values, mut of: impl FnMut(FlowId) -> Option<Values>) -> Vec<usize> {
    if values.is_empty() {
        return Vec::new();
    }
    // a bit a value, of which there are at most 16
    let common: Vec<u32> = works
        .iter_mut()
        .map(|work| {
            let own = work.values.get_or_insert_with(|| of(work.hop.flow).unwrap_or_default());
            values.iter().enumerate().filter(|(_, value)| own.contains(*value)).fold(0, |bits, (n, _)| bits | 1 << n)
        })
        .collect();
    let (_, several) = common.iter().fold((0, 0), |(one, several), bits| (one | bits, several | (one & bits)));
    let alone: Vec<_> = (0..common.len()).filter(|at| common[*at] & !several != 0).collect();
    if alone.len() == 1 { alone } else { (0..common.len()).filter(|at| common[*at] != 0).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::super::findings::rig::{at, call};
    use super::super::super::traces::begun;
    use super::*;

    /// How many works of a named service are found, of what `lines` say in their order.
    fn found(lines: &[&str]) -> usize {
        let mut works = Works::new(9);
        for (n, line) in (1..).zip(lines) {
            works.add(Arc::new(begun(call(n, line).as_ref())));
        }
        works.at(&["shop".into()], at(5), None, FlowId(0)).len()
    }

    #[test]
    fn who_has_a_name_on_one_connection_only_is_still_one() {
        let (named, nameless) = ("web>shop=10.0.0.2:80 1-9 GET 200", "web>10.0.0.2:80 2-9 GET 200");
        assert_eq!((found(&[named, nameless]), found(&[nameless])), (2, 0));
        assert_eq!(found(&[named, "web>10.0.0.3:80 2-9 GET 200"]), 1);
    }
}
