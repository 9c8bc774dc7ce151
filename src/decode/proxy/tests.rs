//! The PROXY protocol by script.

use super::*;
use crate::decode::properties::Conversation;

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

/// Version 2: command, family, and what is behind the length.
fn two(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend(rest);
    header
}

const ADDRESSES: &[u8] = &[10, 0, 0, 9, 10, 0, 0, 1, 0xc4, 0x88, 0, 80];

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let with = |name, header: &[u8]| {
        let mut talk = Conversation::new(name);
        talk.say(UP, header).say(UP, b"GET /in HTTP/1.1\r\nHost: shop\r\n\r\n");
        talk.say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        talk
    };
    vec![
        with("PROXY 1", b"PROXY TCP4 10.0.0.9 10.0.0.1 50312 80\r\n"),
        with("PROXY 2 with a TLV", &two(0x21, 0x11, &[ADDRESSES, &[4, 0, 1, 0]].concat())),
        with("PROXY 2, a health check of its own", &two(0x20, 0, &[])),
    ]
}

#[test]
fn headers_of_both_versions_have_their_length() {
    for whole in [b"PROXY UNKNOWN\r\n".to_vec(), b"PROXY TCP6 ::1 ::1 1 2\r\n".to_vec(), two(0x21, 0x11, ADDRESSES)] {
        let longer = [&whole[..], b"GET /"].concat();
        assert_eq!(header(&longer), Ok(Some(whole.len())));
        assert!((SIGNATURE.len()..whole.len()).all(|cut| header(&whole[..cut]) == Ok(None)));
    }
    assert_eq!(header(&[b"PROXY ".as_slice(), &[b'x'; 200]].concat()), Err(BROKEN));
    assert_eq!(header(&two(0x31, 0x11, ADDRESSES)), Err(BROKEN));
}

#[test]
fn only_the_first_bytes_of_a_client_are_one() {
    let asked = |dir, data: &[u8], opening| probe(&Probe { dir, data, opening });
    assert_eq!(asked(UP, b"PROXY TCP4", true), Verdict::Yes);
    assert_eq!(asked(UP, b"PRO", true), Verdict::More);
    assert_eq!(asked(UP, b"PROPFIND /", true), Verdict::No);
    assert_eq!(asked(UP, b"\r\n\r\n", true), Verdict::More);
    assert_eq!(asked(UP, &two(0x21, 0x11, ADDRESSES), true), Verdict::Yes);
    assert_eq!(asked(UP, b"PROXY TCP4", false), Verdict::No);
    assert_eq!(asked(DOWN, b"PROXY TCP4", true), Verdict::No);
}
