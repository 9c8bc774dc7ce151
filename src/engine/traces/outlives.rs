//! Which calls are not sent because of others that are open meanwhile. Who sends something waits for it, as far as anybody can tell where
//! he has no name: calls of a kind that now and then outlive another kind's are sent by somebody else, and lie beside it also where they
//! happen to lie within. Only of services that share one host, without a name.

use super::super::digest::digester;
use super::Traces;
use super::callers::is_nameless;
use super::failure::went_wrong;
use super::hop::Hop;
use super::parties::{everybodys, name};
use super::trace::SEARCHED;
use crate::model::{FlowId, Party, Pattern};
use hashbrown::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many pairs of kinds are remembered: then all is learned anew.
const MAX_PAIRS: usize = 1 << 14;
/// From how many pairs on nothing more is learned of two kinds.
const MAX_LEARNED: u32 = 256;
/// Where one in so many outlived the other, all lie beside it: fewer may be chance, such as a call that nobody waited for.
const ONE_IN: u32 = 10;

/// What was learned, by what stands for the two kinds.
#[derive(Debug, Default)]
pub(super) struct Outlives(HashMap<(u64, u64), Pair>);

/// Of how many pairs the later one was over first, and of how many the earlier one.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    within: u32,
    beyond: u32,
}

/// Stands for what is asked of whom: whatever looks like an ID in that.
pub(in crate::engine) fn what(to: &Party, sort: u64) -> u64 {
    let mut hasher = digester();
    name(to).unwrap_or(&to.addr).hash(&mut hasher);
    hasher.write_u64(sort);
    hasher.finish()
}

impl Outlives {
    /// Learns from a trace's flows.
    pub(super) fn learn(&mut self, hops: &[Hop]) {
        for inner in hops.iter().filter(|hop| is_alone(hop) && waited_for(hop)) {
            let open: Vec<_> = around(hops, inner).map(|outer| (outer, outer.kind())).collect();
            for (outer, other) in open.iter().filter(|(outer, _)| waited_for(outer)) {
                // of several of a kind any may be the one
                if open.iter().filter(|(_, another)| another == other).nth(1).is_none() {
                    self.pair((*other, inner.kind())).add(outer.end.is_none_or(|end| inner.last <= end));
                }
            }
        }
    }

    fn pair(&mut self, kinds: (u64, u64)) -> &mut Pair {
        if self.0.len() >= MAX_PAIRS && !self.0.contains_key(&kinds) {
            self.0.clear();
        }
        self.0.entry(kinds).or_default()
    }

    /// Whether calls of the second kind are not sent because of the first.
    pub(super) fn beside(&self, outer: u64, inner: u64) -> bool {
        !self.0.is_empty() && self.0.get(&(outer, inner)).is_some_and(Pair::is_beside)
    }

    /// Where something was open when a flow was sent that lies beside it, and nothing that may not.
    pub(super) fn addrs(&self, hops: &[Hop], hop: &Hop) -> Vec<Arc<str>> {
        if self.0.is_empty() || !is_alone(hop) {
            return Vec::new();
        }
        let open: Vec<_> = around(hops, hop).map(|outer| (&outer.to.addr, self.beside(outer.kind(), hop.kind()))).collect();
        let beside = open.iter().filter(|(_, beside)| *beside).map(|(addr, _)| addr);
        let all = |addr: &&&Arc<str>| open.iter().all(|(other, beside)| *beside || other != *addr);
        beside.filter(all).map(|addr| Arc::clone(addr)).collect()
    }

    /// Has a trace's flows know what lies beside each.
    pub(super) fn tell(&self, hops: &mut [Hop]) {
        for at in 0..hops.len() {
            let beside = self.addrs(hops, &hops[at]);
            if !beside.is_empty() {
                hops[at].extra_mut().beside = beside;
            }
        }
    }
}

impl Pair {
    fn add(&mut self, within: bool) {
        if self.within + self.beyond < MAX_LEARNED {
            *(if within { &mut self.within } else { &mut self.beyond }) += 1;
        }
    }

    fn is_beside(&self) -> bool {
        self.beyond > 0 && self.beyond * ONE_IN >= self.within + self.beyond
    }
}

impl Traces {
    /// Whether calls of the second kind may be because of those of the first that are open, by what stands for both.
    pub(in crate::engine) fn may_lie_within(&self, outer: u64, inner: u64) -> bool {
        self.callers.as_ref().is_none_or(|callers| !callers.outlives.beside(outer, inner))
    }

    /// A flow has settled: it knows what of its trace lies beside it.
    pub(in crate::engine) fn compare(&mut self, flow: FlowId) {
        let Some(callers) = self.callers.as_ref().filter(|callers| !callers.outlives.0.is_empty()) else { return };
        let trace = self.of.get(&flow).and_then(|no| self.list.get_mut(no)).filter(|trace| trace.hops.len() <= SEARCHED);
        let Some(trace) = trace else { return };
        let beside = trace.hop(flow).map(|hop| callers.outlives.addrs(&trace.hops, hop)).unwrap_or_default();
        if let Some(hop) = trace.hop_mut(flow).filter(|_| !beside.is_empty()) {
            hop.extra_mut().beside = beside;
        }
    }
}

/// What was open when a flow was sent, and may have caused it by that alone.
fn around<'h>(hops: &'h [Hop], inner: &'h Hop) -> impl Iterator<Item = &'h Hop> {
    let before = hops.iter().filter(|outer| (outer.time, outer.flow) < (inner.time, inner.flow));
    let open = before.filter(|outer| outer.end.is_none_or(|end| end > inner.time) && outer.to.addr != inner.to.addr);
    let asks = |outer: &Hop| outer.to_server && !outer.passed_on && everybodys(outer.to.host());
    open.filter(move |outer| asks(outer) && !matches!(outer.pattern, Pattern::Query | Pattern::Publish))
}

/// Whether somebody waited for a flow until it was answered as it should be: beyond an error one need not wait for all else.
fn waited_for(hop: &Hop) -> bool {
    hop.settled && hop.end.is_some() && hop.extra().let_go.is_none() && !went_wrong(hop)
}

/// Whether nothing tells who sent a flow, nor because of which one.
fn is_alone(hop: &Hop) -> bool {
    is_nameless(hop) && hop.extra().first_leg.is_none()
}
