//! The core from outside: events in, records out.

mod names;

use super::flow::MAX_MESSAGES;
use super::script::{Log, at, conn, connections, flows, key, run, stats};
use super::*;
use crate::model::{Closed, Dir, Issue, Part, Pattern, State};

#[test]
fn an_exchange_comes_out_whole_once_and_stats_are_last() {
    let log = Log::default().began(1).open(1, 0).head(1, 0, Dir::ToServer, "Host", "a").body(1, 0, Dir::ToServer, b"abc");
    let log = log.trace(1, 0, "4bf9").note(1, 0, Issue::JOINED).note(1, 0, Issue::JOINED);
    let log = log.head(1, 0, Dir::ToClient, "Server", "b").body(1, 0, Dir::ToClient, b"hello").close(1, 0, "200").ended(1);
    let records = run(EngineOptions::default(), vec![log.last()]);
    let [flow] = flows(&records)[..] else { panic!("one flow: {records:?}") };
    let row = &flow.row;
    assert_eq!(
        (row.id, row.protocol, &*row.operation, row.status.as_deref(), row.ok),
        (FlowId(1), "http", "GET /", Some("200"), true)
    );
    assert_eq!((row.state, row.bytes, row.trace_id.as_deref()), (State::Settled, 8, Some("4bf9")));
    assert_eq!((row.time, row.duration), (at(2).time, Some(Span::from_millis(10))));
    assert_eq!((flow.connection, flow.client.label(), flow.server.label()), (1, "10.0.0.1:50001", "10.0.0.2:80"));
    let detail = flow.detail.as_ref().unwrap();
    let (request, response) = (detail.request.as_ref().unwrap(), detail.response.as_ref().unwrap());
    assert_eq!((request.headers.get("host"), &request.body.kept[..], request.body.whole), (Some(&b"a"[..]), &b"abc"[..], true));
    assert_eq!((&response.body.kept[..], response.first), (&b"hello"[..], at(8 + 1)));
    assert_eq!(detail.notes, [Issue::JOINED], "once");
    assert!(matches!(&records[1..], [Record::Connection(_), Record::Stats(_)]));
    assert_eq!((stats(&records).connections, &stats(&records).flows[..], stats(&records).unplaced), (1, &[("http", 1)][..], 0));
    let [connection] = connections(&records)[..] else { panic!() };
    assert_eq!((connection.id, connection.protocol, &connection.head[..], connection.gaps), (1, None, &b"raw"[..], 2));
    assert_eq!(connection.duration, Span::from_millis(12));
}

#[test]
fn a_finished_exchange_never_takes_no_time() {
    let mut log = Log::default().began(1).open(1, 0).close(1, 0, "200");
    let open = log.events[1].at;
    if let EventKind::Close(_, closed) = &mut log.events[2].kind {
        closed.last = Some(open);
    }
    let records = run(EngineOptions::default(), vec![log.last()]);
    assert_eq!(flows(&records)[0].row.duration.unwrap().micros_up(), 1);
}

#[test]
fn a_response_alone_has_no_request() {
    let log = Log::default()
        .began(1)
        .open(1, 0)
        .note(1, 0, Issue::NO_REQUEST)
        .head(1, 0, Dir::ToClient, "Server", "b")
        .close(1, 0, "200");
    let records = run(EngineOptions::default(), vec![log.last()]);
    let detail = flows(&records)[0].detail.clone().unwrap();
    assert!(detail.request.is_none() && detail.response.is_some());
}

#[test]
fn flows_settle_in_the_order_in_which_they_complete() {
    let log = Log::default().began(1).open(1, 0).open(1, 1).open(1, 2).close(1, 2, "200").close(1, 0, "200").close(1, 1, "200");
    let records = run(EngineOptions::default(), vec![log.last()]);
    assert_eq!(flows(&records).iter().map(|f| f.row.id.0).collect::<Vec<_>>(), [3, 1, 2]);
}

