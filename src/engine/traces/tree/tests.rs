use super::super::mark::digest;
use super::*;
use crate::model::{FlowId, Origin, Owner};
use crate::time::Time;
use std::cell::Cell;
use std::sync::Arc;

mod many;
mod moments;

thread_local! {
    /// How often two flows were compared.
    pub(super) static RANKED: Cell<usize> = const { Cell::new(0) };
}

/// A hop of `from>to begin-end`, the end left out where it is not known. `a=10.0.0.1:80` is a name with its address, a bare address has
/// no name; `>+` is a publish, `>-` a delivery. Times are in milliseconds. Further words are `span=X`, `up=X`, `topic=N`, `leg=N` (it is
/// that flow behind an address translation), `passed=yes` (it is there behind one, too), `answered=T` (the first part of its answer came
/// then, of several), `reply=yes` (it answers its receiver's own message), `request=N` (it has that request ID and no trace ID), `letgo=T`
/// (nobody waited for it any more), `last=T` (its last byte), `bad=yes` (it went wrong), `kind=X` (what it asks for), `pids=P,Q` (its ends'
/// processes) and `placed=N` (it has no ID, and was tied to that flow).
pub(in crate::engine::traces) fn hop(number: u64, text: &str) -> Hop {
    let mut words = text.split(' ');
    let (from, to) = words.next().unwrap().split_once('>').unwrap();
    let (pattern, to) = match to.split_at(1) {
        ("+", to) => (Pattern::Publish, to),
        ("-", to) => (Pattern::Deliver, to),
        _ => (Pattern::RequestResponse, to),
    };
    let (begin, end) = words.next().unwrap().split_once('-').unwrap();
    let at = |text: &str| Time::from_nanos(text.parse::<i64>().unwrap() * 1_000_000);
    let mut hop = Hop {
        flow: FlowId(number),
        time: at(begin),
        end: Some(end).filter(|end| !end.is_empty()).map(at),
        last: at(begin),
        from: party(from).into(),
        to: party(to).into(),
        to_server: pattern != Pattern::Deliver,
        pattern,
        settled: true,
        ok: true,
        pending: false,
        seen: true,
        asked: None,
        declined: false,
        protocol: "http",
        operation: "GET /".into(),
        status: None,
        held: false,
        span: None,
        marks: Vec::new(),
        id: Some(0),
        keys: [Some(0), None],
        passed_on: false,
        extra: None,
        veiled: false,
        judged: false,
        reply: false,
    };
    for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
        match name {
            "letgo" => hop.extra_mut().let_go = Some(at(value)),
            "last" => hop.last = at(value),
            "bad" => hop.ok = false,
            "kind" => hop.operation = value.into(),
            "pids" => {
                let (from, to) = value.split_once(',').unwrap();
                (hop.from, hop.to) = (with_pid(&hop.from, from).into(), with_pid(&hop.to, to).into());
            }
            "span" => hop.span = Some(digest(value)),
            "up" => hop.extra_mut().parent_span = Some(digest(value)),
            "placed" => {
                hop.keys = [None; 2];
                hop.extra_mut().placed = Some((FlowId(value.parse().unwrap()), Link::SoleInFlight));
            }
            "request" => hop.keys = [None, Some(value.parse().unwrap())],
            "leg" => hop.extra_mut().first_leg = Some(FlowId(value.parse().unwrap())),
            "passed" => hop.passed_on = true,
            "reply" => hop.reply = true,
            "answered" => hop.extra_mut().answered = Some(at(value)),
            "topic" => hop.extra_mut().topic = Some(value.parse().unwrap()),
            _ => panic!("{name}"),
        }
    }
    hop
}

fn with_pid(party: &Party, pid: &str) -> Party {
    let service = party.service.clone().unwrap_or_else(|| "".into());
    let owner = Owner { service, origin: Origin::Program, pid: pid.parse().ok(), container: None, process: None };
    Party { owner: Some(Arc::new(owner)), ..party.clone() }
}

