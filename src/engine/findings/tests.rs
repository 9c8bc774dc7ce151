use crate::engine::Record;
use crate::engine::mesh::run;

mod circumstances;

/// The findings of a mesh as `kind service count`, as they are told last; and what they rest on.
fn check(lines: &[&str], wanted: &[&str]) -> Vec<String> {
    let mut told = std::collections::BTreeMap::new();
    for record in run(lines) {
        if let Record::Finding(finding) = record {
            told.insert(finding.id, finding);
        }
    }
    let line = |finding: &crate::model::Finding| {
        format!("{} {} {}", finding.kind.word(), finding.service.as_deref().unwrap_or("-"), finding.count)
    };
    assert_eq!(told.values().map(line).collect::<Vec<_>>(), wanted, "{lines:#?}");
    told.into_values().map(|finding| format!("{}. {}. {}", finding.title, finding.evidence, finding.advice)).collect()
}

const ASKED: &str = "web>gate 1-90 id=t span=1 sampled=1";

#[test]
fn a_call_without_the_context_that_came_loses_the_trace() {
    let told = check(&[ASKED, "gate>orders 10-80"], &["trace_lost gate 1"]);
    assert_eq!(
        told,
        [
            "gate loses the trace: its HTTP calls to orders carry no trace context. gate received traceparent with HTTP calls and sent it \
          on 0 of 1 HTTP calls to orders; the flows are tied as the only request its sender was at work on. its HTTP client is not \
          instrumented: let gate inject the context of what it works on"
        ]
    );
    // to a data store nothing is customary, and what goes on in the trace is well
    check(&[ASKED, "gate>?db 10-80", "gate>orders 20-30 id=t span=2"], &[]);
    // nobody brought one, or it is said not to be recorded
    check(&["web>gate 1-90", "gate>orders 10-80"], &[]);
    check(&["web>gate 1-90 id=t sampled=0", "gate>orders 10-80"], &[]);
    // an ID of the request is left of it
    check(&["web>gate 1-90 id=t req=request-1", "gate>orders 10-80 req=request-1"], &["trace_format_switched gate 1"]);
}

/// Requests one after the other; of each these calls, `{t}` being its trace, the moments being behind its beginning.
fn requests(count: u64, calls: impl Fn(u64) -> Vec<String>) -> Vec<String> {
    let request = |n: u64| {
        let begin = n * 100;
        let at = |call: &String| {
            let [ends, times, words @ ..] = &call.split(' ').collect::<Vec<_>>()[..] else { panic!("{call}") };
            let (from, to) = times.split_once('-').unwrap();
            let [from, to] = [from, to].map(|ms| ms.parse::<u64>().unwrap() + begin);
            format!("{ends} {from}-{to} {}", words.join(" ")).trim().replace("{t}", &format!("t{n}"))
        };
        [String::from("web>gate 1-90 id={t} span=1")].iter().chain(&calls(n)).map(at).collect::<Vec<_>>()
    };
    (0..count).flat_map(request).collect()
}

#[track_caller]
fn advice(lines: &[String], count: u64, wanted: &[&str], never: &str) {
    let told = check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[&format!("trace_lost gate {count}")]);
    assert!(wanted.iter().all(|wanted| told[0].contains(wanted)) && !told[0].contains(never), "{told:?}");
}

#[test]
fn what_is_to_be_done_about_a_loss_is_said_by_what_is_not_lost() {
    let (pay, note) = ("gate>pay 10-20 op=POST_/pay", "gate>pay 30-40 op=POST_/note");
    let all = requests(4, |_| vec![pay.into()]);
    advice(&all, 4, &["carry no trace context", "0 of 4", "its HTTP client is not instrumented: let gate"], "some of");
    // another receiver is sent it
    let other = requests(4, |_| vec!["gate>stock 5-8 id={t} span=2".into(), pay.into()]);
    let says = [
        "its HTTP calls to pay carry no",
        "0 of 4",
        "let gate inject the context of what it works on into its HTTP calls to pay, as into those to stock: that HTTP client is not \
         instrumented, or leaves it out there",
    ];
    advice(&other, 4, &says, "its HTTP client is not instrumented");
    // one operation is, another one is not
    let operations = requests(4, |_| vec![format!("{pay} id={{t}} span=2"), note.into()]);
    let says = ["some of its HTTP calls to pay carry no", "4 of 8", "POST /pay carries it and POST /note does not"];
    advice(&operations, 4, &says, "its HTTP client is not instrumented");
    // a path of its own for each says nothing of which
    let each = |n| if n % 3 == 1 { format!("{pay}/{n}") } else { format!("{pay}/{n} id={{t}} span=2") };
    advice(&requests(9, |n| vec![each(n)]), 3, &["6 of 9", "as some of them carry it"], "does not");
    // now and then, of one operation: also where the last ones were well
    let some = requests(9, |n| vec![if n % 3 == 1 { pay.into() } else { format!("{pay} id={{t}} span=2") }]);
    let says = ["some of its HTTP calls to pay carry no", "6 of 9", "its HTTP client is instrumented, as some of them carry it"];
    advice(&some, 3, &says, "is not instrumented: let");
}

