//! Events for an engine, made without packets: one each 10 µs.

use meshtop::model::{
    BodyHint, Closed, ConnId, ConnMeta, Dir, Event, EventKind, Fields, Head, Headers, Joined, Key, Opened, PacketNo, Part,
    Pattern, SourceId, Stamp, TraceContext, Transport, Turn, Zone,
};
use meshtop::time::Time;
use std::net::SocketAddr;

/// A log that is being written.
#[derive(Default)]
pub struct Log {
    pub events: Vec<Event>,
    flows: u64,
    packet: u64,
}

/// A connection, and a flow on it.
pub type Open = (u64, Key);

impl Log {
    /// Packets go by in which nothing happens.
    #[allow(dead_code, reason = "one bench alone uses it")]
    pub fn skip(&mut self, packets: u64) {
        self.packet += packets;
    }

    /// The next packet: one each 10 µs.
    fn now(&mut self) -> Stamp {
        self.packet += 1;
        Stamp { packet: PacketNo(self.packet), time: Time::from_nanos(self.packet as i64 * 10_000) }
    }

    /// A connection from one host to another.
    pub fn began(&mut self, c: u64, [client, server]: [u8; 2]) {
        let first = self.now();
        let ends = [(client, 40_000 + c as u16), (server, 80)].map(|(host, port)| SocketAddr::from(([10, 0, 0, host], port)));
        let meta = ConnMeta {
            id: conn(c),
            client: ends[0],
            server: ends[1],
            transport: Transport::Stream,
            first,
            joined: Joined::Opening,
            isn: None,
            zone: Zone::default(),
        };
        self.events.push(Event { conn: conn(c), at: first, kind: EventKind::Began(Box::new(meta), SourceId(0)) });
    }

    /// A flow of request `n`, with its ID where it has a span.
    pub fn open(&mut self, c: u64, n: u64, span: Option<u64>, (protocol, pattern): (&'static str, Pattern)) -> Open {
        let (first, dir) = (self.now(), Dir::ToServer);
        let key = Key { stream: 0, own: self.flows };
        self.flows += 1;
        let mut push = |kind| self.events.push(Event { conn: conn(c), at: first, kind });
        let opened = Opened { protocol, pattern, operation: "POST /orders".into(), dir, first, layers: Vec::new() };
        push(EventKind::Open(key, Box::new(opened)));
        let mut headers = Headers::default();
        for (name, value) in
            [("host", "orders"), ("user-agent", "bench/1.0"), ("accept", "*/*"), ("content-type", "application/json")]
        {
            headers.push(name.as_bytes(), value.as_bytes());
        }
        push(EventKind::Part(
            key,
            Part::Head(Box::new(Head { dir, first, headers, head_bytes: 120, hint: BodyHint::default() })),
        ));
        if pattern == Pattern::Query {
            let sql = format!("SELECT id FROM orders WHERE id = 'ord-{n:06}'");
            push(EventKind::Part(key, Part::Fields(Fields::default().with("sql", sql.as_str()))));
        }
        let body = format!("{{\"order\":\"ord-{n:06}\",\"total\":17}}");
        push(EventKind::Part(key, Part::Body(dir, body.clone().into_bytes())));
        push(EventKind::Part(key, Part::BodyEnd { dir, bytes: body.len() as u64, whole: true }));
        if let Some(span) = span {
            let context = TraceContext {
                trace_id: format!("{:032x}", u128::from(n + 1) << 64 | u128::from(n + 1)).into(),
                span_id: Some(format!("{:016x}", n * 8 + span + 1).into()),
                parent_id: None,
                carrier: "traceparent",
                sampled: Some(true),
                state: None,
                baggage: None,
            };
            push(EventKind::Part(key, Part::Trace(Box::new(context))));
        }
        (c, key)
    }

    pub fn close(&mut self, (c, key): Open, status: &str) {
        let at = self.now();
        let closed = Closed { status: Some(status.into()), ok: status < "400", last: Some(at) };
        self.events.push(Event { conn: conn(c), at, kind: EventKind::Close(key, Box::new(closed)) });
    }
}

fn conn(n: u64) -> ConnId {
    ConnId(PacketNo(n))
}

/// All of them at once.
pub fn turn(events: Vec<Event>) -> Turn {
    let until = events.last().map(|event| event.at).unwrap_or_default();
    Turn { events, until, ..Turn::default() }
}
