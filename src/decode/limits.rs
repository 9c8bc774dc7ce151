//! What decoders are told: their named limits, which is what a hostile peer can make us hold, and what the user knows.

use crate::trace::Named;

/// Bounds for one connection and for all of them, and what the user knows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes kept of each body after its encoding is undone (`--body-limit`).
    pub body: usize,
    /// Unconsumed bytes of one direction: the longest head or frame that is read.
    pub buffer: usize,
    /// Unconsumed bytes while a direction waits for the other one.
    pub wait: usize,
    /// The same while nobody knows what the bytes are: those that follow would hardly tell.
    pub unknown: usize,
    /// Bytes that all connections hold together: then those that hold most let go.
    pub together: usize,
    /// Bytes looked at for a start that is not yet whole, after a hole.
    pub resync: usize,
    /// Streams within streams.
    pub depth: usize,
    /// Inner streams of one layer that are open at once.
    pub inner: usize,
    /// Bytes of messages, begun and not yet whole, that one connection holds, inner streams too; what comes beyond is only counted.
    pub held: usize,
    /// Exchanges of one connection that wait for their answer.
    pub pending: usize,
    /// Headers that carry trace IDs, by the user's word.
    pub trace_headers: &'static [Named],
    /// Header fields of one message; further ones are dropped and noted.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            buffer: 256 * 1024,
            wait: 256 * 1024,
            unknown: 16 * 1024,
            together: 16 * 1024 * 1024,
            resync: 64 * 1024,
            depth: 8,
            inner: 1024,
            held: 8 * 1024 * 1024,
            pending: 1000,
            trace_headers: &[],
            fields: 1000,
        }
    }
}

impl Limits {
    /// How many bytes of a body to keep as sent. An encoded body gets room for the encoding's own framing, so that one which
    /// does not shrink still fills the limit when it is undone.
    pub fn keep(&self, encoded: bool) -> usize {
        const FRAMING: usize = 1024;
        if self.body == 0 || !encoded { self.body } else { self.body.saturating_add(FRAMING) }
    }
}
