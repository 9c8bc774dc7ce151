use super::super::rig::{at, call, flow, trace};
use super::*;
use crate::model::{Counts, Detail, Flow, Issue};

fn conn(end: End, last: u64) -> ConnRecord {
    let packets = Counts { to_server: 3, to_client: 3 };
    ConnRecord {
        id: 1,
        time: at(0),
        duration: Span::from_millis(last),
        client: asked("GET /").client,
        server: asked("GET /").server,
        protocol: Some("http"),
        bytes: packets,
        packets,
        retransmissions: 0,
        gaps: 0,
        end,
        hung_up: None,
        head: Vec::new(),
    }
}

fn check(flow: &Flow, conn: ConnRecord, wanted: usize) {
    // whichever is known first
    for first in [true, false] {
        let (mut detector, mut book) = (Unanswered::default(), Book::default());
        book.turn_to(at(conn.duration.nanos() / 1_000_000));
        if first {
            detector.connection(&conn, &mut book);
        }
        detector.flow(flow.as_ref(), &mut book);
        if !first {
            detector.connection(&conn, &mut book);
        }
        detector.end(&mut book);
        assert_eq!(book.all().count(), wanted, "{flow:?} {conn:?}");
    }
}

fn asked(operation: &str) -> Flow {
    call(1, &format!("gateway>orders 10- {operation} pending"))
}

#[test]
fn a_question_without_its_answer_is_told_where_the_connection_ended_or_time_has_passed() {
    for end in [End::Fin, End::Rst] {
        check(&asked("GET /x"), conn(end, 300), 1);
    }
    check(&asked("GET /x"), conn(End::Open, 6000), 1);
    check(&asked("GET /x"), conn(End::Idle, 6000), 1);
}

#[test]
fn a_clock_that_was_set_is_no_wait() {
    const HOUR: u64 = 3_600_000;
    let told = |end: End, steps: &[(u64, u64)]| {
        let (mut detector, mut book) = (Unanswered::default(), Book::default());
        book.moved(Time::from_nanos(i64::MIN), at(0));
        steps.iter().for_each(|(from, to)| book.moved(at(*from), at(*to)));
        book.turn_to(at(HOUR + 20));
        detector.flow(asked("GET /x").as_ref(), &mut book);
        detector.connection(&conn(end, HOUR + 20), &mut book);
        book.all().count()
    };
    assert_eq!(told(End::Idle, &[(20, HOUR + 20)]), 0);
    assert_eq!(told(End::Idle, &[(20, HOUR / 2), (HOUR / 2, HOUR + 20)]), 1, "something was seen while it waited");
    assert_eq!(told(End::Idle, &[(20, HOUR - 6000), (HOUR - 6000, HOUR + 20)]), 1, "it waited behind it, too");
    assert_eq!(told(End::Idle, &[]), 1);
    assert_eq!(told(End::Fin, &[(20, HOUR + 20)]), 1, "it was closed without an answer");
}

#[test]
fn who_hung_up_is_told_and_who_had_no_time_to_answer_is_not_at_fault() {
    let told = |how, hung_up: Option<(Dir, u64)>, last| {
        let (mut detector, mut book) = (Unanswered::default(), Book::default());
        book.turn_to(at(last));
        detector.connection(&ConnRecord { hung_up: hung_up.map(|(dir, n)| (dir, at(n))), ..conn(how, last) }, &mut book);
        detector.flow(asked("GET /x").as_ref(), &mut book);
        let finding = book.all().next().unwrap().0.clone();
        (finding.service.unwrap().to_string(), finding.evidence)
    };
    let (sent, to) = ("GET /x was sent by gateway", |service: &str, evidence: String| (service.to_owned(), evidence));
    let early = to("gateway", format!("{sent}, which closed the connection 3.0 ms after it, before any answer"));
    for (how, last) in [(End::Fin, 13), (End::Rst, 900), (End::Open, 8000)] {
        assert_eq!(told(how, Some((Dir::ToServer, 13)), last), early);
    }
    let late = to("orders", format!("{sent} without an answer: gateway gave up and closed the connection 2.00 s after it"));
    assert_eq!(told(End::Fin, Some((Dir::ToServer, 2010)), 2011), late);
    let server = to("orders", format!("{sent} without an answer: orders closed the connection 3.0 ms after it"));
    assert_eq!(told(End::Rst, Some((Dir::ToClient, 13)), 13), server);
}

