//! What becomes of publishes that nobody confirms, and of many at once.

use super::stories::{joined, line, told};
use super::*;
use crate::decode::detect::DecodeAs;
use crate::decode::properties::{quick_flows, reference, remembered};
use crate::decode::{Driver, Limits, Sink};
use crate::model::{ConnId, ConnMeta, EventKind, Stamp, Totals, Transport, Zone};
use crate::time::Time;

/// A publish comes back, with these properties and no body.
fn comes_back(script: &mut Script, key: &str, flags: u16, properties: &[u8]) {
    script.method(DOWN, 1, "basic.return").u16(312).short(b"NO_ROUTE").short(b"").short(key.as_bytes());
    script.parts(DOWN, 1, flags, properties, b"", 1);
}

fn quickly_told(script: Script) -> Vec<String> {
    quick_flows(&script.talk()).iter().map(line).collect()
}

pub fn meta() -> ConnMeta {
    let [client, server] = ["127.0.0.1:40000", "127.0.0.1:5672"].map(|addr| addr.parse().unwrap());
    let (transport, joined, zone) = (Transport::Stream, Joined::Midway, Zone::default());
    ConnMeta { id: ConnId::default(), client, server, transport, first: Stamp::default(), joined, isn: None, zone }
}

fn publishes(script: &mut Script, key: &str) {
    script.publish(1, "", key, true).parts(UP, 1, 0, b"", b"", 1);
}

fn fails(script: &mut Script, text: &[u8]) {
    script.method(DOWN, 1, "channel.close").u16(404).short(text).u16(60).u16(40).method(UP, 1, "channel.close-ok");
}

#[test]
fn many_at_once_come_back() {
    let mut script = opened("publishes that may come back");
    (0..300).for_each(|n| publishes(&mut script, &format!("q{n}")));
    (0..300).for_each(|n| comes_back(&mut script, &format!("q{n}"), 0, b""));
    // of one that is nobody's no flow is made where all were captured
    comes_back(&mut script, "q0", 0, b"");
    let talk = script.talk();
    let told = told(&talk);
    assert_eq!(told.len(), 300);
    assert!(told.iter().all(|line| line.ends_with(": returned (failed)")), "{told:?}");
    assert_eq!(reference(&talk).totals.unassigned, [("returns", 1)]);
}

#[test]
fn what_came_back_tells_that_those_before_it_did_not() {
    let mut script = opened("publishes that may come back");
    (0..3).for_each(|n| publishes(&mut script, &format!("q{n}")));
    comes_back(&mut script, "q1", 0, b"");
    comes_back(&mut script, "q0", 0, b"");
    let talk = script.talk();
    assert_eq!(told(&talk), ["publish (default) q0: -", "publish (default) q1: returned (failed)", "publish (default) q2: -"]);
    assert_eq!(reference(&talk).totals.unassigned, [("returns", 1)]);
}

#[test]
fn joined_late_one_that_was_captured_is_no_flow_of_its_own() {
    let told = joined(|script| {
        comes_back(script, "before", 0, b"");
        (0..100).for_each(|n| publishes(script, &format!("q{n}")));
        script.method(DOWN, 1, "basic.ack").u64(700).octet(1);
        (1..100).for_each(|n| comes_back(script, &format!("q{n}"), 0, b""));
    });
    assert_eq!(told.len(), 101);
    assert_eq!(told[0], "publish (default) before: returned (failed); joined mid-connection; request not captured");
    assert_eq!(told[1], "publish (default) q0: -; its confirmation cannot be told: not all publishes before it were captured");
    assert!(told[2..].iter().all(|line| line.ends_with(": returned (failed)")), "{told:?}");
}

#[test]
fn the_header_that_a_broker_takes_away_makes_it_no_other_message() {
    let header = |names: &[&[u8]]| {
        let headers = table(|t| names.iter().for_each(|name| _ = t.field(name, b'S', b"\0\0\0\x01x")));
        [&(headers.len() as u32).to_be_bytes()[..], &headers].concat()
    };
    for confirmed in [false, true] {
        let mut script = opened("a publish with a hidden header");
        if confirmed {
            script.method(UP, 1, "confirm.select").octet(0).method(DOWN, 1, "confirm.select-ok");
        }
        // what is published the same way is told apart by the rest
        for names in [&[&b"BCC"[..], b"a"][..], &[b"b"], &[b"BCC"]] {
            script.publish(1, "", "q", true).parts(UP, 1, 1 << 13, &header(names), b"", 1);
        }
        comes_back(&mut script, "q", 1 << 13, &header(&[b"a"]));
        comes_back(&mut script, "q", 1 << 13, &header(&[]));
        if confirmed {
            script.method(DOWN, 1, "basic.ack").u64(3).octet(1);
        }
        let lines = told(&script.talk()).split_off(usize::from(confirmed));
        let kept = if confirmed { "publish (default) q: ack" } else { "publish (default) q: -" };
        assert_eq!(lines, ["publish (default) q: returned (failed)", kept, "publish (default) q: returned (failed)"]);
    }
}