#[test]
fn what_is_open_at_the_end_is_pending_unless_it_is_one_way() {
    let log = Log::default().began(1).open(1, 7).open_as(1, 8, Pattern::Publish, "publish a").open(1, 9);
    let records =
        run(EngineOptions::default(), vec![log.clone().turn(), Turn { last: true, until: log.now(), ..Turn::default() }]);
    let flows = flows(&records);
    let words: Vec<_> = flows.iter().map(|f| (f.row.id.0, f.row.status.as_deref(), f.row.duration)).collect();
    assert_eq!(words, [(1, Some("pending"), None), (2, None, None), (3, Some("pending"), None)]);
    assert_eq!(stats(&records).flows, [("http", 3)]);
}

#[test]
fn a_last_turn_that_comes_twice_is_the_end_once() {
    let records = run(EngineOptions::default(), vec![Log::default().last(), Log::default().last()]);
    assert_eq!(records.len(), 1);
}

#[test]
fn what_finds_no_place_is_counted() {
    let log = Log::default().body(1, 0, Dir::ToServer, b"nobody").close(1, 0, "200").note(1, 0, Issue::CUT).open(1, 0).ended(1);
    let log = log.began(1).began(1).open(1, 5).close(1, 5, "200").close(1, 5, "200").ended(1).ended(1);
    let records = run(EngineOptions::default(), vec![log.last()]);
    // two parts, a close, a note, an open and an end without a connection; a connection, a close and an end a second time
    assert_eq!(stats(&records).unplaced, 9);
    assert_eq!((flows(&records).len(), connections(&records).len()), (1, 1));
}

#[test]
fn what_a_decoder_leaves_open_goes_with_its_connection() {
    let log = Log::default().began(1).open(1, 0).ended(1).began(2).exchange(2, 0, "200");
    let records = run(EngineOptions::default(), vec![log.turn()]);
    let told: Vec<_> = flows(&records).iter().map(|flow| (flow.row.id, flow.row.status.as_deref())).collect();
    assert_eq!(told, [(FlowId(1), Some(crate::model::PENDING)), (FlowId(2), Some("200"))], "the run goes on");
}

#[test]
fn who_hung_up_waits_no_longer_though_the_other_end_closes_much_later() {
    let log = Log::default().began(1).open(1, 0).trace(1, 0, "4bf9");
    let hung_up = log.now().time;
    let log = log.note(1, 0, Issue::CUT).ended_after(1, Some((Dir::ToServer, hung_up)));
    let mut engine = Engine::new(EngineOptions::default());
    engine.take(log.turn(), &mut |_| {});
    assert_eq!(engine.traces.hop_mut(FlowId(1)).unwrap().extra().let_go, Some(hung_up));
}

#[test]
fn a_key_that_opens_again_gives_up_the_earlier_flow() {
    let log = Log::default().began(1).open(1, 0).open(1, 0).close(1, 0, "200");
    let records = run(EngineOptions::default(), vec![log.last()]);
    let words: Vec<_> = flows(&records).iter().map(|f| f.row.status.as_deref().unwrap().to_owned()).collect();
    assert_eq!(words, ["pending", "200"]);
}

#[test]
fn a_side_keeps_its_newest_thousand_messages_and_counts_the_rest() {
    let mut log = Log::default().began(1).open(1, 0);
    for n in 0..MAX_MESSAGES + 5 {
        log = log.message(1, 0, Dir::ToClient, n.to_string().as_bytes());
    }
    let records = run(EngineOptions::default(), vec![log.close(1, 0, "200").last()]);
    let response = flows(&records)[0].detail.as_ref().unwrap().response.clone().unwrap();
    assert_eq!((response.messages.len(), response.messages_dropped), (MAX_MESSAGES, 5));
    assert_eq!((&response.messages[0].body.kept[..], flows(&records)[0].row.bytes), (&b"5"[..], 2890 + 5 * 4));
}

