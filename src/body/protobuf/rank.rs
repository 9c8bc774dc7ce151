//! Which method a call was whose path was never seen: by how well its messages read as what each method takes and gives. A proposal, and
//! never more than that.

use super::cut;
use super::status::{self, DETAILS};
use super::wire::{self, Field, MAX_DEPTH, Value};
use crate::body::{Context, coding};
use crate::decode::cursor::Cursor;
use crate::model::{Body, Detail, Fields, Half, Issue, Pattern, Row, Value as FieldValue};
use crate::schema::{Schemas, path, shape};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use std::borrow::Cow;
use std::cmp::Reverse;

#[cfg(test)]
mod tests;

/// How many methods are tried: as many as the largest company's API has.
const MAX_METHODS: usize = 4096;
/// How many messages of a side are read: the ones after them are like them.
const MAX_MESSAGES: usize = 8;
/// How many bytes are read in all, as much for each method: a tenth of a second.
const MAX_WORK: usize = 16 << 20;
/// How many candidates are given.
const MAX_CANDIDATES: usize = 16;

/// The protocol's own fields of a flow; of a gRPC call that failed, `grpc.details` too, and of one whose method was not captured,
/// `grpc.candidates`: the methods that it may have been, the likeliest first. They are of the user's own descriptors: the few that are
/// built in are seldom the one.
pub fn fields<'d>(seen: Pattern, detail: &'d Detail, context: &Context<'_>) -> Cow<'d, Fields> {
    let mut fields = Cow::Borrowed(&detail.fields);
    if !seen.is_call() {
        return fields;
    }
    if let Some(details) = status::details(detail, context.schemas) {
        fields.to_mut().set(DETAILS, details);
    }
    if fields.get("grpc.method").is_some() {
        return fields;
    }
    let side = |half: &Option<Half>| -> Vec<Vec<u8>> {
        half.iter().flat_map(|half| &half.messages).filter_map(|m| whole(&m.body, context.limit)).take(MAX_MESSAGES).collect()
    };
    let (request, response) = (side(&detail.request), side(&detail.response));
    let found = candidates(seen, &slices(&request), &slices(&response), context.schemas);
    if found.is_empty() {
        return fields;
    }
    let methods = found.iter().map(|method| FieldValue::from(method.as_str())).collect();
    Cow::Owned(fields.into_owned().with(CANDIDATES, FieldValue::List(methods)))
}

/// The name of the field that holds the methods that a call may have been.
pub const CANDIDATES: &str = "grpc.candidates";

/// What was odd about a flow, each oddity once. That its shape was guessed is not said where a descriptor gives it; that its method is,
/// is said where `fields`, which are [`fields`]'s, have candidates.
pub fn notes(row: &Row, detail: &Detail, fields: &Fields, schemas: &Schemas) -> Vec<&'static str> {
    let guessed = || schemas.shape(&row.operation, row.pattern).is_none();
    let mut notes: Vec<&str> = Vec::new();
    for note in detail.notes.iter().filter(|note| **note != Issue::SHAPE_GUESSED || guessed()) {
        // the same oddity of both sides is said once
        if !notes.contains(&note.text) {
            notes.push(note.text);
        }
    }
    notes.extend(fields.get(CANDIDATES).map(|_| Issue::METHOD_GUESSED.text));
    notes
}

/// A message of which every byte is there, without its compression.
fn whole(body: &Body, limit: usize) -> Option<Vec<u8>> {
    if body.partial() || !body.whole {
        return None;
    }
    coding::undo(&body.kept, &body.hint.encodings, limit, false).ok().filter(|plain| !plain.cut).map(|plain| plain.bytes)
}

fn slices<B: AsRef<[u8]>>(messages: &[B]) -> Vec<&[u8]> {
    messages.iter().map(AsRef::as_ref).collect()
}

/// The paths of the methods whose types read the messages of both sides, the likeliest first. The messages are whole, without compression.
pub(super) fn candidates(seen: Pattern, request: &[&[u8]], response: &[&[u8]], schemas: &Schemas) -> Vec<String> {
    // nothing was told, or nothing was kept
    if request.iter().chain(response).all(|bytes| bytes.is_empty()) {
        return Vec::new();
    }
    let methods: Vec<_> = schemas.methods().take(MAX_METHODS).filter(|method| shape(method, seen).is_some()).collect();
    let share = MAX_WORK / 2 / methods.len().max(1);
    let (request, response) = (within(request, share), within(response, share));
    let (request, response) = (slices(&request), slices(&response));
    let mut found: Vec<(Explained, MethodDescriptor)> = Vec::new();
    for method in methods {
        let explained = explained(&method, &request, &response).filter(|explained| explained.order() > 0);
        found.extend(explained.map(|explained| (explained, method)));
    }
    found.sort_by_key(|(explained, _)| Reverse(explained.order()));
    found.into_iter().take(MAX_CANDIDATES).map(|(_, method)| path(&method)).collect()
}

