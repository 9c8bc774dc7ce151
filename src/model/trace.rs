//! Trace context as one message carries it. Reading it from headers is `trace`'s.

/// What a propagator found on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace ID, as on the wire.
    pub trace_id: Box<str>,
    /// The span ID that the message carries: the caller's span.
    pub span_id: Option<Box<str>>,
    /// A second, older span ID, where the carrier has one (B3, Jaeger, X-Ray).
    pub parent_id: Option<Box<str>>,
    /// The header or property that it was read from (`traceparent`).
    pub carrier: &'static str,
    /// The sampling decision, where the carrier has one.
    pub sampled: Option<bool>,
    /// Vendor state that rides along, as on the wire (`tracestate`).
    pub state: Option<Box<str>>,
    /// Baggage members as on the wire (W3C Baggage §3.3), joined by commas.
    pub baggage: Option<Box<str>>,
}
