//! HTTP/2 by script: conversations for the shared properties, and what is particular to the protocol.

mod hostile;
mod late;

use super::frame::PREFACE;
use crate::decode::Effort;
use crate::decode::properties::{Conversation, Sketch, flows, flows_without, reference, total};
use crate::model::{Dir, Joined};
use httlib_hpack::Encoder;
pub use late::late;

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;
/// Flags.
const END: u8 = 1;
const LAST: u8 = 4;
const PADDED: u8 = 8;

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// A connection that is written: both directions with their encoders.
pub struct Script {
    pub talk: Conversation,
    encoders: [Encoder<'static>; 2],
    /// The oracle's flags of fields: inserted, by an index where there is one, coded; or written out each time.
    flags: u8,
}

impl Script {
    pub fn new(name: &'static str) -> Self {
        let mut talk = Conversation::new(name);
        talk.say(UP, &[PREFACE, &frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])].concat());
        talk.say(DOWN, &[frame(4, 0, 0, &[0, 1, 0, 0, 16, 0, 0, 5, 0, 0, 64, 0]), frame(4, 1, 0, &[])].concat());
        talk.say(UP, &frame(4, 1, 0, &[]));
        Self { talk, encoders: [Encoder::default(), Encoder::default()], flags: 0x4 | 0x10 | 0x3 }
    }

    pub fn block(&mut self, dir: Dir, fields: Pairs<'_>) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), self.flags);
            self.encoders[dir.index()].encode(field, &mut block).unwrap();
        }
        block
    }

    pub fn headers(&mut self, dir: Dir, stream: u32, flags: u8, fields: Pairs<'_>) -> Vec<u8> {
        frame(1, flags | LAST, stream, &self.block(dir, fields))
    }

    fn get(&mut self, stream: u32, path: &str, flags: u8) -> Vec<u8> {
        let head = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "shop:80"),
            ("user-agent", "script"),
            ("x-stream", path),
        ];
        self.headers(UP, stream, flags, &head)
    }

    fn answer(&mut self, stream: u32, status: &str, body: &str) -> Vec<u8> {
        let length = body.len().to_string();
        let head = [(":status", status), ("content-type", "text/plain"), ("x-n", &length), ("server", "script")];
        [self.headers(DOWN, stream, 0, &head), frame(0, END, stream, body.as_bytes())].concat()
    }

    pub fn say(&mut self, dir: Dir, frames: &[Vec<u8>]) {
        self.talk.say(dir, &frames.concat());
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let plain = Conversation { sequential: true, ..one_by_one("each field written out", 0) };
    let late = Conversation { joined: Joined::Midway, ..one_by_one("joined late", 0x17) };
    vec![
        plain,
        one_by_one("indexed fields", 0x17),
        late,
        interleaved(),
        odd(),
        push(),
        reset(),
        tunnel(),
        extended(),
        upgrade(),
        crate::decode::grpc::tests::calls(),
    ]
}

fn one_by_one(name: &'static str, flags: u8) -> Conversation {
    let mut s = Script { flags, ..Script::new(name) };
    for n in 0..4_u32 {
        let (id, path) = (n * 2 + 1, format!("/orders/{n}?q=1"));
        let head = [(":method", "POST"), (":scheme", "http"), (":path", &path), ("content-type", "text/plain"), ("x-n", "a")];
        let head = s.headers(UP, id, 0, &head);
        s.say(UP, &[head, frame(0, 0, id, b"half "), frame(0, END, id, format!("of {n}").as_bytes())]);
        let window = frame(8, 0, 0, &[0, 0, 1, 0]);
        let answer = s.answer(id, if n == 3 { "404" } else { "200" }, &"ok ".repeat(n as usize + 1));
        s.say(DOWN, &[window, answer]);
        s.say(UP, &[frame(6, 0, 0, b"12345678")]);
        s.say(DOWN, &[frame(6, 1, 0, b"12345678")]);
    }
    s.talk
}

