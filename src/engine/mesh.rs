//! Meshes for tests: what services say to each other, told in a line a flow.

use super::script::{at, conn, key};
use super::{Engine, EngineOptions, Record};
use crate::model::{
    Closed, ConnMeta, Counts, Dir, End, Ended, Event, EventKind, Fact, Fields, Head, Headers, Joined, Opened, Origin, Owner,
    Part, Pattern, Rank, Scope, SourceId, TraceContext, Transport, Turn, Value, Zone,
};
use std::net::SocketAddr;

/// What happens in a mesh, a flow a line: `from>to begin-end`, in packets of a millisecond. `a` is a name with an address of its own,
/// `a=127.0.0.1:80` one with that address, a bare address has no name; `>+` is a publish, `>-` a delivery, `>?` a statement. Further words:
/// `hidden=yes` (an encrypted connection, on which one thing is asked and answered), `unknown=answered` (one in a protocol that is not
/// known at once; `never`: not answered, `found`: it is read), `joined=yes` (one of which nothing was seen after it was joined), `id=T` (a
/// traceparent), `b3=T`, `req=R` (an x-request-id), `corr=C` (a message's correlation ID), `back=Q` (where its reply goes), `span=S`,
/// `sampled=1`, `mid=M` (a message's ID), `queue=Q` and `again=yes` (where it is delivered from, and that it was before), `ends=P` (its
/// connection is cut off in that packet), `body=B`, `media=M` (the media type of its answer), `op=O`, `status=S` (else 200), and `conn=N`
/// for the connection, where it is not one of its own; `syn=P` for the packet in which that opened, `isn=N` for its initial sequence
/// number, `key=N` for the flow's key; `by=N` and `to=N` for the process of who sent it and of who received it.
#[derive(Default)]
struct Mesh {
    events: Vec<(u64, Event)>,
}

fn addr(text: &str, port: u16) -> SocketAddr {
    let text = text.split_once('=').map_or(text, |(_, addr)| addr);
    text.parse().unwrap_or_else(|_| {
        let number = text.bytes().fold(7_u8, |sum, b| sum.wrapping_mul(31).wrapping_add(b));
        format!("10.9.{number}.{}:{port}", text.len()).parse().unwrap()
    })
}

