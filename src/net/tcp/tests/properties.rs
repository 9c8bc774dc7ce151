//! Reassembly for any order, loss and overlap.

use super::*;
use proptest::prelude::*;

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
