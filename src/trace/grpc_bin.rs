//! OpenCensus' binary context in gRPC metadata: `grpc-trace-bin`, which HTTP/2 carries in base64, and messages of brokers as it is.
//! Version 0, then fields of a number and a fixed length: trace ID (0, 16 bytes), span ID (1, 8 bytes), options (2, one byte)
//! (<https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md>).

use super::{Carried, Found, Propagator, context};
use crate::model::{Issue, TraceContext};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padded or not (gRPC over HTTP2, "Binary-Header").
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `grpc-trace-bin`.
pub const PROPAGATOR: Propagator = Propagator {
    carrier: "grpc-trace-bin",
    fields: &["grpc-trace-bin"],
    read,
    malformed: Issue::remark("malformed grpc-trace-bin"),
    key: super::lower,
};

fn read(fields: &Carried<'_>) -> Found {
    // no text of base64 begins as the bytes do, which may end as white space does
    let Some(value) = fields.all(0).next() else { return Found::Nothing };
    parse(value).or_else(|| parse(&BASE64.decode(value.trim_ascii()).ok()?)).into()
}

fn parse(bytes: &[u8]) -> Option<TraceContext> {
    let mut rest = bytes.strip_prefix(&[0])?;
    let (mut trace, mut span, mut sampled) = (None, None, None);
    while let Some((field, more)) = rest.split_first() {
        let (slot, len) = match field {
            0 => (&mut trace, 16),
            1 => (&mut span, 8),
            2 => (&mut sampled, 1),
            // what a later version adds follows what is known
            _ => break,
        };
        let (value, more) = more.split_at_checked(len)?;
        *slot = Some(value);
        rest = more;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let trace = trace.filter(|id| id.iter().any(|&b| b != 0)).map(hex)?;
    let span = span.filter(|id| id.iter().any(|&b| b != 0)).map(hex);
    let sampled = sampled.and_then(<[u8]>::first).map(|options| options & 1 == 1);
    Some(TraceContext { sampled, ..context(PROPAGATOR.carrier, &trace, span.as_deref()) })
}
