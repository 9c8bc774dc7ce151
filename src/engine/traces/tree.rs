//! Who caused whom within one trace: a pure function of its hops. It reads no headers and holds nothing.
//!
//! The parent of a second leg is the first one. That of another flow is what its sender had open, else what it had answered; the sender is
//! known by its name, and of several instances by its process. Without a name it may be any receiver on the same host: where that leaves
//! several that lie within each other the innermost is taken, and told as tied by time alone, unless it is the one whose span ID was passed
//! on. Where they lie side by side, or one service received several of them, or the innermost surely did not send others of the flow's kind
//! (`callers` tells) or is outlived by them (`outlives`), each is as likely, and none is claimed. Where all services share the host, only
//! who had something open comes into question: else nothing could be told of any call that follows another.

use super::failure::went_wrong;
use super::hop::Hop;
use super::legs::{beside, leg};
use super::parties::{everybodys, name};
use crate::model::{FlowId, Link, Node, Party, Pattern};
use crate::time::{Span, Time};
use causes::Causes;
use hashbrown::{HashMap, HashSet};
pub(super) use one::{causes, in_doubt, is_because};
use std::sync::Arc;

mod causes;
mod index;
mod one;

/// How deep a tree gets: far above what services do, so that readers of nested output are safe.
const MAX_DEPTH: usize = 256;
/// What was over for so long when a flow was sent hardly caused it, where something else was over later: who goes on after the answer does
/// so at once.
const LONG: Span = Span::from_secs(1);

/// How long it takes at most until a connection is closed on both sides by whose client nothing is waited for any more.
const CLOSING: Span = Span::from_millis(10);

/// How sure it is that a flow's receiver is another flow's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    /// By name or by the whole address.
    Surely,
    /// The same host, and at least one has no name.
    Maybe,
}

