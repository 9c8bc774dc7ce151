//! Packets by hand, for every link type and tunnel.

mod fragments;

use super::*;
use crate::model::{LinkType, PacketNo, SourceId, SourceNews};
use crate::net::limits::{FRAGMENT_WAIT, FRAGMENTED};
use crate::time::Span;
use etherparse::{PacketBuilder, PacketBuilderStep};
use fragments::fragments;
use proptest::prelude::*;

const DATA: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// An IPv4 packet with a TCP segment in it.
fn v4() -> Vec<u8> {
    written(PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(40000, 80, 7, 1024).ack(9))
}

fn v6() -> Vec<u8> {
    written(PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(40000, 80, 7, 1024).ack(9))
}

fn written(step: PacketBuilderStep<etherparse::TcpHeader>) -> Vec<u8> {
    let mut packet = Vec::new();
    step.write(&mut packet, DATA).unwrap();
    packet
}

/// An IPv4 packet with this payload.
fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 9, 9, 1], [10, 9, 9, 2], 64).write(&mut packet, protocol.into(), payload).unwrap();
    packet
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 9, 9, 1], [10, 9, 9, 2], 64).udp(50000, port).write(&mut packet, payload).unwrap();
    packet
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[2; 12], &kind.to_be_bytes(), payload])
}

fn batch(packets: &[(u32, Vec<u8>)]) -> Batch {
    let mut list = Packets::starting_at(PacketNo(1));
    for (link, bytes) in packets {
        list.push(Time::from_nanos(0), SourceId(0), LinkType(*link), bytes.len() as u32, bytes);
    }
    let (mut out, mut rest) = (Batch::default(), Batch::default());
    let mut slicer = Slicer::default();
    slicer.batch(list, &mut out);
    slicer.finish(&mut rest);
    let payload: u64 = out.items.iter().map(Item::payload).sum();
    let passed_over = out.passed_over_bytes + rest.passed_over_bytes;
    assert_eq!(out.bytes, out.header_bytes + payload + passed_over, "each byte is counted once");
    let of = |out: &Batch| out.passed_over.iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(out.packets, out.items.len() as u64 + of(&out) + of(&rest), "each packet too");
    out
}

fn payload<'a>(out: &'a Batch, item: &Item) -> &'a [u8] {
    match item {
        Item::Segment(s) | Item::Datagram(s) => out.slab.get(s.payload.clone()).unwrap(),
        Item::Tick(_) => panic!("a tick"),
    }
}

/// The one segment in a packet has the payload and the ports of `v4` and `v6`.
#[track_caller]
fn carries(link: u32, packet: Vec<u8>) {
    let out = batch(&[(link, packet)]);
    assert_eq!(out.passed_over, []);
    let [item @ Item::Segment(seg)] = &out.items[..] else { panic!("{:?}", out.items) };
    assert_eq!(payload(&out, item), DATA);
    assert_eq!((seg.from.port(), seg.to.port(), seg.seq, seg.ack, seg.cut), (40000, 80, 7, 9, 0));
    assert!(seg.flags.has(TcpFlags::ACK) && !seg.flags.has(TcpFlags::SYN));
}

#[track_caller]
fn passes_over(link: u32, packet: Vec<u8>, reason: &'static str) {
    let out = batch(&[(link, packet)]);
    assert_eq!((out.items, out.passed_over), (vec![], vec![(reason, 1)]));
}

