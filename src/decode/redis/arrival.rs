//! What the server sends first of a value, as far as it tells an answer from what comes unasked: messages of channels, confirmations of
//! subscriptions, other pushes, and lines of `MONITOR`.
//!
//! ```text
//!  *3 or >3   message | smessage   CHANNEL   PAYLOAD
//!  *4 or >4   pmessage   PATTERN   CHANNEL   PAYLOAD
//!  *3 or >3   [p|s][un]subscribe   CHANNEL or nothing   :COUNT
//!  >N         invalidate and others
//!  +1339518083.107412 [0 127.0.0.1:60866] "keys" "*"
//! ```

use super::command::Channels;
use super::value::{Head, Kind, Read, head};
use crate::decode::Resync;
use crate::decode::cursor::Cursor;

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// A message of a channel; its payload's length is said at `payload`.
    Message {
        /// The pattern that it was subscribed by.
        pattern: Option<&'a [u8]>,
        channel: &'a [u8],
        payload: usize,
    },
    /// A subscription holds, or does no more, as its word says; it is so long.
    Confirm { word: &'a [u8], of: Channels, leaves: bool, total: u64, length: usize },
    /// Another push of RESP3.
    Push(&'a [u8]),
    /// Anything else.
    Answer,
}

/// The longest word that tells what an array is.
const LONGEST_WORD: u64 = 12;

/// Whether a value that begins with this is a push of RESP3, by which it is told from all answers; else RESP2's array may be an answer.
pub fn is_push(data: &[u8]) -> bool {
    data.first() == Some(&b'>')
}

/// Reads as far as it takes.
pub fn read(data: &[u8]) -> Read<Arrival<'_>> {
    if !matches!(data.first(), Some(b'*' | b'>')) {
        return Read::Is(Arrival::Answer);
    }
    let mut cursor = Cursor::new(data);
    let count = match step(&mut cursor) {
        Read::Is(Head::Values(_, count)) => count,
        Read::Is(_) => return Read::Is(Arrival::Answer),
        Read::Need(n) => return Read::Need(n),
        Read::Bad => return Read::Bad,
    };
    let push = is_push(data);
    let other = |word| Read::Is(if push { Arrival::Push(word) } else { Arrival::Answer });
    if !push && !matches!(count, 3 | 4) {
        return other(b"");
    }
    let word = match text(&mut cursor, if push { u64::MAX } else { LONGEST_WORD }) {
        Read::Is(Some(word)) => word,
        Read::Is(None) => return other(b""),
        Read::Need(n) => return Read::Need(n),
        Read::Bad => return Read::Bad,
    };
    let rest = match (word, count) {
        (b"message" | b"smessage", 3) => message(cursor, false),
        (b"pmessage", 4) => message(cursor, true),
        (word, 3) => match confirms(word) {
            Some((of, leaves)) => confirm(cursor, word, of, leaves),
            None => return other(word),
        },
        (word, _) => return other(word),
    };
    match rest {
        Read::Is(Arrival::Answer) => other(word),
        rest => rest,
    }
}

fn confirms(word: &[u8]) -> Option<(Channels, bool)> {
    Some(match word {
        b"subscribe" => (Channels::Names, false),
        b"psubscribe" => (Channels::Patterns, false),
        b"ssubscribe" => (Channels::Shard, false),
        b"unsubscribe" => (Channels::Names, true),
        b"punsubscribe" => (Channels::Patterns, true),
        b"sunsubscribe" => (Channels::Shard, true),
        _ => return None,
    })
}

fn message<'a>(mut cursor: Cursor<'a>, by_pattern: bool) -> Read<Arrival<'a>> {
    let mut texts = [None; 2];
    for slot in texts.iter_mut().skip(usize::from(!by_pattern)) {
        match text(&mut cursor, u64::MAX) {
            Read::Is(found) => *slot = found,
            Read::Need(n) => return Read::Need(n),
            Read::Bad => return Read::Bad,
        }
    }
    let [pattern, channel] = texts;
    let payload = cursor.position();
    match (channel, step(&mut cursor)) {
        (Some(channel), Read::Is(Head::Bytes(Kind::Bulk, _))) => Read::Is(Arrival::Message { pattern, channel, payload }),
        (_, Read::Need(n)) => Read::Need(n),
        (_, Read::Is(_)) => Read::Is(Arrival::Answer),
        (_, Read::Bad) => Read::Bad,
    }
}

