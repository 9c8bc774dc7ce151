//! HTTP/1 connections of which packets were lost.

use super::wire::{Seen, losses};
use serde_json::Value;

const EXCHANGES: usize = 20;

/// The exchange that a flow is, where it is whole.
fn told(flow: &Value) -> Option<usize> {
    let target = flow["http"]["target"].as_str().filter(|_| flow["status"] == "200")?;
    assert_eq!(flow["response"]["headers"][1][1], target, "an answer is another one's: {flow:#}");
    target[2..].parse().ok()
}

/// Whatever packets a keep-alive connection has lost: soon all exchanges are whole again, and no answer is another one's.
#[test]
fn behind_any_hole_requests_find_their_answers_again() {
    let seen = Seen::of(8080, losses(9..18), |wire| {
        for n in 0..EXCHANGES {
            wire.begin();
            wire.up(format!("GET /u{n:04} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            wire.down(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Of: /u{n:04}\r\n\r\nok").as_bytes());
            wire.ack();
        }
    });
    seen.whole(1, told);
}
