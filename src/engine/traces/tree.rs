//! Who caused whom within one trace: a pure function of its hops. It reads no headers and holds nothing.
//!
//! The parent of a flow is the innermost flow that its sender had open, and the sender is known by its name. Without a name it may be
//! any receiver on the same host: where that leaves several that lie within each other the innermost is taken, and told as tied by time
//! alone; where they lie side by side each is as likely, and none is claimed.

use super::hop::{Hop, everybodys, name};
use super::legs::{beside, leg};
use crate::model::{FlowId, Link, Node, Party, Pattern};
use causes::Causes;
use hashbrown::HashMap;

mod causes;

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
    let mut order: Vec<&Hop> = hops.iter().collect();
    order.sort_by_key(|hop| (hop.time, hop.flow));
    let mut parents: Vec<Option<(usize, Link)>> = Vec::with_capacity(hops.len());
    let mut depths: Vec<usize> = Vec::with_capacity(hops.len());
    let mut children = vec![Vec::new(); hops.len()];
    let mut roots = Vec::new();
    let mut before = Causes::default();
    let mut places = HashMap::with_capacity(hops.len());
    for (at, hop) in order.iter().enumerate() {
        let placed = || hop.placed.and_then(|(flow, link)| Some((*places.get(&flow)?, link)));
        let parent = by_id(&before, &order, hop, &parents).or_else(placed).filter(|(up, _)| depths[*up] + 1 < MAX_DEPTH);
        match parent {
            Some((up, _)) => children[up].push(at),
            None => roots.push(at),
        }
        depths.push(parent.map_or(0, |(up, _)| depths[up] + 1));
        parents.push(parent);
        places.insert(hop.flow, at);
        before.add(hop);
    }
    let mut nodes = Vec::with_capacity(hops.len());
    let mut left: Vec<_> = roots.into_iter().rev().collect();
    while let Some(at) = left.pop() {
        let leg = parents[at].is_some_and(|(up, _)| leg(order[up], order[at]));
        nodes.push(Node { flow: order[at].flow, depth: depths[at], link: parents[at].map(|(_, link)| link), leg });
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

/// What caused a hop by the ID that they share, among those before it.
fn by_id(before: &Causes<'_>, order: &[&Hop], hop: &Hop, parents: &[Option<(usize, Link)>]) -> Option<(usize, Link)> {
    if let Some(up) = hop.parent_span.as_deref().and_then(|span| before.carrier(span)) {
        return Some((up, Link::TraceId));
    }
    // who surely sent it comes before who may have, and what its sender was at work on before what it was done with
    let (same, likeliest) = before.likeliest(hop)?;
    let innermost = *likeliest.last()?;
    // all of them have to lie around the innermost one
    let mut chain = std::iter::successors(Some(innermost), |&at| parents[at].map(|(up, _)| up));
    if !likeliest.iter().rev().all(|up| chain.any(|at| at == *up)) {
        return None;
    }
    let link = shared(order[innermost], hop)?;
    // on the address that all services of a machine share, the only one that was seen is a guess too
    let one = !everybodys(hop.from.host()) && likeliest.iter().all(|&up| order[up].to == order[innermost].to);
    Some((innermost, if same == Same::Surely || one { link } else { Link::Time }))
}

/// What two flows of one trace share that is an ID.
fn shared(up: &Hop, hop: &Hop) -> Option<Link> {
    let same = |at: usize| hop.keys[at].is_some() && hop.keys[at] == up.keys[at];
    if same(0) { Some(Link::TraceId) } else { same(1).then_some(Link::RequestId) }
}

/// How likely `up` caused `hop`, the likelier the less: whether its receiver is the hop's sender, and was done with it.
fn rank(up: &Hop, hop: &Hop) -> Option<(Same, bool)> {
    #[cfg(test)]
    tests::RANKED.set(tests::RANKED.get() + 1);
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
