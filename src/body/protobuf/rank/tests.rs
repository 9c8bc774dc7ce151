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
