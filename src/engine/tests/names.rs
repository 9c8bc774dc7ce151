//! Who the ends of flows are: names that come early, late and never, and roles that turn out otherwise.

use super::super::script::{Log, at, conn, connections, flows, run};
use super::super::*;

use crate::model::{Ask, Dir, Naming, Origin, OwnedEnd, Owner, Pattern, SourceId, Zone};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

#[test]
fn names_are_what_was_known_when_a_flow_settled() {
    let log = Log::default().began(1).exchange(1, 0, "200").named(80, "shop").exchange(1, 1, "200").ended(1);
    let records = run(EngineOptions::default(), vec![log.last()]);
    let names: Vec<_> = flows(&records).iter().map(|f| f.server.label().to_owned()).collect();
    assert_eq!(names, ["10.0.0.2:80", "shop"]);
    assert_eq!(connections(&records)[0].server.label(), "shop");
}

#[test]
fn a_port_names_either_side_and_the_file_names_addresses() {
    let options = EngineOptions { names: vec![(Scope::Port(50_001), "browser".into())], ..EngineOptions::default() };
    let news =
        vec![SourceNews::Opened(SourceId(0), "lo".into()), SourceNews::Name("10.0.0.2".parse().unwrap(), "backend".into())];
    let turn = Turn { news, ..Log::default().began(1).exchange(1, 0, "200").last() };
    let records = run(options, vec![turn]);
    let flow = flows(&records)[0];
    assert_eq!((flow.client.label(), flow.server.label()), ("browser", "backend"));
    assert_eq!(flow.sources, ["lo".into()]);
}

#[test]
fn a_flow_waits_for_a_name_until_it_comes_or_its_time_is_over() {
    let server: SocketAddr = "10.0.0.2:80".parse().unwrap();
    let start = |ends: &str| {
        let (resolver, asked) = crossbeam_channel::bounded(1);
        let mut engine = Engine::new(EngineOptions { resolver: Some(resolver), ..EngineOptions::default() });
        let mut out = Vec::new();
        engine.take(Log::default().began(1).exchange(1, 0, ends).exchange(1, 1, ends).turn(), &mut |r| out.push(r));
        assert!(out.is_empty(), "both wait");
        let Ask { conn: about, client, server, .. } = asked.try_recv().unwrap();
        assert_eq!((about, server), (conn(1), "10.0.0.2:80".parse().unwrap()));
        assert!(engine.learn(Fact::Owned { conn: about, end: client, owner: None }), "of the client nobody knows");
        engine
    };
    let settled = |engine: &mut Engine, turn: Turn| {
        let mut out = Vec::new();
        engine.take(turn, &mut |r| out.push(r));
        flows(&out).iter().map(|f| f.server.label().to_owned()).collect::<Vec<_>>()
    };

    let mut engine = start("200");
    let fact = Fact::Owned { conn: conn(1), end: server, owner: Some(owner("shop")) };
    let named = Log::default().skip(20).kind(1, EventKind::Fact(Box::new(fact))).kind(1, EventKind::SeenBy(SourceId(1))).turn();
    assert_eq!(settled(&mut engine, named), ["shop", "shop"]);

    let mut engine = start("200");
    // the first completed at 5 ms, the second at 9 ms
    assert_eq!(settled(&mut engine, Turn { until: at(2304), ..Turn::default() }).len(), 0);
    assert_eq!(settled(&mut engine, Turn { until: at(2305), ..Turn::default() }), ["10.0.0.2:80"]);
    assert_eq!(settled(&mut engine, Turn { until: at(200), ..Turn::default() }).len(), 0, "time does not go back");
    assert_eq!(settled(&mut engine, Turn { until: at(2309), ..Turn::default() }).len(), 1);

    let mut engine = start("200");
    engine.learn(Fact::Owned { conn: conn(1), end: server, owner: None });
    assert_eq!(settled(&mut engine, Turn { until: at(21), ..Turn::default() }).len(), 2, "nobody looks any more");

    let mut engine = start("200");
    assert_eq!(settled(&mut engine, Turn { until: at(10), last: true, ..Turn::default() }).len(), 2, "at the end nothing waits");
}

