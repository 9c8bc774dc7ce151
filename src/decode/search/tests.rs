//! What it costs to know nothing of a stream, and that a start is found for all that.

use crate::decode::PROTOCOLS;
use crate::decode::properties::{Conversation, Sketch, quick_flows};
use crate::model::{Dir, Joined, Transport};
use std::cell::Cell;

thread_local! {
    /// What searches of this thread looked at, in places.
    pub(super) static SPENT: Cell<u64> = const { Cell::new(0) };
}

/// How much one packet brings, in bytes.
const PACKET: usize = 1448;

/// Bytes by chance, the same ones each time.
fn chance(n: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..n).map(|_| next()).collect()
}

fn again(what: &[u8], n: usize) -> Vec<u8> {
    what.iter().copied().cycle().take(n).collect()
}

/// Streams of no protocol that is read, each hard in another way.
fn unknown(n: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("one long line", again(b"y", n)),
        ("lines", again(b"2026-11-27 18:10:40 INFO worker[12] Took 3 ms to Do nothing at all: D E S C T\n", n)),
        ("markup", again(b"<p><b>*bold*</b> > <i>*1*</i></p>", n)),
        ("chance", chance(n)),
        ("zeros", again(&[0], n)),
        ("small numbers", again(&[0, 0, 0, 1, 0, 0, 2, 0, 1, 8, 0, 0, 0, 0, 3, 0], n)),
        ("letters and zeros", again(b"D\0\0\x30S\0\0\x0cT\0\0\x20E\0\0\x05", n)),
        ("empty frames", again(&[0, 0, 0, 0, 0, 0, 0, 0, 1], n)),
        ("versions", again(b"GET / HTTP/1.1 HTTP/1. ", n)),
        ("names", again(b"AMQ", n)),
    ]
}

fn midway(turns: impl IntoIterator<Item = (Dir, Vec<u8>)>) -> Conversation {
    let mut talk = Conversation::new("joined");
    talk.joined = Joined::Midway;
    talk.turns.extend(turns);
    talk
}

fn packets(dir: Dir, bytes: &[u8]) -> impl Iterator<Item = (Dir, Vec<u8>)> {
    bytes.chunks(PACKET).map(move |chunk| (dir, chunk.to_vec()))
}

#[test]
fn an_unknown_stream_costs_little_for_each_of_its_bytes() {
    const BYTES: usize = 3 * 1024 * 1024;
    for (what, bytes) in unknown(BYTES) {
        let talk = midway(packets(Dir::ToServer, &bytes));
        let before = SPENT.get();
        assert!(quick_flows(&talk).is_empty(), "{what}: a flow");
        let spent = SPENT.get() - before;
        println!("{what}: {:.3} places a byte", spent as f64 / BYTES as f64);
        assert!(spent < BYTES as u64 / 5, "{what}: {spent} places in {BYTES} bytes");
    }
}

#[test]
fn a_known_stream_whose_place_is_lost_costs_as_little() {
    const BYTES: usize = 3 * 1024 * 1024;
    let hard = [&[0, 0x3f, 0, 1, 4, 0, 0, 0, 1, 0, 0, 5][..], &[0, 0, 0, 1, 0, 0, 2, 0, 1, 8, 0, 0, 0, 0, 3, 0]];
    for bytes in hard.map(|what| again(what, BYTES)) {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        let lost = b"\0\0\x07\x06\0\0\0\0\x001234567".to_vec();
        let begin = [preface, lost].map(|bytes| (Dir::ToServer, bytes));
        let talk = Conversation { joined: Joined::Opening, ..midway(begin.into_iter().chain(packets(Dir::ToServer, &bytes))) };
        let before = SPENT.get();
        assert!(quick_flows(&talk).is_empty(), "a flow");
        let spent = SPENT.get() - before;
        assert!((1..BYTES as u64 / 5).contains(&spent), "{spent} places in {BYTES} bytes");
    }
}

#[test]
fn a_start_is_found_behind_any_number_of_bytes() {
    let behind = |talk: &Conversation, noise: &[u8]| {
        let noise = Dir::BOTH.into_iter().flat_map(|dir| packets(dir, noise));
        let late = Conversation { joined: Joined::Midway, turns: noise.chain(talk.turns.clone()).collect(), ..talk.clone() };
        let flows = quick_flows(&late);
        let answered = |flow: &&Sketch| flow.closed.as_ref().is_some_and(|closed| closed.status.is_some());
        (flows.len(), flows.iter().filter(answered).count())
    };
    let mut found = 0;
    for talk in PROTOCOLS.iter().filter(|p| p.transport == Transport::Stream).flat_map(|p| (p.samples)()) {
        for what in [&b"\0"[..], b"So it is\n"] {
            let truth = behind(&talk, &again(what, PACKET));
            found += truth.0;
            let seen = behind(&talk, &again(what, 1 << 20));
            let enough = seen.0 >= truth.0 && seen.1 >= truth.1;
            assert!(enough, "{} behind {what:?}: {seen:?} of {truth:?} flows, and of those with a status", talk.name);
        }
    }
    assert!(found > 100, "only {found} flows");
}
