//! Losses that circumstances alone tell of: what requests cause is told from what is sent by a clock of its own, however busy its sender
//! is.

use super::super::propagation::Propagation;
use super::super::rig::{call, trace};
use super::super::{Book, Detector, Look};
use super::check;
use crate::engine::traces::Mark;
use crate::model::{Link, Totals};

/// The findings, as [`check`] reads them.
#[track_caller]
fn told(lines: &[Vec<String>], wanted: &[&str]) {
    let lines: Vec<_> = lines.iter().flatten().map(String::as_str).collect();
    check(&lines, wanted);
}

/// `count` requests to `gate`, one every `apart` milliseconds, each open for `open`.
fn requests(count: u64, apart: u64, open: u64) -> Vec<String> {
    let one = |n: u64| format!("web>gate {}-{} id=t{n} span=1 op=POST_/orders", 1000 + n * apart, 1000 + n * apart + open);
    (0..count).map(one).collect()
}

/// What `gate` sends at these moments, of which each may have a trace of its own.
fn sent(to: &str, at: impl Iterator<Item = u64>, own: bool) -> Vec<String> {
    let id = |at| if own { format!("id=own{at} span=7") } else { String::new() };
    at.map(|at| format!("gate>{to} {at}-{} op=GET_/{to} {}", at + 2, id(at)).trim_end().to_owned()).collect()
}

#[test]
fn what_comes_by_a_clock_while_something_is_always_open_is_nobodys() {
    for own in [false, true] {
        // three at once, and one after the other
        for (apart, open) in [(11, 36), (40, 40)] {
            let asked = requests(150, apart, open);
            told(&[asked.clone(), sent("flags", (1020..1000 + 149 * apart).step_by(310), own)], &[]);
            // and what each of them causes is found beside it
            let pays = sent("pay", (0..150).map(|n| 1005 + n * apart), false);
            told(&[asked, sent("flags", (1021..1000 + 149 * apart).step_by(310), own), pays], &["trace_lost gate 150"]);
        }
        // more often than requests, which take long
        told(&[requests(12, 60, 130), sent("flags", (1018..1700).step_by(19), own)], &[]);
    }
}

#[test]
fn what_comes_by_a_clock_while_somebody_polls_is_nobodys() {
    let poll = |n: u64| format!("app>gate {}-{} id=p{n} span=1 op=GET_/poll", 1000 + n * 2510, 1000 + n * 2510 + 2505);
    let polls: Vec<_> = (0..6).map(poll).collect();
    let gaps = [764, 978, 634, 762, 508, 565, 818, 401, 392, 353, 687, 775, 365, 735, 497, 374, 820, 613, 670];
    let uneven = || gaps.iter().scan(1549, |at, gap| Some(std::mem::replace(at, *at + gap)));
    let asked = requests(300, 43, 39);
    for asked in [asked.clone(), Vec::new()] {
        told(&[asked.clone(), polls.clone(), sent("flags", uneven(), false)], &[]);
        told(&[asked, polls.clone(), sent("token", (1478..13900).step_by(1512), false)], &[]);
    }
    // and what is caused by requests is found beside it
    let pays = sent("pay", (0..300).map(|n| 1005 + n * 43), false);
    told(&[asked, polls, pays, sent("flags", uneven(), false)], &["trace_lost gate 300"]);
}

#[test]
fn what_mostly_comes_while_nothing_is_open_is_nobodys_where_it_does_not() {
    for own in [false, true] {
        told(&[requests(1, 1000, 100), sent("flags", (50..9000).step_by(500), own)], &[]);
    }
}

#[test]
fn what_comes_with_few_requests_is_lost_where_it_never_comes_without_one() {
    let few = |apart: u64| (0..60).filter(|n| n % 5 == 2).map(move |n| 1010 + n * apart);
    told(&[requests(60, 200, 50), sent("token", few(200), false)], &["trace_lost gate 12"]);
    // however regular all of it is
    let fourth = (0..200).filter(|n| n % 4 == 3).map(|n| 1001 + n * 50);
    told(&[requests(200, 50, 30), sent("token", fourth, false)], &["trace_lost gate 50"]);
    // while something is always open it may as well be chance
    told(&[requests(60, 50, 50), sent("token", few(50), false)], &[]);
}

#[test]
fn of_two_operations_the_one_that_causes_it_is_found() {
    let other = |n: u64| format!("web>gate {}-{} id=u{n} span=1 op=GET_/list/{n}", 1000 + n * 7, 1000 + n * 7 + 20);
    let (asked, pays) = (requests(40, 30, 30), sent("pay", (0..40).map(|n| 1005 + n * 30), false));
    told(&[asked, pays, (0..170).map(other).collect()], &["trace_lost gate 40"]);
}