#[test]
fn a_flow_waits_for_the_names_of_those_that_began_before_it() {
    let start = || {
        let (resolver, asked) = crossbeam_channel::bounded(2);
        let mut engine = Engine::new(EngineOptions { resolver: Some(resolver), ..EngineOptions::default() });
        let mut out = Vec::new();
        let log = Log::default().began(1).open(1, 0).began(2).exchange(2, 0, "200");
        engine.take(log.turn(), &mut |r| out.push(r));
        let [_, Ask { client, server, .. }] = [asked.recv().unwrap(), asked.recv().unwrap()];
        for end in [client, server] {
            engine.learn(Fact::Owned { conn: conn(2), end, owner: None });
        }
        assert!(out.is_empty());
        engine
    };
    let settled = |engine: &mut Engine, ms| {
        let mut out = Vec::new();
        engine.take(Turn { until: at(ms), ..Turn::default() }, &mut |r| out.push(r));
        flows(&out).len()
    };
    let mut engine = start();
    assert_eq!(settled(&mut engine, 400), 0, "who was asked meanwhile is not known");
    for end in ["10.0.0.1:50001", "10.0.0.2:80"] {
        engine.learn(Fact::Owned { conn: conn(1), end: end.parse().unwrap(), owner: None });
    }
    assert_eq!(settled(&mut engine, 401), 1);
    let mut engine = start();
    assert_eq!((settled(&mut engine, 1999), settled(&mut engine, 2400)), (0, 1), "not for ever");
}

