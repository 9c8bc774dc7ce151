//! A flow as the engine keeps it: a small row for every flow, and a detail that may be evicted.

use super::body::Body;
use super::conn::{ConnId, Dir, Stamp};
use super::fact::Party;
use super::fields::{Fields, Value};
use super::headers::Headers;
use super::issue::Issue;
use super::segment::SourceId;
use super::trace::{Link, TraceContext};
use crate::time::{Span, Time};
use compact_str::CompactString;
use std::sync::Arc;

/// A flow's number, from 1 up in the order of first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// The status of a flow whose answer was due and did not come. Where it may only not have been seen, a flow has no status.
pub const PENDING: &str = "pending";

/// The shape of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// A request with its response.
    RequestResponse,
    /// One message each way (gRPC).
    Unary,
    /// Many requests, one response.
    ClientStream,
    /// One request, many responses.
    ServerStream,
    /// Many each way.
    BidiStream,
    /// A command or statement with its result.
    Query,
    /// A message to a broker.
    Publish,
    /// A message from a broker.
    Deliver,
    /// A one-way message.
    Message,
    /// A connection that stays closed to us.
    Session,
}

impl Pattern {
    /// Whether it is a shape of gRPC calls.
    pub const fn is_call(self) -> bool {
        matches!(self, Self::Unary | Self::ClientStream | Self::ServerStream | Self::BidiStream)
    }

    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequestResponse => "request_response",
            Self::Unary => "unary",
            Self::ClientStream => "client_stream",
            Self::ServerStream => "server_stream",
            Self::BidiStream => "bidi_stream",
            Self::Query => "query",
            Self::Publish => "publish",
            Self::Deliver => "deliver",
            Self::Message => "message",
            Self::Session => "session",
        }
    }

    /// Whether nothing is due in return on the same wire, so that the flow has a direction.
    pub const fn one_way(self) -> bool {
        matches!(self, Self::Publish | Self::Deliver | Self::Message)
    }
}

/// Where in its life a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// From its first byte.
    Open,
    /// Its protocol says it is over.
    Complete,
    /// Named, tied, and printed: nothing of it changes any more.
    Settled,
}

/// A set of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSet(pub u64);

impl SourceSet {
    /// Adds one; from the 64th source on they share the last place.
    pub fn add(&mut self, source: SourceId) {
        self.0 |= 1 << source.0.min(63);
    }

    /// Whether it holds one.
    pub fn has(self, source: SourceId) -> bool {
        self.0 >> source.0.min(63) & 1 == 1
    }
}

/// What every flow keeps to the end: what lists, filters and findings need.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number.
    pub id: FlowId,
    /// Its connection.
    pub conn: ConnId,
    /// Its first byte.
    pub time: Time,
    /// From its first byte to the last of the answer; none while it is open or where an answer was due.
    pub duration: Option<Span>,
    /// The place of its connection in the engine's table, which knows its two ends.
    pub place: u32,
    /// The most specific protocol that is certain.
    pub protocol: &'static str,
    /// Its shape.
    pub pattern: Pattern,
    /// Where in its life it is.
    pub state: State,
    /// Whether it went well, as far as is known.
    pub ok: bool,
    /// The direction of its first message.
    pub dir: Dir,
    /// What a person would call it.
    pub operation: CompactString,
    /// The protocol's own word.
    pub status: Option<CompactString>,
    /// Body bytes both ways.
    pub bytes: u64,
    /// The trace it belongs to.
    pub trace_id: Option<CompactString>,
    /// What tied it to that, where it was not an ID of its own.
    pub link: Option<Link>,
    /// What saw it.
    pub sources: SourceSet,
}

/// The fields that name a topic or queue, by the protocols' own names. The first that a flow has counts.
const VIA: &[&str] =
    &["amqp.queue", "amqp.exchange", "kafka.topic", "nats.subject", "mqtt.topic", "redis.channel", "stomp.destination"];

impl Row {
    /// Which way a one-way message goes.
    pub fn direction(&self) -> Option<Dir> {
        self.pattern.one_way().then_some(self.dir)
    }

    /// Whether it goes to the server: requests do.
    pub fn to_server(&self) -> bool {
        !self.pattern.one_way() || self.dir == Dir::ToServer
    }

    /// Its last byte; none while it is open or where an answer was due.
    pub fn last(&self) -> Option<Time> {
        self.duration.map(|span| self.time.after(span))
    }
}

