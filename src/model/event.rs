//! What the analyzers tell the engine: the log of everything that happened, in packet order.

use super::body::BodyHint;
use super::conn::{ConnId, ConnMeta, Dir, End, Stamp};
use super::fields::Fields;
use super::flow::{Message, Pattern};
use super::headers::Headers;
use super::issue::Issue;
use super::trace::TraceContext;
use super::{Fact, SourceId};
use crate::time::Time;
use compact_str::CompactString;
use std::net::SocketAddr;

/// One thing that happened on a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where.
    pub conn: ConnId,
    /// The packet whose processing released it (or the tick: then the packet before it).
    pub at: Stamp,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A connection came into view.
    Began(Box<ConnMeta>, SourceId),
    /// Its roles are other than guessed: who is the client, who the server.
    Oriented(SocketAddr, SocketAddr),
    /// Another source saw it too.
    SeenBy(SourceId),
    /// What came first in a direction does not tell its protocol so far: it may be one that is unknown.
    Unknown(Dir),
    /// It cannot be read from here on, or so far: it is encrypted, of a protocol that is unknown, or was given up.
    Unread {
        /// Whether it is told anew now and then while bytes come.
        anew: bool,
    },
    /// Encrypted bytes went in a direction: when that turned, and now and then while an answer goes on.
    Sealed(Dir),
    /// Its protocol is known.
    Identified(&'static str),
    /// A flow began.
    Open(Key, Box<Opened>),
    /// A flow went on.
    Part(Key, Part),
    /// A flow is complete, or given up.
    Close(Key, Box<Closed>),
    /// Something odd about a flow, or about the connection.
    Note(Option<Key>, Issue),
    /// Something to know beyond this connection.
    Fact(Box<Fact>),
    /// A connection ended.
    Ended(Box<Ended>),
}

/// Which flow of a connection: whatever pairs in its protocol, in the stream (of streams) it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The layer's number within the connection: the outermost is 0, inner streams count up as they appear.
    pub stream: u32,
    /// The protocol's own, never used for two flows: an ordinal. An ID of the wire only where it is never used again.
    pub own: u64,
}

/// How a flow begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The protocol's contract name.
    pub protocol: &'static str,
    /// Its shape.
    pub pattern: Pattern,
    /// What a person would call it; empty while it is unknown.
    pub operation: CompactString,
    /// The direction of its first message: the request's or the one-way message's.
    pub dir: Dir,
    /// The packet that brought its first byte.
    pub first: Stamp,
    /// What it is wrapped in, outermost first.
    pub layers: Vec<&'static str>,
}

/// What is added to a flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What it is, now that more is known.
    Named {
        /// The most specific protocol that is certain.
        protocol: &'static str,
        /// Its shape.
        pattern: Pattern,
        /// What a person would call it.
        operation: CompactString,
    },
    /// The head of one side.
    Head(Box<Head>),
    /// Body bytes to keep, in order.
    Body(Dir, Vec<u8>),
    /// A body went by: how much so far, and whether it was whole. The last one counts.
    BodyEnd {
        /// Which side.
        dir: Dir,
        /// Bytes as sent, transfer framing removed.
        bytes: u64,
        /// Whether all of it was seen.
        whole: bool,
    },
    /// One message of several on a side.
    Message(Dir, Box<Message>),
    /// Fields after the body.
    Trailers(Dir, Headers),
    /// The protocol's own data.
    Fields(Fields),
    /// The trace context it carries.
    Trace(Box<TraceContext>),
}

/// The head of one side of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Which side.
    pub dir: Dir,
    /// The packet that brought its first byte.
    pub first: Stamp,
    /// As on the wire.
    pub headers: Headers,
    /// Its length on the wire.
    pub head_bytes: u64,
    /// What it says of the body.
    pub hint: BodyHint,
}

/// How a flow ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// The protocol's own word; `pending` where an answer was due and did not come; none where none is due.
    pub status: Option<CompactString>,
    /// Whether it went well.
    pub ok: bool,
    /// The packet that brought its last byte; none where an answer was due and did not come.
    pub last: Option<Stamp>,
}

/// What one direction and the other counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Towards the server.
    pub to_server: u64,
    /// Towards the client.
    pub to_client: u64,
}

/// The end of a connection, for its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub how: End,
    /// The last packet.
    pub last: Stamp,
    /// Which side ended it first, by the direction in which it said so, and when.
    pub hung_up: Option<(Dir, Time)>,
    /// Payload bytes, each once.
    pub bytes: Counts,
    /// Packets.
    pub packets: Counts,
    /// Segments whose bytes had all been seen, and datagrams that were shown again.
    pub retransmissions: u64,
    /// Holes.
    pub gaps: u64,
    /// The first 64 bytes that were seen, where the protocol stayed unknown.
    pub head: Vec<u8>,
}
