//! HTTP/2 connections of which packets were lost. Heads refer to fields of earlier ones (HPACK): what those were is not known behind a
//! hole.

use super::wire::{Seen, Wire, losses};
use serde_json::Value;

const EXCHANGES: usize = 18;

fn frame(kind: u8, flags: u8, stream: usize, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &(stream as u32).to_be_bytes(), payload].concat()
}

/// A field that enters the table, under a new name or that of an index.
fn field(index: u8, name: &str, value: &str) -> Vec<u8> {
    let name = if index > 0 { vec![0x40 | index] } else { [&[0x40, name.len() as u8], name.as_bytes()].concat() };
    [&name[..], &[value.len() as u8], value.as_bytes()].concat()
}

fn opens(wire: &mut Wire) {
    wire.up(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat());
    wire.down(&[frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat());
}

/// A request with its own number, and that of the one before it as an index; so is the answer.
fn asked(n: usize) -> Vec<u8> {
    let own = [field(4, "", &format!("/u{n}")), if n > 0 { vec![0xbf] } else { vec![] }, field(0, "x-own", &n.to_string())];
    frame(1, 5, 2 * n + 1, &[&[0x82, 0x86][..], &own.concat()].concat())
}

fn answered(n: usize) -> Vec<u8> {
    let own = [if n > 0 { vec![0xbe] } else { vec![] }, field(0, "x-own", &n.to_string())].concat();
    [frame(1, 4, 2 * n + 1, &[&[0x88][..], &own].concat()), frame(0, 1, 2 * n + 1, n.to_string().as_bytes())].concat()
}

/// So many at a time.
fn together(wire: &mut Wire, some: usize) {
    opens(wire);
    for n in (0..EXCHANGES).step_by(some) {
        wire.begin();
        (n..n + some).for_each(|n| wire.up(&asked(n)));
        (n..n + some).for_each(|n| wire.down(&answered(n)));
        wire.ack();
    }
}

/// The exchange that a flow is, where its target and its answer were seen; and nothing that is told of it is another one's.
fn told(flow: &Value) -> Option<usize> {
    let target = flow["http"]["target"].as_str().and_then(|target| target[2..].parse::<usize>().ok());
    let body = flow["response"]["body"]["value"]
        .as_str()
        .map(str::to_owned)
        .or(flow["response"]["body"]["value"].as_u64().map(|n| n.to_string()));
    let n = target.or(body.as_ref().and_then(|body| body.parse().ok()));
    let is_own = |n: usize, value: &str| value.parse() == Ok(n) || value.parse() == Ok(n.wrapping_sub(1));
    for side in ["request", "response"] {
        for field in flow[side]["headers"].as_array().into_iter().flatten().filter(|field| field[0] == "x-own") {
            assert!(n.is_none_or(|n| is_own(n, field[1].as_str().unwrap())), "a field is another one's: {flow:#}");
        }
    }
    assert!(target.is_none() || body.is_none() || body == target.map(|n| n.to_string()), "an answer is another one's: {flow:#}");
    target.filter(|_| flow["status"] == "200" && body.is_some())
}

#[test]
fn streams_are_found_again() {
    Seen::of(8080, losses(6..15), |wire| together(wire, 1)).whole(1, told);
}

#[test]
fn streams_beside_one_another_are_found_again() {
    Seen::of(8080, losses(10..19), |wire| together(wire, 3)).whole(1, |flow| told(flow).map(|n| n / 3));
}

/// A call; what it is, and every other status, are fields of earlier ones.
fn called(wire: &mut Wire, n: usize) {
    let stream = 2 * n + 1;
    let message = [&[0, 0, 0, 0, 6, 10, 4][..], format!("{n:04}").as_bytes()].concat();
    // the newest come first: a path each call, the answer's own number
    let kind = |since: usize| if n == 0 { field(31, "", "application/grpc") } else { vec![0x80 | (62 + since) as u8] };
    let path = field(4, "", &format!("/s.S/M{n}"));
    wire.up(&[frame(1, 4, stream, &[&[0x83, 0x86][..], &path, &kind(n)].concat()), frame(0, 1, stream, &message)].concat());
    // two statuses and what it is were inserted by the first two answers: 5, 0, the kind
    let (first, second) = (field(0, "grpc-status", "0"), field(0, "grpc-status", "5"));
    let (kind, status) = match n {
        0 => (kind(0), first),
        1 => (vec![0x80 | 63], second),
        _ => (vec![0x80 | 64], vec![0x80 | if n.is_multiple_of(2) { 63 } else { 62 }]),
    };
    let head = frame(1, 4, stream, &[&[0x88][..], &kind].concat());
    wire.down(&[head, frame(0, 0, stream, &message), frame(1, 5, stream, &status)].concat());
    wire.ack();
}

#[test]
fn calls_are_found_again_and_their_status_is_not_made_up() {
    let seen = Seen::of(50051, losses(6..15), |wire| {
        opens(wire);
        for n in 0..EXCHANGES {
            wire.begin();
            called(wire, n);
        }
    });
    seen.whole(1, |flow| {
        let n = flow["http"]["target"].as_str()?.strip_prefix("/s.S/M")?.parse::<usize>().unwrap();
        let status = flow["status"].as_str();
        let right = if n.is_multiple_of(2) { "OK" } else { "NOT_FOUND" };
        assert!(status.is_none_or(|status| ["200", "pending", right].contains(&status)), "a status is another one's: {flow:#}");
        for message in flow["messages"].as_array().into_iter().flatten() {
            assert!(message["body"].to_string().contains(&format!("{n:04}")), "a message is another one's: {flow:#}");
        }
        Some(n).filter(|_| flow["response"]["bytes"].as_u64() > Some(0))
    });
}

/// A call whose answer has a hole, and a RST_STREAM behind it: of the client (0) or of the server (1), with that error code.
fn reset(asked: bool, by: usize, code: u8) -> (Value, Value) {
    let seen = Seen::of(50051, vec![[6].into()], |wire| {
        opens(wire);
        let head = [&[0x83, 0x86][..], &field(4, "", "/s.S/M"), &field(31, "", "application/grpc")].concat();
        wire.up(&frame(1, 4, 1, &head));
        wire.up(&frame(0, u8::from(asked), 1, &[0; 5]));
        wire.down(&frame(1, 4, 1, &[&[0x88][..], &field(31, "", "application/grpc")].concat()));
        wire.ack();
        wire.down(&frame(1, 5, 1, &field(0, "grpc-status", "8")));
        let reset = frame(3, 0, 1, &[0, 0, 0, code]);
        if by == 0 {
            wire.up(&reset)
        } else {
            wire.down(&reset)
        }
        wire.down(&frame(4, 0, 0, &[]));
        wire.ack();
    });
    let flow = &seen.each[0].1[0];
    (flow["status"].clone(), flow["notes"].clone())
}

#[test]
fn a_reset_behind_a_hole_is_no_status_where_the_answer_may_have_had_one() {
    for by in [0, 1] {
        let (status, notes) = reset(false, by, 0);
        assert!(status.is_null() && notes.to_string().contains("status not captured"), "{by}: {status} {notes}");
    }
    // both sides had not ended
    let (status, notes) = reset(true, 0, 8);
    assert!(status == "CANCELLED" && notes.to_string().contains("status by the stream's reset"), "{status} {notes}");
}
