//! What the server says where its client was not captured.

use super::*;

/// What a session comes to of which only the server's side was captured.
fn server_only(talk: &Conversation) -> Vec<Sketch> {
    let mut half = talk.clone();
    half.joined = Joined::Midway;
    half.turns.retain(|(dir, _)| *dir == DOWN);
    flows(&half)
}

#[test]
fn each_answer_whose_question_was_not_captured_is_a_flow() {
    let [simple, extended_talk, ..] = <[Conversation; 12]>::try_from(samples()).unwrap();
    let of_one = |talk: &Conversation| server_only(talk).iter().map(told).collect::<Vec<_>>();
    let why = "[request not captured]";
    assert_eq!(
        of_one(&simple),
        [
            format!("unknown statement: SELECT 2, ok Int(2) [joined mid-connection] {why}"),
            format!("unknown statement: 23505, failed {why}"),
            format!("unknown statement: DELETE 0, ok Int(0) {why}"),
            format!("unknown statement: COPY 1, ok Int(1) {why}"),
        ]
    );
    assert_eq!(
        of_one(&extended_talk),
        [
            format!("unknown statement: SELECT 2, ok Int(2) [joined mid-connection] {why}"),
            format!("unknown statement: UPDATE 1, ok Int(1) {why}"),
            format!("unknown statement: 42601, failed {why}"),
            format!("unknown statement: SELECT 1, ok Int(1) {why}"),
        ]
    );
    let halves: Vec<_> = server_only(&simple).into_iter().map(|flow| flow.halves.map(|half| half.is_some())).collect();
    assert_eq!(halves, [[false, true]; 4]);
}

#[test]
fn what_is_only_described_is_none() {
    let mut talk = Conversation::new("described");
    talk.say(DOWN, &[message(b'1', &[]), message(b't', &[&[0, 0]]), columns(), ready()].concat());
    talk.say(DOWN, &[columns(), ready()].concat())
        .say(DOWN, &[message(b'2', &[]), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    assert_eq!(server_only(&talk).len(), 1);
}

#[test]
fn an_answer_whose_beginning_is_lost_tells_no_rows() {
    let mut talk = Conversation::new("begun before");
    talk.say(DOWN, &[row(b"8"), row(b"9"), tag(b"SELECT 20"), ready()].concat());
    let flow = &server_only(&talk)[0];
    assert_eq!(flow.sizes[1].map(|(_, whole)| whole), Some(false));
    assert_eq!(told(flow), "unknown statement: SELECT 20, ok [joined mid-connection] [request not captured]");
}

#[test]
fn the_end_of_a_session_answers_nothing() {
    assert!(server_only(&unasked()).iter().any(|flow| told(flow) == "ErrorResponse: 57P01, failed"));
}

#[test]
fn an_answer_that_may_be_that_of_a_question_which_was_seen_is_none() {
    let mut talk = Conversation::new("joined late");
    talk.joined = Joined::Midway;
    talk.say(UP, &query("SELECT id FROM orders")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    assert!(flows(&talk).iter().all(|flow| flow.operation == "SELECT orders"));
}

#[test]
fn an_answer_behind_the_first_that_may_be_its_own_is_none_either() {
    let mut talk = Conversation::new("joined late, with one under way");
    talk.joined = Joined::Midway;
    let answer = [columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat();
    talk.say(UP, &query("SELECT id FROM orders")).say(DOWN, &answer).say(DOWN, &answer);
    assert!(flows(&talk).iter().all(|flow| flow.operation == "SELECT orders"));
}

#[test]
fn the_answer_to_a_question_that_lies_in_a_hole_is_a_flow() {
    let mut talk = Conversation::new("a question is lost");
    talk.say(UP, &startup()).say(DOWN, &greeted());
    let answer = [columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat();
    talk.say(UP, &query("SELECT id FROM orders")).say(DOWN, &answer);
    let lost = crate::decode::properties::total(&talk);
    let second = query("SELECT id FROM stock");
    talk.say(UP, &second).say(DOWN, &answer).say(UP, &query("SELECT id FROM users")).say(DOWN, &answer);
    let told: Vec<_> = crate::decode::properties::flows_without(&talk, lost, second.len()).iter().map(told).collect();
    assert_eq!(
        told,
        [
            "SELECT orders: SELECT 1, ok Int(1)",
            "unknown statement: SELECT 1, ok Int(1) [request not captured]",
            "SELECT users: SELECT 1, ok Int(1)"
        ]
    );
}

#[test]
fn pairs_are_a_guess_where_an_answer_comes_first() {
    let answer = [columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat();
    for first in [true, false] {
        let mut talk = Conversation { joined: Joined::Midway, ..Conversation::new("joined while statements are under way") };
        if first {
            talk.say(DOWN, &answer);
        }
        for _ in 0..3 {
            talk.say(UP, &query("SELECT id FROM orders")).say(DOWN, &answer);
        }
        let guessed = |flow: &Sketch| flow.notes.iter().filter(|note| note.starts_with("response guessed")).count();
        let counts: Vec<_> = flows(&talk).iter().map(guessed).collect();
        assert_eq!(counts, if first { vec![0, 1, 1, 1] } else { vec![0; 3] });
    }
}
