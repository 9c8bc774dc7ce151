use super::*;
use crate::model::{ConnId, Detail, Fields, Flow, FlowId, Pattern, Row, SourceSet, State};
use crate::time::Span;

/// A settled flow of one millisecond between two parties; a name that holds a colon is an address without a name.
pub(in crate::engine) fn flow(client: &str, server: &str) -> Flow {
    let row = Row {
        id: FlowId(1),
        conn: ConnId::default(),
        time: Time::from_nanos(5_000_000_000),
        duration: Some(Span::from_millis(1)),
        place: 0,
        protocol: "http",
        pattern: Pattern::RequestResponse,
        state: State::Settled,
        ok: true,
        dir: Dir::ToServer,
        operation: "GET /".into(),
        status: Some("200".into()),
        bytes: 10,
        trace_id: None,
        link: None,
        sources: SourceSet::default(),
    };
    Flow { row, detail: None, client: party(client).into(), server: party(server).into(), connection: 1, sources: Vec::new() }
}

fn party(text: &str) -> Party {
    let (addr, service) = if text.contains(':') { (text, None) } else { ("10.0.0.9:4711", Some(text.into())) };
    Party { addr: addr.into(), service, rank: None, owner: None }
}

fn with_field(mut flow: Flow, name: &'static str, value: &str) -> Flow {
    flow.detail = Some(Arc::new(Detail { fields: Fields::default().with(name, value), ..Detail::default() }));
    flow
}

fn of(flows: &[Flow]) -> Edges {
    let mut edges = Edges::default();
    flows.iter().for_each(|flow| edges.add(flow.as_ref()));
    edges
}

/// Edges in one line each: `from -protocol(via)-> to count`.
fn lines(edges: &mut Edges) -> Vec<String> {
    let line = |e: Edge| {
        let via = e.via.map(|via| format!("({via})")).unwrap_or_default();
        format!("{} -{}{via}-> {} {}", e.from, e.protocol, e.to, e.load.count)
    };
    edges.table(Time::default()).into_iter().flat_map(|s| s.calls).map(line).collect()
}

#[test]
fn the_nameless_are_their_addresses_and_a_client_has_no_port() {
    let mut edges = of(&[
        flow("127.0.0.1:50001", "127.0.0.1:80"),
        flow("127.0.0.1:50002", "127.0.0.1:80"),
        flow("[fd00::7]:50001", "[fd00::8]:80"),
        flow("gateway", "127.0.0.1:80"),
    ]);
    let wanted = ["127.0.0.1 -http-> 127.0.0.1:80 2", "fd00::7 -http-> [fd00::8]:80 1", "gateway -http-> 127.0.0.1:80 1"];
    assert_eq!(lines(&mut edges), wanted);
}

#[test]
fn an_edge_points_where_the_message_goes() {
    let with = |pattern, dir, ok| {
        let mut flow = with_field(flow("billing", "broker"), "amqp.queue", "bills");
        (flow.row.pattern, flow.row.dir, flow.row.protocol, flow.row.ok) = (pattern, dir, "amqp", ok);
        flow
    };
    let mut edges = of(&[
        with(Pattern::Publish, Dir::ToServer, true),
        with(Pattern::Deliver, Dir::ToClient, false),
        // an answer alone was seen: still somebody asked the server, and asking about a queue goes through none
        with(Pattern::RequestResponse, Dir::ToClient, true),
    ]);
    let wanted = ["billing -amqp-> broker 1", "billing -amqp(bills)-> broker 1", "broker -amqp(bills)-> billing 1"];
    assert_eq!(lines(&mut edges), wanted);
    let table = edges.table(Time::default());
    let [billing, broker] = &table[..] else { panic!("{table:?}") };
    assert_eq!((billing.serves.count, billing.serves.errors, broker.serves.count, broker.serves.errors), (1, 1, 2, 0));
    assert_eq!((billing.calls[0].dir, broker.calls[0].dir), (Dir::ToServer, Dir::ToClient));
}

#[test]
fn protocols_and_topics_are_edges_of_their_own() {
    let mut grpc = flow("a", "b");
    grpc.row.protocol = "grpc";
    let mut edges = of(&[
        with_field(flow("a", "b"), "kafka.topic", "ledger"),
        with_field(flow("a", "b"), "amqp.exchange", ""),
        grpc,
        flow("a", "b"),
        with_field(flow("a", "b"), "http.target", "/"),
    ]);
    assert_eq!(lines(&mut edges), ["a -grpc-> b 1", "a -http-> b 3", "a -http(ledger)-> b 1"]);
}

