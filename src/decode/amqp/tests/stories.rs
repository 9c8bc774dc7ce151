//! What becomes of each message and each question, told in one line a flow.

use super::*;
use crate::decode::properties::{Sketch, flows};

/// `operation: status ok`, and the notes.
pub fn lines(talk: &Conversation) -> Vec<String> {
    flows(talk).iter().map(line).collect()
}

pub fn line(flow: &Sketch) -> String {
    let closed = flow.closed.as_ref().unwrap();
    let failed = if closed.ok { "" } else { " (failed)" };
    let notes: String = flow.notes.iter().map(|note| format!("; {note}")).collect();
    format!("{}: {}{failed}{notes}", flow.operation, closed.status.as_deref().unwrap_or("-"))
}

/// The lines after that of the channel's opening.
pub fn told(talk: &Conversation) -> Vec<String> {
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
fn what_is_in_a_transaction_counts_when_that_is_committed() {
    assert_eq!(
        told(&transactions()),
        [
            "basic.consume billing: ok",
            "tx.select: ok",
            "deliver billing: ack",
            "deliver billing: reject (failed); its acknowledgement was rolled back",
            "deliver billing: pending (failed); its acknowledgement was rolled back",
            "publish shop one: ack",
            "publish (default) back: returned (failed)",
            "tx.commit: ok",
            "publish shop two: rollback (failed)",
            "tx.rollback: ok",
            "tx.commit: ok",
            "publish shop three: pending (failed)",
            "channel.close: ok",
            "connection.close: ok"
        ]
    );
}

#[test]
fn joined_late_a_commit_tells_of_what_comes_after_it_alone() {
    let told = joined(|script| {
        script.publish(1, "shop", "a", false).content(UP, 1, b"one", 9);
        script.method(DOWN, 1, "tx.commit-ok");
        script.publish(1, "shop", "b", false).content(UP, 1, b"two", 9);
        script.method(DOWN, 1, "tx.commit-ok");
        script.method(UP, 1, "tx.rollback");
        script.method(DOWN, 1, "tx.rollback-ok");
    });
    assert_eq!(
        told,
        [
            "publish shop a: -; joined mid-connection",
            "tx.commit: ok; request not captured",
            "publish shop b: rollback (failed)",
            "tx.commit: ok; request not captured",
            "tx.rollback: ok"
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

/// Operation, headers, and a few fields of the flows after the channel's opening.
pub fn joined(turns: impl FnOnce(&mut Script)) -> Vec<String> {
    let mut script = Script::new("joined late");
    turns(&mut script);
    lines(&Conversation { joined: Joined::Midway, ..script.talk() })
}

#[test]
fn joined_late_acknowledgements_of_what_was_not_seen_are_nobodys() {
    let told = joined(|script| {
        script.publish(1, "shop", "a", false).content(UP, 1, b"one", 9);
        script.method(DOWN, 1, "basic.ack").u64(7).octet(0);
        script.publish(1, "shop", "b", false).content(UP, 1, b"two", 9);
        script.method(DOWN, 1, "basic.ack").u64(8).octet(0);
        script.deliver(1, "tag-1", 40, false, "shop", "a").content(DOWN, 1, b"one", 9);
        script.deliver(1, "tag-1", 41, false, "shop", "b").content(DOWN, 1, b"two", 9);
        script.method(UP, 1, "basic.ack").u64(40).octet(0);
    });
    assert_eq!(
        told,
        [
            "publish shop a: -; joined mid-connection; its confirmation cannot be told: not all publishes before it were captured",
            "publish shop b: -; its confirmation cannot be told: not all publishes before it were captured",
            "deliver tag-1: ack",
            "deliver tag-1: -"
        ]
    );
}

#[test]
fn a_server_that_was_taken_for_the_client_is_put_right() {
    let told = joined(|script| {
        // a frame that either may send comes first
        script.frame(UP, 8, 0, b"");
        script.method(UP, 1, "basic.get-empty").short(b"");
        script.method(DOWN, 1, "basic.get").u16(0).short(b"ledger").octet(1);
        script.method(UP, 1, "basic.get-empty").short(b"");
    });
    assert_eq!(told, ["get (unknown queue): empty; joined mid-connection; request not captured", "get ledger: empty"]);
}

#[test]
fn a_name_that_the_broker_gives_and_one_that_is_left_out() {
    let mut script = opened("names");
    script.method(UP, 1, "queue.declare").u16(0).short(b"").octet(0b100).table(&[]);
    script.method(DOWN, 1, "queue.declare-ok").short(b"amq.gen-1").u32(0).u32(0);
    script.method(UP, 1, "queue.bind").u16(0).short(b"").short(b"shop").short(b"#").octet(0).table(&[]);
    script.method(DOWN, 1, "queue.bind-ok");
    script.method(UP, 1, "basic.consume").u16(0).short(b"").short(b"").octet(0b10).table(&[]);
    script.method(DOWN, 1, "basic.consume-ok").short(b"ctag-1");
    script.deliver(1, "ctag-1", 1, false, "shop", "a").content(DOWN, 1, b"one", 9);
    script.method(UP, 1, "basic.cancel").short(b"ctag-1").octet(0);
    script.method(DOWN, 1, "basic.cancel-ok").short(b"ctag-1");
    script.deliver(1, "ctag-1", 2, false, "shop", "a").content(DOWN, 1, b"two", 9);
    assert_eq!(
        told(&script.talk()),
        [
            "queue.declare amq.gen-1: ok",
            "queue.bind amq.gen-1: ok",
            "basic.consume amq.gen-1: ok",
            "deliver amq.gen-1: auto",
            "basic.cancel ctag-1: ok",
            "deliver ctag-1: -"
        ]
    );
}

#[test]
fn several_channels_at_once() {
    let mut script = opened("two channels");
    script.method(UP, 2, "channel.open").short(b"").method(DOWN, 2, "channel.open-ok").long(b"");
    script.publish(1, "one", "a", false);
    script.publish(2, "two", "b", false);
    script.parts(UP, 1, 0, b"", b"", 1).frame(UP, 8, 0, b"").parts(UP, 2, 0, b"", b"second", 3);
    assert_eq!(told(&script.talk()), ["channel.open: ok", "publish one a: -", "publish two b: -"]);
}

/// Two deliveries to a consumer by this tag, acknowledged, and the end.
fn delivered_to(script: &mut Script, tag: &str) {
    for number in 1..=2 {
        script.deliver(1, tag, number, false, "shop", "order.placed").content(DOWN, 1, b"body", 4);
    }
    script.method(UP, 1, "basic.ack").u64(2).octet(1);
    closed(script);
}

#[test]
fn a_tap_of_meshtop_is_left_out_but_for_its_login() {
    let mut script = Script::new("AMQP, a tap");
    script.bytes(UP, b"AMQP\0\0\x09\x01");
    script.method(DOWN, 0, "connection.start").octet(0).octet(9).table(&[]).long(b"PLAIN").long(b"en_US");
    let client = table(|t| {
        t.field(b"product", b'S', b"\0\0\0\x07meshtop");
    });
    script.method(UP, 0, "connection.start-ok").table(&client).short(b"PLAIN").long(b"\0guest\0guest").short(b"en_US");
    script.method(DOWN, 0, "connection.tune").u16(2047).u32(131_072).u16(60);
    delivered_to(&mut script, "any");
    assert_eq!(lines(&script.talk()), ["connection.start: ok"]);

    // by its consumer's tag alone; and one that is only called alike
    for (tag, told) in [("meshtop.tap.host.1.2.3", 0), ("meshtop", 2)] {
        let mut script = Script::new("AMQP, a tap that is joined late");
        delivered_to(&mut script, tag);
        let told_of = flows(&Conversation { joined: Joined::Midway, ..script.talk() });
        let deliveries = told_of.iter().filter(|flow| flow.operation.starts_with("deliver")).count();
        assert_eq!(deliveries, told, "{tag}: {told_of:?}");
    }
}
