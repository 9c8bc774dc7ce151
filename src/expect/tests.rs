//! Expectations: what they read as, where they are wrong, what they count.

use super::*;
use crate::engine::Record;
use crate::model::{Finding, FindingKind, FlowId, Node, TraceRecord};
use crate::time::{Span, Time};

fn trace(flows: &[u64], services: &[&str], errors: u64) -> Record {
    let node = |(at, &flow): (usize, &u64)| Node { flow: FlowId(flow), depth: at, link: None, leg: false };
    Record::Trace(TraceRecord {
        trace_id: "abc".into(),
        trace_ids: vec!["abc".into()],
        tree: flows.iter().enumerate().map(node).collect(),
        services: services.iter().map(|&s| s.into()).collect(),
        time: Time::default(),
        duration: Span::from_millis(100),
        errors,
        why: Default::default(),
        complete: errors == 0,
    })
}

fn finding(id: u64, kind: FindingKind, service: &str, count: u64) -> Record {
    let (title, evidence, advice) = (format!("{service} does it"), String::new(), String::new());
    let (flows, service, time) = (Vec::new(), Some(service.into()), Time::default());
    Record::Finding(Finding { id, kind, title, service, flows, count, evidence, advice, time })
}

/// What is broken after some records, each with what was counted.
fn broken(texts: &[&str], records: &[Record]) -> Vec<(String, Vec<(String, u64)>)> {
    let expectations = texts.iter().map(|text| Expectation::parse(text).unwrap()).collect();
    let mut judge = Judge::new(expectations);
    records.iter().for_each(|record| judge.take(record, None));
    let told = |blame: &Blame<'_>| (blame.subject.text().to_owned(), blame.count);
    judge.broken().iter().map(|(e, blamed)| (e.to_string(), blamed.iter().map(told).collect())).collect()
}

#[track_caller]
fn holds(text: &str, records: &[Record]) -> bool {
    broken(&[text], records).is_empty()
}

