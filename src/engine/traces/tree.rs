//! Who caused whom within one trace: a pure function of its hops. It reads no headers and holds nothing.
//!
//! The parent of a second leg is the first one. That of another flow is the innermost that its sender had open, else the one that it had
//! answered; the sender is known by its name. Without a name it may be any receiver on the same host: where that leaves several that lie
//! within each other the innermost is taken, and told as tied by time alone, unless it is the one whose span ID was passed on; where they
//! lie side by side each is as likely, and none is claimed. Where all services share the host, only who had something open comes into
//! question: else nothing could be told of any call that follows another.

use super::hop::{Hop, everybodys, name};
use super::legs::{beside, leg};
use crate::model::{FlowId, Link, Node, Party, Pattern};
use causes::Causes;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

mod causes;
mod index;

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

/// Where a flow lies in the tree, by places in the order of time.
#[derive(Debug)]
struct Place {
    parent: Option<(usize, Link)>,
    depth: usize,
    /// Its last child so far, and the child of its own parent before it.
    last: Option<usize>,
    before: Option<usize>,
}

/// The trace's flows, each behind its parent, siblings by time. `hops` is in the order of flows.
pub(super) fn tree(hops: &[Hop]) -> Vec<Node> {
    by_causes(hops, Causes::of(hops.len()))
}

fn by_causes<'h>(hops: &'h [Hop], mut before: Causes<'h>) -> Vec<Node> {
    let mut order: Vec<&Hop> = hops.iter().collect();
    order.sort_by_key(|hop| (hop.time, hop.flow));
    let mut places: Vec<Place> = Vec::with_capacity(hops.len());
    let mut last_root = None;
    // of those that others were tied to, or are legs of
    let tied: HashSet<FlowId> =
        hops.iter().map(Hop::extra).flat_map(|extra| [extra.first_leg, extra.placed.map(|(flow, _)| flow)]).flatten().collect();
    let mut flows = HashMap::with_capacity(tied.len());
    for (at, hop) in order.iter().enumerate() {
        let placed = || hop.extra().placed.and_then(|(flow, link)| Some((*flows.get(&flow)?, link)));
        let first = hop.extra().first_leg.and_then(|first| flows.get(&first)).map(|&up| (up, shared(order[up], hop)));
        let leg = first.and_then(|(up, link)| Some((up, link.or(hop.extra().placed.map(|(_, link)| link))?)));
        let up_of = &mut |at: usize| places[at].parent.map(|(up, _)| up);
        let parent = leg
            .or_else(|| by_id(&before, &order, hop, up_of).ok())
            .or_else(placed)
            .filter(|(up, _)| places[*up].depth + 1 < MAX_DEPTH);
        let siblings = parent.map_or(&mut last_root, |(up, _)| &mut places[up].last);
        let before_it = siblings.replace(at);
        let depth = parent.map_or(0, |(up, _)| places[up].depth + 1);
        places.push(Place { parent, depth, last: None, before: before_it });
        if tied.contains(&hop.flow) {
            flows.insert(hop.flow, at);
        }
        before.add(hop);
    }
    let mut nodes = Vec::with_capacity(hops.len());
    let siblings = |last| std::iter::successors(last, |at: &usize| places[*at].before);
    let mut left: Vec<_> = siblings(last_root).collect();
    while let Some(at) = left.pop() {
        let Place { parent, depth, last, .. } = places[at];
        let leg = parent.is_some_and(|(up, _)| leg(order[up], order[at]));
        nodes.push(Node { flow: order[at].flow, depth, link: parent.map(|(_, link)| link), leg });
        left.extend(siblings(last));
    }
    nodes
}

/// Which flows were sent before this one and share an ID with it.
fn before<'h>(hops: &'h [Hop], hop: &'h Hop) -> impl Iterator<Item = &'h Hop> {
    hops.iter().filter(|up| (up.time, up.flow) < (hop.time, hop.flow) && shared(up, hop).is_some())
}

