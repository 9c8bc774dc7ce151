//! SOCKS by script.

use crate::decode::properties::Conversation;
use crate::model::Dir;

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let tunnel = |talk: &mut Conversation| {
        talk.say(UP, b"GET /in HTTP/1.1\r\nHost: shop\r\n\r\n").say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    };
    let mut plain = Conversation::new("SOCKS to a name, without a password");
    plain.say(UP, &[5, 2, 0, 2]).say(DOWN, &[5, 0]);
    plain.say(UP, b"\x05\x01\x00\x03\x04shop\x00\x50").say(DOWN, &[5, 0, 0, 1, 127, 0, 0, 1, 0x1f, 0x90]);
    tunnel(&mut plain);
    let mut password = Conversation::new("SOCKS to an IPv6 address, with a password");
    password.say(UP, &[5, 1, 2]).say(DOWN, &[5, 2]).say(UP, b"\x01\x03bob\x06secret").say(DOWN, &[1, 0]);
    password.say(UP, b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50");
    password.say(DOWN, b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50");
    tunnel(&mut password);
    vec![plain, password]
}
