//! Messages to JSON: beside protobuf's own library, cut, damaged, and without a schema.

mod properties;

use super::*;
use crate::body::{decode, write_json};
use crate::mask::Secrets;
use crate::model::{Body, BodyHint, Pattern};
use crate::schema::{Loader, Place, Rule, Sources};
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::LazyLock;

pub(super) static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| with_rules(Vec::new()));

fn with_rules(rules: Vec<Rule>) -> Schemas {
    let protos = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/body/protobuf/tests")];
    Loader::new(Sources { protos, rules, ..Sources::default() }).load().unwrap()
}

fn message(name: &str) -> MessageDescriptor {
    SCHEMAS.message(name).unwrap().message
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub(super) fn body(media_type: &str, schema: Option<&str>, kept: &[u8]) -> Body {
    let hint = BodyHint { media_type: Some(media_type.into()), schema: schema.map(Into::into), ..BodyHint::default() };
    Body { kept: kept.to_vec(), bytes: kept.len() as u64, hint, whole: true }
}

fn written(body: &Body, schemas: &Schemas, place: Place<'_>) -> Json {
    let document = decode(body, &Context { limit: 1 << 16, schemas, place });
    let mut out = Vec::new();
    write_json(&document, Secrets::Show, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// The contract's object for a body that a call carried.
fn called(method: &str, kept: &[u8]) -> Json {
    written(&body("application/grpc", Some(method), kept), &SCHEMAS, Place::default())
}

/// Numbers as readers see them: JSON has no integers.
fn normal(value: Json) -> Json {
    match value {
        Json::Number(n) => serde_json::json!(n.as_f64()),
        Json::Array(items) => items.into_iter().map(normal).collect(),
        Json::Object(members) => members.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        other => other,
    }
}

#[test]
fn the_json_is_that_of_protobufs_own_library() {
    for line in include_str!("tests/golden.jsonl").lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let (name, bytes) = (line["type"].as_str().unwrap(), hex(line["bytes"].as_str().unwrap()));
        let ours = json::json(&bytes, &message(name), &SCHEMAS).unwrap();
        assert_eq!(normal(serde_json::from_str(&ours).unwrap()), normal(line["json"].clone()), "{name} {ours}");
    }
}

#[test]
fn a_call_without_its_method_is_read_as_what_it_may_be_and_that_is_a_guess() {
    let read = |kept: &[u8], may_be| {
        let context = Context { limit: 100, schemas: &SCHEMAS, place: Place { may_be, ..Place::default() } };
        decode(&body("application/grpc", None, kept), &context)
    };
    let place = Some("/test.v1.Orders/PlaceOrder>");
    let read_as = read(&hex("0a026f31"), place);
    assert_eq!((&read_as.value, read_as.guess), (&Content::Json("{\"id\":\"o1\"}".into()), true));
    let about = read_as.about.unwrap();
    assert!(about.starts_with("a guess: method not captured; may be /test.v1.Orders/PlaceOrder, test.v1.Order from "), "{about}");
    // it was another one after all
    let other = read(b"\x0a\x01\xff", place);
    assert!(other.guess && other.error.is_some_and(|e| e.starts_with("does not parse as test.v1.Order: ")));
    let none = read(&hex("0a026f31"), None);
    assert_eq!((none.about.as_deref(), none.schema), (Some("a guess: method not captured"), None));
}

#[test]
fn fields_that_the_schema_has_not_are_told_apart() {
    let called = |kept: &[u8]| {
        let body = body("application/grpc", Some("/test.v1.Orders/PlaceOrder>"), kept);
        decode(&body, &Context { limit: 100, schemas: &SCHEMAS, place: Place::default() })
    };
    assert!(!called(&hex("0a026f31")).unknown && called(&hex("0a026f31980601")).unknown);
}

#[test]
fn a_call_is_read_by_its_method_and_tells_from_which_file() {
    let order = hex("0a026f3112050a017310021801");
    let expected = r#"{"kind":"protobuf","type":"test.v1.Order","value":{"id":"o1","lines":[{"sku":"s","quantity":2}],"colour":"COLOUR_RED"}}"#;
    assert_eq!(called("/test.v1.Orders/PlaceOrder>", &order).to_string(), expected);
    assert_eq!(called("/test.v1.Orders/GetOrder<", &order).to_string(), expected);
    assert_eq!(
        called("/test.v1.Orders/PlaceOrder>", b"").to_string(),
        r#"{"kind":"protobuf","type":"test.v1.Order","value":{}}"#
    );
    let hinted = body("application/grpc", Some("/test.v1.Orders/PlaceOrder>"), &order);
    let about = decode(&hinted, &Context { limit: 100, schemas: &SCHEMAS, place: Place::default() }).about.unwrap();
    assert!(about.starts_with("test.v1.Order from ") && about.ends_with("everything.proto"), "{about}");
}

#[test]
fn without_a_schema_it_is_a_guess_that_says_why() {
    let order = hex("0a026f3112050a0173100218ffffffffffffffffff0121000000000000f83f");
    let shown = called("/x.Y/Z>", &order);
    assert_eq!(shown.to_string(), r#"{"kind":"protobuf","value":{"1":"o1","2":{"1":"s","2":2},"3":-1,"4":1.5},"guess":true}"#);
    let why = |media: &str, schema| decode(&body(media, schema, &order), &Context::plain(100)).about.unwrap();
    assert_eq!(why("application/grpc+proto", Some("/x.Y/Z<")), "a guess: no schema for /x.Y/Z");
    assert_eq!(why("application/x-protobuf; messageType=\"a.B\"", None), "a guess: no schema for a.B");
    assert_eq!(why("application/protobuf", None), "a guess: nothing names its schema");
    // not even the wire format
    let broken = called("/x.Y/Z>", b"\xff\xff");
    assert_eq!((&broken["kind"], &broken["error"]), (&"binary".into(), &"not a protobuf message: it ends inside a field".into()));
    let text = called("/x.Y/Z>", b"upstream connect error");
    assert_eq!((&text["kind"], &text["value"]), (&"text".into(), &"upstream connect error".into()));
}

#[test]
fn what_a_field_of_bytes_holds_is_told_by_its_bytes() {
    for (bytes, expected) in [
        ("0a05 68656c6c6f", r#"{"1":"hello"}"#),
        ("0a00", r#"{"1":""}"#),
        // text that is fields by chance, and fields that are text by chance
        ("0a04 38013801", r#"{"1":{"7":[1,1]}}"#),
        ("0a02 3232", r#"{"1":"22"}"#),
        ("0a07 0a05 68656c6c6f", r#"{"1":{"1":"hello"}}"#),
        ("0a03 0a0a0a", r#"{"1":"\n\n\n"}"#),
        ("0a03 ff0001", r#"{"1":"/wAB"}"#),
        ("0a02 c3a9", r#"{"1":"é"}"#),
        // packed numbers look like anything
        ("0a04 00018002", r#"{"1":"AAGAAg=="}"#),
        ("0801 1003 0802", r#"{"1":[1,2],"2":3}"#),
        ("0d0000803f", r#"{"1":1.0}"#),
        ("0d01000000", r#"{"1":1}"#),
        ("09ffffffffffffff7f", r#"{"1":"9223372036854775807"}"#),
        ("0b08010c", r#"{"1":{"1":1}}"#),
        ("f8ffffff0f01", r#"{"536870911":1}"#),
    ] {
        assert_eq!(guess::json(&hex(&bytes.replace(' ', ""))).as_deref(), Ok(expected), "{bytes}");
    }
    for (bytes, fault) in
        [("08", "it ends inside a field"), ("00", "a field number of 0"), ("0c", "the end of a group that did not begin")]
    {
        assert_eq!(guess::json(&hex(bytes)).unwrap_err().text(), fault);
    }
    for bytes in ["0fff", "0b080114", "08ffffffffffffffffff02", "f8ffffff1f01"] {
        assert!(guess::json(&hex(bytes)).is_err(), "{bytes}");
    }
}

#[test]
fn what_does_not_parse_by_its_schema_says_so_and_is_guessed() {
    let shown = called("/test.v1.Orders/PlaceOrder>", &hex("0801"));
    assert_eq!(
        (&shown["type"], &shown["guess"], &shown["value"]),
        (&"test.v1.Order".into(), &true.into(), &serde_json::json!({"1": 1}))
    );
    let error = shown["error"].as_str().unwrap();
    assert!(error.starts_with("does not parse as test.v1.Order: id: invalid wire type"), "{error}");
    let nested = called("/test.v1.Orders/PlaceOrder>", &hex("0a0161 1205 0a0173 1002 1203 0a01ff".replace(' ', "").as_str()));
    let error = nested["error"].as_str().unwrap();
    assert!(error.starts_with("does not parse as test.v1.Order: lines.sku: invalid string value"), "{error}");
    let latin = called("/test.v1.Orders/GetOrder>", &hex("0a02e920"));
    assert!(latin["error"].as_str().unwrap().contains("UTF-8"), "{latin}");
    assert_eq!(latin["value"]["1"], "6SA=");
}

#[test]
fn fields_that_the_schema_does_not_have_are_shown_by_number() {
    let shown = called("/test.v1.Orders/GetOrder>", &hex("0a0161 10ff01 1a03 0a0162 1002".replace(' ', "").as_str()));
    assert_eq!(shown.to_string(), r#"{"kind":"protobuf","type":"test.v1.OrderId","value":{"id":"a","2":[255,2],"3":{"1":"b"}}}"#);
    let unknown_enum = called("/test.v1.Orders/PlaceOrder>", &hex("1863"));
    assert_eq!(unknown_enum["value"], serde_json::json!({"colour": 99}));
}

#[test]
fn what_a_well_known_type_cannot_say_is_shown_as_its_fields() {
    for (name, bytes, expected) in [
        ("Timestamp", "108094ebdc03", r#"{"nanos":1000000000}"#),
        ("Timestamp", "08ffffffffffffffff7f", r#"{"seconds":"9223372036854775807"}"#),
        ("Timestamp", "10ffffffffffffffffff01", r#"{"nanos":-1}"#),
        ("Duration", "080110ffffffffffffffffff01", r#"{"seconds":"1","nanos":-1}"#),
        ("FieldMask", "0a0341625f", r#"{"paths":["Ab_"]}"#),
        ("FieldMask", "0a04615f3162", r#"{"paths":["a_1b"]}"#),
    ] {
        let of = message(&format!("google.protobuf.{name}"));
        assert_eq!(json::json(&hex(bytes), &of, &SCHEMAS).unwrap_or_default(), expected, "{name} {bytes}");
    }
}

#[test]
fn an_any_never_fails_its_message() {
    let any = |url: &str, bytes: &[u8]| {
        let mut any = DynamicMessage::new(message("google.protobuf.Any"));
        any.set_field_by_number(1, Value::String(url.into()));
        any.set_field_by_number(2, Value::Bytes(bytes.to_vec().into()));
        any
    };
    let shown = |any: &DynamicMessage| json::json(&any.encode_to_vec(), &any_of(), &SCHEMAS).unwrap();
    assert_eq!(shown(&any("x/a.Unknown", b"\x08\x01")), r#"{"@type":"x/a.Unknown","value":"CAE="}"#);
    assert_eq!(
        shown(&any("type.googleapis.com/test.v1.Line", b"\x0a\x01s\x10\x02")),
        r#"{"@type":"type.googleapis.com/test.v1.Line","sku":"s","quantity":2}"#
    );
    assert_eq!(shown(&any("x/test.v1.Line", b"\xff")), r#"{"@type":"x/test.v1.Line","value":"/w=="}"#);
    // deeper than anybody reads: what is in there stays bytes
    let mut nested = any("x/test.v1.Line", b"");
    for _ in 0..1000 {
        nested = any("x/google.protobuf.Any", &nested.encode_to_vec());
    }
    let shown = shown(&nested);
    assert!(serde_json::from_str::<Json>(&shown).is_ok(), "{} bytes", shown.len());
}

fn any_of() -> MessageDescriptor {
    message("google.protobuf.Any")
}

#[test]
fn a_message_that_is_cut_tells_what_it_told() {
    let order = hex("0a026f3112050a017310021801");
    let cut = |at: usize| {
        let mut body = body("application/grpc", Some("/test.v1.Orders/PlaceOrder>"), &order[..at]);
        body.bytes = order.len() as u64;
        written(&body, &SCHEMAS, Place::default()).to_string()
    };
    let with = |value: &str| format!(r#"{{"kind":"protobuf","type":"test.v1.Order","value":{value},"cut":true}}"#);
    assert_eq!(cut(3), with(r#"{"id":"o"}"#));
    assert_eq!(cut(5), with(r#"{"id":"o1"}"#));
    assert_eq!(cut(9), with(r#"{"id":"o1","lines":[{"sku":"s"}]}"#));
    assert_eq!(cut(11), with(r#"{"id":"o1","lines":[{"sku":"s","quantity":2}]}"#));
    assert_eq!(cut(0), r#"{"kind":"protobuf","type":"test.v1.Order","cut":true}"#);
    // one message of a megabyte of text
    let long = [&b"\x0a\xff\xff\x3f"[..], "é".repeat(50).as_bytes(), b"\xc3"].concat();
    let shown = written(&Body { bytes: 1 << 20, ..body("application/grpc", Some("/a.B/C>"), &long) }, &SCHEMAS, Place::default());
    assert_eq!((&shown["value"]["1"], &shown["cut"]), (&"é".repeat(50).into(), &true.into()));
}

#[test]
fn content_types_and_rules_name_messages_outside_of_grpc() {
    let line = b"\x0a\x01s\x10\x02";
    let named = r#"{"kind":"protobuf","type":"test.v1.Line","value":{"sku":"s","quantity":2}}"#;
    for media in [
        "application/x-protobuf; messageType=\"test.v1.Line\"",
        "application/protobuf;type=x/test.v1.Line",
        "application/vnd.google.protobuf; proto=.test.v1.Line",
    ] {
        assert_eq!(written(&body(media, None, line), &SCHEMAS, Place::default()).to_string(), named, "{media}");
    }
    let several = [b"\x05", &line[..], b"\x00", b"\x05", line].concat();
    let media = "application/x-protobuf; proto=test.v1.Line; encoding=delimited";
    let shown = written(&body(media, None, &several), &SCHEMAS, Place::default());
    assert_eq!(shown["value"], serde_json::json!([{"sku": "s", "quantity": 2}, {}, {"sku": "s", "quantity": 2}]));

    let schemas = with_rules(vec![Rule { topic: Some("orders.*".into()), message: "test.v1.Line".into(), ..Rule::default() }]);
    let at = |topic| Place { topic: Some(topic), ..Place::default() };
    assert_eq!(written(&body("", None, line), &schemas, at("orders.placed")).to_string(), named);
    assert_eq!(written(&body("application/octet-stream", None, line), &schemas, at("orders.x")).to_string(), named);
    assert_eq!(written(&body("", None, line), &schemas, at("other"))["kind"], "binary");
    assert_eq!(written(&body("application/json", None, b"{}"), &schemas, at("orders.placed"))["kind"], "json");
    // a request without a body is none, an empty body that says what it is is one
    assert_eq!(written(&body("", None, b""), &schemas, at("orders.placed")).to_string(), r#"{"kind":"empty"}"#);
    for media in ["application/x-protobuf", "application/x-protobuf; messageType=test.v1.Line"] {
        let shown = written(&body(media, None, b""), &schemas, at("orders.placed"));
        assert_eq!(shown.to_string(), r#"{"kind":"protobuf","type":"test.v1.Line","value":{}}"#);
    }
}

#[test]
fn bombs_of_nesting_and_of_lengths_cost_nothing() {
    // a message in a message in a message, as deep as 64 KiB allow: by a recursive type, as groups, without a type
    let mut nested = Vec::new();
    while nested.len() < 1 << 15 {
        let mut outer = vec![0x1a];
        let mut length = nested.len();
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(nested);
        nested = outer;
    }
    let groups = vec![0x0b; 1 << 15];
    let endless = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
    for bytes in [&nested[..], &groups, endless] {
        for media in [
            "application/protobuf; proto=test.v1.Everything.Inner",
            "application/grpc",
            "application/protobuf; encoding=delimited",
        ] {
            for sent in [bytes.len() as u64, u64::MAX] {
                let shown = written(&Body { bytes: sent, ..body(media, None, bytes) }, &SCHEMAS, Place::default());
                assert!(shown["kind"].is_string());
            }
        }
        rank::candidates(Pattern::Unary, &[bytes], &[bytes], &SCHEMAS);
    }
}

#[test]
fn secrets_in_a_message_are_masked_by_the_name_of_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let login = "syntax = \"proto3\"; message Login { string user = 1; string password = 2; Keys keys = 3; } message Keys { bytes api_key = 1; }";
    std::fs::write(folder.path().join("login.proto"), login).unwrap();
    let schemas = Loader::new(Sources { protos: vec![folder.path().into()], ..Sources::default() }).load().unwrap();
    let sent = body("application/protobuf; proto=Login", None, b"\x0a\x01u\x12\x06hunter\x1a\x03\x0a\x01k");
    let document = decode(&sent, &Context { limit: 100, schemas: &schemas, place: Place::default() });
    let mut out = Vec::new();
    write_json(&document, Secrets::Mask, &mut out);
    let shown: Json = serde_json::from_slice(&out).unwrap();
    assert_eq!(shown["value"], serde_json::json!({"user": "u", "password": "***", "keys": {"apiKey": "***"}}));
    let lines: String = crate::body::render(&document, Secrets::Mask).iter().map(|line| line.text()).collect();
    assert!(!lines.contains("hunter") && lines.contains("\"user\": \"u\""), "{lines}");
}