/// Streams that are open at once, answered in another order.
fn interleaved() -> Conversation {
    let mut s = Script::new("interleaved streams");
    let (a, b, c) = (s.get(1, "/a", END), s.get(3, "/b", END), s.get(5, "/c", END));
    s.say(UP, &[a, b, c]);
    let head = [(":status", "200"), ("x-n", "b")];
    let (b, c) = (s.headers(DOWN, 3, 0, &head), s.answer(5, "500", "of c"));
    s.say(DOWN, &[b, frame(0, 0, 3, b"first of b"), c, frame(0, 0, 3, b", second")]);
    let a = s.answer(1, "200", "of a");
    s.say(DOWN, &[a, frame(0, END, 3, b", last")]);
    s.talk
}

/// Padding, priorities, CONTINUATION, 1xx, trailers, unknown frames, a body of nothing.
fn odd() -> Conversation {
    let mut s = Script::new("padding, continuation, interim, trailers");
    let block =
        s.block(UP, &[(":method", "PUT"), (":scheme", "http"), (":path", "/odd"), ("x-long", "abcdefghijklmnopqrstuvwxyz")]);
    let first = [&[3][..], &[0, 0, 0, 0, 16], &block[..7], &[0; 3]].concat();
    s.say(UP, &[frame(1, PADDED | 0x20, 1, &first), frame(9, 0, 1, &block[7..20]), frame(9, LAST, 1, &block[20..])]);
    s.say(UP, &[frame(0, PADDED, 1, b"\x04body\0\0\0\0"), frame(0xbe, 7, 1, b"unknown"), frame(0, END, 1, b"")]);
    let interim = s.headers(DOWN, 1, 0, &[(":status", "103"), ("link", "</style.css>")]);
    let head = s.headers(DOWN, 1, 0, &[(":status", "200")]);
    let trailers = s.headers(DOWN, 1, END, &[("x-sum", "12")]);
    s.say(DOWN, &[interim, head, frame(0, PADDED, 1, b"\x02answer\0\0"), frame(2, 0, 1, &[0, 0, 0, 0, 1]), trailers]);
    s.talk
}

fn push() -> Conversation {
    let mut s = Script::new("a pushed response");
    let page = s.get(1, "/page", END);
    s.say(UP, &[page]);
    let promise = s.block(DOWN, &[(":method", "GET"), (":scheme", "http"), (":path", "/style.css")]);
    let promise = frame(5, LAST, 1, &[&2_u32.to_be_bytes()[..], &promise].concat());
    let (page, style) = (s.answer(1, "200", "page"), s.answer(2, "200", "style"));
    s.say(DOWN, &[promise, page, style]);
    s.talk
}

fn reset() -> Conversation {
    let mut s = Script::new("reset, refused, going away");
    let (a, b, c) = (s.get(1, "/slow", END), s.get(3, "/refused", END), s.get(5, "/never", END));
    s.say(UP, &[a, b, c]);
    s.say(UP, &[frame(3, 0, 1, &8_u32.to_be_bytes())]);
    s.say(DOWN, &[frame(3, 0, 3, &7_u32.to_be_bytes()), frame(7, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 11])]);
    s.talk
}