#[test]
fn errors_say_where_and_name_what_is_known() {
    for (text, message) in [
        ("", "at 1: expected count(…), findings(…) or traces(…), found the end"),
        ("flows() == 0", "at 1: expected count(…), findings(…) or traces(…), found flows"),
        ("count == 0", "at 7: expected '(' after 'count', found =="),
        ("count(ok)", "at 10: expected one of == != < <= > >= after 'count(…)', found the end"),
        ("count(ok) ~ 3", "at 11: expected one of == != < <= > >= after 'count(…)', found ~"),
        ("count(ok) == many", "at 14: expected a whole number, found many"),
        ("count(ok) == -1", "at 14: expected a whole number, found -1"),
        ("count(dur > banana) == 0", "at 13: 'banana' is no time: a number and us ms s m h, as in 250ms"),
        ("count(ok == 0", "at 14: expected ')' for the '(' at 6, found the end"),
        ("count((ok) == 0", "at 16: expected ')' for the '(' at 6, found the end"),
        ("count(ok) == 0 count(ok) == 0", "at 16: expected 'and' or 'or', found count"),
        ("findings(trace_lots) == 0", "at 10: unknown kind of finding 'trace_lots'; kinds are trace_lost "),
        ("findings(sevrity == error) == 0", "at 10: unknown field 'sevrity'; fields are kind severity service title count"),
        ("findings(kind == lost) == 0", "at 18: 'lost' is none of trace_lost "),
        ("findings(severity > info) == 0", "at 19: expected one of == != in after 'severity', found >"),
        ("findings(trace_lost and ) == 0", "at 25: expected a kind of finding or a field, found )"),
        ("traces(hop > 1) > 0", "at 8: unknown field 'hop'; fields are hops services service errors dur complete trace op"),
        ("traces(hops > x) > 0", "at 15: 'x' is no whole number"),
        ("traces(dur > 5) > 0", "at 14: '5' is no time"),
        ("traces(op ~ '[') > 0", "at 13: this is no regular expression"),
        ("(traces() > 0", "at 14: expected ')' for the '(' at 1, found the end"),
    ] {
        let error = Expectation::parse(text).expect_err(text).to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
    let deep = "(".repeat(100) + "count() == 0";
    assert!(Expectation::parse(&deep).unwrap_err().message.starts_with("nested deeper"));
    let deep = format!("findings({}trace_lost) == 0", "not ".repeat(3000));
    assert!(Expectation::parse(&deep).is_err());
}

#[test]
fn traces_are_counted_as_they_were_last() {
    let grown = [trace(&[1], &["a"], 0), trace(&[4, 5], &["b"], 1), trace(&[1, 2, 3], &["a", "b", "c"], 0)];
    for (text, held) in [
        ("traces() == 2", true),
        ("traces(hops >= 3) == 1", true),
        ("traces(hops == 1) == 0", true),
        ("traces(services == 3 and service == b) == 1", true),
        ("traces(service in (b, x)) == 2", true),
        ("traces(errors) == 1", true),
        ("traces(not complete) == 0", false),
        ("traces(dur > 99ms and trace == abc) == 2", true),
        ("traces(service != b) == 0", true),
        ("traces(op contains x) == 0", true),
    ] {
        assert_eq!(holds(text, &grown), held, "{text}");
    }
}

#[test]
fn findings_are_counted_once_each_with_their_last_count() {
    use FindingKind::{SlowHop, TraceLost};
    let all = [finding(1, TraceLost, "billing", 1), finding(2, SlowHop, "shop", 2), finding(1, TraceLost, "billing", 7)];
    for (text, held) in [
        ("findings() == 2", true),
        ("findings(trace_lost) == 1", true),
        ("findings(trace_lost and service == shop) == 0", true),
        ("findings(trace_lost and count >= 7) == 1", true),
        ("findings(severity == error) == 0", false),
        ("findings(kind in (trace_lost, slow_hop) and title ~ '^b') == 1", true),
        ("findings(not trace_lost) <= 1", true),
    ] {
        assert_eq!(holds(text, &all), held, "{text}");
    }
}

#[test]
fn what_broke_an_expectation_is_told_apart_from_what_did_not() {
    let all = [trace(&[1, 2], &["a"], 0), finding(1, FindingKind::TraceLost, "billing", 1)];
    let texts = [
        "traces() > 0 and findings(trace_lost) == 0",
        "traces(hops > 9) > 0 or findings() == 3",
        "not (traces() == 1 or findings() == 0)",
        "count() == 0",
    ];
    let blamed = |list: &[(&str, u64)]| list.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect::<Vec<_>>();
    let wanted = [
        (texts[0].to_owned(), blamed(&[("findings(trace_lost) == 0", 1)])),
        (texts[1].to_owned(), blamed(&[("traces(hops > 9) > 0", 0), ("findings() == 3", 1)])),
        (texts[2].to_owned(), blamed(&[("traces() == 1", 1)])),
    ];
    assert_eq!(broken(&texts, &all), wanted);
}

#[test]
fn traces_beyond_those_that_may_grow_are_still_counted() {
    let n = MAX_OPEN as u64 + 10;
    let expectations = vec![Expectation::parse(&format!("traces(hops == 1) == {n}")).unwrap()];
    let mut judge = Judge::new(expectations);
    (0..n).for_each(|flow| judge.take(&trace(&[flow], &[], 0), None));
    assert!(judge.broken().is_empty());
    assert_eq!(judge.open(), MAX_OPEN);
}

#[test]
fn whether_more_or_less_was_wanted() {
    for (text, count, more) in [
        ("count() > 0", 0, true),
        ("count() >= 9", 3, true),
        ("count() == 3", 2, true),
        ("count() == 3", 4, false),
        ("count() != 0", 0, true),
        ("count() <= 3", 4, false),
    ] {
        let expectation = Expectation::parse(text).unwrap();
        expectation.what.each(&mut |subject| assert_eq!(subject.wants_more(count), more, "{text}"));
    }
}