#[test]
fn a_channel_that_fails_by_a_publish_tells_of_it() {
    let text = b"NOT_FOUND - no exchange 'none' in vhost '/'";
    let untold = "what became of it cannot be told: its channel failed";
    for (confirmed, exchanges, expected) in [
        (false, &["none"][..], vec!["publish none a: NOT_FOUND (failed)".to_owned()]),
        (true, &["none"], vec!["publish none a: NOT_FOUND (failed)".to_owned()]),
        (
            false,
            &["shop", "none", "shop"],
            vec![
                "publish shop a: -".to_owned(),
                "publish none a: NOT_FOUND (failed)".to_owned(),
                format!("publish shop a: -; {untold}"),
            ],
        ),
        (
            true,
            &["shop", "none"],
            vec!["publish shop a: pending (failed)".to_owned(), "publish none a: NOT_FOUND (failed)".to_owned()],
        ),
        // which one of them is not said
        (
            false,
            &["shop", "none", "none"],
            vec![
                "publish shop a: -".to_owned(),
                format!("publish none a: -; {untold}"),
                format!("publish none a: -; {untold}"),
                "channel.close: NOT_FOUND (failed)".to_owned(),
            ],
        ),
        (false, &["shop"], vec![format!("publish shop a: -; {untold}"), "channel.close: NOT_FOUND (failed)".to_owned()]),
    ] {
        let mut script = opened("a publish to nowhere");
        if confirmed {
            script.method(UP, 1, "confirm.select").octet(0).method(DOWN, 1, "confirm.select-ok");
        }
        for exchange in exchanges {
            script.publish(1, exchange, "a", false).content(UP, 1, b"one", 9);
        }
        fails(&mut script, text);
        assert_eq!(told(&script.talk()).split_off(usize::from(confirmed)), expected, "{exchanges:?}");
    }
}

#[test]
fn what_is_published_after_its_channel_failed_is_not_said_to_be_well() {
    let mut script = opened("publishes to nowhere");
    script.publish(1, "none", "a", false).content(UP, 1, b"one", 9);
    script.method(DOWN, 1, "channel.close").u16(404).short(b"NOT_FOUND - no exchange 'none' in vhost '/'").u16(60).u16(40);
    script.publish(1, "shop", "a", false).content(UP, 1, b"one", 9);
    script.method(UP, 1, "channel.close-ok");
    assert_eq!(
        told(&script.talk()),
        ["publish none a: NOT_FOUND (failed)", "publish shop a: -; what became of it cannot be told: its channel failed"]
    );
    // joined late it may have been one that was not captured
    let told = joined(|script| {
        script.publish(1, "none", "a", false).content(UP, 1, b"one", 9);
        fails(script, b"NOT_FOUND - no exchange 'none' in vhost '/'");
    });
    assert_eq!(
        told,
        [
            "publish none a: -; joined mid-connection; what became of it cannot be told: its channel failed",
            "channel.close: NOT_FOUND (failed)"
        ]
    );
}

#[test]
fn one_channel_may_have_all_that_wait() {
    let mut script = opened("many messages wait");
    script.method(UP, 1, "confirm.select").octet(0).method(DOWN, 1, "confirm.select-ok");
    script.method(UP, 1, "basic.consume").u16(0).short(b"q").short(b"q").octet(0).table(&[]);
    script.method(DOWN, 1, "basic.consume-ok").short(b"q");
    let many = 12_000;
    for n in 1..=many {
        script.publish(1, "shop", "a", false).parts(UP, 1, 0, b"", b"", 1);
        script.deliver(1, "q", n, false, "shop", "a").parts(DOWN, 1, 0, b"", b"", 1);
    }
    script.method(DOWN, 1, "basic.ack").u64(many).octet(1).method(UP, 1, "basic.ack").u64(many).octet(1);
    let lines = quickly_told(script).split_off(3);
    assert_eq!(lines.len(), 2 * many as usize);
    assert!(lines.iter().all(|line| line.ends_with(": ack")));
}

