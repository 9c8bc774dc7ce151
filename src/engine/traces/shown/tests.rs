use super::super::super::EngineOptions;
use super::super::super::looker::Job;
use super::super::super::script::{Log, port_fact};
use super::super::super::view::{DetailView, Query, Spot, View, Window};
use super::*;
use crate::filter::Filter;
use crate::model::{Dir, Event, EventKind, Fields, FlowId, Part};
use crate::time::Time;

/// A view of an engine that has taken in a log.
fn view(engine: &mut Engine, shown: Shown, filter: Option<&str>) -> Arc<View> {
    let filter = filter.map(|text| Arc::new(Filter::parse(text).unwrap()));
    engine.query(Query { generation: 1, filter, window: Window::Follow, height: 9, inspect: None, shown });
    engine.sweep(usize::MAX);
    engine.view()
}

fn engine(log: Log) -> Engine {
    let mut engine = Engine::new(EngineOptions::default());
    engine.take(log.turn(), &mut |_| {});
    engine
}

fn numbers(view: &View) -> Vec<u64> {
    view.traces.as_ref().unwrap().list.iter().map(|line| line.no.0).collect()
}

/// Three traces: one that failed, one that goes on, one of two flows; and a flow without any.
fn log() -> Log {
    let log = Log::default().began(1).open(1, 1).trace(1, 1, "a").close(1, 1, "500").open(1, 2).trace(1, 2, "b");
    let log = log.open(1, 3).trace(1, 3, "c").close(1, 3, "200").open(1, 4).trace(1, 4, "c").close(1, 4, "200");
    log.exchange(1, 5, "200")
}

#[test]
fn the_list_has_the_traces_of_matching_flows() {
    let mut engine = engine(log());
    let all = view(&mut engine, Shown::Traces, None);
    assert_eq!(numbers(&all), [1, 2, 3]);
    let list = &all.traces.as_ref().unwrap().list;
    let told: Vec<_> = list.iter().map(|line| (line.hops, line.errors, line.open, line.root.is_some())).collect();
    assert_eq!(told, [(1, 1, false, true), (1, 0, true, true), (2, 0, false, true)]);
    assert_eq!(all.traces.as_ref().unwrap().total, 3);
    assert!(all.rows.iter().any(|row| row.trace == Some((TraceNo(3), 2))) && all.rows.iter().any(|row| row.trace.is_none()));
    assert_eq!(numbers(&view(&mut engine, Shown::Traces, Some("not ok"))), [1]);
    assert_eq!(numbers(&view(&mut engine, Shown::Traces, Some("trace == c"))), [3]);
    assert!(view(&mut engine, Shown::Flows, None).traces.is_none(), "nobody looks at it");
    engine.clear();
    assert_eq!(numbers(&view(&mut engine, Shown::Traces, None)), [2], "of what is open the rest is not forgotten");
}

#[test]
fn a_table_stands_until_it_is_renewed() {
    let mut engine = engine(log());
    let before = view(&mut engine, Shown::Trace(TraceNo(3)), None);
    assert!(!engine.renew_tables(), "nothing has changed");
    engine.take(Log::default().skip(100).open(1, 9).trace(1, 9, "c").turn(), &mut |_| {});
    assert!(Arc::ptr_eq(before.trace.as_ref().unwrap(), engine.view().trace.as_ref().unwrap()));
    assert!(engine.renew_tables());
    assert_eq!(engine.view().trace.as_ref().unwrap().hops.len(), 3);
}

