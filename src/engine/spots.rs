//! Where flows can be seen, for a screen that leads there: in their trace, or by themselves.

use super::Engine;
use super::view::{Candidate, Spot};
use crate::model::FlowId;

impl Engine {
    /// Where a flow can be seen; none where it was evicted or forgotten.
    pub(super) fn spot(&self, flow: FlowId) -> Option<Spot> {
        let there = || !self.screen.hides(flow) && self.store.get(flow).is_some();
        let hop = self.traces.of(flow).map(|no| Spot::Hop(no, flow));
        hop.or_else(|| there().then_some(Spot::Flow(flow)))
    }

    /// Flows that are as likely to have caused another one, as far as they can be seen.
    pub(super) fn candidates(&mut self, flows: &[FlowId]) -> Vec<Candidate> {
        flows.iter().filter_map(|&flow| Some(Candidate { spot: self.spot(flow)?, flow: self.flow(flow, false) })).collect()
    }
}
