//! Methods by their messages: which are proposed, and when none is.

use super::super::tests::{SCHEMAS, body, hex};
use super::*;
use crate::model::{Message, Stamp};
use crate::schema::Place;

#[test]
fn methods_are_ranked_by_how_well_their_messages_read() {
    let order = hex("0a026f3112050a017310021801");
    let id = b"\x0a\x02o1";
    // the likeliest, as many as are as likely
    let methods = |seen, request: &[&[u8]], response: &[&[u8]], n| {
        let mut best: Vec<_> = candidates(seen, request, response, &SCHEMAS).into_iter().take(n).collect();
        best.sort();
        best
    };
    let (place, follow, get) = ("/test.v1.Orders/PlaceOrder", "/test.v1.Orders/Follow", "/test.v1.Orders/GetOrder");
    assert_eq!(methods(Pattern::Unary, &[&order], &[id], 1), [place]);
    // one order may be all of a stream
    assert_eq!(methods(Pattern::Unary, &[id], &[&order], 2), [follow, get]);
    assert_eq!(methods(Pattern::ServerStream, &[id], &[&order], 9), [follow], "of more than one, one was kept");
    let blobs: [&[u8]; 2] = [b"\x0a\x01\xff", b"\x0a\x01\xfe"];
    assert_eq!(methods(Pattern::ClientStream, &blobs, &[id], 1), ["/test.v1.Orders/Upload"]);
    assert_eq!(methods(Pattern::Unary, &[b"\xff\xff"], &[id], 9), [""; 0]);
    assert_eq!(methods(Pattern::Unary, &[], &[], 9), [""; 0]);
}

/// A service of many methods, all of which take what a text alone does not tell apart from, and the right one last.
fn many(methods: usize) -> Schemas {
    let folder = tempfile::tempdir().unwrap();
    let rpcs: String = (0..methods).map(|n| format!("rpc M{n}(No) returns (No);\n")).collect();
    let text = format!(
        "syntax = \"proto3\"; package many; message No {{ bool no = 9; }} message Yes {{ string text = 1; repeated Yes more = 2; }}
        service Many {{ {rpcs} rpc Last(Yes) returns (Yes); }}"
    );
    let file = folder.path().join("many.proto");
    std::fs::write(&file, text).unwrap();
    crate::schema::Loader::new(crate::schema::Sources { protos: vec![file], ..Default::default() }).load().unwrap()
}

#[test]
fn large_messages_leave_no_method_untried() {
    let schemas = many(300);
    let large = [&b"\x0a\x80\x80\x40"[..], &[b'x'; 1 << 20]].concat();
    let small = b"\x0a\x02o1";
    for request in [&[&large[..]; 8][..], &[&large, small], &[small, &large]] {
        assert_eq!(candidates(Pattern::Unary, request, &[&large], &schemas).first().map(String::as_str), Some("/many.Many/Last"));
    }
    // what is in the middle when its share is used up is left, and what is before it counts
    let parts = b"\x12\x04\x0a\x02o1".repeat(1 << 18);
    assert_eq!(candidates(Pattern::Unary, &[&parts], &[], &schemas), ["/many.Many/Last"]);
    let bytes: usize = within(&[&large, &parts, small], 100).iter().map(|bytes| bytes.len()).sum();
    assert_eq!(bytes, small.len());
    assert!(within(&[&large], 100)[0].len() <= 100 && !within(&[&large], 100)[0].is_empty());
}

#[test]
fn a_call_without_its_method_has_candidates() {
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, plain).unwrap();
        encoder.finish().unwrap()
    };
    let side = |mut body: Body, encoding: Option<&str>| {
        body.hint.encodings.extend(encoding.map(Into::into));
        let message = Message { first: Stamp::default(), body };
        Some(Half { messages: vec![message], ..Half::default() })
    };
    let order = body("", None, &gzip(&hex("0a026f3112050a017310021801")));
    let detail =
        Detail { request: side(order, Some("gzip")), response: side(body("", None, b"\x0a\x02o1"), None), ..Detail::default() };
    let context = Context { limit: 1 << 16, schemas: &SCHEMAS, place: Place::default() };
    let first = |detail: &Detail, context: &Context<'_>| match fields(Pattern::Unary, detail, context).get("grpc.candidates") {
        Some(FieldValue::List(methods)) => methods.first().cloned(),
        _ => None,
    };
    assert_eq!(first(&detail, &context), Some("/test.v1.Orders/PlaceOrder".into()));
    assert_eq!(first(&detail, &Context::plain(1 << 16)), None, "nothing was given");
    assert_eq!(first(&Detail::default(), &context), None, "no message");
    let named = Detail { fields: Fields::default().with("grpc.method", "X"), ..detail };
    assert_eq!(first(&named, &context), None);
}
