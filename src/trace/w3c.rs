//! W3C Trace Context (`traceparent`, `tracestate`; <https://www.w3.org/TR/trace-context-2/>) and W3C Baggage.

use super::{Carried, Found, Propagator};
use crate::model::{Issue, TraceContext, text_of};

/// `traceparent`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "traceparent",
    fields: &["traceparent", "tracestate", "baggage"],
    read,
    malformed: Issue::remark("malformed traceparent"),
    key: super::lower,
};

fn read(fields: &Carried<'_>) -> Found {
    let mut all = fields.all(0);
    // of two nobody knows which one is meant (§3.2)
    let value = match (all.next(), all.next()) {
        (None, _) => return Found::Nothing,
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Found::Malformed,
    };
    let Some((trace_id, span_id, flags)) = parse(value) else { return Found::Malformed };
    Found::Context(TraceContext {
        trace_id: text_of(trace_id).into(),
        span_id: Some(text_of(span_id).into()),
        parent_id: None,
        carrier: PROPAGATOR.carrier,
        sampled: Some(flags & 1 == 1),
        state: fields.joined(1),
        baggage: fields.joined(2),
    })
}

/// Trace ID, parent ID and flags of `version-traceid-parentid-flags` (§3.2). A later version may have more behind the flags.
fn parse(value: &[u8]) -> Option<(&[u8], &[u8], u8)> {
    let value = value.trim_ascii();
    let (version, rest) = field(value, 2)?;
    let (trace_id, rest) = field(rest.strip_prefix(b"-")?, 32)?;
    let (span_id, rest) = field(rest.strip_prefix(b"-")?, 16)?;
    let (flags, rest) = field(rest.strip_prefix(b"-")?, 2)?;
    let ends = match version {
        b"ff" => false,
        b"00" => rest.is_empty(),
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    let zero = |id: &[u8]| id.iter().all(|&b| b == b'0');
    let flags = u8::from_str_radix(std::str::from_utf8(flags).ok()?, 16).ok()?;
    (ends && !zero(trace_id) && !zero(span_id)).then_some((trace_id, span_id, flags))
}

/// The next `n` lower-case hex digits.
fn field(value: &[u8], n: usize) -> Option<(&[u8], &[u8])> {
    let (digits, rest) = value.split_at_checked(n)?;
    digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some((digits, rest))
}
