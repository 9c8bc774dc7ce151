//! What is counted, and what the sources said: for the status line and the `stats` record.

use super::conns::Conns;
use super::findings::Findings;
use super::store::Store;
use super::traces::Traces;
use super::view::{SourceStatus, Status};
use crate::model::{Attachment, SourceNews, SourceSet, Stats, Totals};
use crate::time::Time;
use std::sync::Arc;

/// How many sources have a place of their own in a [`SourceSet`]; the rest share the last.
const PLACES: usize = 64;
/// How many different sets of sources have their names ready.
const MAX_SETS: usize = 64;
/// The parts of the second over which flows are counted.
const PARTS: usize = 10;

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The pipeline's.
    pub(super) totals: Totals,
    /// Events and facts that found no place: a part of a flow that is not open, say. A mistake of ours, so it is shown.
    pub(super) unplaced: u64,
    /// Whether the last turn was taken.
    pub(super) ended: bool,
    flows: u64,
    protocols: Vec<(&'static str, u64)>,
    /// Flows that began in each tenth of a second, by its number modulo ten, and which tenth is the newest.
    recent: [u64; PARTS],
    newest: i64,
}

impl Tally {
    /// A flow has begun.
    pub(super) fn opened(&mut self, now: Time) {
        self.flows += 1;
        self.turn_to(now);
        self.recent[self.newest.rem_euclid(PARTS as i64) as usize] += 1;
    }

    /// A flow has settled.
    pub(super) fn settled(&mut self, protocol: &'static str) {
        match self.protocols.iter_mut().find(|(p, _)| *p == protocol) {
            Some(count) => count.1 += 1,
            None => self.protocols.push((protocol, 1)),
        }
    }

    /// Flows that began within the last second.
    pub(super) fn rate(&mut self, now: Time) -> u64 {
        self.turn_to(now);
        self.recent.iter().sum()
    }

    /// The record.
    pub(super) fn stats(&self, conns: &Conns, sources: &Sources, store: &Store, traces: &Traces, findings: &Findings) -> Stats {
        let evicted = store.evicted();
        Stats {
            totals: self.totals.clone(),
            kernel_drops: sources.kernel_drops(),
            connections: conns.seen,
            flows: self.protocols.clone(),
            evicted_bodies: evicted.bodies,
            evicted_details: evicted.details,
            evicted_flows: evicted.flows,
            evicted_traces: traces.evicted(),
            evicted_findings: findings.left_out(),
            unplaced: self.unplaced,
            peak_memory: store.peak() as u64,
        }
    }

    /// The truth line.
    pub(super) fn status(&mut self, now: Time, conns: &Conns, sources: &Sources, store: &Store, traces: &Traces) -> Status {
        let evicted = store.evicted();
        let undecoded = self.totals.undecoded_bytes + self.totals.encrypted_bytes;
        Status {
            packets: self.totals.packets,
            bytes: self.totals.bytes,
            kernel_drops: sources.kernel_drops(),
            own_drops: self.totals.own_drops,
            gaps: self.totals.gaps,
            decode_errors: self.totals.decode_errors,
            undecoded_bytes: undecoded,
            tap_bytes: self.totals.tap_bytes,
            connections: conns.seen,
            // one that carried nothing speaks no protocol: each that counts left a byte at least
            unknown_connections: conns.unknown.min(undecoded),
            flows: self.flows,
            rate: self.rate(now),
            evicted: evicted.flows + evicted.details + evicted.bodies + traces.evicted() + self.totals.evicted_held,
            unplaced: self.unplaced,
            passed_over: self.totals.passed_over.clone(),
            memory: (store.used() + traces.used()) as u64,
            sources: sources.list.iter().filter(|s| s.name.is_some()).map(|s| s.status.clone()).collect(),
            progress: sources.progress,
            ended: self.ended,
            warning: sources.warning.clone(),
            notice: sources.notice.clone(),
            memory_limit: 0,
            found: None,
            problems: Arc::default(),
            offers: Arc::default(),
            capture_filter: None,
        }
    }

    fn turn_to(&mut self, now: Time) {
        let part = now.nanos().div_euclid(1_000_000_000 / PARTS as i64);
        let passed = part.saturating_sub(self.newest).clamp(0, PARTS as i64);
        for step in 1..=passed {
            self.recent[(part - passed + step).rem_euclid(PARTS as i64) as usize] = 0;
        }
        self.newest = self.newest.max(part);
    }
}

