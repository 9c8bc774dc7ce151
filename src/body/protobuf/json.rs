//! A message by its descriptor, as JSON after the proto3 mapping (protobuf.dev, "ProtoJSON Format"). Unlike a serializer it goes on where
//! something is unknown: an enum's number, a field's number, an `Any` of an unknown type with its bytes.

use super::wire::{self, Field, Fields};
use super::{guess, known};
use crate::body::json::MAX_DEPTH;
use crate::body::list;
use crate::schema::{Schemas, reason};
use crate::text::write_json_string;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, Value};

/// The message as a JSON object; the error says why the bytes are no such message.
pub(super) fn json(bytes: &[u8], message: &MessageDescriptor, schemas: &Schemas) -> Result<String, String> {
    read(bytes, message, schemas).map(|(json, _)| json)
}

/// The same, and whether it has fields that its descriptor has not.
pub(super) fn read(bytes: &[u8], message: &MessageDescriptor, schemas: &Schemas) -> Result<(String, bool), String> {
    let decoded = DynamicMessage::decode(message.clone(), bytes).map_err(|e| match culprit(bytes, message) {
        Some(field) => format!("{field}: {}", reason(&e)),
        None => reason(&e),
    })?;
    let mut out = Vec::with_capacity(bytes.len() * 2);
    let mut writer = Writer { schemas, depth: 0, unknown: false };
    writer.message(&decoded, &mut out)?;
    Ok((String::from_utf8(out).unwrap_or_default(), writer.unknown))
}

/// The first field that does not parse, with those that it is in: `lines.sku`. None where the bytes are no fields at all.
fn culprit(bytes: &[u8], message: &MessageDescriptor) -> Option<String> {
    let mut path: Vec<String> = Vec::new();
    let (mut bytes, mut message) = (bytes, message.clone());
    while path.len() < MAX_DEPTH {
        let mut fields = Fields::of(bytes);
        let (field, value) = loop {
            let start = fields.position();
            let Ok(Field { number, value }) = fields.next()? else { return None };
            let alone = bytes.get(start..fields.position())?;
            match message.get_field(number) {
                Some(field) if DynamicMessage::decode(message.clone(), alone).is_err() => break (field, value),
                _ => {}
            }
        };
        path.push(field.name().to_owned());
        match (field.kind(), value) {
            (Kind::Message(inner), wire::Value::Bytes(inside)) if Fields::of(inside).all(|field| field.is_ok()) => {
                (bytes, message) = (inside, inner);
            }
            _ => break,
        }
    }
    Some(path.join("."))
}

/// Why a message cannot be written after all.
type Written = Result<(), String>;

pub(super) struct Writer<'a> {
    pub(super) schemas: &'a Schemas,
    /// How many levels of JSON are open.
    pub(super) depth: usize,
    /// Whether there was a field that its descriptor has not.
    pub(super) unknown: bool,
}

impl Writer<'_> {
    pub(super) fn message(&mut self, message: &DynamicMessage, out: &mut Vec<u8>) -> Written {
        self.deeper(|writer| match known::write(writer, message, out) {
            Some(written) => written,
            None => {
                out.push(b'{');
                writer.members(message, true, out)?;
                out.push(b'}');
                Ok(())
            }
        })
    }

    /// The fields with a value, then extensions, then what the descriptor does not have.
    pub(super) fn members(&mut self, message: &DynamicMessage, mut first: bool, out: &mut Vec<u8>) -> Written {
        let mut comma = |out: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
        };
        for (field, value) in message.fields() {
            comma(out);
            write_json_string(field.json_name(), out);
            out.push(b':');
            self.value(value, &field.kind(), out)?;
        }
        for (extension, value) in message.extensions() {
            comma(out);
            write_json_string(extension.json_name(), out);
            out.push(b':');
            self.value(value, &extension.kind(), out)?;
        }
        let mut unknown = Vec::new();
        message.unknown_fields().for_each(|field| field.encode(&mut unknown));
        if !unknown.is_empty() {
            self.unknown = true;
            guess::append(&unknown, self.depth, first, out).map_err(|fault| fault.text().to_owned())?;
        }
        Ok(())
    }

    pub(super) fn value(&mut self, value: &Value, kind: &Kind, out: &mut Vec<u8>) -> Written {
        match value {
            Value::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Value::I32(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Value::U32(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Value::I64(n) => write_json_string(&n.to_string(), out),
            Value::U64(n) => write_json_string(&n.to_string(), out),
            Value::F32(n) => float((*n).into(), format!("{n:?}"), out),
            Value::F64(n) => float(*n, format!("{n:?}"), out),
            Value::String(text) => write_json_string(text, out),
            Value::Bytes(bytes) => write_json_string(&BASE64.encode(bytes), out),
            Value::EnumNumber(number) => enumerator(*number, kind, out),
            Value::Message(message) => self.message(message, out)?,
            Value::List(items) => self.deeper(|writer| {
                let mut written = Ok(());
                list(items, b"[]", out, |item, out| {
                    if written.is_ok() {
                        written = writer.value(item, kind, out);
                    }
                });
                written
            })?,
            Value::Map(map) => self.deeper(|writer| {
                let values = kind.as_message().map(|entry| entry.map_entry_value_field().kind());
                let mut pairs: Vec<(&MapKey, &Value)> = map.iter().collect();
                // the wire's order is lost, and the map's own is another each time
                pairs.sort_by(|a, b| a.0.cmp(b.0));
                out.push(b'{');
                for (i, (key, value)) in pairs.into_iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_json_string(&name(key), out);
                    out.push(b':');
                    writer.value(value, values.as_ref().unwrap_or(kind), out)?;
                }
                out.push(b'}');
                Ok(())
            })?,
        }
        Ok(())
    }

    /// One level of JSON more, as far as whoever reads it takes that.
    pub(super) fn deeper(&mut self, write: impl FnOnce(&mut Self) -> Written) -> Written {
        if self.depth == MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        written
    }
}

fn name(key: &MapKey) -> String {
    match key {
        MapKey::Bool(yes) => yes.to_string(),
        MapKey::I32(n) => n.to_string(),
        MapKey::I64(n) => n.to_string(),
        MapKey::U32(n) => n.to_string(),
        MapKey::U64(n) => n.to_string(),
        MapKey::String(text) => text.clone(),
    }
}

fn enumerator(number: i32, kind: &Kind, out: &mut Vec<u8>) {
    match kind.as_enum() {
        Some(e) if e.full_name() == "google.protobuf.NullValue" => out.extend_from_slice(b"null"),
        e => match e.and_then(|e| e.get_value(number)) {
            Some(value) => write_json_string(value.name(), out),
            None => out.extend_from_slice(number.to_string().as_bytes()),
        },
    }
}

/// What JSON has no number for is text.
pub(super) fn float(value: f64, digits: String, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(digits.as_bytes());
    } else {
        let word = if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        write_json_string(word, out);
    }
}
