//! How Redis is told from other protocols, and where a command starts in the middle of a stream.

use super::arrival::{self, Arrival};
use super::names;
use super::value::{Head, Kind, Piece, Read, Reader, What, head};
use crate::decode::cursor::Cursor;
use crate::decode::{Probe, Resync, Verdict};
use crate::model::Dir;

/// The longest name of a command that is believed.
const LONGEST_NAME: u64 = 64;
/// More arguments than a server takes (`PROTO_MAX_MULTIBULK`, 1024 * 1024).
const MOST: u64 = 1024 * 1024;
/// The longest answer by which a place is found, and how many lines may stand before it.
const LIKELY: usize = 16 * 1024;
const LINES: usize = 64;
/// What a server answers to a `PING`.
const PONG: &[u8] = b"+PONG\r\n";

/// Whether the first bytes of a direction are Redis.
pub fn probe(probe: &Probe<'_>) -> Verdict {
    let (to_server, told) = (probe.dir == Dir::ToServer, arrival::read(probe.data));
    match (told, command(probe.data)) {
        (Read::Is(Arrival::Message { .. } | Arrival::Confirm { .. } | Arrival::Push(b"invalidate")), _) => {
            if to_server {
                Verdict::Reversed
            } else {
                Verdict::Yes
            }
        }
        (Read::Need(_), _) => Verdict::More,
        // lists of words are answers too (`HGETALL` of what has a `type`): by themselves they turn no roles round
        (_, Read::Is((name, _))) if !probe.opening && names::is_known(name) => Verdict::Yes,
        (_, Read::Is(_)) if to_server && probe.opening => Verdict::Yes,
        (_, Read::Is(_)) => Verdict::No,
        (_, Read::Need(_)) => Verdict::More,
        _ if !to_server && probe.opening => pongs(probe.data),
        _ if !to_server => match answers(probe.data) {
            Read::Is(Answers::Text(_)) => Verdict::Yes,
            Read::Is(Answers::Line | Answers::Lines) | Read::Need(_) => Verdict::More,
            Read::Bad => Verdict::No,
        },
        _ => Verdict::No,
    }
}

/// Whether an array begins that is a command: its first element is a word. It is so long, the word included.
pub fn command(data: &[u8]) -> Read<(&[u8], usize)> {
    if data.first() != Some(&b'*') {
        return Read::Bad;
    }
    let (count, name) = match first_two(data) {
        Read::Is(lengths) => lengths,
        Read::Need(n) => return Read::Need(n),
        Read::Bad => return Read::Bad,
    };
    let mut cursor = Cursor::new(data).at(name.0);
    let word = cursor.take(name.1);
    // what a word that is not whole leaves is no line's end
    match (word, word.and_then(|_| cursor.take(2))) {
        (Some(word), Some(b"\r\n")) if count <= MOST && names::is_word(word) => {
            let end = cursor.position();
            match cursor.u8() {
                _ if count == 1 => Read::Is((word, end)),
                Some(b'$') => Read::Is((word, end)),
                Some(_) => Read::Bad,
                None => Read::Need(end + 1),
            }
        }
        (_, Some(_)) => Read::Bad,
        (_, None) if count > MOST => Read::Bad,
        (_, None) => Read::Need(name.0 + name.1 + 2),
    }
}

/// How many elements an array has, and where its first one is.
fn first_two(data: &[u8]) -> Read<(u64, (usize, usize))> {
    let (count, n) = match head(data) {
        Read::Is((Head::Values(Kind::Many, count), n)) if count > 0 => (count, n),
        Read::Is(_) | Read::Bad => return Read::Bad,
        Read::Need(n) => return Read::Need(n),
    };
    let rest = data.get(n..).unwrap_or_default();
    if rest.first().is_some_and(|b| *b != b'$') {
        return Read::Bad;
    }
    match head(rest) {
        Read::Is((Head::Bytes(Kind::Bulk, length), m)) if (1..=LONGEST_NAME).contains(&length) => {
            Read::Is((count, (n + m, length as usize)))
        }
        Read::Is(_) | Read::Bad => Read::Bad,
        Read::Need(m) => Read::Need(n + m),
    }
}

/// What bytes are that are answers and no command, the last one whole and with nothing behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// One with a text of known length, by which it is told from what others send. It begins there, behind lines. What a client sends
    /// may end with such a text, too.
    Text(usize),
    /// A line.
    Line,
    /// Several, which may lie within a longer answer.
    Lines,
}

/// Whether bytes are answers. Several texts in a row are none, as they may lie within a longer one.
pub fn answers(data: &[u8]) -> Read<Answers> {
    let (mut taken, mut lines) = (0, 0);
    while let Some(rest) = data.get(taken..).filter(|rest| !rest.is_empty()) {
        match (command(rest), whole(rest)) {
            (Read::Is(_), _) | (_, Read::Bad) => return Read::Bad,
            (Read::Need(n), _) | (_, Read::Need(n)) if taken + n <= LIKELY => return Read::Need(taken + n),
            (Read::Need(_), _) | (_, Read::Need(_)) => return Read::Bad,
            (Read::Bad, Read::Is((true, n))) => return if n == rest.len() { Read::Is(Answers::Text(taken)) } else { Read::Bad },
            (Read::Bad, Read::Is((false, n))) => (taken, lines) = (taken + n, lines + 1),
        }
    }
    match lines {
        0 => Read::Need(1),
        1 => Read::Is(Answers::Line),
        2..LINES => Read::Is(Answers::Lines),
        _ => Read::Bad,
    }
}

/// Whether a whole value has a text of known length, and how long it is.
fn whole(data: &[u8]) -> Read<(bool, usize)> {
    let (mut reader, mut taken, mut tells) = (Reader::default(), 0, false);
    loop {
        match reader.next(data.get(taken..).unwrap_or_default()) {
            Read::Is(Piece { what: What::Head(Head::Bytes(_, length)), .. }) if length > LIKELY as u64 => return Read::Bad,
            Read::Is(piece) => {
                taken += piece.taken;
                tells |= matches!(piece.what, What::Data(_));
                if piece.ends {
                    return Read::Is((tells, taken));
                }
            }
            Read::Need(n) => return Read::Need(taken + n),
            Read::Bad => return Read::Bad,
        }
    }
}

/// Whether a server's first bytes answer a `PING`: a client that writes lines is told by that alone, since many protocols have lines.
fn pongs(data: &[u8]) -> Verdict {
    match data.get(..PONG.len()) {
        Some(PONG) => Verdict::Yes,
        None if PONG.starts_with(data) => Verdict::More,
        Some(_) | None => Verdict::No,
    }
}

/// Finds a command, or what only a server sends unasked.
pub fn scan(data: &[u8]) -> Resync {
    commands(data).or(arrival::scan(data))
}

/// Finds a command.
pub fn commands(data: &[u8]) -> Resync {
    for at in memchr::memchr_iter(b'*', data) {
        match command(data.get(at..).unwrap_or_default()) {
            Read::Is(_) => return Resync::Found(at),
            Read::Need(_) => return Resync::Skip(at),
            Read::Bad => {}
        }
    }
    Resync::Skip(data.len())
}
