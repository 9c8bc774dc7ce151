//! Sentry's `sentry-trace: traceid-spanid-sampled`, its flag optional
//! (<https://develop.sentry.dev/sdk/telemetry/traces/#header-sentry-trace>).

use super::{Carried, Found, Propagator, context, hex_id};
use crate::model::{Issue, TraceContext};

/// `sentry-trace`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "sentry-trace",
    fields: &["sentry-trace", "baggage"],
    read,
    malformed: Issue::remark("malformed sentry-trace"),
    key: super::lower,
};

fn read(fields: &Carried<'_>) -> Found {
    let Some(value) = fields.get(0) else { return Found::Nothing };
    let mut parts = value.split(|&b| b == b'-');
    let (trace, span, sampled) = (parts.next(), parts.next(), parts.next());
    let sampled = match sampled {
        // older SDKs end with a dash where they have not decided
        None | Some(b"") => None,
        Some(b"1") => Some(true),
        Some(b"0") => Some(false),
        Some(_) => return Found::Malformed,
    };
    let of = || Some((hex_id(trace?, 32..=32)?, hex_id(span?, 16..=16)?));
    match (of(), parts.next()) {
        (Some((trace, span)), None) => {
            Found::Context(TraceContext { sampled, baggage: fields.joined(1), ..context(PROPAGATOR.carrier, trace, Some(span)) })
        }
        _ => Found::Malformed,
    }
}
