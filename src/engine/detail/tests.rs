//! What somebody reads who opens a flow: masked, escaped, and honest about what is missing.

use super::super::script::at;
use super::*;
use crate::mask::Secrets;
use crate::model::{
    BodyHint, ConnId, Detail, Dir, Fields, FlowId, Issue, Message, Origin, Owner, Party, Pattern, Rank, Row, SourceSet, Stamp,
    State,
};
use crate::schema::Current;
use std::sync::Arc;

/// As the first that is looked at.
pub(super) fn inspect(flow: &Flow, looks: &Looks) -> DetailView {
    super::inspect(flow, looks, &mut Memory::default())
}

pub(super) fn looks(secrets: Secrets) -> Looks {
    Looks { secrets, body_limit: 1000, schemas: Current::default() }
}

fn party(addr: &str, service: Option<&str>) -> Party {
    Party { addr: addr.into(), service: service.map(Into::into), rank: None, owner: None }
}

pub(super) fn flow(detail: Option<Detail>) -> Flow {
    let row = Row {
        id: FlowId(7),
        conn: ConnId::default(),
        time: at(5).time,
        duration: Some(Span::from_nanos(1_834_000)),
        place: 0,
        protocol: "http",
        pattern: Pattern::RequestResponse,
        state: State::Settled,
        ok: false,
        dir: Dir::ToServer,
        operation: "POST /\u{1b}[2J".into(),
        status: Some("503".into()),
        bytes: 2048,
        trace_id: None,
        link: None,
        sources: SourceSet::default(),
    };
    let (client, server) = (party("10.0.0.1:5", None), party("10.0.0.2:80", Some("shop")));
    Flow {
        row,
        detail: detail.map(Arc::new),
        client: client.into(),
        server: server.into(),
        connection: 3,
        sources: vec!["lo".into(), "eth0".into()],
    }
}

fn half(body: &[u8], media_type: &str) -> Half {
    let mut headers = Headers::default();
    headers.push(b"X-Api-Key", b"hunter2");
    headers.push(b"X\x07", b"a\x1b[0m");
    let hint = BodyHint { media_type: Some(media_type.into()), ..BodyHint::default() };
    let body = Body { kept: body.to_vec(), bytes: body.len() as u64, hint, whole: true };
    Half { first: at(5), headers, head_bytes: 120, body, ..Half::default() }
}

fn get<'a>(view: &'a DetailView, name: &str) -> Vec<&'a str> {
    view.overview.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
}

#[test]
fn the_overview_tells_what_is_known() {
    let trace = TraceContext {
        trace_id: "4bf9".into(),
        span_id: Some("00f0".into()),
        parent_id: None,
        carrier: "traceparent",
        sampled: Some(true),
        state: None,
        baggage: Some("user=7".into()),
    };
    let detail = Detail {
        request: Some(half(b"{\"a\":1}", "application/json")),
        response: Some(Half { first: at(6), body: Body { bytes: 2041, ..Body::default() }, ..Half::default() }),
        fields: Fields::default().with("http.method", "POST").with("http.target", "/x?token=hunter2&b=1"),
        traces: vec![trace],
        inferred: None,
        candidates: Vec::new(),
        legs: None,
        layers: vec!["tls"],
        notes: vec![Issue::JOINED, Issue::CUT],
        bodies_evicted: true,
    };
    let view = inspect(&flow(Some(detail)), &looks(Secrets::Mask));
    assert_eq!((view.id, view.title.as_str()), (FlowId(7), "POST /\\x1b[2J · 10.0.0.1:5 → shop"));
    assert_eq!(get(&view, "status"), ["503 (failed)"]);
    assert_eq!(get(&view, "duration"), ["1.834 ms"]);
    assert_eq!((get(&view, "client"), get(&view, "server")), (vec!["10.0.0.1:5"], vec!["shop (10.0.0.2:80)"]));
    assert_eq!((get(&view, "request"), get(&view, "response")), (vec!["head 120 B, body 7 B"], vec!["body 2.0 KiB"]));
    assert_eq!(get(&view, "first byte after"), ["1.000 ms"]);
    assert_eq!((get(&view, "trace id"), get(&view, "sampled"), get(&view, "parent id")), (vec!["4bf9"], vec!["yes"], vec![]));
    assert_eq!(
        (get(&view, "layers"), get(&view, "seen by"), get(&view, "connection")),
        (vec!["tls"], vec!["lo, eth0"], vec!["3"])
    );
    assert_eq!(get(&view, "note"), ["joined mid-connection", "ended mid-message", "bodies were dropped for the memory budget"]);
    assert!(!format!("{view:?}").contains("hunter2"), "{view:#?}");
    assert_eq!(view.response.unwrap().caption, "2.0 KiB · not kept");
}

