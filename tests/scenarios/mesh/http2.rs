//! gRPC over HTTP/2 as bytes. Header fields are literals that enter no table (RFC 7541 §6.2.2), so that a frame means the same wherever
//! a capture begins.

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a client says first.
pub fn client_preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// What a server says first.
pub fn server_preface() -> Vec<u8> {
    [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat()
}

/// A unary call.
pub fn request(stream: u32, authority: &str, path: &str, headers: &[(String, String)], message: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority)] {
        field(&mut block, name, value);
    }
    field(&mut block, "content-type", "application/grpc");
    field(&mut block, "te", "trailers");
    headers.iter().for_each(|(name, value)| field(&mut block, name, value));
    [frame(HEADERS, END_HEADERS, stream, &block), frame(DATA, END_STREAM, stream, &prefixed(message))].concat()
}

/// Its answer.
pub fn response(stream: u32, status: u8, message: &[u8]) -> Vec<u8> {
    let (mut head, mut trailers) = (Vec::new(), Vec::new());
    field(&mut head, ":status", "200");
    field(&mut head, "content-type", "application/grpc");
    field(&mut trailers, "grpc-status", &status.to_string());
    let mut out = frame(HEADERS, END_HEADERS, stream, &head);
    if status == 0 {
        out.extend(frame(DATA, 0, stream, &prefixed(message)));
    }
    out.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers));
    out
}

/// A protobuf message with one text in its first field.
pub fn protobuf(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 128).expect("a short text");
    [&[0x0a, length], text.as_bytes()].concat()
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal that is not indexed, its name and value as they are.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    for text in [name, value] {
        length(out, text.len());
        out.extend(text.as_bytes());
    }
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn length(out: &mut Vec<u8>, n: usize) {
    if n < 127 {
        out.push(n as u8);
        return;
    }
    out.push(127);
    let mut rest = n - 127;
    while rest >= 128 {
        out.push((rest % 128 + 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
}
