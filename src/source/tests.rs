//! Captures in every dialect, cut and damaged anywhere, written and read again.

mod craft;
mod written;

use super::capture::Capture;
use super::input::Bytes;
use super::pcapng_write::Writer;
use super::*;
use crate::model::{LinkType, OwnedEnd, PacketNo, SourceNews};
use crate::time::Time;
use craft::{BE, LE, To};
use proptest::prelude::*;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::slice::from_ref;

/// Time, source, link type, length on the wire, bytes.
type Seen = (i64, u16, u32, u32, Vec<u8>);

/// What reading a source to its end gives.
#[derive(Debug, Default, PartialEq)]
struct Read {
    packets: Vec<Seen>,
    news: Vec<SourceNews>,
    owned: Vec<(PacketNo, Vec<OwnedEnd>)>,
    error: Option<String>,
}

impl Read {
    fn closed(&self) -> Vec<&str> {
        self.news.iter().filter_map(|news| if let SourceNews::Closed(_, why) = news { Some(&**why) } else { None }).collect()
    }
}

fn read(mut source: impl Source) -> Read {
    let mut read = Read::default();
    let mut out = Packets::starting_at(PacketNo(1));
    loop {
        let (packets, bytes) = (out.list.len(), out.slab.len());
        let filled = source.fill(&mut out);
        assert!(out.list.len() - packets <= FILL_PACKETS && out.slab.len() - bytes < FILL_BYTES + MAX_PACKET);
        match filled {
            Ok(Filled::End) => break,
            Ok(Filled::More | Filled::Idle) => {}
            Err(e) => {
                read.error = Some(e.to_string());
                break;
            }
        }
    }
    let seen = out.list.iter().map(|p| (p.stamp.time.nanos(), p.source.0, p.link.0, p.wire_len, out.bytes(p).to_vec()));
    read.packets = seen.collect();
    (read.news, read.owned) = (out.news, out.owned);
    read
}

/// Reads `bytes` as one piped capture.
fn pipe(bytes: &[u8]) -> Files {
    let bytes = bytes.to_vec();
    let input = Bytes::pipe(move || Ok(io::Cursor::new(bytes)));
    Files::merge(vec![Capture::new(input, "stdin", "stdin".into(), &SourceIds::default())])
}

