//! W3C Trace Context (`traceparent`, `tracestate`; <https://www.w3.org/TR/trace-context-2/>) and W3C Baggage.

use super::Propagator;
use crate::model::{Headers, TraceContext, text_of};

/// `traceparent`.
pub const PROPAGATOR: Propagator = Propagator { carrier: "traceparent", extract };

fn extract(headers: &Headers) -> Option<TraceContext> {
    let mut all = headers.all("traceparent");
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (trace_id, span_id, flags) = parse(value)?;
    Some(TraceContext {
        trace_id: text_of(trace_id).into(),
        span_id: Some(text_of(span_id).into()),
        parent_id: None,
        carrier: PROPAGATOR.carrier,
        sampled: Some(flags & 1 == 1),
        state: joined(headers, "tracestate"),
        baggage: joined(headers, "baggage"),
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

/// Several fields of a list count as one, in order (§3.3.1).
fn joined(headers: &Headers, name: &'static str) -> Option<Box<str>> {
    let values: Vec<_> = headers.all(name).map(text_of).collect();
    (!values.is_empty()).then(|| values.join(",").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<TraceContext> {
        let mut headers = Headers::default();
        for value in values {
            headers.push(b"TraceParent", value.as_bytes());
        }
        headers.push(b"tracestate", b"a=1");
        headers.push(b"tracestate", b"b=2");
        extract(&headers)
    }

    #[test]
    fn the_specs_example_is_read() {
        let context = of(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]).unwrap();
        assert_eq!(&*context.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id.as_deref(), Some("00f067aa0ba902b7"));
        assert_eq!(context.sampled, Some(true));
        assert_eq!(context.state.as_deref(), Some("a=1,b=2"));
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for bad in [
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "",
        ] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&[good, good]), None, "two of them disagree about who the parent is");
        assert!(of(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-later"]).is_some_and(|c| c.sampled == Some(false)));
    }
}