#[test]
fn messages_are_bounded_in_bytes_too() {
    let mut log = Log::default().began(1).open(1, 0);
    for _ in 0..100 {
        log = log.message(1, 0, Dir::ToClient, &[b'x'; 100]);
    }
    let options = EngineOptions { body_limit: 50, ..EngineOptions::default() };
    let records = run(options, vec![log.close(1, 0, "200").last()]);
    let response = flows(&records)[0].detail.as_ref().unwrap().response.clone().unwrap();
    assert_eq!((response.messages.len(), response.messages_dropped), (16, 84));
    assert!(response.messages.iter().all(|m| m.body.kept.len() == 50 && m.body.bytes == 100));
    assert_eq!(response.messages_kept, 16 * 50);
}

#[test]
fn a_body_keeps_its_beginning_up_to_the_limit_and_nothing_after_a_hole() {
    let body = |bytes: &[u8]| Part::Body(Dir::ToServer, bytes.to_vec());
    let end = |bytes, whole| Part::BodyEnd { dir: Dir::ToServer, bytes, whole };
    let log = Log::default()
        .began(1)
        .open(1, 0)
        .part(1, 0, body(b"abc"))
        .part(1, 0, body(b"def"))
        .part(1, 0, body(b"g"))
        .close(1, 0, "200");
    let log = log
        .open(1, 1)
        .part(1, 1, body(b"ab"))
        .part(1, 1, end(10, false))
        .part(1, 1, body(b"cd"))
        .part(1, 1, end(12, false))
        .close(1, 1, "200");
    let records = run(EngineOptions { body_limit: 5, ..EngineOptions::default() }, vec![log.last()]);
    let bodies: Vec<_> =
        flows(&records).iter().map(|f| (f.row.bytes, f.detail.as_ref().unwrap().request.clone().unwrap().body)).collect();
    assert_eq!((bodies[0].0, &bodies[0].1.kept[..], bodies[0].1.partial()), (7, &b"abcde"[..], true));
    assert_eq!((bodies[1].0, &bodies[1].1.kept[..], bodies[1].1.bytes), (12, &b"ab"[..], 12));
}

#[test]
fn the_same_events_give_the_same_records_however_turns_cut_them() {
    let mut log = Log::default().began(1).began(2);
    for n in 0..40 {
        let c = 1 + n % 2;
        log = log.exchange(c, n, if n % 7 == 0 { "500" } else { "200" }).open(c, 100 + n).skip(n * 5);
        if n == 20 {
            log = log.named(80, "late");
        }
        if n % 3 == 0 {
            log = log.close(c, 100 + n, "201");
        }
    }
    let log = log.ended(1);
    let until = log.now();
    let print = |turns: Vec<Turn>| {
        let (resolver, _silent) = crossbeam_channel::bounded(1);
        let mut engine = Engine::new(EngineOptions { resolver: Some(resolver), ..EngineOptions::default() });
        let mut out = Vec::new();
        turns.into_iter().for_each(|turn| engine.take(turn, &mut |r| out.push(format!("{r:?}"))));
        out
    };
    let whole = print(vec![Turn { events: log.events.clone(), until, last: true, ..Turn::default() }]);
    assert_eq!(whole.len(), 80 + 1 + 1);
    for size in [1, 2, 3, 17] {
        let mut turns: Vec<_> = log
            .events
            .chunks(size)
            .map(|e| Turn { events: e.to_vec(), until: e.last().unwrap().at, ..Turn::default() })
            .collect();
        turns.push(Turn { until, last: true, ..Turn::default() });
        assert_eq!(print(turns), whole, "{size}");
    }
}

