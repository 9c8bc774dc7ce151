//! Where the time of a trace went.

use super::*;
use crate::engine::findings::rig::{at, call, flow, trace};
use crate::model::{Detail, Fields, Flow, Half, Row, Stamp, Value};

/// The flows of these tests that pass on what caused them.
const LEGS: [u64; 1] = [7];

fn told(tree: &[(usize, Flow)]) -> (Option<u64>, Vec<(u64, String, u64)>) {
    let (hops, mut nodes) = trace(tree);
    nodes.iter_mut().for_each(|node| node.leg = LEGS.contains(&node.flow.0));
    let Why { cause, path } = why(&hops, &nodes);
    let step = |step: &Step| (step.flow.0, format!("{} {}", step.kind.word(), step.service), step.own.nanos() / 1_000_000);
    (cause.map(|flow| flow.0), path.iter().map(step).collect())
}

fn path(tree: &[(usize, Flow)]) -> Vec<(u64, String, u64)> {
    let path = told(tree).1;
    // nothing is told twice
    let (first, last) = (
        tree.iter().map(|(_, f)| f.row.time).min().unwrap(),
        tree.iter().map(|(_, f)| f.row.time.after(f.row.duration.unwrap())).max().unwrap(),
    );
    assert_eq!(path.iter().map(|(.., own)| own).sum::<u64>(), last.since(first).nanos() / 1_000_000);
    path
}

fn step(flow: u64, what: &str, own: u64) -> (u64, String, u64) {
    (flow, what.to_owned(), own)
}

#[test]
fn time_lies_with_what_was_waited_for_last() {
    let tree = [
        (0, call(1, "c:1>gateway 0-100 GET / 200")),
        (1, call(2, "gateway>orders 10-40 GET /o 200")),
        (1, call(3, "gateway>slow 15-90 GET /s 200")),
        (2, call(4, "slow>db 20-80 GET /d 200")),
    ];
    let wanted = [step(1, "work gateway", 20), step(2, "work orders", 5), step(3, "work slow", 15), step(4, "work db", 60)];
    assert_eq!(path(&tree), wanted);
}

#[test]
fn the_wait_in_a_queue_and_what_a_proxy_adds_stand_apart() {
    let deliver = flow(3, Pattern::Deliver, "amqp", "rabbit>billing 50-100 deliver q ack");
    let tree = [
        (0, call(1, "c:1>orders 0-20 POST /o 201")),
        (1, flow(2, Pattern::Publish, "amqp", "orders>rabbit 10-12 publish x ack")),
        (2, deliver),
        (3, call(4, "billing>nginx 60-95 POST /c 201")),
        (4, call(7, "nginx>payments 65-90 POST /c 201")),
    ];
    let wanted = [
        step(1, "work orders", 10),
        step(3, "queue billing", 40),
        step(3, "work billing", 15),
        step(4, "proxy nginx", 10),
        step(7, "work payments", 25),
    ];
    assert_eq!(path(&tree), wanted);
}

#[test]
fn what_one_service_asked_for_because_of_either_of_two_is_not_its_own_work() {
    let step_of = |third: &str| {
        let tree = [
            (0, call(1, "c:1>gate 0-100 GET / 200")),
            (1, call(2, "gate>cat 5-90 GET /p 200")),
            (1, call(3, third)),
            (0, call(4, "cat>tax 20-80 GET /rate 200")),
        ];
        let (mut hops, nodes) = trace(&tree);
        hops[3].extra_mut().maybe = vec![hops[1].flow, hops[2].flow];
        let path = why(&hops, &nodes).path;
        path.iter().map(|step| (step.flow.0, step.service.to_string(), step.own.nanos() / 1_000_000)).collect::<Vec<_>>()
    };
    let own = |flow: u64, who: &str, own: u64| (flow, who.to_owned(), own);
    let wanted = [own(1, "gate", 14), own(2, "cat", 1), own(3, "cat", 25), own(4, "tax", 60)];
    assert_eq!(step_of("gate>cat 6-91 GET /p 200"), wanted);
    // whose it was is not known, and so not what the others did meanwhile
    let wanted = [own(1, "gate", 14), own(2, "cat", 1), own(3, "ads", 25)];
    assert_eq!(step_of("gate>ads 6-91 GET /p 200"), wanted);
}