/// Whether its receiver was at work on a flow when another one was sent, the likelier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// Somebody waited for it.
    Open,
    /// Nobody waited for it any more, and there was no answer: many work on all the same.
    LetGo,
    /// It was answered.
    Done,
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
    let again = again(hops);
    for (at, hop) in order.iter().enumerate() {
        let placed = || hop.extra().placed.and_then(|(flow, link)| Some((*flows.get(&flow)?, link)));
        let first = hop.extra().first_leg.and_then(|first| flows.get(&first)).map(|&up| (up, shared(order[up], hop)));
        let leg = first.and_then(|(up, link)| Some((up, link.or(hop.extra().placed.map(|(_, link)| link))?)));
        let up_of = &mut |at: usize| places[at].parent.map(|(up, _)| up);
        let parent = leg
            .or_else(|| by_id(&before, &order, &again, hop, up_of).ok())
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

/// Who received what may have caused a flow, once for each address, where nothing tells who sent it but when; none where something does.
pub(super) fn may_have_caused(hops: &[Hop], hop: &Hop) -> Option<Vec<Arc<Party>>> {
    let mut parties: Vec<Arc<Party>> = Vec::new();
    for up in before(hops, hop) {
        match rank(up, hop) {
            Some((Same::Maybe, _)) if parties.iter().all(|known| known.addr != up.to.addr) => parties.push(Arc::clone(&up.to)),
            Some((Same::Surely, _)) => return None,
            Some((Same::Maybe, _)) | None => {}
        }
    }
    Some(parties)
}

/// Of a trace in which somebody stopped waiting for an answer: the flows that ask somebody for what another one asks it for, too. Both
/// attempts at something send such.
fn again(hops: &[Hop]) -> HashSet<FlowId> {
    if hops.iter().all(|hop| hop.end.is_some() || hop.extra().let_go.is_none()) {
        return HashSet::new();
    }
    let mut kinds: HashMap<u64, Vec<FlowId>> = HashMap::new();
    let sent = hops.iter().filter(|hop| hop.pattern != Pattern::Deliver && !hop.passed_on);
    sent.for_each(|hop| kinds.entry(hop.kind()).or_default().push(hop.flow));
    kinds.into_values().filter(|flows| flows.len() > 1).flatten().collect()
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

fn in_tree(hops: &[Hop], flow: FlowId) -> bool {
    tree(hops).iter().any(|node| node.flow == flow && node.depth == 0)
}

/// What caused a hop by the ID that they share, among those before it, of which `up_of` tells what caused each; else those that are as
/// likely, if any.
fn by_id(
    before: &Causes<'_>,
    order: &[&Hop],
    again: &HashSet<FlowId>,
    hop: &Hop,
    up_of: &mut dyn FnMut(usize) -> Option<usize>,
) -> Result<(usize, Link), Vec<usize>> {
    if let Some(up) = hop.extra().parent_span.and_then(|span| before.carrier(span)) {
        return Ok((up, Link::TraceId));
    }
    // who surely sent it comes before who may have, and what its sender was at work on before what it was done with
    let (same, mut likeliest) = before.likeliest(hop, again.contains(&hop.flow)).unwrap_or((Same::Maybe, Vec::new()));
    if let Some(up) = by_span(order, hop, &likeliest) {
        return shared(order[up], hop).map(|link| (up, link)).ok_or_else(Vec::new);
    }
    if hop.pattern != Pattern::Deliver && likeliest.len() > 1 {
        likeliest = apart(order, hop, same, likeliest, up_of)?;
    }
    let Some(innermost) = likeliest.last().copied() else { return Err(Vec::new()) };
    // all of them have to lie around the innermost one
    let chain: Vec<_> = std::iter::successors(Some(innermost).filter(|_| likeliest.len() > 1), |&at| up_of(at)).collect();
    if likeliest.len() > 1 && !likeliest.iter().all(|up| chain.contains(up)) {
        likeliest.retain(|up| *up == innermost || !chain.contains(up));
        return Err(likeliest);
    }
    // who is answered bit by bit is at work on what it got, and who answers on what comes next
    let answered = order[innermost].extra().answered.is_some_and(|answered| answered <= hop.time);
    if same == Same::Maybe && answered && likeliest.len() > 1 {
        return Err(likeliest);
    }
    // who surely did not send others of its kind is no likelier than whom he works for, be it because of something without an ID
    let (several, extra) = (likeliest.len() > 1, hop.extra());
    let unlikely = |addr: &Arc<str>| several && extra.no_likelier.contains(addr) || extra.beside.contains(addr);
    let no_likelier = |up: &usize| unlikely(&order[*up].to.addr) && !leg(order[*up], hop);
    if same == Same::Maybe && no_likelier(&innermost) {
        let likelier = likeliest.iter().rposition(|up| !no_likelier(up));
        return Err(likeliest.split_off(likelier.unwrap_or_default()));
    }
    let Some(link) = shared(order[innermost], hop) else { return Err(Vec::new()) };
    // on the address that all services of a machine share, the only one that was seen is a guess too
    let one = !everybodys(hop.from.host()) && likeliest.iter().all(|&up| order[up].to == order[innermost].to);
    Ok((innermost, if same == Same::Surely || one { link } else { Link::Time }))
}

/// Of several that may have caused a flow those that may lie around each other; else those of which each is as likely. Who sent it, where
/// that is known, was at work on each of them: one may have waited for the other, and may not. So may who was called back, and who sent
/// it while nobody waited for it any more, or beyond an answer that says that something went wrong: that need not wait for all else.
fn apart(
    order: &[&Hop],
    hop: &Hop,
    same: Same,
    mut likeliest: Vec<usize>,
    up_of: &mut dyn FnMut(usize) -> Option<usize>,
) -> Result<Vec<usize>, Vec<usize>> {
    // a proxy passes a request on because of that very one, and waits for what it passed on, whatever it is called
    if likeliest.iter().any(|&up| leg(order[up], hop)) {
        likeliest.retain(|&up| leg(order[up], hop));
    }
    let within: HashSet<_> = likeliest.iter().filter_map(|&at| up_of(at).filter(|up| leg(order[*up], order[at]))).collect();
    likeliest.retain(|up| !within.contains(up));
    if same == Same::Surely {
        let lately = |up: &usize| over(order[*up]).is_none_or(|end| hop.time.since(end) <= LONG);
        if likeliest.iter().any(lately) {
            likeliest.retain(lately);
        }
        // who took a message of its own back goes on with that
        let message = likeliest.last().is_some_and(|up| order[*up].pattern == Pattern::Deliver);
        return if likeliest.len() > 1 && !message { Err(likeliest) } else { Ok(likeliest) };
    }
    let loose = |up: &usize| outlived(order[*up], hop) || is_let_go(order[*up], hop.time.after(CLOSING));
    let firm = likeliest.iter().rposition(|up| !loose(up));
    // by one that was waited for, or, where all were answered with an error, by each
    if likeliest.iter().filter(|up| outlived(order[**up], hop)).nth(usize::from(firm.is_none())).is_some()
        || firm.is_some() && likeliest.iter().any(loose)
    {
        let firm = firm.map(|at| likeliest[at]);
        likeliest.retain(|up| loose(up) || firm == Some(*up));
        return Err(likeliest);
    }
    let Some(innermost) = likeliest.last().map(|up| order[*up]) else { return Err(likeliest) };
    let twin = |up: &usize| self::same(&order[*up].to, &innermost.to) == Some(Same::Surely);
    if likeliest.iter().filter(|up| twin(up)).nth(1).is_some() {
        likeliest.retain(twin);
        return Err(likeliest);
    }
    Ok(likeliest)
}

/// Which of those that may have sent a flow had its span ID from who asked: the only one that carries it, or the innermost of several where
/// the very request was passed on.
fn by_span(order: &[&Hop], hop: &Hop, likeliest: &[usize]) -> Option<usize> {
    let carries = |up: &usize| hop.span.is_some() && order[*up].span == hop.span && order[*up].pattern != Pattern::Publish;
    let mut carriers = likeliest.iter().copied().filter(carries);
    let innermost = carriers.next_back()?;
    (carriers.next().is_none() || leg(order[innermost], hop)).then_some(innermost)
}

/// What two flows of one trace share that is an ID.
fn shared(up: &Hop, hop: &Hop) -> Option<Link> {
    let same = |at: usize| hop.keys[at].is_some() && hop.keys[at] == up.keys[at];
    if same(0) { Some(Link::TraceId) } else { same(1).then_some(Link::RequestId) }
}

/// How likely `up` caused `hop`, the likelier the less: whether its receiver is the hop's sender, and was at work on it.
fn rank(up: &Hop, hop: &Hop) -> Option<(Same, Moment)> {
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
    let waited = || up.end.is_none_or(|end| end >= hop.last) || outlived(up, hop);
    let within = || waited() && (passes_on || !beside(up.time, hop) || leg(up, hop));
    // what is passed on says so by what it carries, whatever else its sender was at work on
    let another = || (hop.veiled || hop.extra().strangers.contains(&up.to.addr)) && !leg(up, hop);
    if same == Same::Maybe && (up.to.addr == hop.to.addr || another()) {
        return None;
    }
    if same == Same::Maybe && !within() {
        return (!passes_on && goes_on(up, hop)).then_some((same, Moment::Done));
    }
    Some((same, if passes_on { Moment::Open } else { moment(up, hop) }))
}

/// When a flow was over, or nobody waited for it any more.
fn over(up: &Hop) -> Option<Time> {
    up.end.or(up.extra().let_go)
}

/// Whether until a moment nobody waited any more for what was not answered.
fn is_let_go(up: &Hop, until: Time) -> bool {
    up.end.is_none() && over(up).is_some_and(|at| at < until)
}

fn moment(up: &Hop, hop: &Hop) -> Moment {
    match over(up) {
        Some(at) if at < hop.time && up.end.is_none() => Moment::LetGo,
        Some(at) if at < hop.time => Moment::Done,
        _ => Moment::Open,
    }
}

/// Whether a flow outlived another one that was answered with an error: that answer need not wait for all that was asked for.
fn outlived(up: &Hop, hop: &Hop) -> bool {
    let calls = hop.pattern != Pattern::Deliver && went_wrong(up);
    calls && up.end.is_some_and(|end| end >= hop.time && end < hop.last)
}

/// Whether a flow was received by another process of its sender's name: where its sender did receive some itself, as `own` says.
fn another_process(up: &Hop, hop: &Hop, own: bool) -> bool {
    own && hop.pattern != Pattern::Deliver && up.to.pid().is_some_and(|pid| hop.from.pid() != Some(pid))
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
