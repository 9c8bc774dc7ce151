//! Domain names: read out of a message, compression followed, and shown as a zone file shows them. Comparing them is the caller's.

use crate::decode::cursor::Cursor;
use std::fmt::Write;

/// Octets of a name on the wire, the root's too (RFC 1035 §2.3.4).
const LONGEST: usize = 255;
/// Pointers followed for one name: more than it can have labels is a maze.
const POINTERS: usize = 127;

/// Passes over the name that stands there: its labels, up to the root or a pointer.
pub(super) fn skip(c: &mut Cursor<'_>) -> Option<()> {
    loop {
        match c.u8()? {
            0 => return Some(()),
            n @ 1..=63 => c.take(usize::from(n))?,
            0xc0.. => return c.u8().map(drop),
            _ => return None,
        };
    }
}

/// The name that stands there, as on the wire, without its last dot (the root: `.`). The cursor is to begin with the message, which
/// pointers count from; they lead back only (RFC 1035 §4.1.4), so that every name ends.
pub(super) fn read(c: &mut Cursor<'_>) -> Option<String> {
    let (mut text, mut length, mut pointers) = (String::new(), 1, 0);
    let (mut labels, mut start) = (*c, c.position());
    let mut end = None;
    loop {
        match labels.u8()? {
            0 => break,
            n @ 1..=63 => {
                length += 1 + usize::from(n);
                let label = labels.take(usize::from(n)).filter(|_| length <= LONGEST)?;
                if !text.is_empty() {
                    text.push('.');
                }
                escape(label, b"\"().;\\@$", &mut text);
            }
            n @ 0xc0.. => {
                let place = usize::from(n & 0x3f) << 8 | usize::from(labels.u8()?);
                pointers += 1;
                if place >= start || pointers > POINTERS {
                    return None;
                }
                end.get_or_insert(labels);
                (labels, start) = (c.at(place), place);
            }
            _ => return None,
        }
    }
    *c = end.unwrap_or(labels);
    Some(if text.is_empty() { ".".into() } else { text })
}

/// Text of a zone file (RFC 1035 §5.1, RFC 4343 §2.1): `special` get a backslash, what is no printable ASCII becomes `\DDD`.
pub(super) fn escape(bytes: &[u8], special: &[u8], out: &mut String) {
    for &b in bytes {
        match b {
            _ if special.contains(&b) => out.extend(['\\', char::from(b)]),
            b'!'..=b'~' => out.push(char::from(b)),
            _ if special == QUOTED && b == b' ' => out.push(' '),
            // writing to a string does not fail
            _ => _ = write!(out, "\\{b:03}"),
        }
    }
}

/// What is special between quotation marks.
pub(super) const QUOTED: &[u8] = b"\"\\";
