//! Flows of a trace that carry its ID, and that several others of it may have caused: none is claimed. What is certain all the same: where
//! all of those were received by one service, it is that one that sent it, and, where none of them was over, waited for it.

use super::super::findings::label;
use super::Hop;
use super::failure::Placed;
use crate::model::Pattern;
use hashbrown::HashMap;

/// A flow of which nothing is claimed, by its place.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) struct Doubt {
    pub(in crate::engine) at: usize,
    /// The places of those that are as likely to have caused it.
    pub(in crate::engine) maybe: Vec<usize>,
    /// Whether one of them surely waited for it: no other flow may have caused it, and it is none that a broker hands on.
    pub(in crate::engine) whole: bool,
    /// Whether besides one service received them.
    pub(in crate::engine) one: bool,
}

/// Those of a trace, in causal order.
pub(in crate::engine) fn doubts(flows: &[Placed<'_>]) -> Vec<Doubt> {
    let open = |(_, (hop, up)): &(usize, &Placed<'_>)| up.is_none() && !hop.extra().maybe.is_empty();
    let mut doubtful = flows.iter().enumerate().filter(open).peekable();
    if doubtful.peek().is_none() {
        return Vec::new();
    }
    let places: HashMap<_, _> = flows.iter().enumerate().map(|(at, (hop, _))| (hop.flow, at)).collect();
    let doubt = |(at, (hop, _)): (usize, &Placed<'_>)| {
        let maybe: Vec<_> = hop.extra().maybe.iter().filter_map(|flow| places.get(flow).copied()).collect();
        let mut receivers = maybe.iter().filter_map(|at| flows.get(*at)).map(|(up, _)| label(&up.to));
        let first = receivers.next();
        // who handed a message on waits for nothing, and nobody for what is sent once all is over
        let over = |up: &Hop| up.end.or(up.extra().let_go).is_some_and(|at| at < hop.time);
        let waited = hop.pattern != Pattern::Deliver && !maybe.iter().filter_map(|at| flows.get(*at)).any(|(up, _)| over(up));
        let whole = waited && maybe.len() == hop.extra().maybe.len();
        let one = whole && receivers.all(|other| Some(&other) == first.as_ref());
        Doubt { at, maybe, whole, one }
    };
    doubtful.map(doubt).collect()
}
