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