fn file(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn open(paths: &[PathBuf]) -> Read {
    match Files::open(paths, &SourceIds::default()) {
        Ok(files) => read(files),
        Err(e) => Read { error: Some(e.to_string()), ..Read::default() },
    }
}

#[test]
fn pcap_in_every_kind() {
    for to in [LE, BE] {
        for (magic, nanos, extra) in
            [(0xa1b2_c3d4, 5_000_007_000, 0), (0xa1b2_3c4d, 5_000_000_007, 0), (0xa1b2_cd34, 5_000_007_000, 2)]
        {
            let header = [&[5, 7, 3, 60][..], &[9; 2][..extra]].concat();
            let got = read(pipe(&to.pcap(magic, 4, 0xf400_0071, &[(&header, b"abc"), (&header, b"def")])));
            let packet = |bytes: &[u8]| (nanos, 0, 0x71, 60, bytes.to_vec());
            assert_eq!(got.packets, [packet(b"abc"), packet(b"def")], "{magic:x}");
            assert_eq!(got.news, [SourceNews::Opened(SourceId(0), "stdin".into())]);
        }
    }
    let last = read(pipe(&LE.pcap(0xa1b2_c3d4, 4, 1, &[(&[u32::MAX, u32::MAX, 0, 0], b"")])));
    assert_eq!(last.packets, [(4_294_967_295_000_000_000 + 4_294_967_295_000, 0, 1, 0, vec![])]);
}

#[test]
fn old_pcap_versions_had_the_lengths_swapped() {
    for (minor, lengths) in [(2, [60, 3]), (3, [60, 3]), (3, [3, 60]), (4, [3, 60])] {
        let got = read(pipe(&LE.pcap(0xa1b2_c3d4, minor, 1, &[(&[5, 7, lengths[0], lengths[1]], b"abc")])));
        assert_eq!(got.packets, [(5_000_007_000, 0, 1, 60, b"abc".to_vec())]);
    }
}

/// Two sections of different byte order; all that a section can hold.
fn all_blocks() -> Vec<u8> {
    let mut out = LE.section();
    out.extend(LE.interface(1, 4, &[(2, b"lo"), (9, &[9]), (0, b"")]));
    out.extend(LE.interface(101, 0, &[(9, &[0x80]), (14, &(-2i64).to_le_bytes())]));
    out.extend(LE.block(0x0bad, b"unknown"));
    out.extend(LE.packet(0, 11, b"abcde"));
    out.extend(LE.packet(1, 5, b""));
    out.extend(LE.block(3, &[LE.words(&[9]), b"simp".to_vec()].concat()));
    let old = [LE.n16(1).to_vec(), vec![0; 2], LE.words(&[0, 7, 3, 99]), b"old".to_vec()].concat();
    out.extend(LE.block(2, &old));
    let names: [(u16, &[u8]); 4] =
        [(1, b"\x0a\0\0\x07orders\0more\0"), (9, b"?"), (2, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01six\0"), (0, b"")];
    out.extend(LE.block(4, &LE.options(&names)));
    let drops = LE.options(&[(4, &9u64.to_le_bytes()), (5, &3u64.to_le_bytes()), (7, &1u64.to_le_bytes())]);
    out.extend(LE.block(5, &[LE.words(&[1, 0, 0]), drops].concat()));
    out.extend(BE.section());
    out.extend(BE.interface(276, 0, &[]));
    out.extend(BE.packet(0, 1_000_001, b"big"));
    out
}

#[test]
fn pcapng_with_everything() {
    let got = read(pipe(&all_blocks()));
    let expected: [Seen; 5] = [
        (11, 0, 1, 5, b"abcde".to_vec()),
        (3_000_000_000, 1, 101, 0, vec![]),
        (3_000_000_000, 0, 1, 9, b"simp".to_vec()),
        (5_000_000_000, 1, 101, 99, b"old".to_vec()),
        (1_000_001_000, 0, 276, 3, b"big".to_vec()),
    ];
    assert_eq!(got.packets, expected);
    let news = [
        SourceNews::Opened(SourceId(0), "stdin".into()),
        SourceNews::Opened(SourceId(1), "stdin".into()),
        SourceNews::Name([10, 0, 0, 7].into(), "orders".into()),
        SourceNews::Name("::1".parse().unwrap(), "six".into()),
        SourceNews::KernelDrops(SourceId(1), 4),
    ];
    assert_eq!(got.news, news);
}

#[test]
fn blocks_without_packets_pile_nothing_up() {
    let drops = |to: To, n: u64| to.block(5, &[to.words(&[0, 0, 0]), to.options(&[(5, &n.to_be_bytes())])].concat());
    let section = |to: To| [to.section(), to.interface(1, 0, &[])].concat();
    let many: Vec<u8> = (1..=50).flat_map(|n| drops(BE, n)).collect();
    let long = BE.block(0x4000_0bad, &vec![0; 20 << 20]);
    let names = BE.block(4, &vec![0; 17 << 20]);
    let all = [section(BE), many, long, names, section(BE), drops(BE, 7), BE.packet(0, 0, b"x")].concat();
    let got = read(pipe(&all));
    assert_eq!((got.packets.len(), got.closed()), (1, vec![]));
    let told: Vec<_> = got.news.iter().filter(|news| matches!(news, SourceNews::KernelDrops(..))).collect();
    let total = [&SourceNews::KernelDrops(SourceId(0), 50), &SourceNews::KernelDrops(SourceId(0), 57)];
    assert_eq!(told, total, "sections add up");
}

#[test]
fn every_place_to_cut_gives_the_packets_before_it_and_one_line() {
    let pcap = LE.pcap(0xa1b2_3c4d, 4, 1, &[(&[1, 2, 3, 3], b"abc"), (&[1, 3, 0, 0], b""), (&[1, 4, 1, 1], b"x")]);
    for whole in [pcap, all_blocks()] {
        let all = read(pipe(&whole));
        assert_eq!((all.closed(), &all.error), (vec![], &None));
        let (mut clean, mut most) = (0, 0);
        for cut in 0..whole.len() {
            let got = read(pipe(&whole[..cut]));
            assert!(all.packets.starts_with(&got.packets) && got.packets.len() >= most, "{cut}");
            most = got.packets.len();
            match (cut, &got.error) {
                (0, Some(e)) => assert_eq!(e, "stdin: empty, not a capture: was anything written to it?"),
                (1..4, Some(e)) => assert!(e.starts_with("stdin: neither pcap nor pcapng"), "{e}"),
                (_, Some(e)) => panic!("{cut}: {e}"),
                (_, None) => {
                    clean += usize::from(got.closed().is_empty());
                    assert!(got.closed().iter().all(|why| why.starts_with("stdin: cut short at byte ")), "{:?}", got.closed());
                }
            }
        }
        assert_eq!(most, all.packets.len() - 1);
        assert!(clean >= most, "a cut between records is an end");
    }
}

#[test]
fn damage_is_told_with_its_place() {
    let good = LE.packet(0, 1, b"good");
    let start = [LE.section(), LE.interface(1, 0, &[]), good.clone()].concat();
    let mut unlike = good.clone();
    *unlike.last_mut().unwrap() = 9;
    let stray = LE.words(&[0, 0, 0, 300_000, 300_000]);
    for (bad, what) in [
        (LE.words(&[6, 0, 0]), "a block of impossible length 0"),
        (LE.words(&[7, 13, 0]), "a block of impossible length 13"),
        (LE.words(&[6, u32::MAX - 3]), "a block of 4294967292 bytes"),
        (LE.words(&[7, u32::MAX - 3, 0]), "cut short"),
        (unlike, "a block whose two lengths differ"),
        ([LE.words(&[7, 12, 16])].concat(), "a block whose two lengths differ"),
        (LE.packet(1, 1, b""), "a packet of an interface that is not described"),
        (LE.block(6, &LE.words(&[0, 0, 0, 5, 5, 0])), "a packet that is longer than its block"),
        (LE.block(6, &stray), "a packet of impossible length 300000"),
        (LE.block(6, b""), "a block that is too short for its type"),
        (LE.block(1, b""), "a block that is too short for its type"),
        (LE.block(0x0a0d_0d0a, &[0; 16]), "a section without a byte order"),
    ] {
        let got = read(pipe(&[&start[..], &bad, &good].concat()));
        assert_eq!((got.packets.len(), &got.error), (1, &None), "{what}");
        let why = got.closed().concat();
        assert!(why.starts_with(&format!("stdin: {what} at byte ")), "{why}");
        assert!(why.ends_with(", after 1 packet: read to its last whole packet"), "{why}");
    }
    let got = read(pipe(&LE.pcap(0xa1b2_c3d4, 4, 1, &[(&[0, 0, 262_145, 9], b"")])));
    assert_eq!(
        got.closed(),
        ["stdin: a packet of impossible length 262145 at byte 24, after 0 packets: read to its last whole packet"]
    );
}

#[test]
fn the_largest_packet_comes_whole() {
    let bytes = vec![7; MAX_PACKET];
    let len = bytes.len() as u32;
    let got = read(pipe(&LE.pcap(0xa1b2_c3d4, 4, 1, &[(&[0, 0, len, len], &bytes), (&[0, 0, 1, 1], b"x")])));
    assert_eq!(got.packets.iter().map(|p| p.4.len()).collect::<Vec<_>>(), [MAX_PACKET, 1]);
}

#[test]
fn what_is_no_capture_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = file(&dir, "notes\x1b.txt", b"Dear diary, today");
    let (empty, gz) = (file(&dir, "empty", b""), file(&dir, "not.gz", b"\x1f\x8bnothing"));
    let old = file(&dir, "old", &[&b"\xd4\xc3\xb2\xa1\x01\0\0\0"[..], &[0; 16]].concat());
    for (path, says) in [
        (text, "notes\\x1b.txt: neither pcap nor pcapng, also not inside gzip or zstd (it begins with 44 65 61 72"),
        (empty, "empty: empty, not a capture"),
        (gz, "not.gz: cannot be read: "),
        (old, "old: pcap version 1.0 is not read: convert it"),
        (dir.path().to_path_buf(), ": a folder, not a capture"),
        (dir.path().join("none"), "none: no such file: check the path"),
    ] {
        let error = Files::open(&[path], &SourceIds::default()).err().unwrap().to_string();
        assert!(error.contains(says) && !error.contains('\n') && !error.contains('\x1b'), "{error}");
    }
    assert!(read(pipe(b"Dear diary, today")).error.unwrap().starts_with("stdin: neither"));
    let twice = Files::open(&["-".into(), "-".into()], &SourceIds::default()).err().unwrap().to_string();
    assert_eq!(twice, "stdin: named twice: it can be read once");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

#[test]
fn compressed_captures_are_known_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let plain = all_blocks();
    let (front, back) = plain.split_at(100);
    let zst = [b"\x50\x2a\x4d\x18\x02\0\0\0hi".to_vec(), zstd::encode_all(front, 1).unwrap(), zstd::encode_all(back, 1).unwrap()];
    let path = file(&dir, "same.name", &plain);
    let expected = open(from_ref(&path));
    assert_eq!(expected.packets.len(), 5);
    assert!(expected.news.contains(&SourceNews::Progress(plain.len() as u64, plain.len() as u64)));
    for bytes in [gzip(&plain), [gzip(front), gzip(back)].concat(), zst.concat()] {
        std::fs::write(&path, &bytes).unwrap();
        let got = open(from_ref(&path));
        assert_eq!((&got.packets, got.closed()), (&expected.packets, vec![]));
        assert!(got.news.contains(&SourceNews::Progress(bytes.len() as u64, bytes.len() as u64)));
        assert_eq!(read(pipe(&bytes)).packets, expected.packets);
    }
}

#[test]
fn compressed_captures_that_are_cut_give_a_prefix() {
    let plain = all_blocks();
    let all = read(pipe(&plain)).packets;
    for whole in [gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
        for cut in 0..whole.len() {
            let got = read(pipe(&whole[..cut]));
            assert!(all.starts_with(&got.packets), "{cut}");
            assert_eq!(got.closed().len() + usize::from(got.error.is_some()), 1, "{cut}: {got:?}");
        }
    }
}

#[test]
fn captures_are_merged_by_time_and_each_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let pcap = |name, packets: &[(u32, &[u8; 1])]| {
        let headers: Vec<_> = packets.iter().map(|(time, bytes)| ([*time, 0, 1, 1], *bytes)).collect();
        let packets: Vec<(&[u32], &[u8])> = headers.iter().map(|(header, bytes)| (&header[..], &bytes[..])).collect();
        file(&dir, name, &LE.pcap(0xa1b2_c3d4, 4, 1, &packets))
    };
    let a = pcap("a", &[(1, b"a"), (5, b"b"), (2, b"c"), (5, b"d"), (9, b"e")]);
    let b = pcap("b", &[(1, b"A"), (3, b"B"), (5, b"C"), (5, b"D")]);
    let c = pcap("c", &[]);
    let got = open(&[a, b, c]);
    let order: Vec<u8> = got.packets.iter().flat_map(|packet| packet.4.clone()).collect();
    assert_eq!(String::from_utf8(order).unwrap(), "aABbcdCDe");
    assert!(got.packets.iter().all(|packet| packet.1 == u16::from(packet.4[0].is_ascii_uppercase())));
}

#[test]
fn a_pipe_is_read_while_it_grows() {
    let (from, mut to) = io::pipe().unwrap();
    let input = Bytes::pipe(move || Ok(from));
    let mut source = Files::merge(vec![Capture::new(input, "stdin", "stdin".into(), &SourceIds::default())]);
    let whole = LE.pcap(0xa1b2_c3d4, 4, 1, &[(&[1, 0, 2, 2], b"ab"), (&[2, 0, 2, 2], b"cd")]);
    let mut out = Packets::default();
    let mut until = |out: &mut Packets, n: usize, how: Filled| {
        while source.fill(out).unwrap() != how || out.list.len() < n {}
        assert_eq!(out.list.len(), n);
    };
    until(&mut out, 0, Filled::Idle);
    for (part, n) in [(&whole[..3], 0), (&whole[3..41], 0), (&whole[41..45], 1), (&whole[45..], 2)] {
        to.write_all(part).unwrap();
        until(&mut out, n, Filled::Idle);
    }
    drop(to);
    until(&mut out, 2, Filled::End);
}

proptest! {
    #[test]
    fn any_mutation_ends(at in 0usize..1000, bytes in prop::collection::vec(any::<u8>(), 1..9), squeeze: bool) {
        let mut whole = all_blocks();
        let at = at % whole.len();
        whole.iter_mut().skip(at).zip(&bytes).for_each(|(to, from)| *to = *from);
        let got = read(pipe(&if squeeze { gzip(&whole) } else { whole }));
        prop_assert!(got.packets.len() <= 32 && got.closed().len() <= 1);
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200), pcapng: bool) {
        let start = if pcapng { LE.section() } else { LE.pcap(0xa1b2_c3d4, 4, 1, &[]) };
        let got = read(pipe(&[start, bytes].concat()));
        prop_assert!(got.error.is_none());
    }
}

#[test]
fn a_named_pipe_that_cannot_be_read_is_told() {
    let failed = Bytes::pipe(|| File::open("/nowhere/at/all"));
    let files = Files::merge(vec![Capture::new(failed, "fifo", "fifo".into(), &SourceIds::default())]);
    assert_eq!(read(files).error.unwrap(), "fifo: no such file: check the path");
}
