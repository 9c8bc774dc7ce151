//! Floods of frames that concern all streams of a connection: what they come to is bounded by what was sent.

use super::*;
use crate::decode::properties::{quick_flows, remembered};
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

/// A conversation whose peers agreed on tables of 64 KiB and filled them.
fn large_tables() -> Conversation {
    let mut script = Script::new("large tables");
    for n in 0..20 {
        for dir in [UP, DOWN] {
            // `:path: /` or `:status: 200`, the size, and a field that is inserted
            let value = vec![b'v'; 4000];
            let field = [&[0x40, 1, b'a' + n, 0x7f][..], &[0xa1, 0x1e], &value].concat();
            let head = [&[0x3f, 0xe1, 0xff, 0x03][..], if dir == UP { &[0x82, 0x84] } else { &[0x88] }, &field].concat();
            script.say(dir, &[frame(1, END | LAST, 2 * u32::from(n) + 1, &head)]);
        }
    }
    script.talk
}

#[test]
fn large_tables_count_to_what_all_connections_remember() {
    let (free, evicted) = remembered(&large_tables(), usize::MAX);
    assert!((100_000..=4 * 64 * 1024).contains(&free) && evicted == 0, "{free}");
    let (bound, evicted) = remembered(&large_tables(), 4096);
    assert!((1..=4096).contains(&bound) && evicted > 0, "{bound}");
    let (none, evicted) = remembered(&large_tables(), 0);
    assert!(none == 0 && evicted > 0, "{none}");
}
