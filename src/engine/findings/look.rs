//! A trace as detectors look at it: its flows, and which caused which.

use super::super::traces::{Hop, Mark};
use crate::model::{Above, Link, Node, Pattern};

/// The carrier that is a property of messages.
const CORRELATION: &str = "correlation-id";

/// A quiet trace.
pub(in crate::engine) struct Look<'t> {
    hops: &'t [Hop],
    /// In causal order: the place of each flow, and of its parent in this list.
    order: Vec<(usize, Option<(usize, Link)>)>,
}

/// A flow and what caused it.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Tie<'t> {
    /// What caused `up`.
    pub(in crate::engine) cause: Option<&'t Hop>,
    pub(in crate::engine) up: &'t Hop,
    pub(in crate::engine) down: &'t Hop,
    pub(in crate::engine) link: Link,
}

impl<'t> Look<'t> {
    /// Of a trace's flows, in their order, and its tree.
    pub(super) fn new(hops: &'t [Hop], tree: &[Node]) -> Self {
        let mut above = Above::default();
        let mut order = Vec::with_capacity(tree.len());
        for node in tree {
            let Ok(at) = hops.binary_search_by_key(&node.flow, |hop| hop.flow) else { continue };
            order.push((at, above.enter(node.depth, order.len()).zip(node.link)));
        }
        Self { hops, order }
    }

    /// All flows, in causal order, each with the place of its parent in it.
    pub(in crate::engine) fn flows(&self) -> impl Iterator<Item = (&'t Hop, Option<(usize, Link)>)> {
        self.order.iter().filter_map(|(at, up)| Some((self.hops.get(*at)?, *up)))
    }

    /// Where a flow was seen first, of those that are legs of one.
    fn first_leg(&self, at: usize) -> usize {
        let hop = |at: usize| self.hops.get(self.order.get(at)?.0);
        let first = |&at: &usize| {
            let (up, _) = self.order.get(at)?.1?;
            (hop(at)?.extra().first_leg? == hop(up)?.flow).then_some(up)
        };
        std::iter::successors(Some(at), first).last().unwrap_or(at)
    }

    /// What caused what, of flows that were not looked at before.
    pub(in crate::engine) fn ties(&self) -> impl Iterator<Item = Tie<'t>> {
        self.flows().filter(|(down, _)| !down.judged).filter_map(|(down, up)| {
            let (up, link) = up?;
            let (at, _) = *self.order.get(up)?;
            let (_, above) = *self.order.get(self.first_leg(up))?;
            let cause = above.and_then(|(above, _)| self.hops.get(self.order.get(self.first_leg(above))?.0));
            Some(Tie { cause, up: self.hops.get(at)?, down, link })
        })
    }
}

impl Tie<'_> {
    /// Whether two marks are the ID that pairs a reply with its question: a consumer copies it whether anything is traced or not, and it
    /// stands for no trace.
    pub(super) fn pairs(&self, came: &Mark, went: &Mark) -> bool {
        let messages = self.up.pattern == Pattern::Deliver && self.down.pattern == Pattern::Publish;
        messages && came.carrier == CORRELATION && went.carrier == CORRELATION && came.id == went.id
    }

    /// Whether a message carries the ID that pairs it with the one that came, and is no other try of that, sent to where it came from.
    pub(super) fn paired(&self) -> bool {
        let queue = self.down.operation.strip_prefix("publish (default) ");
        let again = queue.is_some() && queue == self.up.extra().via.as_deref();
        !again && self.up.marks.iter().any(|came| self.down.marks.iter().any(|went| self.pairs(came, went)))
    }
}