#[test]
fn a_call_without_its_method_tells_whom_to_restart() {
    let hint = |pattern, fields: Fields| {
        let mut flow = flow(Some(Detail { fields, ..Detail::default() }));
        (flow.row.pattern, flow.client) = (pattern, party("10.0.0.1:5", Some("checkout")).into());
        let overview = inspect(&flow, &looks(Secrets::Mask)).overview;
        overview.into_iter().find(|(name, _)| name == "hint").map(|(_, text)| text)
    };
    assert!(hint(Pattern::Unary, Fields::default()).unwrap().starts_with("restart checkout to see the method"));
    assert_eq!(hint(Pattern::Unary, Fields::default().with("grpc.method", "Get")), None);
    assert_eq!(hint(Pattern::RequestResponse, Fields::default()), None);
}

#[test]
fn the_overview_tells_whose_the_ends_were() {
    let process = Process {
        command: "python app.py --password hunter2 \u{1b}[2J".into(),
        cwd: Some("/srv/gateway".into()),
        started: Some(at(3).time),
        uid: 1000,
        opener: None,
    };
    let owner = Owner {
        service: "gateway".into(),
        origin: Origin::Environment,
        pid: Some(4121),
        container: Some("shop-gateway-1".into()),
        process: Some(process),
    };
    let mut flow = flow(None);
    flow.client = Party { owner: Some(Arc::new(owner.clone())), ..party("127.0.0.1:5", Some("gateway")) }.into();
    flow.server = Party { rank: Some(Rank::User), owner: Some(Arc::new(owner)), ..party("127.0.0.1:80", Some("shop")) }.into();
    let told = |looks: &Looks| {
        let list = inspect(&flow, looks).overview;
        let of = |side| list.iter().filter(move |(name, _)| name.starts_with(side)).map(|(n, v)| format!("{n}: {v}"));
        [of("client").collect::<Vec<_>>(), of("server").collect()]
    };
    let [client, server] = told(&looks(Secrets::Mask));
    let of_process = [
        "process: pid 4121 · uid 1000",
        "container: shop-gateway-1",
        "command: python app.py --password *** \\x1b[2J",
        "folder: /srv/gateway",
        "since: 1970-01-01T00:00:00Z, 0 s before",
    ];
    assert_eq!(client[..2], ["client: gateway (127.0.0.1:5)", "client named by: its environment, as OTEL_SERVICE_NAME"]);
    assert_eq!(client[2..], of_process.map(|line| format!("client {line}")));
    assert_eq!(server[..2], ["server: shop (127.0.0.1:80)", "server named by: --name or configuration"]);
    assert_eq!(server[2..], of_process.map(|line| format!("server {line}")));
    assert!(told(&looks(Secrets::Show))[0][4].contains("--password hunter2"));
}

