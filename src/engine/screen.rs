//! Which flows match, and what of them is on the screen. The list of matching flows is kept up as rows change; a new filter goes over
//! the rows newest first, a slice at a time, so that typing in the filter line never stalls. A filter that reads more than rows is
//! the looker's: it is handed flows in batches, and its verdicts are tagged with the search that they belong to.

use super::Engine;
use super::looker::{Answer, Job, Verdict};
use super::view::{DetailView, Findings, Query, RowView, Services, Traces, View, Waterfall, Window};
use crate::filter::Needs;
use crate::model::FlowId;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// How many flows a batch for the looker holds: some milliseconds of decoding, so that an older search is given up soon.
const BATCH: usize = 64;
/// How many batches are with the looker at once: one at work and one waiting.
const MAX_BATCHES: usize = 2;
/// How many rows a screen may ask for: no terminal is that high.
const MAX_HEIGHT: usize = 1024;

/// What the screen asked for, and the answer so far.
#[derive(Default)]
pub(super) struct Screen {
    query: Option<Query>,
    /// Matching flows, and those of which nobody can tell any more. Together at most a number a row, which is counted with the row.
    list: Ids,
    unseen: Ids,
    /// Flows to judge again: at most one a row.
    changed: BTreeSet<FlowId>,
    /// Flows before this one are not judged yet.
    sweep: Option<FlowId>,
    /// Whether the sweep is a new filter's (else it is a second look, for a name that came late).
    searching: bool,
    /// Whether to sweep once more after this sweep.
    again: bool,
    /// Counts up with each filter.
    search: u64,
    /// Flows before this one are forgotten.
    hidden: FlowId,
    /// Batches at the looker.
    batches: usize,
    /// How many of their answers, which come in order, are still to come before the search is done.
    ending: usize,
    /// Whether an inspection is at the looker.
    inspecting: bool,
    /// Whether the inspected flow, or a name on it, has changed since.
    stale: bool,
    detail: Option<Arc<DetailView>>,
    /// The table of services as it was built last, and of how many flows.
    pub(super) services: Option<(Arc<Services>, u64)>,
    /// The list of traces and the open trace as they were built last, and as of which change.
    pub(super) traces: Option<(Arc<Traces>, u64)>,
    pub(super) trace: Option<(Arc<Waterfall>, u64)>,
    /// The findings likewise.
    pub(super) findings: Option<(Arc<Findings>, u64)>,
    serial: u64,
    names: u32,
}

impl Screen {
    /// A flow is new or has changed.
    pub(super) fn changed(&mut self, id: FlowId) {
        let Some(query) = &self.query else { return };
        self.stale |= query.inspect == Some(id);
        if id >= self.hidden {
            self.changed.insert(id);
        }
    }

    /// A flow's row has gone.
    pub(super) fn gone(&mut self, id: FlowId) {
        if self.query.is_some() {
            self.changed.remove(&id);
            self.set(id, Verdict::Differs);
        }
    }

    /// Every flow before `next` is forgotten.
    pub(super) fn clear(&mut self, next: FlowId) {
        self.hidden = next;
        self.list.0.clear();
        self.unseen.0.clear();
        self.changed.clear();
        (self.sweep, self.again) = (None, false);
        self.forget_tables();
    }

    /// Whether a flow is forgotten.
    pub(super) fn hides(&self, id: FlowId) -> bool {
        id < self.hidden
    }

    /// Names are looked up when they are read, so a filter may judge otherwise now.
    pub(super) fn names_changed(&mut self, version: u32) {
        if std::mem::replace(&mut self.names, version) != version {
            self.look_again();
        }
    }

    /// Any row may have changed.
    pub(super) fn look_again(&mut self) {
        let Some(query) = &self.query else { return };
        self.stale |= query.inspect.is_some();
        if query.filter.is_some() {
            match self.sweep {
                Some(_) => self.again = true,
                None => (self.sweep, self.searching) = (Some(FlowId(u64::MAX)), false),
            }
        }
    }

    /// The search that is going on.
    pub(super) fn search(&self) -> u64 {
        self.search
    }

    /// Whether a filter is at work on what there is.
    pub(super) fn searching(&self) -> bool {
        self.searching
    }

    /// What was asked for.
    pub(super) fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// Whether a flow matches the filter, as far as was looked.
    pub(super) fn lists(&self, id: FlowId) -> bool {
        self.list.0.binary_search(&id).is_ok()
    }

    /// The next view has its tables built anew.
    fn forget_tables(&mut self) {
        (self.services, self.traces, self.trace, self.findings) = (None, None, None, None);
    }

