//! Records as lines: exactly these bytes. What a body or a masked value looks like is asked of `body` and `mask`, whose own tests say it.

use super::*;
use crate::model::{
    BodyHint, ConnId, Dir, End, Flow, FlowId, Issue, Load, Origin, Owner, PacketNo, Pattern, RECENT, Row, SourceSet, Stamp,
    State, Totals,
};
use crate::text::is_control;
use crate::time::{Span, Time};
use std::sync::Arc;

/// 2026-11-21T07:21:03.123456789Z
const AT: i64 = 1_795_245_663_123_456_789;

use crate::schema::Schemas;

fn options() -> NdjsonOptions<'static> {
    NdjsonOptions { body_limit: 65_536, secrets: Secrets::Mask, schemas: Schemas::none() }
}

fn headers(pairs: &[(&[u8], &[u8])]) -> Headers {
    let mut headers = Headers::default();
    pairs.iter().for_each(|(name, value)| headers.push(name, value));
    headers
}

fn body(media: &str, bytes: &[u8]) -> Body {
    let hint = BodyHint { media_type: Some(media.into()), ..BodyHint::default() };
    Body { kept: bytes.to_vec(), bytes: bytes.len() as u64, hint, whole: true }
}

/// A body as `body` writes it.
fn shown(body: &Body) -> String {
    let mut out = Vec::new();
    write_body(body, Place::default(), &options(), &mut out);
    String::from_utf8(out).unwrap()
}

fn stamp(after: i64) -> Stamp {
    Stamp { packet: PacketNo(1), time: Time::from_nanos(AT + after) }
}

fn owner(pid: Option<u32>, container: Option<&str>) -> Option<Arc<Owner>> {
    let container = container.map(Into::into);
    Some(Arc::new(Owner { service: "x".into(), origin: Origin::Program, pid, container, process: None }))
}

fn party(addr: &str) -> Party {
    Party { addr: addr.into(), service: None, rank: None, owner: None }
}

fn flow(detail: Option<Detail>) -> Flow {
    Flow {
        row: Row {
            id: FlowId(17),
            conn: ConnId(PacketNo(1)),
            time: Time::from_nanos(AT),
            duration: Some(Span::from_nanos(1_833_001)),
            place: 0,
            protocol: "http",
            pattern: Pattern::RequestResponse,
            state: State::Settled,
            ok: true,
            dir: Dir::ToServer,
            operation: "POST /checkout".into(),
            status: Some("201".into()),
            bytes: 9,
            trace_id: None,
            link: None,
            sources: SourceSet(1),
        },
        detail: detail.map(Arc::new),
        client: Party { service: Some("gateway".into()), owner: owner(Some(4121), None), ..party("127.0.0.1:51234") }.into(),
        server: Party { owner: owner(None, Some("shop-orders-1")), ..party("[::1]:8081") }.into(),
        connection: 3,
        sources: vec!["lo".into()],
    }
}

fn detail() -> Detail {
    let request = Half {
        first: stamp(0),
        headers: headers(&[(b"Host", b"shop"), (b"X-Odd", b"a\"\\\x1b\xff"), (b"host", b"")]),
        head_bytes: 120,
        body: body("application/json", b"{\"a\": 1}"),
        ..Half::default()
    };
    let response = Half {
        first: stamp(1000),
        headers: headers(&[(b"Content-Length", b"0")]),
        trailers: headers(&[(b"grpc-status", b"0")]),
        head_bytes: 40,
        body: Body { whole: true, ..Body::default() },
        ..Half::default()
    };
    let trace = TraceContext {
        trace_id: "4bf92f".into(),
        span_id: Some("00f067".into()),
        parent_id: None,
        carrier: "traceparent",
        sampled: Some(true),
        state: None,
        baggage: None,
    };
    Detail {
        request: Some(request),
        response: Some(response),
        fields: Fields::default()
            .with("http.method", "POST")
            .with("sql", "SELECT 1")
            .with("graphql.name", "Q")
            .with("http.status", 201),
        traces: vec![trace],
        inferred: None,
        candidates: Vec::new(),
        legs: None,
        layers: vec!["proxy", "tls"],
        notes: vec![Issue::JOINED, Issue::JOINED, Issue::GAP],
        bodies_evicted: false,
    }
}