fn party(text: &str) -> Party {
    match text.split_once('=') {
        Some((name, addr)) => Party { addr: addr.into(), service: Some(name.into()), rank: None, owner: None },
        None if text.contains(':') => Party { addr: text.into(), service: None, rank: None, owner: None },
        None => Party { addr: format!("10.9.{}.1:4711", text.len()).into(), service: Some(text.into()), rank: None, owner: None },
    }
}

/// The tree of hops as `1 ─ 2`: flows in their order, each behind a point for each level; `~` where it is tied by time alone.
fn check(hops: &[&str], wanted: &str) {
    let hops: Vec<_> = hops.iter().enumerate().map(|(n, text)| hop(n as u64 + 1, text)).collect();
    let line = |node: &Node| {
        let mark = match node.link {
            Some(Link::TraceId) | None => "",
            Some(Link::RequestId) => "r",
            Some(Link::SoleInFlight) => "s",
            Some(Link::Time) => "~",
            other => panic!("{other:?}"),
        };
        format!("{}{mark}{}", ".".repeat(node.depth), node.flow.0)
    };
    let lines: Vec<_> = tree(&hops).iter().map(line).collect();
    assert_eq!(lines.join(" "), wanted, "{hops:#?}");
}

#[test]
fn the_parent_is_what_the_sender_had_open() {
    check(&["browser>gateway 0-100", "gateway>orders 10-50", "orders>store 20-30", "gateway>stock 60-90"], "1 .2 ..3 .4");
    // side by side, and one after the other's end
    check(&["browser>gateway 0-100", "gateway>orders 10-50", "gateway>stock 11-60", "orders>store 20-30"], "1 .2 ..4 .3");
    check(&["a>b 0-25", "b>c 10-15", "c>b 20-80", "b>d 30-40"], "1 .2 ..3 ...4");
    // the first flow's number need not be the least
    check(&["gateway>orders 10-50", "browser>gateway 0-100"], "2 .1");
    assert_eq!(tree(&[]), []);
}

#[test]
fn of_two_that_are_as_likely_none_is_claimed() {
    // which of its two requests made orders call the store cannot be told
    check(&["browser>gateway 0-100", "gateway>orders 10-50", "gateway>orders 11-60", "orders>store 20-30"], "1 .2 .3 4");
    // only one of them was still open
    check(&["browser>gateway 0-100", "gateway>orders 10-15", "gateway>orders 11-60", "orders>store 20-30"], "1 .2 .3 ..4");
    // what nobody asked for has no parent, and what began later is none
    check(&["a>b 0-10", "c>d 5-6"], "1 2");
    check(&["orders>store 5-6", "gateway>orders 7-9"], "1 2");
}

#[test]
fn nobody_does_anything_because_of_a_reply() {
    // who has its reply goes on with what it asked for, whether it is known who that is
    let ask = ["shop>+rabbit 10-11 topic=1", "rabbit>-stock 12-20 topic=1", "stock>+rabbit 15-16 topic=2"];
    let then = |to| ["rabbit>-shop 17-17 topic=2 reply=yes", to];
    check(&[&["a>shop 0-100"][..], &ask, &then("shop>bank 30-40")].concat(), "1 .2 ..3 ...4 ....5 .6");
    let ask = ["10.0.0.1:9>+10.0.0.2:5672 10-11 topic=1", "10.0.0.2:5672>-10.0.0.3:8 12-20 topic=1"];
    let then = ["10.0.0.3:8>+10.0.0.2:5672 15-16 topic=2", "10.0.0.2:5672>-10.0.0.1:9 17-17 topic=2 reply=yes"];
    check(
        &[&["10.0.0.7:1>10.0.0.1:80 0-100"][..], &ask, &then, &["10.0.0.1:9>10.0.0.4:80 30-40"]].concat(),
        "1 .2 ..3 ...4 ....5 .6",
    );
}

