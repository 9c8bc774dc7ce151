//! Counts as records pass, and says what held at the end.

use super::test::Test;
use super::{Expectation, Logic, Subject, Which};
use crate::engine::Record;
use crate::model::{Finding, FlowId, TraceRecord};
use crate::story::Brief;
use std::collections::BTreeMap;

/// How many traces may still grow: far more than are open at once anywhere; older ones are done with.
pub const MAX_OPEN: usize = 1 << 18;
/// How many flows that were counted are remembered of each subject, the first ones, to be shown.
pub const MAX_PROOFS: usize = 10;
/// How many findings are told apart: more than the engine tells.
const MAX_FINDINGS: usize = 1 << 12;

/// The expectations of a run on their way.
#[derive(Debug)]
pub struct Judge {
    expectations: Vec<Expectation>,
    /// One a subject, in the order of the texts.
    flows: Vec<Seen>,
    /// Which subjects each trace meets, by the smallest number of its flows, which it still holds when it has grown.
    traces: BTreeMap<FlowId, Vec<bool>>,
    /// Which subjects each finding meets.
    findings: BTreeMap<u64, Vec<bool>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// Flows that met it, and traces that met it and grow no more.
    count: u64,
    first: Vec<Brief>,
}

/// A test because of which an expectation did not hold.
#[derive(Debug)]
pub struct Blame<'j> {
    /// The test.
    pub subject: &'j Subject,
    /// What was counted.
    pub count: u64,
    /// Of flows the first that were counted.
    pub flows: &'j [Brief],
}

impl Judge {
    /// Of expectations; where there are none, nothing is counted.
    pub fn new(expectations: Vec<Expectation>) -> Self {
        let mut subjects = 0;
        expectations.iter().for_each(|e| e.what.each(&mut |_| subjects += 1));
        Self { expectations, flows: vec![Seen::default(); subjects], traces: BTreeMap::new(), findings: BTreeMap::new() }
    }

    /// How many expectations there are.
    pub fn len(&self) -> usize {
        self.expectations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.expectations.is_empty()
    }

    /// Counts a record; of a trace, `root` is what began it, where that is known.
    pub fn take(&mut self, record: &Record, root: Option<&Brief>) {
        match record {
            Record::Flow(flow) => {
                for (subject, seen) in subjects(&self.expectations).zip(&mut self.flows) {
                    let Which::Flows(filter) = &subject.which else { continue };
                    if filter.as_ref().is_none_or(|filter| filter.matches(flow.as_ref())) {
                        seen.count += 1;
                        if seen.first.len() < MAX_PROOFS {
                            seen.first.push(Brief::of(flow));
                        }
                    }
                }
            }
            Record::Trace(trace) => self.take_trace(trace, root),
            Record::Finding(finding) => {
                if self.findings.len() < MAX_FINDINGS || self.findings.contains_key(&finding.id) {
                    let met = subjects(&self.expectations).map(|subject| subject.finds(finding)).collect();
                    self.findings.insert(finding.id, met);
                }
            }
            Record::Connection(_) | Record::Stats(_) => {}
        }
    }

    fn take_trace(&mut self, trace: &TraceRecord, root: Option<&Brief>) {
        for node in &trace.tree {
            self.traces.remove(&node.flow);
        }
        let Some(first) = trace.tree.iter().map(|node| node.flow).min() else { return };
        let met = subjects(&self.expectations).map(|subject| subject.traces(trace, root)).collect();
        self.traces.insert(first, met);
        if self.traces.len() > MAX_OPEN {
            let done = self.traces.pop_first().map(|(_, met)| met).unwrap_or_default();
            self.flows.iter_mut().zip(done).for_each(|(seen, met)| seen.count += u64::from(met));
        }
    }

    /// The expectations that do not hold, each with the tests that made it so.
    pub fn broken(&self) -> Vec<(&Expectation, Vec<Blame<'_>>)> {
        let mut at = 0;
        let counts: Vec<_> = subjects(&self.expectations).enumerate().map(|(at, subject)| self.count(at, subject)).collect();
        let mut broken = Vec::new();
        for expectation in &self.expectations {
            let mut mine: Vec<(&Subject, usize)> = Vec::new();
            expectation.what.each(&mut |subject| {
                mine.push((subject, at));
                at += 1;
            });
            let place = |subject: &Subject| mine.iter().find(|(s, _)| std::ptr::eq(*s, subject)).map_or(0, |(_, at)| *at);
            let holds = |subject: &Subject| subject.holds(counts[place(subject)]);
            let mut blamed = Vec::new();
            expectation.what.blamed(true, &holds, &mut |subject| {
                let at = place(subject);
                blamed.push(Blame { subject, count: counts[at], flows: &self.flows[at].first });
            });
            if !expectation.what.holds(&holds) {
                broken.push((expectation, blamed));
            }
        }
        broken
    }

    /// How many traces may still grow.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.traces.len()
    }

    fn count(&self, at: usize, subject: &Subject) -> u64 {
        let of = |met: &Vec<bool>| met.get(at) == Some(&true);
        let more = match subject.which {
            Which::Flows(_) => 0,
            Which::Findings(_) => self.findings.values().filter(|met| of(met)).count(),
            Which::Traces(_) => self.traces.values().filter(|met| of(met)).count(),
        };
        self.flows[at].count + more as u64
    }
}

fn subjects(expectations: &[Expectation]) -> impl Iterator<Item = &Subject> {
    expectations.iter().flat_map(|expectation| {
        let mut all = Vec::new();
        expectation.what.each(&mut |subject| all.push(subject));
        all
    })
}

impl Subject {
    /// Whether it counts a finding.
    pub fn finds(&self, finding: &Finding) -> bool {
        let holds = |tests: &Logic<Test>| tests.holds(&|test| test.holds(finding));
        matches!(&self.which, Which::Findings(tests) if tests.as_ref().is_none_or(holds))
    }

    /// Whether it counts a trace.
    pub fn traces(&self, trace: &TraceRecord, root: Option<&Brief>) -> bool {
        let holds = |tests: &Logic<Test>| tests.holds(&|test| test.holds(&(trace, root)));
        matches!(&self.which, Which::Traces(tests) if tests.as_ref().is_none_or(holds))
    }
}
