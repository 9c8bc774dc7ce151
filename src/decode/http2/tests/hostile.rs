//! Floods of frames that concern all streams of a connection: what they come to is bounded by what was sent.

use super::*;
use crate::decode::properties::quick_flows;
use crate::model::Issue;

/// As many streams as are kept, of which nothing was answered; each with a head of the answer, where `answered`.
fn open(answered: bool) -> Script {
    let mut s = Script::new("a flood");
    for n in 0..900 {
        let get = s.get(n * 2 + 1, "/flood", 0);
        s.say(UP, &[get]);
        if answered {
            let head = s.headers(DOWN, n * 2 + 1, 0, &[(":status", "200")]);
            s.say(DOWN, &[head]);
        }
    }
    s
}

/// How many notes there are of a kind when the flood has come.
fn notes(mut s: Script, flood: &[Vec<u8>], kind: &str) -> usize {
    s.say(DOWN, flood);
    quick_flows(&s.talk).iter().flat_map(|flow| &flow.notes).filter(|note| note.starts_with(kind)).count()
}

#[test]
fn a_flood_of_goaways_notes_each_code_once() {
    let away = |code: u32| frame(7, 0, 0, &[[127, 255, 255, 255], code.to_be_bytes()].concat());
    let flood: Vec<_> = (0..2000).map(|n| away(n % 2)).collect();
    assert_eq!(notes(open(false), &flood, "GOAWAY"), 2 * 900);
}

#[test]
fn a_place_that_is_lost_again_and_again_is_told_to_a_stream_once() {
    let (good, bad) = (frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]), frame(6, 0, 0, b"1234567"));
    let flood: Vec<_> = (0..1000).flat_map(|_| [bad.clone(), good.clone(), good.clone()]).collect();
    assert_eq!(notes(open(true), &flood, Issue::GAP.text), 900);
}