/// To which addresses that was sent which may have caused a flow, where nothing tells who sent it but when; none where something does.
pub(super) fn may_have_caused(hops: &[Hop], hop: &Hop) -> Option<Vec<Arc<str>>> {
    let mut addrs = Vec::new();
    for up in before(hops, hop) {
        match rank(up, hop) {
            Some((Same::Maybe, _)) if !addrs.contains(&up.to.addr) => addrs.push(Arc::clone(&up.to.addr)),
            Some((Same::Surely, _)) => return None,
            Some((Same::Maybe, _)) | None => {}
        }
    }
    Some(addrs)
}

/// Whether a flow was sent when all that was sent before it with an ID of it was answered.
pub(super) fn is_after(hops: &[Hop], hop: &Hop) -> bool {
    let mut before = before(hops, hop).peekable();
    before.peek().is_some() && before.all(|up| up.pattern == Pattern::Publish || up.end.is_some_and(|end| end < hop.time))
}

/// Whether none of them caused this one, or none can be claimed.
pub(super) fn is_root(hops: &[Hop], flow: FlowId) -> bool {
    let Some(hop) = hops.iter().find(|hop| hop.flow == flow) else { return true };
    if hops.iter().any(|up| hop.extra().first_leg == Some(up.flow)) {
        return false;
    }
    let mut causes = before(hops, hop).filter(|up| rank(up, hop).is_some());
    // of several the tree tells whether they lie within each other
    match (causes.next(), causes.next()) {
        (None, _) => hop.extra().placed.is_none(),
        (Some(_), None) => false,
        (Some(_), Some(_)) => in_tree(hops, flow),
    }
}

/// Which flows are as likely to have caused one by an ID that they share, so that none of them can be claimed: of those that lie within
/// each other only the innermost.
pub(super) fn in_doubt(hops: &[Hop], flow: FlowId) -> Vec<FlowId> {
    let Some(hop) = hops.iter().find(|hop| hop.flow == flow).filter(|hop| hop.extra().first_leg.is_none()) else {
        return Vec::new();
    };
    if before(hops, hop).filter(|up| rank(up, hop).is_some()).nth(1).is_none() {
        return Vec::new();
    }
    let mut order: Vec<&Hop> = hops.iter().filter(|up| (up.time, up.flow) < (hop.time, flow)).collect();
    order.sort_by_key(|hop| (hop.time, hop.flow));
    let mut known = HashMap::new();
    let doubt = by_id(&Causes::Few(order.clone()), &order, hop, &mut |at| parent(&order, at, &mut known)).err();
    doubt.into_iter().flatten().map(|at| order[at].flow).collect()
}

/// What caused one of the flows, looked for by itself rather than with all the others.
fn parent(order: &[&Hop], at: usize, known: &mut HashMap<usize, Option<usize>>) -> Option<usize> {
    if let Some(up) = known.get(&at) {
        return *up;
    }
    let (hop, earlier) = (order[at], &order[..at]);
    let place = |flow: FlowId| earlier.iter().position(|up| up.flow == flow);
    let up = hop.extra().first_leg.and_then(place).or_else(|| {
        let before = Causes::Few(earlier.to_vec());
        let tied = by_id(&before, order, hop, &mut |at| parent(order, at, known));
        tied.ok().map(|(up, _)| up).or_else(|| hop.extra().placed.and_then(|(flow, _)| place(flow)))
    });
    known.insert(at, up);
    up
}

fn in_tree(hops: &[Hop], flow: FlowId) -> bool {
    tree(hops).iter().any(|node| node.flow == flow && node.depth == 0)
}