#[test]
fn who_has_exited_is_not_said_to_be_named_by_anything() {
    let owner = Owner { service: "uid 1000, exited".into(), origin: Origin::Exited, pid: None, container: None, process: None };
    let mut flow = flow(None);
    flow.client = Party { owner: Some(Arc::new(owner.clone())), ..party("10.0.0.1:5", Some("uid 1000, exited")) }.into();
    flow.server = Party { owner: Some(Arc::new(owner)), ..party("10.0.0.2:80", Some("db.example")) }.into();
    Arc::make_mut(&mut flow.server).rank = Some(Rank::Capture);
    let view = inspect(&flow, &looks(Secrets::Mask));
    assert_eq!(
        (get(&view, "client"), get(&view, "server")),
        (vec!["uid 1000, exited (10.0.0.1:5)"], vec!["db.example (10.0.0.2:80)"])
    );
    assert_eq!(get(&view, "client named by"), Vec::<&str>::new());
    assert_eq!(get(&view, "server named by"), ["DNS answer or capture file, by its address"]);
    assert!(!view.overview.iter().any(|(name, _)| name.ends_with(" process")), "{:?}", view.overview);
}

#[test]
fn where_a_name_is_from_is_said_without_a_process_too() {
    for (rank, told) in [
        (Rank::User, "--name or configuration"),
        (Rank::System, "container engine, by its address"),
        (Rank::Capture, "DNS answer or capture file, by its address"),
    ] {
        let mut flow = flow(None);
        flow.server = Party { rank: Some(rank), ..party("10.0.0.2:80", Some("db")) }.into();
        assert_eq!(get(&inspect(&flow, &looks(Secrets::Mask)), "server named by"), [told]);
    }
}

#[test]
fn a_process_is_as_old_as_the_clock_can_tell() {
    let second = |n: i64| Time::from_nanos(n * 1_000_000_000 + 7);
    for (seconds, told) in [
        (0, "1970-01-02T00:00:00Z, 0 s before"),
        (119, "1970-01-02T00:00:00Z, 119 s before"),
        (120, "1970-01-02T00:00:00Z, 2 min before"),
        (7_200, "1970-01-02T00:00:00Z, 2 h before"),
        (172_800, "1970-01-02T00:00:00Z, 2 days before"),
        (-1, "1970-01-02T00:00:00Z"),
    ] {
        assert_eq!(since(second(86_400), second(86_400 + seconds)), told);
    }
}

#[test]
fn a_side_is_decoded_masked_and_escaped() {
    let body = b"{\"user\":\"u\",\"password\":\"hunter2\"}";
    let detail = Detail { request: Some(half(body, "application/json")), ..Detail::default() };
    let view = inspect(&flow(Some(detail.clone())), &looks(Secrets::Mask)).request.unwrap();
    assert_eq!(view.caption, "json · 33 B");
    assert_eq!(view.headers, [("X-Api-Key".to_owned(), "***".to_owned()), ("X\\x07".to_owned(), "a\\x1b[0m".to_owned())]);
    assert!(view.body.len() > 1 && view.hex.len() == 3);
    let all = format!("{view:?}");
    assert!(view.copy.contains("\"user\": \"u\"") && !all.contains("hunter2"), "{all}");
    assert!(!all.chars().any(crate::text::is_control));
    assert!(view.formatted, "it was one line");
    for (body, media_type, formatted) in
        [("12", "application/json", false), ("<a><b/></a>", "text/xml", true), ("a", "text/plain", false)]
    {
        let detail = Detail { request: Some(half(body.as_bytes(), media_type)), ..Detail::default() };
        let view = inspect(&flow(Some(detail)), &looks(Secrets::Mask)).request.unwrap();
        assert_eq!(view.formatted, formatted, "{}", view.copy);
    }
    let shown = inspect(&flow(Some(detail)), &looks(Secrets::Show)).request.unwrap();
    assert!(shown.copy.contains("hunter2") && shown.headers[0].1 == "hunter2");
}

#[test]
fn a_cut_body_says_so() {
    let mut half = half(b"only the beginning", "text/plain");
    half.body.bytes = 5_000_000;
    let detail = Detail { request: Some(half), ..Detail::default() };
    let view = inspect(&flow(Some(detail)), &looks(Secrets::Mask)).request.unwrap();
    assert_eq!(view.caption, "text · 4.8 MiB · cut after 18 B");
    assert_eq!(view.copy, "only the beginning");
}

