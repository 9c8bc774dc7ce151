//! What is different about one hop again and again under one parent, as one difference.

use super::{Difference, Key, Kind};
use crate::model::{Above, FlowId, TraceRecord};
use std::collections::BTreeMap;

/// What makes two differences one: what they are, of which hop, under which parent, and how it went in each.
type Alike = (&'static str, Key, Option<FlowId>, [Option<bool>; 2], [Option<String>; 2]);

/// Folds what is the same of one hop under one parent, each behind the first of its kind, or behind the starkest.
pub(super) fn fold(found: Vec<Difference>, traces: [&TraceRecord; 2]) -> Vec<Difference> {
    let parents = traces.map(parents);
    let mut told: Vec<Difference> = Vec::with_capacity(found.len());
    let mut places: BTreeMap<Alike, usize> = BTreeMap::new();
    for difference in found {
        let place = *places.entry(alike(&difference, &parents)).or_insert(told.len());
        match told.get_mut(place) {
            Some(first) => repeat(first, difference),
            None => told.push(difference),
        }
    }
    told
}

fn repeat(first: &mut Difference, mut again: Difference) {
    let starker = match (again.kind, first.kind) {
        (Kind::Slower(now), Kind::Slower(before)) => now > before,
        _ => false,
    };
    if starker {
        again.repeats = std::mem::take(&mut first.repeats);
        std::mem::swap(first, &mut again);
    }
    first.repeats.push(again);
}

fn alike(difference: &Difference, parents: &[BTreeMap<FlowId, FlowId>; 2]) -> Alike {
    let sides = [&difference.a, &difference.b];
    let (side, flow) = if difference.a.is_some() { (0, &difference.a) } else { (1, &difference.b) };
    let parent = flow.as_ref().and_then(|flow| parents[side].get(&flow.id)).copied();
    let by_status = matches!(difference.kind, Kind::Failed | Kind::Status);
    let status = sides.map(|side| side.as_ref().filter(|_| by_status).and_then(|flow| flow.status.as_deref().map(str::to_owned)));
    (difference.kind.word(), difference.key.clone(), parent, sides.map(|side| side.as_ref().map(|flow| flow.ok)), status)
}

/// The parent of each flow that has one.
fn parents(trace: &TraceRecord) -> BTreeMap<FlowId, FlowId> {
    let mut above = Above::default();
    trace.tree.iter().filter_map(|node| Some((node.flow, above.enter(node.depth, node.flow)?))).collect()
}
