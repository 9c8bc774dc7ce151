//! Commands that make a call again: what a shell makes of them, and what they leave out.

use super::super::Looks;
use super::super::tests::{flow, inspect, looks};
use super::*;
use crate::mask::Secrets;
use crate::model::{Body, BodyHint, Fields, Message, Pattern, Stamp};
use crate::schema::{Loader, Sources};
use std::process::Command;

const SHOP: &str = "syntax = \"proto3\"; package shop.v1; message M { string id = 1; string password = 2; }
    service Orders { rpc Get(M) returns (M); rpc Put(stream M) returns (M); }";

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    pairs.iter().for_each(|(name, value)| headers.push(name.as_bytes(), value.as_bytes()));
    headers
}

/// The words that a shell sees in a command.
fn words(command: &str) -> Vec<String> {
    let out = Command::new("bash").arg("-c").arg(format!("printf '%s\\0' {command}")).output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{command}");
    let text = String::from_utf8(out.stdout).unwrap();
    text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
}

fn command(detail: Detail, pattern: Pattern, operation: &str, looks: &Looks) -> Option<CommandView> {
    let mut flow = flow(Some(detail));
    (flow.row.pattern, flow.row.operation) = (pattern, operation.into());
    inspect(&flow, looks).command
}

fn call(method: &str, messages: &[&[u8]], fields: Fields) -> Detail {
    let hint = BodyHint {
        media_type: Some("application/grpc".into()),
        schema: Some(format!("/shop.v1.Orders/{method}>").into()),
        ..BodyHint::default()
    };
    let message = |kept: &&[u8]| Message {
        first: Stamp::default(),
        body: Body { kept: kept.to_vec(), bytes: kept.len() as u64, hint: hint.clone(), whole: true },
    };
    let headers = headers(&[
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "1S"),
        ("user-agent", "x"),
        ("authorization", "Bearer hunter2"),
        ("x-who", "it's $HOME `me` \u{1b}[2J"),
        ("@/etc/passwd", "x"),
    ]);
    let request = Half { headers, messages: messages.iter().map(message).collect(), ..Half::default() };
    let fields = fields.with("grpc.method", method).with("http.authority", "orders:8081");
    Detail { request: Some(request), fields, ..Detail::default() }
}

fn known() -> (tempfile::TempDir, Looks) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("my api/shop")).unwrap();
    std::fs::write(folder.path().join("my api/shop/orders.proto"), SHOP).unwrap();
    let protos = vec![folder.path().join("my api")];
    let looks = looks(Secrets::Mask);
    looks.schemas.set(Loader::new(Sources { protos, ..Sources::default() }).load().unwrap());
    (folder, looks)
}

#[test]
fn a_grpc_call_is_grpcurl_with_its_messages_and_metadata() {
    let (folder, looks) = known();
    let two: [&[u8]; 2] = [b"\x0a\x02o1", b"\x0a\x04it's\x12\x07hunter2"];
    let command = |detail, looks: &Looks| command(detail, Pattern::ClientStream, "/shop.v1.Orders/Put", looks);
    let made = command(call("Put", &two, Fields::default()), &looks).unwrap();
    let root = folder.path().join("my api").display().to_string();
    let wanted = [
        "grpcurl",
        "-plaintext",
        "-authority",
        "orders:8081",
        "-import-path",
        &root,
        "-proto",
        "shop/orders.proto",
        "-H",
        "authorization: Bearer ***",
        "-H",
        "x-who: it's $HOME `me` \u{1b}[2J",
        "-d",
        "{\"id\":\"o1\"} {\"id\":\"it's\",\"password\":\"***\"}",
        "10.0.0.2:80",
        "shop.v1.Orders/Put",
    ];
    assert_eq!((words(&made.text), made.lacks), (wanted.map(str::to_owned).to_vec(), None));
    assert!(!made.text.contains(is_control), "nothing that acts on a terminal: {}", made.text);
    // without a schema there is nothing that grpcurl could send
    let plain = Looks { schemas: Default::default(), ..looks.clone() };
    let made = command(call("Put", &two, Fields::default()), &plain).unwrap();
    assert!(!made.text.contains(" -d ") && !made.text.contains("-proto") && made.lacks.is_some(), "{}", made.text);
    let mut cut = call("Put", &two, Fields::default());
    cut.request.as_mut().unwrap().messages_dropped = 1;
    assert!(command(cut, &looks).unwrap().lacks.is_some());
    let web = call("Put", &two, Fields::default().with("grpc.web", true));
    assert_eq!(lacking(&web), Some("curl and grpcurl do not speak gRPC-Web"));
    assert!(command(web, &looks).is_none());
    // grpcurl knows no field by its number alone
    let more = command(call("Put", &[b"\x0a\x02o1\x98\x06\x01"], Fields::default()), &looks).unwrap();
    assert!(
        !more.text.contains(" -d ") && more.lacks.is_some_and(|lacks| lacks.contains("not all in a schema")),
        "{}",
        more.text
    );
    let unnamed = Detail { fields: Fields::default(), ..call("Put", &two, Fields::default()) };
    assert!(command(unnamed, &looks).is_none());
}