#[test]
fn messages_of_both_sides_are_one_list_in_their_order() {
    let message = |at: Stamp, text: &str| Message {
        first: at,
        body: Body {
            kept: text.into(),
            bytes: text.len() as u64,
            hint: BodyHint { media_type: Some("application/json".into()), ..BodyHint::default() },
            whole: true,
        },
    };
    let half = |messages, messages_dropped| Some(Half { messages, messages_dropped, ..Half::default() });
    let request = half(vec![message(at(5), "{\"a\":1}"), message(at(9), "")], 4);
    let response = half(vec![message(at(7), "[1,\n  {\"b\": \"x  y\"}]"), message(at(12), "\"\u{1b}[2J\"")], 0);
    let view = inspect(&flow(Some(Detail { request, response, ..Detail::default() })), &looks(Secrets::Mask));
    let micros = |span: Span| span.nanos() / 1000;
    let list: Vec<_> = view
        .messages
        .iter()
        .map(|m| (m.request, m.number, micros(m.after), m.gap.map(micros), m.bytes, m.said.summary.as_str()))
        .collect();
    let wanted = [
        (true, 5, 0, None, 7, "{\"a\": 1}"),
        (false, 1, 2000, Some(2000), 20, "[1, {\"b\": \"x  y\"}]"),
        (true, 6, 4000, Some(2000), 0, "empty"),
    ];
    assert_eq!(list[..3], wanted);
    assert!(!list[3].5.contains('\u{1b}') && list[3].3 == Some(3000), "{:?}", list[3]);
    assert_eq!(view.messages[0].said.caption, "json · 7 B");
    assert!(
        !view.messages[0].said.body.is_empty() && view.messages[0].said.hex.len() == 1 && view.messages[2].said.hex.is_empty()
    );
    let request = view.request.unwrap();
    assert_eq!((request.caption.as_str(), request.body.len()), ("6 messages, the oldest 4 not kept", 0));
    assert_eq!((request.copy.as_str(), request.formatted), ("{\n  \"a\": 1\n}\n", true));
}

#[test]
fn a_message_is_read_once_as_long_as_it_is_read_the_same_way() {
    let message = |n: u64| Message {
        first: at(n),
        body: Body { kept: format!("{n}").into(), bytes: 1, hint: BodyHint::default(), whole: true },
    };
    let half = |numbers: std::ops::Range<u64>| Half {
        messages_dropped: numbers.start,
        messages: numbers.map(message).collect(),
        ..Half::default()
    };
    let (mut memory, looks) = (Memory::default(), looks(Secrets::Mask));
    let mut look = |half: Half, looks: &Looks| {
        let detail = Detail { request: Some(half), ..Detail::default() };
        super::inspect(&flow(Some(detail)), looks, &mut memory).messages
    };
    let same = |a: &MessageView, b: &MessageView| Arc::ptr_eq(&a.said, &b.said);
    let first = look(half(0..3), &looks);
    let second = look(half(1..4), &looks);
    assert!(same(&first[1], &second[0]) && same(&first[2], &second[1]) && second[2].said.copy == "3");
    // by other schemas, and without what was kept, it says something else
    looks.schemas.set(crate::schema::Loader::new(Default::default()).load().unwrap());
    let third = look(half(1..4), &looks);
    assert!(!same(&second[0], &third[0]));
    let mut evicted = half(1..4);
    evicted.messages.iter_mut().for_each(|m| m.body.kept.clear());
    assert_eq!(look(evicted, &looks)[0].said.caption, "1 B · not kept");
}

