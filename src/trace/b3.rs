//! B3 (<https://github.com/openzipkin/b3-propagation>): in one field, or in several.

use super::{Carried, Found, Propagator, context, hex_id};
use crate::model::{Issue, TraceContext};

/// `b3: {TraceId}-{SpanId}-{SamplingState}-{ParentSpanId}`, or a sampling decision alone.
pub const SINGLE: Propagator =
    Propagator { carrier: "b3", fields: &["b3"], read: single, malformed: Issue::remark("malformed b3"), key: super::lower };

/// `X-B3-TraceId` and its kin.
pub const MULTI: Propagator = Propagator {
    carrier: "x-b3-traceid",
    fields: &["x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"],
    read: multi,
    malformed: Issue::remark("malformed x-b3-traceid"),
    key: super::lower,
};

fn single(fields: &Carried<'_>) -> Found {
    let Some(value) = fields.get(0) else { return Found::Nothing };
    if matches!(value, b"0" | b"1" | b"d") {
        return Found::Nothing;
    }
    let mut parts = value.split(|&b| b == b'-');
    let (trace, span, sampled, parent) = (parts.next(), parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Found::Malformed;
    }
    of(SINGLE.carrier, trace, span, sampled, parent).into()
}

fn multi(fields: &Carried<'_>) -> Found {
    if fields.get(0).is_none() {
        return Found::Nothing;
    }
    let debug = fields.get(4).filter(|flags| *flags == b"1").map(|_| &b"d"[..]);
    of(MULTI.carrier, fields.get(0), fields.get(1), debug.or(fields.get(3)), fields.get(2)).into()
}

/// Trace IDs have 16 or 32 digits, span IDs 16.
fn of(
    carrier: &'static str,
    trace: Option<&[u8]>,
    span: Option<&[u8]>,
    sampled: Option<&[u8]>,
    parent: Option<&[u8]>,
) -> Option<TraceContext> {
    let trace = hex_id(trace?, 16..=32).filter(|id| matches!(id.len(), 16 | 32))?;
    let span = hex_id(span?, 16..=16)?;
    let parent = parent.map(|id| hex_id(id, 16..=16).ok_or(())).transpose().ok()?;
    let sampled = match sampled {
        None => None,
        Some(b"1" | b"d" | b"true") => Some(true),
        Some(b"0" | b"false") => Some(false),
        Some(_) => return None,
    };
    Some(TraceContext { parent_id: parent.map(Into::into), sampled, ..context(carrier, trace, Some(span)) })
}
