//! AWS X-Ray's `X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).

use super::{Carried, Found, Propagator, context, hex_id};
use crate::model::{Issue, TraceContext};

/// `x-amzn-trace-id`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "x-amzn-trace-id",
    fields: &["x-amzn-trace-id"],
    read,
    malformed: Issue::remark("malformed x-amzn-trace-id"),
    // with dashes in between
    key: |id| id.split('-').skip(1).collect(),
};

fn read(fields: &Carried<'_>) -> Found {
    let Some(value) = fields.get(0).and_then(|value| std::str::from_utf8(value).ok()) else { return Found::Malformed };
    let part = |name: &str| {
        let mut parts = value.split(';').filter_map(|part| part.trim().split_once('='));
        parts.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    // a load balancer adds Self= to what has no Root
    let Some(root) = part("Root").or_else(|| part("Self")) else { return Found::Malformed };
    let mut digits = root.split('-');
    let good = digits.next() == Some("1")
        && digits.next().is_some_and(|time| hex_id(time.as_bytes(), 8..=8).is_some())
        && digits.next().is_some_and(|id| hex_id(id.as_bytes(), 24..=24).is_some())
        && digits.next().is_none();
    if !good {
        return Found::Malformed;
    }
    let span = part("Parent").filter(|id| hex_id(id.as_bytes(), 16..=16).is_some());
    let sampled = match part("Sampled") {
        Some("1") => Some(true),
        Some("0") => Some(false),
        _ => None,
    };
    Found::Context(TraceContext { sampled, ..context(PROPAGATOR.carrier, root, span) })
}