#[test]
fn roles_may_turn_out_otherwise() {
    let (a, b) = ("10.0.0.1:50001".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    let log = Log::default()
        .began(1)
        .open(1, 0)
        .kind(1, EventKind::Oriented(b, a))
        .open(1, 1)
        .close(1, 0, "200")
        .close(1, 1, "200")
        .ended(1);
    let records = run(EngineOptions::default(), vec![log.last()]);
    assert!(flows(&records).iter().all(|f| &*f.client.addr == "10.0.0.2:80" && &*f.server.addr == "10.0.0.1:50001"));
    assert_eq!(&*connections(&records)[0].client.addr, "10.0.0.2:80");
}

fn owner(service: &str) -> Arc<Owner> {
    Arc::new(Owner { service: service.into(), origin: Origin::Script, pid: Some(7), container: None, process: None })
}

#[test]
fn who_writes_files_is_told_what_the_screen_shows() {
    let (namer, told) = crossbeam_channel::unbounded();
    let user = |scope, name: &str| (scope, Arc::from(name));
    let names = vec![user(Scope::Ip([127, 0, 0, 2].into()), "mine"), user(Scope::Port(80), "shop")];
    let mut engine = Engine::new(EngineOptions { namer: Some(namer), names, ..EngineOptions::default() });
    engine.take(Log::default().began(1).turn(), &mut |_| {});
    let [client, server]: [SocketAddr; 2] = ["10.0.0.1:50001", "10.0.0.2:80"].map(|end| end.parse().unwrap());
    for end in [client, server] {
        engine.learn(Fact::Owned { conn: conn(1), end, owner: Some(owner("app")) });
    }
    engine.learn(Fact::Owned { conn: conn(1), end: client, owner: None });
    for (ip, rank) in [([127, 0, 0, 1], Rank::System), ([10, 0, 0, 1], Rank::System), ([10, 0, 0, 1], Rank::Capture)] {
        engine.learn(Fact::Named { scope: Scope::Ip(ip.into()), rank, service: format!("{rank:?}").into() });
    }
    let end = |end, service: &str, pid| {
        let owner = Owner { service: service.into(), origin: Origin::File, pid, container: None, process: None };
        OwnedEnd { end, owner: Arc::new(owner) }
    };
    let ends = |ends| Naming::Ends { conn: conn(1), between: [client, server], zone: Zone::default(), ends };
    let expected = [
        Naming::Address([127, 0, 0, 2].into(), "mine".into()),
        ends(vec![end(server, "shop", None)]),
        Naming::Passed(at(1).packet),
        ends(vec![end(client, "app", Some(7)), end(server, "shop", None)]),
        ends(vec![end(client, "app", Some(7)), end(server, "shop", Some(7))]),
        Naming::Address([10, 0, 0, 1].into(), "System".into()),
        Naming::Address([10, 0, 0, 1].into(), "System".into()),
    ];
    assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn that_a_process_was_gone_is_no_name_for_a_file() {
    let (namer, told) = crossbeam_channel::unbounded();
    let names = vec![(Scope::Port(80), Arc::from("shop"))];
    let mut engine = Engine::new(EngineOptions { namer: Some(namer), names, ..EngineOptions::default() });
    engine.take(Log::default().began(1).turn(), &mut |_| {});
    for end in ["10.0.0.1:50001", "10.0.0.2:80"] {
        let owner = Some(Arc::new(Owner::gone(0, true)));
        engine.learn(Fact::Owned { conn: conn(1), end: end.parse().unwrap(), owner });
    }
    let mut names = BTreeSet::new();
    for naming in told.try_iter() {
        if let Naming::Ends { ends, .. } = naming {
            names.extend(ends.iter().map(|OwnedEnd { end, owner }| (end.port(), owner.service.to_string())));
        }
    }
    assert_eq!(names, BTreeSet::from([(80, "shop".to_owned())]), "what the user calls it is one");
}

#[test]
fn two_services_never_swap_names_when_a_port_is_used_again() {
    let end: SocketAddr = "10.0.0.1:50001".parse().unwrap();
    let mut engine = Engine::new(EngineOptions::default());
    let mut out = |_| {};
    // the same two sockets twice: another process each time
    engine.take(Log::default().began(1).exchange(1, 0, "200").ended(1).turn(), &mut out);
    let mut again = Log::default().skip(10).began(1).exchange(1, 0, "200").ended(1);
    again.events.iter_mut().for_each(|e| {
        e.conn = conn(2);
        if let EventKind::Began(meta, _) = &mut e.kind {
            meta.id = conn(2);
        }
    });
    engine.take(again.turn(), &mut out);
    let label = |engine: &mut Engine, id| engine.flow(FlowId(id), false).unwrap().client.label().to_owned();
    engine.learn(Fact::Owned { conn: conn(2), end, owner: Some(owner("late")) });
    assert_eq!((label(&mut engine, 1), label(&mut engine, 2)), ("10.0.0.1:50001".into(), "late".into()));
    engine.learn(Fact::Owned { conn: conn(1), end, owner: Some(owner("early")) });
    assert_eq!(
        (label(&mut engine, 1), label(&mut engine, 2)),
        ("early".into(), "late".into()),
        "it reaches rows that are settled"
    );
    engine.learn(Fact::Owned { conn: conn(3), end, owner: Some(owner("nobody")) });
    engine.clear();
    assert!(engine.flow(FlowId(1), false).is_none());
    assert_eq!(engine.store.used(), 0, "what was held for the rows is given back");
}

#[test]
fn a_name_that_comes_late_reaches_the_sums() {
    let mut engine = Engine::new(EngineOptions::default());
    engine.take(Log::default().began(1).exchange(1, 0, "200").began(2).exchange(2, 0, "200").turn(), &mut |_| {});
    let edges = |engine: &mut Engine| {
        engine.call_edges();
        let table = engine.edges.table(engine.now);
        let edges = table.iter().flat_map(|service| &service.calls);
        edges.map(|edge| format!("{} -> {} {}", edge.from, edge.to, edge.load.count)).collect::<Vec<_>>()
    };
    assert_eq!(edges(&mut engine), ["10.0.0.1 -> 10.0.0.2:80 2"]);
    let client = "10.0.0.1:50001".parse().unwrap();
    engine.learn(Fact::Owned { conn: conn(1), end: client, owner: Some(owner("curl")) });
    assert_eq!(edges(&mut engine), ["10.0.0.1 -> 10.0.0.2:80 1", "curl -> 10.0.0.2:80 1"], "of its own connection alone");
    let named = |ip: [u8; 4], name: &str| Fact::Named { scope: Scope::Ip(ip.into()), rank: Rank::System, service: name.into() };
    engine.learn(named([10, 0, 0, 2], "shop"));
    engine.learn(Fact::Owned { conn: conn(1), end: client, owner: Some(owner("client.py")) });
    assert_eq!(edges(&mut engine), ["10.0.0.1 -> shop 1", "client.py -> shop 1"]);
    engine.learn(named([10, 0, 0, 1], "host"));
    assert_eq!(edges(&mut engine), ["client.py -> shop 1", "host -> shop 1"], "a process's own name stays");
}

/// Two traces of a flow each on two connections to one address: whose it is is found with the second one.
fn late_listener(options: EngineOptions) -> (Engine, Vec<Record>) {
    let mut engine = Engine::new(options);
    let mut records = Vec::new();
    for c in [1, 2] {
        let log = Log::default().skip(20 * c).began(c).open(c, 0).trace(c, 0, &format!("{c:032x}")).close(c, 0, "200").skip(1000);
        engine.take(log.turn(), &mut |record| records.push(record));
    }
    let server: SocketAddr = "10.0.0.2:80".parse().unwrap();
    engine.learn(Fact::Owned { conn: conn(2), end: server, owner: Some(owner("shop")) });
    (engine, records)
}

#[test]
fn a_listener_that_is_found_late_is_one_service_everywhere() {
    let (mut engine, records) = late_listener(EngineOptions::default());
    assert_eq!(flows(&records).iter().map(|flow| flow.server.label()).collect::<Vec<_>>(), ["10.0.0.2:80"; 2]);
    assert_eq!(engine.flow(FlowId(1), false).unwrap().server.label(), "shop");
    engine.call_edges();
    let table = engine.edges.table(engine.now);
    let names: Vec<_> = table.iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["10.0.0.1", "shop"]);
    let (mut engine, mut records) = late_listener(EngineOptions { keep: false, ..EngineOptions::default() });
    records.clear();
    engine.take(Log::default().skip(3000).last(), &mut |record| records.push(record));
    let services = records.iter().filter_map(|record| match record {
        Record::Trace(trace) => Some(trace.services.iter().map(|name| &**name).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(services.collect::<Vec<_>>(), [["shop"], ["shop"]], "what is told later");
}

/// A connection between these ports, and the beginning of a request of one trace on it, which was passed on so many times.
fn asks(log: Log, c: u64, ports: [u16; 2], operation: &str, passed_on: usize) -> Log {
    let mut log = log.began(c);
    if let Some(Event { kind: EventKind::Began(meta, _), .. }) = log.events.last_mut() {
        [meta.client, meta.server] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let log = log.open_as(c, 0, Pattern::RequestResponse, operation).trace(c, 0, &"7".repeat(32));
    match passed_on {
        0 => log.head(c, 0, Dir::ToServer, "Host", "a"),
        n => log.head(c, 0, Dir::ToServer, "X-Forwarded-For", &vec!["10.9.8.7"; n].join(", ")),
    }
}

#[test]
fn who_passes_on_what_it_received_is_known_by_that() {
    let sender = |between: &[([u16; 2], &str, usize)], names: &[(u64, u16, &str)]| {
        let mut engine = Engine::new(EngineOptions::default());
        let last = between.len() as u64;
        let begun =
            (1..).zip(between).fold(Log::default(), |log, (c, (ports, op, passed_on))| asks(log, c, *ports, op, *passed_on));
        let turn = Turn { events: begun.events.clone(), until: begun.now(), ..Turn::default() };
        engine.take(turn, &mut |_| {});
        for (c, port, service) in names {
            let owner = Some(owner(service));
            engine.learn(Fact::Owned { conn: conn(*c), end: SocketAddr::from(([127, 0, 0, 1], *port)), owner });
        }
        let mut answered = begun;
        answered.events.clear();
        let answered = (1..=last).rev().fold(answered, |log, c| log.close(c, 0, "200")).skip(1000);
        let mut records = Vec::new();
        engine.take(answered.last(), &mut |record| records.push(record));
        let told = flows(&records).iter().find(|flow| flow.row.id == FlowId(last)).unwrap().client.label().to_owned();
        (told, engine.flow(FlowId(last), false).unwrap().client.pid())
    };
    let (edge, app) = (([50_001, 80], "GET /orders/17", 0), ([50_002, 81], "GET /orders/17", 1));
    let names = [(1, 80, "nginx"), (2, 81, "shop")];
    assert_eq!(sender(&[edge, app], &names), ("nginx".into(), None), "which of its processes it was is not known");
    // through two of them, the inner one
    let inner = ([50_003, 82], "GET /orders/17", 2);
    assert_eq!(sender(&[edge, app, inner], &[(1, 80, "nginx"), (2, 81, "envoy"), (3, 82, "shop")]).0, "envoy");
    assert_eq!(sender(&[edge, app, inner], &[(1, 80, "nginx")]).0, "127.0.0.1:50003", "that one has no name either");
    // something else, or as it came: by anybody
    for down in [([50_002, 81], "GET /stock", 1), ([50_002, 81], "GET /orders/17", 0)] {
        assert_eq!(sender(&[edge, down], &names).0, "127.0.0.1:50002");
    }
    // who hands its caller's fields on says it has gone through as many hands as there
    let copied = ([50_003, 82], "GET /orders/17", 1);
    assert_eq!(sender(&[edge, app, copied], &[(1, 80, "nginx"), (2, 81, "shop")]).0, "127.0.0.1:50003");
    // what its process is called comes first
    assert_eq!(sender(&[edge, app], &[(1, 80, "nginx"), (2, 50_002, "curl")]).0, "curl");
}
