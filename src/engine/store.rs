//! Every flow's row, and its detail as long as the budget allows. Not who is who: rows hold the place of their connection.
//!
//! What goes first: bodies, then details (headers), then rows, each oldest first and counted; an open flow is left alone until it has
//! settled. The budget has three marks, so that a long watch does not end with a million rows and nothing to open: rows may take 7/8
//! of it, rows and details 15/16, all together the whole. With the default 256 MiB that is a million rows, and the newest flows keep
//! their headers and bodies. Connections and who their ends are take from it, but for a quarter.

use super::cost::{Charge, bodies_of, cost, row_cost, small};
use crate::model::{Detail, FlowId, Row, Severity, State};
use slots::Slots;
use std::collections::BTreeMap;
use std::sync::Arc;

mod slots;

/// How many places of flows that are gone may lie between open ones.
const GAPS: usize = 4096;

/// A flow in the store.
#[derive(Debug)]
pub(super) struct Slot {
    /// Its row.
    pub(super) row: Row,
    /// Its detail, until it is evicted.
    pub(super) detail: Option<Arc<Detail>>,
    /// Bytes charged for the detail without its bodies.
    kept: u32,
    /// Bytes charged for its bodies.
    bodies: u32,
    /// Whether something of it could not be seen, or is broken.
    pub(super) noted: bool,
}

/// What was dropped for the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    /// Flows whose bodies were dropped.
    pub(super) bodies: u64,
    /// Flows whose details were dropped.
    pub(super) details: u64,
    /// Flows that were dropped.
    pub(super) flows: u64,
}

/// All flows that are kept.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Each at the place that its number tells; a flow that was not kept left its place.
    slots: Slots,
    /// The number of the first slot.
    base: u64,
    /// How many left their places.
    gaps: usize,
    /// Flows that were still open when their row's turn came, by number: they go when they have settled.
    held: BTreeMap<FlowId, Slot>,
    /// No body before this one is left, save those of open flows; likewise details.
    bodies_from: u64,
    details_from: u64,
    rows: usize,
    kept: usize,
    bodies: usize,
    /// What is held elsewhere on behalf of rows.
    beside: usize,
    peak: usize,
    /// What it may hold, with that.
    limit: usize,
    /// Whether settled flows stay.
    keep: bool,
    /// Flows before this one were forgotten on demand: that they go is no eviction.
    cleared: u64,
    evicted: Evicted,
}

impl Store {
    /// A store that holds up to `limit` bytes. Without `keep` a flow goes as soon as it has settled, and that is no eviction.
    pub(super) fn new(limit: usize, keep: bool) -> Self {
        Self { base: 1, limit, keep, ..Self::default() }
    }

    /// The number that the next flow gets.
    pub(super) fn next_id(&self) -> FlowId {
        FlowId(self.base + self.slots.len() as u64)
    }

    /// Appends a flow, whose number must be the next.
    pub(super) fn push(&mut self, row: Row, detail: Detail) {
        self.rows += row_cost(&row);
        let (kept, bodies) = cost(&detail);
        let (kept, bodies) = (small(kept), small(bodies));
        self.slots.push_back(Slot { row, detail: Some(Arc::new(detail)), kept, bodies, noted: false });
        self.kept += kept as usize;
        self.bodies += bodies as usize;
        self.peak = self.peak.max(self.used());
    }

    /// A flow.
    pub(super) fn get(&self, id: FlowId) -> Option<&Slot> {
        match id.0.checked_sub(self.base) {
            Some(at) => self.slots.get(usize::try_from(at).ok()?),
            None => self.held.get(&id),
        }
    }

    fn get_mut(&mut self, id: FlowId) -> Option<&mut Slot> {
        match id.0.checked_sub(self.base) {
            Some(at) => self.slots.get_mut(usize::try_from(at).ok()?),
            None => self.held.get_mut(&id),
        }
    }

