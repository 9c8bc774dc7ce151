//! Which calls failed, and which of those failed for good. What a client did wrong (404) is its receiver's success.

use super::Hop;
use crate::model::Pattern;

/// gRPC's words for what is the caller's mistake, or a plain answer (<https://grpc.io/docs/guides/status-codes/>).
const CALLERS: &[&str] = &[
    "CANCELLED",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNAUTHENTICATED",
];

/// Whether its receiver failed at it, as far as is known.
pub(in crate::engine) fn failed(hop: &Hop) -> bool {
    let status = hop.status.as_deref().unwrap_or_default();
    let callers = match status.parse::<u16>() {
        Ok(code) => (400..500).contains(&code) && !transient(code),
        Err(_) => CALLERS.contains(&status),
    };
    !hop.ok && !callers && hop.pattern != Pattern::Publish
}

/// Statuses of a client's mistake that time alone mends: a timeout, too early, too many requests (RFC 9110 §15.5.9, 8470, 6585).
const fn transient(code: u16) -> bool {
    matches!(code, 408 | 425 | 429)
}

/// Whether a call is passed on as it came: by a proxy, which fails only as what is behind it does.
pub(in crate::engine) fn passes_on(up: &Hop, down: &Hop) -> bool {
    up.operation == down.operation && up.pattern == down.pattern
}

/// What failed and how: `POST /charges answered 503`.
pub(in crate::engine) fn outcome(hop: &Hop) -> String {
    let operation = &hop.operation;
    match hop.status.as_deref() {
        _ if hop.pending => format!("{operation} got no answer"),
        Some(status) => format!("{operation} answered {status}"),
        None => format!("{operation} failed"),
    }
}
