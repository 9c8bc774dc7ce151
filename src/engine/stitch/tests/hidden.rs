//! What is seen beside requests that are not.

use super::check;

#[test]
fn beside_something_that_cannot_be_read_nothing_is_the_only_one() {
    let mesh = ["web>gate 1-90 id=t", "gate>?db 20-30"];
    check(&mesh, &["1 .s2"]);
    // an encrypted request may be what it works on
    check(&[mesh[0], mesh[1], "web>gate 2-95 hidden=yes"], &["1"]);
    // of another service, or over by then
    check(&[mesh[0], mesh[1], "web>other 2-95 hidden=yes"], &["1 .s2"]);
    check(&[mesh[0], mesh[1], "web>gate 2-10 hidden=yes"], &["1 .s2"]);
    // joined, if only later: something may have been asked before all that was seen
    check(&[mesh[0], mesh[1], "web>gate 2-95 joined=yes"], &["1"]);
    let midway = "web>other 1-2 joined=yes";
    check(&[mesh[0], mesh[1], midway, "web>gate 40-95 joined=yes"], &["1"]);
    check(&[mesh[0], mesh[1], midway, "web>other 40-95 joined=yes"], &["1 .s2"]);
    // what both carry tells it all the same
    check(&["web>gate 1-90 id=t body=order-4711", "gate>?db 20-30 body=order-4711", "web>gate 2-95 joined=yes"], &["1 .p2"]);
}

#[test]
fn what_is_asked_in_an_unknown_protocol_is_hidden_from_its_first_byte_on() {
    let beside = |other: &str, wanted| check(&["web>gate 1-90 id=t", "gate>?db 20-30", other], &[wanted]);
    beside("web>gate 10-40 unknown=answered", "1");
    beside("web>gate 10-25 unknown=answered", "1");
    // it was answered before, came after, or to another one
    beside("web>gate 10-15 unknown=answered", "1 .s2");
    beside("web>gate 21-40 unknown=answered", "1 .s2");
    beside("web>other 10-40 unknown=answered", "1 .s2");
    // answered when all else is over, or never
    beside("web>gate 10-9000 unknown=answered", "1");
    beside("web>gate 10-9000 unknown=never", "1");
    // one that can be read after all hides nothing
    beside("web>gate 10-25 unknown=found", "1 .s2");
}

#[test]
fn who_wakes_itself_by_a_connection_is_asked_nothing() {
    let beside = |other: &str, wanted| {
        check(&["web>gate=127.0.0.1:80 1-90 id=t to=7", "gate=127.0.0.1:5000>?db 20-30 by=7", other], &[wanted]);
    };
    beside("gate=127.0.0.1:5001>gate=127.0.0.1:5002 10-9000 unknown=never by=7 to=7", "1 .s2");
    beside("web=127.0.0.1:5001>gate=127.0.0.1:5002 10-9000 unknown=never by=8 to=7", "1");
    // nobody knows whose these are
    beside("127.0.0.1:5001>127.0.0.1:5002 10-9000 unknown=never", "1 .s2");
}