fn confirm<'a>(mut cursor: Cursor<'a>, word: &'a [u8], of: Channels, leaves: bool) -> Read<Arrival<'a>> {
    let before = cursor;
    match text(&mut cursor, u64::MAX) {
        Read::Is(Some(_)) => {}
        // none was subscribed to
        Read::Is(None) => {
            cursor = before;
            match step(&mut cursor) {
                Read::Is(Head::Line(Kind::Scalar, b"-1" | b"")) => {}
                Read::Is(_) => return Read::Is(Arrival::Answer),
                Read::Need(n) => return Read::Need(n),
                Read::Bad => return Read::Bad,
            }
        }
        Read::Need(n) => return Read::Need(n),
        Read::Bad => return Read::Bad,
    }
    match step(&mut cursor) {
        Read::Is(Head::Line(Kind::Scalar, count)) => match super::value::length(count) {
            Some(total) => Read::Is(Arrival::Confirm { word, of, leaves, total, length: cursor.position() }),
            None => Read::Is(Arrival::Answer),
        },
        Read::Is(_) => Read::Is(Arrival::Answer),
        Read::Need(n) => Read::Need(n),
        Read::Bad => Read::Bad,
    }
}

/// A value's first line.
fn step<'a>(cursor: &mut Cursor<'a>) -> Read<Head<'a>> {
    match head(cursor.rest()) {
        Read::Is((head, n)) => {
            cursor.take(n);
            Read::Is(head)
        }
        Read::Need(n) => Read::Need(cursor.position() + n),
        Read::Bad => Read::Bad,
    }
}

/// A text of at most so many bytes; none where it is something else.
fn text<'a>(cursor: &mut Cursor<'a>, longest: u64) -> Read<Option<&'a [u8]>> {
    match step(cursor) {
        Read::Is(Head::Bytes(Kind::Bulk, length)) if length <= longest => {
            let Ok(length) = usize::try_from(length) else { return Read::Bad };
            let need = cursor.position().saturating_add(length).saturating_add(2);
            match cursor.take(length).zip(cursor.take(2)) {
                Some((text, b"\r\n")) => Read::Is(Some(text)),
                Some(_) => Read::Bad,
                None => Read::Need(need),
            }
        }
        Read::Is(_) => Read::Is(None),
        Read::Need(n) => Read::Need(n),
        Read::Bad => Read::Bad,
    }
}

/// Whether a line is one of those that `MONITOR` tells: a time with microseconds, the database, and who sent it.
pub fn is_told(line: &[u8]) -> bool {
    let Some((time, rest)) = memchr::memchr(b' ', line).and_then(|at| line.split_at_checked(at)) else { return false };
    let Some((seconds, micros)) = memchr::memchr(b'.', time).and_then(|at| time.split_at_checked(at)) else { return false };
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits(seconds) && micros.len() == 7 && micros.get(1..).is_some_and(digits) && rest.starts_with(b" [")
}

/// Finds a push, or a message of a channel: those are told by what they are wherever they stand.
pub fn scan(data: &[u8]) -> Resync {
    for at in memchr::memchr2_iter(b'*', b'>', data) {
        match read(data.get(at..).unwrap_or_default()) {
            Read::Is(Arrival::Message { .. } | Arrival::Confirm { .. } | Arrival::Push(b"invalidate")) => {
                return Resync::Found(at);
            }
            Read::Need(_) => return Resync::Skip(at),
            Read::Is(Arrival::Answer | Arrival::Push(_)) | Read::Bad => {}
        }
    }
    Resync::Skip(data.len())
}
