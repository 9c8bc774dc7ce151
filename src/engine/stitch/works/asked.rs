//! What is asked about works: who was at work, who may have sent something.

use super::super::super::traces::{everybodys, name};
use super::super::habits::Received;
use super::{Senders, Service, Sure, Works, label};
use crate::model::{FlowId, Party};
use crate::time::Time;
use std::sync::Arc;

impl Works {
    /// Who of a host was at work at a moment, on something else than a flow: once each.
    pub(in crate::engine::stitch) fn at_work(&self, host: &str, time: Time, not: FlowId) -> Vec<&Arc<Party>> {
        let services = self.hosts.find(host).map(|(_, host)| host.at_work(time)).unwrap_or_default();
        let works = services.into_iter().filter_map(|at| self.services.get(at)).flat_map(|service| {
            let ended = service.ended.iter().rev().take_while(|work| work.until().is_none_or(|end| end > time));
            let works = service.open.iter().chain(ended).filter(|work| work.time <= time && work.flow != not);
            // of one address the first tells of all
            works.take(if service.elsewhere { usize::MAX } else { 1 }).map(|work| &work.to)
        });
        let mut all: Vec<_> = works.collect();
        all.sort_unstable_by_key(|party| Arc::as_ptr(party));
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        all
    }

    /// Whether a service received something.
    pub(in crate::engine::stitch) fn knows(&self, label: &str) -> bool {
        self.of(label).is_some()
    }

    pub(super) fn of(&self, label: &str) -> Option<&Service> {
        self.places.get(label).and_then(|at| self.services.get(*at))
    }

    /// How often a service was asked for what until a moment, lately.
    pub(in crate::engine::stitch) fn received(&self, service: &str, until: Time) -> Received {
        let Some(service) = self.of(service) else { return Received::default() };
        let over = service.ended.iter().rev().take_while(|work| work.until().is_none_or(|end| end > until));
        let later = service.open.iter().chain(over).filter(|work| work.time > until);
        service.received.without(later.map(|work| work.sort))
    }

    /// How much those are at work on, of one service: none where it may be any of several.
    pub(in crate::engine::stitch) fn busy(&self, senders: &Senders) -> usize {
        senders.one().and_then(|label| self.of(label)).map_or(0, |service| service.open.len())
    }

    /// How often a service was asked for what stands for an operation.
    pub(in crate::engine::stitch) fn times_asked(&self, service: &str, sort: u64) -> u32 {
        self.of(service).map_or(0, |service| service.received.of(sort))
    }

    /// What stands for the operations that a service is at work on.
    pub(in crate::engine::stitch) fn sorts(&self, service: &str) -> Vec<u64> {
        self.of(service).iter().flat_map(|service| &service.open).map(|work| work.sort).collect()
    }

    /// For which part of the time a service is at work; beyond one where it works on several things at once.
    pub(in crate::engine::stitch) fn load(&self, service: &str, now: Time) -> f64 {
        let Some(service) = self.of(service) else { return 1.0 };
        let open: u64 = service.open.iter().map(|work| now.since(work.time).nanos()).sum();
        (service.busy + open) as f64 / now.since(service.since).nanos().max(1) as f64
    }

    /// Which services may have sent a flow.
    pub(in crate::engine::stitch) fn senders(&self, from: &Party, to: &Party) -> (Senders, Sure) {
        if name(from).is_some() {
            return (Senders::One(Arc::clone(label(from))), Sure::Yes);
        }
        let (receiver, shared) = (label(to), everybodys(from.host()));
        if shared && from.addr != *receiver && self.places.contains_key(&from.addr) {
            return (Senders::One(Arc::clone(&from.addr)), Sure::Yes);
        }
        let (mut senders, mut servers) = (Senders::OfHost(from.host().into(), Arc::clone(receiver)), 0);
        if let Some((place, host)) = self.hosts.find(from.host()) {
            let at = |at: usize| self.services.get(at);
            let own = self.places.get(receiver).copied().filter(|own| at(*own).is_some_and(|own| own.host == place));
            servers = host.servers - usize::from(own.and_then(at).is_some_and(|own| own.server));
            let mut others = host.services.iter().filter(|other| Some(**other) != own).map(|other| at(*other));
            if let (Some(Some(one)), None) = (others.next(), others.next()) {
                senders = Senders::One(Arc::clone(&one.label));
            }
        }
        (senders, if shared || servers > 1 { Sure::No } else { Sure::Yes })
    }

    /// Whether who sent something also works on what it answered before.
    pub(in crate::engine::stitch) fn accepts(&self, senders: &Senders) -> bool {
        match senders {
            Senders::One(label) => self.of(label).is_some_and(|service| service.accepts),
            Senders::OfHost(host, _) => self.hosts.find(host).is_some_and(|(_, host)| host.accepts),
        }
    }
}
