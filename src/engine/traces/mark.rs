//! What a flow carries of a trace, as far as traces compare it: digests, not texts.

use crate::engine::digest::digester;
use crate::model::TraceContext;
use crate::trace;
use std::hash::{Hash as _, Hasher as _};

/// A trace context, as far as it has to be compared with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Mark {
    /// What carried it.
    pub(in crate::engine) carrier: &'static str,
    /// Stands for its trace ID, whatever carried it.
    pub(in crate::engine) id: u64,
    /// Stands for the span ID.
    pub(in crate::engine) span: Option<u64>,
    /// The sampling decision.
    pub(in crate::engine) sampled: Option<bool>,
}

impl Mark {
    /// Of a context.
    pub(in crate::engine) fn of(context: &TraceContext) -> Self {
        Self::known_by(&trace::key(context), context)
    }

    /// Of a context whose key is known.
    pub(super) fn known_by(key: &str, context: &TraceContext) -> Self {
        // of an ID of 128 bits the lower half: that is what a carrier of 64 bits writes of it
        let id = digest(tail(key));
        let (span, sampled) = (context.span_id.as_deref().map(digest), context.sampled);
        Self { carrier: context.carrier, id, span, sampled }
    }

    /// Whether it is a tracer's, not a mere request's.
    pub(in crate::engine) fn of_tracer(&self) -> bool {
        !trace::is_request_id(self.carrier)
    }
}

/// A text as a number, to compare.
pub(in crate::engine) fn digest(text: &str) -> u64 {
    let mut hasher = digester();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What two keys of one trace have in common.
pub(super) fn tail(key: &str) -> &str {
    if key.len() == 32 { key.get(16..).unwrap_or(key) } else { key }
}
