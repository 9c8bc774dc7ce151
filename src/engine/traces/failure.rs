//! Which calls failed, and which of those failed for good. What a client did wrong (404) is its receiver's success.
//!
//! A call that failed did so because of the last call of its own that failed before it was over, and was not got over: one after which the
//! same was asked again, and went well, was, as is a message that was delivered again, and then went well. One that never got an answer was
//! waiting for the last of its own that got none. Of attempts that all failed the last one that shows why counts. So each failure leads down
//! to one that failed first. Which ones are told as cascades and which is told as a trace's cause comes of this alone.

use super::super::findings::label;
use super::Hop;
use super::doubts::{Doubt, doubts};
use crate::engine::control::is_introduction;
use crate::model::{Link, Pattern};

/// A flow of a trace, and the place of what caused it, in causal order.
pub(in crate::engine) type Placed<'h> = (&'h Hop, Option<(usize, Link)>);

/// gRPC's words for what is the caller's mistake, or a plain answer (<https://grpc.io/docs/guides/status-codes/>).
const CALLERS: &[&str] = &[
    "CANCELLED",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNAUTHENTICATED",
];

/// Classes of SQLSTATE for the same: data, constraints, syntax and access rules (PostgreSQL's Appendix A, "PostgreSQL Error Codes").
const CALLERS_SQL: &[&str] = &["22", "23", "42"];

/// Whether it did not go well, be it by whose fault it may. What a client says of itself to a server that does not know it is no failure.
pub(super) fn went_wrong(hop: &Hop) -> bool {
    !hop.ok && !is_introduction(hop.protocol, &hop.operation, hop.status.as_deref())
}

/// Whether its receiver failed at it, as far as is known.
pub(in crate::engine) fn failed(hop: &Hop) -> bool {
    let status = hop.status.as_deref().unwrap_or_default();
    let sql = || CALLERS_SQL.iter().any(|class| status.starts_with(class));
    let callers = match status.parse::<u16>() {
        _ if hop.protocol == "postgresql" => sql(),
        Ok(code) => (400..500).contains(&code) && !transient(code),
        Err(_) => CALLERS.contains(&status),
    };
    went_wrong(hop) && !callers && hop.pattern != Pattern::Publish
}

/// Statuses of a client's mistake that time alone mends: a timeout, too early, too many requests (RFC 9110 §15.5.9, 8470, 6585).
const fn transient(code: u16) -> bool {
    matches!(code, 408 | 425 | 429)
}

/// Whether a call is passed on as it came: by a proxy, which fails only as what is behind it does.
pub(in crate::engine) fn passes_on(up: &Hop, down: &Hop) -> bool {
    up.operation == down.operation && up.pattern == down.pattern
}

/// What failed and how: `POST /charges answered 503`.
pub(in crate::engine) fn outcome(hop: &Hop) -> String {
    let operation = &hop.operation;
    match hop.status.as_deref() {
        _ if hop.pending => format!("{operation} got no answer"),
        Some(status) => format!("{operation} answered {status}"),
        None => format!("{operation} failed"),
    }
}

