//! Methods by their messages: which are proposed, and when none is.

use super::super::tests::{SCHEMAS, body, hex};
use super::*;
use crate::model::{Message, Stamp};
use crate::schema::Place;

#[test]
fn methods_are_ranked_by_how_well_their_messages_read() {
    let order = hex("0a026f3112050a017310021801");
    let id = b"\x0a\x02o1";
    let methods = |request: &[&[u8]], response: &[&[u8]]| {
        let found = candidates(request, response, &SCHEMAS);
        let best = found.first().map(|first| first.score);
        let mut best: Vec<_> = found.into_iter().filter(|c| Some(c.score) == best).map(|c| c.method).collect();
        best.sort();
        best
    };
    assert_eq!(methods(&[&order], &[id]), ["/test.v1.Orders/PlaceOrder"]);
    // one order may be all of a stream
    assert_eq!(methods(&[id], &[&order]), ["/test.v1.Orders/Follow", "/test.v1.Orders/GetOrder"]);
    assert_eq!(methods(&[id], &[&order, &order]), ["/test.v1.Orders/Follow"]);
    assert_eq!(methods(&[b"\x0a\x01\xff", b"\x0a\x01\xfe"], &[id]), ["/test.v1.Orders/Upload"]);
    assert_eq!(methods(&[b"\xff\xff"], &[id]), [""; 0]);
    assert_eq!(methods(&[], &[]), [""; 0]);
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
