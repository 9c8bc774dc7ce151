//! What schemas add to a call is there for filters as it is on the screen.

use super::*;
use crate::schema::{Current, Loader, Sources};

const SHOP: &str = "syntax = \"proto3\"; package shop; message Id { string id = 1; }
    service Orders { rpc Get(Id) returns (Id); }";

fn known() -> Current {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.proto");
    std::fs::write(&file, SHOP).unwrap();
    let current = Current::default();
    current.set(Loader::new(Sources { protos: vec![file], ..Sources::default() }).load().unwrap());
    current
}

/// A call whose path was not captured.
fn call(operation: &str) -> Flow {
    let message = Message {
        first: Stamp::default(),
        body: Body { kept: b"\x0a\x02o1".to_vec(), bytes: 4, hint: BodyHint::default(), whole: true },
    };
    let trailers = headers(&[("grpc-status-details-bin", "CAMSA2JhZA")]);
    let response = Half { trailers, ..Half::default() };
    let detail = Detail {
        request: Some(Half { messages: vec![message], ..Half::default() }),
        response: Some(response),
        notes: vec![Issue::SHAPE_GUESSED],
        ..Detail::default()
    };
    let mut flow = flow();
    (flow.row.pattern, flow.row.operation, flow.detail) = (Pattern::Unary, operation.into(), Some(Arc::new(detail)));
    flow
}

#[test]
fn candidates_notes_and_status_details_are_found() {
    let known = known();
    let rows = [
        ("grpc.candidates == \"/shop.Orders/Get\"", true, false),
        ("grpc.candidates contains \"/shop.\"", true, false),
        ("\"shop.Orders\"", true, false),
        ("\"method guessed\"", true, false),
        ("\"pattern guessed\"", true, true),
        ("header.grpc-status-details-bin contains '\"message\":\"bad\"'", true, true),
        ("'\"code\":3'", true, true),
    ];
    for (text, with, without) in rows {
        let filter = Filter::parse(text).unwrap();
        let flow = call("unknown method");
        assert_eq!(filter.clone().knowing(&known).matches(flow.as_ref()), with, "{text}");
        assert_eq!(filter.matches(flow.as_ref()), without, "{text}, without a schema");
    }
    let named = Filter::parse("\"pattern guessed\"").unwrap().knowing(&known);
    assert!(!named.matches(call("/shop.Orders/Get").as_ref()), "the descriptor tells the shape");
    assert_eq!(Filter::parse("grpc.candidates").unwrap().needs(), Needs::Bodies, "they are told from the messages");
}