/// What is found where `orders` is hung up on, 100 ms after all began, by those at work on `gateway`'s request or another one: the titles,
/// and who is at fault how often. Each question lies at that depth, below that or `shop`'s, tied by that link: the deepest come first.
fn hung_up(asked: &[(&str, usize, Link)], beside: &[&str]) -> Vec<(String, Option<String>, u64)> {
    let (mut detector, mut book) = (Unanswered::default(), Book::default());
    book.turn_to(at(100));
    let mut tree = vec![(0, call(1, "c:1>gateway=10.0.0.1:80 0-200 GET /y 200"))];
    tree.push((1, call(2, "gateway=10.0.0.1:80>shop=10.0.0.2:80 1-199 GET /w 200")));
    for (n, (from, ..)) in (3..).zip(asked) {
        let mut question = call(n, &format!("{from}>orders=10.0.0.9:81 10- GET /x pending"));
        question.row.trace_id = Some("t".into());
        question.connection = n;
        detector.flow(question.as_ref(), &mut book);
        let conn = ConnRecord { id: n, hung_up: Some((Dir::ToServer, at(100))), ..conn(End::Fin, 100) };
        detector.connection(&conn, &mut book);
        tree.push((1, question));
    }
    assert_eq!(book.all().count(), 0, "its trace may tell more");
    tree.extend((100..).zip(beside).map(|(n, text)| (1, call(n, text))));
    let (hops, mut nodes) = trace(&tree);
    for (node, (_, up, link)) in nodes.iter_mut().skip(2).zip(asked) {
        (node.depth, node.link) = (*up, Some(*link).filter(|_| *up > 0));
    }
    detector.trace(&Look::new(&hops, &nodes), &mut book);
    let all = book.all().map(|(finding, _)| finding);
    all.map(|finding| (finding.title.clone(), finding.service.as_ref().map(ToString::to_string), finding.count)).collect()
}

fn told(who: &str, times: u64) -> (String, Option<String>, u64) {
    (
        format!("{who} hangs up on orders before it could answer: GET /x"),
        Some(who.to_owned()).filter(|_| who != "a client"),
        times,
    )
}

#[test]
fn who_has_no_name_is_called_as_he_was_asked() {
    let gateway = ("gateway=10.0.0.1:80", 1, Link::TraceId);
    assert_eq!(hung_up(&[gateway], &[]), [told("gateway", 1)]);
    // whatever it is called in the trace
    assert_eq!(hung_up(&[("10.0.0.1:4711", 1, Link::TraceId), gateway], &[]), [told("gateway", 2)]);
}

#[test]
fn each_who_hangs_up_is_told_by_itself_and_nobody_by_a_guess() {
    // of one machine, without names
    let (gateway, shop) = (("127.0.0.1:4711", 1, Link::TraceId), ("127.0.0.1:4712", 2, Link::TraceId));
    assert_eq!(hung_up(&[shop, gateway, gateway], &[]), [told("shop", 1), told("gateway", 2)]);
    let guessed = |link| [("127.0.0.1:4712", 2, link), ("127.0.0.1:4711", 1, link), ("127.0.0.1:4713", 0, link)];
    assert_eq!(
        [Link::Time, Link::SoleInFlight].map(|link| hung_up(&guessed(link), &[])),
        [[told("a client", 3)], [told("a client", 3)]]
    );
    // a host that is no machine's own tells who it is
    assert_eq!(hung_up(&[("10.0.0.7:4711", 1, Link::Time), ("10.0.0.7:4712", 0, Link::Time)], &[]), [told("10.0.0.7", 2)]);
}

#[test]
fn of_several_asked_at_once_the_first_answer_is_enough() {
    let beside = |from: &str, up: usize, link: Link, beside: &str| hung_up(&[(from, up, link)], &[beside]).len();
    let gateway = "gateway=10.0.0.1:80";
    let named = |rest: &str| beside(gateway, 1, Link::TraceId, &format!("{gateway}>orders=10.0.0.9:81 {rest}"));
    assert_eq!(named("5-99 GET /x 200"), 0);
    // asked for after it was given up, of before, something else, and in vain
    assert_eq!(["100-150 GET /x 200", "1-9 GET /x 200", "5-99 GET /z 200", "5-99 GET /x 503"].map(named), [1; 4]);
    // where nothing tells who asked, or because of what
    let nameless = |up: usize, text: &str| beside("127.0.0.1:4711", up, Link::Time, text);
    let other = "127.0.0.1:4712>orders=10.0.0.9:81 5-99 GET /x 200";
    assert_eq!([0, 1, 2].map(|up| nameless(up, other)), [0; 3]);
    assert_eq!(nameless(0, "10.0.0.7:4712>orders=10.0.0.9:81 5-99 GET /x 200"), 1, "somebody else's");
    assert_eq!(beside("127.0.0.1:4711", 2, Link::TraceId, other), 1, "because of another request");
}