/// What is read.
#[derive(Debug, Default)]
pub(super) struct Sources {
    list: Vec<Source>,
    sets: Vec<(SourceSet, Vec<Arc<str>>)>,
    progress: Option<(u64, u64)>,
    warning: Option<String>,
    notice: Option<(u64, Arc<str>)>,
    attachments: u64,
}

#[derive(Debug, Default)]
struct Source {
    name: Option<Arc<str>>,
    kernel_drops: u64,
    status: SourceStatus,
}

impl Sources {
    /// A source has something to say.
    pub(super) fn hear(&mut self, news: SourceNews) {
        match news {
            SourceNews::Opened(id, name) => {
                let source = self.source(id.0);
                let again = source.status.closed.is_some();
                source.status = SourceStatus { name: name.to_string(), closed: None, ..source.status.clone() };
                source.name = Some(Arc::clone(&name));
                // it is back: that it went is no warning any more
                self.warning.take_if(|warning| again && warning.starts_with(&format!("{name}: ")));
                self.sets.clear();
            }
            SourceNews::Closed(id, why) => {
                let source = self.source(id.0);
                source.status.closed = Some(why.to_string());
                if !why.is_empty() {
                    // a source that could not even be opened has no name here; then, and in a file's case, the reason has it
                    let name = Some(&source.status.name).filter(|name| !name.is_empty() && !why.contains(name.as_str()));
                    self.warning = Some(name.map_or_else(|| why.to_string(), |name| format!("{name}: {why}")));
                }
            }
            SourceNews::KernelDrops(id, drops) => self.source(id.0).kernel_drops = drops,
            SourceNews::Packets(id, n) => self.source(id.0).status.packets = n,
            SourceNews::Tap(id, tap) => {
                self.attachments += 1;
                let source = self.source(id.0);
                let named = source.name.replace(Arc::clone(&tap.name)).is_some();
                (source.status.name, source.status.tap) = (tap.name.to_string(), Some(tap));
                if !named {
                    self.sets.clear();
                }
            }
            SourceNews::Told(text) => self.answer(text),
            SourceNews::Warned(text) => self.warning = Some(text.to_string()),
            SourceNews::Progress(done, all) => self.progress = Some((done, all)),
            // a fact, not about the source: the engine takes it before
            SourceNews::Name(..) | SourceNews::Zone(..) => {}
        }
    }

    /// Tells something once.
    pub(super) fn answer(&mut self, text: Arc<str>) {
        self.notice = Some((self.notice.as_ref().map_or(1, |(n, _)| n + 1), text));
    }

    /// The names of what saw something.
    pub(super) fn names_of(&mut self, set: SourceSet) -> &[Arc<str>] {
        let at = match self.sets.iter().position(|(s, _)| *s == set) {
            Some(at) => at,
            None => {
                if self.sets.len() >= MAX_SETS {
                    self.sets.clear();
                }
                let names = self.list.iter().take(PLACES).enumerate().filter(|(place, _)| set.0 >> place & 1 == 1);
                let names = names.filter_map(|(_, source)| source.name.clone()).collect();
                self.sets.push((set, names));
                self.sets.len() - 1
            }
        };
        &self.sets[at].1
    }

    /// Whether there is more than one.
    pub(super) fn several(&self) -> bool {
        let open = |source: &&Source| source.status.tap.as_ref().is_none_or(|tap| tap.detached.is_none());
        self.list.iter().filter(|source| source.name.is_some()).filter(open).count() > 1
    }

    /// The taps as they stand, and how often that has changed.
    pub(super) fn taps(&self) -> (impl Iterator<Item = &Arc<Attachment>>, u64) {
        (self.list.iter().filter_map(|source| source.status.tap.as_ref()), self.attachments)
    }

    pub(super) fn kernel_drops(&self) -> u64 {
        self.list.iter().map(|s| s.kernel_drops).sum()
    }

    fn source(&mut self, id: u16) -> &mut Source {
        let at = usize::from(id);
        if self.list.len() <= at {
            self.list.resize_with(at + 1, Source::default);
        }
        &mut self.list[at]
    }
}
