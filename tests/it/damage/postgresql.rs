//! PostgreSQL sessions of which packets were lost.

use super::wire::{Seen, Wire, losses, of_client};
use serde_json::Value;

const EXCHANGES: usize = 14;

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    [&[kind][..], &(payload.len() as u32 + 4).to_be_bytes(), &payload].concat()
}

fn login(wire: &mut Wire) {
    wire.up(&[&[0, 0, 0, 19, 0, 3, 0, 0][..], b"user\0shop\0\0"].concat());
    wire.down(&[message(b'R', &[&[0; 4]]), ready()].concat());
    wire.ack();
}

fn ready() -> Vec<u8> {
    message(b'Z', &[b"I"])
}

fn row(n: usize) -> Vec<u8> {
    let value = format!("{n:04}");
    message(b'D', &[&[0, 1, 0, 0, 0, 4], value.as_bytes()])
}

fn tag(n: usize) -> Vec<u8> {
    message(b'C', &[format!("SELECT {n}\0").as_bytes()])
}

fn query(n: usize) -> Vec<u8> {
    message(b'Q', &[format!("SELECT a{n} FROM t{n}\0").as_bytes()])
}

fn rows(n: usize) -> Vec<u8> {
    [message(b'T', &[&[0, 1], b"id\0", &[0; 18]]), row(n), tag(n), ready()].concat()
}

/// `version` is told by the statement: which of those that had this name it is.
fn parse(name: &str, version: usize) -> Vec<u8> {
    message(b'P', &[name.as_bytes(), format!("\0SELECT b FROM v{version} WHERE c = $1\0\0\0").as_bytes()])
}

fn bind(name: &str, n: usize) -> Vec<u8> {
    message(b'B', &[b"\0", name.as_bytes(), b"\0\0\0\0\x01\0\0\0\x04", format!("{n:04}").as_bytes(), b"\0\0"])
}

fn run() -> [Vec<u8>; 3] {
    [message(b'D', &[b"P\0"]), message(b'E', &[b"\0\0\0\0\0"]), message(b'S', &[])]
}

fn ran(n: usize) -> Vec<u8> {
    [message(b'2', &[]), rows(n)].concat()
}

/// The exchange that a flow is, where its answer was seen: that is its own, and so is its statement where one is told.
fn paired(flow: &Value, version: Version) -> Option<usize> {
    let status = flow["status"].as_str()?.strip_prefix("SELECT ").map(|n| n.parse::<usize>().unwrap());
    let parameter = flow["postgresql"]["parameters"][0].as_str().map(|text| text.parse::<usize>().unwrap());
    let of = |start: &str| flow["operation"].as_str()?.strip_prefix(start)?.parse::<usize>().ok();
    if let (Some(n), Some(told)) = (parameter, of("SELECT v")) {
        assert_eq!(told, version(n), "a statement is another one: {flow:#}");
    }
    if let (Some(status), Some(asked)) = (status, parameter.or(of("SELECT t"))) {
        assert_eq!(status, asked, "an answer is another one's: {flow:#}");
    }
    status
}

/// The same, where its statement is told, too.
fn told(flow: &Value, version: Version) -> Option<usize> {
    paired(flow, version).filter(|_| !flow["operation"].as_str().unwrap().contains("unknown"))
}

/// Which of the statements that had its name an exchange runs.
type Version = fn(usize) -> usize;
/// What is asked in it, packet by packet, and the answer.
type Exchange = fn(usize) -> (Vec<Vec<u8>>, Vec<u8>);

fn simple(n: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    (vec![query(n)], rows(n))
}

/// Runs what the login prepared, and queries in between.
fn kept(n: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let run = run().concat();
    match n % 4 {
        0 => (vec![bind("s", n), run], ran(n)),
        1 => simple(n),
        _ => (vec![[bind("s", n), run].concat()], ran(n)),
    }
}

