//! Names that stand for one statement after the other, and those that come to stand for none.

use super::{DOWN, UP, all, error, fault, greeted, message, ready, startup, sync};
use crate::decode::properties::Conversation;

fn parse(text: &str) -> Vec<u8> {
    message(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"])
}

fn begun() -> Conversation {
    let mut talk = Conversation::new("PostgreSQL, names");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    talk
}

#[test]
fn a_failure_is_of_what_the_name_stood_for_when_it_was_asked() {
    let mut talk = begun();
    talk.say(UP, &[parse("SELECT a FROM one"), sync(), parse("SELECT b FROM two"), sync()].concat());
    talk.say(DOWN, &[error("42601"), ready(), message(b'1', &[]), ready()].concat());
    assert_eq!(all(&talk), ["PREPARE SELECT one: 42601, failed", "PREPARE SELECT two: -, ok"]);
}

#[test]
fn what_was_not_answered_was_not_prepared() {
    let mut talk = begun();
    talk.say(UP, &parse("SELECT a FROM one"));
    assert_eq!(all(&talk), ["PREPARE SELECT one: pending, failed"]);
    let mut talk = begun();
    talk.say(DOWN, &fault(b'E', "FATAL", "57P01")).say(UP, &parse("SELECT a FROM one"));
    let told = all(&talk);
    assert_eq!(told.last().unwrap(), "PREPARE SELECT one: -, failed [not run: the server ended the session]", "{told:?}");
}

#[test]
fn the_oldest_make_room_and_are_told() {
    let mut talk = begun();
    for n in 0..1025 {
        let name = format!("s{}\0", 2000 - n);
        talk.say(UP, &message(b'P', &[name.as_bytes(), format!("SELECT a FROM t{n}").as_bytes(), b"\0\0\0"]));
        talk.say(DOWN, &message(b'1', &[]));
    }
    let told = all(&talk);
    assert_eq!((told.len(), &*told[0]), (1025, "PREPARE SELECT t0: -, ok"), "it was prepared first");
}

#[test]
fn one_after_the_other_makes_room_in_the_order_in_which_they_were_prepared() {
    let (mut talk, mut there, mut goes) = (begun(), Vec::new(), Vec::new());
    for n in 0..1300 {
        // every third name stands for an older statement, which is told then
        let name = if n > 1024 && n % 3 == 0 { n - 200 } else { n };
        talk.say(UP, &message(b'P', &[format!("s{name}\0SELECT a FROM t{n}").as_bytes(), b"\0\0\0"]));
        talk.say(DOWN, &message(b'1', &[]));
        let again = there.iter().position(|(own, _)| *own == name);
        goes.extend(again.map(|at| there.remove(at).1));
        if there.len() == 1024 {
            goes.push(there.remove(0).1);
        }
        there.push((name, n));
    }
    let told = all(&talk);
    let expected: Vec<_> = goes.iter().map(|n| format!("PREPARE SELECT t{n}: -, ok")).collect();
    assert_eq!((told.len(), &told[..expected.len()]), (1300, &expected[..]));
}