impl Mesh {
    fn add(&mut self, number: usize, line: &str) {
        let mut words = line.split(' ');
        let (from, to) = words.next().unwrap().split_once('>').unwrap();
        let (pattern, to) = match to.split_at(1) {
            ("+", to) => (Pattern::Publish, to),
            ("-", to) => (Pattern::Deliver, to),
            ("?", to) => (Pattern::Query, to),
            _ => (Pattern::RequestResponse, to),
        };
        let (begin, end) = words.next().unwrap().split_once('-').unwrap();
        let begin: u64 = begin.parse().unwrap();
        let words: Vec<_> = words.map(|word| word.split_once('=').unwrap()).collect();
        let word = |wanted: &str| words.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let c = word("conn").map_or(1000 + number as u64, |n| n.parse().unwrap());
        let deliver = pattern == Pattern::Deliver;
        let (client, server) = if deliver { (to, from) } else { (from, to) };
        let ends = [(client, addr(client, 40_000 + c as u16)), (server, addr(server, 80))];
        let mut push = |packet: u64, kind| self.events.push((packet, Event { conn: conn(c), at: at(packet), kind }));
        for (text, addr) in ends {
            if text.parse::<SocketAddr>().is_err() {
                let service = text.split_once('=').map_or(text, |(name, _)| name).into();
                push(0, EventKind::Fact(Box::new(Fact::Named { scope: Scope::Socket(addr), rank: Rank::User, service })));
            }
        }
        let syn = word("syn").map_or(begin, |packet| packet.parse().unwrap());
        let meta = ConnMeta {
            id: conn(c),
            client: ends[0].1,
            server: ends[1].1,
            transport: Transport::Stream,
            first: at(syn),
            joined: if word("joined").is_some() { Joined::Midway } else { Joined::Opening },
            isn: word("isn").map(|isn| isn.parse().unwrap()),
            zone: Zone::default(),
        };
        push(syn, EventKind::Began(Box::new(meta), SourceId(0)));
        let (client_pid, server_pid) = if deliver { ("to", "by") } else { ("by", "to") };
        for (pid, (text, end)) in [client_pid, server_pid].into_iter().zip(ends) {
            let Some(pid) = word(pid).map(|pid| pid.parse().unwrap()) else { continue };
            let service = text.split_once('=').map_or(text, |(name, _)| name).into();
            let owner = Owner { service, origin: Origin::File, pid: Some(pid), container: None, process: None };
            push(syn, EventKind::Fact(Box::new(Fact::Owned { conn: conn(c), end, owner: Some(owner.into()) })));
        }
        let over = |last| {
            let (how, bytes, packets) = (End::Fin, Counts::default(), Counts::default());
            EventKind::Ended(Box::new(Ended {
                how,
                last,
                hung_up: None,
                bytes,
                packets,
                retransmissions: 0,
                gaps: 0,
                head: Vec::new(),
            }))
        };
        if word("hidden").or(word("joined")).or(word("unknown")).is_some() {
            let last: u64 = end.parse().unwrap();
            if let Some(becomes) = word("unknown") {
                push(begin, EventKind::Unknown(Dir::ToServer));
                let becomes = match becomes {
                    "never" => vec![],
                    "found" => vec![EventKind::Identified("http")],
                    _ => vec![EventKind::Unknown(Dir::ToClient), EventKind::Unread { anew: true }],
                };
                becomes.into_iter().for_each(|kind| push(last, kind));
            }
            if word("hidden").is_some() {
                push(begin, EventKind::Unread { anew: false });
                push(begin, EventKind::Sealed(Dir::ToServer));
                push(last, EventKind::Sealed(Dir::ToClient));
            }
            push(last, over(at(last)));
            return;
        }
        let protocol = match pattern {
            Pattern::Publish | Pattern::Deliver => "amqp",
            Pattern::Query => "postgresql",
            _ => "http",
        };
        let dir = if deliver { Dir::ToClient } else { Dir::ToServer };
        let (operation, layers) = (word("op").unwrap_or("GET_/").replace('_', " ").into(), Vec::new());
        let own = word("key").map_or(number as u64, |key| key.parse().unwrap());
        let opened = Opened { protocol, pattern, operation, dir, first: at(begin), layers };
        push(begin, EventKind::Open(key(own), Box::new(opened)));
        let mut part = |part| push(begin, EventKind::Part(key(own), part));
        let hint = crate::model::BodyHint::default();
        part(Part::Head(Box::new(Head { dir, first: at(begin), headers: Headers::default(), head_bytes: 9, hint })));
        if let Some(media) = word("media") {
            let (mut headers, dir, hint) = (Headers::default(), dir.other(), crate::model::BodyHint::default());
            headers.push(b"content-type", media.as_bytes());
            part(Part::Head(Box::new(Head { dir, first: at(begin), headers, head_bytes: 9, hint })));
        }
        if matches!(pattern, Pattern::Publish | Pattern::Deliver) {
            let properties = [("mid", "message_id"), ("corr", "correlation_id"), ("back", "reply_to")];
            let id = properties.into_iter().filter_map(|(name, of)| Some((of.into(), Value::from(word(name)?)))).collect();
            let fields = Fields::default().with("amqp.exchange", "shop").with("amqp.routing_key", "order");
            let fields = fields.with("amqp.properties", Value::Map(id)).with("amqp.redelivered", word("again").is_some());
            part(Part::Fields(word("queue").map_or(fields.clone(), |queue| fields.with("amqp.queue", queue))));
        }
        if let Some(body) = word("body") {
            part(Part::Body(dir, body.as_bytes().to_vec()));
        }
        part(Part::BodyEnd { dir, bytes: word("body").map_or(0, str::len) as u64, whole: true });
        for (name, carrier) in [("id", "traceparent"), ("b3", "b3"), ("req", "x-request-id"), ("corr", "correlation-id")] {
            let context = |id: &str| TraceContext {
                trace_id: id.into(),
                span_id: word("span").map(Into::into),
                parent_id: None,
                carrier,
                sampled: word("sampled").map(|flag| flag == "1"),
                state: None,
                baggage: None,
            };
            word(name).into_iter().for_each(|id| part(Part::Trace(Box::new(context(id)))));
        }
        if let Ok(end) = end.parse() {
            let status = word("status").unwrap_or("200");
            let closed = Closed { status: Some(status.into()), ok: status < "400", last: Some(at(end)) };
            push(end, EventKind::Close(key(own), Box::new(closed)));
        }
        if let Some(last) = word("ends").map(|packet| packet.parse().unwrap()) {
            push(last, over(at(last)));
        }
    }
}

/// What an engine without a screen makes of a mesh.
pub(super) fn run(lines: &[&str]) -> Vec<Record> {
    play(lines, EngineOptions { keep: false, ..EngineOptions::default() }).1
}

/// An engine that has seen a mesh to its end, and what it told.
pub(super) fn play(lines: &[&str], options: EngineOptions) -> (Engine, Vec<Record>) {
    let mut mesh = Mesh::default();
    lines.iter().enumerate().for_each(|(number, line)| mesh.add(number, line));
    mesh.events.sort_by_key(|(packet, _)| *packet);
    let mut began = std::collections::BTreeSet::new();
    let events = mesh.events.into_iter().map(|(_, event)| event);
    let events: Vec<_> = events.filter(|event| !matches!(event.kind, EventKind::Began(..)) || began.insert(event.conn)).collect();
    let until = events.last().unwrap().at;
    let mut engine = Engine::new(options);
    let mut records = Vec::new();
    engine.take(Turn { events, until, last: true, ..Turn::default() }, &mut |record| records.push(record));
    assert_eq!(super::script::stats(&records).unplaced, 0);
    (engine, records)
}
