//! What a hole takes of publishes, and whether it takes any.

use super::*;
use crate::decode::properties::flows_without;
use std::ops::Range;

/// How many frames open the connection, and how many an exchange has.
const OPENING: usize = 5;
const FRAMES: usize = 5;

/// What of an exchange is lost, by its frames: an acknowledgement on another channel, a publish's method, header and body, its confirm.
const ACK: Range<usize> = 0..1;
const METHOD: Range<usize> = 1..2;
const CONTENT: Range<usize> = 2..4;

/// Of publishes each of which waits for its confirm, what is told where some frames of the third one's exchange are lost. Each second one
/// is refused.
fn outcomes(lost: Range<usize>) -> Vec<(String, Option<String>)> {
    let mut script = opened("publishes, one after the other");
    script.method(UP, 1, "confirm.select").octet(0).method(DOWN, 1, "confirm.select-ok");
    for n in 1..=7 {
        script.method(UP, 2, "basic.ack").u64(n).octet(0);
        script.publish(1, "", &format!("k{n}"), false).parts(UP, 1, 0, b"", &[b'x'; 30], 99);
        let word = if n % 2 == 0 { "basic.nack" } else { "basic.ack" };
        script.method(DOWN, 1, word).u64(n).octet(0);
    }
    let talk = script.talk();
    let at = |frame: usize| talk.turns[..frame].iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let [from, to] = [lost.start, lost.end].map(|frame| at(OPENING + 2 * FRAMES + frame));
    let flows = flows_without(&talk, from, to - from).into_iter().filter(|flow| flow.operation.starts_with("publish"));
    flows.map(|flow| (flow.operation[18..].to_owned(), flow.closed.unwrap().status.map(Into::into))).collect()
}

fn told(those: Range<usize>) -> Vec<(String, Option<String>)> {
    those.map(|n| (format!("k{n}"), Some(if n % 2 == 0 { "nack" } else { "ack" }.to_owned()))).collect()
}

#[test]
fn a_publish_whose_rest_is_lost_is_not_one_under_way() {
    let seen = outcomes(CONTENT);
    assert_eq!((&seen[..3], &seen[4..]), (&told(1..4)[..], &told(5..8)[..]));
}

#[test]
fn what_is_shorter_than_a_publish_takes_none_with_it() {
    assert_eq!(outcomes(ACK), told(1..8));
}

#[test]
fn a_publish_whose_method_alone_is_lost_was_one() {
    let seen = outcomes(METHOD);
    let own = |one: &(String, Option<String>)| one.1.is_none() || told(1..8).contains(one);
    assert!(seen.len() == 6 && seen.iter().all(own), "{seen:?}");
    assert_eq!(seen[3..], told(5..8));
}