    fn ask(&mut self, query: Query) -> bool {
        let before = self.query.as_ref();
        let same = before.is_some_and(|before| match (&before.filter, &query.filter) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        });
        if before.and_then(|q| q.inspect) != query.inspect {
            self.stale = query.inspect.is_some();
            self.detail = None;
        }
        if !same || before.map(|q| &q.shown) != Some(&query.shown) {
            self.forget_tables();
        }
        self.query = Some(query);
        !same
    }

    /// Puts a flow on the list that its verdict says, and takes it off the other.
    fn set(&mut self, id: FlowId, verdict: Verdict) {
        self.list.set(id, verdict == Verdict::Matches);
        self.unseen.set(id, verdict == Verdict::Unseen);
    }
}

/// Numbers of flows, rising.
#[derive(Default)]
struct Ids(VecDeque<FlowId>);

impl Ids {
    /// Puts a flow in, or takes it out.
    fn set(&mut self, id: FlowId, there: bool) {
        let Self(ids) = self;
        if ids.back().is_none_or(|&last| last < id) {
            if there {
                ids.push_back(id);
            }
            return;
        }
        match ids.binary_search(&id) {
            Ok(at) if !there => drop(ids.remove(at)),
            Err(at) if there => ids.insert(at, id),
            Ok(_) | Err(_) => {}
        }
    }
}

impl Engine {
    /// The screen wants to see something else. With the same filter (the same allocation) the list stays as it is.
    pub fn query(&mut self, query: Query) {
        if !self.screen.ask(query) {
            return;
        }
        let screen = &mut self.screen;
        screen.search += 1;
        screen.list.0.clear();
        screen.unseen.0.clear();
        screen.changed.clear();
        screen.again = false;
        screen.ending = 0;
        screen.searching = screen.query.as_ref().is_some_and(|q| q.filter.is_some());
        if screen.searching {
            screen.sweep = Some(self.store.next_id());
        } else {
            screen.sweep = None;
            screen.list.0.extend(self.store.ids().filter(|&id| id >= screen.hidden));
        }
    }

    /// Judges up to `rows` rows: first what has changed, then what a new filter has not seen. Whether there is more to judge here.
    pub fn sweep(&mut self, rows: usize) -> bool {
        if self.needs() > Needs::Row {
            return false;
        }
        let filter = self.screen.query.as_ref().and_then(|q| q.filter.clone());
        for _ in 0..rows {
            let Some(id) = self.next_to_judge() else {
                self.screen.searching = false;
                return false;
            };
            let verdict = match &filter {
                Some(filter) => self.matches(id, filter),
                None => self.store.get(id).map(|_| true),
            };
            self.screen.set(id, verdict.unwrap_or(false).into());
        }
        !self.screen.changed.is_empty() || self.screen.sweep.is_some()
    }

    /// The next thing for the looker, if there is one and it has no more than it needs. A flow that changes a thousand times a second
    /// need not be decoded as often: `inspect` says whether its time has come.
    pub(super) fn next_job(&mut self, inspect: bool) -> Option<Job> {
        let query = self.screen.query.clone()?;
        if inspect && self.screen.stale && !self.screen.inspecting {
            self.screen.stale = false;
            if let Some(flow) = query.inspect.and_then(|id| self.flow(id, true)) {
                self.screen.inspecting = true;
                let doubted = flow.detail.as_ref().map(|detail| detail.candidates.clone()).unwrap_or_default();
                return Some(Job::Inspect(Box::new(flow), self.candidates(&doubted)));
            }
        }
        let filter = query.filter.filter(|f| f.needs() > Needs::Row)?;
        if self.screen.batches >= MAX_BATCHES {
            return None;
        }
        let swept = self.screen.sweep.is_none();
        let mut flows = Vec::new();
        while flows.len() < BATCH
            && let Some(id) = self.next_to_judge()
        {
            flows.extend(self.flow(id, true));
        }
        self.screen.batches += usize::from(!flows.is_empty());
        if !swept && self.screen.sweep.is_none() {
            self.screen.ending = self.screen.batches;
            self.screen.searching &= self.screen.ending > 0;
        }
        if flows.is_empty() {
            return None;
        }
        Some(Job::Judge { search: self.screen.search, filter, flows })
    }