#[test]
fn a_broker_passes_on_what_was_published() {
    let mesh = ["shop>+rabbit 10-11 topic=1", "rabbit>-billing 12-40 topic=1", "billing>bank 20-30"];
    check(&mesh, "1 .2 ..3");
    // two messages of one topic: the one with the same headers
    let two = ["shop>+rabbit 10-11 topic=1 span=x", "shop>+rabbit 12-13 topic=1 span=y", "rabbit>-billing 14- topic=1 span=x"];
    check(&two, "1 .3 2");
    check(&["shop>+rabbit 10-11 topic=1", "shop>+rabbit 12-13 topic=1", "rabbit>-billing 14- topic=1"], "1 2 3");
    // another topic's is not what was delivered, and a broker calls nobody because of a message
    check(&["shop>+rabbit 10-11 topic=1", "rabbit>-billing 12-40 topic=2"], "1 2");
    check(&["shop>+rabbit 10-11 topic=1", "rabbit>other 12-40"], "1 2");
    // two copies of one message, each with its work
    let fan = ["s>+r 1-2 topic=1", "r>-a 3- topic=1", "r>-b 4- topic=1", "a>x 5-6", "b>y 7-8"];
    check(&fan, "1 .2 ..4 .3 ..5");
}

#[test]
fn what_a_kernel_passes_on_is_because_of_itself_and_its_last_leg_causes_the_rest() {
    let [near, far] = ["a>nat 0-100 span=1 passed=yes", "nat>b 1-99 span=1 leg=1"];
    check(&[near, far, "b>c 10-90", "b>d 20-30 up=1"], "1 .2 ..3 ..4");
    // one server on both, over on the far side already, and a sender that has another request open
    let [near, far] = ["a>b 0-100 passed=yes", "host>b 1-99 leg=1"];
    check(&[near, far, "b>c 100-120"], "1 .2 ..3");
    check(&["x>host 0-200", near, far.replace('1', "2").as_str(), "b>c 10-90"], "1 2 .3 ..4");
    // a message
    let [near, far] = ["s>+r 1-9 topic=1 span=x passed=yes", "host>+r 2-8 topic=1 span=x leg=1"];
    check(&[near, far, "r>-host 10-30 topic=1 span=x passed=yes", "r>-c 11-29 topic=1 span=x leg=3"], "1 .2 ..3 ...4");
    // without an ID of both as it was placed
    check(&["a>b 0-100 passed=yes", "b>c 10-90 leg=1 request=0 placed=1"], "1 .s2");
}

#[test]
fn spans_tell_where_the_carrier_names_the_one_before() {
    let hops = ["g>a 0-100 span=1", "g>a 1-100 span=2", "a>b 20-30 span=3 up=2"];
    check(&hops, "1 2 .3");
}

#[test]
fn without_names_a_sender_is_somebody_on_its_host() {
    // containers: a service each
    check(
        &["10.0.0.9:50001>10.0.0.1:80 0-100", "10.0.0.1:40000>10.0.0.2:80 10-50", "10.0.0.2:41000>10.0.0.3:80 20-30"],
        "1 .2 ..3",
    );
    // one machine: by nesting alone, and told so
    let local =
        ["127.0.0.1:50001>127.0.0.1:80 0-100", "127.0.0.1:40000>127.0.0.1:81 10-50", "127.0.0.1:41000>127.0.0.1:82 20-30"];
    check(&local, "1 .~2 ..~3");
    let fan = [local[0], local[1], "127.0.0.1:41000>127.0.0.1:82 11-60", "127.0.0.1:42000>127.0.0.1:83 20-30"];
    check(&fan, "1 .~2 ..~3 ...~4");
    // named servers, nameless clients
    check(&["127.0.0.1:1>gateway=127.0.0.1:80 0-100", "127.0.0.1:2>orders=127.0.0.1:81 10-50"], "1 .~2");
    // a name is no other name, whatever the addresses
    check(&["x>a=127.0.0.1:80 0-100", "b=127.0.0.1:2>c=127.0.0.1:81 10-50"], "1 2");
}

