//! Traces as the screen gets them, and the places of flows in them. Plain data.

use crate::model::{FindingKind, Flow, FlowId, Node, TraceNo, Why};
use crate::time::{Span, Time};
use compact_str::CompactString;
use std::sync::Arc;

/// Where a flow can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// In this trace.
    Hop(TraceNo, FlowId),
    /// By itself: it is in no trace.
    Flow(FlowId),
}

/// A flow that is one of several which are as likely to have caused another.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it can be seen.
    pub spot: Spot,
    /// The flow; none where it was evicted.
    pub flow: Option<Flow>,
}

/// Traces: the newest that have a flow which matches the filter.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// The oldest first.
    pub list: Vec<TraceLine>,
    /// How many there are, whatever the filter.
    pub total: u64,
}

/// A trace in the list.
#[derive(Clone, Debug)]
pub struct TraceLine {
    /// Which.
    pub no: TraceNo,
    /// Its first ID, as on the wire.
    pub trace_id: CompactString,
    /// Its first byte.
    pub time: Time,
    /// From there to its last byte so far.
    pub duration: Span,
    /// Whether a flow of it is open.
    pub open: bool,
    /// How many flows it has.
    pub hops: u64,
    /// How many services take part.
    pub services: usize,
    /// How many of its flows did not go well.
    pub errors: u64,
    /// The worst that is wrong in it, by the findings that its flows show.
    pub found: Option<FindingKind>,
    /// Its earliest flow; none where that was evicted.
    pub root: Option<Flow>,
}

/// A trace, drawn out in time.
#[derive(Clone, Debug)]
pub struct Waterfall {
    /// The same as in the list.
    pub line: TraceLine,
    /// Who takes part, in the order of first appearance.
    pub services: Vec<Arc<str>>,
    /// Flows beyond the limit, which are only counted.
    pub more: u64,
    /// What failed first, and where its time went.
    pub why: Why,
    /// Its flows, each behind its parent, siblings by time.
    pub hops: Vec<HopLine>,
}

/// A flow in a waterfall.
#[derive(Clone, Debug)]
pub struct HopLine {
    /// Its place in the tree.
    pub node: Node,
    /// Who sent it.
    pub from: Arc<str>,
    /// Who received it.
    pub to: Arc<str>,
    /// Its first byte.
    pub time: Time,
    /// Its last byte; none while it is open, or where it never came.
    pub last: Option<Time>,
    /// Since when its message waited in a queue.
    pub queued: Option<Time>,
    /// Whether it went well, as far as is known.
    pub ok: bool,
    /// What is wrong with it, by a finding that it shows.
    pub found: Option<FindingKind>,
    /// Which flows are as likely to have caused it, where none is claimed.
    pub maybe: Vec<Candidate>,
    /// Whether it is not one of the trace's flows, but one that the flow above it may have caused.
    pub guest: bool,
    /// The flows of which nothing is claimed, and that it may have caused.
    pub guests: Guests,
    /// The flow; none where it was evicted.
    pub flow: Option<Flow>,
}

/// How many flows stand below one that may have caused them, where nothing is claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guests {
    /// How many do.
    pub shown: u64,
    /// How many more there are: they are only counted.
    pub left: u64,
}
