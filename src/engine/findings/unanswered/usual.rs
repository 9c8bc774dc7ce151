//! How long the answers to calls of a kind take, where they come.

use crate::engine::traces::Hop;
use crate::model::Pattern;
use crate::time::Span;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// How many answers tell what is usual, how many of them are remembered of a kind, and how many kinds.
const FEW: usize = 4;
const MAX_SAMPLES: usize = 64;
const MAX_KINDS: usize = 1 << 12;
/// How many times as long as three of four answers take, and how long at least, somebody waits who is patient.
const TIMES: u64 = 10;
const PATIENT: Span = Span::from_millis(200);

/// How long the last ones took, by kind.
#[derive(Debug, Default)]
pub(super) struct Usual(HashMap<u64, VecDeque<Span>>);

impl Usual {
    /// One that was answered tells how long that takes.
    pub(super) fn learn(&mut self, hop: &Hop) {
        let answered = matches!(hop.pattern, Pattern::RequestResponse | Pattern::Unary | Pattern::Query) && !hop.pending;
        if !answered || hop.end.is_none() {
            return;
        }
        let kind = hop.kind();
        if self.0.len() < MAX_KINDS || self.0.contains_key(&kind) {
            let samples = self.0.entry(kind).or_default();
            samples.push_back(hop.answering().since(hop.time));
            if samples.len() > MAX_SAMPLES {
                samples.pop_front();
            }
        }
    }

    /// Within what time three of four of a kind are answered, where somebody has waited many times as long.
    pub(super) fn far_beyond(&self, kind: u64, waited: Span) -> Option<Span> {
        let mut samples: Vec<_> = self.0.get(&kind)?.iter().copied().collect();
        samples.sort_unstable();
        let usual = *samples.get(samples.len() * 3 / 4).filter(|_| samples.len() >= FEW)?;
        (waited >= PATIENT && waited.nanos() >= usual.nanos().saturating_mul(TIMES)).then_some(usual)
    }
}