#[test]
fn a_call_whose_method_was_not_captured_is_read_as_the_likeliest_and_says_so() {
    let body = |kept: &[u8]| Body {
        kept: kept.to_vec(),
        bytes: kept.len() as u64,
        hint: BodyHint { media_type: Some("application/grpc".into()), ..BodyHint::default() },
        whole: true,
    };
    let half =
        Half { messages: vec![Message { first: at(5), body: body(b"\x0a\x02o1\x12\x05\x0a\x01s\x10\x02") }], ..Half::default() };
    let mut flow = flow(Some(Detail { request: Some(half), ..Detail::default() }));
    (flow.row.pattern, flow.row.operation) = (Pattern::Unary, "unknown method".into());
    let (looks, mut memory) = (looks(Secrets::Mask), Memory::default());
    let mut caption = |looks: &Looks| super::inspect(&flow, looks, &mut memory).messages[0].said.caption.clone();
    assert_eq!(caption(&looks), "protobuf · 11 B · a guess: method not captured");
    let protos = vec!["descriptors/demo".into()];
    looks.schemas.set(crate::schema::Loader::new(crate::schema::Sources { protos, ..Default::default() }).load().unwrap());
    let told = "a guess: method not captured; may be /shop.v1.Inventory/Reserve, shop.v1.ReserveRequest from";
    assert_eq!(caption(&looks), format!("protobuf · 11 B · {told} descriptors/demo/inventory.proto"));
}

#[test]
fn what_was_evicted_is_said_and_not_invented() {
    let view = inspect(&flow(None), &looks(Secrets::Mask));
    assert!(view.request.is_none() && view.response.is_none());
    assert_eq!(
        (get(&view, "size"), get(&view, "note")),
        (vec!["2.0 KiB"], vec!["headers and bodies were dropped for the memory budget"])
    );
}

#[test]
fn numbers_read_well() {
    assert_eq!(
        [0, 1023, 1024, 1536, 5 << 20, 3 << 40].map(size),
        ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3072.0 GiB"]
    );
    let spans = [1, 999_000, 1_000_001, 2_500_000_000].map(|n| span(Span::from_nanos(n)));
    assert_eq!(spans, ["1 µs", "999 µs", "1.001 ms", "2.500 s"]);
}

#[test]
fn the_details_of_a_grpc_status_are_read_beside_it() {
    let mut half = Half::default();
    half.trailers.push(b"grpc-status-details-bin", b"CAMSA2JhZA");
    let view =
        inspect(&flow(Some(Detail { response: Some(half), ..Detail::default() })), &looks(Secrets::Mask)).response.unwrap();
    let shown: Vec<_> = view.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let decoded = ("grpc-status-details-bin, decoded", r#"{"code":3,"message":"bad"}"#);
    assert_eq!(shown, [("grpc-status-details-bin", "CAMSA2JhZA"), decoded]);
}

#[test]
fn a_message_tells_which_schema_it_was_read_by_and_hides_its_secrets() {
    let hint = BodyHint {
        media_type: Some("application/grpc".into()),
        schema: Some("/grpc.health.v1.Health/Check>".into()),
        ..BodyHint::default()
    };
    let body = Body { kept: b"\x0a\x04shop".to_vec(), bytes: 6, hint: hint.clone(), whole: true };
    let half = Half { body, ..Half::default() };
    let view = inspect(&flow(Some(Detail { request: Some(half), ..Detail::default() })), &looks(Secrets::Mask)).request.unwrap();
    assert_eq!(view.caption, "protobuf · 6 B · grpc.health.v1.HealthCheckRequest, built into meshtop");
    assert_eq!(view.copy, "{\n  \"service\": \"shop\"\n}");
    let empty = Half { body: Body { hint, whole: true, ..Body::default() }, ..Half::default() };
    let view = inspect(&flow(Some(Detail { request: Some(empty), ..Detail::default() })), &looks(Secrets::Mask)).request.unwrap();
    assert_eq!(view.caption, "protobuf · 0 B · grpc.health.v1.HealthCheckRequest, built into meshtop");
    // by its content type alone, too
    let media_type = Some("application/x-protobuf; messageType=grpc.health.v1.HealthCheckRequest".into());
    let typed = Body { hint: BodyHint { media_type, ..BodyHint::default() }, whole: true, ..Body::default() };
    let half = Half { body: typed, ..Half::default() };
    let view = inspect(&flow(Some(Detail { request: Some(half), ..Detail::default() })), &looks(Secrets::Mask)).request.unwrap();
    assert_eq!(view.caption, "protobuf · 0 B · grpc.health.v1.HealthCheckRequest, built into meshtop");
}
