//! DNS by script.

use super::message::Message;
use super::names::names;
use super::record::{Data, code_word, kind_word};
use super::{probe, verdict};
use crate::decode::properties::{Conversation, Sketch, flows};
use crate::decode::{Probe, Verdict};
use crate::model::{Dir, Joined, Transport};

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

/// A message: id, flags, the question's name and type, and answers of name, type and data.
fn message(id: u16, flags: u16, name: &str, kind: u16, answers: &[(&str, u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for n in [id, flags, 1, answers.len() as u16, 0, 0] {
        out.extend(n.to_be_bytes());
    }
    out.extend(wire(name));
    out.extend([kind.to_be_bytes(), [0, 1]].concat());
    for (name, kind, data) in answers {
        out.extend(wire(name));
        out.extend([&kind.to_be_bytes()[..], &[0, 1, 0, 0, 0, 60], &(data.len() as u16).to_be_bytes(), data].concat());
    }
    out
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|l| !l.is_empty());
    labels.flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).chain([0]).collect()
}

fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    message(id, 0x0100, name, kind, &[])
}

fn answer(id: u16, name: &str, answers: &[(&str, u16, &[u8])]) -> Vec<u8> {
    message(id, 0x8180, name, 1, answers)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn turns(name: &'static str, framing: fn(&[u8]) -> Vec<u8>) -> Conversation {
    let mut talk = Conversation { sequential: true, ..Conversation::new(name) };
    for n in 0..5_u8 {
        let name = format!("host-{n}.example.com");
        talk.say(UP, &framing(&query(u16::from(n) * 257, &name, 1)));
        talk.say(DOWN, &framing(&answer(u16::from(n) * 257, &name, &[(&name, 1, &[10, 0, 0, n])])));
    }
    talk
}

/// Conversations for the shared properties.
pub fn datagrams() -> Vec<Conversation> {
    let udp = |talk| Conversation { transport: Transport::Datagram, ..talk };
    let mut crossing = Conversation::new("DNS over UDP, answers in another order");
    for (id, name) in [(1, "a.example"), (2, "b.example"), (3, "c.example")] {
        crossing.say(UP, &query(id, name, 1));
    }
    for (id, name) in [(3, "c.example"), (1, "a.example")] {
        crossing.say(DOWN, &answer(id, name, &[]));
    }
    vec![udp(turns("DNS over UDP", <[u8]>::to_vec)), udp(crossing)]
}

/// Conversations for the shared properties.
pub fn streams() -> Vec<Conversation> {
    let mut many = Conversation::new("DNS over TCP, several at once");
    many.say(UP, &[framed(&query(1, "a.example", 1)), framed(&query(2, "b.example", 28))].concat());
    many.say(DOWN, &[framed(&message(2, 0x8183, "b.example", 28, &[])), framed(&answer(1, "a.example", &[]))].concat());
    let mut transfer = Conversation::new("a zone goes over");
    transfer.say(UP, &framed(&query(9, "example", 252)));
    for n in 0..3 {
        transfer.say(DOWN, &framed(&message(9, 0x8480, "example", 252, &[("example", 16, &[1, b'0' + n])])));
    }
    let late = Conversation { joined: Joined::Midway, ..turns("DNS over TCP, joined late", framed) };
    vec![turns("DNS over TCP", framed), many, transfer, late]
}

/// The flows of a conversation over UDP.
fn udp(turns: &[(Dir, Vec<u8>)]) -> Vec<Sketch> {
    let talk = Conversation { transport: Transport::Datagram, turns: turns.to_vec(), ..Conversation::new("") };
    flows(&talk)
}

fn told(flows: &[Sketch]) -> Vec<(&str, Option<&str>, &[&'static str])> {
    let status = |f: &'_ Sketch| f.closed.as_ref().and_then(|c| c.status.as_deref()).map(str::to_owned);
    let leak = |f: &Sketch| status(f).map(|s| &*s.leak());
    flows.iter().map(|f| (&*f.operation, leak(f), &*f.notes)).collect()
}

#[test]
fn a_query_and_its_answer_are_one_flow() {
    let data = answer(7, "Shop.Example", &[("shop.example", 5, &wire("cdn.example")), ("cdn.example", 1, &[10, 0, 0, 1])]);
    let flows = udp(&[(UP, query(7, "sHoP.example", 1)), (DOWN, data)]);
    assert_eq!(told(&flows), [("A shop.example", Some("NOERROR"), &[][..])]);
    assert_eq!(flows[0].fields["dns.question"], r#"Text("sHoP.example")"#);
    assert_eq!(flows[0].fields["dns.answers"], r#"List([Text("CNAME cdn.example"), Text("10.0.0.1")])"#);
    assert_eq!(flows[0].sizes[0], Some((30, true)));
}

#[test]
fn what_is_asked_again_is_one_flow_and_what_is_not_answered_is_pending() {
    let asked = || (UP, query(7, "a.example", 1));
    let flows = udp(&[
        asked(),
        asked(),
        (DOWN, answer(7, "a.example", &[])),
        (DOWN, answer(7, "a.example", &[])),
        (UP, query(8, "b", 28)),
    ]);
    assert_eq!(told(&flows), [("A a.example", Some("NOERROR"), &["asked again"][..]), ("AAAA b", Some("pending"), &[])]);
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    let flows = udp(&[(UP, query(7, "a.example", 1)), (DOWN, answer(7, "b.example", &[]))]);
    let expected = [("A a.example", Some("pending"), &[][..]), ("A b.example", Some("NOERROR"), &["request not captured"])];
    assert_eq!(told(&flows), expected);
}

#[test]
fn the_roles_are_what_the_first_datagram_says() {
    let flows = udp(&[(UP, answer(7, "a.example", &[])), (DOWN, query(8, "b.example", 1)), (UP, answer(8, "b.example", &[]))]);
    // the query to the first answer may still come
    let expected = [("A b.example", Some("NOERROR"), &[][..]), ("A a.example", Some("NOERROR"), &["request not captured"])];
    assert_eq!(told(&flows), expected);
}

#[test]
fn an_answer_that_is_shown_first_finds_its_query() {
    let of = |id, name| (DOWN, answer(id, name, &[(name, 1, &[10, 0, 0, id as u8])]));
    let mut turns = vec![(UP, query(6, "z.example", 1)), of(7, "a.example"), of(8, "b.example")];
    turns.extend([(UP, query(8, "b.example", 1)), (UP, query(7, "other.example", 1)), (UP, query(7, "a.example", 1))]);
    let flows = udp(&turns);
    let expected = [
        ("A z.example", Some("pending"), &[][..]),
        ("A b.example", Some("NOERROR"), &[]),
        ("A other.example", Some("pending"), &[]),
        ("A a.example", Some("NOERROR"), &[]),
    ];
    assert_eq!(told(&flows), expected);
    assert_eq!(flows[3].fields["dns.answers"], r#"List([Text("10.0.0.7")])"#);
    assert!(flows[3].halves.iter().all(Option::is_some));
}

#[test]
fn a_transfer_ends_with_its_connection() {
    let flows = flows(&streams()[2]);
    assert_eq!(told(&flows), [("AXFR example", Some("NOERROR"), &[][..])]);
    assert_eq!(flows[0].sizes[1], Some((3 * 48, false)));
}

#[test]
fn a_hole_leaves_no_answer_missing() {
    let mut talk = Conversation::new("");
    talk.say(UP, &framed(&query(1, "a.example", 1))).say(DOWN, &framed(&answer(1, "a.example", &[]))[..20]);
    assert_eq!(told(&flows(&talk)), [("A a.example", None, &["response not captured"][..])]);
}

#[test]
fn names_end_whatever_their_pointers_say() {
    let with = |name: &[u8]| {
        let mut data = query(1, "", 1);
        data.splice(12..13, name.iter().copied());
        Message::read(&data).and_then(|m| m.question).map(|q| q.name)
    };
    assert_eq!(with(&[0xc0, 12]), None, "a loop");
    assert_eq!(with(&[1, b'a', 0xc0, 12]), None, "a loop with labels");
    assert_eq!(with(&[0xc0, 99]), None, "ahead");
    assert_eq!(with(&[64]), None, "an extended label");
    assert_eq!(with(&[3, b'a', b'.', 0, 1, b' ', 0]).as_deref(), Some(r"a\.\000.\032"));
    let longest = |last: u8| {
        [63, 63, 63, last].iter().flat_map(|n| std::iter::once(*n).chain((0..*n).map(|_| b'x'))).chain([0]).collect::<Vec<_>>()
    };
    assert!(with(&longest(61)).is_some(), "255 octets");
    assert_eq!(with(&longest(62)), None, "256 octets");
}

#[test]
fn what_is_no_dns_is_not_taken_for_it() {
    let question = query(1, "a.example", 1);
    assert_eq!(verdict(&question, UP), Verdict::Yes);
    assert_eq!(verdict(&question, DOWN), Verdict::Reversed);
    assert_eq!(verdict(&[&question[..], b"x"].concat(), UP), Verdict::More, "a port has to say the same");
    for n in 0..question.len() {
        assert_eq!(verdict(&question[..n], UP), Verdict::No, "{n} bytes");
    }
    assert_eq!(verdict(&query(1, "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 33), UP), Verdict::No, "NetBIOS");
    let mut multicast = question.clone();
    multicast[5] = 2;
    assert_eq!(verdict(&multicast, UP), Verdict::No, "two questions");
    for text in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let opening = Probe { dir: UP, data: text, opening: true };
        assert_eq!(probe(&opening), Verdict::No);
    }
}

#[test]
fn an_address_is_named_by_what_was_asked_for() {
    let named = |name: &str, answers: &[(&str, u16, &[u8])]| {
        let message = Message::read(&message(1, 0x8180, name, 1, answers)).unwrap();
        names(&message).into_iter().map(|(ip, name)| format!("{ip}={name}")).collect::<Vec<_>>()
    };
    let chain: &[(&str, u16, &[u8])] =
        &[("b", 1, &[10, 0, 0, 1]), ("a.x", 5, &wire("b")), ("shop", 5, &wire("A.x")), ("c", 1, &[10, 0, 0, 2])];
    assert_eq!(named("Shop", chain), ["10.0.0.1=shop"]);
    let one = |ip: [u8; 4]| named("orders.default.svc.cluster.local", &[("orders.default.svc.cluster.local", 1, &ip)]);
    assert_eq!(one([10, 0, 0, 7]), ["10.0.0.7=orders.default"]);
    for everybodys in [[127, 0, 0, 1], [0; 4], [224, 0, 0, 251], [255; 4]] {
        assert!(one(everybodys).is_empty(), "{everybodys:?}");
    }
    assert!(named("a", &[("a", 5, &wire("b")), ("b", 5, &wire("a"))]).is_empty(), "aliases in a circle");
}

#[test]
fn what_is_kept_of_many_answers_is_bounded() {
    let all = vec![("a", 16, &[255; 256][..]); 200];
    let read = Message::read(&answer(1, "a", &all)).unwrap();
    assert!(read.whole);
    assert_eq!((read.answers.len(), read.count), (super::ANSWERS, 200));
    assert!(read.answers.iter().all(|r| matches!(&r.data, Data::Text(text) if text.chars().count() <= 1025)));
}

#[test]
fn records_that_are_passed_over_are_counted_by_their_lengths() {
    let mut sent = answer(1, "a", &[]);
    // two authorities: one by a pointer, one by labels
    sent[9] = 2;
    for name in [&[0xc0, 12][..], &wire("b.c")] {
        sent.extend([name, &[0, 2, 0, 1, 0, 0, 0, 60, 0, 1, 0]].concat());
    }
    assert!(Message::read(&sent).unwrap().whole);
    for cut in 1..26 {
        assert!(!Message::read(&sent[..sent.len() - cut]).unwrap().whole, "{cut}");
    }
    assert_eq!(Message::read_if(&sent, |message| message.whole), None, "asked before the records are read");
}

/// What dnspython makes of messages that it made itself (`tests/services/captures/dns_messages.py`): the message in hex, its answers as text.
#[test]
fn records_read_as_another_reader_reads_them() {
    let mut lines = 0;
    for line in include_str!("oracle.txt").lines() {
        let (hex, expected) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let message = Message::read(&bytes).unwrap();
        let question = message.question.as_ref().unwrap();
        let answers = message.answers.iter().map(|r| format!("{} {} {}", r.name, kind_word(r.kind), r.data));
        let parts =
            [message.id.to_string(), code_word(message.code).into(), kind_word(question.kind).into(), question.name.clone()];
        let read = parts.into_iter().chain(answers).collect::<Vec<_>>().join("|");
        assert_eq!(read, expected);
        assert!(message.whole, "{expected}");
        lines += 1;
    }
    assert!(lines > 20);
}