#[test]
fn of_more_than_may_wait_those_of_the_fullest_channel_are_given_up() {
    let mut script = opened("more messages wait than may");
    script.method(UP, 2, "channel.open").short(b"").method(DOWN, 2, "channel.open-ok").long(b"");
    for channel in [2, 1] {
        script.method(UP, channel, "confirm.select").octet(0).method(DOWN, channel, "confirm.select-ok");
    }
    let (few, many) = (100, 70_000);
    (0..few).for_each(|_| _ = script.publish(2, "two", "", false).parts(UP, 2, 0, b"", b"", 1));
    (0..many).for_each(|_| _ = script.publish(1, "one", "", false).parts(UP, 1, 0, b"", b"", 1));
    script.method(DOWN, 1, "basic.ack").u64(many).octet(1).method(DOWN, 2, "basic.ack").u64(few).octet(1);
    let lines = quickly_told(script);
    let count = |line: &str| lines.iter().filter(|told| *told == line).count();
    let given_up = count("publish one: -; too many messages wait for their acknowledgement");
    assert!((70_100 - 65_536 - 1024..=70_100 - 65_536).contains(&given_up), "{given_up}");
    assert_eq!((count("publish one: ack"), count("publish two: ack")), (many as usize - given_up, few as usize));
}

#[test]
fn time_that_passes_ends_the_wait_for_a_failure() {
    let mut script = opened("time passes");
    script.publish(1, "shop", "a", false).parts(UP, 1, 0, b"", b"", 1);
    publishes(&mut script, "q");
    let meta = meta();
    let (mut driver, mut events, mut totals) = (Driver::detecting(), Vec::new(), Totals::default());
    let (limits, decode_as, streams, held) = (Limits::default(), DecodeAs::default(), &mut 1, &mut 0);
    let at = |millis: i64| Stamp { time: Time::from_nanos(millis * 1_000_000), ..Stamp::default() };
    let (events, totals) = (&mut events, &mut totals);
    let mut sink = Sink {
        events,
        totals,
        streams,
        held,
        crowded: false,
        memory: usize::MAX,
        meta: &meta,
        at: at(0),
        limits: &limits,
        decode_as: &decode_as,
    };
    for (dir, bytes) in &script.talk().turns {
        driver.data(&mut sink, *dir, bytes, at(0));
    }
    let closed = |sink: &Sink<'_>| sink.events.iter().filter(|event| matches!(event.kind, EventKind::Close(..))).count();
    driver.tick(&mut sink, at(1000));
    assert_eq!((closed(&sink), driver.waits()), (1, true));
    driver.tick(&mut sink, at(1001));
    assert_eq!((closed(&sink), driver.waits()), (3, false));
    // should it come back all the same, and be it behind a pause, it was not one that nobody saw
    driver.rest();
    let mut late = Script::new("late");
    comes_back(&mut late, "q", 0, b"");
    for (dir, bytes) in &late.talk().turns {
        driver.data(&mut sink, *dir, bytes, at(1002));
    }
    assert_eq!((closed(&sink), &sink.totals.unassigned[..]), (3, &[("returns", 1)][..]));
}

#[test]
fn acknowledgements_of_what_was_not_captured_are_counted() {
    let mut script = Script::new("acknowledgements");
    for tag in 1..=3 {
        script.method(DOWN, 1, "basic.ack").u64(tag).octet(0);
    }
    script.method(UP, 1, "basic.ack").u64(9).octet(1);
    let talk = Conversation { joined: Joined::Midway, ..script.talk() };
    assert_eq!(reference(&talk).totals.unassigned, [("acknowledgements", 4)]);
}

/// A connection with so many channels, each with consumers whose names are long.
fn consumers(channels: u16, each: u16) -> Conversation {
    let mut script = opened("consumers");
    for channel in 1..=channels {
        script.method(UP, channel, "channel.open").short(b"").method(DOWN, channel, "channel.open-ok").long(b"");
        for n in 0..each {
            let tag = format!("a-consumer-whose-tag-is-long-{channel}-{n}");
            script.method(UP, channel, "basic.consume").u16(0).short(b"a-queue-whose-name-is-long-as-well");
            script.short(tag.as_bytes()).octet(0b1000).table(&[]);
        }
    }
    script.talk()
}

#[test]
fn channels_and_consumers_count_to_what_all_connections_remember() {
    let (free, evicted) = remembered(&consumers(100, 20), usize::MAX);
    assert!((2000 * 100..2000 * 250).contains(&free) && evicted == 0, "{free}");
    let (bound, evicted) = remembered(&consumers(100, 20), 16 * 1024);
    assert!((1..=16 * 1024).contains(&bound) && evicted > 0, "{bound}");
    // the few channels that each may have are free, and what is over takes nothing
    assert_eq!(remembered(&consumers(4, 0), 0), (0, 0));
    assert_eq!(remembered(&consumers(100, 20), 0).0, 0);
    let mut over = consumers(1, 20);
    over.turns.extend(script_of_close());
    assert_eq!(remembered(&over, usize::MAX), (0, 0));
}

fn script_of_close() -> Vec<(Dir, Vec<u8>)> {
    let mut script = Script::new("the end");
    closed(&mut script);
    script.talk().turns
}
