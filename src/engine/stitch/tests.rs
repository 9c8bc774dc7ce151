use crate::engine::script::{at, conn, key};
use crate::engine::{Engine, EngineOptions, Record};
use crate::model::{
    Closed, ConnMeta, Counts, Dir, End, Ended, Event, EventKind, Fact, Fields, Headers, Joined, Opened, Part, Pattern, Rank,
    Scope, SourceId, TraceContext, TraceRecord, Transport, Turn, Value, Zone,
};
use std::net::SocketAddr;

/// What happens in a mesh, a flow a line: `from>to begin-end`, in packets of a millisecond. `a` is a name with an address of its own,
/// `a=127.0.0.1:80` one with that address, a bare address has no name; `>+` is a publish, `>-` a delivery, `>?` a statement. Further
/// words: `hidden=yes` (an encrypted connection), `joined=yes` (one of which nothing was seen after it was joined), `id=T` (a traceparent), `req=R` (an x-request-id), `mid=M` (a message's ID), `body=B`, `op=O`, and `conn=N` for the
/// connection, where it is not one of its own.
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
        let meta = ConnMeta {
            id: conn(c),
            client: ends[0].1,
            server: ends[1].1,
            transport: Transport::Stream,
            first: at(begin),
            joined: if word("joined").is_some() { Joined::Midway } else { Joined::Opening },
            zone: Zone::default(),
        };
        push(begin, EventKind::Began(Box::new(meta), SourceId(0)));
        if word("hidden").or(word("joined")).is_some() {
            if word("hidden").is_some() {
                push(begin, EventKind::Unread);
            }
            let last = at(end.parse().unwrap());
            let (how, bytes, packets) = (End::Fin, Counts::default(), Counts::default());
            let ended = Ended { how, last, bytes, packets, retransmissions: 0, gaps: 0, head: Vec::new() };
            push(last.packet.0, EventKind::Ended(Box::new(ended)));
            return;
        }
        let protocol = match pattern {
            Pattern::Publish | Pattern::Deliver => "amqp",
            Pattern::Query => "postgresql",
            _ => "http",
        };
        let dir = if deliver { Dir::ToClient } else { Dir::ToServer };
        let (operation, layers) = (word("op").unwrap_or("GET /").into(), Vec::new());
        let own = number as u64;
        let opened = Opened { protocol, pattern, operation, dir, first: at(begin), layers };
        push(begin, EventKind::Open(key(own), Box::new(opened)));
        let mut part = |part| push(begin, EventKind::Part(key(own), part));
        let hint = crate::model::BodyHint::default();
        part(Part::Head { dir, first: at(begin), headers: Headers::default(), head_bytes: 9, hint });
        if matches!(pattern, Pattern::Publish | Pattern::Deliver) {
            let id = word("mid").map(|id| vec![("message_id".into(), Value::from(id))]).unwrap_or_default();
            let fields = Fields::default().with("amqp.exchange", "shop").with("amqp.routing_key", "order");
            part(Part::Fields(fields.with("amqp.properties", Value::Map(id))));
        }
        if let Some(body) = word("body") {
            part(Part::Body(dir, body.as_bytes().to_vec()));
        }
        part(Part::BodyEnd { dir, bytes: word("body").map_or(0, str::len) as u64, whole: true });
        for (name, carrier) in [("id", "traceparent"), ("req", "x-request-id")] {
            let context = |id: &str| TraceContext {
                trace_id: id.into(),
                span_id: None,
                parent_id: None,
                carrier,
                sampled: None,
                state: None,
                baggage: None,
            };
            word(name).into_iter().for_each(|id| part(Part::Trace(Box::new(context(id)))));
        }
        if let Ok(end) = end.parse() {
            let closed = Closed { status: Some("200".into()), ok: true, last: Some(at(end)) };
            push(end, EventKind::Close(key(own), Box::new(closed)));
        }
    }
}

fn run(lines: &[&str]) -> Vec<TraceRecord> {
    let mut mesh = Mesh::default();
    lines.iter().enumerate().for_each(|(number, line)| mesh.add(number, line));
    mesh.events.sort_by_key(|(packet, _)| *packet);
    let mut began = std::collections::BTreeSet::new();
    let events = mesh.events.into_iter().map(|(_, event)| event);
    let events: Vec<_> = events.filter(|event| !matches!(event.kind, EventKind::Began(..)) || began.insert(event.conn)).collect();
    let until = events.last().unwrap().at;
    let mut engine = Engine::new(EngineOptions { keep: false, ..EngineOptions::default() });
    let mut traces = Vec::new();
    let turn = Turn { events, until, last: true, ..Turn::default() };
    engine.take(turn, &mut |record| match record {
        Record::Trace(trace) => traces.push(trace),
        Record::Stats(stats) => assert_eq!(stats.unplaced, 0),
        Record::Flow(_) | Record::Connection(_) | Record::Finding(_) => {}
    });
    traces
}

