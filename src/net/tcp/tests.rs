//! Reassembly, rule by rule.

mod far;
mod properties;
mod rig;
mod start;

use super::*;
use crate::model::{SourceId, Zone};
use crate::net::limits::ACK_GRACE_PACKETS;
use crate::time::{Span, Time};
use Dir::{ToClient, ToServer};
use rig::{Out, Wire, data, shown};

const A: u32 = 0xffff_fff0;
const B: u32 = 7000;
const ACK: u8 = TcpFlags::ACK;
const SYN: u8 = TcpFlags::SYN;
const FIN: u8 = TcpFlags::FIN;

#[test]
fn a_whole_connection() {
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"question");
    w.data(ToClient, 0, 8, b"answer");
    w.send(ToServer, ACK | FIN, 8, 6, b"bye");
    w.send(ToClient, ACK | FIN, 6, 12, b"");
    assert_eq!(
        w.take(),
        [
            data(ToServer, b"question", 4),
            data(ToClient, b"answer", 5),
            data(ToServer, b"bye", 6),
            Out::End(ToServer, End::Fin),
            Out::End(ToClient, End::Fin)
        ]
    );
    assert!(w.tcp.is_over() && !w.tcp.waits());
    assert_eq!(w.tcp.hung_up().map(|(dir, stamp)| (dir, stamp.packet.0)), Some((ToServer, 6)));
    let Tally { packets, bytes, retransmissions: 0, keep_alives: 0, gaps: 0, strays: 0, .. } = w.tcp.tally() else { panic!() };
    assert_eq!((packets.to_server, packets.to_client, bytes.to_server, bytes.to_client), (4, 3, 11, 6));
    w.data(ToServer, 11, 7, b"too late");
    assert_eq!((w.take(), w.tcp.tally().strays), (vec![], 1));
}

#[test]
fn bytes_out_of_order_keep_their_own_packet() {
    let mut w = Wire::open();
    w.data(ToServer, 6, 0, b"gh");
    w.data(ToServer, 2, 0, b"cdef");
    assert!(w.tcp.waits());
    assert_eq!(w.take(), []);
    w.data(ToServer, 0, 0, b"abcd");
    assert_eq!(w.take(), [data(ToServer, b"ab", 6), data(ToServer, b"cdef", 5), data(ToServer, b"gh", 4)]);
    assert!(!w.tcp.waits());
}

#[test]
fn bytes_seen_first_win() {
    let mut w = Wire::open();
    w.data(ToServer, 2, 0, b"CD");
    w.data(ToServer, 0, 0, b"abcdef");
    w.data(ToServer, 0, 0, b"123456gh");
    let all = [data(ToServer, b"ab", 5), data(ToServer, b"CD", 4), data(ToServer, b"ef", 5), data(ToServer, b"gh", 6)];
    assert_eq!(w.take(), all);
    assert_eq!(w.tcp.tally().bytes.to_server, 8);
}

#[test]
fn an_answer_waits_for_its_question() {
    let mut w = Wire::open();
    w.data(ToClient, 0, 8, b"answer");
    w.send(ToClient, ACK | FIN, 6, 8, b"");
    assert_eq!(w.take(), []);
    w.data(ToServer, 0, 0, b"question");
    assert_eq!(w.take(), [data(ToServer, b"question", 6), data(ToClient, b"answer", 4), Out::End(ToClient, End::Fin)]);
    assert_eq!(w.tcp.tally().gaps, 0);
}

#[test]
fn a_lost_question_is_a_hole_before_its_answer() {
    let lost = [Out::Hole(ToServer, 8), data(ToClient, b"answer", 4)];
    let mut w = Wire::open();
    w.data(ToClient, 0, 8, b"answer");
    w.wait(Span::from_millis(99));
    assert_eq!(w.take(), []);
    w.wait(Span::from_millis(1));
    assert_eq!(w.take(), lost);

    let mut w = Wire::open();
    w.data(ToClient, 0, 8, b"answer");
    for _ in 1..ACK_GRACE_PACKETS {
        w.send(ToClient, ACK, 6, 8, b"");
        assert_eq!(w.take(), []);
    }
    w.send(ToClient, ACK, 6, 8, b"");
    assert_eq!(w.take(), [Out::Hole(ToServer, 8), data(ToClient, b"answer", 4)]);
    assert_eq!(w.tcp.tally().gaps, 1);
    w.data(ToServer, 8, 6, b"next");
    assert_eq!(w.take(), [data(ToServer, b"next", w.packet)]);
}

