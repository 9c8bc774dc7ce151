//! From a source to the engine's turns: the one reader, which numbers packets and slices them, and the workers.
//!
//! Workers run inline in the reader (none), or in threads of their own; the turns are the same. Only packets are ever dropped, and
//! only live: of a worker that is halfway behind new connections are refused whole, of one that is behind all packets are dropped until it
//! is halfway behind, and all of it is counted. Behind is who has no room for more, or, where there is a screen, what is too late for it.

use crate::model::{Batch, Event, PacketNo, Packets, SourceId, SourceNews, Stamp, Tapped, Totals, Turn};
use crate::net::Slicer;
use crate::privileges;
use crate::source::own::{OwnReader, OwnSockets};
use crate::source::pcapng_write::WriteError;
use crate::source::tap::Stop;
use crate::source::{Filled, ON_ITS_WAY, Source, SourceError};
use crate::time::{Span, Time};
use crate::worker::Settings;
use crossbeam_channel::{Receiver, Sender};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod crew;
mod held;
mod names;
mod taps;

use crew::Crew;
pub use names::Names;
pub use taps::{Say, Taps};

/// How a run goes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Worker threads; 0 decodes inline.
    pub workers: usize,
    /// What the decoders are told.
    pub settings: Settings,
    /// Whether packets arrive as they happen: then time goes on without them, and they are dropped rather than waited for.
    pub live: bool,
    /// How old what was read may get before it is worked through, live, where somebody watches to whom what is now matters more than all of
    /// it. Without it, as much waits as there is room for.
    pub late: Option<Duration>,
    /// When to stop: packet time in a file, the clock live.
    pub duration: Option<Span>,
    /// Connections of our own: left out, and counted.
    pub own: OwnSockets,
    /// What taps of brokers tell, and what ends them.
    pub tapped: Option<(Receiver<Tapped>, Stop)>,
}

/// How reading ended.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Not everything was written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The reader could not give up what it does not need.
    #[error(transparent)]
    Rights(#[from] privileges::PrivilegeError),
    /// A worker thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A worker thread ended before its work did.
    #[error("a worker stopped unexpectedly: what was printed is not all")]
    Worker,
}

/// Reads `source` to its end, or until `stop` and, live, what was on its way then, and sends a turn a batch; the last one is marked. Blocks
/// while the engine is behind.
pub fn run(
    mut source: Box<dyn Source>,
    plan: &Plan,
    mut taps: Taps,
    stop: &AtomicBool,
    turns: &Sender<Turn>,
) -> Result<(), PipelineError> {
    let mut crew = Crew::start(plan, turns).map_err(PipelineError::Thread)?;
    let mut reader = Reader::new(plan.own.reader());
    let began = Instant::now();
    let mut ended = Ok(());
    let mut written = Ok(());
    let mut stopped = None;
    while !stop.load(Ordering::Relaxed) || plan.live && stopped.get_or_insert_with(Instant::now).elapsed() < ON_ITS_WAY {
        let mut packets = Packets::reusing(crew.spare(), reader.next);
        let filled = match source.fill(&mut packets) {
            Ok(filled) => filled,
            Err(e) => {
                reader.held.news.push(SourceNews::Warned(e.to_string().into()));
                ended = Err(e.into());
                break;
            }
        };
        reader.next = packets.next();
        reader.note_opened(&packets.news);
        reader.hear_taps(plan.tapped.iter().flat_map(|(tapped, _)| tapped.try_iter()), &mut packets);
        let over = plan.duration.is_some_and(|d| {
            if plan.live { began.elapsed().as_nanos() >= u128::from(d.nanos()) } else { reader.cut(&mut packets, d) }
        });
        taps.hear(&packets.news);
        packets.news.extend(taps.save_if_asked());
        let list = if taps.take_packets() { packets.list.clone() } else { Vec::new() };
        let batch = reader.batch(packets, plan.live.then(now));
        taps.take(list, &batch.slab, &batch.items, Instant::now());
        if !batch.items.is_empty() || !batch.news.is_empty() || !batch.tapped.is_empty() || batch.packets > 0 {
            reader.held = crew.give(batch, &mut reader.sums);
        }
        // a failure is told once; afterwards the writer only counts, and the watch goes on
        if let Err(e) = taps.write(plan.live, filled == Filled::Idle, Instant::now()) {
            reader.held.news.push(SourceNews::Warned(e.to_string().into()));
            written = Err(e.into());
        }
        if over || filled == Filled::End || crew.gone() {
            break;
        }
    }
    let mut rest = Packets::starting_at(reader.next);
    rest.news = source.stopped();
    if let Some((tapped, stop)) = &plan.tapped {
        // each lets go within seconds, and its way here closes with it
        stop.now();
        reader.hear_taps(tapped.iter(), &mut rest);
    }
    taps.hear(&rest.news);
    reader.held.news.append(&mut rest.news);
    let mut rest = Batch { last: reader.last, news: reader.held.news, tapped: reader.held.tapped, ..Batch::default() };
    reader.slicer.finish(&mut rest);
    reader.sums.add(&counted(&mut rest));
    let worked = crew.finish(&reader.sums, rest);
    // a worker that failed never gives the last turn
    let finished = taps.finish(worked.is_ok()).map_err(PipelineError::from);
    ended.and(written).and(finished).and(worked)
}

