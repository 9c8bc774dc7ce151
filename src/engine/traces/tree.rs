//! Who caused whom within one trace: a pure function of its hops. It reads no headers and holds nothing.
//!
//! The parent of a flow is the innermost flow that its sender had open, and the sender is known by its name. Without a name it may be
//! any receiver on the same host: where that leaves several that lie within each other the innermost is taken, and told as tied by time
//! alone; where they lie side by side each is as likely, and none is claimed.

use super::hop::{Hop, everybodys, name};
use super::legs::{beside, leg};
use crate::model::{FlowId, Link, Node, Party, Pattern};

/// How deep a tree gets: far above what services do, so that readers of nested output are safe.
const MAX_DEPTH: usize = 256;

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
        let leg = parents[at].is_some_and(|(up, _)| leg(&hops[up], &hops[at]));
        nodes.push(Node { flow: hops[at].flow, depth: depths[at], link: parents[at].map(|(_, link)| link), leg });
        left.extend(children[at].iter().rev());
    }
    nodes
}

/// Whether none of them caused this one, or none can be claimed.
pub(super) fn is_root(hops: &[Hop], flow: FlowId) -> bool {
    let Some(hop) = hops.iter().find(|hop| hop.flow == flow) else { return true };
    let likely = |up: &&Hop| (up.time, up.flow) < (hop.time, flow) && shared(up, hop).is_some() && rank(up, hop).is_some();
    let mut causes = hops.iter().filter(likely);
    // of several the tree tells whether they lie within each other
    match (causes.next(), causes.next()) {
        (None, _) => hop.placed.is_none(),
        (Some(_), None) => false,
        (Some(_), Some(_)) => in_tree(hops, flow),
    }
}

fn in_tree(hops: &[Hop], flow: FlowId) -> bool {
    tree(hops).iter().any(|node| node.flow == flow && node.depth == 0)
}

/// What caused a hop, among those before it: by the ID that they share, else what it was tied to.
fn parent(hops: &[Hop], before: &[usize], at: usize, parents: &[Option<(usize, Link)>]) -> Option<(usize, Link)> {
    let hop = &hops[at];
    let placed = || {
        let (flow, link) = hop.placed?;
        before.iter().find(|&&up| hops[up].flow == flow).map(|&up| (up, link))
    };
    by_id(hops, before, at, parents).or_else(placed)
}

fn by_id(hops: &[Hop], before: &[usize], at: usize, parents: &[Option<(usize, Link)>]) -> Option<(usize, Link)> {
    let hop = &hops[at];
    if let Some(span) = &hop.parent_span {
        let mut carriers = before.iter().filter(|&&up| hops[up].span.as_ref() == Some(span));
        if let (Some(&up), None) = (carriers.next(), carriers.next()) {
            return Some((up, Link::TraceId));
        }
    }
    // who surely sent it comes before who may have, and what its sender was at work on before what it was done with
    let mut ranked: Vec<_> = before.iter().filter_map(|&up| Some((shared(&hops[up], hop)?, rank(&hops[up], hop)?, up))).collect();
    // one address is one sender: whoever it is could send what came from it first, too
    if ranked.iter().any(|(_, (same, _), _)| *same == Same::Maybe)
        && let Some((n, &first)) = before.iter().enumerate().find(|(_, up)| hops[**up].from.addr == hop.from.addr)
    {
        let could = |up: usize| {
            before[..n].iter().any(|&other| hops[other].to.addr == hops[up].to.addr && rank(&hops[other], &hops[first]).is_some())
        };
        ranked.retain(|&(_, (same, _), up)| same == Same::Surely || could(up));
    }
    let best = ranked.iter().map(|(_, rank, _)| *rank).min()?;
    ranked.retain(|(_, rank, _)| *rank == best);
    if ranked.iter().any(|&(.., up)| same_message(&hops[up], hop)) {
        ranked.retain(|&(.., up)| same_message(&hops[up], hop));
    }
    let (link, _, innermost) = *ranked.last()?;
    let above = |up: usize| std::iter::successors(Some(innermost), |&at| parents[at].map(|(up, _)| up)).any(|at| at == up);
    if !ranked.iter().all(|&(.., up)| above(up)) {
        return None;
    }
    // on the address that all services of a machine share, the only one that was seen is a guess too
    let one = !everybodys(hop.from.host()) && ranked.iter().all(|&(.., up)| hops[up].to == hops[innermost].to);
    Some((innermost, if best.0 == Same::Surely || one { link } else { Link::Time }))
}

/// What two flows of one trace share that is an ID.
fn shared(up: &Hop, hop: &Hop) -> Option<Link> {
    let same = |at: usize| hop.keys[at].is_some() && hop.keys[at] == up.keys[at];
    if same(0) { Some(Link::TraceId) } else { same(1).then_some(Link::RequestId) }
}

/// How likely `up` caused `hop`, the likelier the less: whether its receiver is the hop's sender, and was done with it.
fn rank(up: &Hop, hop: &Hop) -> Option<(Same, bool)> {
    // a broker passes on what was published to it, and asks nobody for anything
    let passes_on = hop.pattern == Pattern::Deliver;
    if passes_on != (up.pattern == Pattern::Publish) || (passes_on && up.topic != hop.topic) {
        return None;
    }
    let same = same(&up.to, &hop.from)?;
    // whoever it was waited for it, as far as anybody can tell
    let within = || up.end.is_none_or(|end| end >= hop.last) && (passes_on || !beside(up, hop));
    if same == Same::Maybe && (up.to.addr == hop.to.addr || hop.veiled || !within()) {
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
        _ => (a.host() == b.host()).then_some(Same::Maybe),
    }
}

#[cfg(test)]
mod tests;
