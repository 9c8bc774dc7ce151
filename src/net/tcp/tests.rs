//! Reassembly, rule by rule, and for any order, loss and overlap.

use super::*;
use crate::model::{SourceId, Zone};
use crate::net::limits::ACK_GRACE_PACKETS;
use crate::time::{Span, Time};
use Dir::{ToClient, ToServer};
use proptest::prelude::*;
use std::net::SocketAddr;

const A: u32 = 0xffff_fff0;
const B: u32 = 7000;
const ACK: u8 = TcpFlags::ACK;
const SYN: u8 = TcpFlags::SYN;
const FIN: u8 = TcpFlags::FIN;

/// What was shown, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    Data(Dir, Vec<u8>, u64),
    Hole(Dir, u64),
    End(Dir, End),
}

#[derive(Default)]
struct Log(Vec<Out>);

impl Streams for Log {
    fn data(&mut self, dir: Dir, bytes: &[u8], stamp: Stamp) {
        assert!(!bytes.is_empty());
        self.0.push(Out::Data(dir, bytes.to_vec(), stamp.packet.0));
    }

    fn hole(&mut self, dir: Dir, len: u64, _: Stamp) {
        assert!(len > 0);
        self.0.push(Out::Hole(dir, len));
    }

    fn end(&mut self, dir: Dir, how: End, _: Stamp) {
        assert!(!self.0.iter().any(|o| matches!(o, Out::End(d, _) if *d == dir)), "a second end");
        self.0.push(Out::End(dir, how));
    }
}

/// A connection under test: sequence numbers are relative to the first data byte.
#[derive(Default)]
struct Wire {
    tcp: Reassembler,
    log: Log,
    packet: u64,
    time: Time,
    base: [u32; 2],
}

impl Wire {
    /// After a handshake.
    fn open() -> Self {
        Self::open_at([A, B])
    }

    fn open_at(base: [u32; 2]) -> Self {
        let mut wire = Self { base, ..Self::default() };
        wire.send(ToServer, SYN, -1, 0, b"");
        wire.send(ToClient, SYN | ACK, -1, 0, b"");
        wire.send(ToServer, ACK, 0, 0, b"");
        assert_eq!(wire.take(), []);
        wire
    }

    fn joined() -> Self {
        Self { base: [A, B], ..Self::default() }
    }

    fn send(&mut self, dir: Dir, flags: u8, seq: i64, ack: i64, data: &[u8]) -> Seen {
        self.cut(dir, flags, seq, ack, data, 0)
    }

    fn data(&mut self, dir: Dir, seq: i64, ack: i64, data: &[u8]) {
        self.send(dir, ACK, seq, ack, data);
    }

    fn cut(&mut self, dir: Dir, flags: u8, seq: i64, ack: i64, data: &[u8], cut: u32) -> Seen {
        self.packet += 1;
        let seg = self.segment(dir, flags, seq, ack, data.len(), cut);
        let seen = self.tcp.segment(&seg, data, dir, &mut self.log);
        assert!(self.tcp.halves.iter().map(|h| h.pieces.held()).sum::<usize>() <= ORDER_BYTES + (1 << 16));
        assert!(self.tcp.halves.iter().all(|h| h.acks.len() <= ACKS && h.pieces.len() <= ORDER_PIECES));
        seen
    }

    fn segment(&self, dir: Dir, flags: u8, seq: i64, ack: i64, len: usize, cut: u32) -> Segment {
        let any = SocketAddr::from(([0; 4], 0));
        Segment {
            stamp: self.stamp(),
            source: SourceId(0),
            zone: Zone::default(),
            from: any,
            to: any,
            seq: self.base[dir.index()].wrapping_add(seq as u32),
            ack: if flags & ACK == 0 { 0 } else { self.base[dir.other().index()].wrapping_add(ack as u32) },
            flags: TcpFlags(flags),
            payload: 0..len,
            cut,
            shard: 0,
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp { packet: PacketNo(self.packet), time: self.time }
    }

    fn wait(&mut self, span: Span) {
        self.time = self.time.after(span);
        self.tcp.tick(self.stamp(), &mut self.log);
    }

    fn finish(&mut self, how: End) {
        self.tcp.finish(how, &mut self.log);
    }

    fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.log.0)
    }
}

