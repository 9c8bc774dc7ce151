//! Services and brokers as the screen shows them: built for who looks, and no sooner.

use super::super::Engine;
use super::super::view::{Services, Shown};
use crate::model::Attachment;
use std::net::SocketAddr;
use std::sync::Arc;

impl Engine {
    /// Has the table built anew for the next view, where it has moved on. Says whether.
    pub(in crate::engine) fn renew_services(&mut self) -> bool {
        let (changes, now) = (self.services_change(), self.now);
        let moved = |(table, of): &mut (Arc<Services>, u64)| *of != changes || (changes > 0 && table.at.second() != now.second());
        self.screen.services.take_if(moved).is_some()
    }

    /// Changes whenever anything of the table does, but for the rates.
    fn services_change(&self) -> u64 {
        self.edges.flows() + self.findings.changes() + self.sources.taps().1
    }

    /// Who talks to whom, and what lies between, where it is shown.
    pub(in crate::engine) fn services(&mut self) -> Option<Arc<Services>> {
        if self.screen.query()?.shown != Shown::Services {
            return None;
        }
        self.call_edges();
        if let Some((table, _)) = &self.screen.services {
            return Some(Arc::clone(table));
        }
        let (at, of) = (self.now, self.services_change());
        let called = |broker: SocketAddr| self.facts.broker(broker).unwrap_or_else(|| broker.to_string().into());
        let tap = |tap: &Arc<Attachment>| (tap.broker.map_or_else(|| Arc::clone(&tap.name), called), Arc::clone(tap));
        let taps = self.sources.taps().0.map(tap).collect();
        let table = Arc::new(Services { at, list: self.edges.table(at), taps, found: self.found_at() });
        self.screen.services = Some((Arc::clone(&table), of));
        Some(table)
    }
}