#[test]
fn a_request_is_curl() {
    let request = |body: &[u8], encoding: Option<&str>, fields: Fields| {
        let hint = BodyHint { encodings: encoding.into_iter().map(Into::into).collect(), ..BodyHint::default() };
        let body = Body { kept: body.to_vec(), bytes: body.len() as u64, hint, whole: true };
        let headers = headers(&[("Host", "shop.test"), ("Cookie", "a=b"), ("X-Empty", ""), ("Content-Length", "9")]);
        Detail { request: Some(Half { headers, body, ..Half::default() }), fields, ..Detail::default() }
    };
    let fields = |method: &str, target: &str| Fields::default().with("http.method", method).with("http.target", target);
    let command = |detail| command(detail, Pattern::RequestResponse, "x", &looks(Secrets::Mask));
    let made = command(request(b"{\"token\":\"hunter2\",\n\"a\":\"@b\"}", None, fields("POST", "/a?b=[1]&token=x"))).unwrap();
    let wanted = [
        "curl",
        "-X",
        "POST",
        "-H",
        "Host: shop.test",
        "-H",
        "Cookie: ***",
        "-H",
        "X-Empty;",
        "--data-raw",
        "{\"token\":\"***\",\n\"a\":\"@b\"}",
        "--globoff",
        "http://10.0.0.2:80/a?b=[1]&token=***",
    ];
    assert_eq!((words(&made.text), made.lacks), (wanted.map(str::to_owned).to_vec(), None));
    let get = command(request(b"", None, fields("GET", "/").with("http.version", "2"))).unwrap();
    assert!(
        get.text.starts_with("curl --http2-prior-knowledge -H ") && get.text.ends_with(" http://10.0.0.2:80/"),
        "{}",
        get.text
    );
    let binary = command(request(b"\xff", None, fields("PUT", "/"))).unwrap();
    assert!(binary.lacks.is_some() && !binary.text.contains("--data"), "{}", binary.text);
    assert!(command(request(b"", None, fields("CONNECT", "a:1"))).is_none());
    assert!(command(request(b"", None, Fields::default())).is_none());
}

#[test]
fn a_connect_call_is_curl_with_its_message_as_the_body() {
    let call = |media_type: &str, messages: &[&str]| {
        let hint = BodyHint { media_type: Some(media_type.into()), ..BodyHint::default() };
        let message = |text: &&str| Message {
            first: Stamp::default(),
            body: Body { kept: text.as_bytes().into(), bytes: text.len() as u64, hint: hint.clone(), whole: true },
        };
        let headers = headers(&[("content-type", media_type), ("connect-protocol-version", "1")]);
        let request = Half { headers, messages: messages.iter().map(message).collect(), ..Half::default() };
        let fields = Fields::default().with("http.method", "POST").with("http.target", "/shop.v1.Orders/Get");
        Detail {
            request: Some(request),
            fields: fields.with("grpc.connect", true).with("grpc.method", "Get"),
            ..Detail::default()
        }
    };
    let command = |detail| command(detail, Pattern::Unary, "/shop.v1.Orders/Get", &looks(Secrets::Mask));
    let made = command(call("application/json", &["{\"id\":\"o1\"}"])).unwrap();
    let wanted = [
        "curl",
        "-X",
        "POST",
        "-H",
        "content-type: application/json",
        "-H",
        "connect-protocol-version: 1",
        "--data-raw",
        "{\"id\":\"o1\"}",
        "http://10.0.0.2:80/shop.v1.Orders/Get",
    ];
    assert_eq!((words(&made.text), made.lacks), (wanted.map(str::to_owned).to_vec(), None));
    let binary = command(call("application/proto", &["\n\u{2}o1"])).unwrap();
    assert!(!binary.text.contains("--data") && binary.lacks.is_some(), "{}", binary.text);
    let stream = call("application/connect+proto", &["a", "b"]);
    assert_eq!(lacking(&stream), Some("curl and grpcurl do not speak Connect's streams"));
    assert!(command(stream).is_none());
}

#[test]
fn any_word_comes_out_of_a_shell_as_it_went_in() {
    for word in ["", "a", "a b", "it's", "$x `y` \\ \"z\"", "a\nb\t'c'\\", "\u{1b}0[2J\u{202e}é", "!x", "-d", "~", "*"] {
        assert_eq!(words(&quoted(word)), [word], "{}", quoted(word));
    }
}
