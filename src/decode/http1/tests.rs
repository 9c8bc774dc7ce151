//! HTTP/1 by script: conversations for the shared properties, and what is particular to the protocol.

use crate::decode::properties::{Conversation, flows};
use crate::model::{Dir, Joined};

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let mut all = vec![
        keep_alive(),
        pipelined(),
        odd(),
        until_close(),
        simple(),
        tunnel(),
        half_closed(),
        responses_only(),
        odd_requests(),
        web_call(),
        long_heads(),
    ];
    all.push(Conversation { name: "joined late", joined: Joined::Midway, ..keep_alive() });
    all
}

/// Heads that are not whole for long, with what an end looks like nearly.
fn long_heads() -> Conversation {
    let mut talk = Conversation { sequential: true, ..Conversation::new("long heads") };
    for n in 0..3 {
        let long = format!("X-A: {}\r\nX-B: b\r\n\tfolded\r\n", "x\r".repeat(1500)).repeat(1 + n);
        let end = ["\r\n", "\n"][n % 2];
        talk.say(UP, format!("GET /long/{n} HTTP/1.1\r\n{long}Host: a{end}{end}").as_bytes());
        talk.say(DOWN, format!("HTTP/1.1 200 OK\r\n{long}Content-Length: 2{end}{end}ok").as_bytes());
    }
    talk
}

