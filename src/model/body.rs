//! A body as it was kept: raw bytes and what the protocol says of them. Decoding is `body`'s, on demand.

use compact_str::CompactString;

/// What a protocol says about a body, so that it can be decoded without knowing the protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyHint {
    /// The media type with its parameters, as on the wire (`application/json; charset=utf-8`).
    pub media_type: Option<CompactString>,
    /// Content codings in the order in which they were applied (RFC 9110 §8.4): undone from the last to the first.
    pub encodings: Vec<CompactString>,
    /// Which message of which method it is, where a schema can tell more: `/shop.v1.Orders/PlaceOrder>` a request, with `<` a response.
    pub schema: Option<CompactString>,
}

/// The kept part of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The first bytes as sent, transfer framing removed, codings not undone; no byte after a gap.
    pub kept: Vec<u8>,
    /// How many bytes were sent in all, transfer framing removed.
    pub bytes: u64,
    /// What the protocol says of it.
    pub hint: BodyHint,
    /// Whether it was seen whole: false for one that is still coming, was cut off, or has a gap.
    pub whole: bool,
}

impl Body {
    /// Whether bytes were dropped for the limit, a gap or the budget.
    pub fn partial(&self) -> bool {
        (self.kept.len() as u64) < self.bytes
    }
}