/// As many of a side's messages as are read for each method, the shortest first; of one that is longer than that, its beginning.
fn within<'m>(messages: &[&'m [u8]], share: usize) -> Vec<Cow<'m, [u8]>> {
    let mut messages: Vec<&[u8]> = messages.iter().copied().filter(|bytes| !bytes.is_empty()).take(MAX_MESSAGES).collect();
    messages.sort_by_key(|bytes| bytes.len());
    let mut left = share;
    let mut taken = Vec::new();
    for bytes in messages {
        match left.checked_sub(bytes.len()) {
            Some(_) => taken.push(Cow::Borrowed(bytes)),
            None if taken.is_empty() => taken.push(Cow::Owned(cut::mend(bytes.get(..share).unwrap_or(bytes), None))),
            None => break,
        }
        left = left.saturating_sub(bytes.len());
    }
    taken
}

/// What a type makes of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Explained {
    /// Values that it has a field for; a text and a number tell more than mere bytes, and a message tells what is in it.
    known: i64,
    /// Values that it has no field or no name for.
    unknown: i64,
}

impl Explained {
    /// More is likelier. One value that is unknown outweighs some that are known by chance.
    const fn order(self) -> i64 {
        self.known - 4 * self.unknown
    }

    const fn and(self, other: Self) -> Self {
        Self { known: self.known + other.known, unknown: self.unknown + other.unknown }
    }
}

const fn known(weight: i64) -> Explained {
    Explained { known: weight, unknown: 0 }
}

const UNKNOWN: Explained = Explained { known: 0, unknown: 1 };

/// None where a message cannot be of its type.
fn explained(method: &MethodDescriptor, request: &[&[u8]], response: &[&[u8]]) -> Option<Explained> {
    let side = |messages: &[&[u8]], of: &MessageDescriptor| {
        messages.iter().take(MAX_MESSAGES).try_fold(Explained::default(), |sum, bytes| Some(sum.and(message(bytes, of, 0)?)))
    };
    Some(side(request, &method.input())?.and(side(response, &method.output())?))
}

fn message(bytes: &[u8], of: &MessageDescriptor, depth: usize) -> Option<Explained> {
    if depth == MAX_DEPTH {
        return None;
    }
    wire::Fields::of(bytes).try_fold(Explained::default(), |sum, field| {
        let Field { number, value: wire } = field.ok()?;
        let one = match of.get_field(number) {
            Some(field) => value(wire, &field, depth)?,
            // an extension may be in any file
            None => UNKNOWN,
        };
        Some(sum.and(one))
    })
}

fn value(wire: Value<'_>, field: &FieldDescriptor, depth: usize) -> Option<Explained> {
    match (field.kind(), wire) {
        (Kind::Message(of), Value::Bytes(bytes)) if !field.is_group() => Some(message(bytes, &of, depth + 1)?.and(known(1))),
        (Kind::Message(of), Value::Group(bytes)) if field.is_group() => Some(message(bytes, &of, depth + 1)?.and(known(1))),
        (Kind::String, Value::Bytes(bytes)) => std::str::from_utf8(bytes).ok().map(|_| known(2)),
        (Kind::Bytes, Value::Bytes(_)) => Some(known(1)),
        (kind, Value::Bytes(bytes)) if field.is_list() => packed(bytes, &kind),
        (kind, wire) => number(wire, &kind),
    }
}

fn packed(bytes: &[u8], kind: &Kind) -> Option<Explained> {
    let mut cursor = Cursor::new(bytes);
    let width = match kind {
        Kind::Message(_) | Kind::String | Kind::Bytes => return None,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 8,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 4,
        _ => {
            while !cursor.rest().is_empty() {
                number(Value::Varint(wire::varint(&mut cursor).ok()?), kind)?;
            }
            return Some(known(2));
        }
    };
    bytes.len().is_multiple_of(width).then_some(known(2))
}

fn number(wire: Value<'_>, kind: &Kind) -> Option<Explained> {
    match (kind, wire) {
        (Kind::Bool, Value::Varint(n)) => (n < 2).then_some(known(2)),
        (Kind::Enum(e), Value::Varint(n)) => {
            Some(if e.get_value(n as i32).is_some() && i64::from(n as i32) == n as i64 { known(2) } else { UNKNOWN })
        }
        (Kind::Int32, Value::Varint(n)) => (i64::from(n as i32) == n as i64).then_some(known(2)),
        (Kind::Uint32 | Kind::Sint32, Value::Varint(n)) => u32::try_from(n).ok().map(|_| known(2)),
        (Kind::Int64 | Kind::Uint64 | Kind::Sint64, Value::Varint(_)) => Some(known(2)),
        (Kind::Double | Kind::Fixed64 | Kind::Sfixed64, Value::Fixed64(_)) => Some(known(2)),
        (Kind::Float | Kind::Fixed32 | Kind::Sfixed32, Value::Fixed32(_)) => Some(known(2)),
        _ => None,
    }
}
