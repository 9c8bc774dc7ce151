use super::*;
use crate::engine::mesh::run;
use crate::engine::script::{self, Log, flows};
use crate::engine::{EngineOptions, Record};
use crate::model::{Dir, EventKind, Flow, Joined, Node, PacketNo, Part, Pattern, SourceId, Stamp, Transport, Zone};

/// The trees as text: flows in their order, each behind a point for each level and the first letter of what ties it, `=` for a leg.
fn check(lines: &[&str], wanted: &[&str]) {
    let node = |node: &Node| {
        let link = node.link.map_or("", |link| &link.word()[..1]);
        format!("{}{link}{}{}", ".".repeat(node.depth), if node.leg { "=" } else { "" }, node.flow.0)
    };
    let records = run(lines);
    let trees = records.iter().filter_map(|record| if let Record::Trace(trace) = record { Some(&trace.tree) } else { None });
    let told: Vec<_> = trees.map(|tree| tree.iter().map(node).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(told, wanted, "{lines:#?}");
}

/// A request that is seen before a kernel that changes addresses.
const NEAR: &str = "10.0.0.9:5001>10.0.0.1:80 3-20 syn=1 isn=7 key=1 id=t body=a";

#[test]
fn a_connection_on_both_sides_of_a_kernel_is_one_and_its_requests_are() {
    let child = "10.0.0.2:9>?10.0.0.3:82 8-9";
    // another server, another client, both
    check(&[NEAR, "10.0.0.9:5001>10.0.0.2:8080 4-19 syn=2 isn=7 key=1 id=t body=a", child], &["1 .t=2 ..s3"]);
    let near = "10.0.0.9:5001>10.0.0.2:80 3-20 syn=1 isn=7 key=1 id=t body=a";
    check(&[near, "10.0.0.1:5001>10.0.0.2:80 4-19 syn=2 isn=7 key=1 id=t body=a", child], &["1 .t=2 ..s3"]);
    check(&[NEAR, "10.0.0.1:5001>10.0.0.2:8080 4-19 syn=2 isn=7 key=1 id=t body=a", child], &["1 .t=2 ..s3"]);
    // a kernel behind another one
    let [middle, far] = ["10.0.0.1:5001>10.0.0.4:80 4-19 syn=2", "10.0.0.4:5001>10.0.0.2:80 5-18 syn=3"];
    let [middle, far] = [middle, far].map(|ends| format!("{ends} isn=7 key=1 id=t body=a"));
    check(&[NEAR, &middle, &far, child], &["1 .t=2 ..t=3 ...s4"]);
}

#[test]
fn what_carries_no_id_is_tied_by_being_the_same() {
    let near = "10.0.0.1:5001>?10.0.0.3:82 8-19 syn=2 isn=7 key=1 body=all";
    let far = "10.0.0.5:5001>?10.0.0.3:82 9-18 syn=3 isn=7 key=1 body=all";
    check(&["10.0.0.9:5>10.0.0.1:80 1-90 id=t", near, far], &["1 .s2 ..p=3"]);
    // a message, out of a broker on its own side first
    let published = "10.0.0.9:5>+10.0.0.1:80 1-2 id=t mid=m";
    let far = "10.0.0.1:80>-10.0.0.4:6000 11-17 syn=6 isn=8 key=1 mid=m";
    let near = "10.0.0.2:81>-10.0.0.5:6000 12-16 syn=5 isn=8 key=1 mid=m";
    let call = "10.0.0.5:7>10.0.0.6:80 13-14";
    check(&[published, far, near, call], &["1 .m2 ..m=3 ...s4"]);
}

#[test]
fn everything_has_to_hold() {
    let is = |far: &str| check(&[NEAR, far], &["1 2"]);
    is("10.0.0.9:5001>10.0.0.2:8080 4-19 syn=2 isn=8 key=1 id=t body=a");
    is("10.0.0.9:5002>10.0.0.2:8080 4-19 syn=2 isn=7 key=1 id=t body=a");
    is("10.0.0.9:5001>10.0.0.2:8080 4-19 syn=2 isn=7 key=2 id=t body=a");
    is("10.0.0.9:5001>10.0.0.2:8080 4-19 syn=2 isn=7 key=1 id=t body=b");
    is("10.0.0.9:5001>10.0.0.2:8080 4-19 syn=2 isn=7 key=1 id=t body=a op=other");
    is("10.0.0.9:5001>10.0.0.2:8080 9-19 syn=2 isn=7 key=1 id=t body=a");
    // of one connection that was opened again, or something was said before
    is("10.0.0.9:5001>10.0.0.1:80 4-19 syn=2 isn=7 key=1 id=t body=a");
    is("10.0.0.9:5001>10.0.0.2:8080 4-19 syn=3 isn=7 key=1 id=t body=a");
    check(&[&NEAR.replace("3-20", "7-20"), "10.0.0.9:5001>10.0.0.2:8080 8-19 syn=7 isn=7 key=1 id=t body=a"], &["1 2"]);
}

#[test]
fn numbers_that_are_not_a_kernels_tell_nothing() {
    let line = |from: &str, to: &str, rest: &str| format!("10.0.0.{from}>10.0.0.{to}:80 {rest} isn=1 key=1 body=a");
    // calls of services that are made one because of the other, from the same port each
    let chain =
        [line("9:5001", "1", "2-30 syn=1 id=t"), line("1:5001", "2", "5-20 syn=4 id=t"), line("2:5001", "3", "8-10 syn=7 id=t")];
    check(&chain.each_ref().map(String::as_str), &["1 .t2 ..t3"]);
    // several hosts that use one port, at once, for other things; and then for the same
    let [one, other] = [line("9:5001", "1", "3-9 syn=1 id=t op=a conn=1"), line("8:5001", "2", "4-9 syn=2 id=t op=b conn=2")];
    let again = |from, to, at| format!("10.0.0.{from}>10.0.0.{to}:80 {at} isn=1 key=2 body=a id=u");
    let [later, too] = [again("9:5001", "1", "11-19 conn=1"), again("8:5001", "2", "12-18 conn=2")];
    check(&[&one, &other, &later, &too], &["1 2", "3 4"]);
    // the number was there for another port
    let first = line("7:4999", "1", "2-3 syn=1 id=u");
    let [one, other] = [line("9:5001", "1", "7-20 syn=5 id=t"), line("8:5001", "2", "8-19 syn=6 id=t")];
    check(&[&first, &one, &other], &["1", "2 3"]);
    // it is there for another one before anything is said
    let [one, other] = [line("9:5001", "1", "7-20 syn=3 id=t"), line("8:5001", "2", "8-19 syn=4 id=t")];
    check(&[&line("7:4999", "1", "6-9 syn=5 id=u"), &one, &other], &["1", "2 3"]);
}

/// Two sides of one connection: which flows are legs where a message has this body when it is seen first, and this one when it is seen
/// again.
fn published(bodies: [&[u8]; 2]) -> Vec<(u64, Option<u64>)> {
    let began = |packet, from| EventKind::Began(Box::new(meta(packet, packet as i64, from)), SourceId(0));
    let log = Log::default().kind(1, began(1, "10.0.0.9:5001")).kind(2, began(2, "10.0.0.8:5001"));
    let log = [1, 2].into_iter().fold(log, |log, c| log.open_as(c, 1, Pattern::Publish, "publish q"));
    let body = |bytes: &[u8]| Part::Body(Dir::ToServer, bytes.to_vec());
    let log = [1, 2].into_iter().zip(bodies).fold(log, |log, (c, bytes)| log.part(c, 1, body(bytes)).close(c, 1, ""));
    let records = script::run(EngineOptions { keep: false, ..EngineOptions::default() }, vec![log.last()]);
    let leg = |flow: &&Flow| flow.detail.as_ref().and_then(|detail| detail.first_leg()).map(|first| first.0);
    flows(&records).iter().map(|flow| (flow.row.id.0, leg(flow))).collect()
}

#[test]
fn what_is_over_at_once_waits_for_its_other_leg() {
    assert_eq!(published([b"one", b"one"]), [(1, None), (2, Some(1))]);
    for other in [&b"two"[..], b"on", b"one two"] {
        assert_eq!(published([b"one", other]), [(1, None), (2, None)]);
    }
}

fn meta(packet: u64, time: i64, from: &str) -> ConnMeta {
    ConnMeta {
        id: ConnId(PacketNo(packet)),
        client: from.parse().unwrap(),
        server: "10.0.0.1:80".parse().unwrap(),
        transport: Transport::Stream,
        first: Stamp { packet: PacketNo(packet), time: Time::from_nanos(time) },
        joined: Joined::Opening,
        isn: NonZeroU32::new(7),
        zone: Zone::default(),
    }
}

#[test]
fn one_side_may_be_shown_whole_before_the_other_one_is() {
    for [first, second] in [[0, 20], [20, 0]] {
        let mut nat = Nat::default();
        let [one, other] = [1, 2].map(|n| ConnId(PacketNo(n)));
        let (key, time) = (Key { stream: 0, own: 1 }, Time::from_nanos);
        nat.began(&meta(1, first, "10.0.0.9:5001"), |_| Some(true));
        assert_eq!(nat.opened(one, key, FlowId(1), time(first + 50)), None);
        nat.began(&meta(2, second, "10.0.0.8:5001"), |_| Some(true));
        assert_eq!(nat.opened(other, key, FlowId(2), time(second + 50)), Some((FlowId(1), time(first + 50))));
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut nat = Nat::default();
    for n in 1..=3 * MAX_SIDES as u64 {
        let isn = NonZeroU32::new(1_000_000 + (n / 2) as u32);
        nat.began(&ConnMeta { isn, ..meta(n, 10, "10.0.0.9:5001") }, |_| Some(true));
    }
    assert_eq!((nat.openings.len(), nat.sides.len(), nat.order.len()), (OPENINGS as usize, MAX_SIDES, MAX_SIDES));
    let [one, other] = [1, 2].map(|n| ConnId(PacketNo(3 * MAX_SIDES as u64 - n)));
    for n in 0..99 {
        let key = Key { stream: 0, own: n };
        nat.opened(other, key, FlowId(2 * n), Time::from_nanos(0));
        let first = nat.opened(one, key, FlowId(2 * n + 1), Time::from_nanos(9));
        assert_eq!(first, Some((FlowId(2 * n), Time::from_nanos(0))));
    }
    assert_eq!(nat.sides[&one].flows.len(), MAX_FLOWS);
}
