//! AMQP by script: conversations for the shared properties, what becomes of messages, and what is particular to the protocol.

mod fate;
mod holes;
mod reader;
mod script;
mod stories;

use crate::decode::properties::Conversation;
use crate::model::{Dir, Joined};
use script::{Script, table};

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let mut all = vec![handshake(), publishes(), deliveries(), sequence(), questions(), transactions(), refused()];
    all.push(Conversation { name: "AMQP, joined late", joined: Joined::Midway, ..sequence() });
    all
}

/// A connection whose first channel is open.
fn opened(name: &'static str) -> Script {
    let mut script = Script::new(name);
    script.bytes(UP, b"AMQP\0\0\x09\x01").method(UP, 1, "channel.open").short(b"").method(DOWN, 1, "channel.open-ok").long(b"");
    script
}

fn closed(script: &mut Script) {
    script.method(UP, 1, "channel.close").u16(200).short(b"bye").u16(0).u16(0);
    script.method(DOWN, 1, "channel.close-ok");
    script.method(UP, 0, "connection.close").u16(200).short(b"bye").u16(0).u16(0);
    script.method(DOWN, 0, "connection.close-ok");
}

fn handshake() -> Conversation {
    let mut script = Script::new("AMQP handshake, and no more");
    script.bytes(UP, b"AMQP\0\0\x09\x01");
    script.method(DOWN, 0, "connection.start").octet(0).octet(9).table(&[]).long(b"PLAIN AMQPLAIN").long(b"en_US");
    let client = table(|t| {
        t.field(b"product", b'S', b"\0\0\0\x04shop");
    });
    script.method(UP, 0, "connection.start-ok").table(&client).short(b"PLAIN").long(b"\0guest\0guest").short(b"en_US");
    script.method(DOWN, 0, "connection.tune").u16(2047).u32(131_072).u16(60);
    script.method(UP, 0, "connection.tune-ok").u16(2047).u32(131_072).u16(60);
    script.method(UP, 0, "connection.open").short(b"/").short(b"").octet(0);
    script.method(DOWN, 0, "connection.open-ok").short(b"");
    script.method(UP, 1, "channel.open").short(b"").method(DOWN, 1, "channel.open-ok").long(b"");
    script.frame(UP, 8, 0, b"").frame(DOWN, 8, 0, b"");
    closed(&mut script);
    Conversation { sequential: true, ..script.talk() }
}

fn refused() -> Conversation {
    let mut script = Script::new("AMQP 0-8, refused");
    script.bytes(UP, b"AMQP\x01\x01\x08\0").bytes(DOWN, b"AMQP\0\0\x09\x01").end(DOWN);
    script.talk()
}

/// Confirmed and not, mandatory ones among them; of many frames, with other channels' between.
fn publishes() -> Conversation {
    let mut script = opened("AMQP publishes");
    script.publish(1, "shop", "order.placed", false).content(UP, 1, b"{\"order\":0}", 4);
    script.publish(1, "", "back", true).content(UP, 1, b"no such queue", 99);
    script.method(DOWN, 1, "basic.return").u16(312).short(b"NO_ROUTE").short(b"").short(b"back");
    script.content(DOWN, 1, b"no such queue", 99);
    script.method(UP, 1, "confirm.select").octet(0);
    script.method(DOWN, 1, "confirm.select-ok");
    for n in 0..4 {
        script.publish(1, "shop", &format!("order.{n}"), n == 1).content(UP, 1, format!("body {n}").as_bytes(), 3);
    }
    script.method(DOWN, 1, "basic.return").u16(312).short(b"NO_ROUTE").short(b"shop").short(b"order.1");
    script.content(DOWN, 1, b"body 1", 3);
    script.method(DOWN, 1, "basic.ack").u64(2).octet(1);
    script.method(DOWN, 1, "basic.nack").u64(3).octet(0);
    script.publish(1, "empty", "", false).content(UP, 1, b"", 1);
    script.method(DOWN, 0, "connection.blocked").short(b"low on memory");
    script.publish(1, "fanout", "", false).content(UP, 1, b"late", 9);
    closed(&mut script);
    script.talk()
}

/// Deliveries and gets, whose consumer's tag is called as its queue is: so both names are the same where one is not seen.
fn deliveries() -> Conversation {
    let mut script = opened("AMQP deliveries");
    script.method(UP, 1, "basic.consume").u16(0).short(b"billing").short(b"billing").octet(0).table(&[]);
    script.method(DOWN, 1, "basic.consume-ok").short(b"billing");
    for tag in 1..=5 {
        script.deliver(1, "billing", tag, tag == 4, "shop", "order.placed");
        script.content(DOWN, 1, format!("body {tag}").as_bytes(), 4);
    }
    script.method(UP, 1, "basic.ack").u64(1).octet(0);
    script.method(UP, 1, "basic.reject").u64(4).octet(1);
    script.method(UP, 1, "basic.nack").u64(3).octet(0b11);
    script.method(UP, 1, "basic.get").u16(0).short(b"ledger").octet(1);
    script.method(DOWN, 1, "basic.get-ok").u64(6).octet(0).short(b"").short(b"ledger").u32(0);
    script.content(DOWN, 1, b"got it", 2);
    script.method(UP, 1, "basic.get").u16(0).short(b"ledger").octet(0);
    script.method(DOWN, 1, "basic.get-empty").short(b"");
    closed(&mut script);
    script.talk()
}