#[test]
fn both_waiting_for_each_other_go_by_packet_number() {
    let mut w = Wire::open();
    w.data(ToClient, 0, 1, b"x");
    assert_eq!(w.take(), []);
    w.data(ToServer, 0, 1, b"y");
    assert_eq!(w.take(), [data(ToClient, b"x", 4), data(ToServer, b"y", 5)]);
}

#[test]
fn without_acknowledgements_a_hole_takes_longer() {
    let mut w = Wire::open();
    w.data(ToClient, 3, 0, b"def");
    w.wait(Span::from_millis(1999));
    assert_eq!(w.take(), []);
    w.wait(Span::from_millis(1));
    assert_eq!(w.take(), [Out::Hole(ToClient, 3), data(ToClient, b"def", 4)]);

    w.data(ToClient, 8, 0, b"ij");
    for _ in 1..ORDER_PACKETS {
        w.send(ToServer, ACK, 0, 6, b"");
    }
    assert_eq!(w.take(), []);
    w.send(ToServer, ACK, 0, 6, b"");
    assert_eq!(w.take(), [Out::Hole(ToClient, 2), data(ToClient, b"ij", 5)]);

    let block = [b'z'; 60_000];
    for i in 0..4 {
        w.data(ToClient, 20 + 60_000 * i, 0, &block);
        assert_eq!(w.take(), []);
    }
    w.data(ToClient, 20 + 240_000, 0, &block);
    assert_eq!(w.take().len(), 6);
    assert_eq!(w.tcp.tally().gaps, 3);
}

#[test]
fn runs_that_wait_are_bounded_however_short() {
    let mut w = Wire::open();
    for i in 0..2000 {
        w.cut(ToServer, ACK, 1000 + 2 * i, 0, b"", 1);
        w.data(ToClient, i, 0, b"s");
    }
    w.finish(End::Open);
    assert_eq!(shown(&w.take(), ToServer).len(), 1000 + 3999);
}

#[test]
fn a_cut_is_a_hole_behind_its_bytes() {
    let mut w = Wire::open();
    w.cut(ToServer, ACK, 0, 0, b"abc", 5);
    w.cut(ToServer, ACK, 10, 0, b"kl", 1);
    w.cut(ToServer, ACK, 8, 0, b"ij", 0);
    w.cut(ToServer, ACK, 13, 0, b"", 4);
    w.send(ToServer, ACK | FIN, 17, 0, b"");
    assert_eq!(
        w.take(),
        [
            data(ToServer, b"abc", 4),
            Out::Hole(ToServer, 5),
            data(ToServer, b"ij", 6),
            data(ToServer, b"kl", 5),
            Out::Hole(ToServer, 1),
            Out::Hole(ToServer, 4),
            Out::End(ToServer, End::Fin)
        ]
    );
    assert_eq!(w.tcp.tally().bytes.to_server, 7);
}

#[test]
fn retransmissions_and_keep_alives_are_counted() {
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"abc");
    w.data(ToServer, 0, 0, b"abc");
    w.data(ToServer, 1, 0, b"bc");
    w.data(ToServer, 1, 0, b"bcd");
    w.send(ToServer, SYN, -1, 0, b"");
    assert_eq!((w.tcp.tally().retransmissions, w.tcp.tally().keep_alives), (3, 0));
    w.data(ToServer, 3, 0, b"\0");
    w.data(ToServer, 3, 0, b"");
    w.data(ToServer, 4, 0, b"");
    assert_eq!((w.tcp.tally().retransmissions, w.tcp.tally().keep_alives), (3, 2));
    assert_eq!(w.take(), [data(ToServer, b"abc", 4), data(ToServer, b"d", 7)]);
}

#[test]
fn resets_end_both_directions_if_they_are_in_window() {
    let mut w = Wire::open();
    w.data(ToServer, 4, 0, b"ef");
    w.send(ToClient, TcpFlags::RST, 1 << 30, 0, b"");
    assert_eq!((w.take(), w.tcp.tally().strays, w.tcp.hung_up()), (vec![], 1, None));
    w.send(ToClient, TcpFlags::RST, 0, 0, b"");
    assert_eq!(w.tcp.hung_up().map(|(dir, stamp)| (dir, stamp.packet.0)), Some((ToClient, 6)));
    assert_eq!(
        w.take(),
        [Out::Hole(ToServer, 4), data(ToServer, b"ef", 4), Out::End(ToServer, End::Rst), Out::End(ToClient, End::Rst)]
    );
    let mut w = Wire::joined();
    w.send(ToServer, SYN, -1, 0, b"");
    w.base = [A, 0];
    w.send(ToClient, TcpFlags::RST | ACK, 0, 0, b"");
    assert_eq!(w.take(), [Out::End(ToServer, End::Rst), Out::End(ToClient, End::Rst)]);
}

