//! What packets go through beside decoding: the file of `-w`, and the ring of what just happened, which can be saved.

use super::now;
use crate::model::{Item, Packet, Packets, SourceId, SourceNews};
use crate::net::connection_key;
use crate::source::pcapng_write::{WriteError, Writer};
use crate::source::private_file::Owner;
use crate::source::recorder::Recorder;
use crossbeam_channel::Receiver;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

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
    /// Whose the saved file is, under sudo.
    pub owner: Option<Owner>,
    /// What the sources are called.
    pub names: BTreeMap<SourceId, Arc<str>>,
}

impl Taps {
    /// Tells why sources ended, and writes packets.
    pub(super) fn take(&mut self, packets: &Packets, idle: bool) -> Result<(), WriteError> {
        for news in &packets.news {
            match news {
                SourceNews::Opened(id, name) => drop(self.names.insert(*id, Arc::clone(name))),
                SourceNews::Closed(id, why) => self.say(*id, why),
                _ => {}
            }
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        packets.news.iter().for_each(|news| writer.news(news));
        writer.batch(packets)?;
        if idle { writer.flush() } else { Ok(()) }
    }

    /// Why a source ended. A file's reason names it; an interface's does not.
    fn say(&self, id: SourceId, why: &str) {
        let Some(say) = self.say.as_ref().filter(|_| !why.is_empty()) else { return };
        match self.names.get(&id).filter(|name| !why.contains(&***name)) {
            Some(name) => say(&format!("{name}: {why}")),
            None => say(why),
        }
    }

    /// Keeps packets for looking back. `items` are what they hold, in their order.
    pub(super) fn record(&mut self, list: &[Packet], slab: &[u8], items: &[Item]) {
        let Some(recorder) = &mut self.recorder else { return };
        let mut segments = items.iter().filter_map(|item| match item {
            Item::Segment(seg) => Some((seg.stamp.packet, connection_key(seg))),
            Item::Datagram(_) | Item::Tick(_) => None,
        });
        let mut next = segments.next();
        for packet in list {
            let connection = next.filter(|(number, _)| *number == packet.stamp.packet).map(|(_, key)| key);
            if connection.is_some() {
                next = segments.next();
            }
            recorder.push(packet, slab.get(packet.bytes.clone()).unwrap_or_default(), connection);
        }
    }

    /// Saves what is held, if somebody asked; what there is to tell then.
    pub(super) fn save_if_asked(&self) -> Option<SourceNews> {
        self.saves.as_ref()?.try_recv().ok()?;
        let Some(recorder) = &self.recorder else {
            return Some(SourceNews::Told("nothing to save: these packets are in a file already".into()));
        };
        let stamp: String = now().to_string().chars().filter(|c| !matches!(c, '-' | ':')).take_while(|c| *c != '.').collect();
        let name = format!("meshtop-{stamp}Z.pcapng");
        let saved = Writer::create(Path::new(&name), &[], self.owner).and_then(|mut writer| {
            self.names.iter().for_each(|(id, name)| writer.news(&SourceNews::Opened(*id, Arc::clone(name))));
            recorder.save(&mut writer)?;
            writer.finish()
        });
        let told = match saved {
            Ok(()) => format!("saved {} packets to {name}", recorder.iter().count()),
            Err(e) => e.to_string(),
        };
        Some(SourceNews::Told(Arc::from(told)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::RECORDING;
    use crate::model::{Batch, PacketNo};
    use crate::net::Slicer;
    use crate::source::{Files, Filled, Source, SourceIds};

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
            taps.record(&list, &batch.slab, &batch.items);
            segments.extend(batch.items.into_iter().filter_map(|i| if let Item::Segment(seg) = i { Some(seg) } else { None }));
            if filled == Filled::End {
                break;
            }
        }
        let recorder = taps.recorder.unwrap();
        let last = segments.last().unwrap();
        let key = connection_key(last);
        let expected: Vec<_> = segments.iter().filter(|s| connection_key(s) == key).map(|s| s.stamp.packet).collect();
        let mut held: Vec<_> = recorder.connection(key).map(|(packet, _)| packet.stamp.packet).collect();
        held.reverse();
        assert_eq!(held, expected);
        assert_eq!(recorder.iter().count() as u64, next.0 - 1);
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
        taps.take(&packets, false).unwrap();
        drop(taps);
        assert_eq!(told.iter().collect::<Vec<_>>(), ["br-1: it went away", "a.pcap: cut short at byte 812"]);
    }
}
