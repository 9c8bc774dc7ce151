//! Conversations that meshtop cannot read, in the clear: a protocol that it does not know, and messages of a WebSocket.

/// A call or a result of Thrift's framed binary protocol (`TBinaryProtocol`, strict).
pub fn foreign(kind: u8, name: &str) -> Vec<u8> {
    let head = [&[0x80, 1, 0, kind][..], &(name.len() as u32).to_be_bytes(), name.as_bytes(), &[0, 0, 0, 1, 0]].concat();
    [&(head.len() as u32).to_be_bytes()[..], &head].concat()
}

/// What a client asks for a WebSocket with, and what it is answered (RFC 6455 §1.3).
pub fn upgrade(host: &str) -> [Vec<u8>; 2] {
    let asks = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let answers = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    [asks.into_bytes(), answers.into()]
}

/// A text message: a client's is masked (RFC 6455 §5.2).
pub fn message(text: &str, masked: bool) -> Vec<u8> {
    let mask = if masked { [7, 11, 13, 17] } else { [0; 4] };
    let head = [0x81, text.len() as u8 | u8::from(masked) << 7];
    let payload: Vec<_> = text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    [&head[..], if masked { &mask[..] } else { &[] }, &payload].concat()
}