#[test]
fn that_another_answered_is_enough_where_the_rest_are_let_go_of_then() {
    let beside = |text: &str| hung_up(&[("gateway=10.0.0.1:80", 1, Link::TraceId)], &[text]).len();
    // they are let go of at 100
    assert_eq!(beside("gateway=10.0.0.1:80>spare=10.0.0.8:81 5-99 GET /x 200"), 0);
    assert_eq!(beside("gateway=10.0.0.1:80>spare=10.0.0.8:81 11-99 GET /x 200"), 0, "after a while");
    assert_eq!(beside("gateway=10.0.0.1:80>spare=10.0.0.8:81 5-99 GET /z 200"), 1);
    assert_eq!(beside("other=10.0.0.2:80>spare=10.0.0.8:81 5-99 GET /x 200"), 1);
    // each of several is asked the same, and one gives no answer in time
    let (mut detector, mut book) = (Unanswered::default(), Book::default());
    let mut slow = call(2, "gateway>a=10.0.0.8:81 10- GET /x pending");
    slow.row.trace_id = Some("t".into());
    detector.flow(slow.as_ref(), &mut book);
    detector.connection(&ConnRecord { hung_up: Some((Dir::ToServer, at(300))), ..conn(End::Fin, 300) }, &mut book);
    let quick = call(3, "gateway>b=10.0.0.9:81 10-20 GET /x 200");
    let (hops, nodes) = trace(&[(0, call(1, "c:1>gateway 0-301 GET /y 200")), (1, slow), (1, quick)]);
    detector.trace(&Look::new(&hops, &nodes), &mut book);
    assert_eq!(titles(&book), ["gateway hangs up on a before it could answer: GET /x"]);
}

fn titles(book: &Book) -> Vec<&str> {
    book.all().map(|(finding, _)| finding.title.as_str()).collect()
}

#[test]
fn who_failed_without_an_answer_is_not_at_fault_for_hanging_up() {
    let told = |status: &str, link: Link| {
        let (mut detector, mut book) = (Unanswered::default(), Book::default());
        let mut question = call(2, "gateway>orders 10- GET /x pending");
        question.row.trace_id = Some("t".into());
        detector.flow(question.as_ref(), &mut book);
        detector.connection(&ConnRecord { hung_up: Some((Dir::ToServer, at(310))), ..conn(End::Fin, 310) }, &mut book);
        let (mut hops, mut nodes) = trace(&[(0, call(1, &format!("c:1>gateway 0-312 GET /y {status}"))), (1, question)]);
        nodes[1].link = Some(link);
        hops.iter_mut().for_each(|hop| hop.keys[0] = Some(0));
        detector.trace(&Look::new(&hops, &nodes), &mut book);
        let finding = book.all().next().unwrap().0.clone();
        (finding.title, finding.service.unwrap().to_string(), finding.advice)
    };
    // as a cascade says; of flows of one ID also where nothing but time says which of them it was because of
    for link in [Link::TraceId, Link::Time] {
        let (title, service, advice) = told("504", link);
        assert_eq!((&*title, &*service), ("orders does not answer gateway: GET /x", "orders"));
        assert_eq!(advice, "see what orders waits for, or let gateway wait longer: it failed after 300 ms without an answer");
    }
    let (title, service, _) = told("200", Link::TraceId);
    assert_eq!((&*title, &*service), ("gateway hangs up on orders before it could answer: GET /x", "gateway"));
}

