//! Whatever happens in a watch, in whatever order.

use super::*;
use proptest::prelude::*;

/// What may happen in a watch.
#[derive(Clone, Debug)]
enum Act {
    Log(u8, u64, u64),
    Query(u8, u8),
    Name,
    Sweep(usize),
    Look,
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (0..10u8, 1..4u64, 0..4u64).prop_map(|(what, c, k)| Act::Log(what, c, k)),
        1 => (0..4u8, 0..3u8).prop_map(|(filter, window)| Act::Query(filter, window)),
        1 => Just(Act::Name),
        2 => (0..5usize).prop_map(Act::Sweep),
        2 => Just(Act::Look),
        1 => Just(Act::Clear),
    ]
}

const FILTERS: [Option<&str>; 4] = [None, Some("not ok"), Some("server == shop"), Some("header.host == a and not body")];

fn log_of(what: u8, c: u64, k: u64) -> Log {
    let log = Log::default();
    match what {
        0 => log.began(c),
        1 | 2 => log.open(c, k),
        3 => log.head(c, k, Dir::ToServer, "Host", if k == 1 { "a" } else { "b" }),
        4 => log.body(c, k, Dir::ToClient, &[b'x'; 3000]),
        5 => log.message(c, k, Dir::ToClient, b"m"),
        6 => log.trace(c, k, if k == 2 { "t" } else { "u" }),
        7 => log.close(c, k, "500"),
        8 => log.close(c, k, "200"),
        _ => log.ended(c),
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_list_is_what_matches_and_every_flow_settles_once(
        acts in prop::collection::vec(act(), 1..200),
        max_memory in prop_oneof![Just(0), Just(6000), Just(20_000), Just(1 << 20)],
        keep in any::<bool>(),
    ) {
        let mut engine = Engine::new(EngineOptions { max_memory, keep, ..EngineOptions::default() });
        let mut filter = None;
        let mut hidden = 0;
        let mut settled = Vec::new();
        let mut out = |record| if let super::super::super::Record::Flow(flow) = record { settled.push(flow.row.id.0) };
        for (n, act) in acts.into_iter().enumerate() {
            match act {
                Act::Log(what, c, k) => {
                    let log = log_of(what, c, k);
                    engine.take(log.turn(), &mut out);
                }
                Act::Query(which, window) => {
                    filter = FILTERS[which as usize];
                    let window = [Window::Follow, Window::Top, Window::From(FlowId(3))][window as usize];
                    engine.query(Query { inspect: Some(FlowId(2)), ..query(n as u64, filter, window, 3) });
                }
                Act::Name => _ = engine.learn(port_fact(80, if n % 2 == 0 { "shop" } else { "other" })),
                Act::Sweep(rows) => _ = engine.sweep(rows),
                Act::Look => _ = engine.next_job(true).map(|job| answer(&mut engine, job)),
                Act::Clear => {
                    engine.clear();
                    hidden = engine.store.next_id().0;
                }
            }
            let view = engine.view();
            prop_assert!(view.rows.len() <= 9 && view.top <= view.rows.len());
        }
        while engine.sweep(7) {}
        look_at_all(&mut engine);
        let ids: Vec<_> = engine.store.ids().filter(|id| id.0 >= hidden).collect();
        if engine.screen.query.is_some() {
            let judge = filter.map(|text| Filter::parse(text).unwrap());
            let matching: Vec<_> = ids.iter().copied()
                .filter(|&id| engine.flow(id, true).is_some_and(|flow| judge.as_ref().is_none_or(|f| f.matches(flow.as_ref()))))
                .collect();
            // a detail that was evicted since a flow was judged is not missed: its verdict stands
            if max_memory == 1 << 20 || filter.is_none_or(|text| !text.contains("header")) {
                prop_assert_eq!(engine.screen.list.0.iter().copied().collect::<Vec<_>>(), matching);
            }
        }
        let opened = engine.store.next_id().0 - 1;
        engine.take(Turn { last: true, ..Turn::default() }, &mut out);
        settled.sort_unstable();
        prop_assert_eq!(settled, (1..=opened).collect::<Vec<_>>());
        engine.clear();
        for c in 1..4 {
            engine.event(Log::default().ended(c).events.remove(0), &mut |_| {});
        }
        prop_assert_eq!(engine.store.used(), 0);
    }
}
