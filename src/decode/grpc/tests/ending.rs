//! How calls end: what their status is told to be, wherever it stands and whatever of it was seen.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn framed(flags: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flags][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// A call that is answered with a body in a coding of its messages.
fn coded(media: &str, coding: (&str, &str), body: &[u8]) -> Sketch {
    call(media, &message(0, "ask"), |s| {
        let head = s.headers(DOWN, 1, 0, &[(":status", "200"), ("content-type", media), coding]);
        [head, frame(0, END, 1, body)].concat()
    })
}

fn ok(flow: &Sketch) -> Option<bool> {
    flow.closed.as_ref().map(|closed| closed.ok)
}

#[test]
fn an_end_that_is_compressed_is_read() {
    let connect = ("connect-content-encoding", "gzip");
    let end = gzip(r#"{"error":{"code":"not_found","message":"no tea"},"metadata":{"x-a":["1","2"]}}"#);
    let flow = coded("application/connect+json", connect, &framed(3, &end));
    assert_eq!((status(&flow), ok(&flow)), (Some("NOT_FOUND"), Some(false)));
    assert_eq!(flow.fields["grpc.message"], "Text(\"no tea\")");
    assert_eq!(flow.trailers[1].iter().collect::<Vec<_>>(), [(&b"x-a"[..], &b"1"[..]), (b"x-a", b"2")]);
    let web = coded("application/grpc-web", ("grpc-encoding", "gzip"), &framed(0x81, &gzip("grpc-status: 5\r\n")));
    assert_eq!((status(&web), ok(&web)), (Some("NOT_FOUND"), Some(false)));
    // what can't be undone is not said to have gone well
    for coding in [("connect-content-encoding", "nobodys"), ("x-other", "gzip")] {
        let flow = coded("application/connect+json", coding, &framed(3, &end));
        assert_eq!((status(&flow), ok(&flow)), (None, Some(false)));
        assert!(flow.notes.contains(&"end of the call cannot be read"), "{:?}", flow.notes);
    }
}

#[test]
fn an_error_of_connect_is_one_whatever_its_code() {
    let connect = |end: &str| {
        let flow = coded("application/connect+json", ("x-a", "b"), &message(2, end));
        (status(&flow).map(str::to_owned), flow.fields.get("grpc.message").cloned())
    };
    let told = |word: &str, message: Option<&str>| (Some(word.to_owned()), message.map(|m| format!("Text({m:?})")));
    assert_eq!(connect(r#"{"error":{"message":"x"}}"#), told("UNKNOWN", Some("x")));
    assert_eq!(connect(r#"{"error":{"code":"no_such_code"}}"#), told("UNKNOWN", None));
    assert_eq!(connect(r#"{"metadata":{"a":["\"code\": \"aborted\""]}}"#), told("OK", None));
    assert_eq!(connect(r#"{"metadata":{"code":["aborted"]},"error":{"code":"not_found"}}"#), told("NOT_FOUND", None));
}

#[test]
fn the_error_of_a_unary_connect_call_is_its_body() {
    let unary = |code: &str, coding: &str, body: &[u8]| {
        let mut s = Script::new("a unary call of Connect");
        let media = ("content-type", "application/json");
        let head = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), media, ("connect-protocol-version", "1")];
        let ask = s.headers(UP, 1, 0, &head);
        s.say(UP, &[ask, frame(0, END, 1, b"{}")]);
        let head = s.headers(DOWN, 1, 0, &[(":status", code), media, ("content-encoding", coding)]);
        s.say(DOWN, &[head, frame(0, END, 1, body)]);
        let flow = flows(&s.talk).remove(0);
        (status(&flow).map(str::to_owned), flow.fields.get("grpc.message").cloned())
    };
    let error = r#"{"code":"already_exists","message":"twice"}"#;
    let told = (Some("ALREADY_EXISTS".to_owned()), Some("Text(\"twice\")".to_owned()));
    assert_eq!(unary("409", "identity", error.as_bytes()), told);
    assert_eq!(unary("409", "gzip", &gzip(error)), told);
    // a message that only looks like one
    assert_eq!(unary("200", "identity", error.as_bytes()), (Some("OK".to_owned()), None));
    // without a code, HTTP's counts
    assert_eq!(unary("404", "identity", b"{}"), (Some("UNIMPLEMENTED".to_owned()), None));
}

#[test]
fn a_call_of_connect_may_be_a_get_or_lack_its_version() {
    let unary = |head: &[(&str, &str)], body: &[u8]| {
        let mut s = Script::new("a call of Connect that is told otherwise");
        let ask = s.headers(UP, 1, if body.is_empty() { END } else { 0 }, &[&[(":scheme", "http")], head].concat());
        s.say(UP, &[ask]);
        if !body.is_empty() {
            s.say(UP, &[frame(0, END, 1, body)]);
        }
        let head = s.headers(DOWN, 1, 0, &[(":status", "200"), ("content-type", "application/proto")]);
        s.say(DOWN, &[head, frame(0, END, 1, b"yes")]);
        let flow = flows(&s.talk).remove(0);
        let encodings = flow.messages.first().map_or(0, |(_, m)| m.body.hint.encodings.len());
        (flow.protocol, flow.operation.clone(), texts(&flow, UP), texts(&flow, DOWN), encodings)
    };
    let get = |query: &str| unary(&[(":method", "GET"), (":path", &format!("/a.v1.B/C?{query}"))], b"");
    let told = |asked: &[&str], encodings: usize| {
        let asked = asked.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        ("grpc", "/a.v1.B/C".to_owned(), asked, vec!["yes".to_owned()], encodings)
    };
    assert_eq!(get("connect=v1&encoding=json&message=%7B%22a%22%3A1%7D"), told(&[r#"{"a":1}"#], 0));
    assert_eq!(get("connect=v1&encoding=proto&base64=1&message=YT8_"), told(&["a??"], 0));
    assert_eq!(get("message=YQ&base64=1&compression=gzip&encoding=proto&connect=v1"), told(&["a"], 1));
    assert_eq!(get("connect=v1&encoding=proto&base64=1&message=*"), told(&[], 0));
    assert_eq!(get("encoding=proto&message=a").0, "http");
    let post = |path: &str| unary(&[(":method", "POST"), (":path", path), ("content-type", "application/proto")], b"ask");
    assert_eq!(post("/a.v1.B/C"), told(&["ask"], 0));
    for path in ["/upload/C", "/a.v1.B/C/d", "/a.v1.B/", "/a..B/C"] {
        assert_eq!(post(path).0, "http", "{path}");
    }
}

#[test]
fn a_status_shows_a_call_whose_type_was_not_seen() {
    for (fields, told) in [
        (&[(":status", "200"), ("grpc-status", "5")][..], (Some("NOT_FOUND"), Some(false))),
        (&[(":status", "200"), ("grpc-status", "0")], (Some("OK"), Some(true))),
        // a message is a failure's; which one, was not seen
        (&[(":status", "200"), ("grpc-message", "no")], (None, Some(false))),
        (&[(":status", "200"), ("grpc-message", "OK")], (None, Some(true))),
    ] {
        let mut s = Script::new("only a status is seen");
        let mut head = s.block(DOWN, fields);
        head.push(0xbf + 60);
        s.talk.turns.clear();
        s.talk.joined = Joined::Midway;
        s.say(DOWN, &[frame(4, 1, 0, &[]), frame(1, 4 | END, 1, &head), frame(6, 0, 0, &[0; 8])]);
        let flow = flows(&s.talk).remove(0);
        assert_eq!((flow.protocol, status(&flow), ok(&flow)), ("grpc", told.0, told.1), "{flow:?}");
    }
    // in trailers, too
    let mut s = Script::new("only trailers tell");
    s.talk.turns.clear();
    s.talk.joined = Joined::Midway;
    let (head, trailers) = (s.headers(DOWN, 1, 0, &[(":status", "200")]), s.headers(DOWN, 1, END, &[("grpc-status", "7")]));
    s.say(DOWN, &[frame(4, 1, 0, &[]), head, frame(0, 0, 1, b"part of a message"), trailers]);
    let flow = flows(&s.talk).remove(0);
    assert_eq!((flow.protocol, status(&flow), ok(&flow)), ("grpc", Some("PERMISSION_DENIED"), Some(false)), "{flow:?}");
}

#[test]
fn who_cancels_at_the_deadline_does_so_because_of_it() {
    let reset = |timeout: &str, by, code: u32| {
        let mut s = Script::new("a deadline");
        let media = ("content-type", "application/grpc");
        let head = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), media, ("grpc-timeout", timeout)];
        let ask = s.headers(UP, 1, 0, &head);
        s.say(UP, &[ask, frame(0, END, 1, &message(0, "x"))]);
        // packets come a nanosecond apart
        s.say(by, &[frame(4, 0, 0, &[]), frame(6, 0, 0, &[0; 8]).repeat(60), frame(3, 0, 1, &code.to_be_bytes())]);
        let flow = flows(&s.talk).remove(0);
        (status(&flow).map(str::to_owned), flow.fields["grpc.timeout"].clone())
    };
    let cancelled = |timeout: &str| reset(timeout, UP, 8);
    let told = |word: &str, timeout: &str| (Some(word.to_owned()), format!("Text({timeout:?})"));
    assert_eq!(cancelled("900n"), told("DEADLINE_EXCEEDED", "900 ns"));
    assert_eq!(cancelled("300m"), told("CANCELLED", "300 ms"));
    assert_eq!(cancelled("2M"), told("CANCELLED", "2 min"));
    assert_eq!(cancelled("99999999H"), told("CANCELLED", "99999999 h"));
    assert_eq!(cancelled("soon"), told("CANCELLED", "soon"));
    // a client has nothing else to say then, a server may have an error of its own
    assert_eq!(reset("900n", UP, 2), told("DEADLINE_EXCEEDED", "900 ns"));
    assert_eq!(reset("900n", DOWN, 8), told("DEADLINE_EXCEEDED", "900 ns"));
    assert_eq!(reset("900n", DOWN, 2), told("INTERNAL", "900 ns"));
}

#[test]
fn an_answer_that_begins_in_a_hole_says_so() {
    let media = "application/grpc";
    let lost = |content: &[u8]| {
        let mut s = Script::new("an answer of which the head is lost");
        let head = ask(&mut s, 1, "/shop.v1.Orders/Place", media);
        s.say(UP, &[head, frame(0, END, 1, &message(0, "ask"))]);
        let (hole, head) = (total(&s.talk), s.headers(DOWN, 1, 0, &[(":status", "200"), ("content-type", media)]));
        let trailers = s.headers(DOWN, 1, END, &[("grpc-status", "0")]);
        s.say(DOWN, std::slice::from_ref(&head));
        s.say(DOWN, &[frame(6, 1, 0, b"12345678"), frame(6, 1, 0, b"12345678"), content.to_vec(), trailers]);
        flows_without(&s.talk, hole, head.len()).remove(0)
    };
    // with content, or with what comes behind it alone
    for content in [frame(0, 0, 1, &message(0, "answer")), Vec::new()] {
        let flow = lost(&content);
        assert!(flow.notes.contains(&"bytes lost in a gap"), "{flow:?}");
        assert_eq!((status(&flow), flow.protocol), (Some("OK"), "grpc"));
    }
}
