//! Flows of a small mesh, for screens to show.

use crate::engine::view::{CommandView, DetailView, MessageView, RowView, Said, SideView};
use crate::model::{ConnId, Dir, Flow, FlowId, Party, Pattern, Row, SourceSet, State, TraceNo};
use crate::text::{Line, Token};
use crate::time::{Span, Time};
use std::sync::Arc;

/// 2026-11-21T07:21:03Z.
const START: i64 = 1_795_245_663_000_000_000;

pub fn party(addr: &str, service: Option<&str>) -> Party {
    Party { addr: addr.into(), service: service.map(Into::into), rank: None, owner: None }
}

/// The `n`th flow of a small mesh.
pub fn row(n: u64) -> RowView {
    let mesh = [
        ("browser", "gateway", "POST /checkout", "201", 38_000, 412),
        ("gateway", "orders", "GET /orders/8f21", "200", 6_200, 168),
        ("orders", "inventory", "GET /stock?sku=1", "200", 100, 61),
        ("orders", "", "PUT /cache/8f21", "204", 900, 0),
        ("billing", "payments", "POST /charge", "503", 1_204_000, 88),
        ("gateway", "inventory", "GET /stock", "404", 14_000, 12_288),
    ];
    let (client, server, operation, status, micros, bytes) = mesh[(n as usize - 1) % mesh.len()];
    let named = |name: &'static str, addr| party(addr, Some(name).filter(|n| !n.is_empty()));
    let flow = Flow {
        row: Row {
            id: FlowId(n),
            conn: ConnId::default(),
            time: Time::from_nanos(START + n as i64 * 123_456_789),
            duration: Some(Span::from_nanos(micros * 1000)),
            place: 0,
            protocol: "http",
            pattern: Pattern::RequestResponse,
            state: State::Settled,
            ok: !status.starts_with(['4', '5']),
            dir: Dir::ToServer,
            operation: operation.into(),
            status: Some(status.into()),
            bytes,
            trace_id: (n % 6 != 5).then(|| format!("{:04x}2f3577b34da6a3ce929d0e0e4736", 0x4bf9 + n / 6).into()),
            link: None,
            sources: SourceSet::default(),
        },
        detail: None,
        client: named(client, "127.0.0.1:51234").into(),
        server: named(server, "127.0.0.1:6379").into(),
        connection: 1,
        sources: vec!["lo".into()],
    };
    RowView { flow, trace: Some((TraceNo(n / 6), 5)), notes: n.is_multiple_of(6), found: None }
}

pub fn detail(flow: &Flow) -> DetailView {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let token = |token, text: &str| (token, text.to_owned());
    let body = vec![
        Line { indent: 0, spans: vec![token(Token::Punctuation, "{")] },
        Line {
            indent: 1,
            spans: vec![
                token(Token::Key, "\"id\""),
                token(Token::Punctuation, ": "),
                token(Token::Text, "\"8f21c0aa\""),
                token(Token::Punctuation, ","),
            ],
        },
        Line {
            indent: 1,
            spans: vec![
                token(Token::Key, "\"note\""),
                token(Token::Punctuation, ": "),
                token(Token::Text, &format!("\"{}\"", "long ".repeat(30))),
            ],
        },
        Line { indent: 0, spans: vec![token(Token::Punctuation, "}")] },
    ];
    let side = |caption: &str| SideView {
        caption: caption.to_owned(),
        headers: vec![
            pair("host", "gateway.local"),
            pair("content-type", "application/json"),
            pair("authorization", "Bearer ***"),
            pair("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
        trailers: vec![pair("server-timing", "db;dur=3")],
        hex: (0..40u32)
            .map(|i| Line {
                indent: 0,
                spans: vec![
                    token(Token::Dim, &format!("{:08x}  ", i * 16)),
                    token(Token::Plain, "7b 22 69 64 22 3a 22 38 66 32 31 63 30 61 61 22  {\"id\":\"8f21c0aa\""),
                ],
            })
            .collect(),
        copy: "{\"id\":\"8f21c0aa\"}\n".to_owned(),
        formatted: false,
        body: body.clone(),
    };
    DetailView {
        id: flow.row.id,
        title: format!("{} · {} → {}", flow.row.operation, flow.client.label(), flow.server.label()),
        overview: vec![
            pair("time", &flow.row.time.to_string()),
            pair("duration", "38 ms"),
            pair("client", "browser (127.0.0.1:51234)"),
            pair("server", "gateway (127.0.0.1:8080)"),
            pair("server named by", "systemd unit"),
            pair("server process", "pid 4121 · uid 1000"),
            pair("server command", "python -m gateway --listen 127.0.0.1:8080 --orders http://127.0.0.1:8081 --token ***"),
            pair("server folder", "/srv/gateway"),
            pair("server since", "2026-11-21T06:58:02.140000000Z"),
            pair("trace", "4bf92f3577b34da6a3ce929d0e0e4736 (traceparent)"),
            pair("notes", "joined mid-connection"),
        ],
        request: Some(side("json · 412 B")),
        response: Some(side("json · gzip · 1.2 KiB")),
        messages: Vec::new(),
        command: Some(CommandView { tool: "curl", text: "curl http://127.0.0.1:8080/".into(), lacks: Some("without its body") }),
        no_command: None,
        unknown: false,
        candidates: Vec::new(),
    }
}

/// The first `n` messages of a stream: each third is an answer, and tells something else.
pub fn messages(n: u64) -> Vec<MessageView> {
    let (mut asked, mut answered) = (0, 0);
    let one = |i: u64| {
        let request = i % 3 != 2;
        let number = if request { &mut asked } else { &mut answered };
        *number += 1;
        let text = if request { format!("\"sku\": \"k{i}\"") } else { format!("\"left\": {i}") };
        let member = Line { indent: 1, spans: vec![(Token::Key, text.clone())] };
        MessageView {
            number: *number,
            request,
            after: Span::from_nanos(i * i * 300_000),
            gap: (i > 0).then(|| Span::from_nanos((2 * i - 1) * 300_000)),
            bytes: 7 + i * 41,
            said: Arc::new(Said {
                summary: format!("{{{text}}}"),
                caption: format!("protobuf · {} B · shop.v1.Stock from api/shop.proto", 7 + i * 41),
                body: vec![Line::of(Token::Punctuation, "{"), member, Line::of(Token::Punctuation, "}")],
                hex: vec![Line::of(Token::Dim, format!("00000000  0a {i:02x}"))],
                copy: format!("{{\n  {text}\n}}"),
                formatted: true,
                json: None,
            }),
        }
    };
    (0..n).map(one).collect()
}
