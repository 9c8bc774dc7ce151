//! Apache SkyWalking's `sw8`: eight parts joined by dashes: sample, trace, segment, span, service, instance, endpoint, address; the
//! texts in base64 (<https://skywalking.apache.org/docs/main/latest/en/api/x-process-propagation-headers-v3/>).

use super::{Carried, Found, Propagator, context};
use crate::model::{Issue, TraceContext};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `sw8`.
pub const PROPAGATOR: Propagator =
    Propagator { carrier: "sw8", fields: &["sw8"], read, malformed: Issue::remark("malformed sw8"), key: |id| id.into() };

fn read(fields: &Carried<'_>) -> Found {
    let parse = |value: &str| {
        let parts: Vec<&str> = value.splitn(9, '-').collect();
        let &[sample, trace, segment, span, ..] = parts.as_slice() else { return None };
        let text = |part: &str| String::from_utf8(STANDARD.decode(part).ok()?).ok().filter(|text| !text.is_empty());
        let (trace, segment, span) = (text(trace)?, text(segment)?, span.parse::<i32>().ok()?);
        let sampled = match sample {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        if parts.len() != 8 {
            return None;
        }
        Some(TraceContext { sampled: Some(sampled), ..context(PROPAGATOR.carrier, &trace, Some(&format!("{segment}-{span}"))) })
    };
    fields.get(0).and_then(|value| std::str::from_utf8(value).ok()).and_then(parse).into()
}