    /// Changes a flow; `change` says what it added. A looker that holds the detail keeps the old one, and one that was evicted stays so.
    pub(super) fn change(&mut self, id: FlowId, change: impl FnOnce(&mut Row, &mut Detail) -> Charge) {
        let Some(slot) = self.get_mut(id) else { return };
        let before = row_cost(&slot.row);
        let (kept, bodies) = (slot.kept, slot.bodies);
        let charge = match &mut slot.detail {
            Some(detail) => {
                let detail = Arc::make_mut(detail);
                let charge = change(&mut slot.row, detail);
                slot.noted = detail.notes.iter().any(|n| n.severity != Severity::Remark);
                charge
            }
            None => {
                change(&mut slot.row, &mut Detail::default());
                Charge::default()
            }
        };
        slot.kept = small((kept as usize).saturating_add_signed(charge.kept));
        slot.bodies = small((bodies as usize).saturating_add_signed(charge.bodies));
        let (after, new_kept, new_bodies) = (row_cost(&slot.row), slot.kept, slot.bodies);
        self.rows = self.rows + after - before;
        self.kept = self.kept + new_kept as usize - kept as usize;
        self.bodies = self.bodies + new_bodies as usize - bodies as usize;
        self.peak = self.peak.max(self.used());
    }

    /// A flow has settled: it is counted exactly from now on, and goes at once where its turn came while it was open, or none is kept.
    pub(super) fn settled(&mut self, id: FlowId, released: &mut dyn FnMut(&Row) -> usize) {
        if !self.keep {
            return self.let_go(id, released);
        }
        let (bodies_from, details_from) = (self.bodies_from, self.details_from);
        let Some(slot) = self.get_mut(id) else { return };
        let (kept, bodies) = (slot.kept as usize, slot.bodies as usize);
        if let Some(detail) = &mut slot.detail {
            let (kept, bodies) = cost(detail);
            (slot.kept, slot.bodies) = (small(kept), small(bodies));
        }
        let (new_kept, new_bodies) = (slot.kept as usize, slot.bodies as usize);
        self.kept = self.kept + new_kept - kept;
        self.bodies = self.bodies + new_bodies - bodies;
        let evicted = self.evicted;
        if id.0 < bodies_from {
            self.strip(id);
        }
        if id.0 < details_from {
            self.forget_detail(id);
        }
        if let Some(slot) = self.held.remove(&id) {
            self.gone(slot, released);
        }
        if id.0 < self.cleared {
            self.evicted = evicted;
        }
        self.trim(released);
    }

    /// A flow that is not kept goes.
    fn let_go(&mut self, id: FlowId, released: &mut dyn FnMut(&Row) -> usize) {
        let taken = id.0.checked_sub(self.base).and_then(|at| self.slots.take(usize::try_from(at).ok()?));
        self.gaps += usize::from(taken.is_some());
        let Some(slot) = taken.or_else(|| self.held.remove(&id)) else { return };
        self.gone(slot, released);
        // those before it that are open for long hold no places
        while self.slots.front().is_some_and(|first| first.is_none() || self.gaps > GAPS) {
            self.base += 1;
            match self.slots.pop_front().flatten() {
                Some(slot) => _ = self.held.insert(slot.row.id, slot),
                None => self.gaps -= 1,
            }
        }
    }

    /// Drops what the budget has no room for. `released` is told of each row that goes, and says what that freed elsewhere.
    pub(super) fn trim(&mut self, released: &mut dyn FnMut(&Row) -> usize) {
        if !self.keep {
            return;
        }
        while self.rows > self.room() / 8 * 7 && self.drop_row(released) {}
        while self.rows + self.kept > self.room() / 16 * 15 && self.drop_detail() {}
        while self.full() && (self.drop_bodies() || self.drop_detail() || self.drop_row(released)) {}
    }

    /// Forgets every settled flow, uncounted; those that are not settled go when they are.
    pub(super) fn clear(&mut self, released: &mut dyn FnMut(&Row) -> usize) {
        let evicted = self.evicted;
        while self.drop_row(released) {}
        self.evicted = evicted;
        self.cleared = self.base;
    }

    /// Whether open flows alone fill the budget, so that they can keep no more body bytes.
    pub(super) fn full(&self) -> bool {
        self.used() - self.beside > self.room()
    }

