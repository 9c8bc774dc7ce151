//! Calls by script, over HTTP/2: what they say of themselves, and what is made of it when they do not.

mod ending;

use crate::decode::Limits;
use crate::decode::http2::tests::{Script, frame, late};
use crate::decode::properties::{Conversation, Sketch, flows, flows_without, total};
use crate::model::{Dir, Joined, Stamp};

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;
const END: u8 = 1;

fn message(flags: u8, text: &str) -> Vec<u8> {
    [&[flags][..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

fn ask(s: &mut Script, stream: u32, path: &str, media: &str) -> Vec<u8> {
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop:80"),
        ("content-type", media),
        ("te", "trailers"),
        ("grpc-timeout", "1S"),
    ];
    s.headers(UP, stream, 0, &head)
}

/// Calls of each shape, one after the other; of the last one there are trailers only.
pub fn calls() -> Conversation {
    let mut s = Script::new("gRPC calls");
    for (n, (up, down)) in [(1, 1), (3, 1), (1, 3), (2, 2)].into_iter().enumerate() {
        let id = n as u32 * 2 + 1;
        let head = ask(&mut s, id, "/shop.v1.Orders/Place", "application/grpc");
        s.say(UP, &[head]);
        for i in 0..up {
            s.say(UP, &[frame(0, if i + 1 == up { END } else { 0 }, id, &message(0, &format!("request {i} of {n}")))]);
        }
        let head = s.headers(DOWN, id, 0, &[(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")]);
        s.say(DOWN, &[head]);
        let answers: Vec<u8> = (0..down).flat_map(|i| message(u8::from(i == 1), &format!("answer {i} of {n}"))).collect();
        // messages begin and end anywhere in frames
        s.say(DOWN, &[frame(0, 0, id, &answers[..7]), frame(0, 0, id, &answers[7..])]);
        let trailers = s.headers(DOWN, id, END, &[("grpc-status", "0"), ("grpc-message", "")]);
        s.say(DOWN, &[trailers]);
    }
    let head = ask(&mut s, 9, "/shop.v1.Orders/None", "application/grpc+proto");
    s.say(UP, &[head, frame(0, END, 9, &message(0, ""))]);
    let only = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no %C3%A4")];
    let only = s.headers(DOWN, 9, END, &only);
    s.say(DOWN, &[only]);
    s.talk
}

/// One call with what comes behind its head, both ways.
fn call(media: &str, up: &[u8], down: impl FnOnce(&mut Script) -> Vec<u8>) -> Sketch {
    call_within(Limits::default(), media, up, down)
}

fn call_within(limits: Limits, media: &str, up: &[u8], down: impl FnOnce(&mut Script) -> Vec<u8>) -> Sketch {
    let mut s = Script::new("one call");
    s.talk.limits = limits;
    let head = ask(&mut s, 1, "/shop.v1.Orders/Place", media);
    s.say(UP, &[head, frame(0, END, 1, up)]);
    let down = down(&mut s);
    s.say(DOWN, &[down]);
    flows(&s.talk).remove(0)
}

fn answer(s: &mut Script, media: &str, body: &[u8]) -> Vec<u8> {
    [s.headers(DOWN, 1, 0, &[(":status", "200"), ("content-type", media)]), frame(0, END, 1, body)].concat()
}

fn status(flow: &Sketch) -> Option<&str> {
    flow.closed.as_ref().and_then(|closed| closed.status.as_deref())
}

fn texts(flow: &Sketch, dir: Dir) -> Vec<String> {
    let messages = flow.messages.iter().filter(|(d, _)| *d == dir);
    messages.map(|(_, m)| String::from_utf8_lossy(&m.body.kept).into_owned()).collect()
}

#[test]
fn shapes_are_what_was_seen() {
    let flows = flows(&calls());
    let shapes: Vec<_> = flows.iter().map(|f| f.pattern.word()).collect();
    assert_eq!(shapes, ["unary", "client_stream", "server_stream", "bidi_stream", "unary"]);
    assert_eq!(flows.iter().map(|f| status(f).unwrap()).collect::<Vec<_>>(), ["OK", "OK", "OK", "OK", "NOT_FOUND"]);
    assert!(flows.iter().all(|f| f.protocol == "grpc" && f.notes == ["pattern guessed"]), "{flows:?}");
    assert_eq!(texts(&flows[2], DOWN), ["answer 0 of 2", "answer 1 of 2", "answer 2 of 2"]);
    let hints: Vec<_> =
        flows[2].messages.iter().map(|(_, m)| (m.body.hint.schema.as_deref(), m.body.hint.encodings.len())).collect();
    let (up, down) = (Some("/shop.v1.Orders/Place>"), Some("/shop.v1.Orders/Place<"));
    assert_eq!(hints, [(up, 0), (down, 0), (down, 1), (down, 0)]);
    assert_eq!(flows[4].fields["grpc.message"], "Text(\"no ä\")");
    assert_eq!((flows[4].messages.len(), flows[4].messages[0].1.body.bytes), (1, 0));
}

#[test]
fn an_end_without_a_status_says_what_it_means() {
    let up = message(0, "x");
    let reset = |code: u32| call("application/grpc", &up, |_| frame(3, 0, 1, &code.to_be_bytes()));
    assert_eq!(status(&reset(8)), Some("CANCELLED"));
    assert_eq!(status(&reset(7)), Some("UNAVAILABLE"));
    let http = call("application/grpc", &up, |s| {
        [s.headers(DOWN, 1, 0, &[(":status", "503"), ("content-type", "text/plain")]), frame(0, END, 1, b"down")].concat()
    });
    assert_eq!((status(&http), texts(&http, DOWN)), (Some("UNAVAILABLE"), vec!["down".to_owned()]));
    assert_eq!(status(&call("application/grpc", &up, |_| Vec::new())), Some("pending"));
}

#[test]
fn the_web_has_its_trailers_in_the_body() {
    let body = [message(0, "answer"), message(0x80, "grpc-status: 3\r\ngrpc-message:bad\r\n")].concat();
    let web = call("application/grpc-web+proto", &message(0, "ask"), |s| answer(s, "application/grpc-web+proto", &body));
    assert_eq!((status(&web), texts(&web, DOWN)), (Some("INVALID_ARGUMENT"), vec!["answer".to_owned()]));
    assert_eq!(web.trailers[1].get("grpc-message"), Some(&b"bad"[..]));
    assert_eq!(web.fields["grpc.web"], "Bool(true)");
    // "\0\0\0\0\x02ok" and the trailers, each in base64 of its own
    let text = b"AAAAAAJvaw==gAAAAA9ncnBjLXN0YXR1czogMA0K";
    let text = call("application/grpc-web-text", b"AAAAAAA=", |s| answer(s, "application/grpc-web-text", text));
    assert_eq!((status(&text), texts(&text, UP), texts(&text, DOWN)), (Some("OK"), vec![String::new()], vec!["ok".to_owned()]));
}

#[test]
fn connect_ends_with_a_message_of_its_own() {
    let body = [message(0, "one"), message(0, "two"), message(2, r#"{"error":{"code":"not_found","message":"no"}}"#)].concat();
    let flow = call("application/connect+json", &message(0, "{}"), |s| answer(s, "application/connect+json", &body));
    assert_eq!((status(&flow), texts(&flow, DOWN)), (Some("NOT_FOUND"), vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!((flow.fields["grpc.connect"].as_str(), flow.pattern.word()), ("Bool(true)", "server_stream"));
}

#[test]
fn the_end_of_a_connect_stream_that_is_not_kept_whole_tells_no_status() {
    let long = format!(r#"{{"metadata":{{"x":["{}"]}},"error":{{"code":"not_found"}}}}"#, "x".repeat(1 << 20));
    let flow = call("application/connect+json", &message(0, "{}"), |s| answer(s, "application/connect+json", &message(2, &long)));
    assert_eq!((status(&flow), flow.notes.contains(&"status not captured")), (None, true), "{:?}", flow.notes);
}

#[test]
fn a_status_in_the_body_is_read_however_little_of_bodies_is_kept() {
    let none = Limits { body: 0, ..Limits::default() };
    let body = [message(0, "answer"), message(0x80, "grpc-status: 3\r\ngrpc-message:bad")].concat();
    let web = call_within(none, "application/grpc-web", &message(0, "ask"), |s| answer(s, "application/grpc-web", &body));
    assert_eq!((status(&web), texts(&web, DOWN)), (Some("INVALID_ARGUMENT"), vec![String::new()]));
    assert_eq!((web.messages[1].1.body.bytes, web.fields["grpc.message"].as_str()), (6, "Text(\"bad\")"));
    let body = [message(0, "one"), message(2, r#"{"error":{"code":"not_found"}}"#)].concat();
    let connect = |s: &mut Script| answer(s, "application/connect+json", &body);
    assert_eq!(status(&call_within(none, "application/connect+json", &message(0, "{}"), connect)), Some("NOT_FOUND"));
}

#[test]
fn trailers_that_are_not_kept_whole_end_with_a_whole_line() {
    let lines = format!("grpc-status: 5\r\nx-a: 1\r\nx-long: {}\r\n", "y".repeat(100_000));
    let flow = call("application/grpc-web", &message(0, "ask"), |s| answer(s, "application/grpc-web", &message(0x80, &lines)));
    assert_eq!((status(&flow), flow.trailers[1].len()), (Some("NOT_FOUND"), 2));
    let many = format!("grpc-status: 5\r\n{}", "x:\r\n".repeat(2000));
    let flow = call("application/grpc-web", &message(0, "ask"), |s| answer(s, "application/grpc-web", &message(0x80, &many)));
    assert_eq!(flow.trailers[1].len(), Limits::default().fields);
}

#[test]
fn what_a_connection_holds_of_unfinished_messages_is_bounded() {
    let mut s = Script::new("messages that take their time");
    s.talk.limits.held = 100;
    let sent = message(0, &"x".repeat(60));
    for id in [1, 3, 5, 7] {
        let head = ask(&mut s, id, "/shop.v1.Orders/Place", "application/grpc");
        s.say(UP, &[head, frame(0, 0, id, &sent[..50])]);
    }
    // nothing is kept behind what there was no room for, and what is told makes room
    for id in [1, 3, 5, 7] {
        s.say(UP, &[frame(0, END, id, &sent[50..])]);
    }
    let head = ask(&mut s, 9, "/shop.v1.Orders/Place", "application/grpc");
    s.say(UP, &[head, frame(0, END, 9, &sent)]);
    let flows = flows(&s.talk);
    let kept: Vec<_> = flows.iter().map(|f| (f.messages[0].1.body.kept.len(), f.messages[0].1.body.bytes)).collect();
    assert_eq!(kept, [(45, 60), (60, 60), (10, 60), (0, 60), (60, 60)]);
}

#[test]
fn an_empty_message_of_connect_has_the_time_of_its_head() {
    let mut s = Script::new("a call of Connect with nothing to say");
    let media = ("content-type", "application/proto");
    let head = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), media, ("connect-protocol-version", "1")];
    let ask = s.headers(UP, 1, END, &head);
    s.say(UP, &[ask]);
    let ok = s.headers(DOWN, 1, END, &[(":status", "200"), media]);
    s.say(DOWN, &[ok]);
    let flow = flows(&s.talk).remove(0);
    let firsts: Vec<_> = flow.messages.iter().map(|(dir, m)| (*dir, m.first != Stamp::default())).collect();
    assert_eq!(firsts, [(UP, true), (DOWN, true)]);
}

#[test]
fn what_is_no_message_is_said_to_be_none() {
    let flow = call("application/grpc", b"GET / HTTP/1.1", |_| Vec::new());
    assert_eq!((flow.messages.len(), flow.notes[0]), (0, "not a gRPC message"));
}

#[test]
fn messages_that_are_not_found_again_are_said_to_be_skipped() {
    let mut s = Script::new("joined in the middle of a message");
    s.talk.turns.clear();
    s.talk.joined = Joined::Midway;
    let head = s.headers(DOWN, 1, 0, &[(":status", "200"), ("content-type", "application/grpc")]);
    let (long, short) = (message(0, &"x".repeat(100)), message(0, "found"));
    s.say(DOWN, &[frame(4, 1, 0, &[]), head, frame(0, 0, 1, &long[..50])]);
    let whole = s.talk.clone();
    assert_eq!(flows(&whole)[0].notes.iter().filter(|note| **note == "messages skipped").count(), 0);
    // what is no frame hides some; then come the rest of one and the beginning of the next in a frame, twice, and one alone
    let torn = frame(0, 0, 1, &[&long[50..], &short[..3]].concat());
    s.say(
        DOWN,
        &[frame(6, 0, 0, &[1; 7]), frame(4, 1, 0, &[]), frame(6, 0, 0, &[0; 8]), torn.clone(), torn, frame(0, 0, 1, &short)],
    );
    let flow = flows(&s.talk).remove(0);
    assert_eq!(flow.notes.iter().filter(|note| **note == "messages skipped").count(), 1, "{:?}", flow.notes);
    assert_eq!(texts(&flow, DOWN).last().map(String::as_str), Some("found"));
}

#[test]
fn messages_are_found_again_after_a_hole_also_several_in_a_frame() {
    let several = [message(0, "one"), message(0, "two"), message(0, "")].concat();
    let after = |frames: &[Vec<u8>]| {
        let mut s = Script::new("content without the beginning of it");
        s.talk.turns.clear();
        s.talk.joined = Joined::Midway;
        let head = s.headers(DOWN, 1, 0, &[(":status", "200"), ("content-type", "application/grpc")]);
        let hidden = [frame(6, 0, 0, &[1; 7]), frame(4, 1, 0, &[]), frame(6, 0, 0, &[0; 8])];
        s.say(DOWN, &[&[frame(4, 1, 0, &[]), head], &hidden[..], frames].concat());
        let flow = flows(&s.talk).remove(0);
        (texts(&flow, DOWN), flow.notes.contains(&"messages skipped"))
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(after(&[frame(0, 0, 1, &several)]), (texts(&["one", "two", ""]), false));
    // the rest of one, and then what may be one is not told while nothing shows it
    let torn = [frame(0, 0, 1, b"rest"), frame(0, 0, 1, &several), frame(0, 0, 1, &several[..3])];
    assert_eq!(after(&torn), (texts(&["one", "two", ""]), true));
    let long = message(0, &"x".repeat(30));
    let pieces = |flags| [frame(0, 0, 1, &long[..20]), frame(0, flags, 1, &long[20..])];
    assert_eq!(after(&pieces(0)), (Vec::new(), true));
    assert_eq!(after(&pieces(END)), (vec!["x".repeat(30)], false));
}

#[test]
fn joined_late_no_call_gets_anothers_method() {
    let talk = calls();
    let truth = flows(&talk);
    for skip in 1..total(&talk) {
        for seen in flows(&late(&talk, skip)).into_iter().filter(|f| f.protocol == "grpc") {
            let all = truth.iter().flat_map(|t| &t.messages).map(|(_, m)| &m.body.kept);
            assert!(
                seen.messages.iter().all(|(_, m)| !m.body.whole || all.clone().any(|kept| *kept == m.body.kept)),
                "from {skip}"
            );
            if seen.operation == "unknown method" {
                assert!(seen.notes.contains(&"method not captured"));
            } else {
                assert!(
                    truth.iter().any(|t| t.operation == seen.operation && t.fields["grpc.method"] == seen.fields["grpc.method"])
                );
            }
        }
    }
}
