//! What was found: by kind and key, so that repeats are counted. It judges nothing.

use crate::model::{Finding, FindingKind, FlowId};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many findings there are: more than a person reads; further ones are counted.
const MAX_FINDINGS: usize = 1000;
/// How many occurrences are shown of one: the contract's number.
const MAX_OCCURRENCES: usize = 100;

/// How many flows are known by what is wrong with them: more than are on screens; the oldest go first.
const MAX_MARKS: usize = 10_000;

/// How a finding reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Words {
    /// One sentence for people.
    pub(in crate::engine) title: String,
    /// The one at fault.
    pub(in crate::engine) service: Option<Arc<str>>,
    /// What shows it.
    pub(in crate::engine) evidence: String,
    /// What to do.
    pub(in crate::engine) advice: String,
}

/// How long nothing at all happens where the clock may have been set, or the capture was halted.
const LEAP: Span = Span::from_secs(60);

/// All findings.
#[derive(Debug, Default)]
pub(in crate::engine) struct Book {
    list: Vec<Entry>,
    index: HashMap<(FindingKind, CompactString), usize>,
    /// For the last flow of each occurrence the worst that it shows.
    marks: BTreeMap<FlowId, FindingKind>,
    /// How many of them were told: the others are the last.
    told: usize,
    now: Time,
    /// Until when the last leap was, and how long.
    leap: Option<(Time, Span)>,
    changes: u64,
    /// How often something was found that there was no room for.
    left_out: u64,
}

#[derive(Debug)]
struct Entry {
    finding: Finding,
    /// The flows of the last occurrence: they may still be there when the first ones are gone.
    latest: Vec<FlowId>,
    told: Told,
}

impl Entry {
    fn tell(&mut self) -> Finding {
        self.told = Told::AsItIs;
        self.finding.clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Not,
    AsItIs,
    Before,
}

impl Book {
    pub(super) fn turn_to(&mut self, now: Time) {
        self.now = now;
    }

    /// Something is wrong: what has this key is the same thing again. `flows` show it.
    pub(in crate::engine) fn raise(&mut self, kind: FindingKind, key: &str, flows: Vec<FlowId>, words: Words) {
        self.put(kind, key, flows, words, false);
    }

    /// The same, where more flows show it better: those occurrences come first, and stay where there is no room.
    pub(super) fn prove(&mut self, kind: FindingKind, key: &str, flows: Vec<FlowId>, words: Words) {
        self.put(kind, key, flows, words, true);
    }

    fn put(&mut self, kind: FindingKind, key: &str, flows: Vec<FlowId>, words: Words, best_first: bool) {
        let key = (kind, CompactString::from(key));
        self.changes += 1;
        if let Some(&flow) = flows.last() {
            self.mark(flow, kind);
        }
        let Words { title, service, evidence, advice } = words;
        if let Some(Entry { finding, latest, told }) = self.index.get(&key).and_then(|&at| self.list.get_mut(at)) {
            latest.clone_from(&flows);
            finding.count += 1;
            (finding.title, finding.service, finding.evidence, finding.advice) = (title, service, evidence, advice);
            let at = match best_first {
                true => finding.flows.partition_point(|other| other.len() >= flows.len()),
                false => finding.flows.len(),
            };
            if at < MAX_OCCURRENCES && !flows.is_empty() {
                finding.flows.insert(at, flows);
                finding.flows.truncate(MAX_OCCURRENCES);
            }
            if *told == Told::AsItIs {
                *told = Told::Before;
            }
            return;
        }
        if self.list.len() >= MAX_FINDINGS {
            self.left_out += 1;
            return;
        }
        let id = self.list.len() as u64 + 1;
        let latest = flows.clone();
        // a loss is no flow's
        let flows = Some(flows).filter(|flows| !flows.is_empty()).into_iter().collect();
        let finding = Finding { id, kind, title, service, flows, count: 1, evidence, advice, time: self.now };
        self.index.insert(key, self.list.len());
        self.list.push(Entry { finding, latest, told: Told::Not });
    }

    fn mark(&mut self, flow: FlowId, kind: FindingKind) {
        let mark = self.marks.entry(flow).or_insert(kind);
        if kind.severity() < mark.severity() {
            *mark = kind;
        }
        if self.marks.len() > MAX_MARKS {
            self.marks.pop_first();
        }
    }

