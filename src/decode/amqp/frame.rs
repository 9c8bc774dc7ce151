//! Frames (AMQP 0-9-1 §2.3.5), the protocol header, and how both are found. Not what a frame says.
//!
//! ```text
//!  0      1           3        7               7 + size
//!  | type | channel   | size   | payload …     | CE |
//!
//!  41 4D 51 50  00 00 09 01     the protocol header: "AMQP", 0, major, minor, revision
//! ```

use super::method::Sender;
use super::{message, method};
use crate::decode::cursor::Cursor;
use crate::decode::search::{self, Effort, Place};
use crate::decode::{Probe, Resync, Verdict};
use crate::model::Dir;
use std::fmt;

/// The length of what stands before the payload.
pub const HEAD: usize = 7;
/// What ends a frame.
pub const END: u8 = 0xce;
/// The length of a protocol header.
pub const PROTOCOL: usize = 8;
/// What a protocol header begins with.
const NAME: &[u8] = b"AMQP";
/// The largest frame that is waited for where it is not yet known whether it is one: what brokers allow unless told otherwise.
const LIKELY: usize = 128 * 1024;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A method.
    Method,
    /// A content's header.
    Header,
    /// Some of a content's body.
    Body,
    /// Nothing: the sender is alive.
    Heartbeat,
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub kind: Kind,
    /// The channel.
    pub channel: u16,
    /// The payload's length, in bytes.
    pub size: usize,
}

/// What stands behind the name in a protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version([u8; 4]);

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<T> {
    /// This.
    Is(T),
    /// It may become one.
    Partial,
    /// None starts here.
    No,
}

impl Frame {
    /// The frame that starts here.
    pub fn read(data: &[u8]) -> Start<Self> {
        let mut c = Cursor::new(data);
        let kind = match c.u8() {
            None => return Start::Partial,
            Some(1) => Kind::Method,
            Some(2) => Kind::Header,
            Some(3) => Kind::Body,
            Some(8) => Kind::Heartbeat,
            Some(_) => return Start::No,
        };
        let Some((channel, size)) = c.u16().and_then(|channel| Some((channel, usize::try_from(c.u32()?).ok()?))) else {
            return Start::Partial;
        };
        let fits = match kind {
            Kind::Method => size >= 4,
            Kind::Header => size >= 14 && channel != 0,
            Kind::Body => channel != 0,
            Kind::Heartbeat => size == 0,
        };
        if fits { Start::Is(Self { kind, channel, size }) } else { Start::No }
    }

    /// Payload and end, in bytes.
    pub const fn total(&self) -> usize {
        HEAD + self.size + 1
    }
}

/// The version that a protocol header asks for, where it is one of this protocol: it may be one that brokers refuse.
pub fn version(data: &[u8]) -> Start<Version> {
    match (data.get(..NAME.len()), data.get(NAME.len()..).and_then(<[u8]>::first_chunk)) {
        (None, _) if NAME.starts_with(data) => Start::Partial,
        (Some(NAME), None) => Start::Partial,
        // AMQP 1.0, plain, by TLS, and by SASL
        (Some(NAME), Some([0 | 2 | 3, 1, 0, 0])) => Start::No,
        (Some(NAME), Some(version)) => Start::Is(Version(*version)),
        _ => Start::No,
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [0, 0, 9, 1] => f.write_str("0-9-1"),
            [1, 1, 0, 9] => f.write_str("0-9"),
            [1, 1, 8, 0] | [1, 1, 9, 1] => f.write_str("0-8"),
            [1, 1, 0, 10] => f.write_str("0-10"),
            [a, b, c, d] => write!(f, "{a}.{b}.{c}.{d}"),
        }
    }
}

/// Whether the first bytes of a direction are this protocol's.
pub fn probe(probe: &Probe<'_>) -> Verdict {
    match (version(probe.data), probe.dir) {
        (Start::Is(_), Dir::ToServer) => return Verdict::Yes,
        (Start::Is(_), Dir::ToClient) => return Verdict::Reversed,
        (Start::Partial, _) => return Verdict::More,
        (Start::No, _) => {}
    }
    match (place(probe.data), probe.dir) {
        // a client begins with the protocol header
        (Start::Is(_), Dir::ToServer) if probe.opening => Verdict::No,
        (Start::Is(Sender::Client), Dir::ToClient) | (Start::Is(Sender::Server), Dir::ToServer) => Verdict::Reversed,
        (Start::Is(_), _) => Verdict::Yes,
        (Start::Partial, _) => Verdict::More,
        (Start::No, _) => Verdict::No,
    }
}

/// The first place where a frame or the protocol header starts.
pub fn scan(data: &[u8], effort: &mut Effort) -> Resync {
    // a size above the usual ones is no candidate: its first byte is 0
    let frames = memchr::memchr3_iter(1, 2, 8, data).filter(|at| data.get(at + 3).is_none_or(|b| *b == 0));
    let frames = search::first(data, frames, effort, |rest| match place(rest) {
        Start::Is(_) => Place::Yes,
        Start::Partial => Place::More,
        Start::No => Place::No,
    });
    let cut = data.len().saturating_sub(NAME.len() - 1)..data.len();
    let headers = search::first(data, memchr::memmem::find_iter(data, NAME).chain(cut), effort, |rest| match version(rest) {
        Start::Is(_) => Place::Yes,
        Start::Partial => Place::More,
        Start::No => Place::No,
    });
    frames.or(headers)
}

/// Whether a frame starts here that is nothing else, and who sends it. A body frame says too little.
pub fn place(data: &[u8]) -> Start<Sender> {
    let frame = match Frame::read(data) {
        Start::Is(frame) if frame.kind != Kind::Body && frame.size <= LIKELY => frame,
        Start::Is(_) | Start::No => return Start::No,
        // the bytes that are there decide what can be waited for
        Start::Partial if matches!(data, [1 | 2 | 8, ..]) => return Start::Partial,
        Start::Partial => return Start::No,
    };
    let payload = data.get(HEAD..(HEAD + frame.size).min(data.len())).unwrap_or_default();
    let begins = match (frame.kind, payload.first_chunk()) {
        (Kind::Heartbeat, _) => frame.channel == 0,
        (_, None) => true,
        (Kind::Method, Some(&[a, b, c, d])) => method::of(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            .is_some_and(|m| (m.class == 10) == (frame.channel == 0)),
        (Kind::Header, Some(head)) => *head == message::BASIC,
        (Kind::Body, _) => false,
    };
    if !begins {
        return Start::No;
    }
    let Some(end) = data.get(HEAD + frame.size) else { return Start::Partial };
    let next = Frame::read(data.get(frame.total()..).unwrap_or_default());
    if *end != END || next == Start::No {
        return Start::No;
    }
    let sender = match frame.kind {
        Kind::Method => method::read(payload).and_then(|(method, args)| args.map(|_| method.from)),
        Kind::Header => message::read(payload).map(|_| Sender::Both),
        Kind::Heartbeat => Some(Sender::Both),
        Kind::Body => None,
    };
    sender.map_or(Start::No, Start::Is)
}
