//! Connections that are joined late, and what a hole leaves: no answer is anybody else's.

use super::*;
use crate::decode::properties::{Sketch, flows};

fn late(talk: Conversation) -> Vec<(String, Vec<u8>, Option<String>)> {
    let talk = Conversation { joined: Joined::Midway, ..talk };
    let told = |flow: &Sketch| {
        (flow.operation.clone(), flow.bodies[1].clone(), flow.closed.as_ref().unwrap().status.as_deref().map(str::to_owned))
    };
    flows(&talk).iter().map(told).collect()
}

#[test]
fn answers_before_the_first_command_are_flows_by_themselves() {
    let mut talk = Conversation::new("late");
    talk.say(DOWN, b"$3\r\nold\r\n*2\r\n$3\r\nold\r\n+OK\r\n");
    says(&mut talk, "GET a", "$3\r\nnew\r\n");
    says(&mut talk, "GET b", "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    let told = late(talk);
    // the first answer may be the end of a command, and the first command is the trial
    let bodies: Vec<_> = told.iter().map(|(operation, body, _)| (operation.as_str(), body.len())).collect();
    assert_eq!(bodies, [("unknown command", 18), ("GET", 0), ("GET", 31)]);
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
fn confirmations_of_another_kind_are_the_next_commands() {
    let mut talk = Conversation::new("leaves all");
    says(&mut talk, "GET a", "$1\r\na\r\n");
    talk.say(UP, &[ask(&["UNSUBSCRIBE"]), ask(&["PUNSUBSCRIBE"])].concat());
    talk.say(DOWN, b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    talk.say(DOWN, b"*3\r\n$12\r\npunsubscribe\r\n$2\r\nn*\r\n:0\r\n");
    let told = late(talk);
    // the first command is the trial
    let answered: Vec<_> = told.iter().map(|(operation, body, _)| (operation.as_str(), body.len())).collect();
    assert_eq!(answered, [("GET", 0), ("UNSUBSCRIBE", 66), ("PUNSUBSCRIBE", 35)]);
}

#[test]
fn a_subscription_that_ends_by_itself_is_no_message_of_its_channel() {
    let mut talk = Conversation::new("its slot moves away");
    says(&mut talk, "SSUBSCRIBE news", ">3\r\n$10\r\nssubscribe\r\n$4\r\nnews\r\n:1\r\n");
    talk.say(DOWN, b">3\r\n$12\r\nsunsubscribe\r\n$4\r\nnews\r\n:0\r\n");
    let told: Vec<_> = flows(&talk).iter().map(|flow| flow.operation.clone()).collect();
    assert_eq!(told, ["SSUBSCRIBE", "deliver sunsubscribe"]);
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

/// What a connection comes to of which only the server's side was captured, joined so.
fn server_only(talk: &Conversation, joined: Joined) -> Vec<String> {
    let mut half = Conversation { joined, ..talk.clone() };
    half.turns.retain(|(dir, _)| *dir == DOWN);
    let told = |flow: &Sketch| {
        let closed = flow.closed.as_ref().unwrap();
        assert!(flow.halves[0].is_none() && flow.notes.contains(&"request not captured") && closed.last.is_none());
        format!("{} {}{}", flow.operation, closed.status.as_deref().unwrap_or("-"), if closed.ok { "" } else { " failed" })
    };
    flows(&half).iter().filter(|flow| flow.operation == "unknown command").map(told).collect()
}

#[test]
fn each_answer_whose_command_was_not_captured_is_a_flow() {
    let seen = server_only(&sequence(), Joined::BehindHole);
    assert_eq!(seen.len(), 24);
    assert_eq!(seen[2..5], ["unknown command -", "unknown command ERR failed", "unknown command OK"]);
    assert_eq!(server_only(&sequence(), Joined::Midway).len(), 22, "the first text may be the end of a command");
    assert_eq!(server_only(&resp3(), Joined::Midway).len(), 7, "the first ones show nothing, pushes that it is Redis");
    assert_eq!(server_only(&monitor(), Joined::BehindHole), Vec::<String>::new(), "what MONITOR tells answers nothing");
}

#[test]
fn the_answer_to_a_command_that_lies_in_a_hole_is_a_flow() {
    let mut talk = Conversation::new("a command is lost");
    says(&mut talk, "GET a", "$1\r\na\r\n");
    let lost = crate::decode::properties::total(&talk);
    says(&mut talk, "GET b", "-WRONGTYPE no text\r\n");
    for _ in 0..3 {
        says(&mut talk, "GET c", "$1\r\nc\r\n");
    }
    let flows = crate::decode::properties::flows_without(&talk, lost, ask(&["GET", "b"]).len());
    let told: Vec<_> = flows.iter().map(|flow| (flow.operation.as_str(), flow.bodies[1].len(), flow.notes.as_slice())).collect();
    let unseen = &["response not captured"][..];
    let expected = [
        ("GET", 7, &[][..]),
        ("unknown command", 20, &["request not captured"]),
        ("GET", 0, unseen),
        ("GET", 7, &[]),
        ("GET", 7, &[]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_looks_like_a_command_is_no_answer_as_long_as_none_was_seen() {
    let mut talk = Conversation::new("half");
    for n in 0..3 {
        talk.say(DOWN, &bulk(format!("value{n}").as_bytes()));
    }
    talk.say(DOWN, &ask(&["GET", "a"])).say(DOWN, b":1\r\n");
    assert_eq!(server_only(&talk, Joined::BehindHole).len(), 4);
}

#[test]
fn the_end_of_a_command_turns_no_roles_round() {
    let mut talk = Conversation::new("joined late by the wrong end");
    talk.joined = Joined::Midway;
    talk.say(DOWN, &bulk(b"value"));
    for n in 0..3 {
        talk.say(DOWN, &ask(&["GET", "a"])).say(UP, &bulk(format!("value{n}").as_bytes()));
    }
    assert!(flows(&talk).iter().all(|flow| flow.operation == "GET"));
}

#[test]
fn a_server_without_room_says_so_unasked() {
    let mut talk = Conversation::new("refused");
    says(&mut talk, "PING", "+PONG\r\n");
    talk.say(DOWN, b"-ERR max number of clients reached\r\n");
    let flows = flows(&talk);
    let last = flows.last().unwrap();
    let told = (last.operation.as_str(), last.pattern.word(), last.closed.as_ref().unwrap().status.as_deref(), last.notes.len());
    assert_eq!(told, ("error", "message", Some("ERR"), 0));
}

#[test]
fn pairs_are_a_guess_where_an_answer_comes_first() {
    let noted = |talk: &Conversation| {
        flows(talk).iter().filter(|flow| flow.notes.iter().any(|note| note.starts_with("response guessed"))).count()
    };
    let mut talk = Conversation { joined: Joined::Midway, ..Conversation::new("joined while commands are under way") };
    talk.say(DOWN, b"$3\r\nold\r\n");
    for _ in 0..4 {
        says(&mut talk, "GET a", "$1\r\na\r\n");
    }
    // the first command has no answer
    assert_eq!(noted(&talk), 3);
    assert_eq!(noted(&Conversation { joined: Joined::Midway, ..sequence() }), 0, "a command came first");
}
