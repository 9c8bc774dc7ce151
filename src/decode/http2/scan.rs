//! Finds frames in the middle of a stream: several in a row, none of which may be anything else. Not a reader of frames.
//!
//! A frame's head alone says little, since other protocols too begin with lengths and small numbers (MySQL, Kafka). So each frame of a
//! chain gives points by how hard its bytes are to come by, and a chain is believed when it has enough of them and nothing in view
//! contradicts it. A HEADERS frame counts most: its block has to end exactly where the frame does.

use super::frame::{self, Frame, HEAD, Kind, PREFACE};
use super::hpack;
use crate::decode::search::{self, Effort, Place};
use crate::decode::{Probe, Resync, Verdict};
use crate::model::Dir;

/// The points that it takes where nothing says that the bytes are HTTP/2; from two frames on.
pub const UNKNOWN: u32 = 4;
/// The points that it takes where it is known that they are.
pub const KNOWN: u32 = 3;

/// Most frames in a row that say nothing before one that does.
const FRAMES: u32 = 64;

/// Whether the first bytes of a direction are HTTP/2's.
pub fn probe(probe: &Probe<'_>) -> Verdict {
    let data = probe.data;
    if data.iter().zip(PREFACE).all(|(a, b)| a == b) {
        return match (probe.dir, data.len() >= PREFACE.len()) {
            (_, false) => Verdict::More,
            (Dir::ToServer, true) => Verdict::Yes,
            (Dir::ToClient, true) => Verdict::Reversed,
        };
    }
    let points = match (probe.opening, probe.dir) {
        (true, Dir::ToServer) => return Verdict::No,
        // a server begins with its SETTINGS (RFC 9113 §3.4)
        (true, Dir::ToClient) if !matches!(data, [0, _, _, 4, 0, ..]) => return Verdict::No,
        (true, Dir::ToClient) => KNOWN,
        (false, _) => UNKNOWN,
    };
    match (place(data, points), speaks(data)) {
        (Place::No, _) => Verdict::No,
        (Place::More, _) => Verdict::More,
        (Place::Yes, Some(dir)) if dir != probe.dir => Verdict::Reversed,
        (Place::Yes, _) => Verdict::Yes,
    }
}

/// The first place where frames start.
pub fn scan(data: &[u8], points: u32, effort: &mut Effort) -> Resync {
    // a length above the usual ones is no candidate: the first byte is 0
    search::first(data, memchr::memchr_iter(0, data), effort, |rest| place(rest, points))
}

/// Whether frames start here.
pub fn place(data: &[u8], points: u32) -> Place {
    let (mut rest, mut had, mut frames) = (data, 0, 0);
    loop {
        let enough = had >= points && (points < UNKNOWN || frames >= 2);
        let Some(frame) = Frame::read(rest) else {
            // what is cut has to be able to become one
            return if rest.first().is_some_and(|b| *b != 0) || rest.get(3).is_some_and(|b| *b > 9) {
                Place::No
            } else if enough {
                Place::Yes
            } else {
                Place::More
            };
        };
        if !frame.is_usual() || frames > FRAMES {
            return Place::No;
        }
        if enough {
            return Place::Yes;
        }
        let Some(payload) = rest.get(HEAD..HEAD + frame.length) else { return Place::More };
        let Some(worth) = worth(&frame, payload) else { return Place::No };
        had += worth;
        frames += 1;
        rest = rest.get(HEAD + frame.length..).unwrap_or_default();
    }
}

/// The direction in which requests go, as seen from the sender of these frames; none where no head among them tells.
pub fn speaks(mut data: &[u8]) -> Option<Dir> {
    while let Some(frame) = Frame::read(data).filter(Frame::is_usual) {
        let payload = data.get(HEAD..HEAD + frame.length)?;
        match frame.kind {
            Kind::Promise => return Some(Dir::ToClient),
            Kind::Headers => {
                if let Some(request) = frame.block(payload).and_then(|(block, _)| hpack::looks_like_head(block)) {
                    return Some(if request { Dir::ToServer } else { Dir::ToClient });
                }
            }
            _ => {}
        }
        data = data.get(HEAD + frame.length..)?;
    }
    None
}

/// How much a whole frame says; none: it is not one.
fn worth(frame: &Frame, payload: &[u8]) -> Option<u32> {
    const LAST_ERROR: u32 = 13;
    match frame.kind {
        // a message of gRPC's has a second length that has to fit
        Kind::Data => Some(match (payload, u32::try_from(payload.len().saturating_sub(5))) {
            ([0 | 1, a, b, c, d, ..], Ok(length)) if u32::from_be_bytes([*a, *b, *c, *d]) == length => 3,
            _ => u32::from(!payload.is_empty()),
        }),
        Kind::Headers | Kind::Promise | Kind::Continuation if !frame.has(frame::END_HEADERS) => Some(0),
        Kind::Headers | Kind::Promise => {
            let (block, _) = frame.block(payload).filter(|(block, _)| hpack::is_block(block))?;
            Some(if hpack::looks_like_head(block).is_some() { 3 } else { 1 })
        }
        Kind::Continuation | Kind::Priority => Some(0),
        Kind::Reset => frame::reset(payload).filter(|code| *code <= LAST_ERROR).map(|_| 2),
        Kind::GoAway => frame::goaway(payload).filter(|(_, code)| *code <= LAST_ERROR).map(|_| 2),
        Kind::Settings if payload.is_empty() => Some(2),
        // the settings that there are (RFC 9113 §6.5.2, RFC 8441, RFC 9218, and those of gRPC from 0xfe03 on)
        Kind::Settings => payload.chunks(6).all(|s| matches!(s, [0, 1..=16, ..] | [0xfe, 0..=16, ..])).then_some(3),
        Kind::Ping => Some(2),
        Kind::Window => frame::reset(payload).filter(|n| *n != 0 && *n >> 31 == 0).map(|_| 2),
        Kind::Other => None,
    }
}