#[test]
fn every_link_type_is_peeled_off() {
    for (packet, kind, ppp, af) in [(v4(), 0x0800_u16, 0x21_u8, 2), (v6(), 0x86dd, 0x57, 30)] {
        let [high, low] = kind.to_be_bytes();
        carries(1, ethernet(kind, &packet));
        carries(0x3000_0001, ethernet(kind, &packet));
        for raw in [12, 14, 101, 228, 229] {
            carries(raw, packet.clone());
        }
        carries(0, join(&[&[af, 0, 0, 0], &packet]));
        carries(0, join(&[&[0, 0, 0, af], &packet]));
        carries(108, join(&[&[0, 0, 0, af], &packet]));
        carries(9, join(&[&[0, ppp], &packet]));
        carries(9, join(&[&[ppp], &packet]));
        carries(9, join(&[&[0xff, 3, 0, ppp], &packet]));
        carries(50, join(&[&[0xff, 3, 0, ppp], &packet]));
        carries(50, join(&[&[0x0f, 0, high, low], &packet]));
        carries(104, join(&[&[0x0f, 0, high, low], &packet]));
        let session = join(&[&[0x11, 0, 0, 7], &(packet.len() as u16 + 2).to_be_bytes(), &[0, ppp], &packet]);
        carries(51, session.clone());
        carries(1, ethernet(0x8864, &session));
        carries(113, join(&[&[0; 14], &[high, low], &packet]));
        carries(276, join(&[&[high, low], &[0; 18], &packet]));
        carries(8, join(&[&[0; 16], &packet]));
        carries(7, join(&[&[1, 2, 240], &packet]));
        carries(7, join(&[&[1, 2, 212, 0, 0, 1], &packet]));
        carries(7, join(&[&[1, 2, 212, 0xff, 0xff, 0xff, 212, 0, 0, 1], &packet]));
        carries(129, join(&[&[1, 2, 0, 0, 240], &packet]));
        let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, high, low], &packet]);
        carries(1, ethernet(snap.len() as u16, &snap));
    }
}

#[test]
fn tags_labels_and_tunnels_are_looked_through() {
    let (inner, frame) = (v4(), ethernet(0x86dd, &v6()));
    carries(1, ethernet(0x8100, &join(&[&[0, 5, 0x08, 0], &inner])));
    carries(1, ethernet(0x88a8, &join(&[&[0, 5, 0x91, 0, 0, 5, 0x81, 0, 0, 6, 0x08, 0], &inner])));
    carries(1, ethernet(0x8847, &join(&[&[0, 1, 0, 64, 0, 2, 1, 64], &inner])));
    carries(1, ethernet(0x8848, &join(&[&[0, 2, 1, 64, 0, 0, 0, 0], &frame])));
    carries(1, ethernet(0x8847, &join(&[&[0, 2, 1, 64], &frame])));
    carries(1, ethernet(0x6558, &frame));
    carries(12, ip(4, &inner));
    carries(12, ip(41, &v6()));
    carries(12, ip(137, &join(&[&[0, 2, 1, 64], &inner])));
    carries(12, ip(47, &join(&[&[0, 0, 0x08, 0], &inner])));
    carries(12, ip(47, &join(&[&[0xb0, 0, 0x65, 0x58], &[0; 12], &frame])));
    carries(12, ip(47, &join(&[&[0, 0, 0x88, 0xbe], &frame])));
    carries(12, ip(47, &join(&[&[0x10, 0, 0x88, 0xbe], &[0; 12], &frame])));
    carries(12, ip(47, &join(&[&[0x10, 0, 0x22, 0xeb], &[0; 16], &frame])));
    carries(12, ip(47, &join(&[&[0x10, 0, 0x22, 0xeb], &[0; 15], &[1], &[0; 8], &frame])));
    carries(12, ip(47, &join(&[&[0x30, 0x81, 0x88, 0x0b], &[0; 12], &[0, 0x21], &inner])));
    for port in [4789, 8472] {
        carries(12, udp(port, &join(&[&[8, 0, 0, 0, 0, 0, 7, 0], &frame])));
    }
    carries(12, udp(6081, &join(&[&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 4], &frame])));
    carries(12, udp(6081, &join(&[&[0, 0, 0x08, 0, 0, 0, 7, 0], &inner])));
    carries(12, udp(37008, &join(&[&[1, 0, 0, 1, 0, 10, 1, 99, 1], &frame])));
    passes_over(12, ip(47, &[0x40, 0, 8, 0]), "gre source route");
    passes_over(12, ip(47, &[0, 5, 8, 0]), "unknown gre version");
}