    /// What is wrong with a flow, by the findings whose occurrences end with it.
    pub(super) fn mark_of(&self, flow: FlowId) -> Option<FindingKind> {
        self.marks.get(&flow).copied()
    }

    /// All flows of which something is wrong.
    pub(super) fn marks(&self) -> impl Iterator<Item = (FlowId, FindingKind)> {
        self.marks.iter().map(|(flow, kind)| (*flow, *kind))
    }

    /// Packet time has moved on in one step.
    pub(super) fn moved(&mut self, from: Time, to: Time) {
        // it begins before all time
        let step = Some(to.since(from)).filter(|step| *step >= LEAP && from.nanos() > i64::MIN);
        self.leap = step.map(|step| (to, step)).or(self.leap);
    }

    /// How much of the time since then is one step, in which nothing at all was seen.
    pub(super) fn leapt_since(&self, then: Time) -> Span {
        self.leap.filter(|(to, _)| *to > then).map_or(Span::default(), |(_, step)| step)
    }

    /// How far packet time has come.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// More is known of what has this key: it reads otherwise, and did not happen again.
    pub(super) fn reword(&mut self, kind: FindingKind, key: &str, words: Words) {
        let key = (kind, CompactString::from(key));
        let Some(Entry { finding, told, .. }) = self.index.get(&key).and_then(|&at| self.list.get_mut(at)) else { return };
        if (&finding.evidence, &finding.title, &finding.advice) == (&words.evidence, &words.title, &words.advice) {
            return;
        }
        self.changes += 1;
        let Words { title, service, evidence, advice } = words;
        (finding.title, finding.service, finding.evidence, finding.advice) = (title, service, evidence, advice);
        if *told == Told::AsItIs {
            *told = Told::Before;
        }
    }

    pub(super) fn news(&mut self) -> Vec<Finding> {
        let first = std::mem::replace(&mut self.told, self.list.len());
        self.list.iter_mut().skip(first).map(Entry::tell).collect()
    }

    pub(super) fn grown(&mut self) -> Vec<Finding> {
        self.list.iter_mut().filter(|entry| entry.told == Told::Before).map(Entry::tell).collect()
    }

    /// Each with the flows of its last occurrence.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Finding, &[FlowId])> {
        self.list.iter().map(|entry| (&entry.finding, entry.latest.as_slice()))
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_it_comes_first_and_stays() {
        let mut book = Book::default();
        let mut see = |flows: &[u64]| {
            let flows = flows.iter().copied().map(FlowId).collect();
            book.prove(FindingKind::TraceLost, "k", flows, Words::default());
            book.all().next().unwrap().0.flows.iter().map(|flows| flows.last().unwrap().0).collect::<Vec<_>>()
        };
        see(&[1]);
        see(&[2, 3]);
        see(&[4]);
        assert_eq!(see(&[5, 6]), [3, 6, 1, 4]);
        (10..200).for_each(|n| _ = see(&[n]));
        let kept = see(&[7, 8]);
        assert_eq!((&kept[..5], kept.len()), (&[3, 6, 8, 1, 4][..], MAX_OCCURRENCES));
    }

    #[test]
    fn what_reads_otherwise_does_so_as_a_whole() {
        let mut book = Book::default();
        let words = |who: &str| {
            let title = format!("{who} fails");
            Words { title: title.clone(), service: Some(who.into()), evidence: title.clone(), advice: title }
        };
        let told = |book: &Book| {
            let (finding, _) = book.all().next().unwrap();
            let Finding { title, service, evidence, advice, .. } = finding.clone();
            Words { title, service, evidence, advice }
        };
        ["a", "b"].into_iter().for_each(|who| book.raise(FindingKind::SlowHop, "k", vec![FlowId(1)], words(who)));
        assert_eq!(told(&book), words("b"));
        book.reword(FindingKind::SlowHop, "k", words("c"));
        assert_eq!(told(&book), words("c"));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_what_is_known_goes_on() {
        let mut book = Book::default();
        for n in 0..MAX_FINDINGS as u64 + 3 {
            book.raise(FindingKind::SlowHop, &n.to_string(), vec![FlowId(n)], Words::default());
        }
        book.raise(FindingKind::SlowHop, "0", Vec::new(), Words::default());
        assert_eq!((book.news().len(), book.left_out(), book.all().next().unwrap().0.count), (MAX_FINDINGS, 3, 2));
    }
}
