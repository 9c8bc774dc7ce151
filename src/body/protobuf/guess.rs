//! A message without its schema: field numbers for names, and a guess at what each field holds. It is a guess, and is called one.
//!
//! A field of bytes is text where all of it is text, else a message where all of it is fields, else bytes. Text that begins with a
//! line's end or a tab and is a message as well is a message: those bytes are the keys of field 1. Packed numbers look like anything,
//! and stay bytes. A fixed number is a floating one where that has a size that people write down.

use super::wire::{Fault, Field, Fields, Value};
use crate::body::json::MAX_DEPTH;
use crate::text::{plain, write_json_string};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::HashMap;

/// Numbers above this are rare in schemas, and common in bytes that are none.
const MAX_LIKELY: u32 = 10_000;

/// The largest integer that JSON's readers keep exact.
const EXACT: u64 = 1 << 53;

/// How much deeper a message makes the JSON: its object, and the list that it may be in.
const LEVELS: usize = 2;

/// What a field seems to be.
#[derive(Clone, Debug, PartialEq)]
enum Guess {
    /// As JSON writes it.
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    Message(Members),
}

/// Fields by number, in the order in which they first came.
type Members = Vec<(u32, Vec<Guess>)>;

/// The message as a JSON object.
pub(super) fn json(bytes: &[u8]) -> Result<String, Fault> {
    let mut out = Vec::new();
    write(&members(bytes, 0)?, &mut out);
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// The members of such an object `depth` levels deep in another's JSON: for fields that a schema does not have.
pub(super) fn append(bytes: &[u8], depth: usize, first: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
    write_members(&members(bytes, depth)?, first, out);
    Ok(())
}

/// Whether bytes read as a message that somebody would have sent.
pub(super) fn is_likely(bytes: &[u8]) -> bool {
    !bytes.is_empty() && nested(bytes, 0).is_some()
}

/// Whether bytes read as text.
pub(super) fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    // what is plain holds no control characters
    let odd = text.get(plain(text)..)?;
    (!odd.contains(control)).then_some(text)
}

fn members(bytes: &[u8], depth: usize) -> Result<Members, Fault> {
    if depth + LEVELS > MAX_DEPTH {
        return Err(Fault::Bad("nested too deeply"));
    }
    let mut place: HashMap<u32, usize> = HashMap::new();
    let mut members: Members = Vec::new();
    for field in Fields::of(bytes) {
        let Field { number, value } = field?;
        let guess = guess(value, depth)?;
        let at = *place.entry(number).or_insert(members.len());
        match members.get_mut(at) {
            Some((_, guesses)) => guesses.push(guess),
            None => members.push((number, vec![guess])),
        }
    }
    Ok(members)
}

fn guess(value: Value<'_>, depth: usize) -> Result<Guess, Fault> {
    Ok(match value {
        Value::Varint(n) => integer(n),
        Value::Fixed64(n) => float(f64::from_bits(n), |f| format!("{f:?}")).unwrap_or_else(|| integer(n)),
        Value::Fixed32(n) => {
            float(f32::from_bits(n).into(), |_| format!("{:?}", f32::from_bits(n))).unwrap_or_else(|| integer(n.into()))
        }
        Value::Group(inside) => Guess::Message(members(inside, depth + LEVELS)?),
        Value::Bytes(bytes) => {
            let text = as_text(bytes);
            let keys = text.is_none() || matches!(bytes.first(), Some(b'\n' | b'\r' | b'\t'));
            match (if keys { nested(bytes, depth) } else { None }, text) {
                (Some(message), _) => Guess::Message(message),
                (None, Some(text)) => Guess::Text(text.to_owned()),
                (None, None) => Guess::Bytes(bytes.to_vec()),
            }
        }
    })
}

/// A message in a field of bytes: an empty one is as well nothing, or no text.
fn nested(bytes: &[u8], depth: usize) -> Option<Members> {
    let members = members(bytes, depth + LEVELS).ok()?;
    members.iter().all(|(number, _)| *number <= MAX_LIKELY).then_some(members)
}

fn float(float: f64, written: impl Fn(f64) -> String) -> Option<Guess> {
    (1e-9..1e18).contains(&float.abs()).then(|| Guess::Number(written(float)))
}

/// What does not fit an `i64` otherwise is a negative number. Text where JSON's readers would round it, as the JSON mapping has it.
fn integer(n: u64) -> Guess {
    let n = n as i64;
    if n.unsigned_abs() <= EXACT { Guess::Number(n.to_string()) } else { Guess::Text(n.to_string()) }
}

fn write(members: &Members, out: &mut Vec<u8>) {
    out.push(b'{');
    write_members(members, true, out);
    out.push(b'}');
}

fn write_members(members: &Members, first: bool, out: &mut Vec<u8>) {
    for (i, (number, guesses)) in members.iter().enumerate() {
        if i > 0 || !first {
            out.push(b',');
        }
        write_json_string(&number.to_string(), out);
        out.push(b':');
        match guesses.as_slice() {
            [guess] => write_guess(guess, out),
            guesses => crate::body::list(guesses, b"[]", out, write_guess),
        }
    }
}

fn write_guess(guess: &Guess, out: &mut Vec<u8>) {
    match guess {
        Guess::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Guess::Text(text) => write_json_string(text, out),
        Guess::Bytes(bytes) => write_json_string(&BASE64.encode(bytes), out),
        Guess::Message(members) => write(members, out),
    }
}
