//! IDs that tie messages together without being a tracer's: `X-Request-Id`, `X-Correlation-Id`, the `correlation-id` of messages. The weakest: any text will do.

use super::{Carried, Found, Propagator, context};
use crate::model::{Issue, text_of};

/// The longest one that is taken for an ID.
const LONGEST: usize = 128;

/// `x-request-id`.
pub const REQUEST: Propagator = Propagator {
    carrier: "x-request-id",
    fields: &["x-request-id"],
    read: |fields| read(fields, "x-request-id"),
    malformed: Issue::remark("malformed x-request-id"),
    key: |id| id.into(),
};

/// `x-correlation-id`.
pub const CORRELATION: Propagator = Propagator {
    carrier: "x-correlation-id",
    fields: &["x-correlation-id"],
    read: |fields| read(fields, "x-correlation-id"),
    malformed: Issue::remark("malformed x-correlation-id"),
    key: |id| id.into(),
};

/// `correlation-id`, a property of messages.
pub const PROPERTY: Propagator = Propagator {
    carrier: "correlation-id",
    fields: &["correlation-id"],
    read: |fields| read(fields, "correlation-id"),
    malformed: Issue::remark("malformed correlation-id"),
    key: |id| id.into(),
};

/// Whether a carrier is one of these.
pub fn is_request_id(carrier: &str) -> bool {
    [REQUEST, CORRELATION, PROPERTY].iter().any(|one| one.carrier == carrier)
}

fn read(fields: &Carried<'_>, carrier: &'static str) -> Found {
    match fields.get(0) {
        Some(id) if !id.is_empty() && id.len() <= LONGEST => Found::Context(context(carrier, &text_of(id), None)),
        // an empty field asks for an ID to be made
        Some([]) | None => Found::Nothing,
        Some(_) => Found::Malformed,
    }
}