/// What a reset does to bytes that are shown later, or not at all.
#[test]
fn a_reset_comes_in_its_order() {
    let ends = [Out::End(ToServer, End::Rst), Out::End(ToClient, End::Rst)];
    let whole = |mut shown: Vec<Out>| {
        shown.extend(ends.clone());
        shown
    };
    // it is captured before the bytes that were sent before it, and before those that it acknowledges
    let mut w = Wire::open();
    w.send(ToServer, TcpFlags::RST | ACK, 5, 3, b"");
    w.data(ToServer, 2, 3, b"cde");
    w.data(ToClient, 0, 0, b"xyz");
    assert_eq!((w.take(), w.tcp.hung_up()), (vec![data(ToClient, b"xyz", 6)], None));
    w.data(ToServer, 0, 0, b"ab");
    assert_eq!(w.take(), whole(vec![data(ToServer, b"ab", 7), data(ToServer, b"cde", 5)]));
    assert_eq!(w.tcp.hung_up().map(|(dir, stamp)| (dir, stamp.packet.0)), Some((ToServer, 4)));
    let Tally { gaps: 0, strays: 0, repeated: 0, .. } = w.tcp.tally() else { panic!() };

    // those bytes do not come
    let mut w = Wire::open();
    w.send(ToServer, TcpFlags::RST, 5, 0, b"");
    w.wait(Span::from_millis(1999));
    assert_eq!((w.take(), w.tcp.waits()), (vec![], true));
    w.wait(Span::from_millis(1));
    assert_eq!(w.take(), whole(vec![Out::Hole(ToServer, 5)]));
    let mut w = Wire::open();
    w.send(ToServer, TcpFlags::RST, 5, 0, b"");
    w.send(ToServer, TcpFlags::RST, 5, 0, b"");
    w.finish(End::Open);
    assert_eq!(w.take(), whole(vec![Out::Hole(ToServer, 5)]));

    // a FIN, and one that was not captured
    let mut w = Wire::open();
    w.send(ToServer, TcpFlags::RST, 4, 0, b"");
    w.send(ToServer, ACK | FIN, 0, 0, b"all");
    assert_eq!(w.take(), [data(ToServer, b"all", 5), Out::End(ToServer, End::Fin), Out::End(ToClient, End::Rst)]);
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"all");
    w.send(ToServer, TcpFlags::RST, 4, 0, b"");
    w.wait(Span::from_secs(2));
    assert_eq!((w.take(), w.tcp.tally().gaps), (whole(vec![data(ToServer, b"all", 4)]), 0));
}

#[test]
fn resets_that_the_peer_does_not_believe_end_nothing() {
    // out of its window: it acknowledged more
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"question");
    w.data(ToClient, 0, 8, b"answer");
    w.send(ToServer, TcpFlags::RST, 7, 0, b"");
    w.data(ToServer, 8, 6, b"next");
    assert_eq!(w.take(), [data(ToServer, b"question", 4), data(ToClient, b"answer", 5), data(ToServer, b"next", 7)]);
    assert_eq!((w.tcp.tally().strays, w.tcp.waits()), (1, false));
    // what it did not acknowledge it may not have received
    w.send(ToServer, TcpFlags::RST, 8, 0, b"");
    assert_eq!(w.take(), [Out::End(ToServer, End::Rst), Out::End(ToClient, End::Rst)]);

    // in its window, but its sender goes on
    let mut w = Wire::open();
    w.send(ToServer, TcpFlags::RST, 5, 0, b"");
    w.data(ToServer, 0, 0, b"question");
    w.data(ToServer, 8, 0, b"next");
    assert_eq!(w.take(), [data(ToServer, b"question", 5), data(ToServer, b"next", 6)]);
    assert_eq!((w.tcp.tally().strays, w.tcp.waits()), (1, false));
}

