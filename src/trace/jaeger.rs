//! Jaeger's `uber-trace-id: {trace-id}:{span-id}:{parent-span-id}:{flags}`
//! (<https://www.jaegertracing.io/docs/1.76/architecture/sdk/#propagation-format>).

use super::{Carried, Found, Propagator, context, hex_id, padded};
use crate::model::{Issue, TraceContext};
use std::borrow::Cow;

/// `uber-trace-id`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "uber-trace-id",
    fields: &["uber-trace-id"],
    read,
    malformed: Issue::remark("malformed uber-trace-id"),
    key: padded,
};

fn read(fields: &Carried<'_>) -> Found {
    let Some(value) = fields.get(0) else { return Found::Nothing };
    // colons may come percent-encoded
    let value = String::from_utf8_lossy(value);
    let value = if value.contains("%3") { Cow::Owned(value.replace("%3A", ":").replace("%3a", ":")) } else { value };
    parse(&value).into()
}

fn parse(value: &str) -> Option<TraceContext> {
    let mut parts = value.split(':');
    let [trace, span, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let trace = hex_id(trace.as_bytes(), 1..=32).filter(|_| parts.next().is_none())?;
    let span = hex_id(span.as_bytes(), 1..=16)?;
    // 0 where there is none
    let parent = hex_id(parent.as_bytes(), 1..=16);
    let sampled = Some(u8::from_str_radix(flags, 16).ok()? & 1 == 1);
    Some(TraceContext { parent_id: parent.map(Into::into), sampled, ..context(PROPAGATOR.carrier, trace, Some(span)) })
}