    /// How much flows may take: a quarter of it at least, however many connections are open.
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.beside).max(self.limit / 4)
    }

    /// Whether what open flows carry beside bodies takes half of it: all that is settled goes before.
    pub(super) fn full_of_open(&self) -> bool {
        self.kept > self.room() / 2 && self.full()
    }

    /// Counts a flow that there was no room for.
    pub(super) fn count_refused(&mut self) {
        self.evicted.flows += 1;
    }

    /// Counts an open flow whose further body bytes are not kept.
    pub(super) fn count_stripped(&mut self) {
        self.evicted.bodies += 1;
    }

    /// Adds bytes that are held elsewhere on behalf of rows.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.beside += bytes;
    }

    /// Gives them back.
    pub(super) fn discharge(&mut self, bytes: usize) {
        self.beside = self.beside.saturating_sub(bytes);
    }

    /// Bytes held.
    pub(super) fn used(&self) -> usize {
        self.rows + self.kept + self.bodies + self.beside
    }

    /// The most bytes that were held at once.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// What was dropped for the budget.
    pub(super) fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// How many flows there are, of those held apart only from `id` on.
    pub(super) fn count_from(&self, id: FlowId) -> u64 {
        (self.held.range(id..).count() + self.slots.len() - self.gaps) as u64
    }

    /// The newest flow before `id`.
    pub(super) fn before(&self, id: FlowId) -> Option<FlowId> {
        let places = usize::try_from(id.0.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let newest = self.slots.before(places).map(|slot| slot.row.id);
        newest.or_else(|| self.held.range(..id).next_back().map(|(&id, _)| id))
    }

    /// All numbers, rising.
    pub(super) fn ids(&self) -> impl Iterator<Item = FlowId> {
        self.held.keys().copied().chain(self.slots.iter().map(|slot| slot.row.id))
    }

    fn drop_bodies(&mut self) -> bool {
        self.bodies_from = self.bodies_from.max(self.base);
        while self.bodies_from < self.next_id().0 {
            let id = FlowId(self.bodies_from);
            self.bodies_from += 1;
            if self.strip(id) {
                return true;
            }
        }
        false
    }

    fn drop_detail(&mut self) -> bool {
        self.details_from = self.details_from.max(self.base);
        while self.details_from < self.next_id().0 {
            let id = FlowId(self.details_from);
            self.details_from += 1;
            if self.forget_detail(id) {
                return true;
            }
        }
        false
    }

    fn drop_row(&mut self, released: &mut dyn FnMut(&Row) -> usize) -> bool {
        while let Some(slot) = self.slots.pop_front() {
            self.base += 1;
            let Some(slot) = slot else {
                self.gaps -= 1;
                continue;
            };
            if slot.row.state == State::Settled {
                self.gone(slot, released);
                return true;
            }
            self.held.insert(slot.row.id, slot);
        }
        false
    }

    /// Drops the bodies of a settled flow; whether there were any.
    fn strip(&mut self, id: FlowId) -> bool {
        let Some(slot) = self.get_mut(id).filter(|s| s.row.state == State::Settled && s.bodies > 0) else { return false };
        let bodies = std::mem::take(&mut slot.bodies) as usize;
        if let Some(detail) = &mut slot.detail {
            let detail = Arc::make_mut(detail);
            detail.bodies_evicted = true;
            bodies_of(detail).for_each(|body| body.kept = Vec::new());
            [&mut detail.request, &mut detail.response].into_iter().flatten().for_each(|half| half.messages_kept = 0);
        }
        self.bodies -= bodies;
        self.evicted.bodies += u64::from(self.keep);
        true
    }

    /// Drops the detail of a settled flow; whether there was one.
    fn forget_detail(&mut self, id: FlowId) -> bool {
        let Some(slot) = self.get_mut(id).filter(|s| s.row.state == State::Settled && s.detail.is_some()) else { return false };
        slot.detail = None;
        let (kept, bodies) = (std::mem::take(&mut slot.kept), std::mem::take(&mut slot.bodies));
        self.discount(kept, bodies);
        true
    }

    /// A row has left the table.
    fn gone(&mut self, slot: Slot, released: &mut dyn FnMut(&Row) -> usize) {
        if slot.detail.is_some() {
            self.discount(slot.kept, slot.bodies);
        }
        self.rows -= row_cost(&slot.row);
        let freed = released(&slot.row);
        self.discharge(freed);
        self.evicted.flows += u64::from(self.keep);
    }

    fn discount(&mut self, kept: u32, bodies: u32) {
        self.kept -= kept as usize;
        self.bodies -= bodies as usize;
        self.evicted.details += u64::from(self.keep);
        self.evicted.bodies += u64::from(self.keep && bodies > 0);
    }
}

#[cfg(test)]
mod tests;