/// Runs what is prepared now and then, with a name and without.
fn changing(n: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let [describe, execute, sync] = run();
    let (close, closed, parsed) = (message(b'C', &[b"Ss\0"]), message(b'3', &[]), message(b'1', &[]));
    let version = changed(n);
    match n {
        _ if n.is_multiple_of(3) => {
            (vec![[parse("", version), bind("", n)].concat(), [describe, execute, sync].concat()], [parsed, ran(n)].concat())
        }
        5 | 10 => (
            vec![[close, parse("s", version)].concat(), bind("s", n), describe, execute, sync],
            [closed, parsed, ran(n)].concat(),
        ),
        _ => (vec![bind("s", n), [describe, execute, sync].concat()], ran(n)),
    }
}

fn changed(n: usize) -> usize {
    if n.is_multiple_of(3) { 100 + n } else { n / 5 }
}

/// Each exchange after the one before it.
fn in_turn(wire: &mut Wire, exchange: Exchange) {
    login(wire);
    wire.up(&[parse("s", 0), message(b'S', &[])].concat());
    wire.down(&[message(b'1', &[]), ready()].concat());
    for n in 0..EXCHANGES {
        let (asked, answer) = exchange(n);
        wire.begin();
        asked.iter().for_each(|said| wire.up(said));
        wire.down(&answer);
        wire.ack();
    }
}

/// Three at a time, then silence where `pause` is not 0.
fn in_threes(wire: &mut Wire, pause: u64) {
    login(wire);
    for n in (0..EXCHANGES).step_by(3) {
        wire.begin();
        (n..n + 3).for_each(|n| wire.up(&query(n)));
        (n..n + 3).for_each(|n| wire.down(&rows(n)));
        wire.ack();
        wire.pause(pause);
    }
}

/// In turn up to the fourth, then two are always under way.
fn overlapping(wire: &mut Wire) {
    login(wire);
    wire.up(&query(0));
    for n in 0..EXCHANGES {
        if n == 3 {
            wire.up(&query(4));
        }
        if n < 3 {
            wire.down(&rows(n));
            wire.up(&query(n + 1));
        } else {
            wire.down(&rows(n));
            wire.up(&query(n + 2));
        }
    }
    wire.begin();
}

const NEVER: Version = |_| 0;

/// What packets may be lost: the login has four.
const WINDOW: std::ops::Range<usize> = 9..18;

fn check(after: usize, talk: impl Fn(&mut Wire), told: impl Fn(&Value) -> Option<usize>) {
    Seen::of(5432, losses(WINDOW), talk).whole(after, told);
}

#[test]
fn simple_queries_find_their_answers_again() {
    check(1, |wire| in_turn(wire, simple), |flow| told(flow, NEVER));
}

#[test]
fn statements_stay_known() {
    check(1, |wire| in_turn(wire, kept), |flow| paired(flow, NEVER));
    let talk = |wire: &mut Wire| in_turn(wire, kept);
    Seen::of(5432, of_client(losses(WINDOW), talk), talk).whole(1, |flow| told(flow, NEVER));
}

#[test]
fn statements_that_changed_unseen_are_not_known() {
    check(1, |wire| in_turn(wire, changing), |flow| paired(flow, changed));
}

#[test]
fn a_pipeline_begins_anew_behind_silence() {
    check(1, |wire| in_threes(wire, 1500), |flow| told(flow, NEVER).filter(|n| n % 3 == 1).map(|n| n / 3));
    check(99, |wire| in_threes(wire, 0), |flow| told(flow, NEVER));
}

/// Where its beginning is lost whole, nothing tells two queries under way from one that is answered late: that is left out.
#[test]
fn a_first_pipeline_is_not_mistaken() {
    let begin = [9, 10];
    let mut losses = of_client(losses(6..18), overlapping);
    losses.retain(|lost| !begin.iter().all(|at| lost.contains(at)));
    assert!(losses.len() > 50);
    Seen::of(5432, losses, overlapping).whole(99, |flow| told(flow, NEVER));
}
