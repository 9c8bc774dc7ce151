//! Trees of many flows are those that looking at each flow before each gives, and cost no more a flow.

use super::super::super::hop::Hop;
use super::super::causes::Causes;
use super::{RANKED, hop, tree};
use crate::model::Link;
use proptest::prelude::*;

fn told(hops: &[Hop], by: Causes<'_>) -> Vec<(u64, usize, Option<Link>)> {
    super::by_causes(hops, by).iter().map(|node| (node.flow.0, node.depth, node.link)).collect()
}

/// Who may be an end: with a name and without, on one address and on several.
const ENDS: &[&str] = &[
    "a",
    "b",
    "c",
    "x=127.0.0.1:80",
    "y=127.0.0.1:81",
    "x=127.0.0.1:7",
    "127.0.0.1:80",
    "127.0.0.1:81",
    "127.0.0.1:82",
    "127.0.0.1:7",
    "127.0.0.1:8",
    "10.0.0.1:80",
    "10.0.0.1:7",
    "10.0.0.2:80",
    "10.0.0.2:8",
];

/// One flow's words: ends, time, and what else it has.
fn flow() -> impl Strategy<Value = String> {
    let end = || prop::sample::select(ENDS);
    let kind = prop::sample::select(&["", "", "", "+", "-"][..]);
    let length = prop::option::weighted(0.8, 0_u64..40);
    let span = prop::option::weighted(0.3, 0_u8..5);
    let more = prop::sample::select(
        &["", "", "", " topic=1", " topic=2", " request=0", " up=1", " up=3", " placed=2", " placed=5", " bad=yes"][..],
    );
    let gone = prop::option::weighted(0.5, 0_u64..40);
    let pids = prop::sample::select(&["", "", " pids=1,2", " pids=2,1", " pids=1,1", " pids=3,"][..]);
    let broker = prop::sample::select(&["b", "b", "y=127.0.0.1:81", "127.0.0.1:80"][..]);
    let ends = (end(), end(), broker, pids);
    (ends, kind, 0_u64..60, length, gone, span, more).prop_map(
        |((from, to, broker, pids), kind, begin, length, gone, span, more)| {
            let (from, to) = if kind == "-" { (broker, to) } else { (from, if kind == "+" { broker } else { to }) };
            let end = length.map(|length| (begin + length).to_string()).unwrap_or_default();
            let span = span.map(|span| format!(" span={span}")).unwrap_or_default();
            let gone = gone.filter(|_| length.is_none()).map(|gone| format!(" letgo={}", begin + gone)).unwrap_or_default();
            format!("{from}>{kind}{to} {begin}-{end}{span}{more}{gone}{pids}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trees_are_the_same_with_an_index_and_without(flows in prop::collection::vec((flow(), 0_i64..3), 1..24)) {
        let hops: Vec<_> = flows.iter().zip(1..).map(|((text, late), number)| {
            let mut hop = hop(number, text);
            hop.last = hop.end.unwrap_or(hop.time).after(crate::time::Span::from_millis(*late as u64));
            hop.veiled = number % 11 == 0;
            hop.passed_on = number % 7 == 0;
            hop
        }).collect();
        prop_assert_eq!(told(&hops, Causes::Many(Box::default())), told(&hops, Causes::Few(Vec::new())), "{:#?}", flows);
    }
}

/// Requests through four services on one address without names, so many at once.
fn loopback(requests: u64, at_once: u64) -> Vec<Hop> {
    let request = |n: u64| {
        let begin = n / at_once * 100 + n % at_once;
        (0..4_u64).map(move |k| {
            let (from, to) = (begin + 10 * k, begin + 90 - 10 * k);
            hop(4 * n + k + 1, &format!("127.0.0.1:{}>127.0.0.1:{} {from}-{to}", 10_000 + (4 * n + k) % 40_000, 80 + k))
        })
    };
    let mut hops: Vec<_> = (0..requests).flat_map(request).collect();
    hops.iter_mut().for_each(|hop| hop.last = hop.end.unwrap_or(hop.time));
    hops
}

#[test]
fn what_a_flow_costs_does_not_grow_with_the_trace() {
    for at_once in [1, 50] {
        let compared = |requests| {
            let hops = loopback(requests, at_once);
            RANKED.set(0);
            assert_eq!(tree(&hops).len(), hops.len());
            RANKED.get()
        };
        let (few, many) = (compared(200), compared(2000));
        assert!(many <= 11 * few, "{at_once} at once: {few} comparisons in 800 flows, {many} in 8000");
        assert!(many <= 8000 * 300, "{at_once} at once: {many} comparisons");
    }
    // all of them at once, and none over
    let open: Vec<_> =
        (0..4000).map(|n| hop(n + 1, &format!("127.0.0.1:{}>127.0.0.1:{} {n}-", 10_000 + n, 80 + n % 4))).collect();
    RANKED.set(0);
    assert_eq!(tree(&open).len(), 4000);
    assert!(RANKED.get() <= 4000 * 300, "{} comparisons", RANKED.get());
}