fn tunnel() -> Conversation {
    let mut s = Script::new("CONNECT, then HTTP/1 inside");
    let connect = s.headers(UP, 1, 0, &[(":method", "CONNECT"), (":authority", "shop:80")]);
    s.say(UP, &[connect]);
    let ok = s.headers(DOWN, 1, 0, &[(":status", "200")]);
    s.say(DOWN, &[ok]);
    s.say(UP, &[frame(0, END, 1, b"GET /in HTTP/1.1\r\nHost: shop\r\n\r\n")]);
    s.say(DOWN, &[frame(0, END, 1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")]);
    s.talk
}

/// Extended CONNECTs (RFC 8441 §4): to a protocol that is read, to one that is not, and one that is refused.
fn extended() -> Conversation {
    let mut s = Script::new("extended CONNECT, then what :protocol says");
    for (id, protocol) in [(1, "lines"), (3, "nobody-reads-it"), (5, "lines")] {
        let to = [(":scheme", "http"), (":path", "/chat?room=1"), (":authority", "shop:80")];
        let head = s.headers(UP, id, 0, &[&[(":method", "CONNECT"), (":protocol", protocol)], &to[..]].concat());
        s.say(UP, &[head]);
    }
    let (ok, opaque) = (s.headers(DOWN, 1, 0, &[(":status", "200")]), s.headers(DOWN, 3, 0, &[(":status", "200")]));
    let refused = s.answer(5, "403", "no");
    s.say(DOWN, &[ok, opaque, refused]);
    s.say(
        UP,
        &[frame(0, 0, 1, b"hello\nhow "), frame(0, END, 3, b"12345"), frame(0, END, 1, b"are you\n"), frame(0, END, 5, b"")],
    );
    s.say(DOWN, &[frame(0, END, 1, b"fine\n"), frame(0, END, 3, b"678")]);
    s.talk
}

/// After HTTP/1: the upgrading request is answered on stream 1.
fn upgrade() -> Conversation {
    let mut s = Script::new("an Upgrade to h2c");
    s.talk.turns.clear();
    s.talk.say(UP, b"GET /first?a=b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    s.talk.say(DOWN, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    let first = s.answer(1, "200", "first");
    s.say(DOWN, &[frame(4, 0, 0, &[]), first]);
    let (second, answer) = (s.get(3, "/second", END), s.answer(3, "200", "second"));
    s.say(UP, &[PREFACE.to_vec(), frame(4, 0, 0, &[]), second]);
    s.say(DOWN, &[answer]);
    s.talk
}

/// The same, where the client asks on before it is answered.
fn upgrade_in_a_hurry() -> Conversation {
    let mut s = Script::new("an Upgrade to h2c, and a request before the answer");
    s.talk.turns.clear();
    s.talk.say(UP, b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    s.talk.say(DOWN, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    let second = s.get(3, "/second", END);
    s.say(UP, &[PREFACE.to_vec(), frame(4, 0, 0, &[]), second]);
    let (first, answer) = (s.answer(1, "200", "first"), s.answer(3, "200", "second"));
    s.say(DOWN, &[frame(4, 0, 0, &[]), first, answer]);
    s.talk
}

#[test]
fn an_upgraded_request_is_answered_after_others_are_asked_too() {
    let flows = flows(&upgrade_in_a_hurry());
    assert!(flows.iter().any(|f| told(f) == ("GET /first", Some("200")) && f.bodies[1] == b"first"), "{flows:?}");
    assert!(flows.iter().any(|f| told(f) == ("GET /second", Some("200"))), "{flows:?}");
}

fn told(flow: &Sketch) -> (&str, Option<&str>) {
    (&flow.operation, flow.closed.as_ref().and_then(|c| c.status.as_deref()))
}

#[test]
fn streams_are_flows_whatever_their_order() {
    let flows = flows(&interleaved());
    assert_eq!(
        flows.iter().map(told).collect::<Vec<_>>(),
        [("GET /a", Some("200")), ("GET /b", Some("200")), ("GET /c", Some("500"))]
    );
    assert_eq!(flows[1].bodies[1], b"first of b, second, last");
    assert!(flows.iter().all(|f| f.layers == ["http2"] && f.notes.is_empty()), "{flows:?}");
}

#[test]
fn a_promise_is_the_request_of_a_flow() {
    let flows = flows(&push());
    assert_eq!(flows.iter().map(told).collect::<Vec<_>>(), [("GET /page", Some("200")), ("GET /style.css", Some("200"))]);
    assert_eq!(flows[1].notes, ["pushed by the server"]);
}

#[test]
fn a_reset_names_its_error() {
    let flows = flows(&reset());
    let told: Vec<_> = flows.iter().map(told).collect();
    assert_eq!(told, [("GET /slow", Some("CANCEL")), ("GET /refused", Some("REFUSED_STREAM")), ("GET /never", Some("pending"))]);
    assert_eq!(flows[2].notes, ["GOAWAY: ENHANCE_YOUR_CALM"]);
}

#[test]
fn a_goaway_refuses_what_is_behind_its_last_stream() {
    let mut s = Script::new("going away");
    let asked = [1, 3, 5].map(|id| s.get(id, &format!("/{id}"), END));
    s.say(UP, &asked);
    let away = |last: u32| frame(7, 0, 0, &[last.to_be_bytes(), [0; 4]].concat());
    s.say(DOWN, &[away(u32::MAX >> 1), away(3)]);
    let late = s.get(7, "/7", END);
    s.say(UP, &[late]);
    let answer = s.answer(1, "200", "ok");
    s.say(DOWN, &[answer]);
    let flows = flows(&s.talk);
    let told: Vec<_> = flows.iter().map(told).collect();
    let refused = Some("REFUSED_STREAM");
    assert_eq!(told, [("GET /1", Some("200")), ("GET /3", Some("pending")), ("GET /5", refused), ("GET /7", refused)]);
    let notes: Vec<_> = flows.iter().map(|flow| &flow.notes[..]).collect();
    assert_eq!(notes, [&["GOAWAY"][..], &["GOAWAY"], &["GOAWAY", "refused by GOAWAY"], &["refused by GOAWAY"]]);
}

#[test]
fn padding_and_pieces_leave_no_trace() {
    let flow = &flows(&odd())[0];
    assert_eq!(told(flow), ("PUT /odd", Some("200")));
    assert_eq!((&flow.bodies[0][..], &flow.bodies[1][..]), (&b"body"[..], &b"answer"[..]));
    assert_eq!(flow.trailers[1].get("x-sum"), Some(&b"12"[..]));
    assert_eq!(flow.notes, ["103 Early Hints"]);
}

#[test]
fn a_tunnel_is_read_within_its_stream() {
    let flows = flows(&tunnel());
    assert_eq!(flows.iter().map(told).collect::<Vec<_>>(), [("CONNECT shop:80", Some("200")), ("GET /in", Some("200"))]);
    assert_eq!(flows[1].layers, ["http2", "proxy"]);
}

#[test]
fn an_extended_connect_carries_what_its_protocol_says() {
    let out = reference(&extended());
    let flows: Vec<_> = out.flows.into_values().collect();
    let lines = [("hello", None), ("how are you", None), ("fine", None)];
    let connects = [("CONNECT /chat", Some("200")), ("CONNECT /chat", Some("200")), ("CONNECT /chat", Some("403"))];
    assert_eq!(flows.iter().map(told).collect::<Vec<_>>(), [&connects[..], &lines].concat());
    assert_eq!((&flows[1].fields["http.protocol"][..], &flows[2].bodies[1][..]), ("Text(\"nobody-reads-it\")", &b"no"[..]));
    assert!(flows[3..].iter().all(|flow| flow.layers == ["http2"] && flow.protocol == "toy-lines"), "{flows:?}");
    assert_eq!(out.totals.undecoded_bytes, 8, "what is not read is counted");
}

#[test]
fn an_upgrade_is_answered_on_the_first_stream() {
    let flows = flows(&upgrade());
    let told: Vec<_> = flows.iter().map(told).collect();
    assert_eq!(told, [("GET /first", Some("101")), ("GET /first", Some("200")), ("GET /second", Some("200"))]);
    assert_eq!(flows[1].notes, ["its request is the HTTP/1 upgrade"]);
}

#[test]
fn streams_that_are_never_answered_are_given_up_at_the_limit() {
    let mut s = Script::new("a flood of streams");
    for n in 0..1100 {
        let get = s.get(n * 2 + 1, "/flood", END);
        s.say(UP, &[get]);
    }
    let flows = flows(&s.talk);
    assert_eq!(flows.len(), 1100);
    assert_eq!(flows.iter().filter(|flow| flow.notes == ["too many streams are open"]).count(), 100);
}

#[test]
fn a_header_block_beyond_the_limit_costs_itself_and_what_it_may_have_inserted() {
    let mut s = Script::new("a flood of CONTINUATION");
    let (first, known) = (s.get(1, "/one", END), [(":status", "200"), ("x-n", "1")]);
    s.say(UP, &[first]);
    let head = s.headers(DOWN, 1, END, &known);
    s.say(DOWN, &[head]);
    s.say(UP, &[frame(1, END, 3, b"")]);
    for _ in 0..20 {
        s.say(UP, &[frame(9, 0, 3, &[0x82; 16 * 1024])]);
    }
    s.say(UP, &[frame(9, LAST, 3, b"")]);
    let last = s.get(5, "/two", END);
    s.say(UP, &[last]);
    let flows = flows(&s.talk);
    // the fields of the last one that are new are there; those of the table are not
    assert_eq!(flows.iter().map(|f| f.operation.as_str()).collect::<Vec<_>>(), ["GET /one", "GET /two"]);
    let head = flows[1].halves[0].as_ref().map(|(_, headers)| headers.get("user-agent").is_some());
    assert_eq!((head, &flows[1].notes[..]), (Some(false), &["some headers not captured"][..]));
}

#[test]
fn what_is_lost_before_a_head_is_nothing_of_its_message() {
    let mut s = Script::new("a hole before an answer");
    let get = s.get(1, "/a", END);
    s.say(UP, &[get]);
    let hole = total(&s.talk);
    s.say(DOWN, &[frame(8, 0, 0, &[0, 0, 1, 0])]);
    let (head, body) = (s.headers(DOWN, 1, 0, &[(":status", "200")]), total(&s.talk));
    s.say(DOWN, std::slice::from_ref(&head));
    s.say(DOWN, &[frame(6, 1, 0, b"12345678"), frame(6, 1, 0, b"12345678")]);
    s.say(DOWN, &[frame(0, 0, 1, b"of two "), frame(0, END, 1, b"frames")]);
    let flow = |from, len| flows_without(&s.talk, from, len).swap_remove(0);
    let whole = flow(hole, 13);
    assert_eq!((&whole.bodies[1][..], whole.sizes[1], whole.notes.len()), (&b"of two frames"[..], Some((13, true)), 0));
    // of one that begins in the hole it is said
    let cut = flow(body, head.len());
    assert_eq!((cut.sizes[1], &cut.notes[..]), (Some((13, false)), &["bytes lost in a gap", "status not captured"][..]));
}

#[test]
fn other_protocols_are_not_taken_for_it() {
    // Kafka: lengths, API keys and correlation IDs; MySQL: lengths, sequence numbers and commands
    let kafka =
        |n: u8| [&[0, 0, 0, 24, 0, 1, 0, 11, 0, 0, 0, n, 0, 4][..], b"test", &[255, 255, 255, 255, 0, 0, 1, 244, 0, 0]].concat();
    let mysql = |n: u8| [&[9, 0, 0, 0, 3][..], b"SELECT ", &[b'0' + n], &[1, 0, 0, 1, 1], &[2, 0, 0, 2, 0, 0]].concat();
    for message in [&kafka as &dyn Fn(u8) -> Vec<u8>, &mysql] {
        let bytes = (0..9).flat_map(message).collect::<Vec<_>>();
        assert!(matches!(
            super::scan::scan(&bytes, super::scan::UNKNOWN, &mut Effort::default()),
            crate::decode::Resync::Skip(_)
        ));
    }
    assert!(matches!(super::scan::scan(&[0; 4096], super::scan::KNOWN, &mut Effort::default()), crate::decode::Resync::Skip(_)));
}