#[test]
fn half_closed_connections_go_on() {
    let mut w = Wire::open();
    w.send(ToServer, ACK | FIN, 0, 0, b"all");
    w.data(ToServer, 4, 0, b"more");
    w.data(ToClient, 0, 4, b"answer");
    w.finish(End::Idle);
    assert_eq!(
        w.take(),
        [data(ToServer, b"all", 4), Out::End(ToServer, End::Fin), data(ToClient, b"answer", 6), Out::End(ToClient, End::Idle)]
    );
    assert_eq!(w.tcp.tally().strays, 1);
}

#[test]
fn one_sided_captures_show_the_other_side_as_holes() {
    let mut w = Wire::joined();
    w.send(ToClient, SYN | ACK, -1, 0, b"");
    w.data(ToClient, 0, 70, b"answer");
    w.data(ToClient, 6, 140, b"other");
    w.send(ToClient, ACK | FIN, 11, 141, b"");
    w.finish(End::Open);
    assert_eq!(
        w.take(),
        [
            Out::Hole(ToServer, 70),
            data(ToClient, b"answer", 2),
            Out::Hole(ToServer, 70),
            data(ToClient, b"other", 3),
            Out::End(ToClient, End::Fin),
            Out::End(ToServer, End::Open)
        ]
    );
}

#[test]
fn a_fin_that_was_not_captured_is_no_hole() {
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"question");
    w.data(ToClient, 0, 9, b"answer");
    w.wait(Span::from_millis(1999));
    assert_eq!(w.take(), [data(ToServer, b"question", 4)]);
    w.wait(Span::from_millis(1));
    w.data(ToClient, 6, 9, b"more");
    assert_eq!(w.take(), [data(ToClient, b"answer", 5), data(ToClient, b"more", 6)]);
    // it was a byte after all
    w.data(ToServer, 9, 10, b"next");
    w.wait(Span::from_secs(2));
    assert_eq!(w.take(), [Out::Hole(ToServer, 1), data(ToServer, b"next", 7)]);
}

#[test]
fn the_same_packet_from_another_source_is_a_copy() {
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"abc");
    let mut twin = w.segment(ToServer, ACK, 0, 0, 3, 0);
    twin.source = SourceId(1);
    assert!(w.tcp.is_copy(&twin, ToServer));
    w.send(ToServer, ACK, 0, 0, b"abc");
    assert_eq!((w.tcp.tally().packets.to_server, w.tcp.tally().retransmissions), (4, 1));
    twin.stamp.time = w.time.after(Span::from_millis(101));
    assert!(!w.tcp.is_copy(&twin, ToServer));
}

#[test]
fn a_hole_is_shown_behind_what_was_sent_before_it() {
    let mut w = Wire::open();
    // the answers to "q1" and "q3" are lost, and "q2" with all of its exchange
    w.data(ToServer, 0, 0, b"q1");
    w.send(ToServer, ACK, 2, 2, b"");
    w.data(ToServer, 4, 4, b"q3");
    w.send(ToServer, ACK, 6, 6, b"");
    w.data(ToServer, 6, 6, b"q4");
    w.data(ToClient, 6, 8, b"a4");
    w.wait(Span::from_secs(2));
    let expected = [
        data(ToServer, b"q1", 4),
        Out::Hole(ToServer, 2),
        Out::Hole(ToClient, 4),
        data(ToServer, b"q3", 6),
        Out::Hole(ToClient, 2),
        data(ToServer, b"q4", 8),
        data(ToClient, b"a4", 9),
    ];
    assert_eq!(w.take(), expected);
}

#[test]
fn what_is_due_is_known_before() {
    let mut w = Wire::open();
    w.data(ToServer, 0, 0, b"a");
    assert_eq!(w.tcp.due(), None, "nothing waits");
    w.take();
    // bytes behind a hole, then their acknowledgement
    w.data(ToServer, 5, 0, b"b");
    assert_eq!(w.tcp.due(), Some(w.time.after(Span::from_secs(2))));
    w.time = w.time.after(Span::from_millis(10));
    w.send(ToClient, ACK, 0, 6, b"");
    let due = w.time.after(Span::from_millis(100));
    assert_eq!(w.tcp.due(), Some(due));
    w.time = due.before(Span::from_millis(1));
    w.wait(Span::default());
    assert_eq!(w.take(), []);
    w.wait(Span::from_millis(1));
    assert_eq!((w.take(), w.tcp.due()), (vec![Out::Hole(ToServer, 4), data(ToServer, b"b", 5)], None));
}
