//! What is fuzzed: a body a target, which takes any bytes and panics where something is wrong. `make fuzz` runs them with libFuzzer, and
//! `make test` with captured traffic, what was found once, and mutations of both.

use super::{conversation, segments};
use meshtop::body::{self, Context, Kind};
use meshtop::decode::PROTOCOLS;
use meshtop::engine::{Engine, EngineOptions, Record};
use meshtop::filter::Filter;
use meshtop::mask::Secrets;
use meshtop::model::{Body, BodyHint, Transport};
use meshtop::output::ndjson::{self, NdjsonOptions};
use meshtop::pipeline::{self, Plan, Taps};
use meshtop::schema::Current;
use meshtop::source::{Files, SourceIds};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of an inflated body that are kept.
const LIMIT: usize = 1 << 16;

type Run = dyn Fn(&[u8]);

/// One of them.
pub struct Target {
    /// Its name, as `make fuzz` prints it.
    pub name: String,
    /// Where what it runs is: what has changed last is run first.
    pub source: String,
    pub run: Box<Run>,
    /// Where to begin.
    pub seeds: Box<dyn Fn() -> Vec<Vec<u8>>>,
}

fn target(name: &str, source: &str, run: impl Fn(&[u8]) + 'static, seeds: impl Fn() -> Vec<Vec<u8>> + 'static) -> Target {
    Target { name: name.into(), source: source.into(), run: Box::new(run), seeds: Box::new(seeds) }
}

/// All of them.
pub fn targets() -> Vec<Target> {
    let analyzers = PROTOCOLS.iter().map(|protocol| {
        let (name, folder) = match protocol.transport {
            Transport::Stream => (protocol.name.to_owned(), protocol.name),
            Transport::Datagram => (format!("{}-datagrams", protocol.name), protocol.name),
        };
        let source = format!("src/decode/{}", if folder == "http" { "http1" } else { folder });
        target(
            &name,
            &source,
            |data| conversation::play(protocol, data),
            || captures().into_iter().flat_map(conversation::seeds).collect(),
        )
    });
    let rest = [
        target("reassembler", "src/net", segments::play, || {
            let far =
                [&[8, 0, 0, 9, 0, 9, 0, 0, 40, 0][..], &[14, 210, 0, 9, 0, 8, 0, 0, 9, 0, 79, 220, 20, 40, 0, 9, 0, 0, 40, 0]];
            vec![[8, 0, 0, 9, 0, 9, 0, 0, 40, 0].repeat(20), far.concat().repeat(10)]
        }),
        target("files", "src/source", file, || captures().into_iter().filter_map(|path| std::fs::read(path).ok()).collect()),
        target("filter", "src/filter", filter, || FILTERS.iter().map(|text| text.as_bytes().to_vec()).collect()),
        target("bodies", "src/body", any_body, body_seeds),
        target("protobuf", "src/body/protobuf", protobuf, || vec![b"\x0a\x03tea\x10\x05\x1a\x04\x08\x01\x12\x00".to_vec()]),
        target("hpack", "src/decode/http2", hpack, || {
            vec![b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff".to_vec()]
        }),
    ];
    analyzers.chain(rest).collect()
}

/// The captures that tests are made of.
fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|case| std::fs::read_dir(case.path()).into_iter().flatten().flatten())
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng"))
        .collect();
    all.sort();
    all
}

