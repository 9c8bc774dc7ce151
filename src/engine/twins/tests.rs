//! What makes two messages one, and what keeps them apart.

use super::super::script::{at as stamp, flows};
use super::super::{EngineOptions, Record};
use super::*;
use crate::model::{
    Closed, ConnMeta, Dir, Fact, Flow, Joined, Key, Opened, Origin, Owner, PacketNo, SourceId, SourceNews, Transport, Turn,
    UNKNOWN, Zone,
};
use std::net::SocketAddr;
use std::sync::Arc;

fn here() -> Place {
    Place::new(SocketAddr::from(([127, 0, 0, 1], 5672)), None)
}

fn fields(properties: &[(&str, Value)]) -> Fields {
    let pairs = properties.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    let routed = Fields::default().with("amqp.exchange", "shop").with("amqp.routing_key", "order");
    routed.with("amqp.properties", Value::Map(pairs)).with("amqp.queue", "q")
}

fn of(properties: &[(&str, Value)], body: &[u8]) -> Same {
    let body = Body { kept: body.to_vec(), bytes: body.len() as u64, ..Body::default() };
    same(false, &fields(properties), &body).unwrap().0
}

#[test]
fn a_message_is_known_by_its_id_else_by_all_of_it() {
    let (id, kind, n) = (("message_id", Value::from("m1")), ("type", Value::from("t")), ("priority", Value::from(1)));
    assert_eq!(of(&[id.clone(), kind.clone()], b"a"), of(&[id], b"b"));
    assert_eq!(of(&[kind.clone(), n.clone()], b"a"), of(&[n.clone(), kind.clone()], b"a"), "a tap is handed names sorted");
    let more = of(&[kind.clone(), n], b"a");
    let kind = [kind];
    assert_ne!(of(&kind, b"a"), more);
    assert_ne!(of(&kind, b"a"), of(&kind, b"b"));
}

#[test]
fn what_a_broker_takes_away_or_cannot_tell_makes_it_no_other_message() {
    let headers = |pairs: &[&str]| {
        ("headers", Value::Map(pairs.iter().map(|name| (CompactString::from(*name), Value::from("x"))).collect()))
    };
    assert_eq!(of(&[headers(&["BCC", "a"])], b"a"), of(&[headers(&["a"])], b"a"));
    assert_eq!(of(&[headers(&["BCC"])], b"a"), of(&[headers(&[])], b"a"));
    assert_ne!(of(&[headers(&["CC"])], b"a"), of(&[headers(&[])], b"a"));
    let at = |n: i64| of(&[("timestamp", Value::Int(n))], b"a");
    let millis = 1_764_243_784_123;
    assert_eq!(at(millis), at(i64::from(millis as i32)), "32 bits, with a sign");
    assert_ne!(at(millis), at(millis + 1));
}

/// What is told of one message that is published at some addresses, on the wire and by taps; who accepts connections there.
fn told(wires: &[&str], taps: &[&str], owners: &[(&str, u32)]) -> Vec<usize> {
    let [early, late] = [false, true].map(|late| told_with(wires, taps, owners, late));
    assert_eq!(early, late, "it does not matter when that is found out");
    early
}

fn told_with(wires: &[&str], taps: &[&str], owners: &[(&str, u32)], late: bool) -> Vec<usize> {
    let (wires, taps) = (wires.iter().map(|addr| (*addr, false)), taps.iter().map(|addr| (*addr, true)));
    let mut events = Vec::new();
    for (n, (server, tap)) in wires.chain(taps).enumerate() {
        let before = events.len();
        let (n, source) = (n as u64 + 1, SourceId(u16::from(tap)));
        let id = if tap { ConnId::session(n) } else { ConnId(PacketNo(n)) };
        let (transport, joined, zone, first) = (Transport::Stream, Joined::Opening, Zone::default(), stamp(n));
        let client = if tap { UNKNOWN } else { SocketAddr::from(([10, 9, 9, 9], 40_000 + n as u16)) };
        let server: SocketAddr = server.parse().unwrap();
        let meta = ConnMeta { id, client, server, transport, first, joined, isn: None, zone };
        let mut push = |kind| events.push(Event { conn: id, at: first, kind });
        push(EventKind::Began(Box::new(meta), source));
        for (_, pid) in owners.iter().filter(|(addr, _)| addr.parse() == Ok(server)) {
            let (service, origin, pid) = (Arc::from("broker"), Origin::Program, Some(*pid));
            let owner = Some(Arc::new(Owner { service, origin, pid, container: None, process: None }));
            push(EventKind::Fact(Box::new(Fact::Owned { conn: id, end: server, owner })));
        }
        let key = Key { stream: 0, own: 1 };
        let (operation, layers, dir) = ("publish shop order".into(), Vec::new(), Dir::ToServer);
        let opened = Opened { protocol: "amqp", pattern: Pattern::Publish, operation, dir, first, layers };
        push(EventKind::Open(key, Box::new(opened)));
        push(EventKind::Part(key, Part::Fields(fields(&[("message_id", "m1".into())]))));
        push(EventKind::Part(key, Part::Body(dir, b"a".to_vec())));
        push(EventKind::Part(key, Part::BodyEnd { dir, bytes: 1, whole: true }));
        push(EventKind::Close(key, Box::new(Closed { status: None, ok: true, last: Some(first) })));
        if late {
            events[before..].sort_by_key(|event| matches!(event.kind, EventKind::Fact(_)));
        }
    }
    let mut engine = Engine::new(EngineOptions { twins: true, ..EngineOptions::default() });
    let names = [(0, "lo"), (1, "tap")].map(|(n, name)| SourceNews::Opened(SourceId(n), name.into()));
    let turn = Turn { events, until: stamp(99), news: names.into(), last: true, ..Turn::default() };
    let mut records: Vec<Record> = Vec::new();
    engine.take(turn, &mut |record| records.push(record));
    let mut sources: Vec<usize> = flows(&records).iter().map(|flow: &&Flow| flow.sources.len()).collect();
    sources.sort_unstable();
    sources
}

