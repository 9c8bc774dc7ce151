//! Who was at work on what: of each service the flows that it received and has not answered, and those that it answered lately.

use super::super::traces::{Hop, name};
use super::accepted::Accepted;
use super::habits::Received;
use super::hosts::{Host, Hosts, Senders, give_back};
use super::payload::Values;
use super::work::{GIVEN_UP, UNACKNOWLEDGED, Work};
use crate::model::{FlowId, FlowRef, Party, Pattern, Row};
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

mod asked;
mod later;

/// How long an answered flow is remembered: what it caused may itself take that long before it is placed.
const REMEMBERED: Span = Span::from_secs(30);
/// How many flows of a service may be open at once, to be told apart: of more one is forgotten.
const MAX_OPEN: usize = 4096;
/// What a flow takes that is remembered: texts and values of the usual lengths included.
pub(super) const WORK_COST: usize = size_of::<Work>() + size_of::<Hop>() + 256;
/// How many messages a consumer holds before it is taken for one that says of none that it is done.
const SILENT: usize = 16;
/// How many services there are: more than a machine runs, as nameless consumers count too.
const MAX_SERVICES: usize = 1 << 14;
/// How many receivers are remembered together with the service that each is.
const LATELY: usize = 16;

#[derive(Debug)]
struct Service {
    label: Arc<str>,
    /// Where it was asked first, and whether it was elsewhere, too.
    addr: Arc<str>,
    elsewhere: bool,
    /// The place of its host, and its place among those of it that are at work.
    host: usize,
    busy_at: usize,
    open: Vec<Work>,
    /// In the order of the moments until which they were worked on.
    ended: VecDeque<Work>,
    /// Whether it answers on a port that is its own.
    server: bool,
    /// Whether it sends what has to be placed.
    sends: bool,
    /// Whether it has answered that it would work on something later.
    accepts: bool,
    /// Whether it has said of any message that it was done with it.
    acks: bool,
    /// When last somebody did not wait for its answer.
    given_up: Option<Time>,
    /// When it was asked first, and how long it was at work in all on what is over.
    since: Time,
    busy: u64,
    /// How often it was asked for what.
    received: Received,
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
    services: Vec<Service>,
    /// Where each is.
    places: HashMap<Arc<str>, usize>,
    hosts: Hosts,
    /// Which service listens at an address, where one is known by name: on further connections it may have none.
    listeners: HashMap<Arc<str>, Arc<str>>,
    /// Who received something lately, whether as a server, and which service that is: most flows go to few.
    lately: [Option<(Arc<Party>, bool, usize)>; LATELY],
    /// Whose each open flow is, and its place among those.
    open: HashMap<FlowId, (usize, usize)>,
    /// Of the flows that are over, in the order in which they ended, whose each was, and its last byte.
    ended: VecDeque<(Time, usize)>,
    accepted: Accepted,
    /// The newest of those moments.
    newest: Time,
    /// How many flows are remembered of either.
    room: usize,
}

/// Until when something that is over was worked on, as far as anybody can tell.
fn until(work: &Work) -> Time {
    work.until().unwrap_or(work.last)
}

