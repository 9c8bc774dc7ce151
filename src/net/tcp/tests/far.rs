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
}
