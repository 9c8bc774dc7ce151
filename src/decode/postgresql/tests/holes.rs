//! Whose answers are whose behind a hole.

use super::*;
use crate::decode::properties::flows_without;

#[test]
fn a_failure_behind_a_hole_does_not_show_that_the_client_waited() {
    let mut talk = Conversation::new("two cycles under way, the first one lost and failed");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    let (ask, hole) = (|n: u8| extended("", &format!("SELECT {n}"), b"1"), startup().len() + greeted().len());
    talk.say(UP, &ask(0)).say(UP, &ask(1)).say(DOWN, &[error("22012"), ready()].concat());
    for n in 2..7 {
        talk.say(UP, &ask(n)).say(DOWN, &selected(&[]));
    }
    let seen = flows_without(&talk, hole, ask(0).len());
    assert!(seen.iter().all(|flow| flow.closed.as_ref().unwrap().status.is_none()), "{seen:?}");
}

#[test]
fn a_client_that_waits_is_paired_again_where_the_statement_failed_that_a_hole_cut() {
    let mut talk = Conversation::new("one after the other, the first one cut and failed");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    let (ask, hole) = (|n: u8| extended("", &format!("SELECT {n}"), b"1"), startup().len() + greeted().len());
    talk.say(UP, &ask(0)).say(DOWN, &[message(b'1', &[]), message(b'2', &[]), error("22012"), ready()].concat());
    for n in 1..5 {
        talk.say(UP, &ask(n)).say(DOWN, &selected(&[]));
    }
    // the end of the Parse
    let seen = flows_without(&talk, hole + 8, 4);
    assert!(seen[1..].iter().all(|flow| flow.closed.as_ref().unwrap().status.as_deref() == Some("SELECT 2")), "{seen:?}");
    assert_eq!(seen.len(), 5);
}
