//! Event logs for tests: a packet a millisecond, told in one line each.

use super::{Engine, EngineOptions, Record};
use crate::model::{
    Body, BodyHint, Closed, ConnId, ConnMeta, ConnRecord, Counts, Dir, End, Ended, Event, EventKind, Fact, Flow, Head, Headers,
    Issue, Joined, Key, Message, Opened, PacketNo, Part, Pattern, Rank, Scope, SourceId, Stamp, Stats, TraceContext, Transport,
    Turn, Zone,
};
use crate::time::Time;

/// The stamp of a packet.
pub(super) fn at(packet: u64) -> Stamp {
    Stamp { packet: PacketNo(packet), time: Time::from_nanos(packet as i64 * 1_000_000) }
}

pub(super) fn conn(packet: u64) -> ConnId {
    ConnId(PacketNo(packet))
}

pub(super) fn key(own: u64) -> Key {
    Key { stream: 0, own }
}

/// A log that is being written.
#[derive(Clone, Default)]
pub(super) struct Log {
    pub(super) events: Vec<Event>,
    packet: u64,
}

impl Log {
    /// Packets go by in which nothing happens.
    pub(super) fn skip(mut self, packets: u64) -> Self {
        self.packet += packets;
        self
    }

    pub(super) fn now(&self) -> Stamp {
        at(self.packet)
    }

    fn push(mut self, c: u64, kind: EventKind) -> Self {
        self.packet += 1;
        self.events.push(Event { conn: conn(c), at: at(self.packet), kind });
        self
    }

    /// Connection `c` from port 50000 + c to port 80.
    pub(super) fn began(self, c: u64) -> Self {
        let client = format!("10.0.0.1:{}", 50_000 + c).parse().unwrap();
        let server = "10.0.0.2:80".parse().unwrap();
        let first = at(self.packet + 1);
        let meta = ConnMeta {
            id: conn(c),
            client,
            server,
            transport: Transport::Stream,
            first,
            joined: Joined::Opening,
            isn: None,
            zone: Zone::default(),
        };
        self.push(c, EventKind::Began(Box::new(meta), SourceId(0)))
    }

    pub(super) fn kind(self, c: u64, kind: EventKind) -> Self {
        self.push(c, kind)
    }

    pub(super) fn open_as(self, c: u64, k: u64, pattern: Pattern, operation: &str) -> Self {
        let first = at(self.packet + 1);
        let opened =
            Opened { protocol: "http", pattern, operation: operation.into(), dir: Dir::ToServer, first, layers: Vec::new() };
        self.push(c, EventKind::Open(key(k), Box::new(opened)))
    }

    pub(super) fn open(self, c: u64, k: u64) -> Self {
        self.open_as(c, k, Pattern::RequestResponse, "GET /")
    }

    pub(super) fn part(self, c: u64, k: u64, part: Part) -> Self {
        self.push(c, EventKind::Part(key(k), part))
    }

    pub(super) fn head(self, c: u64, k: u64, dir: Dir, name: &str, value: &str) -> Self {
        let first = at(self.packet + 1);
        let mut headers = Headers::default();
        headers.push(name.as_bytes(), value.as_bytes());
        let hint = BodyHint { media_type: Some("text/plain".into()), ..BodyHint::default() };
        self.part(c, k, Part::Head(Box::new(Head { dir, first, headers, head_bytes: 20, hint })))
    }

    pub(super) fn body(self, c: u64, k: u64, dir: Dir, bytes: &[u8]) -> Self {
        let end = Part::BodyEnd { dir, bytes: bytes.len() as u64, whole: true };
        self.part(c, k, Part::Body(dir, bytes.to_vec())).part(c, k, end)
    }

    pub(super) fn message(self, c: u64, k: u64, dir: Dir, bytes: &[u8]) -> Self {
        let body = Body { kept: bytes.to_vec(), bytes: bytes.len() as u64, hint: BodyHint::default(), whole: true };
        let first = at(self.packet + 1);
        self.part(c, k, Part::Message(dir, Box::new(Message { first, body })))
    }

    pub(super) fn trace(self, c: u64, k: u64, trace_id: &str) -> Self {
        let (span_id, parent_id, sampled, state, baggage) = (None, None, None, None, None);
        let trace =
            TraceContext { trace_id: trace_id.into(), span_id, parent_id, carrier: "traceparent", sampled, state, baggage };
        self.part(c, k, Part::Trace(Box::new(trace)))
    }

    pub(super) fn note(self, c: u64, k: u64, issue: Issue) -> Self {
        self.push(c, EventKind::Note(Some(key(k)), issue))
    }

    pub(super) fn close(self, c: u64, k: u64, status: &str) -> Self {
        let last = Some(at(self.packet + 1));
        let closed = Closed { status: Some(status.into()), ok: !status.starts_with('5'), last };
        self.push(c, EventKind::Close(key(k), Box::new(closed)))
    }

    /// A whole exchange.
    pub(super) fn exchange(self, c: u64, k: u64, status: &str) -> Self {
        self.open(c, k).head(c, k, Dir::ToServer, "Host", "a").head(c, k, Dir::ToClient, "Server", "b").close(c, k, status)
    }

    pub(super) fn named(self, port: u16, service: &str) -> Self {
        self.push(0, EventKind::Fact(Box::new(port_fact(port, service))))
    }

    pub(super) fn ended(self, c: u64) -> Self {
        self.ended_after(c, None)
    }

    /// The end of a connection on which one end had hung up.
    pub(super) fn ended_after(self, c: u64, hung_up: Option<(Dir, Time)>) -> Self {
        let last = at(self.packet + 1);
        let (bytes, packets) = (Counts { to_server: 5, to_client: 6 }, Counts::default());
        let ended = Ended { how: End::Fin, last, hung_up, bytes, packets, retransmissions: 1, gaps: 2, head: b"raw".to_vec() };
        self.push(c, EventKind::Ended(Box::new(ended)))
    }

    pub(super) fn turn(self) -> Turn {
        let until = self.now();
        Turn { events: self.events, until, ..Turn::default() }
    }

    pub(super) fn last(self) -> Turn {
        Turn { last: true, ..self.turn() }
    }
}

pub(super) fn port_fact(port: u16, service: &str) -> Fact {
    Fact::Named { scope: Scope::Port(port), rank: Rank::User, service: service.into() }
}

/// What an engine makes of turns.
pub(super) fn run(options: EngineOptions, turns: Vec<Turn>) -> Vec<Record> {
    let mut engine = Engine::new(options);
    let mut records = Vec::new();
    for turn in turns {
        engine.take(turn, &mut |record| records.push(record));
    }
    records
}

pub(super) fn flows(records: &[Record]) -> Vec<&Flow> {
    records.iter().filter_map(|r| if let Record::Flow(flow) = r { Some(flow) } else { None }).collect()
}

pub(super) fn connections(records: &[Record]) -> Vec<&ConnRecord> {
    records.iter().filter_map(|r| if let Record::Connection(c) = r { Some(c) } else { None }).collect()
}

pub(super) fn stats(records: &[Record]) -> &Stats {
    match records.last() {
        Some(Record::Stats(stats)) => stats,
        other => panic!("the stats are last of all: {other:?}"),
    }
}