/// What does not go with the packets of a batch that was dropped.
#[derive(Default)]
struct Kept {
    news: Vec<SourceNews>,
    tapped: Vec<Event>,
}

/// The reader's own state.
struct Reader {
    slicer: Slicer,
    next: PacketNo,
    no: u64,
    sums: Totals,
    /// When a file's duration is over.
    until: Option<Time>,
    /// How far it has come.
    last: Stamp,
    held: Kept,
    own: OwnReader,
    /// Packets of each source.
    counts: BTreeMap<SourceId, u64>,
    /// Those that packets come from, or may.
    sources: BTreeSet<SourceId>,
}

impl Reader {
    fn new(own: OwnReader) -> Self {
        Self {
            slicer: Slicer::default(),
            next: PacketNo(1),
            no: 0,
            sums: Totals::default(),
            until: None,
            last: Stamp::default(),
            held: Kept::default(),
            own,
            counts: BTreeMap::new(),
            sources: BTreeSet::new(),
        }
    }

    /// Numbers are given already: slices packets into items, and lets time go on where none came.
    fn batch(&mut self, packets: Packets, clock: Option<Time>) -> Batch {
        let mut batch = Batch { no: self.no, ..Batch::default() };
        let idle = packets.list.is_empty();
        for packet in &packets.list {
            *self.counts.entry(packet.source).or_default() += 1;
        }
        self.sources.extend(self.counts.keys());
        batch.several = self.sources.len() > 1;
        self.slicer.batch(packets, &mut batch);
        if let (true, Some(now)) = (idle, clock) {
            self.slicer.tick(now, &mut batch);
        }
        let ours = batch.items.extract_if(.., |item| item.segment().is_some_and(|seg| self.own.has(seg.from, seg.to)));
        for item in ours {
            self.sums.pass_over("our own connections", 1, item.payload());
        }
        self.no += 1;
        self.last = batch.last;
        batch.news.splice(0..0, std::mem::take(&mut self.held.news));
        batch.tapped = std::mem::take(&mut self.held.tapped);
        for event in &mut batch.tapped {
            event.at.packet = self.last.packet;
        }
        if !idle {
            batch.news.extend(self.counts.iter().map(|(source, n)| SourceNews::Packets(*source, *n)));
        }
        self.sums.add(&counted(&mut batch));
        batch
    }

    /// Sources that were opened: what one of them shows first may be what another one showed last.
    fn note_opened(&mut self, news: &[SourceNews]) {
        self.sources.extend(news.iter().filter_map(|news| if let SourceNews::Opened(id, _) = news { Some(*id) } else { None }));
    }

