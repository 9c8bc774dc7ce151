//! What is asked about work that goes on after its request was answered: which request it is of, and whether it is rather of one that is
//! open.

use super::super::super::traces::Hop;
use super::super::accepted::Because;
use super::super::payload::Values;
use super::super::place::Cause;
use super::{Work, Works, until};
use std::sync::Arc;

impl Works {
    /// The request that a service took to work on it later, and that alone brought it one of the values that it sends now, and what stands
    /// for its operation. They are read where there may be one.
    pub(in crate::engine::stitch) fn later(
        &mut self,
        label: Option<&Arc<str>>,
        child: &Hop,
        values: impl FnOnce() -> Values,
    ) -> Option<(Cause, u64)> {
        let label = label?;
        self.of(label).filter(|service| service.accepts)?;
        let sent = values();
        let found = self.taken(label, child, &sent).map(|work| (work.cause(), work.sort));
        if found.is_none() {
            self.accepted.known(label, &sent);
        }
        found
    }

    /// The request of those that a service took to work on it later that alone brought it one of these values.
    fn taken(&self, label: &str, child: &Hop, sent: &Values) -> Option<&Work> {
        let bringer = self.accepted.only(label, sent).filter(|bringer| bringer.until <= child.time)?;
        let ended = &self.of(label)?.ended;
        let first = ended.partition_point(|work| until(work) < bringer.until);
        let mut all = ended.range(first..).take_while(|work| until(work) == bringer.until);
        all.find(|work| work.flow == bringer.flow).filter(|work| work.accepted)
    }

    /// A call is sent because of a request that is open, as it carries nothing that was accepted before.
    pub(in crate::engine::stitch) fn asked(&mut self, label: Option<&Arc<str>>, child: &Hop, call: u64, sent: &Values) {
        if label.is_some_and(|label| self.taken(label, child, sent).is_none()) {
            self.accepted.caused(call, true);
        }
    }

    /// A call is sent because of what was accepted before, as nothing is open.
    pub(in crate::engine::stitch) fn went_on(&mut self, call: u64) {
        self.accepted.caused(call, false);
    }

    /// Because of what calls of a kind are sent by who works on what it accepted as well as on what is open.
    pub(in crate::engine::stitch) fn why(&self, call: u64) -> Because {
        self.accepted.why(call)
    }
}