#[test]
fn while_a_request_is_still_being_sent_it_is_nobodys() {
    let (mut upload, leg) = (call(1, "c:1>nginx 0-100 POST /u 200"), call(7, "nginx>a 92-99 POST /u 200"));
    let mut detail = upload.detail.as_deref().unwrap().clone();
    detail.request.as_mut().unwrap().whole = Some(at(90));
    upload.detail = Some(detail.into());
    assert_eq!(told(&[(0, upload), (1, leg)]).1, [step(1, "proxy nginx", 3), step(7, "work a", 7)]);
}

#[test]
fn while_an_answer_is_still_coming_it_stands_apart() {
    let mut download = call(1, "c:1>gate 0-100 GET /d 200");
    let mut detail = download.detail.as_deref().unwrap().clone();
    let first = Stamp { time: at(30), ..Stamp::default() };
    detail.response = Some(Half { first, ..Half::default() });
    download.detail = Some(detail.into());
    download.row.bytes = 1 << 20;
    assert_eq!(
        told(&[(0, download), (1, call(2, "gate>a 10-25 GET /d 200"))]).1,
        [step(1, "work gate", 15), step(2, "work a", 15), step(1, "sending gate", 70)]
    );
    // whose answer is passed on as it comes is who sends it
    let streams = |flow: Flow| {
        let mut detail = flow.detail.as_deref().unwrap().clone();
        let first = Stamp { time: at(30), ..Stamp::default() };
        detail.response = Some(Half { first, ..Half::default() });
        Flow { detail: Some(detail.into()), row: Row { bytes: 1 << 20, ..flow.row.clone() }, ..flow }
    };
    let tree = [(0, streams(call(1, "c:1>gate 0-100 GET /d 200"))), (1, streams(call(2, "gate>a 10-95 GET /d 200")))];
    let wanted = [step(1, "work gate", 10), step(2, "work a", 20), step(2, "sending a", 65), step(1, "sending gate", 5)];
    assert_eq!(path(&tree), wanted);
}

#[test]
fn nobody_waits_for_what_goes_on_after_an_answer() {
    let tree = |end: u64| {
        [
            (0, call(1, &format!("c:1>gate 0-{end} POST /o 200"))),
            (1, call(2, "gate>orders 5-10 POST /o 202")),
            (2, call(3, "orders>bank 50-80 POST /c 200")),
        ]
    };
    assert_eq!(path(&tree(200)), [step(1, "work gate", 195), step(2, "work orders", 5)]);
    // what is last of all led up to the end; what its service did before it sent that was not seen
    let wanted = [step(1, "work gate", 5), step(2, "work orders", 5), step(3, "work bank", 30)];
    assert_eq!(told(&tree(60)).1, wanted);
}

fn copy(number: u64, queue: &str, text: &str, was_in: &[&str]) -> (usize, Flow) {
    let mut flow = flow(number, Pattern::Deliver, "amqp", text);
    let death = |queue: &&str| Value::Map(vec![("queue".into(), (*queue).into())]);
    let headers = Value::Map(vec![("x-death".into(), Value::List(was_in.iter().map(death).collect()))]);
    let fields = Fields::default().with("amqp.queue", queue).with("amqp.redelivered", was_in.contains(&queue));
    let fields = fields.with("amqp.properties", Value::Map(vec![("headers".into(), headers)]));
    let detail = Detail { fields, ..flow.detail.as_deref().unwrap().clone() };
    flow.detail = Some(detail.into());
    (1, flow)
}

