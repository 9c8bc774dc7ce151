//! One flow looked at by itself, rather than with the whole tree.

use super::super::hop::Hop;
use super::causes::Causes;
use super::{again, before, by_id, rank};
use crate::model::FlowId;
use hashbrown::{HashMap, HashSet};

/// Which flows are as likely to have caused one by an ID that they share, so that none of them can be claimed: of those that lie within
/// each other, where nothing tells who sent it, only the innermost.
pub(in crate::engine::traces) fn in_doubt(hops: &[Hop], flow: FlowId) -> Vec<FlowId> {
    let Some(hop) = hops.iter().find(|hop| hop.flow == flow).filter(|hop| hop.extra().first_leg.is_none()) else {
        return Vec::new();
    };
    if before(hops, hop).filter(|up| rank(up, hop).is_some()).nth(1).is_none() {
        return Vec::new();
    }
    let mut order: Vec<&Hop> = hops.iter().filter(|up| (up.time, up.flow) < (hop.time, flow)).collect();
    order.sort_by_key(|hop| (hop.time, hop.flow));
    let (mut known, again) = (HashMap::new(), again(hops));
    let doubt = by_id(&Causes::Few(order.clone()), &order, &again, hop, &mut |at| parent(&order, at, &again, &mut known)).err();
    doubt.into_iter().flatten().map(|at| order[at].flow).collect()
}

/// What caused one of the flows, looked for by itself rather than with all the others.
fn parent(order: &[&Hop], at: usize, again: &HashSet<FlowId>, known: &mut HashMap<usize, Option<usize>>) -> Option<usize> {
    if let Some(up) = known.get(&at) {
        return *up;
    }
    let (hop, earlier) = (order[at], &order[..at]);
    let place = |flow: FlowId| earlier.iter().position(|up| up.flow == flow);
    let up = hop.extra().first_leg.and_then(place).or_else(|| {
        let before = Causes::Few(earlier.to_vec());
        let tied = by_id(&before, order, again, hop, &mut |at| parent(order, at, again, known));
        tied.ok().map(|(up, _)| up).or_else(|| hop.extra().placed.and_then(|(flow, _)| place(flow)))
    });
    known.insert(at, up);
    up
}

/// Because of which flows one is: its cause, and the cause of that.
pub(in crate::engine::traces) fn causes(hops: &[Hop], flow: FlowId) -> Vec<FlowId> {
    let mut order: Vec<&Hop> = hops.iter().collect();
    order.sort_by_key(|hop| (hop.time, hop.flow));
    let (mut known, again) = (HashMap::new(), again(hops));
    let at = order.iter().position(|hop| hop.flow == flow);
    std::iter::successors(at, |&at| parent(&order, at, &again, &mut known)).skip(1).map(|at| order[at].flow).collect()
}

/// Whether one flow is because of another one, directly or by way of others; none where the trace of theirs does not tell: of several that
/// are as likely any may be.
pub(in crate::engine::traces) fn is_because(hops: &[Hop], flow: FlowId, up: FlowId) -> Option<bool> {
    let above = causes(hops, flow);
    if !above.is_empty() {
        return Some(above.contains(&up));
    }
    let doubt = in_doubt(hops, flow);
    let may_be = doubt.iter().any(|&one| one == up || causes(hops, one).contains(&up));
    (!doubt.is_empty() && !may_be).then_some(false)
}
