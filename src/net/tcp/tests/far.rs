//! What is too far away to be believed.

use super::*;

#[test]
fn a_stray_segment_does_not_end_a_live_stream() {
    let mut w = Wire::open();
    w.data(ToServer, 500_000_000, 0, b"stray");
    w.send(ToClient, ACK, 0, 400_000_000, b"");
    for i in 0..1000 {
        w.data(ToServer, i, 0, b"s");
    }
    assert_eq!(w.take().len(), 1000);
    w.data(ToServer, 2_000_000_000, 0, b"stray");
    w.finish(End::Open);
    let ends = vec![Out::End(ToServer, End::Open), Out::End(ToClient, End::Open)];
    assert_eq!((w.take(), w.tcp.tally().strays), (ends, 2));
}

#[test]
fn what_is_far_ahead_takes_two_segments() {
    const FAR: i64 = 20 << 20;
    // what it sends, whatever is behind it; the same again is no other one
    let mut w = Wire::open();
    w.data(ToServer, FAR, 0, b"ab");
    w.data(ToServer, FAR, 0, b"ab");
    assert!(!w.tcp.waits());
    w.data(ToServer, FAR + 2, 0, b"cd");
    w.wait(Span::from_secs(2));
    assert_eq!(w.take(), [Out::Hole(ToServer, FAR as u64 + 2), data(ToServer, b"cd", 6)]);
    // what the peer acknowledges, and then sends
    let mut w = Wire::open();
    w.send(ToClient, ACK, 0, FAR, b"");
    assert!(!w.tcp.waits());
    w.send(ToClient, ACK, 0, FAR + 1, b"");
    w.data(ToServer, FAR + 1, 0, b"ab");
    w.wait(Span::from_secs(2));
    assert_eq!(w.take(), [Out::Hole(ToServer, FAR as u64 + 1), data(ToServer, b"ab", 6)]);
    // step by step it may go as far as that
    let mut w = Wire::open();
    for step in 1..4 {
        w.send(ToClient, ACK, 0, step * (10 << 20), b"");
    }
    w.finish(End::Open);
    assert_eq!(w.take()[0], Out::Hole(ToServer, 30 << 20));
}

#[test]
fn what_is_far_from_both_directions_is_of_another_connection() {
    let mut w = Wire::open();
    w.send(ToServer, ACK, 5 << 20, 5 << 20, b"");
    w.send(ToClient, ACK, -(5 << 20), 5 << 20, b"");
    w.send(ToClient, ACK | TcpFlags::RST, 5 << 20, 5 << 20, b"");
    assert_eq!((w.tcp.waits(), w.tcp.tally().strays), (false, 3));
    // in one direction much may be lost, and one that never was placed may begin anywhere
    w.send(ToServer, ACK, 0, 5 << 20, b"");
    assert!(w.tcp.waits());
    let mut w = Wire::joined();
    w.send(ToServer, ACK, 5 << 20, 5 << 20, b"");
    assert_eq!(w.tcp.tally().strays, 0);
    // behind a SYN what another one's server has left to say
    let mut w = Wire::joined();
    w.send(ToServer, SYN, -1, 0, b"");
    w.send(ToClient, ACK, 900, 5 << 20, b"left");
    w.send(ToClient, SYN | ACK, -1, 0, b"");
    w.data(ToClient, 0, 0, b"first");
    assert_eq!((w.take(), w.tcp.tally().strays), (vec![data(ToClient, b"first", 4)], 1));
}

#[test]
fn large_holes_both_ways_are_holes() {
    const LOST: i64 = 5 << 20;
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"q");
    w.data(ToClient, 0, 1, b"a");
    // both go on, each far behind, and acknowledge each other
    for step in 0..40 {
        let at = LOST + 100 * step;
        w.send(ToServer, ACK, at, at, b"");
        w.data(ToServer, at, at, &[b'q'; 100]);
        w.data(ToClient, at, at + 100, &[b'a'; 100]);
    }
    let out = w.take();
    let lost =
        |dir| out.iter().filter_map(move |out| if let Out::Hole(of, len) = out { (*of == dir).then_some(*len) } else { None });
    assert_eq!([ToServer, ToClient].map(|dir| lost(dir).sum::<u64>()), [LOST as u64 - 1; 2]);
    assert_eq!([ToServer, ToClient].map(|dir| shown(&out, dir).len() as i64), [LOST + 4000; 2]);
    assert_eq!(w.tcp.tally().repeated, 0);
}

#[test]
fn the_peers_word_bears_out_what_was_sent() {
    const FAR: i64 = 20 << 20;
    let mut w = Wire::open();
    w.send(ToClient, ACK, 0, FAR, b"");
    w.data(ToServer, FAR, 0, b"ab");
    w.wait(Span::from_secs(2));
    assert_eq!(w.take(), [Out::Hole(ToServer, FAR as u64), data(ToServer, b"ab", 5)]);
}

#[test]
fn an_end_that_was_not_captured_is_a_hole_where_anything_was_said() {
    let mut w = Wire::open();
    assert!(!w.tcp.end_is_lost());
    w.data(ToServer, 0, 0, b"q");
    assert!(w.tcp.end_is_lost());
    assert_eq!(w.tcp.tally().gaps, 1);
}
