//! Connections that were joined late, at every byte: of scripts, and of what real peers said (`tests/captures`).

use super::*;
use crate::decode::properties::quick_flows;
use crate::model::Headers;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// A conversation of which the first bytes were not captured.
pub fn late(talk: &Conversation, mut skip: usize) -> Conversation {
    let mut late = Conversation { joined: Joined::Midway, turns: Vec::new(), ..talk.clone() };
    for (dir, bytes) in &talk.turns {
        let rest = &bytes[skip.min(bytes.len())..];
        skip -= bytes.len() - rest.len();
        if !rest.is_empty() {
            late.say(*dir, rest);
        }
    }
    late
}

/// The first connection of a capture, a turn a packet: by the first one's destination, its client is known.
fn captured(name: &'static str) -> Conversation {
    let file = format!("{}/tests/captures/{name}/input.pcap", env!("CARGO_MANIFEST_DIR"));
    let (mut talk, mut ports, bytes) = (Conversation::new(name), None, std::fs::read(file).unwrap());
    let mut rest = &bytes[24..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let packet = SlicedPacket::from_ethernet(&rest[16..16 + length]).unwrap();
        rest = &rest[16 + length..];
        let (Some(NetSlice::Ipv4(_)), Some(TransportSlice::Tcp(tcp))) = (packet.net, packet.transport) else { panic!("{name}") };
        let (from, to) = (tcp.source_port(), tcp.destination_port());
        let (client, server) = *ports.get_or_insert((from, to));
        match tcp.payload() {
            [] => {}
            payload if (from, to) == (client, server) => _ = talk.say(UP, payload),
            payload if (to, from) == (client, server) => _ = talk.say(DOWN, payload),
            _ => {}
        }
    }
    talk
}

/// Whether all that is told of a flow is true of another.
fn fits(seen: &Sketch, truth: &Sketch) -> bool {
    let among = |seen: &Headers, truth: &Headers| seen.iter().all(|field| truth.iter().any(|t| t == field));
    let heads = (0..2).all(|i| match (&seen.halves[i], &truth.halves[i]) {
        (Some((_, seen)), Some((_, truth))) => among(seen, truth),
        _ => true,
    });
    // a call of which the content type was not seen is what it is to HTTP
    let told = seen.operation.strip_prefix("POST ").filter(|_| seen.protocol == "http" && truth.protocol == "grpc");
    let known = told.unwrap_or(&seen.operation) == truth.operation || seen.operation.contains("unknown ");
    let mut messages = seen.messages.iter().filter(|(_, m)| m.body.whole);
    heads
        && known
        && (0..2).all(|i| among(&seen.trailers[i], &truth.trailers[i]))
        && seen.fields.iter().all(|(name, value)| truth.fields.get(name) == Some(value))
        && messages.all(|(dir, seen)| truth.messages.iter().any(|(d, truth)| d == dir && truth.body.kept == seen.body.kept))
}

#[test]
fn joined_late_at_every_byte_nothing_is_wrong() {
    let scripts = [one_by_one("indexed fields", 0x17), interleaved(), odd(), push(), extended()];
    let captures = ["http2", "http2-curl", "http2-push", "http2-websocket", "grpc", "grpc-js", "connect-rpc-json"];
    for talk in scripts.into_iter().chain(captures.map(captured)) {
        let truth = quick_flows(&talk);
        assert!(!truth.is_empty(), "{}", talk.name);
        for skip in 1..total(&talk) {
            for seen in quick_flows(&late(&talk, skip)) {
                assert!(truth.iter().any(|truth| fits(&seen, truth)), "{} from {skip}: {seen:?}", talk.name);
            }
        }
    }
}

#[test]
fn joined_late_what_follows_is_found() {
    let talk = one_by_one("each field written out", 0);
    for skip in 1..total(&talk) / 2 {
        let seen = flows(&late(&talk, skip));
        let last = seen.last().map(told);
        assert_eq!(last, Some(("POST /orders/3", Some("404"))), "from {skip}: {seen:?}");
    }
}

#[test]
fn trailers_that_show_no_sender_make_no_request() {
    // the client is guessed wrong: what the "client" sends are the server's trailers, of which nothing, or only a name of its own, is seen
    for fields in [&[0xbe, 0xbf][..], &[0xbe, 0x40, 3, b'x', b'-', b'a', 1, b'1']] {
        let mut talk = Conversation { joined: Joined::Midway, ..Conversation::new("only trailers") };
        talk.say(UP, &[frame(8, 0, 0, &[0, 0, 0, 9]), frame(1, LAST | END, 7, fields), frame(6, 0, 0, &[0; 8])].concat());
        assert_eq!(flows(&talk), []);
        // then a head shows who is who
        talk.say(DOWN, &[frame(4, 1, 0, &[]), frame(1, LAST | END, 9, &[0x82, 0x86, 0x84])].concat());
        talk.say(UP, &frame(1, LAST | END, 9, &[0x88]));
        let seen = flows(&talk);
        assert_eq!(seen.iter().map(told).collect::<Vec<_>>(), [("GET /", Some("200"))]);
    }
}

#[test]
fn a_response_of_which_only_the_trailers_are_seen_begins_with_them() {
    let mut talk = Conversation { joined: Joined::Midway, ..Conversation::new("trailers in two packets") };
    talk.say(UP, &[frame(4, 1, 0, &[]), frame(1, LAST | END, 9, &[0x82, 0x86, 0x84])].concat());
    talk.say(DOWN, &[frame(4, 1, 0, &[]), frame(6, 0, 0, &[0; 8]), frame(1, END, 7, b"\x00\x0bgrpc-status")].concat());
    talk.say(DOWN, &[frame(9, LAST, 7, b"\x010"), frame(0, 0, 9, b"of another")].concat());
    let seen = quick_flows(&talk);
    let trailers = seen.iter().find(|flow| !flow.trailers[1].is_empty()).expect("the flow of stream 7");
    let begins = trailers.halves[1].as_ref().map(|(first, _)| *first);
    assert_eq!(begins, Some(trailers.first), "{trailers:?}");
}