/// One after the other: what comes well after a hole is whole.
fn sequence() -> Conversation {
    let mut script = opened("AMQP, one after the other");
    script.method(UP, 1, "basic.consume").u16(0).short(b"q").short(b"q").octet(0).table(&[]);
    script.method(DOWN, 1, "basic.consume-ok").short(b"q");
    for tag in 1..=3 {
        let key = format!("key.{tag}");
        script.publish(1, "shop", &key, false).content(UP, 1, format!("sent {tag} {}", "x".repeat(9)).as_bytes(), 9);
        script.deliver(1, "q", tag, false, "shop", &key).content(DOWN, 1, format!("sent {tag} {}", "x".repeat(9)).as_bytes(), 9);
        script.method(UP, 1, "basic.ack").u64(tag).octet(0);
        script.method(UP, 1, "basic.qos").u32(0).u16(tag as u16).octet(0);
        script.method(DOWN, 1, "basic.qos-ok");
    }
    script.talk()
}

/// One that is committed, one that is rolled back with what was acknowledged in it, one that is neither.
fn transactions() -> Conversation {
    let mut script = opened("AMQP transactions");
    let ask = |script: &mut Script, what: &str| {
        script.method(UP, 1, &format!("tx.{what}")).method(DOWN, 1, &format!("tx.{what}-ok"));
    };
    script.method(UP, 1, "basic.consume").u16(0).short(b"billing").short(b"billing").octet(0).table(&[]);
    script.method(DOWN, 1, "basic.consume-ok").short(b"billing");
    ask(&mut script, "select");
    for tag in 1..=3 {
        script.deliver(1, "billing", tag, false, "shop", "order.placed").content(DOWN, 1, b"body", 9);
    }
    script.publish(1, "shop", "one", false).content(UP, 1, b"one", 9);
    script.publish(1, "", "back", true).content(UP, 1, b"no such queue", 99);
    script.method(UP, 1, "basic.ack").u64(1).octet(0);
    script.method(UP, 1, "tx.commit");
    // what is sent before the answer is of the next one
    script.publish(1, "shop", "two", false).content(UP, 1, b"two", 9);
    script.method(DOWN, 1, "basic.return").u16(312).short(b"NO_ROUTE").short(b"").short(b"back");
    script.content(DOWN, 1, b"no such queue", 99);
    script.method(DOWN, 1, "tx.commit-ok");
    script.method(UP, 1, "basic.ack").u64(3).octet(1);
    ask(&mut script, "rollback");
    script.method(UP, 1, "basic.reject").u64(2).octet(1);
    ask(&mut script, "commit");
    script.publish(1, "shop", "three", false).content(UP, 1, b"three", 9);
    script.method(UP, 1, "basic.ack").u64(3).octet(0);
    closed(&mut script);
    script.talk()
}

fn questions() -> Conversation {
    let mut script = opened("AMQP questions, and one that ends the channel");
    let arguments = table(|t| {
        t.field(b"x-max-length", b'I', &5_u32.to_be_bytes());
    });
    script.method(UP, 1, "exchange.declare").u16(0).short(b"shop").short(b"topic").octet(0b10).table(&[]);
    script.method(DOWN, 1, "exchange.declare-ok");
    script.method(UP, 1, "queue.declare").u16(0).short(b"billing").octet(0b10).table(&arguments);
    script.method(DOWN, 1, "queue.declare-ok").short(b"billing").u32(3).u32(1);
    script.method(UP, 1, "queue.bind").u16(0).short(b"billing").short(b"shop").short(b"order.#").octet(0).table(&[]);
    script.method(DOWN, 1, "queue.bind-ok");
    script.method(UP, 1, "basic.qos").u32(0).u16(10).octet(0);
    script.method(DOWN, 1, "basic.qos-ok");
    script.method(UP, 1, "queue.delete").u16(0).short(b"old").octet(0b100);
    script.method(UP, 1, "queue.declare").u16(0).short(b"missing").octet(0b1).table(&[]);
    script.method(DOWN, 1, "channel.close").u16(404).short(b"NOT_FOUND - no queue 'missing'").u16(50).u16(10);
    script.method(UP, 1, "channel.close-ok");
    script.method(DOWN, 0, "connection.close").u16(320).short(b"CONNECTION_FORCED - shutdown").u16(0).u16(0);
    script.method(UP, 0, "connection.close-ok");
    script.talk()
}