/// A file of any bytes: it is read to its end, every line that is printed of it is one JSON object, and every packet is counted.
fn file(data: &[u8]) {
    static SERIAL: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let name = format!("meshtop-fuzz-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, data).expect("there is room for it");
    let opened = Files::open(std::slice::from_ref(&path), &SourceIds::default());
    std::fs::remove_file(&path).expect("it is ours");
    let Ok(files) = opened else { return };
    let (to, turns) = crossbeam_channel::unbounded();
    // damage ends it early, and is told: what was read until then counts
    let _ = pipeline::run(Box::new(files), &Plan::default(), Taps::default(), &AtomicBool::new(false), &to);
    drop(to);
    let mut engine = Engine::new(EngineOptions { keep: false, max_memory: 1 << 22, ..EngineOptions::default() });
    let (schemas, mut line) = (Current::default(), Vec::new());
    let mut print = |record: Record| {
        line.clear();
        match &record {
            Record::Flow(flow) => {
                let how = NdjsonOptions { body_limit: LIMIT, secrets: Secrets::Mask, schemas: &schemas.get() };
                ndjson::write_flow(flow.as_ref(), &how, &mut line);
            }
            Record::Connection(conn) => ndjson::write_connection(conn, &mut line),
            Record::Trace(trace) => ndjson::write_trace(trace, &mut line),
            Record::Finding(finding) => ndjson::write_finding(finding, &mut line),
            Record::Stats(stats) => {
                assert_eq!(stats.unplaced, 0, "every event has its place");
                ndjson::write_stats(stats, &mut line);
            }
        }
        one_line(&line);
    };
    turns.iter().for_each(|turn| engine.take(turn, &mut print));
}

fn one_line(line: &[u8]) {
    let text = std::str::from_utf8(line).expect("UTF-8");
    let body = text.strip_suffix('\n').expect("a line ends");
    assert!(!body.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']), "{body}");
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"));
    assert!(value.is_object());
}

const FILTERS: &[&str] = &[
    "proto == http and status >= 500",
    "not (service ~ \"^ord\" or path contains \"/api\") and duration > 20ms",
    "header[\"x-tenant\"] == \"a\" && body.order.items[0].sku in (\"tea\", \"milk\")",
    "bytes > 1MiB or trace == 4bf92f3577b34da6a3ce929d0e0e4736",
];

fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = Filter::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    let completion = meshtop::filter::complete(text, text.len(), &[]);
    assert!(text.is_char_boundary(completion.from), "{completion:?}");
}

/// Media types and codings that a body may have, by its first two bytes.
const MEDIA: &[&str] = &[
    "",
    "application/json",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=utf-16",
    "text/html; charset=shift_jis",
    "application/x-protobuf",
    "application/grpc",
];
const CODINGS: &[&[&str]] = &[&[], &["gzip"], &["deflate"], &["br"], &["zstd"], &["gzip", "br"]];

fn body_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 4] = [
        b"{\"a\":[1,2.5e3,\"\\u00e9\"],\"password\":\"x\"}",
        b"<a b='c'><d/>&lt;</a>",
        b"a=1&b=%20&token=s",
        b"--x\r\n\r\nhi\r\n--x--",
    ];
    texts.iter().zip(1..).map(|(text, kind)| [&[kind, 0][..], text].concat()).collect()
}

fn any_body(data: &[u8]) {
    let [media, coding, bytes @ ..] = data else { return };
    let media = MEDIA[usize::from(*media) % MEDIA.len()];
    let codings = CODINGS[usize::from(*coding) % CODINGS.len()];
    look_at(media, codings, None, bytes);
}

fn protobuf(data: &[u8]) {
    look_at("application/grpc+proto", &[], None, data);
    for method in [
        "/grpc.health.v1.Health/Check>",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo<",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export>",
    ] {
        look_at("application/grpc+proto", &[], Some(method), data);
    }
}

/// A body is decoded and shown, and what is printed of it is JSON.
fn look_at(media: &str, codings: &[&str], schema: Option<&str>, bytes: &[u8]) {
    let encodings = codings.iter().map(|coding| (*coding).into()).collect();
    let hint = BodyHint { media_type: Some(media.into()), encodings, schema: schema.map(Into::into) };
    let body = Body { kept: bytes.to_vec(), bytes: bytes.len() as u64, hint, whole: true };
    let document = body::decode(&body, &Context::plain(LIMIT));
    assert!(bytes.is_empty() == (document.kind == Kind::Empty) || !codings.is_empty() || schema.is_some(), "{document:?}");
    let mut out = Vec::new();
    body::write_json(&document, Secrets::Mask, &mut out);
    let text = std::str::from_utf8(&out).expect("UTF-8");
    serde_json::from_str::<&serde_json::value::RawValue>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    body::render(&document, Secrets::Mask);
}

/// Header blocks of any bytes on one connection, each a frame.
fn hpack(data: &[u8]) {
    let http2 = PROTOCOLS.iter().find(|protocol| protocol.name == "http2").expect("it is read");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let says = |bytes: &[u8]| [&[(bytes.len() >> 8 << 3) as u8, bytes.len() as u8], bytes].concat();
    let mut script = [vec![0], says(preface)].concat();
    for (block, stream) in data.chunks(200).zip((1_u32..).step_by(2)) {
        let length = (block.len() as u32).to_be_bytes();
        // END_HEADERS and END_STREAM (RFC 9113 §6.2)
        script.extend(says(&[&length[1..], &[1, 5], &stream.to_be_bytes(), block].concat()));
    }
    conversation::play(http2, &script);
}
