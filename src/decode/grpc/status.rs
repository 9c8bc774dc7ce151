//! Status codes of gRPC: their names, and what ends of other kinds mean (grpc/doc/statuscodes.md, http-grpc-status-mapping.md).

use compact_str::CompactString;

/// `UNKNOWN`: also of an end that says nothing.
pub const UNKNOWN: i64 = 2;
/// `DEADLINE_EXCEEDED`
pub const DEADLINE_EXCEEDED: i64 = 4;
/// HTTP/2's error code CANCEL.
pub const CANCEL: u32 = 8;
const INTERNAL: i64 = 13;
/// `UNAVAILABLE`: nobody looked at the call.
pub const UNAVAILABLE: i64 = 14;

/// gRPC's names by code, and Connect's.
static NAMES: [(&str, &str); 17] = [
    ("OK", "ok"),
    ("CANCELLED", "canceled"),
    ("UNKNOWN", "unknown"),
    ("INVALID_ARGUMENT", "invalid_argument"),
    ("DEADLINE_EXCEEDED", "deadline_exceeded"),
    ("NOT_FOUND", "not_found"),
    ("ALREADY_EXISTS", "already_exists"),
    ("PERMISSION_DENIED", "permission_denied"),
    ("RESOURCE_EXHAUSTED", "resource_exhausted"),
    ("FAILED_PRECONDITION", "failed_precondition"),
    ("ABORTED", "aborted"),
    ("OUT_OF_RANGE", "out_of_range"),
    ("UNIMPLEMENTED", "unimplemented"),
    ("INTERNAL", "internal"),
    ("UNAVAILABLE", "unavailable"),
    ("DATA_LOSS", "data_loss"),
    ("UNAUTHENTICATED", "unauthenticated"),
];

/// The name of a code; of one without a name, its number.
pub fn name(code: i64) -> CompactString {
    let known = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    known.map_or_else(|| code.to_string().into(), |(name, _)| (*name).into())
}

/// What a RST_STREAM's error code means (PROTOCOL-HTTP2.md, "Errors").
pub fn of_reset(code: u32) -> i64 {
    match code {
        0x7 => 14,   // REFUSED_STREAM: UNAVAILABLE
        CANCEL => 1, // CANCELLED
        0xb => 8,    // ENHANCE_YOUR_CALM: RESOURCE_EXHAUSTED
        0xc => 7,    // INADEQUATE_SECURITY: PERMISSION_DENIED
        0x0..=0x4 | 0x6 | 0x9 | 0xa => INTERNAL,
        _ => UNKNOWN,
    }
}

/// What an HTTP status means where there is no other (http-grpc-status-mapping.md).
pub fn of_http(code: u16) -> i64 {
    match code {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}

/// The code of a name of Connect's.
pub fn connect(word: &str) -> Option<i64> {
    NAMES.iter().position(|(_, name)| *name == word).map(|code| code as i64)
}