#[test]
fn beside_what_cannot_be_seen_nothing_is_lost() {
    let hidden = |open: u64| vec![format!("web>gate 1-{open} hidden=yes")];
    let pays = |open: u64| sent("pay", (0..9).map(|n| 1005 + n * open), false);
    for (apart, open) in [(100, 60), (100, 230)] {
        told(&[requests(9, apart, open), pays(apart), hidden(9000)], &[]);
        told(&[requests(9, apart, open), pays(apart), hidden(500)], &["trace_lost gate 9"]);
    }
}

#[test]
fn a_call_that_caused_something_itself_is_lost_all_the_same() {
    let pay = |at: u64, n: u64| {
        let body = format!("body=order-47{n}1");
        [format!("gate>pay {}-{} {body}", at + 5, at + 60), format!("pay>fraud {}-{} {body}", at + 20, at + 30)]
    };
    let pays = |apart: u64| (0..12).flat_map(|n| pay(1000 + n * apart, n)).collect();
    for (apart, open) in [(100, 80), (9, 150)] {
        told(&[requests(12, apart, open), pays(apart)], &["trace_lost gate 12"]);
    }
    // also without names, where time alone tells
    let bare = |n: u64| {
        let at = 1000 + n * 2000;
        let local = |port: u16, to: u16, begin: u64, end: u64| format!("127.0.0.1:{port}>127.0.0.1:{to} {begin}-{end}");
        let body = format!("body=order-47{n}1");
        vec![
            format!("{} id=t{n} span=1", local(5001, 80, at, at + 90)),
            format!("{} {body}", local(5002, 81, at + 10, at + 80)),
            format!("{} {body}", local(5003, 82, at + 20, at + 30)),
        ]
    };
    told(&(0..12).map(bare).collect::<Vec<_>>(), &["trace_lost 127.0.0.1:80 10"]);
}

#[test]
fn one_that_was_lost_of_many_may_be_because_of_what_is_in_a_hole() {
    let told = |gaps: u64| {
        let (mut detector, mut book) = (Propagation::default(), Book::default());
        detector.totals(&Totals { gaps, ..Totals::default() }, 0, &mut book);
        for n in 1..=70 {
            let (asked, sent) = ("web>gate 1-50 GET / 200", "gate>tax 10-20 GET /tax 200");
            let (mut hops, mut nodes) = trace(&[(0, call(n * 2, asked)), (1, call(n * 2 + 1, sent))]);
            let mark = |id| vec![Mark { carrier: "traceparent", id, span: Some(id), sampled: None }];
            let link = if n == 9 { Link::SoleInFlight } else { Link::TraceId };
            (hops[0].marks, nodes[1].link) = (mark(n), Some(link));
            hops[1].marks = vec![Mark { span: Some(1000 + n), ..mark(if n == 9 { 99 } else { n })[0] }];
            detector.trace(&Look::new(&hops, &nodes), &mut book);
        }
        detector.end(&mut book);
        book.all().map(|(finding, _)| (finding.kind.word(), finding.count)).collect::<Vec<_>>()
    };
    assert_eq!((told(0), told(1)), (vec![("trace_restarted", 1)], vec![]));
}

#[test]
fn what_is_known_of_what_is_sent_by_itself_outlives_many_other_kinds() {
    let told = |polled: u64| {
        let (mut detector, mut book) = (Propagation::default(), Book::default());
        let mut alone = |n: u64, to: &str| {
            let hops = trace(&[(0, call(n, &format!("gate>{to} {n}-{n} GET /{to} 200")))]).0;
            detector.alone(&hops[0], &mut book);
        };
        (10..4000).for_each(|n| alone(n, &format!("other{n}")));
        (0..polled).for_each(|n| alone(n, "flags"));
        (4000..4200).for_each(|n| alone(n, &format!("other{n}")));
        for n in 1..4 {
            let (asked, sent) = ("web>gate 1-50 GET / 200", "gate>flags 10-20 GET /flags 200");
            let (mut hops, mut nodes) = trace(&[(0, call(n * 2 + 5000, asked)), (1, call(n * 2 + 5001, sent))]);
            hops[0].marks = vec![Mark { carrier: "traceparent", id: n, span: Some(n), sampled: None }];
            nodes[1].link = Some(Link::SoleInFlight);
            detector.trace(&Look::new(&hops, &nodes), &mut book);
        }
        detector.end(&mut book);
        book.all().map(|(finding, _)| (finding.kind.word(), finding.count)).collect::<Vec<_>>()
    };
    assert_eq!((told(0), told(5)), (vec![("trace_lost", 3)], vec![]));
}
