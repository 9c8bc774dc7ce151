//! Against a plain list of what was pushed.

use super::*;
use proptest::prelude::*;

fn packet(number: u64, len: usize) -> (Packet, Vec<u8>) {
    let stamp = Stamp { packet: PacketNo(number), time: Time::from_nanos(-(number as i64)) };
    let bytes = (0..len).map(|i| (number as usize + i) as u8).collect();
    (Packet { stamp, source: SourceId(u16::MAX), link: LinkType(276), wire_len: u32::MAX, bytes: 0..len }, bytes)
}

type Pushed = (Packet, Vec<u8>, Option<u64>);

/// Records packets of these lengths and connections; every third number is left out.
fn record(budget: usize, pushed: &[(usize, Option<u64>)]) -> (Recorder, Vec<Pushed>) {
    let mut recorder = Recorder::new(budget);
    let memory = recorder.memory();
    assert!(memory <= budget.max(256), "{memory} of {budget}");
    let mut all = Vec::new();
    for (i, (len, connection)) in pushed.iter().enumerate() {
        let (packet, bytes) = packet(i as u64 * 3 / 2 + 1, *len);
        recorder.push(&packet, &bytes, *connection);
        all.push((packet, bytes, *connection));
        assert_eq!(recorder.memory(), memory);
    }
    (recorder, all)
}

fn owned<'a>(packets: impl Iterator<Item = (Packet, &'a [u8])>) -> Vec<(Packet, Vec<u8>)> {
    packets.map(|(packet, bytes)| (packet, bytes.to_vec())).collect()
}

proptest! {
    #[test]
    fn it_holds_the_newest_packets_and_their_chains(
        budget in 0usize..20_000,
        pushed in prop::collection::vec((0usize..300, prop::option::of(0u64..5)), 0..400),
    ) {
        let (recorder, mut all) = record(budget, &pushed);
        let counts = recorder.counts();
        all.retain(|(packet, ..)| packet.bytes.len() + HEADER <= recorder.ring.len());
        prop_assert_eq!(counts.refused as usize, pushed.len() - all.len());
        prop_assert_eq!((counts.held + counts.gone) as usize, all.len());
        let (gone, held) = all.split_at(counts.gone as usize);
        let expected: Vec<_> = held.iter().map(|(packet, bytes, _)| (packet.clone(), bytes.clone())).collect();
        prop_assert_eq!(owned(recorder.iter()), expected);
        for (packet, bytes, _) in held {
            prop_assert_eq!(recorder.get(packet.stamp.packet), Found::Held(packet.clone(), bytes));
        }
        for (packet, ..) in gone {
            prop_assert_eq!(recorder.get(packet.stamp.packet), Found::Gone);
        }
        if counts.unlinked == 0 {
            for connection in 0..5 {
                let of: Vec<_> = held.iter().rev().filter(|(.., of)| *of == Some(connection)).collect();
                let expected: Vec<_> = of.iter().map(|(packet, bytes, _)| (packet.clone(), bytes.clone())).collect();
                prop_assert_eq!(&owned(recorder.connection(connection)), &expected);
                for (i, (packet, ..)) in of.iter().enumerate() {
                    prop_assert_eq!(&owned(recorder.back_from(packet.stamp.packet))[..], &expected[i..]);
                }
            }
        }
    }
}

#[test]
fn what_is_gone_is_told_from_what_never_was() {
    let (recorder, _) = record(4096, &[(500, None); 20]);
    let counts = recorder.counts();
    assert!(counts.gone > 10 && counts.held > 3, "{counts:?}");
    assert_eq!(recorder.get(PacketNo(1)), Found::Gone);
    assert_eq!(recorder.get(PacketNo(0)), Found::Never);
    assert_eq!(recorder.get(PacketNo(27)), Found::Never, "left out");
    assert!(matches!(recorder.get(PacketNo(28)), Found::Held(..)));
    assert_eq!(recorder.get(PacketNo(30)), Found::Never, "to come");
}

#[test]
fn most_of_the_budget_holds_packets_and_connections_come_and_go_within_it() {
    let (budget, len) = (1 << 20, 150);
    let (recorder, _) = record(budget, &(0..50_000).map(|i| (len, Some(i))).collect::<Vec<_>>());
    let counts = recorder.counts();
    let used = counts.held as usize * (len + HEADER);
    assert!(used > budget * 9 / 10, "{used}");
    assert!(recorder.memory() > budget * 9 / 10);
    assert!(counts.unlinked > 0, "more connections than can be noted");
    assert!(recorder.connection(0).next().is_none() && recorder.connection(49_999).count() <= 1);
    let linked = (0..50_000).filter(|i| recorder.connection(*i).next().is_some()).count();
    assert_eq!(linked, recorder.most_connections);
}

#[test]
fn what_is_held_is_saved() {
    let (recorder, all) = record(100_000, &[(10, Some(1)), (0, None), (100, Some(1))]);
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, "saved".into()).unwrap();
    recorder.save(&mut writer, |packet, connection| Some(format!("{packet:?} of {connection}").into())).unwrap();
    writer.finish().unwrap();
    for (_, bytes, _) in all {
        assert!(file.windows(bytes.len().max(1)).any(|part| part.starts_with(&bytes)));
    }
    let comments = file.windows(16).filter(|part| part.starts_with(b"PacketNo") && part.ends_with(b") of 1"));
    assert_eq!(comments.count(), 2, "none for a packet of no connection");
}
