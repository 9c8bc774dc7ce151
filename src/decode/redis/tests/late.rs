//! Connections that are joined late, and what a hole leaves: no answer is anybody else's.

use super::*;
use crate::decode::properties::flows;

fn late(talk: Conversation) -> Vec<(String, Vec<u8>, Option<String>)> {
    let talk = Conversation { joined: Joined::Midway, ..talk };
    let told = |flow: &crate::decode::properties::Sketch| {
        (flow.operation.clone(), flow.bodies[1].clone(), flow.closed.as_ref().unwrap().status.as_deref().map(str::to_owned))
    };
    flows(&talk).iter().map(told).collect()
}

#[test]
fn answers_before_the_first_command_are_nobody_s() {
    let mut talk = Conversation::new("late");
    talk.say(DOWN, b"$3\r\nold\r\n*2\r\n$3\r\nold\r\n+OK\r\n");
    says(&mut talk, "GET a", "$3\r\nnew\r\n");
    says(&mut talk, "GET b", "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    let told = late(talk);
    // the first command is the trial
    assert_eq!((told.len(), told[0].0.as_str(), told[0].1.as_slice()), (2, "GET", &b""[..]));
    assert!(told[1].1.starts_with(b"*3"));
}

/// Whether any flow of a connection that was joined late has an answer.
fn any_answered(talk: Conversation) -> bool {
    late(talk).iter().any(|(_, body, status)| !body.is_empty() || status.is_some())
}

#[test]
fn a_client_that_pipelines_has_no_answers_once_joined_late() {
    let mut early = Conversation::new("asks before it is answered");
    early.say(UP, &ask(&["GET", "a"])).say(UP, &ask(&["GET", "b"]));
    early.say(DOWN, b"$3\r\nold\r\n$1\r\na\r\n$1\r\nb\r\n");
    says(&mut early, "GET c", "$1\r\nc\r\n");
    assert!(!any_answered(early));

    let mut owed = Conversation::new("is answered twice: the first one was an earlier command's");
    owed.say(UP, &ask(&["GET", "a"])).say(DOWN, b"$3\r\nold\r\n").say(DOWN, b"$1\r\na\r\n");
    says(&mut owed, "GET b", "$1\r\nb\r\n");
    says(&mut owed, "GET c", "$1\r\nc\r\n");
    assert!(!any_answered(owed));

    let mut within = Conversation::new("asks while the answer is on its way");
    within.say(UP, &ask(&["GET", "a"])).say(DOWN, b"$9\r\nold");
    within.say(UP, &ask(&["GET", "b"])).say(DOWN, b"longer\r\n$1\r\na\r\n$1\r\nb\r\n");
    says(&mut within, "GET c", "$1\r\nc\r\n");
    assert!(!any_answered(within));
}

#[test]
fn deliveries_are_found_without_a_subscription() {
    let told = late(deliveries());
    assert_eq!(told.len(), 8);
    assert!(told.iter().all(|(operation, ..)| operation == "deliver news"));
}

#[test]
fn roles_are_told_by_what_both_sides_say() {
    for talk in [sequence(), pipeline(), resp3()] {
        let told = |talk: Conversation| {
            flows(&talk).iter().map(|flow| (flow.operation.clone(), flow.bodies.clone())).collect::<Vec<_>>()
        };
        let right = told(Conversation { joined: Joined::Midway, ..talk.clone() });
        assert_eq!(told(turned(&talk)), right, "{}", talk.name);
    }
}

#[test]
fn a_list_of_words_turns_no_roles_round() {
    let mut talk = Conversation::new("late");
    // what `LRANGE` found looks like a command
    talk.say(DOWN, &ask(&["GET", "a"]));
    says(&mut talk, "GET a", "+OK\r\n");
    says(&mut talk, "LRANGE l 0 1", &String::from_utf8(ask(&["DEL", "a"])).unwrap());
    let told: Vec<_> = late(talk).into_iter().map(|(operation, ..)| operation).collect();
    assert_eq!(told, ["GET", "LRANGE"]);
}