fn data(dir: Dir, bytes: &[u8], packet: u64) -> Out {
    Out::Data(dir, bytes.to_vec(), packet)
}

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
    let Tally { packets, bytes, retransmissions: 0, keep_alives: 0, gaps: 0, strays: 0 } = w.tcp.tally() else { panic!() };
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
fn a_stray_segment_does_not_end_a_live_stream() {
    let mut w = Wire::open();
    w.data(ToServer, 500_000_000, 0, b"stray");
    w.send(ToClient, ACK, 0, 400_000_000, b"");
    for i in 0..1000 {
        w.data(ToServer, i, 0, b"s");
    }
    assert_eq!(w.take().len(), 1000);
    w.data(ToServer, 2_000_000_000, 0, b"stray");
    assert_eq!((w.take(), w.tcp.tally().strays), (vec![], 1));
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
    assert_eq!((w.take(), w.tcp.tally().strays), (vec![], 1));
    w.send(ToClient, TcpFlags::RST, 0, 0, b"");
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
    assert_eq!(w.tcp.segment(&twin, b"abc", ToServer, &mut w.log), Seen::Copy);
    assert_eq!(w.send(ToServer, ACK, 0, 0, b"abc"), Seen::First);
    assert_eq!((w.tcp.tally().packets.to_server, w.tcp.tally().retransmissions), (4, 1));
    twin.stamp.time = w.time.after(Span::from_millis(101));
    assert_eq!(w.tcp.segment(&twin, b"abc", ToServer, &mut w.log), Seen::First);
    assert_eq!(w.tcp.tally().retransmissions, 2);
}

/// Two scripted streams as packets: (direction, offset, bytes, what was acknowledged then).
#[derive(Clone, Debug)]
struct Sent {
    dir: Dir,
    seq: i64,
    ack: i64,
    bytes: Vec<u8>,
}

/// Questions and answers in turn, each cut into segments.
fn script() -> impl Strategy<Value = Vec<Sent>> {
    proptest::collection::vec((any::<bool>(), proptest::collection::vec(1..9_usize, 1..5)), 1..12).prop_map(|turns| {
        let (mut at, mut sent) = ([0_i64; 2], Vec::new());
        for (to_server, lens) in turns {
            let dir = if to_server { ToServer } else { ToClient };
            for len in lens {
                let seq = at[dir.index()];
                let bytes = (seq..seq + len as i64).map(|i| (i * 7 + i64::from(to_server) * 131) as u8).collect();
                sent.push(Sent { dir, seq, ack: at[dir.other().index()], bytes });
                at[dir.index()] += len as i64;
            }
        }
        sent
    })
}

/// The bytes a direction was sent in all.
fn stream(sent: &[Sent], dir: Dir) -> Vec<u8> {
    sent.iter().filter(|s| s.dir == dir).flat_map(|s| s.bytes.iter().copied()).collect()
}

/// What was shown of a direction, holes as none.
fn shown(out: &[Out], dir: Dir) -> Vec<Option<u8>> {
    out.iter()
        .flat_map(|o| match o {
            Out::Data(d, bytes, _) if *d == dir => bytes.iter().copied().map(Some).collect(),
            Out::Hole(d, len) if *d == dir => vec![None; *len as usize],
            _ => Vec::new(),
        })
        .collect()
}

/// Nothing is shown before what it answers.
fn questions_first(sent: &[Sent], out: &[Out]) -> bool {
    let mut at = [0_i64; 2];
    out.iter().all(|o| match o {
        Out::Data(dir, bytes, _) => {
            let last = at[dir.index()] + bytes.len() as i64 - 1;
            let answers = sent
                .iter()
                .find(|s| s.dir == *dir && s.seq + s.bytes.len() as i64 > last)
                .is_some_and(|s| s.ack <= at[dir.other().index()]);
            at[dir.index()] = last + 1;
            answers
        }
        Out::Hole(dir, len) => {
            at[dir.index()] += *len as i64;
            true
        }
        Out::End(..) => true,
    })
}