    /// The looker has answered. Whether that changes what is on the screen.
    pub(super) fn answer(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Detail(detail) => {
                self.screen.inspecting = false;
                let wanted = self.screen.query.as_ref().and_then(|q| q.inspect) == Some(detail.id);
                if wanted {
                    self.screen.detail = Some(Arc::from(detail));
                }
                wanted
            }
            Answer::Verdicts { search, verdicts } => {
                self.screen.batches -= 1;
                if self.screen.ending > 0 {
                    self.screen.ending -= 1;
                    self.screen.searching &= self.screen.ending > 0;
                }
                if search != self.screen.search {
                    return false;
                }
                for (id, verdict) in verdicts {
                    let there = id >= self.screen.hidden && self.store.get(id).is_some();
                    self.screen.set(id, if there { verdict } else { Verdict::Differs });
                }
                true
            }
        }
    }

    /// Has the tables built anew for the next view, where one is shown and has moved on: another flow, or for services another second of
    /// packet time, since rates sink. Says whether.
    pub fn renew_tables(&mut self) -> bool {
        let found = self.findings_change();
        let traces =
            self.screen.traces.take_if(|(_, of)| *of != found || self.screen.query.as_ref().is_some_and(|q| q.filter.is_some()));
        let trace = self.screen.trace.take_if(|(_, of)| *of != found);
        let findings = self.screen.findings.take_if(|(_, of)| *of != found);
        self.renew_services() || traces.is_some() || trace.is_some() || findings.is_some()
    }

    /// What the screen shows now. Near either end of the list the window stays full, as far as there are rows.
    pub fn view(&mut self) -> Arc<View> {
        self.screen.serial += 1;
        let mut status = self.tally.status(self.now, &self.conns, &self.sources, &self.store, &self.traces);
        status.memory_limit = self.options.max_memory as u64;
        status.capture_filter.clone_from(&self.options.capture_filter);
        status.offers = Arc::clone(&self.offers);
        status.problems = Arc::clone(&self.problems);
        status.found = self.found();
        let total = self.store.count_from(self.screen.hidden);
        let serial = self.screen.serial;
        let (services, traces, trace, findings) = (self.services(), self.traces(), self.waterfall(), self.findings());
        let Some(query) = &self.screen.query else { return Arc::new(View { serial, total, status, ..View::default() }) };

        let (generation, height, matching) = (query.generation, query.height.min(MAX_HEIGHT), self.screen.list.0.len());
        let latest = matching.saturating_sub(height);
        let start = match query.window {
            Window::Follow => latest,
            Window::Top => 0,
            Window::From(id) => self.screen.list.0.partition_point(|&other| other < id).min(latest),
        };
        let end = (start + height).min(matching);
        let (from, to) = (start.saturating_sub(height), (end + height).min(matching));
        let ids: Vec<_> = self.screen.list.0.range(from..to).copied().collect();
        let rows = ids.into_iter().filter_map(|id| self.row_view(id)).collect();
        Arc::new(View {
            generation,
            serial,
            rows,
            top: start - from,
            before: from as u64,
            matching: matching as u64,
            unseen: self.screen.unseen.0.len() as u64,
            total,
            newer: (matching - end) as u64,
            searched_percent: self.searched_percent(),
            detail: self.screen.detail.clone(),
            services,
            traces,
            trace,
            findings,
            status,
        })
    }

    fn row_view(&mut self, id: FlowId) -> Option<RowView> {
        let flow = self.flow(id, false)?;
        let no = self.traces.of(id).or_else(|| self.traces.find(flow.row.trace_id.as_deref()?));
        let trace = no.and_then(|no| Some((no, self.traces.get(no)?.flows())));
        let (notes, found) = (self.store.get(id)?.noted, self.findings.mark_of(id));
        Some(RowView { flow, trace, notes, found })
    }

    fn searched_percent(&self) -> Option<u8> {
        let screen = &self.screen;
        if !screen.searching {
            return None;
        }
        let first = self.store.ids().next().map_or(0, |id| id.0).max(screen.hidden.0);
        let all = self.store.next_id().0.saturating_sub(first).max(1);
        let left = screen.sweep.map_or(0, |at| at.0.saturating_sub(first)).min(all);
        Some(((all - left) * 100 / all) as u8)
    }

    fn needs(&self) -> Needs {
        self.screen.query.as_ref().and_then(|q| q.filter.as_ref()).map_or(Needs::Row, |f| f.needs())
    }

    fn next_to_judge(&mut self) -> Option<FlowId> {
        if let Some(id) = self.screen.changed.pop_last() {
            return Some(id);
        }
        let next = self.screen.sweep.and_then(|at| self.store.before(at)).filter(|&id| id >= self.screen.hidden);
        self.screen.sweep = next;
        if next.is_none() && std::mem::take(&mut self.screen.again) {
            (self.screen.sweep, self.screen.searching) = (Some(self.store.next_id()), false);
            return self.next_to_judge();
        }
        next
    }
}

#[cfg(test)]
mod tests;