/// The failures of a trace: each that made no other one fail, with what made it fail, the first failure last.
pub(in crate::engine) fn chains(flows: &[Placed<'_>]) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); flows.len()];
    for (at, placed) in flows.iter().enumerate() {
        if let Some(of) = surely_above(flows, placed).and_then(|up| children.get_mut(up)) {
            of.push(at);
        }
    }
    let hop = |at: &usize| flows.get(*at).map(|(hop, _)| *hop);
    let mut unsure = vec![Vec::new(); flows.len()];
    for Doubt { at, maybe, one, .. } in doubts(flows) {
        // whichever of its service's flows it was because of, that one went wrong as well
        let surely = one && maybe.iter().filter_map(hop).all(went_wrong);
        let below = if surely { &mut children } else { &mut unsure };
        for up in maybe {
            below.iter_mut().skip(up).take(1).for_each(|below| below.push(at));
        }
    }
    let leads_on = |at: &usize| decisive(flows, *at, children.get(*at)?).is_some().then_some(*at);
    let because = |at: usize| {
        let below = children.get(at)?;
        let last = decisive(flows, at, below).filter(|_| !delivered_again(flows, at, &children))?;
        // of attempts at the same the last one that shows why
        let before = || below.iter().rev().filter(|before| tried_before(flows, **before, last)).find_map(leads_on);
        Some(leads_on(&last).or_else(before).unwrap_or(last))
    };
    // nothing is said of who may have failed because of what it is not known to have asked for
    let maybe_because = |at: usize| decisive(flows, at, unsure.get(at)?).filter(|at| hop(at).is_some_and(failed));
    let mut below = vec![false; flows.len()];
    let mut chains = Vec::new();
    for (at, (hop, _)) in flows.iter().enumerate() {
        if failed(hop) && below.get(at) == Some(&false) {
            let chain: Vec<_> = std::iter::successors(Some(at), |at| because(*at)).collect();
            chain.iter().skip(1).for_each(|at| below.iter_mut().skip(*at).take(1).for_each(|below| *below = true));
            if chain.last().is_none_or(|last| maybe_because(*last).is_none()) {
                chains.push(chain);
            }
        }
    }
    chains
}

/// The call that failed first, of a trace in which any did: what led to a failure that nobody got over rather than to another one, and
/// rather one that is its receiver's fault.
pub(in crate::engine) fn cause(flows: &[Placed<'_>]) -> Option<usize> {
    let hop = |at: usize| flows.get(at).map(|(hop, _)| *hop);
    let doubts = doubts(flows);
    // they are in the order of the flows
    let doubt = |at: usize| doubts.get(doubts.binary_search_by_key(&at, |doubt| doubt.at).ok()?);
    let maybe = |at: usize| doubt(at).map(|doubt| doubt.maybe.as_slice()).unwrap_or_default();
    // of what its caller was not made to fail by
    let got_over = |at: usize| match flows.get(at).map(|placed| (placed, surely_above(flows, placed))) {
        Some((_, Some(up))) => hop(up).is_some_and(|up| !up.pending),
        Some(((_, up), None)) => {
            let above = std::iter::successors(*up, |(up, _)| flows.get(*up)?.1);
            let all_well = |ups: &[usize]| !ups.is_empty() && ups.iter().filter_map(|up| hop(*up)).all(|up| up.ok);
            all_well(maybe(at)) || above.filter_map(|(up, _)| hop(up)).any(|up| up.ok)
        }
        None => false,
    };
    let chains = chains(flows);
    let ends = chains.iter().filter_map(|chain| Some((*chain.first()?, *chain.last()?)));
    let first = |(top, end): &(usize, usize)| (got_over(*top), hop(*end).map(|hop| (hop.last, hop.flow)));
    let failure = ends.min_by_key(first).map(|(_, end)| end);
    // else what is no fault of who received it
    failure.or_else(|| {
        let bad = |at: &usize| hop(*at).is_some_and(went_wrong);
        let mut led_on = vec![false; flows.len()];
        let above = flows.iter().enumerate().filter(|(at, _)| bad(at)).filter_map(|(_, (_, up))| Some(up.as_ref()?.0));
        above.for_each(|up| led_on.iter_mut().skip(up).take(1).for_each(|led_on| *led_on = true));
        let by_itself = (0..flows.len()).filter(|at| bad(at) && led_on.get(*at) == Some(&false));
        by_itself.min_by_key(|at| (got_over(*at), hop(*at).map(|hop| (hop.last, hop.flow))))
    })
}

/// What caused a flow, where more than time says so.
fn surely_above(flows: &[Placed<'_>], (hop, up): &Placed<'_>) -> Option<usize> {
    let (up, link) = (*up)?;
    flows.get(up).filter(|(above, _)| !hop.by_time_alone(above, link)).map(|_| up)
}

/// Whether a message that a consumer failed at was delivered again later, be it by way of another queue, and it did not fail then.
fn delivered_again(flows: &[Placed<'_>], at: usize, children: &[Vec<usize>]) -> bool {
    let Some(placed @ (bad, _)) = flows.get(at).filter(|(bad, _)| bad.pattern == Pattern::Deliver) else { return false };
    let copies = surely_above(flows, placed).and_then(|up| children.get(up)).into_iter().flatten();
    copies.filter_map(|at| flows.get(*at)).any(|(copy, _)| {
        // who consumed before the capture began is known by his tag alone
        let same = copy.operation == bad.operation && label(&copy.to) == label(&bad.to);
        let same = same || bad.extra().via.as_ref().is_some_and(|queue| copy.extra().was_in.contains(queue));
        same && copy.pattern == Pattern::Deliver && copy.settled && copy.ok && copy.time >= bad.last
    })
}

/// Whether a call that failed was made again, and failed again.
fn tried_before(flows: &[Placed<'_>], at: usize, again: usize) -> bool {
    let (Some((bad, _)), Some((again, _))) = (flows.get(at), flows.get(again)) else { return false };
    let same = bad.operation == again.operation && label(&bad.to) == label(&again.to);
    same && failed(bad) && failed(again) && !bad.pending && !again.pending && bad.last <= again.time
}

/// The call that made a failed one fail.
fn decisive(flows: &[Placed<'_>], at: usize, children: &[usize]) -> Option<usize> {
    let up = flows.get(at).map(|(up, _)| *up).filter(|up| !up.ok)?;
    let calls = || children.iter().filter_map(|at| flows.get(*at).map(|(hop, _)| (*at, *hop)));
    let mended = |bad: &Hop| {
        calls().any(|(_, other)| {
            other.ok && other.time >= bad.last && other.operation == bad.operation && label(&other.to) == label(&bad.to)
        })
    };
    let before = |down: &Hop| if up.pending { down.pending } else { down.last <= up.last };
    let failures = calls().filter(|(_, down)| went_wrong(down) && down.settled && before(down) && !mended(down));
    // what gets no answer is waited for until the end
    let until = |down: &Hop| if down.pending { down.extra().let_go.unwrap_or(up.last).min(up.last) } else { down.last };
    failures.max_by_key(|(_, down)| (failed(down), until(down), down.flow)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::super::super::findings::rig::{at, call, flow, trace};
    use super::*;
    use crate::model::{Above, Flow};

    /// The flows of each chain, and the cause: of `depth flow` lines, numbered from 1.
    fn check(lines: &[(usize, &str)], chains: &[&[u64]], first: u64) {
        let tree: Vec<(usize, Flow)> = (1..).zip(lines).map(|(n, (depth, text))| (*depth, call(n, text))).collect();
        let (hops, nodes) = trace(&tree);
        let mut above = Above::default();
        let mut flows: Vec<Placed<'_>> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            flows.push((&hops[at], above.enter(node.depth, at).zip(node.link)));
        }
        let number = |at: &usize| flows[*at].0.flow.0;
        let told: Vec<Vec<u64>> = super::chains(&flows).iter().map(|chain| chain.iter().map(number).collect()).collect();
        assert_eq!(
            (told, cause(&flows).as_ref().map_or(0, number)),
            (chains.iter().map(|c| c.to_vec()).collect(), first),
            "{lines:?}"
        );
    }

    /// The same of a trace whose last flow may be because of the second or the third.
    fn check_doubt(second: &str, third: &str, chains: &[&[u64]], first: u64) {
        let lines = [(0, "c:1>gate 0-90 POST /checkout 502"), (1, second), (1, third), (0, "cat>tax 20-60 GET /rate 503")];
        let tree: Vec<(usize, Flow)> = (1..).zip(lines).map(|(n, (depth, text))| (depth, call(n, text))).collect();
        let mut hops = trace(&tree).0;
        hops[3].extra_mut().maybe = vec![hops[1].flow, hops[2].flow];
        let up = |at: usize| [None, Some((0, Link::TraceId)), Some((0, Link::TraceId)), None][at];
        let flows: Vec<_> = hops.iter().enumerate().map(|(at, hop)| (hop, up(at))).collect();
        let told: Vec<Vec<_>> = super::chains(&flows).iter().map(|c| c.iter().map(|at| *at as u64 + 1).collect()).collect();
        let wanted: Vec<_> = chains.iter().map(|chain| chain.to_vec()).collect();
        assert_eq!((told, cause(&flows).map(|at| at as u64 + 1)), (wanted, Some(first)), "{second} {third}");
    }

    #[test]
    fn whichever_of_its_flows_it_was_because_of_a_service_failed_by_what_it_asked_for() {
        let cat = |end: u64, status: u64| format!("gate>cat 5-{end} GET /p {status}");
        check_doubt(&cat(80, 503), &cat(81, 503), &[&[1, 3, 4], &[2, 4]], 4);
        // it may be because of the one that went well
        check_doubt(&cat(80, 200), &cat(81, 503), &[&[4]], 4);
        check_doubt(&cat(80, 200), &cat(81, 200), &[&[1], &[4]], 1);
        // which service it was is not known: neither is said to have failed by itself
        check_doubt("gate>ads 5-80 GET /a 503", &cat(81, 503), &[&[4]], 4);
        // it was over before
        check_doubt(&cat(30, 503), &cat(40, 503), &[&[1, 3], &[2], &[4]], 3);
    }

    #[test]
    fn what_was_given_up_before_another_call_is_no_cause() {
        let lines = [ROOT, (1, "gate>ads 5- GET /ads pending"), (1, "gate>stock 50-80 GET /stock 500")];
        let tree: Vec<(usize, Flow)> = (1..).zip(lines).map(|(n, (depth, text))| (depth, call(n, text))).collect();
        let mut hops = trace(&tree).0;
        let told =
            |hops: &[Hop]| cause(&[(&hops[0], None), (&hops[1], Some((0, Link::TraceId))), (&hops[2], Some((0, Link::TraceId)))]);
        assert_eq!(told(&hops), Some(1));
        hops[1].extra_mut().let_go = Some(at(45));
        assert_eq!(told(&hops), Some(2));
    }

    const ROOT: (usize, &str) = (0, "c:1>gate 0-90 POST /checkout 502");

    #[test]
    fn what_was_got_over_is_no_cause() {
        // what came first was done without, or well when it was asked again
        let (ads, stock) = ((1, "gate>ads 5-10 GET /ads 500"), (1, "gate>stock 20-80 GET /stock 500"));
        check(&[ROOT, ads, stock], &[&[1, 3], &[2]], 3);
        let again = (1, "gate>ads 12-15 GET /ads 200");
        check(&[ROOT, ads, again, stock], &[&[1, 4], &[2]], 4);
        check(&[(0, "c:1>gate 0-90 GET / 200"), ads], &[&[2]], 2);
    }

    #[test]
    fn of_attempts_the_one_that_shows_why_is_followed() {
        let attempt = |n: u64, status: u64| format!("web>nginx {}-{} POST /o {status}", n * 20, n * 20 + 9);
        let [first, second, third] = [(1, 502), (2, 502), (3, 502)].map(|(n, status)| attempt(n, status));
        let why = (2, "nginx>cat 21-28 POST /o 503");
        check(&[ROOT, (1, &first), why, (1, &second), (1, &third)], &[&[1, 2, 3], &[4], &[5]], 3);
        check(&[ROOT, (1, &first), (1, &second), (2, "nginx>cat 41-48 POST /o 503"), (1, &third)], &[&[1, 3, 4], &[2], &[5]], 4);
        // of another call, and of one that is not known to have failed
        check(&[ROOT, (1, &first), why, (1, "web>nginx 60-69 GET /p 502")], &[&[1, 4], &[2, 3]], 4);
        check(&[ROOT, (1, &first), why, (1, "web>nginx 60- POST /o pending")], &[&[1, 4], &[2, 3]], 4);
    }

    #[test]
    fn who_waits_for_an_answer_that_never_comes_fails_by_that() {
        let (orders, stock) = ((1, "gate>orders 5- POST /orders pending"), (2, "orders>stock 10- GET /stock pending"));
        check(&[ROOT, orders, stock], &[&[1, 2, 3]], 3);
        check(&[ROOT, (1, "gate>ads 6-50 GET /ads 500"), orders], &[&[1, 3], &[2]], 3);
        // what failed meanwhile is not what it waited for
        check(&[ROOT, orders, (2, "orders>stock 10-20 GET /stock 500")], &[&[1, 2], &[3]], 2);
    }

    #[test]
    fn a_clients_mistake_is_a_cause_where_nothing_else_is() {
        let (mine, stock) = ((1, "gate>users 50-60 GET /u 404"), (1, "gate>stock 20-40 GET /stock 500"));
        check(&[ROOT, stock, mine], &[&[1, 2]], 2);
        check(&[ROOT, mine], &[&[1, 2]], 2);
        check(&[(0, "c:1>gate 0-90 GET / 404"), mine], &[], 2);
        check(&[(0, "c:1>gate 0-90 GET / 200")], &[], 0);
    }

    #[test]
    fn what_is_wrong_with_a_statement_is_its_callers_fault() {
        let told = |status: &str| {
            let mut query = flow(1, Pattern::Query, "postgresql", &format!("orders>db 5-6 SELECT {status}"));
            query.row.ok = false;
            failed(&trace(&[(0, query)]).0[0])
        };
        assert_eq!(["42P01", "42601", "22012", "23505"].map(told), [false; 4]);
        assert_eq!(["40001", "53300", "57014", "58030", "XX000"].map(told), [true; 5]);
    }

    #[test]
    fn what_a_client_says_of_itself_is_no_failure() {
        let told = |operation: &str, status: &str, root: &str| {
            let mut said = flow(2, Pattern::Query, "redis", &format!("gate>redis 5-6 {operation} {status}"));
            said.row.ok = false;
            let hops = trace(&[(0, call(1, &format!("c:1>gate 0-90 POST /checkout {root}"))), (1, said)]).0;
            let flows = [(&hops[0], None), (&hops[1], Some((0, Link::TraceId)))];
            (cause(&flows), chains(&flows).len(), went_wrong(&hops[1]))
        };
        for operation in ["CLIENT SETINFO", "CLIENT SETNAME", "HELLO", "COMMAND DOCS"] {
            assert_eq!(told(operation, "ERR", "200"), (None, 0, false), "{operation}");
            assert_eq!(told(operation, "ERR", "500"), (Some(0), 1, false), "{operation}");
        }
        // who may not, or asks for what is not there, fails
        for (operation, status) in [("AUTH", "WRONGPASS"), ("HELLO", "WRONGPASS"), ("SELECT", "ERR"), ("CLIENT KILL", "ERR")] {
            assert_eq!(told(operation, status, "500"), (Some(1), 1, true), "{operation}");
        }
    }
}