proptest! {
    /// Within the limits, order, repetition and overlap change nothing, wherever sequence numbers wrap.
    #[test]
    fn any_order_gives_the_same_streams(sent in script(), shuffle in proptest::collection::vec((0..6_usize, any::<bool>(), prop_oneof![6 => Just(0), 1 => 0..3_i64]), 60), base in 0..200_u32) {
        let mut order: Vec<_> = sent.iter().enumerate().map(|(i, s)| {
            let (late, twice, back) = shuffle[i % shuffle.len()];
            (i + late, twice, back.min(s.seq), s.clone())
        }).collect();
        order.sort_by_key(|(at, ..)| *at);
        let mut w = Wire::open_at([base.wrapping_neg(), base.wrapping_neg() / 2]);
        let all = Dir::BOTH.map(|dir| stream(&sent, dir));
        let mut first = [vec![None; all[0].len()], vec![None; all[1].len()]];
        for (_, twice, back, s) in &order {
            // a retransmission may begin earlier than what it repeats
            let d = s.dir.index();
            let (from, to) = ((s.seq - back) as usize, s.seq as usize + s.bytes.len());
            for _ in 0..=usize::from(*twice) {
                w.data(s.dir, s.seq - back, s.ack, &all[d][from..to]);
                for slot in &mut first[d][from..to] {
                    slot.get_or_insert(w.packet);
                }
            }
        }
        // what came last may have answered what was sent, so nothing waits any longer
        prop_assert!(!w.tcp.waits());
        let out = w.take();
        for dir in Dir::BOTH {
            prop_assert_eq!(shown(&out, dir), all[dir.index()].iter().copied().map(Some).collect::<Vec<_>>());
            let stamps: Vec<_> = out.iter().flat_map(|o| match o {
                Out::Data(d, bytes, packet) if *d == dir => vec![Some(*packet); bytes.len()],
                _ => Vec::new(),
            }).collect();
            prop_assert_eq!(stamps, first[dir.index()].clone());
        }
        // bytes of a longer retransmission have its acknowledgement
        prop_assert!(order.iter().any(|(_, _, back, _)| *back > 0) || questions_first(&sent, &out));
        prop_assert_eq!(w.tcp.tally().gaps, 0);
    }

    /// Whatever is lost, the rest is where it belongs, in its order.
    #[test]
    fn any_loss_is_a_hole_of_its_length(sent in script(), lost in proptest::collection::vec(any::<bool>(), 60), tick in any::<bool>()) {
        let mut w = Wire::open();
        let mut seen = Dir::BOTH.map(|dir| vec![false; stream(&sent, dir).len()]);
        for (i, s) in sent.iter().enumerate().filter(|(i, _)| !lost[i % lost.len()]) {
            w.data(s.dir, s.seq, s.ack, &s.bytes);
            seen[s.dir.index()][s.seq as usize..s.seq as usize + s.bytes.len()].fill(true);
            if tick && i % 5 == 0 {
                w.wait(Span::from_millis(30));
            }
        }
        for dir in Dir::BOTH {
            w.send(dir, FIN | ACK, stream(&sent, dir).len() as i64, stream(&sent, dir.other()).len() as i64, b"");
        }
        w.finish(End::Open);
        let out = w.take();
        for dir in Dir::BOTH {
            let all = stream(&sent, dir);
            let want: Vec<_> = all.iter().zip(&seen[dir.index()]).map(|(b, seen)| seen.then_some(*b)).collect();
            prop_assert_eq!(shown(&out, dir), want);
            prop_assert!(out.contains(&Out::End(dir, End::Fin)));
        }
        prop_assert!(questions_first(&sent, &out));
        prop_assert!(w.tcp.is_over() && !w.tcp.waits());
    }

    /// No segments at all bring it into disorder: each direction ends once, and what is kept stays bounded.
    #[test]
    fn any_segments_end(segments in proptest::collection::vec((any::<bool>(), any::<u8>(), prop_oneof![-40..40_i64, any::<u32>().prop_map(i64::from)], prop_oneof![-40..40_i64, any::<u32>().prop_map(i64::from)], 0..30_usize, prop_oneof![Just(0), 0..50_u32], 0..300_u64), 0..300)) {
        let mut w = Wire::joined();
        for (to_server, flags, seq, ack, len, cut, wait) in segments {
            // resets end it at once: fewer of them
            let flags = if flags < 250 { flags & !TcpFlags::RST } else { flags };
            w.cut(if to_server { ToServer } else { ToClient }, flags, seq, ack, &vec![b'x'; len], cut);
            w.wait(Span::from_millis(wait));
        }
        w.finish(End::Open);
        prop_assert!(w.tcp.is_over() && !w.tcp.waits());
        prop_assert_eq!(w.take().iter().filter(|o| matches!(o, Out::End(..))).count(), 2);
    }
}
