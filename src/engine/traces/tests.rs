use super::*;
use crate::engine::script::{Log, at, run, stats};
use crate::engine::{EngineOptions, Record};

const LONG: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What an engine without a screen tells of a log: trace ID and flows of each trace, in the order in which they are told.
fn told(options: EngineOptions, log: Log) -> Vec<(String, Vec<u64>)> {
    let records = run(EngineOptions { keep: false, ..options }, vec![log.last()]);
    assert_eq!(stats(&records).unplaced, 0);
    let trace = |record: &Record| match record {
        Record::Trace(trace) => Some((trace.trace_id.to_string(), trace.tree.iter().map(|node| node.flow.0).collect())),
        _ => None,
    };
    records.iter().filter_map(trace).collect()
}

fn check(log: Log, wanted: &[(&str, &[u64])]) {
    let told = told(EngineOptions::default(), log);
    let wanted: Vec<_> = wanted.iter().map(|(id, flows)| ((*id).to_owned(), flows.to_vec())).collect();
    assert_eq!(told, wanted);
}

/// A second of packets in which nothing happens, but that time passes.
fn second(log: Log) -> Log {
    log.skip(1000).note(9, 9, Issue::remark("time passes"))
}

fn start() -> Log {
    Log::default().began(1).began(9).open(9, 9)
}

#[test]
fn flows_of_one_id_are_one_trace() {
    let log = start().open(1, 1).trace(1, 1, LONG).close(1, 1, "200").open(1, 2).trace(1, 2, "other").close(1, 2, "200");
    check(log.open(1, 3).trace(1, 3, LONG).close(1, 3, "200"), &[(LONG, &[2, 4]), ("other", &[3])]);
}

#[test]
fn an_id_of_64_bits_is_the_lower_half_of_the_long_one() {
    let (short, none) = ("a3ce929d0e0e4736", "a3ce929d0e0e4737");
    let long_first = start().open(1, 1).trace(1, 1, LONG).open(1, 2).trace(1, 2, short).open(1, 3).trace(1, 3, none);
    check(long_first, &[(LONG, &[2, 3]), (none, &[4])]);
    let short_first = start().open(1, 1).trace(1, 1, short).open(1, 2).trace(1, 2, LONG);
    check(short_first, &[(short, &[2, 3])]);
}

#[test]
fn two_of_one_lower_half_are_two_and_the_short_one_is_the_first() {
    let other = "0000000000000001a3ce929d0e0e4736";
    let log = start().open(1, 1).trace(1, 1, LONG).open(1, 2).trace(1, 2, other);
    check(log.open(1, 3).trace(1, 3, &LONG[16..]), &[(LONG, &[2, 4]), (other, &[3])]);
}

#[test]
fn a_trace_is_told_when_it_has_been_quiet_and_again_when_it_grows() {
    let mut log = start().open(1, 1).trace(1, 1, LONG).close(1, 1, "200");
    for _ in 0..6 {
        log = second(log);
    }
    // told by now: the other one, which begins only now, comes after it
    log = log.open(1, 2).trace(1, 2, "other").close(1, 2, "200").open(1, 3).trace(1, 3, LONG);
    // it is open for long
    for _ in 0..9 {
        log = second(log);
    }
    log = log.close(1, 3, "200");
    check(log, &[(LONG, &[2]), ("other", &[3]), (LONG, &[2, 4])]);
}

#[test]
fn the_first_context_is_the_flows_trace() {
    check(start().open(1, 1).trace(1, 1, LONG).trace(1, 1, "second").close(1, 1, "200"), &[(LONG, &[2])]);
}

#[test]
fn a_full_table_tells_the_oldest_and_forgets_it() {
    // room for some ten traces of one flow
    let options = || EngineOptions { max_memory: 16 * 10 * (TRACE_COST + HOP_COST), ..EngineOptions::default() };
    let ids: Vec<String> = (0..40).map(|n| format!("{n:032x}")).collect();
    let mut log = start();
    for (n, id) in ids.iter().enumerate() {
        log = log.open(1, n as u64).trace(1, n as u64, id).close(1, n as u64, "200");
    }
    let told = told(options(), log.clone());
    // each exactly once, in order, though most had to go
    assert_eq!(told.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), ids);
    let records = run(EngineOptions { keep: false, ..options() }, vec![log.last()]);
    assert_eq!(stats(&records).evicted_traces, 30);
}

#[test]
fn the_oldest_make_room_where_no_time_passes() {
    let options = EngineOptions { max_memory: 16 * 10 * (TRACE_COST + HOP_COST), keep: false, ..EngineOptions::default() };
    let mut log = start();
    for n in 0..40 {
        log = log.open(1, n).trace(1, n, &format!("{n:032x}")).close(1, n, "200");
    }
    let mut turn = log.turn();
    turn.until = at(1);
    turn.events.iter_mut().for_each(|event| event.at.time = at(1).time);
    let records = run(options, vec![turn]);
    assert_eq!(records.iter().filter(|record| matches!(record, Record::Trace(_))).count(), 30);
}

#[test]
fn a_trace_of_too_many_flows_counts_the_rest() {
    let mut log = start();
    for n in 0..MAX_HOPS as u64 + 5 {
        log = log.open(1, n).trace(1, n, LONG).close(1, n, "200");
    }
    let records = run(EngineOptions { keep: false, ..EngineOptions::default() }, vec![log.last()]);
    let traces: Vec<_> = records.iter().filter_map(|r| if let Record::Trace(trace) = r { Some(trace) } else { None }).collect();
    assert_eq!((traces.len(), traces[0].tree.len(), traces[0].complete), (1, MAX_HOPS, false));
}

#[test]
fn a_record_tells_what_is_missing_and_what_failed() {
    let one = |log: Log| {
        let records = run(EngineOptions { keep: false, ..EngineOptions::default() }, vec![log.last()]);
        let Some(Record::Trace(trace)) = records.iter().find(|r| matches!(r, Record::Trace(_))) else { panic!("{records:#?}") };
        (trace.complete, trace.errors, trace.duration, trace.services.iter().map(|s| s.to_string()).collect::<Vec<_>>())
    };
    let served = vec!["10.0.0.2:80".to_owned()];
    let open = start().open(1, 1).trace(1, 1, LONG);
    // from the packet of the first byte to that of the last
    assert_eq!(one(open.clone().close(1, 1, "200")), (true, 0, Span::from_millis(2), served.clone()));
    assert_eq!(one(open.clone().close(1, 1, "503")), (true, 1, Span::from_millis(2), served.clone()));
    assert_eq!(one(open.clone()), (false, 1, Span::default(), served.clone()));
    let (complete, ..) = one(open.close(1, 1, "200").open(1, 2).trace(1, 2, LONG).close(1, 2, "200"));
    assert!(!complete, "two roots: their common parent was not seen");
}

#[test]
fn what_turns_out_to_be_more_special_is_known_as_that() {
    use crate::engine::findings::rig::{call, flow};
    use crate::model::Pattern;
    let mut hop = begun(call(1, "web>gate 1-9 POST /shop.Prices/Quote 200").as_ref());
    hop.renew(flow(1, Pattern::Unary, "grpc", "web>gate 1-9 /shop.Prices/Quote OK").as_ref());
    assert_eq!((hop.protocol, hop.pattern, &*hop.operation), ("grpc", Pattern::Unary, "/shop.Prices/Quote"));
}