#[test]
fn what_serves_the_running_of_services_loses_nothing() {
    for op in ["GET /healthz", "GET /metrics", "POST /v1/traces", "/grpc.health.v1.Health/Check", "OPTIONS /orders"] {
        let op = op.replace(' ', "_");
        check(&[ASKED, &format!("gate>orders 10-80 op={op}")], &[]);
    }
    for op in ["GET /livestock/7", "GET /ready-meals", "GET /v1/catalog/items"] {
        check(&[ASKED, &format!("gate>orders 10-80 op={}", op.replace(' ', "_"))], &["trace_lost gate 1"]);
    }
    // Celery's workers tell of themselves
    for op in ["publish celeryev task.multi", "publish (default) w@host.celery.pidbox", "publish reply.celery.pidbox 0-1"] {
        check(&[ASKED, &format!("gate>+mq 10-11 mid=m op={}", op.replace(' ', "_"))], &[]);
    }
    check(&[ASKED, "gate>+mq 10-11 mid=m op=publish_(default)_celery"], &["trace_lost gate 1"]);
}

#[test]
fn another_trace_is_a_restart_and_a_consumers_may_be_linked() {
    check(&[ASKED, "gate>orders 10-80 id=u span=9"], &["trace_restarted gate 1"]);
    // who reads another format than came finds none
    let told = |words: &str| check(&[ASKED, &format!("gate>orders 10-80 {words}")], &["trace_restarted gate 1"]).remove(0);
    let other = told("b3=u span=9");
    assert!(other.contains("another trace ID as b3 on 1 of 1"), "{other}");
    assert!(other.contains("let gate read traceparent: its propagator writes b3, and begins"), "{other}");
    assert!(told("id=u span=9").contains("let gate take the context of what it received as the parent"));
    let queue = ["gate>+mq 10-11 id=t mid=m", "mq>-mail 20-40 id=t mid=m"];
    check(&[ASKED, queue[0], queue[1], "mail>smtp 25-30 id=u"], &["trace_maybe_linked mail 1"]);
    check(&[ASKED, queue[0], queue[1], "mail>smtp 25-30"], &["trace_lost mail 1"]);
}

#[test]
fn a_context_may_be_there_and_not_be_right() {
    check(&[ASKED, "gate>orders 10-80 b3=t span=2 sampled=1"], &["trace_format_switched gate 1"]);
    check(&[ASKED, "gate>orders 10-80 id=t span=1 sampled=1 op=POST_/other"], &["trace_stale_parent gate 1"]);
    check(&[ASKED, "gate>orders 10-80 id=t span=2 sampled=0"], &["trace_unsampled gate 1"]);
    // both formats at once are none switched
    check(&[ASKED, "gate>orders 10-80 id=t b3=t span=2 sampled=1"], &[]);
    let queue = ["gate>+mq 10-11 id=t span=2 mid=m", "mq>-mail 20-40 id=t span=2 mid=m"];
    check(&[ASKED, queue[0], queue[1], "mail>smtp 25-30 id=t span=2"], &["trace_stale_parent mail 1"]);
    // who takes its own message back has begun its span, and may send on in that
    check(&[ASKED, queue[0], "mq>-gate 20-40 id=t span=2 mid=m", "gate>smtp 25-30 id=t span=2"], &[]);
    // a proxy passes on the very request
    check(&[ASKED, "gate>orders 10-80 id=t span=1 sampled=1"], &[]);
}

