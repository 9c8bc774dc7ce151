//! A message that was cut, mended: the fields that are whole, and of the one that was cut as much as makes sense. No value is made up: a
//! number that is not whole is left out.

use super::guess;
use super::wire::{Fault, Fields, MAX_DEPTH, delimited, key, varint};
use crate::decode::cursor::Cursor;
use prost_reflect::{Kind, MessageDescriptor};

/// How deep a message is mended of which only a guess says that it is one: each level is read once more.
const MAX_GUESSED: usize = 16;

/// The message up to where it was cut. What is damaged otherwise stays as it is, for whoever reads it to say so.
pub(super) fn mend(bytes: &[u8], message: Option<&MessageDescriptor>) -> Vec<u8> {
    mended(bytes, message, 0)
}

fn mended(bytes: &[u8], message: Option<&MessageDescriptor>, depth: usize) -> Vec<u8> {
    let mut fields = Fields::of(bytes);
    let deepest = if message.is_some() { MAX_DEPTH } else { MAX_GUESSED };
    if fields.by_ref().all(|field| field != Err(Fault::Ends)) || depth >= deepest {
        return bytes.to_vec();
    }
    let (whole, rest) = bytes.split_at_checked(fields.position()).unwrap_or((bytes, &[]));
    let mut out = whole.to_vec();
    let mut cursor = Cursor::new(rest);
    let Ok((number, 2)) = key(&mut cursor) else { return out };
    let tag = rest.get(..cursor.position()).unwrap_or_default();
    // the length is there, the bytes are not; of a length that is cut itself nothing is known
    if varint(&mut cursor.clone()).is_err() || delimited(&mut cursor.clone()) != Err(Fault::Ends) {
        return out;
    }
    _ = varint(&mut cursor);
    let kind = message.and_then(|m| m.get_field(number)).map(|field| field.kind());
    let content = begun(cursor.rest(), kind.as_ref(), depth);
    out.extend_from_slice(tag);
    push_varint(content.len() as u64, &mut out);
    out.extend_from_slice(&content);
    out
}

/// What can be used of a value's beginning.
fn begun(bytes: &[u8], kind: Option<&Kind>, depth: usize) -> Vec<u8> {
    let multiple = |n: usize| bytes.get(..bytes.len() / n * n).unwrap_or_default().to_vec();
    match kind {
        Some(Kind::Message(message)) => mended(bytes, Some(message), depth + 1),
        Some(Kind::String) => characters(bytes).to_vec(),
        Some(Kind::Bytes) => bytes.to_vec(),
        Some(Kind::Double | Kind::Fixed64 | Kind::Sfixed64) => multiple(8),
        Some(Kind::Float | Kind::Fixed32 | Kind::Sfixed32) => multiple(4),
        // packed varints: those whose last byte is there
        Some(_) => bytes.get(..bytes.iter().rposition(|b| *b < 0x80).map_or(0, |at| at + 1)).unwrap_or_default().to_vec(),
        None if guess::as_text(characters(bytes)).is_some() => characters(bytes).to_vec(),
        None => Some(mended(bytes, None, depth + 1)).filter(|m| guess::is_likely(m)).unwrap_or_else(|| bytes.to_vec()),
    }
}

/// Without the character at the end that is not whole.
fn characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() => bytes.get(..e.valid_up_to()).unwrap_or_default(),
        _ => bytes,
    }
}

fn push_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
