//! IP fragments by hand: joined in any order, bounded, and counted where they are in vain.

use super::*;

/// The parts of `whole` (an IP packet), `step` bytes each.
pub(super) fn fragments(whole: &[u8], step: usize) -> Vec<Vec<u8>> {
    let v6 = whole[0] >> 4 == 6;
    let (head, body) = whole.split_at(if v6 { 40 } else { 20 });
    let parts = body.len().div_ceil(step);
    let part = |(i, bytes): (usize, &[u8])| {
        let (offset, more) = ((i * step) as u16, i + 1 < parts);
        let mut packet = head.to_vec();
        if v6 {
            packet[6] = 44;
            packet[4..6].copy_from_slice(&(8 + bytes.len() as u16).to_be_bytes());
            packet.extend([head[6], 0]);
            packet.extend((offset | u16::from(more)).to_be_bytes());
            packet.extend([0, 0, 0, 42]);
        } else {
            packet[2..4].copy_from_slice(&(20 + bytes.len() as u16).to_be_bytes());
            packet[4..6].copy_from_slice(&[0, 42]);
            packet[6..8].copy_from_slice(&((offset / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
        }
        packet.extend(bytes);
        packet
    };
    body.chunks(step).enumerate().map(part).collect()
}

#[test]
fn fragments_are_joined_in_any_order() {
    for whole in [v4(), v6(), ip(4, &v4()), udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x0800, &v4())]))] {
        for step in [8, 16, 24] {
            let parts = fragments(&whole, step);
            let twice: Vec<_> = parts.iter().take(parts.len() - 1).chain(&parts).cloned().collect();
            let reversed = parts.iter().rev().cloned().collect();
            for order in [parts, reversed, twice] {
                let n = order.len() as u64;
                let out = batch(&order.into_iter().map(|p| (12, p)).collect::<Vec<_>>());
                let [item @ Item::Segment(seg)] = &out.items[..] else { panic!("{:?}", out.items) };
                assert_eq!(payload(&out, item), DATA);
                assert_eq!((seg.stamp.packet, out.last.packet), (PacketNo(n), PacketNo(n)));
            }
        }
    }
}

#[test]
fn of_overlapping_fragments_the_first_wins() {
    let mut parts = fragments(&udp(53, b"0123456789abcdef"), 16);
    let mut late = parts[0].clone();
    late[28..36].fill(b'!');
    parts.insert(1, late);
    let out = batch(&parts.into_iter().map(|p| (12, p)).collect::<Vec<_>>());
    assert_eq!(payload(&out, &out.items[0]), b"0123456789abcdef");
}

#[test]
fn fragments_in_vain_are_counted() {
    let first = |id: usize| {
        let mut packet = fragments(&v4(), 24).swap_remove(0);
        packet[4..6].copy_from_slice(&(id as u16).to_be_bytes());
        packet
    };
    let mut slicer = Slicer::default();
    let mut run = |at: u64, ids: std::ops::Range<usize>| {
        let mut list = Packets::starting_at(PacketNo(1));
        for id in ids {
            list.push(Time::from_nanos(0).after(Span::from_nanos(at)), SourceId(0), LinkType(12), 44, &first(id));
        }
        let mut out = Batch::default();
        slicer.batch(list, &mut out);
        out.passed_over
    };
    assert_eq!(run(0, 0..FRAGMENTED), []);
    assert_eq!(run(1, FRAGMENTED..FRAGMENTED + 3), [("fragment dropped", 3)]);
    assert_eq!(run(FRAGMENT_WAIT.nanos() + 1, 9000..9001), [("fragment dropped", FRAGMENTED as u64)]);
    let mut out = Batch::default();
    slicer.finish(&mut out);
    assert_eq!(out.passed_over, [("fragment dropped", 1)]);
}
