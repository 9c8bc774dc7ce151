//! Connections that turn into something else, whose answer to that is lost: what the client says next decides.

use super::wire::{Seen, Wire};
use serde_json::Value;
use std::collections::BTreeSet;

const TLS: &[u8] = b"\x16\x03\x01\x00\x03\x01\x02\x03";

/// The flows of a connection whose second packet is lost, and what it encrypts: each as its operation, its status, and what was to be said
/// of it.
fn seen(server: u16, talk: impl Fn(&mut Wire)) -> (Vec<String>, u64) {
    let seen = Seen::of(server, vec![BTreeSet::from([1])], talk);
    let flow = |flow: &Value| format!("{} {} {}", flow["operation"].as_str().unwrap(), flow["status"], flow["layers"]);
    let encrypted = seen.stats["encrypted_bytes"].as_u64().unwrap();
    (seen.each[0].1.iter().map(flow).collect(), encrypted)
}

fn asks(wire: &mut Wire, question: &[u8], answer: &[u8], goes_on: &[&[u8]; 2]) {
    wire.up(question);
    wire.down(answer);
    wire.up(goes_on[0]);
    wire.down(goes_on[1]);
    wire.ack();
}

const CONNECT: &[u8] = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n";
const GOT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_tunnel_whose_answer_is_lost_is_one() {
    let (flows, encrypted) = seen(3128, |wire| asks(wire, CONNECT, b"HTTP/1.1 200 OK\r\n\r\n", &[TLS, TLS]));
    assert_eq!((flows, encrypted), (vec!["CONNECT a.example:443 null null".to_owned()], 2 * TLS.len() as u64));
}

#[test]
fn a_tunnel_that_was_refused_is_none() {
    let refused = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n";
    let get: &[u8] = b"GET http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let (flows, encrypted) = seen(3128, |wire| asks(wire, CONNECT, refused, &[get, GOT]));
    assert_eq!(flows, ["CONNECT a.example:443 null null", "GET http://a.example/ \"200\" null"]);
    assert_eq!(encrypted, 0);
}

#[test]
fn an_upgrade_whose_answer_is_lost_is_told_by_what_follows() {
    let upgrade = |to: &str| format!("GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {to}\r\n\r\n");
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n";
    let frames: [&[u8]; 2] = [b"\x81\x82\x01\x02\x03\x04ij", b"\x81\x02hi"];
    let (flows, _) = seen(8080, |wire| asks(wire, upgrade("websocket").as_bytes(), switched, &frames));
    assert_eq!(flows, ["GET /up null null"]);
    let get: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let (flows, _) = seen(8080, |wire| asks(wire, upgrade("websocket").as_bytes(), GOT, &[get, GOT]));
    assert_eq!(flows, ["GET /up null null", "GET /next \"200\" null"]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let asked = [&preface[..], b"\0\0\x06\x01\x05\0\0\0\x03\x82\x86\x84\x41\x01a"].concat();
    let answer = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x03\x88";
    let (flows, _) = seen(8080, |wire| asks(wire, upgrade("h2c").as_bytes(), switched, &[&asked, answer]));
    assert_eq!(flows, ["GET /up null null", "GET / \"200\" [\"http2\"]"]);
}

#[test]
fn encryption_whose_answer_is_lost_is_told_by_what_follows() {
    let asked = b"\0\0\0\x08\x04\xd2\x16\x2f";
    let (flows, encrypted) = seen(5432, |wire| asks(wire, asked, b"S", &[TLS, TLS]));
    assert_eq!((flows, encrypted), (vec!["SSLRequest null null".to_owned()], 2 * TLS.len() as u64));
    let (flows, encrypted) = seen(5432, |wire| {
        asks(wire, asked, b"N", &[b"\0\0\0\x13\0\x03\0\0user\0shop\0\0", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"]);
        wire.up(b"Q\0\0\0\x0dSELECT 1\0");
        wire.down(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I");
        wire.ack();
    });
    assert_eq!((flows, encrypted), (vec!["SELECT \"SELECT 1\" null".to_owned()], 0));
}