#[test]
fn a_datagram_to_a_tunnels_port_that_is_none_stays_a_datagram() {
    for port in [4789, 6081, 37008, 53] {
        let out = batch(&[(12, udp(port, b"\xff hello"))]);
        let [item @ Item::Datagram(seg)] = &out.items[..] else { panic!("{:?}", out.items) };
        assert_eq!((payload(&out, item), seg.to.port(), seg.flags), (&b"\xff hello"[..], port, TcpFlags(0)));
    }
}

#[test]
fn extension_headers_are_skipped() {
    let whole = v6();
    let (head, tcp) = whole.split_at(40);
    let with = |first: u8, headers: &[u8]| {
        let mut packet = join(&[head, headers, tcp]);
        let length = (packet.len() as u16 - 40).to_be_bytes();
        packet[4..6].copy_from_slice(&length);
        packet[6] = first;
        packet
    };
    for first in [0, 43, 60, 135, 139, 140] {
        carries(229, with(first, &[6, 0, 0, 0, 0, 0, 0, 0]));
        carries(229, with(first, &join(&[&[60, 1], &[0; 14], &[6, 0, 0, 0, 0, 0, 0, 0]])));
    }
    carries(229, with(51, &join(&[&[6, 4], &[0; 22]])));
    // RFC 6946: an atomic fragment
    carries(229, with(44, &[6, 0, 0, 0, 0, 0, 0, 1]));
    passes_over(229, with(59, &[]), "other ip protocol");
}

#[test]
fn what_holds_nothing_is_counted_by_reason() {
    passes_over(1, ethernet(0x0806, &[0; 28]), "arp");
    passes_over(1, ethernet(0x88cc, &[0; 28]), "not ip");
    passes_over(1, ethernet(38, &[0x42, 0x42, 3]), "not ip");
    passes_over(1, vec![0; 9], "truncated header");
    passes_over(12, vec![0x45; 12], "truncated header");
    passes_over(12, vec![0x35; 40], "bad ip header");
    passes_over(12, ip(1, &[8, 0, 0, 0]), "icmp");
    passes_over(12, ip(2, &[0; 8]), "igmp");
    passes_over(12, ip(50, &[0; 8]), "esp");
    passes_over(12, ip(132, &[0; 12]), "sctp");
    passes_over(12, ip(6, &[0; 20]), "bad tcp header");
    passes_over(4711, v4(), "unknown link type");
    passes_over(0, join(&[&[9, 0, 0, 0], &v4()]), "not ip");
    let mut deep = v4();
    for _ in 0..LAYERS {
        deep = ip(4, &deep);
    }
    passes_over(12, deep, "too many headers");
}

#[test]
fn ip_says_where_a_packet_ends() {
    carries(1, join(&[&ethernet(0x0800, &v4()), &[0; 6]]));
    carries(1, join(&[&ethernet(0x86dd, &v6()), &[0xee; 6]]));
    // a super-segment: its length does not fit, and is 0
    for (mut packet, at) in [(v4(), 2), (v6(), 4)] {
        packet[at..at + 2].fill(0);
        carries(12, packet);
    }
}

#[test]
fn a_snaplen_cut_is_counted() {
    for (whole, headers) in [(v4(), 40), (v6(), 60)] {
        for captured in headers..=whole.len() {
            let mut list = Packets::starting_at(PacketNo(1));
            list.push(Time::from_nanos(0), SourceId(0), LinkType(12), whole.len() as u32, &whole[..captured]);
            let mut out = Batch::default();
            Slicer::default().batch(list, &mut out);
            let [item @ Item::Segment(seg)] = &out.items[..] else { panic!("{:?}", out.items) };
            assert_eq!(payload(&out, item), &DATA[..captured - headers]);
            assert_eq!(seg.cut as usize, whole.len() - captured);
        }
    }
    // super-segments are as long as the wire says
    let mut whole = v4();
    whole[2..4].fill(0);
    let mut list = Packets::starting_at(PacketNo(1));
    list.push(Time::from_nanos(0), SourceId(0), LinkType(12), 70_000, &whole);
    let mut out = Batch::default();
    Slicer::default().batch(list, &mut out);
    assert!(matches!(&out.items[..], [Item::Segment(seg)] if seg.cut as usize == 70_000 - whole.len()));
}