    /// Takes what taps tell: it goes with the next batch.
    fn hear_taps(&mut self, tapped: impl Iterator<Item = Tapped>, packets: &mut Packets) {
        for Tapped { events, news, dropped } in tapped {
            self.held.tapped.extend(events);
            packets.news.extend(news);
            self.sums.own_drops += dropped;
        }
    }

    /// Leaves out packets after the duration, counted from the first one; whether there were any.
    fn cut(&mut self, packets: &mut Packets, duration: Span) -> bool {
        let Some(first) = packets.list.first() else { return false };
        let until = *self.until.get_or_insert(first.stamp.time.after(duration));
        let before = packets.list.iter().position(|p| p.stamp.time > until);
        packets.list.truncate(before.unwrap_or(packets.list.len()));
        before.is_some()
    }
}

/// What the slicer counted in a batch.
fn counted(batch: &mut Batch) -> Totals {
    let &mut Batch { packets, bytes, header_bytes, passed_over_bytes, .. } = batch;
    let passed_over = std::mem::take(&mut batch.passed_over);
    Totals { packets, bytes, header_bytes, passed_over_bytes, passed_over, ..Totals::default() }
}

/// The clock on the wall: the only one, for a live reader without packets.
fn now() -> Time {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    Time::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::RECORDING;
    use crate::model::{EventKind, LinkType};
    use crate::source::{Files, SourceIds};

    /// The turns of a run over `source`, as they arrive.
    fn turns(source: Box<dyn Source>, workers: usize) -> Vec<Turn> {
        let (to, turns) = crossbeam_channel::unbounded();
        let plan = Plan { workers, ..Plan::default() };
        run(source, &plan, Taps::default(), &AtomicBool::new(false), &to).unwrap();
        drop(to);
        turns.iter().collect()
    }

    fn recording() -> Box<dyn Source> {
        Box::new(Files::bundled("demo", RECORDING, &SourceIds::default()))
    }

    /// Every packet of the recording again on a second interface, 1 ms later: copies, not retransmissions.
    struct Twice(Box<dyn Source>);

    impl Source for Twice {
        fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
            let mut once = Packets::starting_at(PacketNo(1));
            let filled = self.0.fill(&mut once)?;
            for packet in &once.list {
                let late = packet.stamp.time.after(Span::from_millis(1));
                for (time, source) in [(packet.stamp.time, SourceId(0)), (late, SourceId(1))] {
                    out.push(time, source, packet.link, packet.wire_len, once.bytes(packet));
                }
            }
            Ok(filled)
        }
    }

    /// Of each five packets of the recording one is lost.
    struct Lossy(Box<dyn Source>);

    impl Source for Lossy {
        fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
            let mut all = Packets::starting_at(PacketNo(1));
            let filled = self.0.fill(&mut all)?;
            for packet in all.list.iter().filter(|packet| packet.stamp.packet.0 % 5 != 2) {
                out.push(packet.stamp.time, packet.source, packet.link, packet.wire_len, all.bytes(packet));
            }
            Ok(filled)
        }
    }

    #[test]
    fn a_datagram_on_two_interfaces_is_one_for_any_number_of_workers() {
        let bytes = include_bytes!("../tests/captures/dns/input.pcap");
        let once = || Box::new(Files::bundled("dns", bytes, &SourceIds::default())) as Box<dyn Source>;
        let flows = |turns: &[Turn]| {
            let flow = |e: &&Event| matches!(e.kind, EventKind::Open(..) | EventKind::Close(..));
            turns.iter().map(|turn| turn.events.iter().filter(flow).count()).sum::<usize>()
        };
        let inline = turns(Box::new(Twice(once())), 0);
        assert_eq!(flows(&inline), 22, "11 flows, each opened and closed");
        assert_eq!(flows(&turns(once(), 0)), 22);
        for workers in [1, 2, 4] {
            assert_eq!(turns(Box::new(Twice(once())), workers), inline, "{workers} workers");
        }
    }

    #[test]
    fn any_number_of_workers_gives_the_same_turns() {
        let sources: [fn() -> Box<dyn Source>; 3] = [recording, || Box::new(Twice(recording())), || Box::new(Lossy(recording()))];
        for source in sources {
            let inline = turns(source(), 0);
            assert!(inline.iter().map(|turn| turn.events.len()).sum::<usize>() > 1000, "there is something to compare");
            for workers in [1, 2, 4] {
                assert_eq!(turns(source(), workers), inline, "{workers} workers");
            }
        }
    }

    #[test]
    fn the_same_packet_on_two_interfaces_is_one() {
        let flows = |turns: &[Turn]| {
            let events = turns.iter().flat_map(|turn| &turn.events);
            events.filter(|e| matches!(e.kind, EventKind::Open(..))).count()
        };
        let (once, twice) = (turns(recording(), 1), turns(Box::new(Twice(recording())), 1));
        assert_eq!(flows(&once), flows(&twice));
        let of = |wanted: fn(&EventKind) -> bool| {
            let events = twice.iter().flat_map(|turn| &turn.events).filter(move |e| wanted(&e.kind));
            events.map(|e| e.conn).collect::<BTreeSet<_>>()
        };
        let both = of(|kind| matches!(kind, EventKind::SeenBy(SourceId(1))));
        assert_eq!(both, of(|kind| matches!(kind, EventKind::Began(..))), "each was seen by the other one too");
        let sums = |turns: &[Turn]| turns.last().map(|turn| (turn.totals.gaps, turn.totals.undecoded_bytes));
        assert_eq!(sums(&once), sums(&twice));
        let Turn { totals, .. } = twice.last().unwrap();
        let events = twice.iter().flat_map(|turn| &turn.events);
        let carried = events
            .map(|e| if let EventKind::Ended(ended) = &e.kind { ended.packets.to_server + ended.packets.to_client } else { 0 })
            .sum::<u64>();
        let passed_over = totals.passed_over.iter().map(|(_, n)| n).sum::<u64>();
        assert_eq!(carried + passed_over, totals.packets, "each packet is a connection's or passed over");
        assert!(totals.passed_over.iter().any(|(reason, n)| *reason == "seen on another interface" && *n > totals.packets / 3));
        let Totals { header_bytes, passed_over_bytes, repeated_bytes, stream_bytes, .. } = totals;
        assert_eq!(totals.bytes, header_bytes + passed_over_bytes + repeated_bytes + stream_bytes, "each byte is counted once");
    }

    #[test]
    fn one_source_shows_nothing_that_another_one_did() {
        let mut reader = Reader::new(OwnSockets::default().reader());
        let mut batch = |source: u16, opened: &[u16]| {
            let news: Vec<_> = opened.iter().map(|id| SourceNews::Opened(SourceId(*id), "one".into())).collect();
            let mut packets = Packets::starting_at(reader.next);
            packets.push(Time::default(), SourceId(source), LinkType(1), 60, &[0; 60]);
            reader.note_opened(&news);
            reader.batch(packets, None).several
        };
        assert!(!batch(0, &[0]) && !batch(0, &[]));
        assert!(batch(0, &[1]), "the other one may show it next");
        assert!(batch(0, &[]));
    }

    #[test]
    fn a_files_duration_is_packet_time() {
        let (to, all) = crossbeam_channel::unbounded();
        let plan = Plan { duration: Some(Span::from_secs(3)), ..Plan::default() };
        run(recording(), &plan, Taps::default(), &AtomicBool::new(false), &to).unwrap();
        drop(to);
        let times: Vec<_> = all.iter().flat_map(|turn| turn.events).map(|event| event.at.time).collect();
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(last.since(*first) <= Span::from_secs(3) && times.len() > 100);
    }
}
