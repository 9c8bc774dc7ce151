//! Why a trace failed, and where its time went: a pure function of its hops and its tree. It reads no clock and no headers.
//!
//! The critical path goes from the end of a trace back to its beginning: at each moment it lies with the call that was waited for last.
//! A call is waited for until it is answered, whatever its receiver still does because of it then.
//! One that never is, is waited for until it is let go of: by who asked it, or because the same was answered that was asked beside it.
//! What a service did while it waited for nobody is its own; between publish and delivery it is the queue's, save for what a consumer had
//! the message for that gave it back; while the same request is passed on, in a leg of its own, it is the proxy's. While its answer was
//! still being sent it stands apart, as it may be who reads it that took the time, unless that is too short to wait for anybody. While a
//! request was still being sent it is nobody's, nor while something was under way that cannot be read, or of which it is not known whether
//! it or another service waited for it.

use super::doubts::{Doubt, doubts};
use super::failure::cause;
use super::hop::{Hop, UNREAD};
use super::parties::name;
use super::queue::{Copies, Since};
use crate::model::{Above, FlowId, Link, Node, Pattern, Step, StepKind, Why};
use crate::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why a trace is as it is. `hops` is in the order of flows.
pub(super) fn why(hops: &[Hop], tree: &[Node]) -> Why {
    let walk = Walk::new(hops, tree);
    Why { cause: walk.cause(), path: walk.path() }
}

/// The hops in causal order.
struct Walk<'h> {
    hops: Vec<&'h Hop>,
    parents: Vec<Option<(usize, Link)>>,
    /// Also those that their service caused, whichever of its flows it was because of.
    children: Vec<Vec<usize>>,
    /// What each may have caused, or another service.
    unsure: Vec<Vec<usize>>,
    /// Whether it is its parent's request, passed on.
    legs: Vec<bool>,
    /// Until when each was waited for, where that is known.
    waited: Vec<Option<Time>>,
    /// When the last of what each caused was over.
    ends: Vec<Time>,
}

/// Time that was spent, from when on.
type Spent = (Time, usize, StepKind, Time);

impl<'h> Walk<'h> {
    fn new(all: &'h [Hop], tree: &[Node]) -> Self {
        let (mut hops, mut parents, mut legs) = (Vec::<&Hop>::new(), Vec::new(), Vec::new());
        let mut above = Above::default();
        for node in tree {
            let Ok(at) = all.binary_search_by_key(&node.flow, |hop| hop.flow) else { continue };
            parents.push(above.enter(node.depth, hops.len()).zip(node.link));
            hops.push(&all[at]);
            legs.push(node.leg);
        }
        let mut children = vec![Vec::new(); hops.len()];
        let waited = waited(&hops, &parents);
        let mut ends: Vec<_> = hops.iter().zip(&waited).map(|(hop, waited)| waited.unwrap_or(hop.last)).collect();
        for at in (0..hops.len()).rev() {
            if let Some((up, _)) = parents[at] {
                children[up].push(at);
                ends[up] = ends[up].max(ends[at]);
            }
        }
        let flows: Vec<_> = hops.iter().copied().zip(parents.iter().copied()).collect();
        let mut unsure = vec![Vec::new(); hops.len()];
        for Doubt { at, maybe, one, .. } in doubts(&flows) {
            // whichever it was, who waited is known
            let below = if one { &mut children } else { &mut unsure };
            maybe.into_iter().for_each(|up| below[up].push(at));
        }
        Self { hops, parents, children, unsure, legs, waited, ends }
    }

    /// The call that failed first.
    fn cause(&self) -> Option<FlowId> {
        let flows: Vec<_> = self.hops.iter().zip(&self.parents).map(|(hop, up)| (*hop, *up)).collect();
        cause(&flows).and_then(|at| Some(self.hops.get(at)?.flow))
    }

    fn path(&self) -> Vec<Step> {
        let mut spent = Vec::new();
        let mut roots: Vec<_> = (0..self.hops.len()).filter(|&at| self.parents[at].is_none()).collect();
        roots.sort_by_key(|&at| std::cmp::Reverse((self.ends[at], at)));
        let mut until = roots.first().map(|&at| self.ends[at]).unwrap_or_default();
        for root in roots {
            if self.hops[root].time < until {
                self.walk(root, until.min(self.ends[root]), &mut spent);
                until = self.hops[root].time;
            }
        }
        spent.sort_by_key(|&(from, at, ..)| (from, at));
        let mut steps: Vec<Step> = Vec::new();
        for (from, at, kind, to) in spent {
            let (flow, own) = (self.hops[at].flow, to.since(from));
            match steps.iter_mut().find(|step| step.flow == flow && step.kind == kind) {
                Some(step) => step.own = step.own.and(own),
                None => steps.push(Step { flow, service: self.service(at, kind), kind, own }),
            }
        }
        steps
    }

