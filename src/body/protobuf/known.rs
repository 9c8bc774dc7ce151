//! Well-known types that have a JSON of their own (protobuf.dev, "ProtoJSON Format"). A value that their JSON cannot express is written
//! as the fields that it is.

use super::json::Writer;
use crate::text::write_json_string;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use prost_reflect::{DynamicMessage, ReflectMessage as _};

/// Seconds of the years 1 to 9999 (timestamp.proto).
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Seconds of ten thousand years (duration.proto).
const SPANS: std::ops::RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;
/// Nanoseconds of a second, exclusive.
const NANOS: i32 = 1_000_000_000;

/// Writes the message, where it is of such a type and its fields make sense.
pub(super) fn write(writer: &mut Writer<'_>, message: &DynamicMessage, out: &mut Vec<u8>) -> Option<Result<(), String>> {
    let descriptor = message.descriptor();
    let name = descriptor.full_name().strip_prefix("google.protobuf.")?;
    match name {
        "Timestamp" => write_json_string(&timestamp(message)?, out),
        "Duration" => write_json_string(&duration(message)?, out),
        "FieldMask" => write_json_string(&mask(message)?, out),
        "Any" => return any(writer, message, out),
        "Value" => return Some(value(writer, message, out)),
        "Struct" | "ListValue" | "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
        | "BoolValue" | "StringValue" | "BytesValue" => {
            let field = descriptor.get_field(1)?;
            return Some(writer.value(&message.get_field(&field), &field.kind(), out));
        }
        _ => return None,
    }
    Some(Ok(()))
}

fn seconds_and_nanos(message: &DynamicMessage) -> Option<(i64, i32)> {
    Some((message.get_field_by_number(1)?.as_i64()?, message.get_field_by_number(2)?.as_i32()?))
}

/// RFC 3339 in UTC.
fn timestamp(message: &DynamicMessage) -> Option<String> {
    let (seconds, nanos) = seconds_and_nanos(message)?;
    if !TIMES.contains(&seconds) || !(0..NANOS).contains(&nanos) {
        return None;
    }
    // a date without a zone: jiff's instants end a day before the year 9999 does
    let epoch = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let whole = epoch.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
    Some(format!("{whole}{}Z", fraction(nanos.unsigned_abs())))
}

/// `1.500s`.
fn duration(message: &DynamicMessage) -> Option<String> {
    let (seconds, nanos) = seconds_and_nanos(message)?;
    let agree = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
    if !SPANS.contains(&seconds) || !agree || nanos.unsigned_abs() >= NANOS.unsigned_abs() {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Some(format!("{sign}{}{}s", seconds.unsigned_abs(), fraction(nanos.unsigned_abs())))
}

/// None, three, six or nine digits.
fn fraction(nanos: u32) -> String {
    match nanos {
        0 => String::new(),
        n if n % 1_000_000 == 0 => format!(".{:03}", n / 1_000_000),
        n if n % 1000 == 0 => format!(".{:06}", n / 1000),
        n => format!(".{n:09}"),
    }
}

/// Paths in lowerCamelCase; none where that could not be undone.
fn mask(message: &DynamicMessage) -> Option<String> {
    let paths = message.get_field_by_number(1)?;
    let paths: Option<Vec<String>> = paths.as_list()?.iter().map(|path| camel(path.as_str()?)).collect();
    Some(paths?.join(","))
}

fn camel(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '_' => out.push(chars.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            c if c.is_ascii_uppercase() => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// A value that is not set at all is null too: there is no other word for it.
fn value(writer: &mut Writer<'_>, message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), String> {
    match message.fields().next() {
        Some((field, value)) => writer.value(value, &field.kind(), out),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

/// `@type` with what it holds; with its bytes where the type is unknown or they are no such message.
fn any(writer: &mut Writer<'_>, message: &DynamicMessage, out: &mut Vec<u8>) -> Option<Result<(), String>> {
    let (url, bytes) = (message.get_field_by_number(1)?, message.get_field_by_number(2)?);
    let (url, bytes) = (url.as_str()?, bytes.as_bytes()?);
    if url.is_empty() && bytes.is_empty() {
        out.extend_from_slice(b"{}");
        return Some(Ok(()));
    }
    let name = url.rsplit('/').next().unwrap_or(url);
    let pool = message.descriptor().parent_pool().clone();
    let inner = pool.get_message_by_name(name).or_else(|| Some(writer.schemas.message(name)?.message));
    let inner = inner.and_then(|inner| DynamicMessage::decode(inner, bytes.clone()).ok());
    out.extend_from_slice(b"{\"@type\":");
    write_json_string(url, out);
    let head = out.len();
    if let Some(inner) = &inner {
        let mut own = Vec::new();
        // one inside another is a level too, however little each adds
        let written = writer.deeper(|writer| match write(writer, inner, &mut own) {
            Some(written) => written.map(|()| {
                out.extend_from_slice(b",\"value\":");
                out.extend_from_slice(&own);
            }),
            None => writer.members(inner, false, out),
        });
        if written.is_ok() {
            out.push(b'}');
            return Some(Ok(()));
        }
    }
    // what was begun is taken back
    out.truncate(head);
    out.extend_from_slice(b",\"value\":");
    write_json_string(&BASE64.encode(bytes), out);
    out.push(b'}');
    Some(Ok(()))
}
