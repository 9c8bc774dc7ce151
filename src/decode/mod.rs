//! Sans-IO analyzers: bytes of one connection in, events out. No IO, no clock, no lock, no thread.
//!
//! A protocol is a folder here and its lines in the registry, [`PROTOCOLS`]; nothing else knows it. It hands over a [`Protocol`]: how to recognise it and how to start an
//! [`Analyzer`]. The [`Driver`] owns buffering, limits, finding the way back after a hole, and panics; an analyzer holds no receive
//! buffer and only says, in a [`Step`], what it did with the bytes it was shown.
//!
//! ```text
//!  reassembly ── data, hole, end ──> Driver ── feed, gap, resync, end ──> Analyzer ── open, part, close, note ──> Sink
//!                                      │  ^                                  │
//!                                      │  └── Step: Took Need Wait Lost Become Opaque
//!                                      └── inner Drivers, a stream each <────┘ Cx::inner
//! ```
//! A new connection starts with [`detect::Detect`], an analyzer like any other: it waits, then becomes.

use crate::model::{ConnMeta, Dir, End, Issue, Stamp, Transport};

pub use cx::{Cx, Sink};
pub use driver::Driver;
pub use input::Input;
pub use limits::Limits;
pub use search::Effort;

pub mod cursor;
mod cx;
pub mod detect;
pub mod driver;
mod few;
mod guess;
mod input;
mod keys;
pub mod limits;
#[cfg(test)]
mod properties;
pub mod registry;
mod sealed;
pub mod search;
#[cfg(test)]
mod toy;
mod turns;

// The registry: a protocol is its folder and its two lines here, the more telling first bytes first.

pub mod amqp;
pub mod dns;
pub mod grpc;
pub mod http1;
pub mod http2;
pub mod postgresql;
pub mod proxy;
pub mod redis;
pub mod socks;

/// Every protocol that is read, in the order in which they are asked.
pub static PROTOCOLS: &[&Protocol] = &[
    &proxy::PROTOCOL,
    &http2::PROTOCOL,
    &amqp::PROTOCOL,
    &postgresql::PROTOCOL,
    &http1::PROTOCOL,
    &redis::PROTOCOL,
    &socks::PROTOCOL,
    &dns::UDP,
    &dns::TCP,
    #[cfg(test)]
    &toy::FRAMES,
    #[cfg(test)]
    &toy::LINES,
];

/// How a protocol is recognised and started.
#[derive(Debug)]
pub struct Protocol {
    /// The contract's name.
    pub name: &'static str,
    /// What carries it; one that both do has an entry for each, one after the other. A datagram is probed alone, and shown alone to the
    /// analyzer: its probe has to be sure, and nothing of it is held.
    pub transport: Transport,
    /// Where it usually listens: a hint in a tie, never a verdict.
    pub ports: &'static [u16],
    /// The tokens of an HTTP/1 `Upgrade` that lead to it (RFC 9110 §7.8).
    pub upgrades: &'static [&'static str],
    /// Whether its probe may know it at the beginning of a packet where `scan` does not.
    pub begins: bool,
    /// Whether the first bytes of a direction are this protocol's.
    pub probe: fn(&Probe<'_>) -> Verdict,
    /// Finds a start in the middle of a stream, for connections that were joined late, and says how much it looked at.
    pub scan: fn(&[u8], &mut Effort) -> Resync,
    /// A fresh analyzer. It is shown bytes at once: where the connection was not `Opening`, they need not be a start.
    pub start: fn(&ConnMeta, &Limits) -> Box<dyn Analyzer>,
    /// Conversations for the shared properties: every analyzer passes them.
    #[cfg(test)]
    pub samples: fn() -> Vec<properties::Conversation>,
}

/// What a probe may look at.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// The direction, as far as the roles are known.
    pub dir: Dir,
    /// The first bytes that were seen of it.
    pub data: &'a [u8],
    /// Whether these are the first bytes that were sent.
    pub opening: bool,
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not this protocol.
    No,
    /// It may be: more bytes would tell.
    More,
    /// It is.
    Yes,
    /// It is, and the roles are the other way round: these are the server's bytes on the client's side, or the reverse.
    Reversed,
}

/// What an analyzer did with the bytes that it was shown.
#[derive(Debug)]
pub enum Step {
    /// Consumed this many; it is asked again at once if more are there.
    Took(usize),
    /// Needs at least this many bytes, counted from the first one shown. Of a datagram: it was cut, and what is left of it counted.
    Need(usize),
    /// Can't go on before the other direction has moved (an Upgrade without its answer). Bounded: then the rest is opaque.
    Wait,
    /// The framing is broken here: `resync` looks for the next start.
    Lost(Issue),
    /// Another analyzer takes over both directions: this one after `took` bytes, the other at its first unconsumed byte.
    Become {
        /// Bytes that this one consumed.
        took: usize,
        /// Who takes over.
        to: Box<dyn Analyzer>,
        /// What the rest is wrapped in from here on (`proxy`).
        layer: Option<&'static str>,
        /// Whether client and server have to be swapped first.
        reversed: bool,
    },
    /// Nothing that follows can be read.
    Opaque,
}

/// What a hole did to an analyzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The hole lies inside a body of known length: the framing holds.
    Bridged,
    /// The place is lost: `resync` looks for the next start.
    Lost,
}

/// Where the next message starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// A message that is whole enough to be sure of starts here.
    Found(usize),
    /// None starts before here; more bytes may show one.
    Skip(usize),
}

impl Resync {
    /// The first of what two searches of the same bytes found.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Found(a), Self::Found(b)) => Self::Found(a.min(b)),
            (Self::Found(a), Self::Skip(_)) | (Self::Skip(_), Self::Found(a)) => Self::Found(a),
            (Self::Skip(a), Self::Skip(b)) => Self::Skip(a.min(b)),
        }
    }
}

/// One protocol on one connection, or on one stream within it.
pub trait Analyzer: Send + std::fmt::Debug {
    /// Shown everything that is not yet consumed of one direction; never nothing.
    fn feed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step;
    /// It takes over by an HTTP/1 request that asked for it, with this method and target; its answer may be due in the new protocol.
    fn upgraded(&mut self, _method: &str, _target: &str) {}
    /// `len` bytes after `rest` are lost (0: some, before the first byte that this analyzer was shown). `rest` is what was not consumed; unless it is empty the place is lost.
    fn gap(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, len: u64) -> Gap;
    /// Looks for a start that what follows it confirms.
    fn resync(&mut self, dir: Dir, data: &[u8]) -> Resync;
    /// The same, where it matters which packets brought the bytes and which of them it was shown before.
    fn search(&mut self, input: Input<'_>) -> Resync {
        self.resync(input.dir, input.data)
    }
    /// The direction is over; `rest` was not consumed. Exactly once a direction.
    fn end(&mut self, cx: &mut Cx<'_, '_>, rest: Input<'_>, how: End);
    /// Whether it waits for time to pass; then it is told of that.
    fn waits(&self) -> bool {
        false
    }
    /// Packet time has come to `now`.
    fn tick(&mut self, _cx: &mut Cx<'_, '_>, _now: Stamp) {}
    /// What the exchanges that wait for their answers take in memory, in bytes, about. It is asked for with each packet.
    fn waiting(&self) -> usize {
        0
    }
    /// What it remembers of what was said before, such as prepared statements, takes in memory, in bytes, about. It is asked for with each
    /// packet.
    fn remembered(&self) -> usize {
        0
    }
    /// Nothing has come for a while: it may give back what it holds for what comes soon.
    fn rest(&mut self) {}
}