#[test]
fn both_directions_have_one_shard() {
    let there = batch(&[(12, v4())]);
    let mut back = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64).tcp(80, 40000, 1, 1).write(&mut back, b"x").unwrap();
    let back = batch(&[(12, back)]);
    let shard = |b: &Batch| match &b.items[..] {
        [Item::Segment(s)] => s.shard,
        items => panic!("{items:?}"),
    };
    assert_eq!(shard(&there), shard(&back));
    let of = |port| ends::shard(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 80).into(), Transport::Stream, Zone::default());
    assert_eq!((1024..2048).map(of).collect::<std::collections::HashSet<_>>().len(), 64);
    assert!((1024..2048).all(|port| of(port) < 64));
}

#[test]
fn ticks_come_before_the_packet_that_brings_them() {
    let mut list = Packets::starting_at(PacketNo(1));
    let ms = |n: u64| Time::from_nanos(0).after(Span::from_millis(n));
    for at in [3, 9, 10, 19, 25, 24, 7_200_000, 7_199_500, 100, 105, 112] {
        list.push(ms(at), SourceId(0), LinkType(12), 0, &v4());
    }
    list.news.push(SourceNews::Progress(1, 2));
    let mut out = Batch::default();
    Slicer::default().batch(list, &mut out);
    let tick = |packet, at| Item::Tick(Stamp { packet: PacketNo(packet), time: ms(at) });
    let ticks: Vec<_> = out.items.iter().enumerate().filter(|(_, item)| matches!(item, Item::Tick(_))).collect();
    assert_eq!(
        ticks,
        [(3, &tick(3, 10)), (5, &tick(4, 20)), (8, &tick(6, 7_200_000)), (13, &tick(10, 110))].map(|(at, t)| (at, t))
    );
    assert_eq!((out.packets, out.bytes, out.news.len()), (11, 11 * v4().len() as u64, 1));
}

#[test]
fn a_clock_that_is_ahead_for_one_packet_makes_no_time_pass() {
    let ms = |n: u64| Time::from_nanos(0).after(Span::from_millis(n));
    let stamps = |slicer: &mut Slicer, times: &[u64]| {
        let (mut list, mut out) = (Packets::starting_at(PacketNo(1)), Batch::default());
        times.iter().for_each(|at| list.push(ms(*at), SourceId(0), LinkType(12), 0, &v4()));
        slicer.batch(list, &mut out);
        let of = |item: &Item| if let Item::Segment(segment) = item { Some(segment.stamp.time) } else { None };
        (out.items.iter().filter_map(of).collect::<Vec<_>>(), out.items.len())
    };
    let (day, mut slicer) = (86_400_000, Slicer::default());
    assert_eq!(stamps(&mut slicer, &[3, day, 4]), ([3, 3, 4].map(ms).to_vec(), 3));
    assert_eq!(stamps(&mut slicer, &[day, 5]), ([4, 5].map(ms).to_vec(), 2));
    assert_eq!(stamps(&mut slicer, &[6, day, day + 1]), ([6, day, day + 1].map(ms).to_vec(), 4), "one that stays is time");
}

#[test]
fn segments_are_of_their_sources_namespace_and_loopbacks_of_two_have_two_keys() {
    let packet = |ip: [u8; 4]| written(PacketBuilder::ipv4(ip, ip, 64).tcp(40000, 80, 7, 1024).ack(9));
    let (mut slicer, mut keys) = (Slicer::default(), Vec::new());
    for (n, ip) in [[127, 0, 0, 1], [10, 0, 0, 1]].into_iter().enumerate() {
        let mut list = Packets::starting_at(PacketNo(1));
        if n == 0 {
            list.news.push(SourceNews::Zone(SourceId(1), Zone(3)));
        }
        for source in [0, 1] {
            list.push(Time::from_nanos(0), SourceId(source), LinkType(12), 0, &packet(ip));
        }
        let mut out = Batch::default();
        slicer.batch(list, &mut out);
        for item in &out.items {
            if let Item::Segment(seg) = item {
                keys.push((seg.zone, crate::net::connection_key(seg.from, seg.to, seg.zone)));
            }
        }
    }
    assert_eq!(keys.iter().map(|(zone, _)| zone.0).collect::<Vec<_>>(), [0, 3, 0, 3]);
    assert!(keys[0].1 != keys[1].1 && keys[2].1 == keys[3].1);
}

