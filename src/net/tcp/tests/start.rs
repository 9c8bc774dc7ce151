//! Where a direction begins, by whatever tells.

use super::*;

#[test]
fn a_syn_may_bring_data() {
    let mut w = Wire::joined();
    w.send(ToServer, SYN, -1, 0, b"fast");
    w.send(ToClient, SYN | ACK, -1, 4, b"");
    w.data(ToClient, 0, 4, b"open");
    assert_eq!(w.take(), [data(ToServer, b"fast", 1), data(ToClient, b"open", 3)]);
}

#[test]
fn joined_midway() {
    // payload tells where its direction begins, its acknowledgement where the other one does
    let mut w = Wire::joined();
    w.data(ToServer, 100, 50, b"ab");
    w.data(ToServer, 90, 50, b"0123456789");
    w.data(ToClient, 50, 102, b"cd");
    assert_eq!(w.take(), [data(ToServer, b"ab", 1), data(ToClient, b"cd", 3)]);
    // bytes that were on their way when the capture began are no hole
    let mut w = Wire::joined();
    w.data(ToServer, 0, 0, b"");
    w.data(ToClient, 3000, 0, b"xyz");
    assert_eq!(w.take(), [data(ToClient, b"xyz", 2)]);
}

#[test]
fn an_acknowledgement_before_the_first_bytes_hides_none_of_them() {
    // that of the answer: in its place, before the answer, before the server's SYN
    for early in 0..3 {
        let mut w = Wire::joined();
        w.send(ToServer, SYN, -1, 0, b"");
        if early == 2 {
            w.send(ToServer, ACK, 8, 6, b"");
        }
        w.send(ToClient, SYN | ACK, -1, 0, b"");
        w.data(ToServer, 0, 0, b"question");
        if early == 1 {
            w.send(ToServer, ACK, 8, 6, b"");
        }
        w.data(ToClient, 0, 8, b"answer");
        let Tally { strays, repeated, gaps, .. } = w.tcp.tally();
        assert_eq!((w.take().len(), strays, repeated, gaps), (2, 0, 0, 0), "{early}");
    }
    // where no SYN was seen, of one side or of both
    let mut w = Wire::joined();
    w.send(ToServer, SYN, -1, 0, b"");
    w.send(ToServer, ACK, 0, 6, b"");
    w.data(ToClient, 0, 0, b"answer");
    assert_eq!((w.take(), w.tcp.tally().repeated), (vec![data(ToClient, b"answer", 3)], 0));
    w.send(ToClient, SYN | ACK, -1, 0, b"");
    assert_eq!(w.tcp.tally().strays, 0, "it came late");
    let mut w = Wire::joined();
    w.send(ToServer, ACK, 0, 7, b"");
    w.send(ToClient, ACK | FIN, 0, 0, b"answer");
    assert_eq!(w.take(), [data(ToClient, b"answer", 2), Out::End(ToClient, End::Fin)]);
    // what lacks behind an opening that was seen is a hole, and a probe brings nothing
    let mut w = Wire::joined();
    w.send(ToServer, SYN, -1, 0, b"");
    w.send(ToServer, ACK, 0, 0, b"");
    w.data(ToClient, 4, 0, b"er");
    w.wait(Span::from_secs(2));
    assert_eq!(w.take(), [Out::Hole(ToClient, 4), data(ToClient, b"er", 3)]);
    let mut w = Wire::joined();
    w.send(ToServer, ACK, 0, 7, b"");
    w.data(ToClient, 6, 0, b"?");
    w.data(ToClient, 7, 0, b"more");
    assert_eq!(w.take(), [data(ToClient, b"more", 3)]);
}
