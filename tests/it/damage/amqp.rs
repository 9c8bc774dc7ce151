//! AMQP connections of which packets were lost.

use super::wire::{Seen, Wire, losses};
use serde_json::Value;

const MESSAGES: usize = 36;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0, 1][..], &(payload.len() as u32).to_be_bytes(), payload, &[0xce]].concat()
}

fn method(class: u8, id: u8, args: &[u8]) -> Vec<u8> {
    frame(1, &[&[0, class, 0, id][..], args].concat())
}

/// A text of two bytes.
fn content() -> Vec<u8> {
    [frame(2, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]), frame(3, b"hi")].concat()
}

fn publish(n: usize) -> Vec<u8> {
    [method(60, 40, &[&[0, 0, 0, 5][..], format!("k{n:04}").as_bytes(), &[0]].concat()), content()].concat()
}

fn deliver(n: usize) -> Vec<u8> {
    let tag = (n as u64 + 1).to_be_bytes();
    [method(60, 60, &[&[1, b'c'][..], &tag, &[0, 0, 5], format!("k{n:04}").as_bytes()].concat()), content()].concat()
}

/// What becomes of a message: each third one is refused.
fn outcome(n: usize) -> Vec<u8> {
    let tag = (n as u64 + 1).to_be_bytes();
    if n % 3 == 1 { method(60, 120, &[&tag[..], &[0]].concat()) } else { method(60, 80, &[&tag[..], &[0]].concat()) }
}

fn open(wire: &mut Wire) {
    wire.up(b"AMQP\0\0\x09\x01");
    wire.up(&[method(20, 10, &[0]), method(85, 10, &[0])].concat());
    wire.down(&[method(20, 11, &[0; 4]), method(85, 11, &[])].concat());
}

/// So many publishes at a time, each confirmed by itself, then silence.
fn published(wire: &mut Wire, some: usize, pause: u64) {
    open(wire);
    for n in (0..MESSAGES).step_by(some) {
        wire.begin();
        (n..n + some).for_each(|n| wire.up(&publish(n)));
        (n..n + some).for_each(|n| wire.down(&outcome(n)));
        wire.ack();
        wire.pause(pause);
    }
}

/// Four are always under way, each fourth confirmation is of all up to it; silence now and then.
fn overlapping(wire: &mut Wire) {
    open(wire);
    for n in (0..MESSAGES).step_by(12) {
        wire.begin();
        (n..n + 4).for_each(|n| wire.up(&publish(n)));
        for n in n..n + 12 {
            wire.down(&outcome(n));
            if n % 12 < 8 {
                wire.up(&publish(n + 4));
            }
        }
        wire.pause(1500);
    }
}

fn delivered(wire: &mut Wire) {
    open(wire);
    wire.up(&method(60, 20, &[&[0, 0, 1, b'q', 1, b'c', 0][..], &[0; 4]].concat()));
    wire.down(&method(60, 21, &[1, b'c']));
    for n in 0..MESSAGES {
        wire.begin();
        wire.down(&deliver(n));
        wire.up(&outcome(n));
        wire.ack();
    }
}

/// The message that a flow is, where what became of it was seen, and is its own.
fn told(flow: &Value) -> Option<usize> {
    let n = flow["amqp"]["routing_key"].as_str()?.get(1..)?.parse::<usize>().ok()?;
    let outcome = flow["amqp"]["outcome"].as_str()?;
    assert_eq!(outcome == "nack", n % 3 == 1, "what became of it became of another one: {flow:#}");
    Some(n)
}

fn check(after: usize, some: usize, talk: impl Fn(&mut Wire)) {
    Seen::of(5672, losses(9..18), talk).whole(after, |flow| told(flow).filter(|n| n % some == 0).map(|n| n / some));
}

#[test]
fn confirmations_find_their_publishes_again() {
    check(1, 1, |wire| published(wire, 1, 0));
}

/// The same where publishes and their outcomes take two packets each.
#[test]
fn confirmations_find_their_publishes_again_whatever_is_lost_of_them() {
    for cut in [9, 40] {
        check(2, 1, |wire| {
            open(wire);
            for n in 0..MESSAGES {
                wire.begin();
                let (sent, said) = (publish(n), outcome(n));
                let ((method, content), (word, rest)) = (sent.split_at(cut), said.split_at(9));
                wire.up(method);
                wire.up(content);
                wire.down(word);
                wire.down(rest);
            }
        });
    }
}

#[test]
fn batches_are_counted_again() {
    check(2, 3, |wire| published(wire, 3, 0));
}

#[test]
fn a_stream_of_publishes_is_counted_again_behind_silence() {
    check(1, 12, overlapping);
}

#[test]
fn deliveries_keep_their_tags() {
    check(1, 1, delivered);
}
