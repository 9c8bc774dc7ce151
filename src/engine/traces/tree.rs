//! Who caused whom within one trace: a pure function of its hops. It reads no headers and holds nothing.
//!
//! The parent of a flow is the innermost flow that its sender had open, and the sender is known by its name. Without a name it may be
//! any receiver on the same host: where that leaves several that lie within each other the innermost is taken, and told as tied by time
//! alone; where they lie side by side each is as likely, and none is claimed.

use crate::model::{FlowId, Link, Node, Origin, Party, Pattern};
use crate::time::Time;

/// How deep a tree gets: far above what services do, so that readers of nested output are safe.
const MAX_DEPTH: usize = 256;

/// A flow in a trace.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Hop {
    /// Which.
    pub(super) flow: FlowId,
    /// Its first byte.
    pub(super) time: Time,
    /// Until when its receiver was surely at work on it; none: without a known end.
    pub(super) end: Option<Time>,
    /// Its last byte, as far as it is known.
    pub(super) last: Time,
    /// Who sent it.
    pub(super) from: Party,
    /// Who received it.
    pub(super) to: Party,
    /// Which of the two is the server, whose address means something without a name.
    pub(super) to_server: bool,
    /// Its shape.
    pub(super) pattern: Pattern,
    /// Whether it is over, and everything known.
    pub(super) settled: bool,
    /// Whether it went well, as far as is known.
    pub(super) ok: bool,
    /// Whether an answer was due and did not come.
    pub(super) pending: bool,
    /// The span ID that it carries, and the one before that, where its carrier has one.
    pub(super) span: Option<Box<str>>,
    pub(super) parent_span: Option<Box<str>>,
    /// Stands for what its message was routed by.
    pub(super) topic: Option<u64>,
    /// Which of the trace's IDs it carries.
    pub(super) id: u8,
}

/// How sure it is that a flow's receiver is another flow's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    /// By name or by the whole address.
    Surely,
    /// The same host, and at least one has no name.
    Maybe,
}

/// The trace's flows, each behind its parent, siblings by time. `hops` is in the order of flows.
pub(super) fn tree(hops: &[Hop]) -> Vec<Node> {
    let mut order: Vec<usize> = (0..hops.len()).collect();
    order.sort_by_key(|&at| (hops[at].time, hops[at].flow));
    let mut parents: Vec<Option<(usize, Link)>> = vec![None; hops.len()];
    let mut depths = vec![0; hops.len()];
    let mut children = vec![Vec::new(); hops.len()];
    let mut roots = Vec::new();
    for (n, &at) in order.iter().enumerate() {
        match parent(hops, &order[..n], at, &parents).filter(|(up, _)| depths[*up] + 1 < MAX_DEPTH) {
            Some((up, link)) => {
                (parents[at], depths[at]) = (Some((up, link)), depths[up] + 1);
                children[up].push(at);
            }
            None => roots.push(at),
        }
    }
    let mut nodes = Vec::with_capacity(hops.len());
    let mut left: Vec<_> = roots.into_iter().rev().collect();
    while let Some(at) = left.pop() {
        nodes.push(Node { flow: hops[at].flow, depth: depths[at], link: parents[at].map(|(_, link)| link) });
        left.extend(children[at].iter().rev());
    }
    nodes
}

/// What caused a hop, among those before it.
fn parent(hops: &[Hop], before: &[usize], at: usize, parents: &[Option<(usize, Link)>]) -> Option<(usize, Link)> {
    let hop = &hops[at];
    if let Some(span) = &hop.parent_span {
        let mut carriers = before.iter().filter(|&&up| hops[up].span.as_ref() == Some(span));
        if let (Some(&up), None) = (carriers.next(), carriers.next()) {
            return Some((up, Link::TraceId));
        }
    }
    // who surely sent it comes before who may have, and what its sender was at work on before what it was done with
    let mut ranked: Vec<_> = before.iter().filter_map(|&up| Some((rank(&hops[up], hop)?, up))).collect();
    let best = ranked.iter().map(|(rank, _)| *rank).min()?;
    ranked.retain(|(rank, _)| *rank == best);
    if ranked.iter().any(|&(_, up)| same_message(&hops[up], hop)) {
        ranked.retain(|&(_, up)| same_message(&hops[up], hop));
    }
    let innermost = ranked.last()?.1;
    let above = |up: usize| std::iter::successors(Some(innermost), |&at| parents[at].map(|(up, _)| up)).any(|at| at == up);
    if !ranked.iter().all(|&(_, up)| above(up)) {
        return None;
    }
    let one = ranked.iter().all(|&(_, up)| hops[up].to == hops[innermost].to);
    Some((innermost, if best.0 == Same::Surely || one { Link::TraceId } else { Link::Time }))
}

/// How likely `up` caused `hop`, the likelier the less: whether its receiver is the hop's sender, and was done with it.
fn rank(up: &Hop, hop: &Hop) -> Option<(Same, bool)> {
    // a broker passes on what was published to it, and asks nobody for anything
    let passes_on = hop.pattern == Pattern::Deliver;
    if passes_on != (up.pattern == Pattern::Publish) || (passes_on && up.topic != hop.topic) {
        return None;
    }
    let same = same(&up.to, &hop.from)?;
    if same == Same::Maybe && up.to.addr == hop.to.addr {
        return None;
    }
    Some((same, !passes_on && up.end.is_some_and(|end| end < hop.time)))
}

/// Whether a message that was delivered is the very one that was published: a broker changes none of its headers.
fn same_message(up: &Hop, hop: &Hop) -> bool {
    up.pattern == Pattern::Publish && up.span.is_some() && up.span == hop.span
}

fn same(a: &Party, b: &Party) -> Option<Same> {
    match (name(a), name(b)) {
        (Some(a), Some(b)) => (a == b).then_some(Same::Surely),
        _ if a.addr == b.addr => Some(Same::Surely),
        _ => (host(a) == host(b)).then_some(Same::Maybe),
    }
}

/// What a party is called: that its process is gone is no name.
pub(super) fn name(party: &Party) -> Option<&str> {
    let gone = party
        .owner
        .as_ref()
        .is_some_and(|owner| owner.origin == Origin::Exited && Some(&owner.service) == party.service.as_ref());
    party.service.as_deref().filter(|_| !gone)
}

fn host(party: &Party) -> &str {
    party.addr.rsplit_once(':').map_or(&*party.addr, |(host, _)| host)
}

#[cfg(test)]
mod tests;
