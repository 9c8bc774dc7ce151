//! Which calls wait before they are placed: those of a new kind that carry a value of one request while another one is open, so that it can
//! be told whether they come twice. None waits for longer than for whatever else may still be told of it.

use super::super::{Engine, look_at};
use super::carriers::beside;
use super::kinds::{placeable, values};
use super::place::sharing;
use crate::model::{FlowId, Pattern, State};

impl Engine {
    /// Whether a flow that is complete may still turn out to be one of two alike: until the request is done that carries its values.
    pub(in crate::engine) fn awaits_like(&mut self, id: FlowId) -> bool {
        if let Some((_, up)) = self.stitch.awaits.filter(|(flow, _)| *flow == id) {
            return self.is_open(up);
        }
        let Some(slot) = self.store.get(id) else { return false };
        let row = &slot.row;
        let placed = row.trace_id.is_none() && placeable(row) && row.pattern != Pattern::Deliver;
        if !placed || !self.stitch.carriers.is_new(&row.operation) {
            return false;
        }
        self.stitch_up_to(id);
        let up = self.carrier(id).filter(|up| self.is_open(*up));
        self.stitch.awaits = up.map(|up| (id, up));
        up.is_some()
    }

    /// The one request that carries values of a flow, where others are open beside it.
    fn carrier(&mut self, id: FlowId) -> Option<FlowId> {
        let Self { stitch, store, conns, facts, sources, .. } = self;
        let flow = look_at(id, store, conns, facts, sources)?;
        let ((from, to), time) = (flow.ends(), flow.row.time);
        let (whose, _) = stitch.works.senders(from, to);
        let mut open = stitch.works.at(&whose, time, None, id);
        if open.iter().all(|work| work.sort == open[0].sort) {
            return None;
        }
        let carried = values(flow.row, flow.detail);
        let sharing = sharing(&mut open, &carried, &mut stitch.constants, |flow| {
            let slot = store.get(flow)?;
            Some(values(&slot.row, slot.detail.as_deref()))
        });
        let [at] = sharing[..] else { return None };
        let one = open.get(at)?;
        open.iter().any(|work| beside(work, one)).then_some(one.flow)
    }

    fn is_open(&self, flow: FlowId) -> bool {
        self.store.get(flow).is_some_and(|slot| slot.row.state == State::Open)
    }
}