/// What is open of a service at a place has moved there.
fn moved(open: &mut HashMap<FlowId, (usize, usize)>, service: &Service, place: usize) {
    if let Some((_, at)) = service.open.get(place).and_then(|work| open.get_mut(&work.flow)) {
        *at = place;
    }
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

    /// A service has received something. The `values` of what is over are read where they may be asked for once it is gone; none where
    /// they can not. They always may be, of a service that works on some of it later.
    pub(super) fn add(&mut self, flow: FlowRef<'_>, now: Time, values: impl FnOnce(bool) -> Option<Values>) {
        let work = Work::new(flow, now);
        if !work.over && self.open.len() >= self.room {
            return;
        }
        let at = self.service(&work.to, flow.row.to_server(), work.time);
        if let Some(service) = self.services.get_mut(at) {
            service.elsewhere |= service.addr != work.to.addr;
            service.received.add(work.sort);
            if service.given_up.is_some_and(|at| work.time.since(at) <= GIVEN_UP[1]) {
                let still = service.ended.iter_mut().rev().take_while(|other| until(other) > work.time);
                still.for_each(|other| other.asked_again(flow.row, work.sort));
            }
        }
        if work.over {
            return self.over(at, work, now, values);
        }
        let Some(service) = self.services.get_mut(at) else { return };
        if service.open.len() >= MAX_OPEN {
            self.open.remove(&service.open.swap_remove(0).flow);
            moved(&mut self.open, service, 0);
        } else if service.open.is_empty()
            && let Some(host) = self.hosts.at(service.host)
        {
            service.busy_at = host.begins(at);
        }
        self.open.insert(work.flow, (at, service.open.len()));
        service.open.push(work);
    }

    /// The place of the service that a flow of a moment went to.
    fn service(&mut self, to: &Arc<Party>, as_server: bool, time: Time) -> usize {
        // allocations lie 16 bytes apart at least
        let lately = (Arc::as_ptr(to).addr() / 16) % LATELY;
        if let Some(Some((party, server, at))) = self.lately.get(lately)
            && Arc::ptr_eq(party, to)
            && *server == as_server
        {
            return *at;
        }
        let label = self.listener(to, as_server);
        let known = self.places.get(&label).copied();
        let at = known.unwrap_or_else(|| self.push(&label, to, time));
        if let Some(service) = self.services.get_mut(at).filter(|service| as_server && !service.server) {
            service.server = true;
            self.hosts.at(service.host).into_iter().for_each(|host| host.servers += 1);
        }
        if let Some(place) = self.lately.get_mut(lately) {
            *place = Some((Arc::clone(to), as_server, at));
        }
        at
    }

    /// A service that nothing is known of, which was asked at a moment.
    fn push(&mut self, label: &Arc<str>, to: &Party, since: Time) -> usize {
        if self.services.len() >= MAX_SERVICES {
            self.forget_idle();
        }
        let host = self.hosts.place(to.host());
        self.hosts.at(host).into_iter().for_each(|host| host.services.push(self.services.len()));
        self.places.insert(Arc::clone(label), self.services.len());
        let (open, ended) = (Vec::new(), VecDeque::new());
        self.services.push(Service {
            label: Arc::clone(label),
            addr: Arc::clone(&to.addr),
            elsewhere: false,
            host,
            busy_at: 0,
            open,
            ended,
            server: false,
            sends: false,
            accepts: false,
            acks: false,
            given_up: None,
            since,
            busy: 0,
            received: Received::default(),
        });
        self.services.len() - 1
    }

    /// What who receives a flow counts as.
    fn listener(&mut self, to: &Party, as_server: bool) -> Arc<str> {
        let (label, addr) = (label(to), &to.addr);
        if !as_server {
            return Arc::clone(label);
        }
        let known = self.listeners.get(addr);
        if name(to).is_none() {
            return Arc::clone(known.unwrap_or(label));
        }
        if known != Some(label) && (known.is_some() || self.listeners.len() < MAX_SERVICES) {
            self.listeners.insert(Arc::clone(addr), Arc::clone(label));
            self.lately = Default::default();
            // what it received before it had a name
            if !self.places.contains_key(label)
                && let Some(at) = self.places.remove(addr)
                && let Some(service) = self.services.get_mut(at)
            {
                service.label = Arc::clone(label);
                self.places.insert(Arc::clone(label), at);
            }
        }
        Arc::clone(label)
    }

    /// A flow is over: its receiver was at work on it until its end, as far as that can be told. Its `values` are read as those of what
    /// is added.
    pub(super) fn ended(&mut self, row: &Row, now: Time, values: impl FnOnce(bool) -> Option<Values>) {
        let Some((at, place)) = self.open.remove(&row.id) else { return };
        let Some(service) = self.services.get_mut(at).filter(|service| place < service.open.len()) else { return };
        let mut work = service.open.swap_remove(place);
        moved(&mut self.open, service, place);
        if service.open.is_empty() {
            let (host, place) = (service.host, service.busy_at);
            let moved = self.hosts.at(host).and_then(|host| host.rests(place));
            if let Some(other) = moved.and_then(|other| self.services.get_mut(other)) {
                other.busy_at = place;
            }
        }
        work.ended(row, now);
        self.over(at, work, now, values);
    }

    /// A service has done what it was at work on.
    fn over(&mut self, at: usize, mut work: Work, now: Time, values: impl FnOnce(bool) -> Option<Values>) {
        let Some(service) = self.services.get_mut(at) else { return };
        let Some(host) = self.hosts.at(service.host) else { return };
        service.accepts |= work.accepted;
        host.accepts |= work.accepted;
        service.acks |= work.pattern == Pattern::Deliver && work.end.is_some();
        let unread = work.values.as_ref().is_none_or(Values::are_part);
        if unread && (service.sends || host.sends || service.accepts || work.pattern == Pattern::Deliver) {
            values(service.accepts).into_iter().for_each(|values| work.read(values));
        }
        if let Some(values) = work.values.as_ref().filter(|_| service.accepts) {
            self.accepted.brought(&service.label, (work.flow, until(&work)), work.refused, values);
        }
        if work.given_up {
            service.given_up = Some(now);
        }
        service.busy += work.last.since(work.time).nanos();
        self.ended.push_back((work.last, at));
        // by what was taken in: where time has moved on since, there is more to be placed that was sent before
        self.newest = self.newest.max(work.last);
        // most end last: names that are waited for, and messages that nobody says anything of, change the order
        let (ended, ends) = (&mut service.ended, until(&work));
        match ended.back().is_some_and(|last| until(last) > ends) {
            true => ended.insert(ended.partition_point(|other| until(other) <= ends), work),
            false => ended.push_back(work),
        }
        host.ended(ends, at);
        let full = self.ended.len() > self.room;
        while let Some((_, at)) = self.ended.pop_front_if(|(last, _)| full || self.newest.since(*last) > REMEMBERED) {
            if let Some(service) = self.services.get_mut(at) {
                service.ended.pop_front();
                give_back(&mut service.ended);
                self.hosts.at(service.host).into_iter().for_each(Host::forget);
            }
            if full {
                break;
            }
        }
    }

    /// What these were at work on at a moment, or `late` before it, the oldest first.
    pub(super) fn at(&mut self, senders: &Senders, time: Time, late: Option<Span>, not: FlowId) -> Vec<&mut Work> {
        let since = time.before(late.unwrap_or_default());
        let mut works: Vec<&mut Work> = Vec::new();
        match senders {
            Senders::One(one) => {
                let service = self.places.get(one).and_then(|at| self.services.get_mut(*at));
                works.extend(service.into_iter().flat_map(|service| service.sending(since, time, not)));
            }
            Senders::OfHost(host, receiver) => {
                let services = self.hosts.find_mut(host).map(|host| host.asked(since)).unwrap_or_default();
                let receiver = self.places.get(receiver).copied();
                let (mut rest, mut before) = (self.services.as_mut_slice(), 0);
                for at in services {
                    let Some((service, behind)) = rest.get_mut(at - before..).and_then(<[_]>::split_first_mut) else { break };
                    if Some(at) != receiver {
                        works.extend(service.sending(since, time, not));
                    }
                    (rest, before) = (behind, at + 1);
                }
            }
        }
        works.sort_by_key(|work| (work.time, work.flow));
        works
    }

    /// Those stay that are at work on something.
    fn forget_idle(&mut self) {
        let services = std::mem::take(&mut self.services);
        let mut moved = vec![None; services.len()];
        for (service, place) in services.into_iter().zip(&mut moved) {
            if !service.open.is_empty() {
                *place = Some(self.services.len());
                self.services.push(service);
            }
        }
        let stays = |at: &mut usize| {
            let now = moved.get(*at).copied().flatten();
            *at = now.unwrap_or(*at);
            now.is_some()
        };
        self.lately = Default::default();
        self.places.retain(|_, at| stays(at));
        self.open.retain(|_, (at, _)| stays(at));
        self.ended.clear();
        self.listeners.retain(|_, label| self.places.contains_key(label));
        let hosts = std::mem::take(&mut self.hosts).into_names();
        for (at, service) in self.services.iter_mut().enumerate() {
            service.ended.clear();
            service.host = self.hosts.place(hosts.get(service.host).map_or("", |name| name));
            if let Some(host) = self.hosts.at(service.host) {
                host.services.push(at);
                host.servers += usize::from(service.server);
                host.sends |= service.sends;
                host.accepts |= service.accepts;
                service.busy_at = host.begins(at);
            }
        }
    }
}

impl Service {
    /// It sent something at a moment: what of it began before `time`, and was still worked on after `since`; that itself is `not` meant.
    fn sending(&mut self, since: Time, time: Time, not: FlowId) -> impl Iterator<Item = &mut Work> {
        self.sends = true;
        // who says of none of many messages that it is done with it never does
        let silent = !self.acks && self.open.len() > SILENT;
        let open = self
            .open
            .iter_mut()
            .filter(move |work| !(silent && work.pattern == Pattern::Deliver) || work.time.after(UNACKNOWLEDGED) > since);
        // those before the first that is too old are too old
        let ended = self.ended.iter_mut().rev().take_while(move |work| work.until().is_none_or(|end| end > since));
        open.chain(ended).filter(move |work| work.time <= time && work.flow != not && !work.again)
    }
}

#[cfg(test)]
mod tests;