/// One side of a flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Half {
    /// Its first byte.
    pub first: Stamp,
    /// When its body, or the last of its messages so far, was there as a whole; none while it is not, or where it has none.
    pub whole: Option<Time>,
    /// As on the wire.
    pub headers: Headers,
    /// After the body.
    pub trailers: Headers,
    /// Length of the head on the wire.
    pub head_bytes: u64,
    /// Its body, where it has one body.
    pub body: Body,
    /// Its messages, where it has several.
    pub messages: Vec<Message>,
    /// Messages that were dropped for the limit, the oldest first.
    pub messages_dropped: u64,
    /// Bytes that are kept of all its messages.
    pub messages_kept: usize,
}

/// One message of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its first byte.
    pub first: Stamp,
    /// What it holds.
    pub body: Body,
}

/// How many flows are named of those that may have caused one, the last: of more nobody learns anything.
pub const MAX_CANDIDATES: usize = 16;

/// Everything else that was kept of a flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// What the sender of the first message sent.
    pub request: Option<Half>,
    /// What came back.
    pub response: Option<Half>,
    /// The protocol's own data.
    pub fields: Fields,
    /// The trace contexts it carries, the strongest first: that one is its trace.
    pub traces: Vec<TraceContext>,
    /// The ID of its trace as on the wire, where it carries none itself.
    pub inferred: Option<CompactString>,
    /// The flows of which each may have caused it, where none can be claimed; of more than [`MAX_CANDIDATES`] the last.
    pub candidates: Vec<FlowId>,
    /// Where else it was seen on its way.
    pub legs: Option<Box<Legs>>,
    /// What it is wrapped in, outermost first.
    pub layers: Vec<&'static str>,
    /// What was odd.
    pub notes: Vec<Issue>,
    /// Whether bodies were dropped for the memory budget.
    pub bodies_evicted: bool,
}

/// Where else a flow was seen on its way: before and behind an address translation, or a relay that reads nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Legs {
    /// The same flow where it was before, and the connection on which it was seen first of all.
    pub first: Option<(FlowId, ConnId)>,
    /// The same flow where it went next.
    pub second: Option<FlowId>,
}

impl Detail {
    /// The same flow where it was before.
    pub fn first_leg(&self) -> Option<FlowId> {
        self.legs.as_ref()?.first.map(|(flow, _)| flow)
    }

    /// The same flow where it went next: what its receiver does, that one's does.
    pub fn second_leg(&self) -> Option<FlowId> {
        self.legs.as_ref()?.second
    }
}

/// A flow as lookers see it, borrowed: what filters and outputs take.
#[derive(Clone, Copy, Debug)]
pub struct FlowRef<'a> {
    /// The row.
    pub row: &'a Row,
    /// The detail, where it was not evicted.
    pub detail: Option<&'a Detail>,
    /// Who opened the connection.
    pub client: &'a Arc<Party>,
    /// Who accepted it.
    pub server: &'a Arc<Party>,
    /// The connection's number.
    pub connection: u64,
    /// Names of what saw it.
    pub sources: &'a [Arc<str>],
}

impl<'a> FlowRef<'a> {
    /// Who sent it, and who received it.
    pub fn ends(self) -> (&'a Arc<Party>, &'a Arc<Party>) {
        if self.row.to_server() { (self.client, self.server) } else { (self.server, self.client) }
    }

    /// The topic or queue that a message goes through; a default exchange has no name, and what is asked about a queue goes through none.
    pub fn via(self) -> Option<&'a str> {
        let fields = &self.detail.filter(|_| self.row.direction().is_some() || self.row.protocol != "amqp")?.fields;
        VIA.iter().find_map(|name| match fields.get(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(&**text),
            _ => None,
        })
    }
}

/// The same, owned: what crosses to the looker.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The row.
    pub row: Row,
    /// The detail, where it was not evicted.
    pub detail: Option<Arc<Detail>>,
    /// Who opened the connection.
    pub client: Arc<Party>,
    /// Who accepted it.
    pub server: Arc<Party>,
    /// The connection's number, from 1 up in packet order.
    pub connection: u64,
    /// Names of what saw it.
    pub sources: Vec<Arc<str>>,
}

impl Flow {
    /// Borrowed.
    pub fn as_ref(&self) -> FlowRef<'_> {
        FlowRef {
            row: &self.row,
            detail: self.detail.as_deref(),
            client: &self.client,
            server: &self.server,
            connection: self.connection,
            sources: &self.sources,
        }
    }
}