/// The trees as text: flows in their order, each behind a point for each level and the first letter of what ties it.
fn check(lines: &[&str], wanted: &[&str]) {
    let tree = |trace: &TraceRecord| {
        let node = |node: &crate::model::Node| {
            let link = node.link.map_or("", |link| &link.word()[..1]);
            format!("{}{link}{}", ".".repeat(node.depth), node.flow.0)
        };
        trace.tree.iter().map(node).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(run(lines).iter().map(tree).collect::<Vec<_>>(), wanted, "{lines:#?}");
}

#[test]
fn a_flow_without_an_id_belongs_to_the_only_request_that_its_sender_was_at_work_on() {
    check(&["web>gate 1-90 id=t", "gate>orders 10-80 id=t", "orders>?db 20-30", "orders>?db 40-50"], &["1 .t2 ..s3 ..s4"]);
    // a call that lost its header takes with it what it caused
    check(&["web>gate 1-90 id=t", "gate>orders 10-80", "orders>store 20-30"], &["1 .s2 ..s3"]);
    // a trace that began anew
    check(&["web>gate 1-90 id=t", "gate>orders 10-80 id=u", "orders>store 20-30 id=u"], &["1 .s2 ..t3"]);
}

#[test]
fn of_several_requests_none_is_claimed_without_a_word_of_it() {
    let two = ["web>gate 1-90 id=t", "web>gate 2-80 id=u", "gate>?db 20-30"];
    check(&two, &["1", "2"]);
    let by_value = ["web>gate 1-90 id=t body=order-4711", "web>gate 2-80 id=u body=order-4712", "gate>?db 20-30 body=order-4712"];
    check(&by_value, &["1", "2 .p3"]);
    let by_request = ["web>gate 1-90 id=t req=request-1", "web>gate 2-80 id=u req=request-2", "gate>store 20-30 req=request-2"];
    check(&by_request, &["1", "2 .r3"]);
    // a value of both tells neither from the other
    check(
        &["web>gate 1-90 id=t body=order-4711", "web>gate 2-80 id=u body=order-4711", "gate>?db 20-30 body=order-4711"],
        &["1", "2"],
    );
}

#[test]
fn a_message_is_found_again_behind_its_broker() {
    let one = ["web>gate 1-90 id=t", "gate>+mq 10-11 mid=m", "mq>-mail 20-40 mid=m", "mail>smtp 25-30"];
    check(&one, &["1 .s2 ..m3 ...s4"]);
    // two alike leave a queue in the order in which they came
    let two =
        ["web>gate 1-30 id=t", "gate>+mq 10-11", "web>gate 31-60 id=u", "gate>+mq 40-41", "mq>-mail 70-71", "mq>-mail 80-81"];
    check(&two, &["1 .s2 ..m5", "3 .s4 ..m6"]);
    // each queue's copy
    check(&["web>gate 1-90 id=t", "gate>+mq 10-11 mid=m", "mq>-mail 20-40 mid=m", "mq>-log 21-40 mid=m"], &["1 .s2 ..m3 ..m4"]);
}

#[test]
fn what_a_service_sends_by_itself_is_nobodys() {
    let polls: Vec<String> = (0..9).map(|n| format!("gate>feed {}-{} op=poll", n * 100, n * 100 + 5)).collect();
    let mut lines: Vec<&str> = polls.iter().map(String::as_str).collect();
    lines.extend(["web>gate 790-890 id=t", "gate>?db 795-796"]);
    check(&lines, &["9 .s10"]);
}

#[test]
fn nameless_services_are_tied_by_time_and_told_so() {
    let local = |tail: &str| format!("127.0.0.1:{tail}");
    let (a, b, c) =
        (local("5001>127.0.0.1:80 1-90 id=t"), local("5002>127.0.0.1:81 10-80 id=t"), local("5003>?127.0.0.1:82 20-30"));
    check(&[&a, &b, &c], &["1 .t2 ..t3"]);
    // two requests at once: no one can tell
    let d = local("5004>127.0.0.1:80 2-95 id=u");
    check(&[&a, &d, &b, &c], &["1 .t3", "2"]);
    // a service a host is one without a name
    check(&["10.0.0.9:5>10.0.0.1:80 1-90 id=t", "10.0.0.1:6>?10.0.0.2:82 20-30"], &["1 .s2"]);
}

#[test]
fn a_request_id_beside_a_tracers_makes_one_trace_of_both() {
    check(&["web>gate 1-90 id=t req=request-1", "gate>store 20-30 req=request-1"], &["1 .r2"]);
    // one that two traces carry tells nothing
    let two = ["web>gate 1-9 id=t req=constant", "web>gate 20-30 id=u req=constant", "web>gate 40-50 req=constant"];
    check(&two, &["1", "2", "3"]);
}

#[test]
fn beside_something_that_cannot_be_read_nothing_is_the_only_one() {
    let mesh = ["web>gate 1-90 id=t", "gate>?db 20-30"];
    check(&mesh, &["1 .s2"]);
    // an encrypted request may be what it works on
    check(&[mesh[0], mesh[1], "web>gate 2-95 hidden=yes"], &["1"]);
    // of another service, or over by then
    check(&[mesh[0], mesh[1], "web>other 2-95 hidden=yes"], &["1 .s2"]);
    check(&[mesh[0], mesh[1], "web>gate 2-10 hidden=yes"], &["1 .s2"]);
    // joined: something may have been asked before, until something new is
    check(&[mesh[0], mesh[1], "web>gate 2-95 joined=yes"], &["1"]);
}
