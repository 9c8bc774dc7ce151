//! A flow that somebody is at work on. It is small where a flow carries an ID, as most do: what it was is looked up where somebody asks.

use super::super::digest::digester;
use super::super::traces::{Hop, Mark, acknowledged, begun, name, sort};
use super::accepted::accepted;
use super::payload::Values;
use super::place::Cause;
use crate::model::{FlowId, FlowRef, PENDING, Party, Pattern, Row, State};
use crate::time::{Span, Time};
use crate::trace::is_request_id;
use compact_str::CompactString;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many values a flow is known by, those of what it caused included.
const MAX_ADOPTED: usize = 64;
/// How long a delivery that is not acknowledged is worked on, as far as anybody can tell.
pub(super) const UNACKNOWLEDGED: Span = Span::from_secs(1);
/// How long a request may be worked on that its sender has given up, since most servers do not stop at once: so many times as long as
/// that has waited, at least and at most so long.
const AS_LONG: u64 = 4;
pub(super) const GIVEN_UP: [Span; 2] = [Span::from_secs(1), Span::from_secs(5)];

/// A flow that its receiver is at work on, as far as it has to be told from others.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) flow: FlowId,
    pub(super) pattern: Pattern,
    /// Stands for its operation, apart from what looks like IDs in it.
    pub(super) sort: u64,
    /// Its first byte, and its last one as far as it is known.
    pub(super) time: Time,
    pub(super) last: Time,
    pub(super) from: Arc<Party>,
    pub(super) to: Arc<Party>,
    /// The request IDs that it carries.
    pub(super) requests: Vec<u64>,
    /// Whether it is over, and until when it was worked on as far as is known.
    pub(super) over: bool,
    pub(super) end: Option<Time>,
    /// Whether its sender did not wait for the answer; what stands for the trace of it then, and whether it was asked again within that:
    /// then the later one is worked on, as far as anybody can tell.
    pub(super) given_up: bool,
    trace: Option<u64>,
    pub(super) again: bool,
    /// Whether it was answered that it would be worked on later.
    pub(super) accepted: bool,
    /// Whether it failed.
    pub(super) refused: bool,
    /// The values in it that look like IDs, once somebody asked.
    pub(super) values: Option<Values>,
    /// What it was: of one that carries an ID once somebody asked, as its trace knows it too.
    pub(super) hop: Option<Arc<Hop>>,
    /// Whether somebody asked what it was.
    compared: bool,
}

/// How long somebody may go on who was not waited for any longer than that.
fn goes_on(waited: Span) -> Span {
    Span::from_nanos(waited.nanos().saturating_mul(AS_LONG)).clamp(GIVEN_UP[0], GIVEN_UP[1])
}

/// Stands for a trace.
fn stands_for(trace_id: &CompactString) -> u64 {
    let mut hasher = digester();
    trace_id.hash(&mut hasher);
    hasher.finish()
}

impl Work {
    /// A flow as it is at a moment.
    pub(super) fn new(flow: FlowRef<'_>, now: Time) -> Self {
        let (row, (from, to)) = (flow.row, flow.ends());
        let contexts = flow.detail.map_or(&[][..], |detail| &detail.traces);
        let requests = contexts.iter().filter(|context| is_request_id(context.carrier));
        let mut work = Self {
            flow: row.id,
            pattern: row.pattern,
            sort: sort(&row.operation),
            time: row.time,
            last: row.time,
            from: Arc::clone(from),
            to: Arc::clone(to),
            requests: requests.map(|context| Mark::of(context).id).collect(),
            over: false,
            end: None,
            given_up: false,
            trace: None,
            again: false,
            accepted: false,
            refused: false,
            values: None,
            hop: row.trace_id.is_none().then(|| Arc::new(begun(flow))),
            compared: false,
        };
        if row.state != State::Open {
            work.ended(row, now);
        }
        work
    }

    /// It is over: at the latest now, where no answer came.
    pub(super) fn ended(&mut self, row: &Row, now: Time) {
        (self.over, self.last) = (true, row.last().unwrap_or(row.time));
        (self.accepted, self.refused) = (accepted(row), !row.ok);
        self.given_up = row.status.as_deref() == Some(PENDING);
        self.trace = row.trace_id.as_ref().filter(|_| self.given_up).map(stands_for);
        self.end =
            row.last().filter(|_| acknowledged(row)).or_else(|| self.given_up.then(|| now.after(goes_on(now.since(row.time)))));
        if let Some(hop) = &mut self.hop {
            Arc::make_mut(hop).ended(row);
        }
    }

    /// Another one has come: whether it is this one, asked again.
    pub(super) fn asked_again(&mut self, row: &Row, sort: u64) {
        if self.given_up && self.sort == sort && self.trace.is_some() && self.trace == row.trace_id.as_ref().map(stands_for) {
            self.again = true;
        }
    }

    /// Until when it was worked on; none while that is not over.
    pub(super) fn until(&self) -> Option<Time> {
        let unacknowledged = self.over && self.pattern == Pattern::Deliver;
        self.end.or_else(|| unacknowledged.then(|| self.time.after(UNACKNOWLEDGED)))
    }

    /// Whether it was worked on at a moment.
    pub(super) fn covers(&self, time: Time) -> bool {
        self.time <= time && self.until().is_none_or(|end| end > time)
    }

    /// Looks up what it was, to be compared: once.
    pub(super) fn compare(&mut self, look: impl FnOnce(FlowId) -> Option<Hop>) {
        if !std::mem::replace(&mut self.compared, true)
            && let Some(hop) = look(self.flow)
        {
            self.hop = Some(Arc::new(hop));
        }
    }

    /// As what caused another flow.
    pub(super) fn cause(&self) -> Cause {
        Cause { flow: self.flow, hop: self.hop.clone() }
    }

    /// It carries these values, beside those of what it caused.
    pub(super) fn read(&mut self, mut values: Values) {
        self.values.iter().flat_map(Values::iter).for_each(|known| values.add(known, MAX_ADOPTED));
        self.values = Some(values);
    }

    /// What it caused carries these values, so that more may be found by them.
    pub(super) fn adopt(&mut self, values: &Values) {
        let known = self.values.get_or_insert_default();
        values.iter().for_each(|value| known.add(value, MAX_ADOPTED));
    }

    /// Whether the receiver of `outer` may have sent it, and waited for it, as far as anybody can tell: an answer that says that something
    /// went wrong need not wait.
    pub(super) fn may_be_of(&self, outer: &Self) -> bool {
        let waited = |end| self.over && self.last <= end || outer.refused;
        let sent = match (name(&self.from), name(&outer.to)) {
            (Some(from), Some(to)) => from == to,
            _ => self.from.host() == outer.to.host(),
        };
        sent && outer.until().is_none_or(waited)
    }
}
