//! Where a flow belongs: because of which other one, or of which of several nobody can tell.

use super::super::traces::Hop;
use super::work::Work;
use super::works::{Sure, chain};
use crate::model::{FlowId, Link};
use std::sync::Arc;

/// How many flows are named of those that may have caused one, the last: of more nobody learns anything.
const MAX_CANDIDATES: usize = 16;

/// What caused a flow: which flow, and what it was, where that may be told nowhere else.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) flow: FlowId,
    pub(super) hop: Option<Arc<Hop>>,
}

/// What was found out about a flow.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// What caused it.
    pub(super) parent: Option<(Cause, Link)>,
    /// Those of which each is as likely to have caused it.
    pub(super) maybe: Vec<FlowId>,
    /// Whether something was open that may have caused it, and nothing tells which of all that was.
    pub(super) untold: bool,
}

impl Place {
    pub(super) fn doubt(maybe: impl Iterator<Item = FlowId>) -> Self {
        let mut maybe: Vec<_> = maybe.collect();
        maybe.drain(..maybe.len().saturating_sub(MAX_CANDIDATES));
        Self { maybe, ..Self::default() }
    }

    pub(super) fn at(work: &Work, link: Link) -> Self {
        Self { parent: Some((work.cause(), link)), ..Self::default() }
    }

    pub(super) fn of(up: &Arc<Hop>, link: Link) -> Self {
        Self { parent: Some((Cause { flow: up.flow, hop: Some(Arc::clone(up)) }, link)), ..Self::default() }
    }
}

/// Of works that are as likely by what they carry: the only one; of nameless services that lie within each other the innermost, which
/// time alone tells. None of none.
pub(super) fn innermost(works: &[&mut Work], link: Link, sure: Sure) -> Option<Place> {
    match works {
        [] => None,
        [one] => Some(Place::at(one, link)),
        [.., last] if sure == Sure::No && chain(works) => Some(Place::at(last, link.max(Link::Time))),
        several => Some(Place::doubt(several.iter().map(|work| work.flow))),
    }
}