#[test]
fn what_a_consumer_had_a_message_for_is_not_its_queues() {
    let publish = || (0, flow(1, Pattern::Publish, "amqp", "orders>rabbit 0-2 publish x ack"));
    let first = |end| copy(2, "q", &format!("rabbit>billing 10-{end} deliver q nack"), &[]);
    let again = copy(4, "q", "rabbit>billing 70-90 deliver q ack", &["q"]);
    let call = |depth| (depth, call(3, "billing>payments 20-40 POST /c 503"));
    let wanted = [
        step(2, "queue q", 10),
        step(2, "work billing", 30),
        step(3, "work payments", 20),
        step(4, "queue q", 10),
        step(4, "work billing", 20),
    ];
    assert_eq!(path(&[publish(), first(60), call(2), again.clone()]), wanted);
    // from the queue of dead letters; that of another consumer is none of them
    let other = copy(3, "other", "rabbit>shipping 11-65 deliver other ack", &[]);
    let dead = copy(4, "dead", "rabbit>morgue 70-90 deliver dead ack", &["retry", "q"]);
    let wanted = [step(2, "queue q", 10), step(2, "work billing", 50), step(4, "queue dead", 10), step(4, "work morgue", 20)];
    assert_eq!(path(&[publish(), first(60), other, dead]), wanted);
    // when it was given back was not seen: it is not the queue's
    let lost = copy(2, "q", "rabbit>billing 10- deliver q pending", &[]);
    let wanted = [step(2, "queue q", 10), step(2, "work billing", 60), step(4, "work billing", 20)];
    assert_eq!(told(&[publish(), lost, again]).1, wanted);
}

#[test]
fn the_deepest_call_that_failed_by_itself_is_the_cause() {
    let root = |status| (0, call(1, &format!("c:1>gateway 0-100 GET / {status}")));
    let not_found = (1, call(2, "gateway>users 5-8 GET /u 404"));
    let (orders, payments) = ((1, call(3, "gateway>orders 10-90 GET /o 500")), (2, call(4, "orders>payments 20-80 POST /c 503")));
    assert_eq!(told(&[root("502"), not_found.clone(), orders, payments]).0, Some(4));
    assert_eq!(told(&[root("200"), not_found]).0, Some(2));
    assert_eq!(told(&[root("200")]).0, None);
}

/// The steps of a trace of calls, some of which were let go of.
fn given_up(lines: &[(usize, &str)], let_go: &[(usize, u64)]) -> Vec<(u64, String, u64)> {
    let tree: Vec<(usize, Flow)> = (1..).zip(lines).map(|(n, (depth, text))| (*depth, call(n, text))).collect();
    let (mut hops, nodes) = trace(&tree);
    for (flow, time) in let_go {
        hops[*flow].extra_mut().let_go = Some(at(*time));
    }
    let own = |step: &Step| (step.flow.0, format!("{} {}", step.kind.word(), step.service), step.own.nanos() / 1_000_000);
    why(&hops, &nodes).path.iter().map(own).collect()
}

#[test]
fn who_never_answered_was_waited_for_until_it_was_let_go_of() {
    let timeout = [(0, "c:1>a 0-302 GET /a 504"), (1, "a>b 1- GET /b pending"), (2, "b>db 5-9 GET /d 200")];
    let wanted = [step(1, "work a", 3), step(2, "work b", 295), step(3, "work db", 4)];
    assert_eq!(given_up(&timeout, &[(1, 300)]), wanted);
    // its own time goes on, and nobody waits for it any more
    let late = [timeout[0], timeout[1], (2, "b>db 5-301 GET /d 200")];
    assert_eq!(given_up(&late, &[(1, 300)]), [step(1, "work a", 3), step(2, "work b", 4), step(3, "work db", 295)]);
    // with something else in its place
    let fallback = [(0, "c:1>a 0-320 GET /a 200"), (1, "a>b 1- GET /b pending"), (1, "a>cache 305-315 GET /c 200")];
    let wanted = [step(1, "work a", 11), step(2, "work b", 299), step(3, "work cache", 10)];
    assert_eq!(given_up(&fallback, &[(1, 300)]), wanted);
    // down to the last one that gave no answer, which was let go of when nobody waited any more
    let deep = [timeout[0], timeout[1], (2, "b>db 5- GET /d pending")];
    let wanted = [step(1, "work a", 3), step(2, "work b", 4), step(3, "work db", 295)];
    assert_eq!(given_up(&deep, &[(1, 300), (2, 900)]), wanted);
}

