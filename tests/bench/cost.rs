//! What it costs a flow to be stitched: an engine alone is fed events that were made beforehand, with flows that carry an ID or have to be
//! placed, and with as many that are neither. The difference is stitching's, and that of the findings which look at what it ties.

use meshtop::engine::{Engine, EngineOptions};
use meshtop::model::{
    BodyHint, Closed, ConnId, ConnMeta, Dir, Event, EventKind, Fields, Headers, Joined, Key, Opened, PacketNo, Part, Pattern,
    Scope, SourceId, Stamp, TraceContext, Transport, Turn, Zone,
};
use meshtop::time::Time;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many requests there are, and how often all are taken in: the fastest time counts.
const REQUESTS: u64 = 20_000;
const ROUNDS: usize = 5;
/// How many flows a request causes.
const CAUSED: u64 = 3;
/// How many of each batch of events.
const TURN: usize = 512;

/// What the flows are that a request causes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caused {
    /// Calls that carry its ID.
    Calls,
    /// Statements, which carry none.
    Statements,
    /// What is nobody's cause and has none.
    Messages,
}

/// What the request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    WithId,
    Message,
}

pub fn print() {
    let flows = REQUESTS * (1 + CAUSED);
    let nothing = time(Asked::Message, Caused::Messages, 1);
    let ids = time(Asked::WithId, Caused::Calls, 1);
    println!("cost of a flow, of {flows}: {} ns without stitching", nothing.as_nanos() / u128::from(flows));
    let more = |took: Duration, than: Duration, count: u64| took.saturating_sub(than).as_nanos() / u128::from(count);
    println!("{:>6} ns more for one that carries an ID", more(ids, nothing, flows));
    for (at_once, what) in [(1, "one request at a time"), (100, "a hundred requests at once")] {
        let [placed, not] = [Caused::Statements, Caused::Messages].map(|caused| time(Asked::WithId, caused, at_once));
        println!("{:>6} ns more for one that has to be placed, {what}", more(placed, not, REQUESTS * CAUSED));
    }
    println!();
}

/// How long an engine takes for all of it.
fn time(asked: Asked, caused: Caused, at_once: u64) -> Duration {
    let log = log(asked, caused, at_once);
    let rounds = (0..ROUNDS).map(|_| {
        let turns: Vec<_> = log.chunks(TURN).map(|events| turn(events.to_vec())).collect();
        let names = [(1, "gateway"), (2, "orders"), (3, "database")];
        let names = names.map(|(host, name)| (Scope::Ip([10, 0, 0, host].into()), name.into())).to_vec();
        let mut engine = Engine::new(EngineOptions { keep: false, names, ..EngineOptions::default() });
        let mut records = 0;
        let since = Instant::now();
        let start = ran(since);
        for turn in turns {
            engine.take(turn, &mut |_| records += 1);
        }
        assert!(records > 0);
        ran(since) - start
    });
    rounds.min().unwrap_or_default()
}

/// For how long this thread has run, so that a busy machine tells little less; where the system does not say, the time.
fn ran(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn turn(events: Vec<Event>) -> Turn {
    let until = events.last().map(|event| event.at).unwrap_or_default();
    Turn { events, until, ..Turn::default() }
}

#[derive(Default)]
struct Log {
    events: Vec<Event>,
    flows: u64,
    packet: u64,
}

/// A connection, and a flow on it.
type Open = (u64, Key);

/// `at_once` requests overlap: the gateway is asked, and asks meanwhile, one after the other.
fn log(asked: Asked, caused: Caused, at_once: u64) -> Vec<Event> {
    let mut log = Log::default();
    for c in 0..at_once {
        log.began(2 * c, [9, 1]);
        log.began(2 * c + 1, [1, 2]);
    }
    for first in (0..REQUESTS).step_by(at_once as usize) {
        let all = first..first + at_once;
        let id = (asked == Asked::WithId).then_some(0);
        let requests: Vec<_> = all.clone().map(|n| log.open(2 * (n - first), n, id, asked_as(asked))).collect();
        for step in 0..CAUSED {
            let id = (caused == Caused::Calls).then_some(step + 1);
            let calls: Vec<_> = all.clone().map(|n| log.open(2 * (n - first) + 1, n, id, caused_as(caused))).collect();
            calls.into_iter().for_each(|flow| log.close(flow));
        }
        requests.into_iter().for_each(|flow| log.close(flow));
    }
    log.events
}

fn asked_as(asked: Asked) -> (&'static str, Pattern) {
    match asked {
        Asked::WithId => ("http", Pattern::RequestResponse),
        Asked::Message => ("websocket", Pattern::Message),
    }
}

fn caused_as(caused: Caused) -> (&'static str, Pattern) {
    match caused {
        Caused::Calls => ("http", Pattern::RequestResponse),
        Caused::Statements => ("postgresql", Pattern::Query),
        Caused::Messages => ("websocket", Pattern::Message),
    }
}

impl Log {
    /// The next packet: one each 10 µs.
    fn now(&mut self) -> Stamp {
        self.packet += 1;
        Stamp { packet: PacketNo(self.packet), time: Time::from_nanos(self.packet as i64 * 10_000) }
    }

    /// A connection from one host to another.
    fn began(&mut self, c: u64, [client, server]: [u8; 2]) {
        let first = self.now();
        let ends = [(client, 40_000 + c as u16), (server, 80)].map(|(host, port)| SocketAddr::from(([10, 0, 0, host], port)));
        let meta = ConnMeta {
            id: conn(c),
            client: ends[0],
            server: ends[1],
            transport: Transport::Stream,
            first,
            joined: Joined::Opening,
            zone: Zone::default(),
        };
        self.events.push(Event { conn: conn(c), at: first, kind: EventKind::Began(Box::new(meta), SourceId(0)) });
    }

    /// A flow of request `n`, with its ID where it has a span.
    fn open(&mut self, c: u64, n: u64, span: Option<u64>, (protocol, pattern): (&'static str, Pattern)) -> Open {
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
        push(EventKind::Part(key, Part::Head { dir, first, headers, head_bytes: 120, hint: BodyHint::default() }));
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

    fn close(&mut self, (c, key): Open) {
        let at = self.now();
        let closed = Closed { status: Some("200".into()), ok: true, last: Some(at) };
        self.events.push(Event { conn: conn(c), at, kind: EventKind::Close(key, Box::new(closed)) });
    }
}

fn conn(n: u64) -> ConnId {
    ConnId(PacketNo(n))
}