fn keep_alive() -> Conversation {
    let mut talk = Conversation { sequential: true, ..Conversation::new("keep-alive") };
    for n in 0..6 {
        let body = format!("{{\"order\":{n},\"note\":\"{}\"}}", "x".repeat(n * 7));
        let chunks = format!("5;ext=1\r\nab-{n}-\r\n{:x}\r\n{body}\r\n0\r\nX-Sum: {n}\r\n\r\n", body.len());
        if n % 2 == 0 {
            talk.say(
                UP,
                format!("POST /orders/{n}?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes(),
            );
            talk.say(
                DOWN,
                format!("HTTP/1.1 201 Created\r\nX-N: {n}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{chunks}")
                    .as_bytes(),
            );
        } else {
            talk.say(UP, format!("PUT /chunks/{n} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").as_bytes());
            talk.say(DOWN, format!("HTTP/1.1 500 Oops\r\nX-N: {n}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
    }
    talk
}

fn pipelined() -> Conversation {
    let mut talk = Conversation::new("pipelined");
    let ask = |n| format!("GET /p/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = |n| format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na-{n}");
    talk.say(UP, [ask(0), ask(1), ask(2)].concat().as_bytes());
    talk.say(DOWN, [answer(0), answer(1)].concat().as_bytes());
    talk.say(UP, ask(3).as_bytes());
    talk.say(DOWN, [answer(2), answer(3)].concat().as_bytes());
    talk
}

fn odd() -> Conversation {
    let mut talk = Conversation { sequential: true, ..Conversation::new("HEAD, 204, 304, 100-continue, folded lines, bare LF") };
    talk.say(UP, b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n").say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    talk.say(UP, b"\r\nDELETE /d HTTP/1.1\nHost: a\n\n").say(DOWN, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.say(UP, b"GET /c HTTP/1.1\r\nIf-None-Match: x\r\n\r\n")
        .say(DOWN, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    talk.say(UP, b"POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .say(DOWN, b"HTTP/1.1 100 Continue\r\n\r\n");
    talk.say(UP, b"body").say(DOWN, b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\nok");
    talk.say(UP, b"GET /last HTTP/1.1\r\n\r\n").say(DOWN, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    talk
}

fn until_close() -> Conversation {
    let mut talk = Conversation::new("HTTP/1.0 until close");
    talk.say(UP, b"GET /old HTTP/1.0\r\n\r\n").say(DOWN, b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it");
    talk
}

fn simple() -> Conversation {
    let mut talk = Conversation::new("HTTP/0.9");
    talk.say(UP, b"GET /simple\r\n").say(DOWN, b"<html>bare</html>");
    talk
}

fn tunnel() -> Conversation {
    let mut talk = Conversation::new("CONNECT, then HTTP/1 inside");
    talk.say(UP, b"CONNECT shop:80 HTTP/1.1\r\nHost: shop:80\r\n\r\n").say(DOWN, b"HTTP/1.1 200 Connection established\r\n\r\n");
    talk.say(UP, b"GET /in HTTP/1.1\r\nHost: shop\r\n\r\n").say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    talk
}

fn half_closed() -> Conversation {
    let mut talk = Conversation::new("early bytes behind a CONNECT, then no more from the client");
    talk.say(UP, b"CONNECT shop:80 HTTP/1.1\r\n\r\nGET /early HTTP/1.1\r\nHost: gr\xc3\xbc\xc3\x9fe\r\n\r\n").end(UP);
    talk.say(DOWN, b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ngr\xc3\xbcn!").end(DOWN);
    talk
}

fn responses_only() -> Conversation {
    let mut talk = Conversation { joined: Joined::Midway, ..Conversation::new("one side only, a HEAD's answer among them") };
    talk.say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
    talk.say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    talk
}

fn odd_requests() -> Conversation {
    let mut talk = Conversation::new("a target with control characters, and a request that is none");
    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";
    talk.say(UP, b"GET /x\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n").say(DOWN, answer);
    talk.say(UP, b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n").say(DOWN, answer);
    talk
}

/// gRPC-Web, in chunks.
fn web_call() -> Conversation {
    let mut talk = Conversation::new("gRPC-Web");
    talk.say(UP, b"POST /shop.v1.Orders/Get HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 8\r\n\r\n\0\0\0\0\x03ask");
    talk.say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n");
    talk.say(DOWN, b"4\r\n\0\0\0\0\r\n5\r\n\x04some\r\n").say(DOWN, b"14\r\n\x80\0\0\0\x0fgrpc-status: 0\r\r\n0\r\n\r\n");
    talk
}

#[test]
fn calls_are_read_from_bodies_too() {
    let flow = flows(&web_call()).remove(0);
    let texts: Vec<_> = flow.messages.iter().map(|(_, m)| String::from_utf8_lossy(&m.body.kept)).collect();
    assert_eq!(
        (flow.protocol, flow.operation.as_str(), texts),
        ("grpc", "/shop.v1.Orders/Get", vec!["ask".into(), "some".into()])
    );
    assert_eq!(flow.closed.and_then(|closed| closed.status).as_deref(), Some("OK"));
}

#[test]
fn an_answer_to_what_could_not_be_read_does_not_claim_that_nothing_was_asked() {
    let flows = flows(&odd_requests());
    let told: Vec<_> = flows.iter().map(|f| (f.operation.as_str(), &f.notes[..])).collect();
    assert_eq!(told, [("GET /x\u{1b}[31m", &[][..]), ("unknown request", &["its request could not be read"][..])]);
}

#[test]
fn an_operation_has_neither_query_nor_credentials() {
    for (target, operation) in [
        ("/a/b?token=x", "GET /a/b"),
        ("http://bob:secret@shop:80/a?b", "GET http://shop:80/a"),
        ("http://shop/a@b", "GET http://shop/a@b"),
        ("/a@b//c@d", "GET /a@b//c@d"),
        ("//bob:secret@shop/", "GET //bob:secret@shop/"),
        ("bob:secret@shop:443", "GET shop:443"),
        ("*", "GET *"),
    ] {
        let mut talk = Conversation::new("one request");
        talk.say(UP, format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(flows(&talk)[0].operation, operation, "{target}");
    }
}

/// A client that was joined while so many of its requests were under way, and asks the next one with each answer.
fn joined_amid(open: usize) -> Vec<Vec<&'static str>> {
    let mut talk = Conversation { joined: Joined::Midway, ..Conversation::new("joined while requests are under way") };
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    talk.say(DOWN, answer);
    for _ in 0..3 {
        talk.say(UP, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").say(DOWN, answer);
    }
    for _ in 1..open {
        talk.say(DOWN, answer);
    }
    flows(&talk).into_iter().map(|flow| flow.notes).collect()
}

#[test]
fn pairs_are_a_guess_where_an_answer_comes_first() {
    let guessed = "response guessed: others may be under way since before the capture";
    for open in [1, 2, 3] {
        let notes = joined_amid(open);
        assert_eq!(notes[0], ["joined mid-connection", "request not captured"]);
        assert!(notes[1..4].iter().all(|notes| *notes == [guessed]), "{open}: {notes:?}");
    }
    let waits = Conversation { joined: Joined::Midway, ..keep_alive() };
    assert!(flows(&waits).iter().all(|flow| !flow.notes.contains(&guessed)), "a request came first");
}