#[test]
fn without_names_work_goes_on_after_the_answer_on_a_host_of_its_own() {
    let [asked, later] = ["10.0.0.9:50001>10.0.0.1:80 0-10", "10.0.0.1:40000>10.0.0.2:80 20-30"];
    check(&[asked, later], "1 .2");
    // which began before the answer, too; and what is still open comes first
    check(&[asked, "10.0.0.1:40000>10.0.0.2:80 5-30"], "1 .2");
    check(&[asked, "10.0.0.9:50001>10.0.0.1:80 12-40", later], "1 2 .3");
    // of two nobody can tell; who has a name would have it here; and on one machine it may be anybody
    check(&[asked, "10.0.0.9:50001>10.0.0.1:80 1-11", later], "1 2 3");
    check(&["10.0.0.9:50001>a=10.0.0.1:80 0-10", later], "1 2");
    check(&["127.0.0.1:50001>127.0.0.1:80 0-10", "127.0.0.1:40000>127.0.0.1:81 20-30"], "1 2");
    // a service that others share a host with
    check(&[asked, "10.0.0.1:40009>10.0.0.1:81 2-9", later], "1 .2 ..~3");
}

#[test]
fn without_names_a_span_that_was_passed_on_tells_by_whom() {
    let at = |ends: &str, rest: &str| {
        let (from, to) = ends.split_once('>').unwrap();
        format!("127.0.0.1:{from}>127.0.0.1:{to} {rest}")
    };
    let told = |lines: &[String], wanted: &str| check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    let [asked, other] = [at("50001>80", "0-100 span=1"), at("50002>81", "10-90 span=2")];
    // it is of the outer one, and of one of two side by side
    told(&[asked.clone(), other.clone(), at("50003>82", "20-30 span=1")], "1 .~2 .3");
    told(&[asked.clone(), other.clone(), at("50004>83", "10-95 span=3"), at("50003>82", "20-30 span=3")], "1 .~2 .~3 ..4");
    // of several that carry it nobody can tell
    told(&[asked.clone(), at("50002>81", "10-90 span=1"), at("50003>82", "20-30 span=1")], "1 .2 ..~3");
    // another span tells nothing
    told(&[asked, at("50003>82", "20-30 span=4")], "1 .~2");
}

#[test]
fn who_is_answered_bit_by_bit_may_act_on_each() {
    let [asked, news, call] =
        ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:7>127.0.0.1:81 10-90", "127.0.0.1:8>127.0.0.1:82 30-40"];
    check(&[asked, news, call], "1 .~2 ..~3");
    check(&[asked, &format!("{news} answered=20"), call], "1 .~2 3");
    // not before the first came, nor where only one of the two can have sent it
    check(&[asked, &format!("{news} answered=31"), call], "1 .~2 ..~3");
    check(&[&format!("{news} answered=20"), call], "1 .~2");
    check(&["web>gate 0-100", "gate>feed 10-90 answered=20", "gate>rates 30-40", "feed>store 50-60"], "1 .2 ..4 .3");
}

#[test]
fn that_a_process_is_gone_is_no_name() {
    let owner = |service: &str| {
        let (origin, service) = (Origin::Exited, service.into());
        Some(Arc::new(Owner { service, origin, pid: None, container: None, process: None }))
    };
    let mut gone = party("uid 0, exited=127.0.0.1:7");
    gone.owner = owner("uid 0, exited");
    assert_eq!(name(&gone), None);
    // the user's own name for it is one
    gone.service = Some("curl".into());
    assert_eq!(name(&gone), Some("curl"));
}

#[test]
fn a_chain_is_cut_before_it_gets_too_deep() {
    let hops: Vec<_> = (0..MAX_DEPTH as u64 + 9).map(|n| hop(n, &format!("s{n}>s{} {n}-99999", n + 1))).collect();
    let depths: Vec<_> = tree(&hops).iter().map(|node| node.depth).collect();
    assert_eq!((depths.len(), depths.iter().max()), (hops.len(), Some(&(MAX_DEPTH - 1))));
    assert_eq!(depths.iter().filter(|depth| **depth == 0).count(), 2);
}

