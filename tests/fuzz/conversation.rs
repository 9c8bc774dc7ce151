//! Bytes as a conversation: what each side says, loses and ends, played through one analyzer. A seed is a captured connection.
//!
//! ```text
//!  a step: ┌ what ┬ length ┬ bytes (of what is said) ┐   what: bit 0 who, bits 1 and 2: 0, 1 says, 2 loses, 3 ends; bits 3 to 7: length / 256
//!          └──────┴────────┴─────────────────────────┘
//! ```

use meshtop::decode::{Driver, Limits, Protocol, Sink};
use meshtop::model::{
    Batch, ConnId, ConnMeta, Dir, End, Event, EventKind, Issue, Item, Joined, Key, PacketNo, Packets, Part, Stamp, Totals,
    Transport, Zone,
};
use meshtop::net::{Slicer, connection_key};
use meshtop::source::{Files, Filled, Source, SourceIds};
use meshtop::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The longest that is said at once.
const LONGEST: usize = (1 << 13) - 1;
/// Where the server listens: so that `-d` names the analyzer.
const PORT: u16 = 8080;

enum Step<'a> {
    Says(Dir, &'a [u8]),
    Loses(Dir, u64),
    Ends(Dir),
}

/// Plays `data`; its first bits are whether the connection was joined, and whether too many exchanges wait.
pub fn play(protocol: &'static Protocol, data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let joined = if first & 1 == 0 { Joined::Opening } else { Joined::Midway };
    let id = ConnId(PacketNo(1));
    let [client, server] = [40_000, PORT].map(|port| ([127, 0, 0, 1], port).into());
    let transport = protocol.transport;
    let meta = ConnMeta { id, client, server, transport, first: Stamp::default(), joined, isn: None, zone: Zone::default() };
    let mut driver = Driver::detecting();
    let (limits, decode_as) = (Limits::default(), vec![(PORT, protocol)]);
    let (mut events, mut totals, mut streams, mut held, mut said) = (Vec::new(), Totals::default(), 1, 0, 0);
    let mut at = Stamp::default();
    let mut left = Some(());
    while left.is_some() {
        let step = step(&mut rest);
        left = step.as_ref().map(|_| ());
        at = Stamp { packet: PacketNo(at.packet.0 + 1), time: Time::from_nanos(at.time.nanos() + 1_000_000) };
        let mut sink = Sink {
            crowded: first & 2 != 0,
            memory: if first & 2 != 0 { 512 } else { usize::MAX },
            events: &mut events,
            totals: &mut totals,
            streams: &mut streams,
            held: &mut held,
            meta: &meta,
            at,
            limits: &limits,
            decode_as: &decode_as,
        };
        match step {
            Some(Step::Says(dir, bytes)) => {
                said += bytes.len();
                match transport {
                    Transport::Datagram => driver.datagram(&mut sink, dir, bytes, at),
                    Transport::Stream => driver.data(&mut sink, dir, bytes, at),
                }
            }
            Some(Step::Loses(dir, len)) if transport == Transport::Stream => driver.hole(&mut sink, dir, len),
            Some(Step::Ends(dir)) => driver.end(&mut sink, dir, End::Fin),
            Some(Step::Loses(..)) => {}
            None => Dir::BOTH.into_iter().for_each(|dir| driver.end(&mut sink, dir, End::Fin)),
        }
    }
    assert_eq!(held, 0, "what was held is released at the end");
    sound(&events, said);
}

fn step<'a>(rest: &mut &'a [u8]) -> Option<Step<'a>> {
    let [what, low, data @ ..] = *rest else { return None };
    let dir = if what & 1 == 0 { Dir::ToServer } else { Dir::ToClient };
    let len = usize::from(what >> 3) << 8 | usize::from(*low);
    Some(match what >> 1 & 3 {
        0 | 1 => {
            let (said, after) = data.split_at(len.min(data.len()));
            *rest = after;
            Step::Says(dir, said)
        }
        kind => {
            *rest = data;
            if kind == 2 { Step::Loses(dir, len as u64 + 1) } else { Step::Ends(dir) }
        }
    })
}

/// What holds of any events: no analyzer panicked, what goes on has begun, what is over does not go on, and no body is longer than all
/// that was said. What is left open at the end the engine gives up.
fn sound(events: &[Event], said: usize) {
    let (mut open, mut closed): (BTreeSet<Key>, BTreeSet<Key>) = Default::default();
    let mut kept = 0;
    for event in events {
        match &event.kind {
            EventKind::Note(_, issue) if *issue == Issue::PANIC => panic!("an analyzer panicked"),
            EventKind::Open(key, _) => assert!(open.insert(*key) && !closed.contains(key), "{key:?} begins twice"),
            EventKind::Part(key, part) => {
                assert!(open.contains(key), "{key:?} goes on, and is not open: {part:?}");
                kept += match part {
                    Part::Body(_, bytes) => bytes.len(),
                    Part::Message(_, message) => message.body.kept.len(),
                    _ => 0,
                };
            }
            EventKind::Close(key, _) => {
                assert!(open.remove(key), "{key:?} ends, and is not open");
                closed.insert(*key);
            }
            _ => {}
        }
    }
    assert!(kept <= said, "{kept} bytes are kept of {said}");
}

/// The connections of a capture file, each as a seed.
pub fn seeds(path: PathBuf) -> Vec<Vec<u8>> {
    let Ok(mut files) = Files::open(&[path], &SourceIds::default()) else { return Vec::new() };
    let (mut slicer, mut all) = (Slicer::default(), BTreeMap::new());
    loop {
        let (mut packets, mut batch) = (Packets::starting_at(PacketNo(1)), Batch::default());
        let filled = files.fill(&mut packets);
        slicer.batch(packets, &mut batch);
        for item in &batch.items {
            let (Item::Segment(seg) | Item::Datagram(seg)) = item else { continue };
            let conn = connection_key(seg.from, seg.to, seg.zone);
            let (client, seed) = all.entry(conn).or_insert_with(|| (seg.from, vec![0]));
            let who = u8::from(*client != seg.from);
            for part in batch.slab.get(seg.payload.clone()).unwrap_or_default().chunks(LONGEST) {
                seed.extend([who | (part.len() >> 8 << 3) as u8, part.len() as u8]);
                seed.extend(part);
            }
        }
        if !matches!(filled, Ok(Filled::More | Filled::Idle)) {
            return all.into_values().map(|(_, seed)| seed).filter(|seed| seed.len() > 1).collect();
        }
    }
}
