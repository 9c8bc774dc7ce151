//! Trace context as one message carries it, and traces as they are told. Reading the one from headers is `trace`'s, building the other
//! `engine::traces`'.

use super::flow::FlowId;
use crate::time::{Span, Time};
use compact_str::CompactString;
use std::sync::Arc;

/// What a propagator found on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace ID, as on the wire.
    pub trace_id: CompactString,
    /// The span ID that the message carries: the caller's span.
    pub span_id: Option<CompactString>,
    /// A second, older span ID, where the carrier has one (B3, Jaeger, X-Ray).
    pub parent_id: Option<CompactString>,
    /// The header or property that it was read from (`traceparent`).
    pub carrier: &'static str,
    /// The sampling decision, where the carrier has one.
    pub sampled: Option<bool>,
    /// Vendor state that rides along, as on the wire (`tracestate`).
    pub state: Option<CompactString>,
    /// Baggage members as on the wire (W3C Baggage §3.3), joined by commas.
    pub baggage: Option<CompactString>,
}

/// What ties a flow to the one that caused it, the strongest first: a weaker link is never told as a stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// Both carry the same trace ID, and the one's receiver sent the other.
    TraceId,
    /// Both carry the same request or correlation ID, likewise.
    RequestId,
    /// The one is the message that the other brought on.
    MessageId,
    /// Both carry the same value that looks like an ID, and no other flow that may have caused it does.
    PayloadId,
    /// It was the only one that its sender was at work on.
    SoleInFlight,
    /// They lie within each other in time, and nothing else tells which of several senders it was.
    Time,
}

impl Link {
    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TraceId => "trace_id",
            Self::RequestId => "request_id",
            Self::MessageId => "message_id",
            Self::PayloadId => "payload_id",
            Self::SoleInFlight => "sole_in_flight",
            Self::Time => "time",
        }
    }

    /// What it says, for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TraceId => "tied by the trace ID",
            Self::RequestId => "tied by the request ID",
            Self::MessageId => "tied by being the same message",
            Self::PayloadId => "tied by a value that both carry",
            Self::SoleInFlight => "tied as the only request its sender was at work on",
            Self::Time => "tied by time alone",
        }
    }
}

/// The number of a trace: in the order in which they came into view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceNo(pub u64);

/// A flow's place in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The flow.
    pub flow: FlowId,
    /// How deep it lies: 0 for a root. Its parent is the last node before it that lies one less deep.
    pub depth: usize,
    /// What ties it to its parent; none for a root.
    pub link: Option<Link>,
    /// Whether it is its parent, passed on by a proxy, a relay or address translation.
    pub leg: bool,
}

/// What lies above a tree's nodes, as a walk comes to them in their order.
#[derive(Debug)]
pub struct Above<T>(Vec<T>);

impl<T> Default for Above<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Above<T> {
    /// Comes to a node that lies so deep: its parent.
    pub fn enter(&mut self, depth: usize, here: T) -> Option<T> {
        self.0.truncate(depth);
        let parent = self.0.last().copied();
        self.0.push(here);
        parent
    }
}

/// Why a trace failed, and where its time went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// The call that failed first, by itself.
    pub cause: Option<FlowId>,
    /// What its time hung on, in the order of time: any of it done sooner, the whole is.
    pub path: Vec<Step>,
}

/// A part of a critical path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The flow that took it: of a wait in a queue, the delivery that ended it.
    pub flow: FlowId,
    /// Who took it; of a wait, the queue.
    pub service: Arc<str>,
    /// What it is.
    pub kind: StepKind,
    /// How long nothing else was waited for.
    pub own: Span,
}

/// What time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// A service's own work, and its way on the wire.
    Work,
    /// The wait in a queue.
    Queue,
    /// A proxy's passing on.
    Proxy,
    /// An answer that had begun was on its way: who sends it, the network or who reads it took that long.
    Sending,
}

impl StepKind {
    /// How it is told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Queue => "queue",
            Self::Proxy => "proxy",
            Self::Sending => "sending",
        }
    }
}

/// A trace: what one request caused, as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// The first root's trace ID, as on the wire.
    pub trace_id: CompactString,
    /// All its IDs as on the wire, in the order of appearance: carriers write them in ways of their own.
    pub trace_ids: Vec<CompactString>,
    /// Its flows in causal order: each behind its parent, siblings by time. Several roots: their common parent was not seen.
    pub tree: Vec<Node>,
    /// Who took part, in the order of first appearance.
    pub services: Vec<Arc<str>>,
    /// Its first byte.
    pub time: Time,
    /// From there to its last byte.
    pub duration: Span,
    /// Flows that did not go well.
    pub errors: u64,
    /// Of one that failed or is slow: what it is because of.
    pub why: Why,
    /// Whether nothing is known to be missing: one root, no answer that is due, nothing forgotten.
    pub complete: bool,
}