#[test]
fn everything_is_given_back_when_flows_and_connections_are_gone() {
    let mut engine = Engine::new(EngineOptions { keep: false, ..EngineOptions::default() });
    let mut log = Log::default();
    for c in 1..200 {
        log = log.began(c).trace(c, 0, "x").open(c, 0).trace(c, 0, "t").head(c, 0, Dir::ToServer, "A", "b").message(
            c,
            0,
            Dir::ToServer,
            b"body",
        );
        log = log
            .body(c, 0, Dir::ToClient, &[0; 5000])
            .open(c, 1)
            .note(c, 0, Issue::CUT)
            .close(c, 0, "200")
            .ended(c)
            .close(c, 1, "200");
    }
    let mut flows = 0;
    let mut stats = Stats::default();
    engine.take(log.last(), &mut |record| match record {
        Record::Flow(_) => flows += 1,
        Record::Connection(_) | Record::Trace(_) | Record::Finding(_) => {}
        Record::Stats(s) => stats = s,
    });
    assert_eq!((flows, engine.store.used(), engine.store.count_from(FlowId(0))), (398, 0, 0));
    assert_eq!(
        (stats.evicted_flows, stats.evicted_details, stats.evicted_bodies),
        (0, 0, 0),
        "without a screen nothing is evicted"
    );
    assert!(engine.conns.get(conn(1)).is_none() && engine.open.is_empty());
    assert!(stats.peak_memory < 200_000, "{}", stats.peak_memory);
}

#[test]
fn open_flows_that_fill_the_budget_keep_no_more_bodies_and_it_is_counted() {
    let mut log = Log::default().began(1);
    for n in 0..10 {
        log = log.open(1, n).part(1, n, Part::Body(Dir::ToServer, vec![b'x'; 10_000])).part(
            1,
            n,
            Part::Body(Dir::ToServer, vec![b'x'; 10_000]),
        );
    }
    for n in 0..10 {
        log = log.close(1, n, "200");
    }
    let records = run(EngineOptions { max_memory: 64 << 10, ..EngineOptions::default() }, vec![log.last()]);
    let kept: Vec<_> = flows(&records).iter().map(|f| f.detail.as_ref().unwrap().request.clone().unwrap().body).collect();
    assert!(kept.iter().all(|b| b.bytes == 20_000));
    assert_eq!(kept[0].kept.len(), 20_000);
    assert_eq!(kept[9].kept.len(), 0);
    assert!(stats(&records).evicted_bodies >= 5, "{:?}", stats(&records));
    assert!(stats(&records).peak_memory < 100_000);
}

#[test]
fn open_flows_that_fill_the_budget_are_given_up_from_the_oldest_on() {
    const OPEN: u64 = 2000;
    let mut log = Log::default().began(1);
    for n in 0..OPEN {
        log = log.open(1, n).head(1, n, Dir::ToServer, "host", "shop").trace(1, n, "4bf9");
    }
    for n in 0..OPEN {
        log = log.head(1, n, Dir::ToClient, "server", "x").close(1, n, "200");
    }
    let records = run(EngineOptions { max_memory: 256 << 10, ..EngineOptions::default() }, vec![log.last()]);
    let given_up = |flow: &Flow| flow.detail.as_ref().is_some_and(|detail| detail.notes.contains(&life::NO_ROOM));
    let flows = flows(&records);
    let (gone, whole): (Vec<&Flow>, Vec<&Flow>) = flows.iter().partition(|flow| given_up(flow));
    assert_eq!((flows.len() as u64, stats(&records).unplaced), (OPEN, 0));
    assert!(gone.len() as u64 > OPEN / 2 && !whole.is_empty(), "{} of {OPEN}", gone.len());
    assert!(
        gone.iter().all(|flow| flow.row.status.is_none()) && whole.iter().all(|flow| flow.row.status.as_deref() == Some("200"))
    );
    assert!(gone.iter().map(|flow| flow.row.id).max() < whole.iter().map(|flow| flow.row.id).min(), "the oldest");
    assert!(stats(&records).peak_memory < 1 << 20, "{}", stats(&records).peak_memory);
}

#[test]
fn a_close_with_the_wrong_key_touches_nothing() {
    let closed = Closed { status: None, ok: true, last: None };
    let log = Log::default().began(1).open(1, 0).kind(1, EventKind::Close(key(1), Box::new(closed))).close(1, 0, "200");
    let records = run(EngineOptions::default(), vec![log.last()]);
    assert_eq!((flows(&records).len(), stats(&records).unplaced), (1, 1));
}
