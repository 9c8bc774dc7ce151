//! HTTP/1 connections of which packets were lost.

use super::wire::{Seen, Wire, losses, of_client};
use serde_json::Value;

const EXCHANGES: usize = 20;

/// The exchange that a flow is, where it is whole.
fn told(flow: &Value) -> Option<usize> {
    let target = flow["http"]["target"].as_str().filter(|_| flow["status"] == "200")?;
    assert_eq!(flow["response"]["headers"][1][1], target, "an answer is another one's: {flow:#}");
    target[2..].parse().ok()
}

fn get(n: usize) -> Vec<u8> {
    format!("GET /u{n:04} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn answer(n: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Of: /u{n:04}\r\n\r\nok").into_bytes()
}

/// Whatever packets a keep-alive connection has lost: soon all exchanges are whole again, and no answer is another one's.
#[test]
fn behind_any_hole_requests_find_their_answers_again() {
    let seen = Seen::of(8080, losses(9..18), |wire| {
        for n in 0..EXCHANGES {
            wire.begin();
            wire.up(&get(n));
            wire.down(&answer(n));
            wire.ack();
        }
    });
    seen.whole(1, told);
}

/// The same where each message takes two packets, parted within its head or within its body.
#[test]
fn behind_any_hole_within_messages_requests_find_their_answers_again() {
    for tenths in [3, 7] {
        let seen = Seen::of(8080, losses(8..18), |wire| {
            for n in 0..EXCHANGES {
                wire.begin();
                let asks = format!("POST /u{n:04} HTTP/1.1\r\nContent-Length: 40\r\n\r\n{}", "q".repeat(40));
                let (first, rest) = asks.split_at(asks.len() * tenths / 10);
                wire.up(first.as_bytes());
                wire.up(rest.as_bytes());
                let answers =
                    format!("HTTP/1.1 200 OK\r\nA: b\r\nX-Of: /u{n:04}\r\nContent-Length: 80\r\n\r\n{}", "a".repeat(80));
                let (first, rest) = answers.split_at(answers.len() * tenths / 10);
                wire.down(first.as_bytes());
                wire.down(rest.as_bytes());
            }
        });
        seen.whole(1, told);
    }
}

/// In turn up to the fourth, then two are always under way.
fn beginning(wire: &mut Wire) {
    wire.up(&get(0));
    for n in 0..EXCHANGES {
        if n == 3 {
            wire.up(&get(4));
        }
        wire.down(&answer(n));
        wire.up(&get(if n < 3 { n + 1 } else { n + 2 }));
    }
}

/// Where its beginning is lost whole, nothing tells two requests under way from one that is answered late: that is left out.
#[test]
fn a_first_pipeline_is_not_mistaken() {
    let mut losses = of_client(losses(3..15), beginning);
    losses.retain(|lost| ![6, 7].iter().all(|at| lost.contains(at)));
    Seen::of(8080, losses, beginning).whole(99, told);
}

/// Whichever packet is lost, one that keeps requests open from its beginning on is not mistaken for one that waits.
#[test]
fn a_client_that_always_pipelines_is_not_mistaken() {
    for open in 2..6 {
        let losses = (0..16).map(|lost| [lost].into()).collect();
        let talk = |wire: &mut Wire| {
            (0..open).for_each(|n| wire.up(&get(n)));
            for n in 0..EXCHANGES {
                wire.down(&answer(n));
                wire.up(&get(n + open));
            }
            wire.begin();
        };
        Seen::of(8080, losses, talk).whole(99, told);
    }
}

/// So many requests at a time, whose answers are all awaited: behind a hole it is known again whose they are, without silence.
#[test]
fn a_client_that_takes_turns_is_paired_again() {
    let talk = |wire: &mut Wire| {
        for n in (0..36).step_by(3) {
            wire.begin();
            (n..n + 3).for_each(|n| wire.up(&get(n)));
            (n..n + 3).for_each(|n| wire.down(&answer(n)));
            wire.ack();
        }
    };
    Seen::of(8080, losses(14..25), talk).whole(2, |flow| told(flow).filter(|n| n % 3 == 0).map(|n| n / 3));
}
