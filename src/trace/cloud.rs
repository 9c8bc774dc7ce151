//! Google Cloud's `X-Cloud-Trace-Context: TRACE_ID/SPAN_ID;o=OPTIONS`: the span a decimal number
//! (<https://cloud.google.com/trace/docs/trace-context#legacy-http-header>).

use super::{Carried, Found, Propagator, context, hex_id};
use crate::model::{Issue, TraceContext};

/// `x-cloud-trace-context`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "x-cloud-trace-context",
    fields: &["x-cloud-trace-context"],
    read,
    malformed: Issue::remark("malformed x-cloud-trace-context"),
    key: super::lower,
};

fn read(fields: &Carried<'_>) -> Found {
    let parse = |value: &str| {
        let (ids, options) = value.split_once(';').unwrap_or((value, ""));
        let (trace, span) = ids.split_once('/').map_or((ids, None), |(trace, span)| (trace, Some(span)));
        let trace = hex_id(trace.as_bytes(), 32..=32)?;
        if span.is_some_and(|span| span.parse::<u64>().is_err()) {
            return None;
        }
        let sampled = options.trim().strip_prefix("o=").map(|options| options == "1");
        Some(TraceContext { sampled, ..context(PROPAGATOR.carrier, trace, span) })
    };
    fields.get(0).and_then(|value| std::str::from_utf8(value).ok()).and_then(parse).into()
}
