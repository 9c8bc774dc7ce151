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
    /// Whether besides one service received them, none of them because of another one: then it is the same for each.
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
        let above = |at: usize| std::iter::successors(Some(at), |at| flows.get(*at)?.1.map(|(up, _)| up)).skip(1);
        let nested = || maybe.iter().any(|at| above(*at).any(|up| maybe.contains(&up)));
        let one = whole && receivers.all(|other| Some(&other) == first.as_ref()) && !nested();
        Doubt { at, maybe, whole, one }
    };
    doubtful.map(doubt).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::findings::rig::{call, trace};
    use super::*;
    use crate::model::Link;

    /// Whether somebody surely waited for the last of five flows, and whether that is the same for each that may have caused it.
    fn told(lines: [(usize, &str); 5], ups: [Option<usize>; 5], maybe: [usize; 2]) -> (bool, bool) {
        let tree: Vec<_> = (1..).zip(lines).map(|(n, (depth, text))| (depth, call(n, text))).collect();
        let mut hops = trace(&tree).0;
        hops[4].extra_mut().maybe = maybe.map(|at| hops[at].flow).to_vec();
        let flows: Vec<_> = hops.iter().zip(ups.map(|up| up.map(|up| (up, Link::TraceId)))).collect();
        let doubts = doubts(&flows);
        assert_eq!(doubts.iter().map(|doubt| doubt.at).collect::<Vec<_>>(), [4]);
        (doubts[0].whole, doubts[0].one)
    }

    #[test]
    fn who_was_called_back_is_at_work_on_two_and_nobody_waits_for_what_comes_after() {
        let back = |call: &'static str| {
            let lines = [
                (0, "c:1>gate 0-100 POST /checkout 200"),
                (1, "gate>orders 5-90 POST /orders 200"),
                (2, "orders>pay 10-80 POST /charge 200"),
                (3, "pay>orders 20-70 POST /callback 200"),
                (0, call),
            ];
            told(lines, [None, Some(0), Some(1), Some(2), None], [1, 3])
        };
        assert_eq!(back("orders>users 30-40 GET /u 200"), (true, false));
        assert_eq!(back("orders>users 95-99 GET /u 200"), (false, false));
        let beside = |call: &'static str| {
            let lines = [
                (0, "c:1>gate 0-100 POST /checkout 200"),
                (1, "gate>orders 5-90 POST /orders 200"),
                (1, "gate>orders 6-91 POST /orders 200"),
                (1, "gate>pay 7-80 POST /charge 200"),
                (0, call),
            ];
            told(lines, [None, Some(0), Some(0), Some(0), None], [1, 2])
        };
        assert_eq!(beside("orders>users 30-40 GET /u 200"), (true, true));
        assert_eq!(beside("orders>users 95-99 GET /u 200"), (false, false));
    }
}
