//! What a command is called, what is kept of its arguments, and what its answer means for the connection. Not which answer is its.

use super::names;
use crate::model::{Issue, Value};

/// How many arguments of a command are kept.
const ARGUMENTS: usize = 100;
/// How many bytes of one.
const LONGEST: usize = 4 * 1024;
/// How many bytes of all of them.
const ALL: usize = 16 * 1024;

/// What follows in the place of what was not kept.
const ELLIPSIS: &str = "…";

const CUT: Issue = Issue::remark("arguments cut: more than are kept");
const ESCAPED: Issue = Issue::remark("bytes that are no text are shown as \\xNN");

/// A command's arguments as they come, its name the first.
#[derive(Debug, Default)]
pub struct Arguments {
    kept: Vec<Argument>,
    bytes: usize,
    count: u64,
}

#[derive(Debug, Default)]
struct Argument {
    bytes: Vec<u8>,
    whole: bool,
}

impl Arguments {
    /// Another one begins.
    pub fn begin(&mut self) {
        self.count += 1;
        if self.kept.len() <= ARGUMENTS {
            self.kept.push(Argument { bytes: Vec::new(), whole: true });
        }
    }

    /// More of the last one.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = ALL.saturating_sub(self.bytes);
        let Some(last) = self.kept.last_mut().filter(|_| self.count <= ARGUMENTS as u64 + 1) else { return };
        let n = bytes.len().min(LONGEST.saturating_sub(last.bytes.len())).min(room);
        last.bytes.extend_from_slice(bytes.get(..n).unwrap_or_default());
        last.whole &= n == bytes.len();
        self.bytes += n;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// One of them.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        self.kept.get(at).map(|argument| argument.bytes.as_slice())
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.get(at).is_some_and(|bytes| bytes.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn number(&self, at: usize) -> Option<i64> {
        std::str::from_utf8(self.get(at)?).ok()?.parse().ok()
    }

    /// How many of them are the command's name.
    fn name_words(&self) -> usize {
        let container = self.get(0).is_some_and(names::is_container);
        1 + usize::from(container && self.get(1).is_some_and(names::is_word))
    }

    /// What the command is called: `HSET`, `CLIENT SETINFO`.
    pub fn operation(&self) -> String {
        let words = self.kept.iter().take(self.name_words());
        let words: Vec<_> = words.map(|word| text(word.bytes.get(..64).unwrap_or(&word.bytes)).0.to_uppercase()).collect();
        words.join(" ")
    }

    /// The arguments behind the name, and what is to be said of them.
    pub fn values(&self) -> (Value, Vec<Issue>) {
        let (mut values, mut notes) = (Vec::new(), Vec::new());
        let (mut cut, mut escaped) = (self.count > self.kept.len() as u64, false);
        for (at, argument) in self.kept.iter().enumerate().skip(self.name_words()) {
            let (mut text, binary) = shown(&argument.bytes, argument.whole);
            if !argument.whole {
                text.push_str(ELLIPSIS);
            }
            cut |= !argument.whole;
            escaped |= binary;
            values.push(if self.is_secret(at) { Value::Secret(text.into()) } else { Value::Text(text.into()) });
        }
        notes.extend([(cut, CUT), (escaped, ESCAPED)].into_iter().filter_map(|(holds, note)| holds.then_some(note)));
        (Value::List(values), notes)
    }

    /// Whether an argument lets somebody in.
    fn is_secret(&self, at: usize) -> bool {
        let starts = |set: &[u8]| self.get(at).and_then(|a| a.first()).is_some_and(|b| set.contains(b));
        let behind = |from: usize, words: &[&str], n: usize| {
            at.checked_sub(n).is_some_and(|place| place >= from && words.iter().any(|word| self.is(place, word)))
        };
        match self.operation().as_str() {
            // the password alone, or behind its user
            "AUTH" => at as u64 + 1 == self.count,
            "HELLO" => behind(2, &["AUTH"], 2),
            "ACL SETUSER" => at > 2 && starts(b"><#!"),
            "CONFIG SET" => at % 2 == 1 && at > 2 && self.get(at - 1).is_some_and(is_secret_setting),
            "MIGRATE" => behind(6, &["AUTH"], 1) || behind(6, &["AUTH2"], 2),
            "SENTINEL SET" => at > 3 && self.get(at - 1).is_some_and(is_secret_setting),
            "SENTINEL CONFIG" => at > 3 && self.get(at - 1).is_some_and(is_secret_setting),
            _ => false,
        }
    }

    /// What its answer means.
    pub fn means(&self) -> Means {
        let all = self.count == 1;
        match self.operation().as_str() {
            "SUBSCRIBE" => Means::Confirms(Channels::Names, Some(self.count - 1)),
            "PSUBSCRIBE" => Means::Confirms(Channels::Patterns, Some(self.count - 1)),
            "SSUBSCRIBE" => Means::Confirms(Channels::Shard, Some(self.count - 1)),
            "UNSUBSCRIBE" => Means::Confirms(Channels::Names, (!all).then(|| self.count - 1)),
            "PUNSUBSCRIBE" => Means::Confirms(Channels::Patterns, (!all).then(|| self.count - 1)),
            "SUNSUBSCRIBE" => Means::Confirms(Channels::Shard, (!all).then(|| self.count - 1)),
            "SELECT" => Means::Select(self.number(1)),
            "HELLO" => Means::Hello(self.number(1)),
            "MULTI" => Means::Multi,
            "EXEC" => Means::Exec,
            "DISCARD" => Means::Discard,
            "PING" => Means::Ping,
            "QUIT" => Means::Quit,
            "RESET" => Means::Reset,
            "MONITOR" => Means::Monitor,
            "PSYNC" | "SYNC" => Means::Sync,
            "SHUTDOWN" => Means::Shutdown,
            "CONFIG GET" => Means::Settings,
            "REPLCONF" if self.is(1, "ACK") => Means::Acknowledged,
            "CLIENT REPLY" if self.is(2, "OFF") => Means::Silence(Silence::Always),
            "CLIENT REPLY" if self.is(2, "SKIP") => Means::Silence(Silence::Once),
            "CLIENT REPLY" if self.is(2, "ON") => Means::Speak,
            _ => Means::Answer,
        }
    }

    /// The channel that a message is published to.
    pub fn channel(&self) -> Option<&[u8]> {
        self.get(1).filter(|_| self.is(0, "PUBLISH") || self.is(0, "SPUBLISH"))
    }
}

/// What a command's answer is, and what it means for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// One value, and no more.
    Answer,
    /// A confirmation for each of so many channels; none: for all that are subscribed to.
    Confirms(Channels, Option<u64>),
    /// Another database.
    Select(Option<i64>),
    /// Another version of the protocol.
    Hello(Option<i64>),
    /// A transaction begins.
    Multi,
    /// It runs: the answers to its commands, in a list.
    Exec,
    /// It does not.
    Discard,
    /// A subscriber may send it too.
    Ping,
    /// The server hangs up behind it; a subscriber may send it too.
    Quit,
    /// The connection is as new; a subscriber may send it too.
    Reset,
    /// Every command that the server takes is told from here on.
    Monitor,
    /// From here on it is a replica's stream.
    Sync,
    /// It has an answer only where it fails.
    Shutdown,
    /// Names and values, passwords among them.
    Settings,
    /// What a replica says within its stream.
    Acknowledged,
    /// This and some that follow have no answer.
    Silence(Silence),
    /// They have again.
    Speak,
}

