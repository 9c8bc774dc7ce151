//! Messages of the frontend/backend protocol (PostgreSQL documentation, "Message Formats"), and how they are found. Not what they mean.
//!
//! ```text
//!  0      1          5                 1 + length       length, code: a startup message has no type
//!  | type | length   | payload …       |                | 00 00 00 08 | 04 d2 16 2f |   SSLRequest
//! ```

use crate::decode::cursor::Cursor;
use crate::decode::search::{self, Effort, Place, having};
use crate::decode::{Probe, Resync, Verdict};
use crate::model::Dir;

/// The length of what stands before a payload.
pub const HEAD: usize = 5;
/// The length of a startup message's head.
pub const STARTUP: usize = 8;
/// The longest startup message that a server takes (`MAX_STARTUP_PACKET_LENGTH`).
const MAX_STARTUP: usize = 10_000;
/// The longest message (`MaxAllocSize`, 1 GiB).
const MAX_MESSAGE: usize = 1 << 30;
/// The longest message that is waited for where it is not yet known whether it is one.
const LIKELY: usize = 16 * 1024;

/// What a startup message asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Startup {
    /// A session, of protocol 3.
    Session,
    /// To cancel what another session does.
    Cancel,
    /// Encryption, by TLS or by GSSAPI, called so: answered by one byte.
    Encryption(&'static str),
}

/// A message's type and whole length, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub total: usize,
}

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<T> {
    Is(T),
    Partial,
    No,
}

/// The startup message that starts here, and its length.
pub fn startup(data: &[u8]) -> Start<(Startup, usize)> {
    let mut c = Cursor::new(data);
    let (Some(length), code) = (c.u32(), c.u32()) else {
        // no client sends so long a first message
        return if data.iter().take(2).all(|b| *b == 0) { Start::Partial } else { Start::No };
    };
    let length = length as usize;
    let Some(code) = code else {
        return if (STARTUP..=MAX_STARTUP).contains(&length) { Start::Partial } else { Start::No };
    };
    match (code, length) {
        (80_877_103, STARTUP) => Start::Is((Startup::Encryption("SSLRequest"), length)),
        (80_877_104, STARTUP) => Start::Is((Startup::Encryption("GSSENCRequest"), length)),
        (80_877_102, 16..=272) => Start::Is((Startup::Cancel, length)),
        (0x0003_0000..=0x0003_ffff, 9..=MAX_STARTUP) => Start::Is((Startup::Session, length)),
        _ => Start::No,
    }
}

/// The message that starts here, of the side that `dir` is.
pub fn message(data: &[u8], dir: Dir) -> Start<Message> {
    let mut c = Cursor::new(data);
    let Some(kind) = c.u8() else { return Start::Partial };
    if !kinds(dir).contains(&kind) {
        return Start::No;
    }
    let Some(length) = c.u32() else { return Start::Partial };
    let length = length as usize;
    let fits = match (kind, dir) {
        (b'1' | b'2' | b'3' | b'n' | b'I' | b's' | b'c', Dir::ToClient) | (b'S' | b'H' | b'X' | b'c', Dir::ToServer) => {
            length == 4
        }
        (b'Z', _) => length == 5,
        _ => (4..MAX_MESSAGE).contains(&length),
    };
    if fits { Start::Is(Message { kind, total: length + 1 }) } else { Start::No }
}

const fn kinds(dir: Dir) -> &'static [u8] {
    match dir {
        Dir::ToServer => b"QPBDESHCXFdcfp",
        Dir::ToClient => b"RSKZTDCI123ntsENAGHWdcVv",
    }
}

/// Whether the first bytes of a direction are this protocol's.
pub fn probe(probe: &Probe<'_>) -> Verdict {
    if probe.opening {
        return match (startup(probe.data), probe.dir) {
            (Start::Is(_), Dir::ToServer) => Verdict::Yes,
            (Start::Partial, Dir::ToServer) => Verdict::More,
            _ => Verdict::No,
        };
    }
    match (chain(probe.data, probe.dir), chain(probe.data, probe.dir.other())) {
        (Start::Is(()), _) => Verdict::Yes,
        (_, Start::Is(())) => Verdict::Reversed,
        (Start::Partial, _) | (_, Start::Partial) => Verdict::More,
        (Start::No, Start::No) => Verdict::No,
    }
}

/// The first place where a message starts, of either side, that shows that it is one.
pub fn scan(data: &[u8], effort: &mut Effort) -> Resync {
    resync(data, Dir::ToServer, effort).or(resync(data, Dir::ToClient, effort))
}

/// The same for one side.
pub fn resync(data: &[u8], dir: Dir, effort: &mut Effort) -> Resync {
    // a length above the likely ones is no candidate: its first half is 0
    let likely =
        |at: &usize| data.get(at + 2).is_none_or(|b| *b == 0) && data.get(*at).is_some_and(|kind| kinds(dir).contains(kind));
    search::first(data, having(data, 0, 1).filter(likely), effort, |rest| match chain(rest, dir) {
        Start::Is(()) => Place::Yes,
        Start::Partial => Place::More,
        Start::No => Place::No,
    })
}

/// How many messages in a row may say too little by themselves: a server tells of its parameters one by one.
const PLAIN: usize = 64;