#[test]
fn without_an_id_a_flow_lies_where_it_was_tied_to() {
    check(&["a>b 0-100", "b>c 10-50", "b>store 20-30 placed=1", "c>store 25-26 placed=2"], "1 .2 ..s4 .s3");
    // what it was tied to is gone
    check(&["a>b 0-100", "b>store 20-30 placed=7"], "1 2");
    // those that share no ID are not tied by who sent what
    check(&["a>b 0-100", "b>c 10-50 request=0"], "1 2");
    check(&["a>b 0-100 request=0", "b>c 10-50 request=0"], "1 .r2");
}

#[test]
fn one_address_is_one_sender() {
    let [asked, first, other, again] = [
        "10.0.0.9:5>127.0.0.1:80 0-100",
        "127.0.0.1:7>127.0.0.1:81 10-20",
        "127.0.0.1:8>127.0.0.1:82 30-60",
        "127.0.0.1:7>127.0.0.1:81 40-50",
    ];
    check(&[asked, first, other, again], "1 .~2 .~3 .~4");
    check(&[asked, other, again], "1 .~2 ..~3");
    // sent at once: the one is not because of the other
    check(&[asked, "127.0.0.1:8>127.0.0.1:82 30-60", "127.0.0.1:7>127.0.0.1:81 30-50"], "1 .~2 .~3");
}

#[test]
fn those_are_told_that_are_as_likely() {
    let check = |hops: &[&str], wanted: &[u64]| {
        let mut hops: Vec<_> = hops.iter().enumerate().map(|(n, text)| hop(n as u64 + 1, text)).collect();
        hops.iter_mut().for_each(|hop| hop.last = hop.end.unwrap_or(hop.last));
        let told: Vec<_> = in_doubt(&hops, FlowId(hops.len() as u64)).iter().map(|flow| flow.0).collect();
        assert_eq!(told, wanted, "{hops:#?}");
    };
    let two = ["browser>gate 0-100", "gate>cat 10-90", "gate>cat 11-91"];
    check(&[two[0], two[1], two[2], "cat>tax 20-70"], &[2, 3]);
    check(&[two[0], two[1], two[2], "gate>tax 20-70"], &[]);
    check(&[two[0], two[1], "gate>cat 91-99", "cat>tax 92-98"], &[]);
    // what lies around another one is less likely than that
    let bare = ["9.9.9.9:1>1.1.1.1:80 0-100", "1.1.1.1:5>1.1.1.1:81 10-90", "1.1.1.1:6>1.1.1.1:82 11-91"];
    check(&[bare[0], bare[1], bare[2], "1.1.1.1:7>1.1.1.1:83 20-70"], &[2, 3]);
    check(&[bare[0], bare[1], "1.1.1.1:7>1.1.1.1:83 20-70"], &[]);
    // who is called back goes on with either
    check(&["a>b 0-100", "b>c 10-90", "c>b 20-80", "b>d 30-40"], &[1, 3]);
    check(&["a>b 0-100", "b>c 10- letgo=20", "b>c 25-80", "c>d 30-40"], &[]);
    // and an error need not wait for all that was asked for
    let [asked, bad] = ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:7>127.0.0.1:81 10-50 bad=yes"];
    check(&[asked, bad, "127.0.0.1:8>127.0.0.1:82 20-70"], &[1, 2]);
    check(&[asked, bad, "127.0.0.1:8>127.0.0.1:82 20-40"], &[]);
    // a copy of either of two messages
    let sent = ["a>b 0-100", "b>+mq 10-11 topic=1", "b>+mq 12-13 topic=1"];
    check(&[sent[0], sent[1], sent[2], "mq>-d 20-30 topic=1"], &[2, 3]);
    check(&[sent[0], sent[1], sent[2], "mq>-d 20-30 topic=2"], &[]);
}