/// Which commands have no answer, because the client wants none (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The next one.
    Once,
    /// All.
    Always,
}

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Channels by name.
    Names,
    /// Channels by pattern.
    Patterns,
    /// Channels of a shard.
    Shard,
}

impl Means {
    /// Whether a subscriber in RESP2 may send it: all others are refused.
    pub const fn of_subscriber(self) -> bool {
        matches!(self, Self::Confirms(..) | Self::Ping | Self::Quit | Self::Reset)
    }
}

/// Settings whose value is a password.
fn is_secret_setting(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b"pass") || name.ends_with(b"auth")
}

/// Bytes as text. What is no UTF-8 is escaped as redis-cli does it, with `\xNN`, and then a backslash too; and whether it was. Where the
/// end is missing, a character that is cut there is left out.
fn shown(bytes: &[u8], whole: bool) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Err(e) if !whole && e.error_len().is_none() => text(bytes.get(..e.valid_up_to()).unwrap_or_default()),
        _ => text(bytes),
    }
}

/// The same of bytes that are whole.
pub fn text(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (bytes.iter().flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect(), true),
    }
}

/// The arguments of a line, as the server divides it (`sdssplitargs`); none where a quote is not closed.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut rest) = (Vec::new(), line.trim_ascii());
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            rest = match rest {
                [] => break,
                [b, ..] if b.is_ascii_whitespace() || *b == 0 => break,
                [b'"', after @ ..] => double_quoted(after, &mut word)?,
                [b'\'', after @ ..] => single_quoted(after, &mut word)?,
                [b, after @ ..] => {
                    word.push(*b);
                    after
                }
            };
        }
        words.push(word);
        rest = rest.trim_ascii_start();
        rest = if rest.first() == Some(&0) { &[] } else { rest };
    }
    Some(words)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    loop {
        (rest, _) = match rest {
            [b'"', after @ ..] => return closed(after),
            [b'\\', b'x', high, low, after @ ..] if digit(high).is_some() && digit(low).is_some() => {
                (after, word.push(digit(high)? << 4 | digit(low)?))
            }
            [b'\\', b, after @ ..] => (
                after,
                word.push(match b {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    b => *b,
                }),
            ),
            [b, after @ ..] => (after, word.push(*b)),
            [] => return None,
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        (rest, _) = match rest {
            [b'\'', after @ ..] => return closed(after),
            [b'\\', b'\'', after @ ..] => (after, word.push(b'\'')),
            [b, after @ ..] => (after, word.push(*b)),
            [] => return None,
        };
    }
}

/// Behind a quote that closes there is white space, or nothing.
fn closed(after: &[u8]) -> Option<&[u8]> {
    after.first().is_none_or(u8::is_ascii_whitespace).then_some(after)
}