#[test]
fn errors_bytes_and_durations_add_up() {
    let flows: Vec<_> = (1..=100)
        .map(|n| {
            let mut flow = flow("a", "b");
            (flow.row.ok, flow.row.duration) = (n % 4 > 0, Some(Span::from_nanos(n * 1000)));
            flow
        })
        .collect();
    let table = of(&flows).table(Time::default());
    let load = &table[0].calls[0].load;
    assert_eq!((load.count, load.errors, load.bytes), (100, 25, 1000));
    assert_eq!([load.p50, load.p95, load.p99].map(|p| p.unwrap().micros_up()), [50, 95, 99]);
    assert_eq!(table[1].serves, *load, "all that b serves came over this edge");
    assert_eq!((table[0].serves.count, table[0].serves.p50), (0, None));
}

#[test]
fn a_flow_whose_ends_are_called_otherwise_now_is_counted_under_its_new_names_alone() {
    let (stays, nameless) = (flow("gateway", "b"), flow("127.0.0.1:50001", "b"));
    let mut edges = of(&[stays, nameless.clone(), nameless.clone()]);
    assert!(edges.take_back(nameless.as_ref()));
    edges.add(flow("curl", "b").as_ref());
    assert_eq!(lines(&mut edges), ["127.0.0.1 -http-> b 1", "curl -http-> b 1", "gateway -http-> b 1"]);
    assert!(edges.take_back(nameless.as_ref()));
    edges.add(flow("curl", "b").as_ref());
    assert_eq!(lines(&mut edges), ["curl -http-> b 2", "gateway -http-> b 1"], "of what counts nothing, nothing is left");
    let table = edges.table(Time::default());
    assert_eq!((table.len(), table[0].serves.count, edges.flows()), (3, 3, 3));
    assert!(!edges.take_back(nameless.as_ref()), "it is not counted there any more");
}

#[test]
fn what_was_counted_for_an_address_is_counted_for_its_name() {
    let mut edges = of(&[
        flow("a", "10.0.0.7:80"),
        flow("10.0.0.7:50001", "b"),
        flow("a", "orders"),
        flow("10.0.0.7:50002", "10.0.0.7:80"),
        flow("a", "10.0.0.8:80"),
    ]);
    let name = |end: &str| end.starts_with("10.0.0.7").then(|| Arc::from("orders"));
    edges.rename(name);
    let moved = ["a -http-> 10.0.0.8:80 1", "a -http-> orders 2", "orders -http-> b 1", "orders -http-> orders 1"];
    assert_eq!(lines(&mut edges), moved);
    edges.rename(name);
    assert_eq!((lines(&mut edges), edges.edges, edges.flows()), (moved.map(str::to_owned).to_vec(), 4, 5));
    let table = edges.table(Time::default());
    assert_eq!(
        table.iter().map(|s| (&*s.name, s.serves.count)).collect::<Vec<_>>(),
        [("10.0.0.8:80", 1), ("a", 0), ("b", 1), ("orders", 3)]
    );
}

#[test]
fn order_is_that_of_names_whatever_the_order_of_flows() {
    let mut flows: Vec<_> = (0..50).map(|n| flow(&format!("s{}", n % 7), &format!("s{}", n % 5))).collect();
    let forth = lines(&mut of(&flows));
    flows.reverse();
    assert_eq!(forth, lines(&mut of(&flows)));
    assert!(forth.is_sorted());
}

#[test]
fn beyond_the_limits_flows_are_counted_together() {
    let mut edges = Edges::default();
    for n in 0..MAX_EDGES {
        edges.add(with_field(flow("a", "broker"), "mqtt.topic", &format!("device/{n}")).as_ref());
    }
    assert_eq!(edges.edges, MAX_TOPICS + 1, "later topics share an edge");
    for n in 0..2 * MAX_EDGES {
        edges.add(flow("a", &format!("s{n}")).as_ref());
    }
    edges.add(flow("a", "broker").as_ref());
    let table = edges.table(Time::default());
    let all: Vec<_> = table.iter().flat_map(|s| &s.calls).collect();
    assert_eq!(all.len(), MAX_EDGES + 1);
    assert_eq!(all.iter().map(|e| e.load.count).sum::<u64>(), edges.flows());
    let other: Vec<_> = all.iter().filter(|e| &*e.from == OTHER && &*e.to == OTHER).collect();
    assert_eq!(other.len(), 1);
    assert_eq!(other[0].load.count, (2 * MAX_EDGES - (MAX_EDGES - MAX_TOPICS - 1)) as u64);
}