/// What caused a hop by the ID that they share, among those before it, of which `up_of` tells what caused each; else those that are as
/// likely, if any.
fn by_id(
    before: &Causes<'_>,
    order: &[&Hop],
    hop: &Hop,
    up_of: &mut dyn FnMut(usize) -> Option<usize>,
) -> Result<(usize, Link), Vec<usize>> {
    if let Some(up) = hop.extra().parent_span.and_then(|span| before.carrier(span)) {
        return Ok((up, Link::TraceId));
    }
    // who surely sent it comes before who may have, and what its sender was at work on before what it was done with
    let (same, mut likeliest) = before.likeliest(hop).unwrap_or((Same::Maybe, Vec::new()));
    if let Some(up) = by_span(order, hop, same, &likeliest) {
        return shared(order[up], hop).map(|link| (up, link)).ok_or_else(Vec::new);
    }
    let Some(innermost) = likeliest.last().copied() else { return Err(Vec::new()) };
    // all of them have to lie around the innermost one; and a sender that is known, and was called back, waits for that with each: once it has
    // got what it asked for, it may as well go on with that
    let is_over = |up: usize| order[up].end.is_some_and(|end| end < hop.time);
    let calls = [order[innermost], hop].iter().all(|hop| hop.pattern != Pattern::Deliver);
    let waits = same == Same::Surely && calls && !is_over(innermost);
    let over = |up: usize| waits && is_over(up);
    let around = |&at: &usize| up_of(at).filter(|up| !over(*up));
    let chain: Vec<_> = std::iter::successors(Some(innermost).filter(|_| likeliest.len() > 1), around).collect();
    if likeliest.len() > 1 && !likeliest.iter().all(|up| chain.contains(up)) {
        likeliest.retain(|up| *up == innermost || !chain.contains(up));
        return Err(likeliest);
    }
    // who is answered bit by bit is at work on what it got, and who answers on what comes next
    let answered = order[innermost].extra().answered.is_some_and(|answered| answered <= hop.time);
    if same == Same::Maybe && answered && likeliest.len() > 1 {
        return Err(likeliest);
    }
    let Some(link) = shared(order[innermost], hop) else { return Err(Vec::new()) };
    // on the address that all services of a machine share, the only one that was seen is a guess too
    let one = !everybodys(hop.from.host()) && likeliest.iter().all(|&up| order[up].to == order[innermost].to);
    Ok((innermost, if same == Same::Surely || one { link } else { Link::Time }))
}

/// Which of those that may have sent a flow had its span ID from who asked: the only one that carries it, or the innermost of several where
/// the very request was passed on.
fn by_span(order: &[&Hop], hop: &Hop, same: Same, likeliest: &[usize]) -> Option<usize> {
    let carries = |up: &usize| hop.span.is_some() && order[*up].span == hop.span && order[*up].pattern != Pattern::Publish;
    let mut carriers = likeliest.iter().copied().filter(carries).filter(|_| same == Same::Maybe);
    let innermost = carriers.next_back()?;
    (carriers.next().is_none() || leg(order[innermost], hop)).then_some(innermost)
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
    // what a kernel passes on it passes on as it is; and who has its reply goes on with what it asked for
    if up.passed_on || up.reply {
        return None;
    }
    // a broker passes on what was published to it, and asks nobody for anything
    let passes_on = hop.pattern == Pattern::Deliver;
    if passes_on != (up.pattern == Pattern::Publish) || (passes_on && up.extra().topic != hop.extra().topic) {
        return None;
    }
    let same = same(&up.to, &hop.from)?;
    // whoever it was waited for it, as far as anybody can tell
    let within = || up.end.is_none_or(|end| end >= hop.last) && (passes_on || !beside(up.time, hop) || leg(up, hop));
    // what is passed on says so by what it carries, whatever else its sender was at work on
    let another = || (hop.veiled || hop.extra().strangers.contains(&up.to.addr)) && !leg(up, hop);
    if same == Same::Maybe && (up.to.addr == hop.to.addr || another()) {
        return None;
    }
    if same == Same::Maybe && !within() {
        return (!passes_on && goes_on(up, hop)).then_some((same, true));
    }
    Some((same, !passes_on && up.end.is_some_and(|end| end < hop.time)))
}

/// Whether who answered one may have gone on with the other: neither has a name, and their host is not everybody's.
fn goes_on(up: &Hop, hop: &Hop) -> bool {
    !everybodys(hop.from.host()) && name(&up.to).is_none() && name(&hop.from).is_none()
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
pub(super) mod tests;
