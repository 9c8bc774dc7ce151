//! Values that look like IDs in what a flow carries: order numbers, UUIDs. Read where nothing stronger ties a flow, a body at most once.
//! Not a decoder: an ID reads the same in JSON, forms, SQL and the strings of protobuf.

use super::super::digest::digester;
use crate::model::{Detail, Fields, Half, Row, State, Value};
use std::hash::{Hash as _, Hasher};

/// How much of a body is read, in bytes.
const READ: usize = 4096;
/// How many values are compared: of more the first.
const MAX_VALUES: usize = 16;
/// The shortest one with letters in it, and the shortest number: shorter ones are amounts and counts.
const SHORTEST: usize = 6;
const SHORTEST_NUMBER: usize = 5;
/// How many digits there are in it at least.
const FEWEST_DIGITS: usize = 2;
/// The fields in which they are.
const FIELDS: [&str; 5] = ["http.target", "sql", "postgresql.parameters", "redis.args", "amqp.properties"];
/// The longest one.
const LONGEST: usize = 64;

/// Values that look like IDs, as numbers to compare.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    list: Vec<u64>,
    /// A bit for each, so that most others are told apart from all of them at once.
    bits: u64,
    /// Whether there may be more, which was not read.
    more: bool,
    /// Whether a body is still to come.
    part: bool,
}

impl Values {
    /// Takes in another one, up to `room`.
    pub(super) fn add(&mut self, value: u64, room: usize) {
        if self.list.len() < room && !self.contains(value) {
            self.list.push(value);
            self.bits |= bit(value);
        }
    }

    pub(super) fn contains(&self, value: u64) -> bool {
        self.bits & bit(value) != 0 && self.list.contains(&value)
    }

    /// Which of these it has in common with others: a bit each, of which there are at most [`MAX_VALUES`].
    pub(super) fn common(&self, others: &Self) -> u32 {
        if self.bits & others.bits == 0 {
            return 0;
        }
        let common = self.list.iter().zip(0..u32::BITS).filter(|(value, _)| others.contains(**value));
        common.fold(0, |bits, (_, n)| bits | 1 << n)
    }

