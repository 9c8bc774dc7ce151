//! TLS that stays closed: its bytes are counted, and nothing of them is read.

use super::search::Place;
use super::{Analyzer, Cx, Gap, Input, Resync, Step};
use crate::model::{Dir, End, EventKind};
use crate::time::{Span, Time};

/// A record's head (RFC 8446 §5.1).
pub(super) const HEAD: usize = 5;
/// The most that follows it (RFC 8446 §5.2, RFC 5246 §6.2.3).
const MOST: u16 = (1 << 14) + 2048;

/// Whether a record begins here, as far as the bytes go.
pub(super) fn is_record(data: &[u8]) -> bool {
    let at = |i: usize, is_so: fn(u8) -> bool| data.get(i).is_none_or(|b| is_so(*b));
    let length = data.get(3..HEAD).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    at(0, |kind| (20..=23).contains(&kind)) && at(1, |b| b == 3) && at(2, |b| b <= 4) && length.is_none_or(|n| n > 0 && n <= MOST)
}

/// Whether a whole record begins here that another one or nothing follows.
pub(super) fn place(data: &[u8]) -> Place {
    if !is_record(data) {
        return Place::No;
    }
    let length = data.get(3..HEAD).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    match length.and_then(|length| data.get(HEAD + usize::from(length)..)) {
        None => Place::More,
        Some([]) => Place::Yes,
        Some(next) if !is_record(next) => Place::No,
        Some(next) if next.len() < HEAD => Place::More,
        Some(_) => Place::Yes,
    }
}

/// While bytes go in one direction it is told anew after so long.
const ANEW: Span = Span::from_millis(10);

/// Everything from here on is TLS's.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    /// In which direction bytes went last, as was told, and when.
    told: Option<(Dir, Time)>,
}

impl Analyzer for Sealed {
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        cx.encrypted(input.data.len() as u64);
        let at = input.at(0).time;
        // a question is as old as its first byte, an answer is over with its last one
        let known = |(dir, then): (Dir, Time)| dir == input.dir && (dir == Dir::ToServer || at.since(then) < ANEW);
        if !self.told.is_some_and(known) {
            self.told = Some((input.dir, at));
            cx.sink.push(EventKind::Sealed(input.dir));
        }
        Step::Took(input.data.len())
    }

    fn gap(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: u64) -> Gap {
        Gap::Bridged
    }

    fn resync(&mut self, _: Dir, _: &[u8]) -> Resync {
        Resync::Found(0)
    }

    fn end(&mut self, _: &mut Cx<'_, '_>, _: Input<'_>, _: End) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::properties::{Conversation, reference};
    use crate::model::{Joined, Totals};

    const HELLO: &[u8] = b"\x16\x03\x01\x00\x03\x01\x02\x03";
    const DATA: &[u8] = b"\x17\x03\x03\x00\x02GE";

    #[test]
    fn a_record_is_told_by_its_head() {
        for begun in [&b""[..], b"\x16", b"\x17\x03\x03\x40", HELLO, DATA] {
            assert!(is_record(begun), "{begun:?}");
        }
        for other in [&b"GET"[..], b"\x18", b"\x16\x02", b"\x16\x03\x05", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x48\x01"] {
            assert!(!is_record(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_closed_is_counted_as_encrypted() {
        for joined in [Joined::Opening, Joined::Midway] {
            let mut talk = Conversation::new("TLS");
            talk.joined = joined;
            talk.say(Dir::ToServer, HELLO).say(Dir::ToClient, HELLO).say(Dir::ToServer, DATA);
            let totals = reference(&talk).totals;
            let all = (2 * HELLO.len() + DATA.len()) as u64;
            assert_eq!(totals, Totals { stream_bytes: all, encrypted_bytes: all, ..Totals::default() }, "{joined:?}");
        }
    }
}