#[test]
fn a_waterfall_has_the_names_of_now_and_the_waits() {
    let fields = |key: &str| Part::Fields(Fields::default().with("amqp.exchange", "shop").with("amqp.routing_key", key));
    let log = Log::default().began(1).began(2);
    let published = log.open_as(1, 1, Pattern::Publish, "publish shop a").trace(1, 1, "t").part(1, 1, fields("a"));
    let mut log = published.close(1, 1, "ack").skip(50).open_as(2, 1, Pattern::Deliver, "deliver billing");
    // a delivery goes from the server to the client
    if let Some(Event { kind: EventKind::Open(_, opened), .. }) = log.events.last_mut() {
        opened.dir = Dir::ToClient;
    }
    let mut engine = engine(log.trace(2, 1, "t").part(2, 1, fields("a")).close(2, 1, "ack"));
    engine.learn(port_fact(80, "rabbit"));
    engine.learn(port_fact(50_002, "billing"));
    let view = view(&mut engine, Shown::Trace(TraceNo(1)), None);
    let waterfall = view.trace.as_ref().unwrap();
    let hop = |at: usize| &waterfall.hops[at];
    assert_eq!((hop(0).node.flow, hop(1).node.flow, hop(1).node.depth), (FlowId(1), FlowId(2), 1));
    assert_eq!((&*hop(1).from, &*hop(1).to), ("rabbit", "billing"));
    assert_eq!((hop(0).queued, hop(1).queued), (None, Some(hop(0).time)));
    assert_eq!(waterfall.services.iter().map(|s| &**s).collect::<Vec<_>>(), ["rabbit", "billing"]);
    assert!(hop(1).last > Some(hop(1).time) && hop(1).ok);
    assert!(Engine::new(EngineOptions::default()).view().trace.is_none());
}

#[test]
fn a_message_that_comes_again_waited_since_it_was_given_back() {
    let queued = |first: &str| {
        let again = "mq>-mail 70-90 id=t span=1 mid=m queue=q again=yes";
        let lines = ["shop>+mq 1-2 id=t span=1 mid=m", &format!("{first} id=t span=1 mid=m queue=q"), again];
        let (mut engine, _) = crate::engine::mesh::play(&lines, EngineOptions::default());
        let waterfall = view(&mut engine, Shown::Trace(TraceNo(1)), None).trace.clone().unwrap();
        let millis = |time: Time| time.since(crate::engine::script::at(0).time).nanos() / 1_000_000;
        waterfall.hops.iter().map(|hop| hop.queued.map(millis)).collect::<Vec<_>>()
    };
    assert_eq!(queued("mq>-mail 10-60"), [None, Some(1), Some(60)]);
    // whose consumer went away, and one of which nothing is known
    assert_eq!(queued("mq>-mail 10- ends=50"), [None, Some(1), Some(50)]);
    assert_eq!(queued("mq>-mail 10-"), [None, Some(1), None]);
}

#[test]
fn a_flow_that_several_may_have_caused_is_seen_below_each_of_them() {
    // two checkouts at once, and a call of theirs that carries nothing
    let lines = ["web>gate 1-90 id=t span=1", "web>gate 2-91 id=u span=2", "gate>orders 10-80"];
    let (mut engine, _) = crate::engine::mesh::play(&lines, EngineOptions::default());
    for no in [1, 2] {
        let waterfall = view(&mut engine, Shown::Trace(TraceNo(no)), None).trace.clone().unwrap();
        let told: Vec<_> =
            waterfall.hops.iter().map(|hop| (hop.node.flow.0, hop.node.depth, hop.guest, hop.maybe.len())).collect();
        assert_eq!(told, [(no, 0, false, 0), (3, 1, true, 2)]);
        assert_eq!((waterfall.line.hops, waterfall.why.path.len()), (1, 1), "it is no part of it");
        let spots: Vec<_> = waterfall.hops[1].maybe.iter().map(|candidate| candidate.spot).collect();
        assert_eq!(spots, [Spot::Hop(TraceNo(1), FlowId(1)), Spot::Hop(TraceNo(2), FlowId(2))]);
    }
    engine.query(Query {
        generation: 2,
        filter: None,
        window: Window::Follow,
        height: 9,
        inspect: Some(FlowId(3)),
        shown: Shown::Flows,
    });
    let Some(Job::Inspect(flow, candidates)) = engine.next_job(true) else { panic!("nobody looks at it") };
    assert_eq!((flow.row.id, candidates.len()), (FlowId(3), 2));
    let told = crate::engine::detail::doubted(DetailView::default(), candidates).overview;
    let told: Vec<_> = told.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(told[0].0, "maybe caused by");
    assert!(told[0].1.starts_with("GET / · web → gate, ") && told.len() == 2, "{told:?}");
    engine.clear();
    let gone = view(&mut engine, Shown::Trace(TraceNo(1)), None);
    assert!(gone.trace.is_none());
}