    /// What was waited for until a moment, from the last on. A tree is no deeper than it is safe to call.
    fn walk(&self, at: usize, mut until: Time, spent: &mut Vec<Spent>) {
        let hop = self.hops[at];
        let proxy = self.children[at].iter().any(|&down| self.legs[down]);
        let kind = if proxy { StepKind::Proxy } else { StepKind::Work };
        let unsure = self.unsure[at].iter().map(|&may| (self.hops[may].time, self.ends[may]));
        let mut unsure: Vec<_> = hop.extra().unread.iter().copied().chain(unsure).collect();
        unsure.sort_unstable();
        let in_vain = self.waited[at].filter(|_| hop.pending).or(hop.extra().let_go);
        let done = in_vain.unwrap_or_else(|| hop.answering());
        let own = |from: Time, to: Time, spent: &mut Vec<Spent>| {
            let sending = from.max(hop.answering());
            if sends_at_last(hop) && sending < to.min(hop.last) {
                spent.push((sending, at, StepKind::Sending, to.min(hop.last)));
            }
            let (mut from, to) = (from.max(hop.extra().whole.unwrap_or(hop.time)), to.min(done));
            for &(begin, end) in unsure.iter().filter(|(begin, _)| *begin < to) {
                if from < begin {
                    spent.push((from, at, kind, begin));
                }
                from = from.max(end);
            }
            if from < to {
                spent.push((from, at, kind, to));
            }
        };
        // what is sent after the own answer leads up to the end of the trace, and nobody waits for it before
        let before = until <= self.waited[at].unwrap_or(hop.last);
        let waited_for = |down: usize| self.waited[down].filter(|_| before).unwrap_or(self.ends[down]);
        // of what was let go of as the other was answered, that one led on
        let mut children: Vec<_> =
            self.children[at].iter().map(|&down| (waited_for(down), !self.hops[down].pending, down)).collect();
        children.sort_by_key(|&child| std::cmp::Reverse(child));
        for (end, _, down) in children {
            let (begin, end) = (self.hops[down].time, end.min(until));
            if begin >= end || begin < hop.time {
                continue;
            }
            own(end, until, spent);
            self.walk(down, end, spent);
            until = begin;
            if self.hops[down].pattern == Pattern::Deliver && hop.pattern == Pattern::Publish {
                self.queued(at, down, spent);
                return;
            }
        }
        own(hop.time, until, spent);
    }

    /// From when a message was published until this delivery of it.
    fn queued(&self, published: usize, mut copy: usize, spent: &mut Vec<Spent>) {
        let copies = Copies::of(self.children[published].iter().map(|&at| (at, self.hops[at])));
        loop {
            let begin = self.hops[copy].time;
            match copies.since(self.hops[copy]) {
                Since::GivenBack(earlier, Some(back)) => {
                    spent.push((back, copy, StepKind::Queue, begin));
                    self.walk(earlier, back, spent);
                    copy = earlier;
                }
                Since::GivenBack(earlier, None) => {
                    spent.push((self.hops[earlier].time, earlier, StepKind::Work, begin));
                    copy = earlier;
                }
                Since::Published | Since::Unknown => {
                    return spent.push((self.hops[published].time, copy, StepKind::Queue, begin));
                }
            }
        }
    }

    fn service(&self, at: usize, kind: StepKind) -> Arc<str> {
        let hop = self.hops[at];
        match (&hop.extra().via, kind) {
            (Some(queue), StepKind::Queue) => Arc::from(&**queue),
            _ => match (name(&hop.to), &hop.to.service) {
                (Some(_), Some(service)) => Arc::clone(service),
                _ => Arc::clone(&hop.to.addr),
            },
        }
    }
}

/// Until when each call was waited for, as far as that is known: who did well without an answer may not have waited until it was done.
fn waited(hops: &[&Hop], parents: &[Option<(usize, Link)>]) -> Vec<Option<Time>> {
    let placed = || hops.iter().zip(parents).map(|(hop, up)| (*hop, up.map(|(up, _)| up)));
    let answered = |hop: &Hop| !hop.pattern.one_way() && hop.settled && !hop.pending;
    let well = placed().filter(|(hop, up)| answered(hop) && hop.ok && up.is_some());
    let well: BTreeSet<_> = well.map(|(hop, up)| (up, hop.operation.as_str(), hop.last)).collect();
    let over = hops.iter().map(|hop| hop.last).max().unwrap_or_default();
    let mut waited: Vec<Option<Time>> = Vec::with_capacity(hops.len());
    for (hop, up) in placed() {
        let in_vain = || {
            let beside = well.range((up, hop.operation.as_str(), hop.time)..).next();
            let beside = beside.filter(|(of, operation, _)| (*of, *operation) == (up, hop.operation.as_str()));
            let above = up.and_then(|up| Some((*hops.get(up)?, *waited.get(up)?)));
            let done = above.and_then(|(above, waited)| waited.or(above.end).or(above.extra().let_go));
            let done = done.map_or(over, |done| done.min(over));
            let let_go = hop.extra().let_go.filter(|at| *at <= done);
            let given_up = let_go.unwrap_or(done);
            let beside = beside.map(|(.., at)| *at).filter(|at| *at <= given_up && given_up.since(*at) <= UNREAD);
            beside.or(let_go).or_else(|| above.filter(|(above, _)| !above.ok).map(|_| done))
        };
        waited.push(match hop.pattern.one_way() {
            false if hop.pending => in_vain(),
            _ => Some(hop.last).filter(|_| answered(hop)),
        });
    }
    waited
}

/// Whether nothing but its answer goes over it once that has begun.
fn sends_at_last(hop: &Hop) -> bool {
    matches!(hop.pattern, Pattern::RequestResponse | Pattern::Unary | Pattern::Query | Pattern::ServerStream)
}

#[cfg(test)]
mod tests;
