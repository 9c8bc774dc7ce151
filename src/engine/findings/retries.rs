//! The same call again and again because of one request, failing. A retry that helps is none, nor are a few that wait longer each time.

use super::ledger::{label, who};
use super::{Book, Detector, Look, Words};
use crate::engine::traces::{Hop, caller, failed};
use crate::model::unknown::is_unknown;
use crate::model::{FindingKind, Pattern};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many attempts, and failures among them, are a storm rather than a retry.
const ATTEMPTS: usize = 4;
const FAILURES: usize = 3;
/// From how many on they are one however long is waited before each, and how long the last wait is at least that spares who fails.
const MANY: usize = 8;
const SPARES: Span = Span::from_millis(20);

/// It holds nothing: each trace shows it by itself.
#[derive(Debug, Default)]
pub(super) struct RetryStorm;

impl Detector for RetryStorm {
    fn seeks(&self) -> &'static str {
        "calls that fail again and again"
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        let mut alike: BTreeMap<_, Vec<&Hop>> = BTreeMap::new();
        let flows: Vec<_> = look.flows().collect();
        for (hop, up) in flows.iter().filter(|(hop, _)| call(hop) && !is_unknown(&hop.operation)) {
            let up = up.and_then(|(up, _)| flows.get(up)).map(|(up, _)| *up);
            let from = who_called(up, hop);
            alike.entry((up.map(|up| up.flow), from, label(&hop.to), &*hop.operation)).or_default().push(hop);
        }
        for ((_, from, to, operation), mut attempts) in alike {
            attempts.sort_by_key(|hop| (hop.time, hop.flow));
            let storm = storm(&attempts);
            if storm.len() < ATTEMPTS || backs_off(&storm) || storm.last().is_none_or(|hop| hop.judged) {
                continue;
            }
            let failures = storm.iter().filter(|hop| failed(hop)).count();
            let (first, last) = (storm[0], storm[storm.len() - 1]);
            let lasted = last.last.since(first.time);
            let status = storm.iter().rev().find(|hop| failed(hop)).and_then(|hop| hop.status.as_deref()).unwrap_or("no answer");
            let end = if last.ok { "the last one helped" } else { "none helped" };
            let words = Words {
                title: format!("{from} calls {to} again and again though it fails: {operation}"),
                service: Some(from.clone()),
                evidence: format!(
                    "{} attempts within {} because of one request, {failures} failed ({status}), {end}",
                    storm.len(),
                    crate::units::duration(lasted)
                ),
                advice: format!(
                    "see why {to} fails; let {from} wait longer before each attempt, and give up after a few (backoff, retry budget, circuit breaker)"
                ),
            };
            let flows = storm.iter().map(|hop| hop.flow).collect();
            book.raise(FindingKind::RetryStorm, &format!("{from} > {to} {operation}"), flows, words);
        }
    }
}

/// Who called: without a name who was asked for it, else a host, of which one address says no more.
fn who_called(up: Option<&Hop>, hop: &Hop) -> Arc<str> {
    match up {
        Some(up) => who(up, hop),
        None => caller(&hop.from),
    }
}

/// Whether it is asked again where it fails: a broker delivers again, which is told otherwise.
fn call(hop: &Hop) -> bool {
    match hop.pattern {
        Pattern::RequestResponse => hop.protocol != "amqp",
        Pattern::Unary | Pattern::ServerStream | Pattern::Query => true,
        Pattern::ClientStream
        | Pattern::BidiStream
        | Pattern::Publish
        | Pattern::Deliver
        | Pattern::Message
        | Pattern::Session => false,
    }
}

/// The attempts from the first that failed to the last one behind a failure: each begins when the one before is over. Several at once are
/// several calls.
fn storm<'h>(calls: &[&'h Hop]) -> Vec<&'h Hop> {
    let mut storm: Vec<&Hop> = Vec::new();
    for &hop in calls {
        let goes_on = storm.last().is_some_and(|before| failed(before) && before.last <= hop.time);
        if !goes_on && enough(&storm) {
            break;
        }
        if !goes_on {
            storm.clear();
        }
        storm.push(hop);
    }
    if enough(&storm) { storm } else { Vec::new() }
}

/// Whether a few attempts wait longer each time.
fn backs_off(storm: &[&Hop]) -> bool {
    let waits: Vec<_> = storm.windows(2).map(|pair| pair[1].time.since(pair[0].last)).collect();
    let grow = waits.windows(2).all(|pair| pair[0] <= pair[1]);
    let (first, last) = (waits.first().copied().unwrap_or_default(), waits.last().copied().unwrap_or_default());
    storm.len() < MANY && grow && last >= SPARES && last.nanos() / 2 >= first.nanos()
}

