//! What packets go through beside decoding: the file of `-w`, and the ring of what just happened, which can be saved.

use super::held::Held;
use super::names::Names;
use super::now;
use crate::model::{Item, Packet, PacketNo, SourceId, SourceNews};
use crate::net::connection_key;
use crate::source::pcapng_write::{WriteError, Writer};
use crate::source::private_file::Owner;
use crate::source::recorder::Recorder;
use crossbeam_channel::Receiver;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Takes a line for the person who asked.
pub type Say = Box<dyn Fn(&str) + Send>;

/// What packets go through beside decoding.
#[derive(Default)]
pub struct Taps {
    /// Who is told why a source ended.
    pub say: Option<Say>,
    /// `-w`.
    pub writer: Option<Writer<BufWriter<File>>>,
    /// What just happened, kept for looking back.
    pub recorder: Option<Recorder>,
    /// Asks for what the recorder holds to be saved.
    pub saves: Option<Receiver<()>>,
    /// What is written beside packets: who is who.
    pub naming: Names,
    /// Packets that wait for names before `writer` has them.
    pub held: Held,
    /// Whose the saved file is, under sudo.
    pub owner: Option<Owner>,
    /// What the sources are called.
    pub names: BTreeMap<SourceId, Arc<str>>,
}

impl Taps {
    /// Tells why sources ended, and takes names; for each batch, so that neither piles up.
    pub(super) fn hear(&mut self, news: &[SourceNews]) {
        self.naming.hear();
        for news in news {
            if let Some(writer) = &mut self.writer {
                writer.news(news);
            }
            match news {
                SourceNews::Opened(id, name) => drop(self.names.insert(*id, Arc::clone(name))),
                SourceNews::Closed(id, why) => self.say(*id, why),
                SourceNews::Warned(why) => self.say.iter().for_each(|say| say(why)),
                _ => {}
            }
        }
    }

    /// Whether packets are kept or written.
    pub(super) fn take_packets(&self) -> bool {
        self.recorder.is_some() || self.writer.is_some()
    }

    /// Why a source ended. A file's reason names it; an interface's does not.
    fn say(&self, id: SourceId, why: &str) {
        let Some(say) = self.say.as_ref().filter(|_| !why.is_empty()) else { return };
        match self.names.get(&id).filter(|name| !why.contains(&***name)) {
            Some(name) => say(&format!("{name}: {why}")),
            None => say(why),
        }
    }

    /// Keeps packets for looking back, and for writing. `items` are what they hold, in their order.
    pub(super) fn take(&mut self, list: Vec<Packet>, slab: &[u8], items: &[Item], now: Instant) {
        if list.is_empty() {
            return;
        }
        let mut segments = items.iter().filter_map(|item| match item {
            Item::Segment(seg) => Some((seg.stamp.packet, connection_key(seg.from, seg.to, seg.zone))),
            Item::Datagram(_) | Item::Tick(_) => None,
        });
        let mut next = segments.next();
        let mut keys = Vec::with_capacity(if self.writer.is_some() { list.len() } else { 0 });
        let mut before = None;
        for packet in &list {
            let connection = next.filter(|(number, _)| *number == packet.stamp.packet).map(|(_, key)| key);
            if connection.is_some() {
                next = segments.next();
            }
            // a rough mark will do: once for packets of one connection in a row
            if let Some(key) = connection.filter(|_| before != connection) {
                self.naming.touch(packet.stamp.packet, key);
            }
            before = connection;
            if let Some(recorder) = &mut self.recorder {
                recorder.push(packet, slab.get(packet.bytes.clone()).unwrap_or_default(), connection);
            }
            if self.writer.is_some() {
                keys.push(connection);
            }
        }
        if self.writer.is_some() {
            self.held.push(list, slab, keys, now);
        }
    }

    /// Writes the packets that have waited long enough. Those of a file wait until the engine has seen them, where need be at the
    /// cost of the reader; live, names come from elsewhere, and nobody waits for them longer than [`HOLD`](super::held::HOLD).
    pub(super) fn write(&mut self, live: bool, idle: bool, now: Instant) -> Result<(), WriteError> {
        let written = self.write_held(|naming, held, last| {
            let waited = if live { !naming.come() || held.waited(now) } else { naming.have_passed(last) };
            let due = waited || held.too_many();
            if due && !live {
                naming.wait_for(last);
            }
            due
        });
        match &mut self.writer {
            Some(writer) if idle => written.and(writer.flush()),
            _ => written,
        }
    }

    /// Writes what still waits, after all that can be known is: where the engine had its last turn.
    pub(super) fn finish(&mut self, all_told: bool) -> Result<(), WriteError> {
        let written = self.write_held(|naming, _, last| {
            if all_told {
                naming.wait_for(last);
            }
            true
        });
        self.writer.as_mut().map_or(Ok(()), |writer| written.and(writer.finish()))
    }