#[test]
fn what_is_also_sent_because_of_nothing_loses_nothing() {
    let polls = ["gate>feed 10-20 op=poll", "gate>feed 200-205 op=poll", "gate>feed 300-305 op=poll"];
    check(&[ASKED, polls[0]], &["trace_lost gate 1"]);
    check(&[ASKED, polls[0], polls[1], polls[2]], &[]);
}

#[test]
fn repeats_are_counted() {
    let lines: Vec<String> = (0..5)
        .flat_map(|n| {
            let at = n * 100;
            [format!("web>gate {}-{} id=t{n}", at + 1, at + 90), format!("gate>orders {}-{}", at + 10, at + 80)]
        })
        .collect();
    let told = check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &["trace_lost gate 5"]);
    assert!(told[0].contains("0 of 5 HTTP calls"), "{told:?}");
}

#[test]
fn what_goes_on_while_one_request_is_open_or_whatever_is_asked_is_nobodys_loss() {
    // a worker that asks for its next task again and again
    let polls: Vec<_> = (1..9).map(|n| format!("gate>tasks {}-{} op=POST_/next", 10 * n, 10 * n + 2)).collect();
    let lines: Vec<_> = std::iter::once(ASKED).chain(polls.iter().map(String::as_str)).collect();
    check(&lines, &["n_plus_one gate 1"]);
    // a timer, whose calls carry what every request carries, too
    let asked = |n: u64| format!("web>gate {}-{} id=t{n} span=1 sampled=1 body=tenant-0042", n * 100 + 1, n * 100 + 90);
    let poll = |at: u64| format!("gate>config {at}-{} op=GET_/config body=tenant-0042", at + 2);
    let lines: Vec<_> = (0..4).flat_map(|n| [asked(n), poll(n * 100 + 50), poll(n * 100 + 95)]).collect();
    check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
}

#[test]
fn who_passes_requests_on_begins_no_span_in_what_it_asks_besides() {
    let [asked, verify] = ["web>nginx 1-90 id=t span=1", "nginx>auth 5-10 id=t span=1 op=GET_/verify"];
    check(&[asked, verify, "nginx>app 15-80 id=t span=1"], &[]);
    check(&[asked, verify], &["trace_stale_parent nginx 1"]);
}

#[test]
fn who_may_have_waited_for_a_call_that_is_nobodys_is_not_slow() {
    let asked = |n: u64| [format!("web>gate {n}-1600 id=t{n} span=1"), format!("gate>orders 1{n}-1590 id=t{n} span=2")];
    let rows = ["orders>?db 20-1500".to_owned(), "orders>?db 21-1501".to_owned()];
    let lines = [&asked(1)[..], &asked(2), &rows].concat();
    check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    // what took no time explains none of it, and of one request alone it is known whose it was
    let quick = [&asked(1)[..], &asked(2), &["orders>?db 20-30".to_owned()]].concat();
    check(&quick.iter().map(String::as_str).collect::<Vec<_>>(), &["slow_hop orders 2"]);
    let one = [&asked(1)[..], &rows[..1]].concat();
    check(&one.iter().map(String::as_str).collect::<Vec<_>>(), &["slow_hop db 1"]);
}

#[test]
fn a_correlation_id_is_no_trace_context() {
    let asks = ["gate>+mq 10-11 id=t span=2 mid=m corr=call-0001", "mq>-bill 20-40 id=t span=2 mid=m corr=call-0001"];
    let told = check(&[ASKED, asks[0], asks[1], "bill>+mq 25-26 mid=r corr=call-0001"], &["trace_lost bill 1"]);
    assert!(told[0].contains("carry a correlation ID, and no trace context"), "{told:?}");
    assert!(told[0].contains("let bill inject") && told[0].contains("no tracer continues"), "{told:?}");
    check(&[ASKED, asks[0], asks[1], "bill>+mq 25-26 mid=r corr=call-0001 id=t span=3"], &[]);
    // an answer is counted apart from what is asked next
    let next = "bill>+mq 27-28 mid=n id=t span=3";
    let told = check(&[ASKED, asks[0], asks[1], "bill>+mq 25-26 mid=r corr=call-0001", next], &["trace_lost bill 1"]);
    let also = "into its replies to exchange shop, as into its messages to exchange shop: that publisher is not instrumented";
    for says in ["its replies to exchange shop", "0 of 1", also] {
        assert!(told[0].contains(says), "{told:?}");
    }
    // nor is what is put back where it came from an answer
    let again = "bill>+mq 25-26 mid=r corr=call-0001 op=publish_(default)_todo";
    let told = check(&[ASKED, asks[0], &format!("{} queue=todo", asks[1]), again], &["trace_lost bill 1"]);
    assert!(told[0].contains("0 of 1 messages to exchange shop"), "{told:?}");
    // a request's own ID that goes on in it is what is left of the trace
    let asked = ["web>gate 1-90 id=t span=1 req=request-1", "gate>+mq 10-11 mid=m corr=request-1"];
    check(&asked, &["trace_format_switched gate 1"]);
}

