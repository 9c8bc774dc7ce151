//! Requests whose senders did not wait for the answer: most servers work on.

use super::check;

#[test]
fn what_is_sent_after_a_request_was_given_up_may_be_because_of_it() {
    let (a, b) = ("web>gate 1- id=t ends=50 op=GET_/a", "web>gate 100-400 id=u op=GET_/b");
    check(&[a, b, "gate>?db 200-210", "gate>?db 350-360"], &["1", "2"]);
    // alone it is not proven to be
    check(&[a, "gate>?db 200-210"], &["1"]);
    // nor for ever
    check(&[a, "web>gate 1200-1400 id=u op=GET_/b", "gate>?db 1300-1310"], &["1", "2 .s3"]);
    check(
        &["web>gate 1- id=t ends=500 op=GET_/a", "web>gate 1900-2900 id=u", "gate>?db 2000-2010", "gate>?db 2600-2610"],
        &["1", "2 .s4"],
    );
}

#[test]
fn what_was_asked_again_is_worked_on_instead() {
    check(&["web>gate 1- id=t ends=50", "web>gate 80-90 id=t", "gate>?db 82-84"], &["1 2 .s3"]);
    // for good
    check(&["web>gate 1- id=t ends=50", "web>gate 80-90 id=t", "web>gate 100-110 id=u", "gate>?db 102-104"], &["1 2", "3 .s4"]);
    let others = ["web>gate 1- id=t ends=50 op=GET_/a", "web>gate 80-90 id=t op=GET_/b", "gate>?db 82-84"];
    check(&others, &["1 2"]);
    check(&["web>gate 1- id=t ends=50", "web>gate 80-90 id=u", "gate>?db 82-84"], &["1", "2"]);
}

#[test]
fn what_is_done_for_a_request_that_was_given_up_is_not_done_by_itself() {
    let later = ["web>gate 6000-6010 id=u", "gate>?db 6002-6003"];
    check(&[&["web>gate 1- id=t ends=50", "gate>?db 60-61"][..], &later].concat(), &["1", "3 .s4"]);
    check(&[&["gate>?db 60-61"][..], &later].concat(), &["2"]);
}
