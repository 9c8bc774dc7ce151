//! What becomes of each message and each question, told in one line a flow.

use super::*;
use crate::decode::properties::{Sketch, flows};

/// `operation: status ok`, and the notes.
fn lines(talk: &Conversation) -> Vec<String> {
    flows(talk).iter().map(line).collect()
}

fn line(flow: &Sketch) -> String {
    let closed = flow.closed.as_ref().unwrap();
    let failed = if closed.ok { "" } else { " (failed)" };
    let notes: String = flow.notes.iter().map(|note| format!("; {note}")).collect();
    format!("{}: {}{failed}{notes}", flow.operation, closed.status.as_deref().unwrap_or("-"))
}

/// The lines after that of the channel's opening.
fn told(talk: &Conversation) -> Vec<String> {
    lines(talk).split_off(1)
}

#[test]
fn a_handshake() {
    assert_eq!(
        lines(&handshake()),
        [
            "connection.start: ok",
            "connection.tune: ok",
            "connection.open /: ok",
            "channel.open: ok",
            "channel.close: ok",
            "connection.close: ok"
        ]
    );
    assert_eq!(lines(&refused()), ["protocol 0-8: refused (failed)"]);
}

#[test]
fn publishes_are_confirmed_or_come_back() {
    assert_eq!(
        told(&publishes()),
        [
            "publish shop order.placed: -",
            "publish (default) back: returned (failed)",
            "confirm.select: ok",
            "publish shop order.0: ack",
            "publish shop order.1: returned (failed)",
            "publish shop order.2: nack (failed)",
            "publish shop order.3: pending (failed)",
            "publish empty: pending (failed)",
            "publish fanout: pending (failed); the broker takes no publishes for now",
            "channel.close: ok",
            "connection.close: ok"
        ]
    );
}

#[test]
fn deliveries_are_acknowledged() {
    assert_eq!(
        told(&deliveries()),
        [
            "basic.consume billing: ok",
            "deliver billing: ack",
            "deliver billing: nack (failed)",
            "deliver billing: nack (failed)",
            "deliver billing: reject (failed)",
            "deliver billing: pending (failed)",
            "get ledger: auto",
            "get ledger: empty",
            "channel.close: ok",
            "connection.close: ok"
        ]
    );
}

#[test]
fn an_error_is_the_answer_to_what_caused_it() {
    assert_eq!(
        told(&questions()),
        [
            "exchange.declare shop: ok",
            "queue.declare billing: ok",
            "queue.bind billing: ok",
            "basic.qos: ok",
            "queue.delete old: -",
            "queue.declare missing: NOT_FOUND (failed)",
            "connection.close: CONNECTION_FORCED (failed)"
        ]
    );
}
