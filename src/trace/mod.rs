//! Trace context from headers: one file a propagator, and their registry.

mod w3c;

use crate::model::{Headers, TraceContext};

/// A way to carry trace context in named fields.
#[derive(Debug)]
pub struct Propagator {
    /// The field that names it in `trace.carrier`.
    pub carrier: &'static str,
    /// Reads it; none where it is absent or malformed.
    pub extract: fn(&Headers) -> Option<TraceContext>,
}

/// The strongest first.
static PROPAGATORS: &[Propagator] = &[w3c::PROPAGATOR];

/// The trace context that a message's fields carry.
pub fn extract(headers: &Headers) -> Option<TraceContext> {
    PROPAGATORS.iter().find_map(|p| (p.extract)(headers))
}