/// Whether a message starts here that its content confirms, or such as say too little by themselves before one, and the head of the
/// next one, where that is there.
pub fn chain(data: &[u8], dir: Dir) -> Start<()> {
    let mut rest = data;
    for _ in 0..PLAIN {
        let message = match message(rest, dir) {
            Start::Is(message) if message.total <= LIKELY => message,
            Start::Is(_) | Start::No => return Start::No,
            Start::Partial => return Start::Partial,
        };
        let Some(payload) = rest.get(HEAD..message.total) else { return Start::Partial };
        rest = rest.get(message.total..).unwrap_or_default();
        if telling(message.kind, payload, dir) {
            return match self::message(rest, dir) {
                Start::No => Start::No,
                Start::Is(_) | Start::Partial => Start::Is(()),
            };
        }
        if !is_plain(message.kind, payload, dir) {
            return Start::No;
        }
    }
    Start::No
}

/// Whether a payload is what its type says, where that is little.
fn is_plain(kind: u8, payload: &[u8], dir: Dir) -> bool {
    let mut c = Cursor::new(payload);
    match (kind, dir) {
        // their lengths are known
        (b'1' | b'2' | b'3' | b'n' | b's', Dir::ToClient) => true,
        (b'R', Dir::ToClient) => c.u32() == Some(0) && c.rest().is_empty(),
        (b'K', Dir::ToClient) => payload.len() == 8,
        (b'S', Dir::ToClient) => c.text().is_some_and(|name| !name.is_empty()) && c.text().is_some() && c.rest().is_empty(),
        (b't', Dir::ToClient) => c.u16().is_some_and(|types| c.rest().len() == usize::from(types) * 4),
        _ => false,
    }
}

/// The longest name of anything, in bytes (PostgreSQL, Lexical Structure: `NAMEDATALEN` - 1).
const MAX_NAME: usize = 63;

/// Whether a payload is what its type says, beyond what chance makes of other bytes.
fn telling(kind: u8, payload: &[u8], dir: Dir) -> bool {
    let mut c = Cursor::new(payload);
    let whole = |c: &Cursor<'_>| c.rest().is_empty();
    let told = match (kind, dir) {
        (b'Q', Dir::ToServer) => {
            c.text().map(|text| text.first().is_some_and(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()))
        }
        (b'P', Dir::ToServer) => (|| {
            c.text()?;
            c.text()?;
            let types = c.u16()?;
            c.take(usize::from(types) * 4).map(|_| true)
        })(),
        (b'B', Dir::ToServer) => (|| {
            c.text()?;
            c.text()?;
            formats(&mut c)?;
            for _ in 0..c.u16()? {
                let length = c.u32()?;
                c.take(if length == u32::MAX { 0 } else { length as usize })?;
            }
            formats(&mut c).map(|()| true)
        })(),
        (b'D' | b'C', Dir::ToServer) => {
            let of = c.u8().filter(|of| b"SP".contains(of));
            // the tag of a command that a server completes looks the same
            let tag =
                |name: &[u8]| !name.is_empty() && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b' ');
            of.and_then(|_| c.text()).map(|name| !tag(name) && !name.iter().any(u8::is_ascii_control))
        }
        (b'E', Dir::ToServer) => c.text().and_then(|_| c.u32()).map(|_| true),
        (b'S', Dir::ToServer) => Some(true),
        (b'Z', Dir::ToClient) => c.u8().map(|state| b"ITE".contains(&state)),
        (b'C', Dir::ToClient) => c.text().map(|tag| tag.first().is_some_and(u8::is_ascii_uppercase)),
        (b'T', Dir::ToClient) => (|| {
            for _ in 0..c.u16()? {
                c.text()?;
                c.take(18)?;
            }
            Some(true)
        })(),
        (b'E' | b'N', Dir::ToClient) => (|| {
            let mut fields = 0;
            loop {
                match c.u8()? {
                    0 => return Some(fields >= 3),
                    b if b.is_ascii_alphabetic() => c.text()?,
                    _ => return None,
                };
                fields += 1;
            }
        })(),
        // who, on which channel, what
        (b'A', Dir::ToClient) => (|| {
            c.u32()?;
            let channel = c.text()?;
            c.text()?;
            Some((1..=MAX_NAME).contains(&channel.len()) && !channel.iter().any(u8::is_ascii_control))
        })(),
        (b'D', Dir::ToClient) => (|| {
            let columns = c.u16()?;
            for _ in 0..columns {
                let length = c.u32()?;
                c.take(if length == u32::MAX { 0 } else { length as usize })?;
            }
            Some(columns > 0)
        })(),
        _ => None,
    };
    told == Some(true) && whole(&c)
}

/// How values are written, each or all of them: as text or in binary.
fn formats(c: &mut Cursor<'_>) -> Option<()> {
    (0..c.u16()?).try_for_each(|_| c.u16().filter(|format| *format <= 1).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_found_behind_a_hole() {
        let found = |channel: &str| {
            let text = format!("\0\0\0\x09{channel}\0{{\"order\":7}}\0");
            let message = [&b"A"[..], &(text.len() as u32 + 4).to_be_bytes(), text.as_bytes()].concat();
            resync(&[b"der\":6}\0", &message[..]].concat(), Dir::ToClient, &mut Effort::default())
        };
        assert!(matches!(found("news"), Resync::Found(8)));
        for channel in ["", "ne\nws", &"n".repeat(64)] {
            assert!(!matches!(found(channel), Resync::Found(8)), "{channel}");
        }
    }
}