#[test]
fn a_batch_without_packets_ends_at_the_time_of_its_tick() {
    let at = |ms: u64| Time::from_nanos(0).after(Span::from_millis(ms));
    let (mut slicer, mut list) = (Slicer::default(), Packets::starting_at(PacketNo(1)));
    list.push(at(5), SourceId(0), LinkType(12), 0, &v4());
    slicer.batch(list, &mut Batch::default());
    let mut out = Batch::default();
    slicer.tick(at(317), &mut out);
    let last = Stamp { packet: PacketNo(1), time: at(310) };
    assert_eq!((out.last, out.items), (last, vec![Item::Tick(last)]));
}

fn shapes() -> impl Strategy<Value = (u32, Vec<u8>)> {
    let vxlan = || udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(0x86dd, &v6())]));
    let mut all = vec![(12, v4()), (12, v6()), (1, ethernet(0x0800, &ip(47, &join(&[&[0, 0, 8, 0], &v4()])))), (12, vxlan())];
    all.push((1, ethernet(0x8847, &join(&[&[0, 2, 1, 64], &v4()]))));
    all.push((7, join(&[&[1, 2, 212, 0, 0, 1], &v4()])));
    all.push((12, udp(37008, &join(&[&[1, 0, 0, 1, 0, 10, 1, 99, 1], &ethernet(0x0800, &v4())]))));
    all.extend(fragments(&v6(), 8).into_iter().chain(fragments(&v4(), 16)).map(|p| (12, p)));
    proptest::sample::select(all)
}

proptest! {
    #[test]
    fn no_mutation_panics_or_leaves_the_slab(
        packets in proptest::collection::vec((shapes(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), any::<u16>(), 0_u64..1 << 40), 1..40),
    ) {
        let mut list = Packets::starting_at(PacketNo(1));
        for ((link, mut bytes), changes, cut, at) in packets {
            for (place, byte) in changes {
                *place.get_mut(&mut bytes) = byte;
            }
            let wire = bytes.len() as u32 + u32::from(cut >> 12);
            bytes.truncate(bytes.len().max(1) - usize::from(cut & 0xfff) % bytes.len());
            list.push(Time::from_nanos(at as i64), SourceId(0), LinkType(link), wire, &bytes);
        }
        let sent = list.slab.len();
        let mut out = Batch::default();
        Slicer::default().batch(list, &mut out);
        prop_assert!(out.slab.len() <= 2 * sent);
        for item in &out.items {
            if let Item::Segment(s) | Item::Datagram(s) = item {
                prop_assert!(out.slab.get(s.payload.clone()).is_some() && s.shard < 64);
            }
        }
    }

    #[test]
    fn batches_of_any_size_give_the_same(
        packets in proptest::collection::vec((shapes(), 0..15_u64), 1..40),
        size in 1..40_usize,
    ) {
        let run = |size: usize| {
            let (mut slicer, mut next, mut time, mut all) = (Slicer::default(), PacketNo(1), Time::default(), Vec::new());
            for chunk in packets.chunks(size) {
                let mut list = Packets::starting_at(next);
                for ((link, bytes), ms) in chunk {
                    time = time.after(Span::from_millis(*ms));
                    list.push(time, SourceId(0), LinkType(*link), bytes.len() as u32, bytes);
                }
                next = list.next();
                let mut out = Batch::default();
                slicer.batch(list, &mut out);
                for mut item in std::mem::take(&mut out.items) {
                    let bytes = if let Item::Tick(_) = item { Vec::new() } else { payload(&out, &item).to_vec() };
                    if let Item::Segment(s) | Item::Datagram(s) = &mut item {
                        s.payload = 0..0;
                    }
                    all.push((item, bytes));
                }
            }
            all
        };
        prop_assert_eq!(run(size), run(40));
    }
}