#[test]
fn work_that_was_accepted_may_lose_the_trace_after_its_answer() {
    let one = |n: u64| {
        let (at, order) = (n * 100, format!("status=202 body=order-47{n}1,tenant-0042"));
        [format!("web>gate {}-{} id=t{n} span=1 {order}", at + 1, at + 9), format!("gate>bank {}-{} {order}", at + 30, at + 40)]
    };
    let lines: Vec<_> = (0..3).flat_map(one).collect();
    check(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &["trace_lost gate 3"]);
}

#[test]
fn a_loss_is_told_by_what_is_tied_and_says_what_is_not() {
    let one = |n: u64| [format!("web>gate {}-{} id=t{n} span=1", n * 1000 + 1, n * 1000 + 50), call(n)];
    fn call(n: u64) -> String {
        format!("gate>orders {}-{}", n * 1000 + 10, n * 1000 + 20)
    }
    let two = |n: u64| {
        [
            format!("web>gate {}-{} id=u{n} span=1", n * 1000 + 2, n * 1000 + 60),
            format!("web>gate {}-{} id=v{n}", n * 1000 + 3, n * 1000 + 60),
        ]
    };
    let told = |lines: &[String]| {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let all = run(&lines).into_iter().filter_map(|record| match record {
            Record::Finding(finding) => Some(finding),
            _ => None,
        });
        let last = all.last().unwrap();
        (last.flows.iter().map(Vec::len).collect::<Vec<_>>(), last.evidence)
    };
    // those of which nobody can tell come first and last
    let lines: Vec<_> =
        (0..8).flat_map(|n| if n < 3 || n == 7 { [&two(n)[..], &[call(n)]].concat() } else { one(n).to_vec() }).collect();
    let (flows, evidence) = told(&lines);
    assert_eq!(flows, [2, 2, 2, 2, 1, 1, 1, 1], "{evidence}");
    assert!(
        evidence.ends_with(
            "its sender was at work on, but for some of which nobody can tell because of which request they were sent"
        ),
        "{evidence}"
    );
    let (flows, evidence) = told(&(0..4).flat_map(one).collect::<Vec<_>>());
    assert!(flows == [2; 4] && evidence.ends_with("its sender was at work on"), "{evidence}");
}

#[test]
fn what_cannot_be_placed_is_not_idleness() {
    use super::propagation::Propagation;
    use super::rig::{call, trace};
    use super::{Book, Detector, Look};
    use crate::engine::traces::{Mark, settled};
    use crate::model::Link;
    let told = |untold: bool| {
        let (mut detector, mut book) = (Propagation::default(), Book::default());
        let mut alone = settled(call(99, "127.0.0.1:7>127.0.0.1:90 10-20 GET /tax 200").as_ref(), true);
        alone.extra_mut().untold = untold;
        (0..9).for_each(|_| detector.alone(&alone, &mut book));
        for n in 1..6 {
            let (asked, sent) = ("127.0.0.1:5>127.0.0.1:80 1-50 GET / 200", "127.0.0.1:7>127.0.0.1:90 10-20 GET /tax 200");
            let (mut hops, mut nodes) = trace(&[(0, call(n * 2, asked)), (1, call(n * 2 + 1, sent))]);
            hops[0].marks = vec![Mark { carrier: "traceparent", id: n, span: None, sampled: None }];
            nodes[1].link = Some(Link::Time);
            detector.trace(&Look::new(&hops, &nodes), &mut book);
        }
        detector.end(&mut book);
        book.all().map(|(finding, _)| finding.count).collect::<Vec<_>>()
    };
    assert_eq!((told(true), told(false)), (vec![5], vec![]));
}