#[test]
fn a_flow_of_the_trace_that_several_of_it_may_have_caused_is_seen_below_each_of_them() {
    let lines =
        ["web>gate 1-90 id=t span=1", "gate>cat 10-80 id=t span=2", "gate>cat 11-81 id=t span=3", "cat>tax 20-70 id=t span=4"];
    let (mut engine, _) = crate::engine::mesh::play(&lines, EngineOptions::default());
    let waterfall = view(&mut engine, Shown::Trace(TraceNo(1)), None).trace.clone().unwrap();
    let told: Vec<_> = waterfall.hops.iter().map(|hop| (hop.node.flow.0, hop.node.depth, hop.guest, hop.maybe.len())).collect();
    let doubtful = (4, 2, true, 2);
    assert_eq!(told, [(1, 0, false, 0), (2, 1, false, 0), doubtful, (3, 1, false, 0), doubtful, (4, 0, false, 2)]);
    let flow = engine.flow(FlowId(4), true).unwrap();
    assert_eq!(flow.detail.unwrap().candidates, [FlowId(2), FlowId(3)]);
}

#[test]
fn a_flow_of_which_nothing_is_claimed_any_more_is_seen_below_each() {
    let [asked, first, call] = ["10.0.0.9:5>127.0.0.1:80", "127.0.0.1:7>127.0.0.1:81", "127.0.0.1:8>127.0.0.1:82"];
    let lines = [format!("{asked} 1-90 id=t"), format!("{first} 10-80 id=t"), format!("{call} 20-70 id=t")];
    let other = [format!("{asked} 1001-1090 id=u"), "127.0.0.1:9>127.0.0.1:82 1020-1070 id=u".to_owned()];
    let maybe = |lines: &[&[String]]| {
        let lines: Vec<_> = lines.concat();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let (mut engine, _) = crate::engine::mesh::play(&lines, EngineOptions::default());
        let waterfall = view(&mut engine, Shown::Trace(TraceNo(1)), None).trace.clone().unwrap();
        let below = waterfall.hops.iter().filter(|hop| hop.node.flow == FlowId(3)).map(|hop| (hop.node.depth, hop.guest));
        (below.collect::<Vec<_>>(), engine.flow(FlowId(3), true).unwrap().detail.unwrap().candidates.clone())
    };
    assert_eq!(maybe(&[&lines]), (vec![(2, false)], vec![]));
    // somebody else sends such, too
    assert_eq!(maybe(&[&lines, &other]), (vec![(2, true), (1, true), (0, false)], vec![FlowId(1), FlowId(2)]));
}

#[test]
fn of_many_that_a_request_may_have_caused_some_are_shown_and_all_are_counted() {
    let calls = (0..40).map(|n| format!("gate>orders {0}-{1} op=GET./{n}", 10 + n, 11 + n));
    let lines: Vec<_> =
        ["web>gate 1-90 id=t span=1", "web>gate 2-91 id=u span=2"].map(str::to_owned).into_iter().chain(calls).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let (mut engine, _) = crate::engine::mesh::play(&lines, EngineOptions::default());
    let waterfall = view(&mut engine, Shown::Trace(TraceNo(1)), None).trace.clone().unwrap();
    let Guests { shown, left } = waterfall.hops[0].guests;
    assert_eq!((shown, left, waterfall.hops.iter().filter(|hop| hop.guest).count()), (16, 24, 16));
}

#[test]
fn a_waterfall_tells_why() {
    let lines = ["web>gate 1-90 id=t span=1", "gate>orders 10-80 id=t span=2"];
    let (mut engine, _) = crate::engine::mesh::play(&lines, EngineOptions::default());
    let why = view(&mut engine, Shown::Trace(TraceNo(1)), None).trace.as_ref().unwrap().why.clone();
    assert_eq!((why.cause, why.path.iter().map(|step| step.flow.0).collect::<Vec<_>>()), (None, vec![1, 2]));
}
