//! Redis connections of which packets were lost.

use super::wire::{Seen, Wire, losses, of_client};
use serde_json::Value;

/// How many commands there are.
const COMMANDS: usize = 36;

fn get(n: usize) -> Vec<u8> {
    format!("*2\r\n$3\r\nGET\r\n$5\r\nk{n:04}\r\n").into_bytes()
}

fn value(n: usize) -> Vec<u8> {
    format!("$5\r\nv{n:04}\r\n").into_bytes()
}

/// So many at a time, whose answers come in one packet each, then silence for some milliseconds.
fn together(wire: &mut Wire, some: usize, pause: u64) {
    for n in (0..COMMANDS).step_by(some) {
        wire.begin();
        (n..n + some).for_each(|n| wire.up(&get(n)));
        (n..n + some).for_each(|n| wire.down(&value(n)));
        wire.ack();
        wire.pause(pause);
    }
}

/// Always two under way, as each answer brings the next command; silence now and then.
fn overlapping(wire: &mut Wire) {
    for n in (0..COMMANDS).step_by(6) {
        wire.begin();
        wire.up(&get(n));
        for n in n..n + 5 {
            wire.up(&get(n + 1));
            wire.down(&value(n));
        }
        wire.down(&value(n + 5));
        wire.pause(1500);
    }
}

/// In turn up to the fourth, then two are always under way.
fn beginning(wire: &mut Wire) {
    wire.up(&get(0));
    for n in 0..COMMANDS {
        if n == 3 {
            wire.up(&get(4));
        }
        wire.down(&value(n));
        wire.up(&get(if n < 3 { n + 1 } else { n + 2 }));
    }
    wire.begin();
}

/// So many one by one, each behind a silence, then three at a time.
const ALONE: usize = 27;

fn patient(wire: &mut Wire) {
    for n in 0..ALONE {
        wire.begin();
        wire.up(&get(n));
        wire.down(&value(n));
        wire.ack();
        wire.pause(5);
    }
    for n in (ALONE..COMMANDS).step_by(3) {
        wire.begin();
        (n..n + 3).for_each(|n| wire.up(&get(n)));
        (n..n + 3).for_each(|n| wire.down(&value(n)));
    }
}

/// So many are under way from the beginning on, and as many as `step` are asked once as many were answered.
fn sliding(wire: &mut Wire, open: usize, step: usize) {
    (0..open).for_each(|n| wire.up(&get(n)));
    for n in (0..COMMANDS).step_by(step) {
        (n..n + step).for_each(|n| wire.down(&value(n)));
        (n..n + step).for_each(|n| wire.up(&get(n + open)));
    }
    wire.begin();
}

/// The command that a flow is, where its answer was seen, and is its own; not an answer whose command was not captured.
fn told(flow: &Value) -> Option<usize> {
    let number = |text: &str| text.get(1..)?.parse::<usize>().ok();
    if flow["request"].is_null() && flow["notes"].to_string().contains("request not captured") {
        return None;
    }
    let answer = flow["response"]["body"]["value"].as_str().and_then(number)?;
    assert_eq!(flow["redis"]["args"][0].as_str().and_then(number), Some(answer), "an answer is another one's: {flow:#}");
    Some(answer)
}

fn check(losses: Vec<std::collections::BTreeSet<usize>>, after: usize, some: usize, talk: impl Fn(&mut Wire)) {
    Seen::of(6379, losses, talk).whole(after, |flow| told(flow).filter(|n| n % some == 0).map(|n| n / some));
}

#[test]
fn commands_find_their_answers_again() {
    check(losses(9..18), 1, 1, |wire| together(wire, 1, 0));
}

#[test]
fn a_client_that_takes_turns_is_paired_again() {
    check(losses(14..25), 2, 3, |wire| together(wire, 3, 0));
}

#[test]
fn a_client_that_was_seen_to_wait_may_pipeline() {
    let exchange = |n| if n < ALONE { Some(n) } else { Some((n - ALONE) / 3 + ALONE).filter(|_| n % 3 == 2) };
    Seen::of(6379, losses(3..9), patient).whole(1, |flow| told(flow).and_then(exchange));
}

#[test]
fn a_client_that_overlaps_begins_anew_behind_silence() {
    check(losses(14..25), 1, 6, overlapping);
}

/// Where its beginning is lost whole, nothing tells two commands under way from one that is answered late: that is left out.
#[test]
fn a_first_pipeline_is_not_mistaken() {
    let mut losses = of_client(losses(3..15), beginning);
    losses.retain(|lost| ![6, 7].iter().all(|at| lost.contains(at)));
    check(losses, 99, 1, beginning);
}

/// Whichever packet is lost, one that keeps commands open from its beginning on is not mistaken for one that takes turns.
#[test]
fn a_client_that_always_overlaps_is_not_mistaken() {
    for (open, step) in [(2, 1), (3, 1), (4, 1), (5, 1), (4, 2), (6, 2), (6, 3)] {
        let losses = (0..16).map(|lost| [lost].into()).collect();
        check(losses, 99, 1, |wire| sliding(wire, open, step));
    }
}