#[test]
fn who_failed_without_an_answer_waited_for_it_and_who_did_well_need_not_have() {
    let lines = |status: &str| [format!("c:1>a 0-302 GET /a {status}"), "a>b 2- GET /b pending".to_owned()];
    let told = |status: &str, let_go: &[_]| {
        let lines = lines(status);
        given_up(&[(0, &lines[0]), (1, &lines[1])], let_go)
    };
    let blamed = [step(1, "work a", 2), step(2, "work b", 300)];
    assert_eq!((told("504", &[]), told("504", &[(1, 5000)])), (blamed.to_vec(), blamed.to_vec()));
    let not = [step(1, "work a", 302)];
    assert_eq!((told("200", &[]), told("200", &[(1, 5000)])), (not.to_vec(), not.to_vec()));
}

#[test]
fn nobody_waits_for_what_was_asked_beside_once_the_same_was_answered() {
    let lines = |second: &'static str| [(0, "c:1>a 0-63 GET /a 200"), (1, "a>b=127.0.0.1:81 1- GET /q pending"), (1, second)];
    // hedged at once, and after a while; let go of just when the other had answered, or long after
    for let_go in [&[(1, 61)][..], &[(1, 5000)]] {
        let wanted = [step(1, "work a", 3), step(3, "work b", 60)];
        assert_eq!(given_up(&lines("a>b=127.0.0.1:82 1-61 GET /q 200"), let_go), wanted);
        let wanted = [step(1, "work a", 3), step(2, "work b", 49), step(3, "work b", 11)];
        assert_eq!(given_up(&lines("a>b=127.0.0.1:82 50-61 GET /q 200"), let_go), wanted);
    }
    // what was let go of long after is another matter: of many that were asked the same, one gives no answer
    let lines =
        [(0, "c:1>a 0-303 GET /a 504"), (1, "a>b=127.0.0.1:81 1- GET /q pending"), (1, "a>b=127.0.0.1:82 1-61 GET /q 200")];
    assert_eq!(given_up(&lines, &[(1, 301)]), [step(1, "work a", 3), step(2, "work b", 300)]);
    // another question is none of them
    let lines = |second: &'static str| [(0, "c:1>a 0-63 GET /a 200"), (1, "a>b=127.0.0.1:81 1- GET /q pending"), (1, second)];
    let wanted = [step(1, "work a", 3), step(2, "work b", 60)];
    assert_eq!(given_up(&lines("a>b=127.0.0.1:82 1-60 GET /other 200"), &[(1, 61)]), wanted);
}

#[test]
fn while_a_request_without_an_answer_was_still_being_sent_it_is_nobodys() {
    let tree = [(0, call(1, "c:1>a 0-302 POST /a 504")), (1, call(2, "a>b 1- POST /b pending"))];
    let (mut hops, nodes) = trace(&tree);
    hops[1].extra_mut().let_go = Some(at(300));
    hops[1].extra_mut().whole = Some(at(200));
    let path = why(&hops, &nodes).path;
    let own: Vec<_> = path.iter().map(|step| (&*step.service, step.own.nanos() / 1_000_000)).collect();
    assert_eq!(own, [("a", 3), ("b", 100)]);
}