#[test]
fn an_answer_that_its_asker_had_not_read_yet_is_enough_too() {
    let (question, answer) = (("127.0.0.1:4711", 0, Link::Time), "127.0.0.1:4712>orders=10.0.0.9:81 1-9 GET /x 200");
    assert_eq!(hung_up(&[question], &[answer]).len(), 0);
    // who asks over the same connection has read it, and who hangs up later does so for another reason
    assert_eq!(hung_up(&[question], &["127.0.0.1:4711>orders=10.0.0.9:81 1-9 GET /x 200"]).len(), 1);
    assert_eq!(hung_up(&[question], &["127.0.0.1:4712>orders=10.0.0.9:81 0-0 GET /x 200"]).len(), 0);
    let (mut detector, mut book) = (Unanswered::default(), Book::default());
    let mut late = call(2, "127.0.0.1:4711>orders=10.0.0.9:81 10- GET /x pending");
    late.row.trace_id = Some("t".into());
    detector.flow(late.as_ref(), &mut book);
    let (hops, nodes) = trace(&[(0, call(1, answer)), (0, late)]);
    detector.trace(&Look::new(&hops, &nodes), &mut book);
    detector.connection(&ConnRecord { hung_up: Some((Dir::ToServer, at(110))), ..conn(End::Fin, 110) }, &mut book);
    assert_eq!(book.all().count(), 1);
}

#[test]
fn a_capture_that_ends_and_what_could_not_be_seen_are_none() {
    check(&asked("GET /x"), conn(End::Open, 3000), 0);
    // who has said all may still be answered; who hung up does not answer any more
    for (who, found) in [(Dir::ToServer, 0), (Dir::ToClient, 1)] {
        check(&asked("GET /x"), ConnRecord { hung_up: Some((who, at(13))), ..conn(End::Open, 300) }, found);
    }
    check(&asked("GET /x"), conn(End::Evicted, 6000), 0);
    check(&asked("GET /x"), ConnRecord { gaps: 1, ..conn(End::Fin, 300) }, 0);
    let one_way = Counts { to_server: 3, to_client: 0 };
    check(&asked("GET /x"), ConnRecord { packets: one_way, ..conn(End::Fin, 300) }, 0);
    let mut late = asked("GET /x");
    let detail = late.detail.as_deref().unwrap().clone();
    late.detail = Some(Detail { notes: vec![Issue::JOINED], ..detail }.into());
    check(&late, conn(End::Fin, 300), 0);
}

#[test]
fn what_may_take_for_ever_is_none() {
    check(&asked("GET /events"), conn(End::Fin, 9000), 0);
    check(&flow(1, Pattern::ServerStream, "grpc", "a>b 0- /x/y pending"), conn(End::Fin, 9000), 0);
    check(&flow(1, Pattern::Deliver, "amqp", "a>b 0- deliver pending"), conn(End::Fin, 9000), 0);
    check(&flow(1, Pattern::RequestResponse, "amqp", "a>b 0- connection.close pending"), conn(End::Fin, 9000), 0);
    check(&flow(1, Pattern::Publish, "amqp", "a>b 0- publish pending"), conn(End::Fin, 900), 0);
}

#[test]
fn who_waits_many_times_as_long_as_answers_take_is_not_at_fault() {
    // `orders` answers like calls after so long, and is hung up on after so long
    let told = |answers: usize, took: u64, waited: u64| {
        let (mut detector, mut book) = (Unanswered::default(), Book::default());
        for n in 0..answers as u64 {
            let answered = call(n + 10, &format!("gateway>orders 0-{took} GET /x 200"));
            if n % 2 == 0 {
                detector.alone(&settled(answered.as_ref(), true), &mut book);
            } else {
                let (hops, nodes) = trace(&[(0, answered)]);
                detector.trace(&Look::new(&hops, &nodes), &mut book);
            }
        }
        let last = 10 + waited;
        book.turn_to(at(last));
        detector.connection(&ConnRecord { hung_up: Some((Dir::ToServer, at(last))), ..conn(End::Fin, last) }, &mut book);
        detector.flow(asked("GET /x").as_ref(), &mut book);
        let finding = book.all().next().unwrap().0.clone();
        (finding.service.unwrap().to_string(), format!("{}. {}", finding.title, finding.evidence))
    };
    let (service, words) = told(7, 20, 700);
    assert_eq!((&*service, words.contains("hangs up")), ("orders", false));
    assert!(words.contains("where three of four such calls are answered within 20 ms"), "{words}");
    // too few answers, not that many times as long, and a moment
    for (answers, took, waited) in [(3, 20, 700), (7, 80, 700), (7, 1, 150)] {
        assert_eq!(told(answers, took, waited).0, "gateway");
    }
}
