//! What a TLS 1.3 connection looks like from outside: hellos in the clear, records of application data whose bytes say nothing.

/// The client's hello (RFC 8446 §4.1.2), for a name.
pub fn client_hello(name: &str) -> Vec<u8> {
    let host = [&[0][..], &(name.len() as u16).to_be_bytes(), name.as_bytes()].concat();
    let names = [&(host.len() as u16).to_be_bytes()[..], &host].concat();
    let extensions = [extension(0, &names), extension(43, &[2, 3, 4])].concat();
    let suites = [0, 2, 0x13, 1];
    let body = [&[3, 3][..], &[7; 32], &[0], &suites, &[1, 0], &(extensions.len() as u16).to_be_bytes(), &extensions].concat();
    record(22, &handshake(1, &body))
}

/// The server's.
pub fn server_hello() -> Vec<u8> {
    let extensions = extension(43, &[3, 4]);
    let body = [&[3, 3][..], &[9; 32], &[0, 0x13, 1, 0], &(extensions.len() as u16).to_be_bytes(), &extensions].concat();
    [record(22, &handshake(2, &body)), record(20, &[1])].concat()
}

/// As much as `length` bytes that are encrypted.
pub fn sealed(length: usize) -> Vec<u8> {
    let noise = (0..length + 17).map(|n| (n as u8).wrapping_mul(167).wrapping_add(91)).collect::<Vec<_>>();
    record(23, &noise)
}

fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}