    /// Writes the packets that wait, the oldest first, for as long as they are due, by the last of those that came together.
    fn write_held(&mut self, mut due: impl FnMut(&mut Names, &Held, PacketNo) -> bool) -> Result<(), WriteError> {
        let (Some(writer), naming, held) = (&mut self.writer, &mut self.naming, &mut self.held) else { return Ok(()) };
        let mut written = Ok(());
        while let Some(last) = held.oldest()
            && due(naming, held, last)
        {
            written = written.and(held.write(naming, writer));
        }
        written
    }

    /// Saves what is held, if somebody asked; what there is to tell then.
    pub(super) fn save_if_asked(&mut self) -> Option<SourceNews> {
        self.saves.as_ref()?.try_recv().ok()?;
        let Some(recorder) = &self.recorder else {
            return Some(SourceNews::Told("nothing to save: these packets are in a file already".into()));
        };
        let stamp: String = now().to_string().chars().filter(|c| !matches!(c, '-' | ':')).take_while(|c| *c != '.').collect();
        let name = format!("meshtop-{stamp}Z.pcapng");
        let saved = Writer::create(Path::new(&name), &[], self.owner).and_then(|mut writer| {
            self.names.iter().for_each(|(id, name)| writer.news(&SourceNews::Opened(*id, Arc::clone(name))));
            save(recorder, &mut self.naming, &mut writer)
        });
        let told = match saved {
            Ok(()) => format!("saved {} packets to {name}", recorder.iter().count()),
            Err(e) => format!("not saved: {e}"),
        };
        Some(SourceNews::Told(Arc::from(told)))
    }
}