const LOCAL: &str = "127.0.0.1:5672";
const OWN: &str = "192.168.1.5:5672";
const BRIDGED: &str = "172.17.0.2:5672";
const OTHER: &str = "172.17.0.3:5672";

#[test]
fn a_broker_of_this_machine_is_one_by_each_of_its_addresses() {
    assert_eq!(told(&[LOCAL], &["[::1]:5672"], &[]), [2]);
    // one process accepts both
    assert_eq!(told(&[LOCAL], &[OWN], &[(LOCAL, 7), (OWN, 7)]), [2]);
    assert_eq!(told(&[OWN, LOCAL], &[LOCAL], &[(LOCAL, 7), (OWN, 7)]), [1, 2]);
    // what accepts for a container is another process than the broker in it
    assert_eq!(told(&[BRIDGED], &[LOCAL], &[(LOCAL, 7), (BRIDGED, 8)]), [2]);
}

#[test]
fn what_is_published_to_two_brokers_stays_two() {
    let owners = [(LOCAL, 7), (BRIDGED, 8), (OTHER, 9)];
    // the wire shows the one that is tapped, or another tap is there
    assert_eq!(told(&[LOCAL, BRIDGED], &[LOCAL], &owners), [1, 2]);
    assert_eq!(told(&[BRIDGED], &[BRIDGED, LOCAL], &owners), [1, 2]);
    assert_eq!(told(&[BRIDGED, OTHER], &[BRIDGED, OTHER], &owners), [2, 2]);
    // of two that may be meant none is
    assert_eq!(told(&[LOCAL, BRIDGED, OTHER], &[OWN], &[(OWN, 6), (LOCAL, 7), (BRIDGED, 8), (OTHER, 9)]), [1, 1, 1, 1]);
    // not on this machine, or nobody knows; another port
    assert_eq!(told(&["10.0.0.6:5672"], &["10.0.0.5:5672"], &[]), [1, 1]);
    assert_eq!(told(&["10.0.0.6:5672"], &[LOCAL], &[(LOCAL, 7)]), [1, 1]);
    assert_eq!(told(&["127.0.0.1:5673"], &[LOCAL], &[("127.0.0.1:5673", 8), (LOCAL, 7)]), [1, 1]);
}

#[test]
fn what_a_broker_adds_changes_no_message() {
    let text = |text: &str| Value::from(text);
    let map = |pairs: &[(&str, Value)]| Value::Map(pairs.iter().map(|(name, v)| ((*name).into(), v.clone())).collect());
    let body = Body { kept: b"a".to_vec(), bytes: 1, ..Body::default() };
    let known = |exchange: &str, key: &str, properties: &[(&str, Value)]| {
        let routed = Fields::default().with("amqp.exchange", exchange).with("amqp.routing_key", key);
        identity(&routed.with("amqp.properties", map(properties)), &body)
    };
    let headers = |pairs: &[(&str, Value)]| [("headers", map(pairs))];
    let published = known("shop", "order", &[]);
    assert_eq!(known("shop", "order", &headers(&[("x-delivery-count", Value::from(2))])), published);
    assert_ne!(known("shop", "order", &headers(&[("retry", Value::from(2))])), published);
    let death = |exchange: &str, key: &str| {
        map(&[("exchange", text(exchange)), ("routing-keys", Value::List(vec![text(key)])), ("reason", text("rejected"))])
    };
    let dead = headers(&[
        ("x-death", Value::List(vec![death("retry", "r"), death("shop", "order")])),
        ("x-first-death-queue", text("q")),
    ]);
    assert_eq!(known("dead", "orders", &dead), published);
    assert_ne!(known("dead", "orders", &[]), published);
}

#[test]
fn of_more_than_there_is_room_for_the_oldest_waits_no_longer() {
    let mut twins = Twins::default();
    let now = Time::from_nanos(1);
    for n in 0..40_u8 {
        let held = MAX_HELD / 32;
        let event = Event { conn: ConnId::default(), at: Default::default(), kind: EventKind::Identified("amqp") };
        let what = Told { sources: SourceSet::default(), events: vec![event], held };
        twins.hold(of(&[], &[n]), Waiting { time: now, came: now, at: here(), queue: None, what });
    }
    // nothing of it has waited for too long
    assert_eq!(twins.give_up(now).len(), 8);
    assert_eq!((twins.held, twins.pairs.len()), (MAX_HELD, 32));
    assert_eq!((twins.give_up(Time::from_nanos(2)).len(), twins.held, twins.pairs.len()), (32, 0, 0));
}

#[test]
fn the_first_within_the_window_and_of_the_same_queue_is_taken() {
    let at = |millis: i64| Time::from_nanos(millis * 1_000_000);
    let waits = |millis, queue: Option<&str>, what| Waiting {
        time: at(millis),
        came: at(millis),
        at: here(),
        queue: queue.map(Into::into),
        what,
    };
    let mut list =
        VecDeque::from([waits(0, None, 0), waits(3000, Some("a"), 1), waits(3001, None, 2), waits(3002, Some("b"), 3)]);
    let taken = [Some("b"), Some("b"), Some("b"), None, None].map(|queue| take(&mut list, at(4500), queue, |_| true));
    assert_eq!(taken, [Some(2), Some(3), None, Some(1), None], "the one of long before is another message");
}