    /// Only those stay of which something holds.
    pub(super) fn retain(&mut self, holds: impl Fn(u64) -> bool) {
        self.list.retain(|value| holds(*value));
        self.bits = self.list.iter().fold(0, |bits, value| bits | bit(*value));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.list.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those of what is not there any more.
    pub(super) fn gone() -> Self {
        Self { more: true, ..Self::default() }
    }

    /// Whether these are all.
    pub(super) fn are_all(&self) -> bool {
        !self.more && !self.part
    }

    /// Whether they have to be read again, once the body is there.
    pub(super) fn are_part(&self) -> bool {
        self.part
    }
}

fn bit(value: u64) -> u64 {
    1 << (value % 64)
}

/// The values that look like IDs in what the sender of a flow sent.
pub(super) fn values(row: &Row, detail: &Detail) -> Values {
    let mut found = Found(Values::default());
    for name in FIELDS {
        found.field(&detail.fields, name);
    }
    if let Some(half) = &detail.request {
        found.0.part = row.state == State::Open && half.whole.is_none();
        if !found.0.part {
            found.half(half);
        }
    } else {
        found.text(row.operation.as_bytes());
    }
    found.0
}

/// Stands for all that the sender of a flow sent, as far as it is read, also what looks like no ID.
pub(super) fn content(row: &Row, detail: &Detail) -> u64 {
    let mut hasher = digester();
    row.operation.hash(&mut hasher);
    FIELDS.iter().filter_map(|name| detail.fields.get(name)).for_each(|value| hash(value, &mut hasher));
    if let Some(half) = &detail.request {
        for body in std::iter::once(&half.body).chain(half.messages.iter().map(|message| &message.body)) {
            body.kept.get(..READ).unwrap_or(&body.kept).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn hash(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Text(text) | Value::Number(text) => text.hash(hasher),
        Value::Int(n) => n.hash(hasher),
        Value::List(items) => items.iter().for_each(|item| hash(item, hasher)),
        Value::Secret(_) | Value::Map(_) | Value::Null | Value::Bool(_) => {}
    }
}

struct Found(Values);

impl Found {
    fn field(&mut self, fields: &Fields, name: &str) {
        if let Some(value) = fields.get(name) {
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) | Value::Number(text) => self.text(text.as_bytes()),
            Value::Int(n) => self.text(n.to_string().as_bytes()),
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            // a secret identifies nobody; a message's own headers are no content: its ID is compared elsewhere
            Value::Secret(_) | Value::Map(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    fn half(&mut self, half: &Half) {
        let mut left = READ;
        for body in std::iter::once(&half.body).chain(half.messages.iter().map(|message| &message.body)) {
            let read = body.kept.get(..left).unwrap_or(&body.kept);
            // what is compressed shows nothing
            if body.hint.encodings.is_empty() {
                self.text(read);
                self.0.more |= (read.len() as u64) < body.bytes;
            } else {
                self.0.more |= body.bytes > 0;
            }
            left -= read.len();
        }
    }

    fn text(&mut self, text: &[u8]) {
        let (mut begin, mut digits) = (0, 0);
        for (at, byte) in text.iter().enumerate() {
            let kind = KINDS[usize::from(*byte)];
            digits += usize::from(kind == Kind::Digit);
            if kind == Kind::Other {
                self.word(&text[begin..at], digits);
                if self.0.list.len() >= MAX_VALUES {
                    self.0.more = true;
                    return;
                }
                (begin, digits) = (at + 1, 0);
            }
        }
        self.word(&text[begin..], digits);
    }

    fn word(&mut self, word: &[u8], digits: usize) {
        // an ID has digits: most words have none
        if digits >= FEWEST_DIGITS && is_id(word) {
            self.0.add(of_word(word), MAX_VALUES);
        }
    }
}

/// What a byte is in a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digit,
    Letter,
    Other,
}

/// Of each byte.
const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'0'..=b'9' => Kind::Digit,
            b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' => Kind::Letter,
            _ => Kind::Other,
        };
        byte += 1;
    }
    kinds
};

/// A word of letters and digits as a number, to compare.
fn of_word(word: &[u8]) -> u64 {
    let mut hasher = digester();
    hasher.write(word);
    hasher.finish()
}

/// Whether a word looks like an ID: a number of some length, or letters and digits that are no name of a format or a date.
///
/// A format is named by letters and how wide it is: `base64`, `sha256`, `float64`.
fn is_id(word: &[u8]) -> bool {
    let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == word.len() {
        return (SHORTEST_NUMBER..=LONGEST).contains(&word.len());
    }
    (SHORTEST..=LONGEST).contains(&word.len()) && digits >= FEWEST_DIGITS && !is_date(word) && !is_width(word, digits)
}

/// Letters and a power of two behind them, from 16 to 4096.
fn is_width(word: &[u8], digits: usize) -> bool {
    let (letters, number) = word.split_at(word.len() - digits);
    let width = std::str::from_utf8(number).ok().and_then(|number| number.parse::<u32>().ok());
    letters.iter().all(u8::is_ascii_alphabetic)
        && width.is_some_and(|width| width.is_power_of_two() && (16..=4096).contains(&width))
}

/// `2026-11-26`, and with a time behind it (RFC 3339).
fn is_date(word: &[u8]) -> bool {
    let shape = |(byte, at): (&u8, usize)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() };
    word.len() >= 10 && word.iter().zip(0..10).all(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_id() {
        for word in ["ord-0042", "12345", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "c123456", "INV_2026_77", "order65", "order-64"]
        {
            assert!(is_id(word.as_bytes()), "{word}");
        }
        for word in
            ["", "order_id", "1999", "utf8", "v1", "2026-11-26", "2026-11-26T10", "billing", "base64", "sha256", "float64"]
        {
            assert!(!is_id(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn an_id_reads_the_same_in_every_format() {
        let id = of_word(b"ord-0042");
        for text in [
            &br#"{"order":"ord-0042","total":1999}"#[..],
            b"order=ord-0042&total=1999",
            b"/orders/ord-0042?x=1",
            b"INSERT INTO orders VALUES ('ord-0042')",
            b"\x0a\x08ord-0042\x10\xcf\x0f",
        ] {
            let mut found = Found(Values::default());
            found.text(text);
            assert_eq!(found.0.list, [id], "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn no_more_are_read_than_are_compared() {
        let mut found = Found(Values::default());
        found.text((10_000..20_000).map(|n| format!("{n} ")).collect::<String>().as_bytes());
        assert_eq!(found.0.list.len(), MAX_VALUES);
    }
}