/// Writes all that is held, with all the names that are known now: each on the first packet of its connection that is left.
fn save<W: Write>(recorder: &Recorder, naming: &mut Names, writer: &mut Writer<W>) -> Result<(), WriteError> {
    writer.names(naming.addresses())?;
    let mut told = HashSet::new();
    recorder.save(writer, |packet, key| {
        let (conn, comment) = naming.comment(packet, key)?;
        told.insert(conn).then_some(comment)
    })?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::held::HOLD;
    use super::*;
    use crate::demo::RECORDING;
    use crate::model::{Batch, ConnId, LinkType, Naming, Origin, OwnedEnd, Owner as Owned, Packets, Segment, Stamp};
    use crate::net::Slicer;
    use crate::source::{Files, Filled, Source, SourceIds};
    use crossbeam_channel::Sender;

    #[test]
    fn what_is_recorded_can_be_followed_connection_by_connection() {
        let mut source = Files::bundled("demo", RECORDING, &SourceIds::default());
        let mut taps = Taps { recorder: Some(Recorder::new(8 << 20)), ..Taps::default() };
        let (mut slicer, mut next, mut segments) = (Slicer::default(), PacketNo(1), Vec::new());
        loop {
            let mut packets = Packets::starting_at(next);
            let filled = source.fill(&mut packets).unwrap();
            next = packets.next();
            let (list, mut batch) = (packets.list.clone(), Batch::default());
            slicer.batch(packets, &mut batch);
            taps.take(list, &batch.slab, &batch.items, Instant::now());
            segments.extend(batch.items.into_iter().filter_map(|i| if let Item::Segment(seg) = i { Some(seg) } else { None }));
            if filled == Filled::End {
                break;
            }
        }
        let recorder = taps.recorder.unwrap();
        let last = segments.last().unwrap();
        let key = connection_key(last.from, last.to, last.zone);
        let expected: Vec<_> =
            segments.iter().filter(|s| connection_key(s.from, s.to, s.zone) == key).map(|s| s.stamp.packet).collect();
        let mut held: Vec<_> = recorder.connection(key).map(|(packet, _)| packet.stamp.packet).collect();
        held.reverse();
        assert_eq!(held, expected);
        assert_eq!(recorder.iter().count() as u64, next.0 - 1);
    }

    /// Taps that saw the first packets of the recording, who may name things, and the connection of the first packet.
    fn fed(mut taps: Taps, packets: usize, now: Instant) -> (Taps, Sender<Naming>, Segment) {
        let (namer, naming) = crossbeam_channel::unbounded();
        taps.naming = Names::new(naming);
        let mut all = Packets::starting_at(PacketNo(1));
        Files::bundled("demo", RECORDING, &SourceIds::default()).fill(&mut all).unwrap();
        all.list.truncate(packets);
        let (list, mut batch) = (all.list.clone(), Batch::default());
        Slicer::default().batch(all, &mut batch);
        taps.take(list, &batch.slab, &batch.items, now);
        let segment = batch.items.into_iter().find_map(|i| if let Item::Segment(seg) = i { Some(seg) } else { None });
        (taps, namer, segment.unwrap())
    }

    fn named(seg: &Segment, service: &str) -> Naming {
        let owner = Owned { service: service.into(), origin: Origin::File, pid: Some(7), container: None, process: None };
        let ends = vec![OwnedEnd { end: seg.to, owner: Arc::new(owner) }];
        Naming::Ends { conn: ConnId(seg.stamp.packet), between: [seg.to, seg.from], zone: seg.zone, ends }
    }

    /// The packets of a capture, and whose their comments say the ends were.
    fn read(path: &Path) -> (usize, Vec<(u64, String)>) {
        let mut out = Packets::starting_at(PacketNo(1));
        let mut files = Files::open(&[path.to_owned()], &SourceIds::default()).unwrap();
        while files.fill(&mut out).unwrap() != Filled::End {}
        (out.list.len(), out.owned.iter().map(|(packet, ends)| (packet.0, ends[0].owner.service.to_string())).collect())
    }

    #[test]
    fn live_packets_wait_a_little_for_names_and_a_better_one_is_added() {
        let dir = tempfile::tempdir().unwrap();
        let (path, began) = (dir.path().join("a.pcapng"), Instant::now());
        let taps = Taps { writer: Some(Writer::create(&path, &[], None).unwrap()), ..Taps::default() };
        let (mut taps, namer, seg) = fed(taps, 5, began);
        taps.write(true, true, began).unwrap();
        assert_eq!(read(&path).0, 0, "they wait");
        namer.send(named(&seg, "orders")).unwrap();
        taps.hear(&[]);
        let later = began + HOLD;
        taps.write(true, true, later).unwrap();
        assert_eq!(read(&path), (5, vec![(1, "orders".into())]), "on the first packet, though it came later");
        let late = Packet { stamp: Stamp { packet: PacketNo(6), ..seg.stamp }, ..packet() };
        let again = Item::Segment(Segment { stamp: late.stamp, ..seg.clone() });
        namer.send(named(&seg, "orders")).unwrap();
        namer.send(named(&seg, "a better name")).unwrap();
        taps.hear(&[]);
        taps.take(vec![late], b"x", &[again], later);
        taps.finish(false).unwrap();
        assert_eq!(read(&path), (6, vec![(1, "orders".into()), (6, "a better name".into())]));
    }

    #[test]
    fn a_files_packets_wait_until_the_engine_has_seen_them() {
        let dir = tempfile::tempdir().unwrap();
        let (path, now) = (dir.path().join("a.pcapng"), Instant::now());
        let taps = Taps { writer: Some(Writer::create(&path, &[], None).unwrap()), ..Taps::default() };
        let (mut taps, namer, seg) = fed(taps, 5, now);
        taps.write(false, true, now + 9 * HOLD).unwrap();
        assert_eq!(read(&path).0, 0, "however long it takes");
        namer.send(named(&seg, "orders")).unwrap();
        namer.send(Naming::Passed(PacketNo(5))).unwrap();
        taps.finish(true).unwrap();
        assert_eq!(read(&path), (5, vec![(1, "orders".into())]));
    }

    #[test]
    fn what_just_happened_is_saved_with_its_names() {
        let taps = Taps { recorder: Some(Recorder::new(1 << 20)), ..Taps::default() };
        let (mut taps, namer, seg) = fed(taps, 50, Instant::now());
        namer.send(named(&seg, "orders")).unwrap();
        namer.send(Naming::Address([10, 0, 0, 7].into(), "db".into())).unwrap();
        taps.hear(&[]);
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("once"), dir.path().join("again")] {
            let mut writer = Writer::create(&path, &[], None).unwrap();
            save(taps.recorder.as_ref().unwrap(), &mut taps.naming, &mut writer).unwrap();
            assert_eq!(read(&path), (50, vec![(1, "orders".into())]));
            assert!(std::fs::read(&path).unwrap().windows(2).any(|w| w == b"db"));
        }
    }

    fn packet() -> Packet {
        Packet { stamp: Stamp::default(), source: SourceId(0), link: LinkType(1), wire_len: 1, bytes: 0..1 }
    }

    #[test]
    fn why_a_source_ended_names_it_once() {
        let (to, told) = crossbeam_channel::unbounded();
        let say: Say = Box::new(move |line| drop(to.send(line.to_owned())));
        let mut taps = Taps { say: Some(say), ..Taps::default() };
        let (lo, file) = (SourceId(0), SourceId(1));
        let mut packets = Packets::default();
        packets.news.extend([
            SourceNews::Opened(lo, "br-1".into()),
            SourceNews::Opened(file, "a.pcap".into()),
            SourceNews::Closed(lo, "it went away".into()),
            SourceNews::Closed(file, "a.pcap: cut short at byte 812".into()),
            SourceNews::Closed(file, "".into()),
        ]);
        taps.hear(&packets.news);
        drop(taps);
        assert_eq!(told.iter().collect::<Vec<_>>(), ["br-1: it went away", "a.pcap: cut short at byte 812"]);
    }
}
