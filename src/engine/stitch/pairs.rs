//! Whether requests that are open at once lie within each other: while both are open nobody can tell, but their trace tells it of others
//! of their kinds once those are over. Nothing of what was sent meanwhile.

use super::super::digest::digester;
use super::super::traces::Traces;
use super::work::Work;
use super::works::label;
use crate::model::FlowId;
use hashbrown::HashMap;
use std::hash::{Hash as _, Hasher as _};

/// How many kinds of pairs are remembered: then all is learned anew.
const MAX_PAIRS: usize = 1 << 14;
/// Of how many pairs of a kind it is looked at how they lay.
const MAX_LEARNED: u32 = 64;

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Pairs(HashMap<u64, Pair>);

/// Pairs of requests of two kinds, of which the one came after the other.
#[derive(Debug)]
struct Pair {
    /// One whose trace is asked once both are over.
    one: [FlowId; 2],
    learned: u32,
    /// Whether of any pair the later one was not because of the other.
    beside: bool,
    /// The last one that was asked for, and whether its trace told nothing against it: many statements come while it is there.
    last: Option<([FlowId; 2], bool)>,
}

impl Pairs {
    /// Whether `inner`, which came later, may be because of `outer`, by all that their trace tells, and by how others of their kinds lay.
    pub(super) fn may_nest(&mut self, outer: &Work, inner: &Work, traces: &Traces) -> bool {
        if self.0.len() >= MAX_PAIRS {
            self.0.clear();
        }
        let mut kinds = digester();
        (label(&outer.to), outer.sort, label(&inner.to), inner.sort).hash(&mut kinds);
        let now = [outer.flow, inner.flow];
        let pair = self.0.entry(kinds.finish()).or_insert(Pair { one: now, learned: 0, beside: false, last: None });
        if let Some((_, may)) = pair.last.filter(|(last, _)| *last == now) {
            return may && !pair.beside;
        }
        pair.learn(now, traces);
        let may = traces.is_because(inner.flow, outer.flow) != Some(false);
        pair.last = Some((now, may));
        may && !pair.beside
    }
}

impl Pair {
    /// Learns from one that is over, and remembers the one that is there `now`.
    fn learn(&mut self, now: [FlowId; 2], traces: &Traces) {
        if self.beside || self.learned >= MAX_LEARNED || self.one == now {
            return;
        }
        let [outer, inner] = self.one;
        // what is not in one trace tells nothing
        let known = [outer, inner].map(|flow| traces.hop(flow).filter(|_| traces.of(outer) == traces.of(inner)));
        if known.iter().flatten().any(|hop| !hop.settled) {
            return;
        }
        if let [Some(_), Some(_)] = known
            && let Some(is) = traces.is_because(inner, outer)
        {
            (self.learned, self.beside) = (self.learned + 1, !is);
        }
        self.one = now;
    }
}
