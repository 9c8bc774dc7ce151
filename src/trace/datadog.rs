//! Datadog's `x-datadog-trace-id` and its kin: decimal numbers of 64 bits; the upper half of a longer ID is the tag `_dd.p.tid`
//! (<https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/>).

use super::{Carried, Found, Propagator, context, padded};
use crate::model::{Issue, TraceContext};

/// `x-datadog-trace-id`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "x-datadog-trace-id",
    fields: &["x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags"],
    read,
    malformed: Issue::remark("malformed x-datadog-trace-id"),
    // the low 64 bits as a decimal number
    key: |id| id.parse::<u64>().map(|n| padded(&format!("{n:x}"))).unwrap_or_default(),
};

fn read(fields: &Carried<'_>) -> Found {
    let Some(trace) = fields.get(0) else { return Found::Nothing };
    let number = |text| std::str::from_utf8(text).ok().filter(|text| text.parse::<u64>().is_ok_and(|n| n > 0));
    let Some(trace) = number(trace) else { return Found::Malformed };
    let span = fields.get(1).and_then(number);
    // at or below 0: dropped
    let sampled = fields.get(2).and_then(|text| std::str::from_utf8(text).ok()?.parse::<i32>().ok()).map(|priority| priority > 0);
    Found::Context(TraceContext { sampled, state: fields.joined(3), ..context(PROPAGATOR.carrier, trace, span) })
}
