//! gRPC as its libraries put it on the wire: header fields indexed after their first time (RFC 7541), messages in DATA frames of their own.

use super::scenarios::mesh::capture::Side;
use super::workloads::Dice;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// How often a call is a stream of answers.
const STREAMS: u64 = 10;
/// Answers in a stream.
const ANSWERS: u64 = 12;
/// The first index of the dynamic table (RFC 7541 §2.3.3).
const DYNAMIC: usize = 62;

/// One connection.
#[derive(Debug, Default)]
pub struct Grpc {
    streams: u32,
    /// What the client's and the server's encoder have put into their tables, oldest first.
    tables: [Vec<(&'static str, &'static str)>; 2],
}

impl Grpc {
    /// What a client says first.
    pub fn preface() -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Self::settings()].concat()
    }

    pub fn settings() -> Vec<u8> {
        frame(SETTINGS, 0, 0, &[])
    }

    /// All that is said in one call.
    pub fn call(&mut self, no: u64, dice: &mut Dice) -> Vec<(Side, Vec<u8>)> {
        let stream = self.streams * 2 + 1;
        self.streams += 1;
        let streaming = no.is_multiple_of(STREAMS);
        let path = if streaming { "/shop.Stock/Watch" } else { "/shop.Stock/Reserve" };
        // :method POST and :scheme http are static
        let mut head = vec![0x83, 0x86];
        for (name, value) in [
            (":path", path),
            (":authority", "stock:50051"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "grpc-go/1.64.0"),
        ] {
            self.field(0, &mut head, name, value);
        }
        literal(&mut head, "grpc-timeout", "2S");
        literal(&mut head, "traceparent", &dice.traceparent(no));
        let ask =
            [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, &message(dice.below(300) as usize))]
                .concat();
        let mut head = vec![0x88];
        self.field(1, &mut head, "content-type", "application/grpc");
        let mut trailers = Vec::new();
        self.field(1, &mut trailers, "grpc-status", if no.is_multiple_of(89) { "14" } else { "0" });
        let mut said = vec![(Side::Client, ask)];
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers);
        let head = frame(HEADERS, END_HEADERS, stream, &head);
        let answer = |dice: &mut Dice| frame(DATA, 0, stream, &message(40 + dice.below(1500) as usize));
        if streaming {
            said.push((Side::Server, head));
            said.extend((0..ANSWERS).map(|_| (Side::Server, answer(dice))));
            said.push((Side::Server, trailers));
        } else {
            said.push((Side::Server, [head, answer(dice), trailers].concat()));
        }
        said.push((Side::Client, frame(WINDOW_UPDATE, 0, 0, &2048_u32.to_be_bytes())));
        said
    }

    /// A field by its index, or the first time as a literal that is put into the table (RFC 7541 §6.1, §6.2.1).
    fn field(&mut self, side: usize, out: &mut Vec<u8>, name: &'static str, value: &'static str) {
        let table = &mut self.tables[side];
        if let Some(at) = table.iter().rev().position(|held| *held == (name, value)) {
            out.push(0x80 | (DYNAMIC + at) as u8);
            return;
        }
        table.push((name, value));
        out.push(0x40);
        text(out, name);
        text(out, value);
    }
}

/// A literal that enters no table (RFC 7541 §6.2.2).
fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    text(out, name);
    text(out, value);
}

fn text(out: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 127, "one byte of length");
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
}

/// A protobuf message with a text of `length` bytes in its first field, prefixed.
fn message(length: usize) -> Vec<u8> {
    let mut body = vec![0x0a, (length % 128 + 128) as u8, (length / 128) as u8];
    body.extend(b"reserve tea for ord-0000. ".iter().cycle().take(length));
    [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