/// The waits between attempts, of the calls that a flow caused: from each that failed until the same is asked again, and from the last
/// one of several until the flow has failed as well.
pub(super) fn pauses(of: &Hop, calls: &[&Hop]) -> Vec<(Time, Time)> {
    if !calls.iter().any(|hop| failed(hop)) {
        return Vec::new();
    }
    let mut kinds: BTreeMap<_, Vec<&Hop>> = BTreeMap::new();
    for hop in calls.iter().filter(|hop| call(hop)) {
        kinds.entry((label(&hop.to), &*hop.operation)).or_default().push(hop);
    }
    let mut pauses = Vec::new();
    for attempts in kinds.values_mut().filter(|attempts| attempts.len() > 1) {
        attempts.sort_by_key(|hop| (hop.time, hop.flow));
        let next = attempts.iter().skip(1).map(|hop| hop.time).chain(Some(of.last).filter(|_| failed(of)));
        pauses.extend(attempts.iter().zip(next).filter(|(hop, _)| failed(hop)).map(|(hop, next)| (hop.last, next)));
    }
    pauses
}

fn enough(storm: &[&Hop]) -> bool {
    storm.len() >= ATTEMPTS && storm.iter().filter(|hop| failed(hop)).count() >= FAILURES
}

#[cfg(test)]
mod tests {
    use super::super::rig::{call, judged};
    use super::*;

    /// How often it is found in attempts with these statuses, each `step` after the one before; a call takes 5.
    fn check(statuses: &[&str], step: u64, wanted: usize) {
        check_of("POST /charges", statuses, step, wanted);
    }

    fn check_of(operation: &str, statuses: &[&str], step: u64, wanted: usize) {
        let root = (0, call(1, "c:1>gateway 0-900 POST /checkout 502"));
        let attempt = |(n, status): (u64, &&str)| {
            (1, call(n + 2, &format!("gateway>payments {}-{} {operation} {status}", n * step, n * step + 5)))
        };
        let tree: Vec<_> = std::iter::once(root).chain((0..).zip(statuses).map(attempt)).collect();
        let found = judged(&mut RetryStorm, &tree);
        assert_eq!(
            found.iter().map(|f| f.flows[0].len()).collect::<Vec<_>>(),
            Vec::from_iter((wanted > 0).then_some(wanted)),
            "{found:#?}"
        );
    }

    #[test]
    fn many_attempts_that_fail_are_a_storm() {
        check(&["503"; 5], 10, 5);
        check(&["503", "503", "503", "201"], 10, 4);
        check(&["429"; 4], 10, 4);
    }

    #[test]
    fn a_few_attempts_that_wait_longer_each_time_are_none() {
        let at = |begins: &[u64], last: &str| {
            let attempt = |(n, begin): (usize, &u64)| {
                let status = if n + 1 == begins.len() { last } else { "502" };
                (1, call(n as u64 + 2, &format!("gateway>payments {begin}-{} POST /charges {status}", begin + 5)))
            };
            let root = (0, call(1, "c:1>gateway 0-90000 POST /checkout 502"));
            let tree: Vec<_> = std::iter::once(root).chain(begins.iter().enumerate().map(attempt)).collect();
            judged(&mut RetryStorm, &tree).len()
        };
        for last in ["502", "201"] {
            assert_eq!(at(&[10, 65, 170, 375], last), 0);
            assert_eq!(at(&[10, 65, 170, 375, 780], last), 0);
        }
        // as long each time, hardly at all, or again and again
        assert_eq!(at(&[10, 65, 120, 175], "502"), 1);
        assert_eq!(at(&[10, 16, 23, 36], "502"), 1);
        assert_eq!(at(&[10, 65, 170, 375, 780, 1585, 3190, 6395], "502"), 1);
    }

    #[test]
    fn what_was_not_captured_is_not_known_to_be_the_same() {
        check_of("unknown request", &["503"; 5], 10, 0);
    }

    #[test]
    fn a_retry_that_helps_polling_and_many_at_once_are_none() {
        check(&["503", "201"], 10, 0);
        check(&["503", "503", "503"], 10, 0);
        check(&["503", "201", "503", "201", "503", "201"], 10, 0);
        check(&["404"; 8], 10, 0);
        check(&["200"; 8], 10, 0);
        check(&["503"; 8], 1, 0);
    }
}