fn line(flow: &Flow) -> String {
    let mut out = Vec::new();
    write_flow(flow.as_ref(), &options(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_flow_key_by_key() {
    let detail = detail();
    let json = shown(&detail.request.as_ref().unwrap().body);
    let empty = shown(&detail.response.as_ref().unwrap().body);
    let expected = [
        r#"{"type":"flow","id":17,"time":"2026-11-21T07:21:03.123456789Z","duration_us":1834,"#,
        r#""protocol":"http","pattern":"request_response","operation":"POST /checkout","status":"201","ok":true,"#,
        r#""client":{"addr":"127.0.0.1:51234","service":"gateway","pid":4121},"#,
        r#""server":{"addr":"[::1]:8081","container":"shop-orders-1"},"#,
        r#""request":{"headers":[["Host","shop"],["X-Odd","a\"\\\u001bÿ"],["host",""]],"bytes":8,"head_bytes":120,"body":"#,
        &json,
        r#"},"response":{"time":"2026-11-21T07:21:03.123457789Z","headers":[["Content-Length","0"]],"trailers":[["grpc-status","0"]],"#,
        r#""bytes":0,"head_bytes":40,"body":"#,
        &empty,
        r#"},"trace":{"trace_id":"4bf92f","span_id":"00f067","carrier":"traceparent"},"#,
        r#""http":{"method":"POST","status":201},"sql":"SELECT 1","graphql":{"name":"Q"},"#,
        r#""layers":["proxy","tls"],"sources":["lo"],"connection":3,"notes":["joined mid-connection","bytes lost in a gap"]}"#,
        "\n",
    ];
    assert_eq!(line(&flow(Some(detail))), expected.concat());
}

#[test]
fn what_has_no_value_is_left_out() {
    let mut flow = flow(Some(Detail::default()));
    flow.row.duration = None;
    flow.row.status = None;
    flow.client = party("a:1").into();
    flow.server = party("b:2").into();
    let expected = concat!(
        r#"{"type":"flow","id":17,"time":"2026-11-21T07:21:03.123456789Z","protocol":"http","pattern":"request_response","#,
        r#""operation":"POST /checkout","ok":true,"client":{"addr":"a:1"},"server":{"addr":"b:2"},"sources":["lo"],"connection":3}"#,
        "\n"
    );
    assert_eq!(line(&flow), expected);
}

#[test]
fn a_one_way_message_has_a_direction() {
    let mut flow = flow(None);
    assert!(!line(&flow).contains("direction"));
    flow.row.pattern = Pattern::Deliver;
    flow.row.dir = Dir::ToClient;
    assert!(line(&flow).contains(r#"},"direction":"to_client","sources""#));
}

#[test]
fn what_was_evicted_is_told_and_never_shown_as_empty() {
    assert!(line(&flow(None)).ends_with("\"notes\":[\"headers and bodies dropped for the memory limit\"]}\n"));
    let text = line(&flow(Some(Detail { bodies_evicted: true, ..detail() })));
    assert!(text.contains(r#""bytes":8,"head_bytes":120},"response""#), "{text}");
    assert!(text.ends_with("\"bytes lost in a gap\",\"bodies dropped for the memory limit\"]}\n"), "{text}");
    let response = Half { messages_dropped: 1, ..Half::default() };
    let text = line(&flow(Some(Detail { response: Some(response), ..Detail::default() })));
    assert!(text.ends_with("\"notes\":[\"oldest messages dropped for the limit\"]}\n"), "{text}");
}

#[test]
fn rpc_halves_are_lists_of_messages_however_many() {
    let mut flow = flow(Some(detail()));
    flow.row.pattern = Pattern::ServerStream;
    let message = Message { first: stamp(7), body: body("application/json", b"1") };
    let json = shown(&message.body);
    let detail = Detail {
        request: Some(Half::default()),
        response: Some(Half { first: stamp(1), messages: vec![message], ..Half::default() }),
        ..Detail::default()
    };
    flow.detail = Some(Arc::new(detail));
    let text = line(&flow);
    assert!(text.contains(r#""request":{"bytes":0,"messages":[]}"#), "{text}");
    assert!(
        text.contains(&format!(r#""bytes":1,"messages":[{{"time":"2026-11-21T07:21:03.123456796Z","body":{json}}}]"#)),
        "{text}"
    );
}

#[test]
fn values_of_all_kinds_and_any_protocol() {
    let map =
        Value::Map(vec![("k".into(), Value::List(vec![1.into(), true.into(), "x".into()])), ("k".into(), Value::Map(vec![]))]);
    let fields = Fields::default().with("silly.map", map).with("silly.flag", false).with("silly.n", i64::MIN);
    let text = line(&flow(Some(Detail { fields, ..Detail::default() })));
    assert!(
        text.contains(r#""silly":{"map":{"k":[1,true,"x"],"k":{}},"flag":false,"n":-9223372036854775808},"sources""#),
        "{text}"
    );
}

#[test]
fn headers_and_fields_are_as_mask_shows_them() {
    let secrets = [(&b"Authorization"[..], &b"Bearer abc"[..]), (b"Cookie", b"a=b"), (b"X-Api-Key", b"k")];
    let target = "/a?token=abc";
    let detail = Detail {
        request: Some(Half { headers: headers(&secrets), ..Half::default() }),
        fields: Fields::default().with("http.target", target),
        ..Detail::default()
    };
    for secrets_as in [Secrets::Mask, Secrets::Show] {
        let mut out = Vec::new();
        write_flow(flow(Some(detail.clone())).as_ref(), &NdjsonOptions { secrets: secrets_as, ..options() }, &mut out);
        let record: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for (i, (name, value)) in secrets.iter().enumerate() {
            let (name, value) = (text_of(name), text_of(value));
            assert_eq!(record["request"]["headers"][i][1], *mask::header(&name, &value, secrets_as));
        }
        assert_eq!(record["http"]["target"], *mask::value("target", target, secrets_as));
    }
}

#[test]
fn nothing_in_a_line_acts_on_a_terminal_or_breaks_it() {
    let all: String = (0..0x3000).filter_map(char::from_u32).collect();
    let mut flow = flow(None);
    flow.row.operation = all.clone().into();
    flow.sources = vec![all.as_str().into()];
    let text = line(&flow);
    assert!(!text.trim_end_matches('\n').chars().any(is_control));
    assert_eq!(text.matches('\n').count(), 1);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["operation"], all);
}

#[test]
fn the_other_records() {
    let mut out = Vec::new();
    write_meta(&mut out);
    let conn = ConnRecord {
        id: 1,
        time: Time::from_nanos(AT),
        duration: Span::from_nanos(1),
        client: party("a:1").into(),
        server: party("b:2").into(),
        protocol: None,
        bytes: Counts { to_server: 1, to_client: 2 },
        packets: Counts { to_server: 3, to_client: 4 },
        retransmissions: 5,
        gaps: 6,
        end: End::Rst,
        hung_up: None,
        head: vec![0, 0xff],
    };
    write_connection(&conn, &mut out);
    write_connection(&ConnRecord { protocol: Some("http"), head: Vec::new(), ..conn }, &mut out);
    let totals = Totals {
        packets: 1,
        bytes: 2,
        own_drops: 3,
        stream_bytes: 9,
        decoded_bytes: 5,
        undecoded_bytes: 4,
        passed_over: vec![("arp", 9)],
        evicted_held: 6,
        ..Totals::default()
    };
    let stats = Stats {
        totals,
        kernel_drops: 7,
        connections: 8,
        flows: vec![("http", 2), ("silly", 1)],
        evicted_bodies: 3,
        peak_memory: 10,
        ..Stats::default()
    };
    write_stats(&stats, &mut out);
    let expected = concat!(
        r#"{"type":"meta","schema":1,"meshtop":"0.1.0"}"#,
        "\n",
        r#"{"type":"connection","id":1,"time":"2026-11-21T07:21:03.123456789Z","duration_us":1,"client":{"addr":"a:1"},"server":{"addr":"b:2"},"#,
        r#""bytes":{"to_server":1,"to_client":2},"packets":{"to_server":3,"to_client":4},"retransmissions":5,"gaps":6,"end":"rst","head":"00ff"}"#,
        "\n",
        r#"{"type":"connection","id":1,"time":"2026-11-21T07:21:03.123456789Z","duration_us":1,"client":{"addr":"a:1"},"server":{"addr":"b:2"},"#,
        r#""protocol":"http","bytes":{"to_server":1,"to_client":2},"packets":{"to_server":3,"to_client":4},"retransmissions":5,"gaps":6,"end":"rst"}"#,
        "\n",
        r#"{"type":"stats","packets":1,"bytes":2,"dropped":{"kernel":7,"meshtop":3},"passed_over":{"arp":9},"connections":8,"#,
        r#""flows":{"http":2,"silly":1},"header_bytes":0,"passed_over_bytes":0,"repeated_bytes":0,"#,
        r#""stream_bytes":9,"decoded_bytes":5,"undecoded_bytes":4,"encrypted_bytes":0,"lost_bytes":0,"gaps":0,"decode_errors":0,"#,
        r#""evicted":{"bodies":3,"details":0,"flows":0,"connections":0,"traces":0,"findings":0,"held":6},"peak_memory":10}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_edge_leaves_out_what_it_has_not() {
    let load = Load { count: 3, errors: 1, bytes: 21, p50: None, p95: None, p99: None, rate: 0.5, recent: [1; RECENT] };
    let mut edge =
        Edge { from: "orders".into(), to: "127.0.0.1:\"1\"".into(), via: None, protocol: "http", dir: Dir::ToServer, load };
    let line = |edge: &Edge| {
        let mut out = Vec::new();
        write_edge(edge, &mut out);
        String::from_utf8(out).unwrap()
    };
    let wanted = r#"{"type":"edge","from":"orders","to":"127.0.0.1:\"1\"","protocol":"http","count":3,"errors":1,"bytes":21}"#;
    assert_eq!(line(&edge), format!("{wanted}\n"));
    let spans = [1_000_001, 2_000_000, 3_000_000].map(|n| Some(Span::from_nanos(n)));
    (edge.via, [edge.load.p50, edge.load.p95, edge.load.p99]) = (Some("shop".into()), spans);
    let text = line(&edge);
    assert!(text.contains(r#","via":"shop","protocol":"http","#), "{text}");
    assert!(text.contains(r#","p50_us":1001,"p95_us":2000,"p99_us":3000,"#), "{text}");
}
