//! Where a flow belongs: because of which other one, or of which of several nobody can tell.

use super::super::traces::{Hop, Traces};
use super::constants::Constants;
use super::payload::Values;
use super::senders::{Senders, Sent};
use super::work::Work;
use super::works::{Sure, label};
use crate::model::{FlowId, Link, MAX_CANDIDATES, Pattern};
use std::sync::Arc;

/// How many works may lie within each other because of one another: no request goes through so many services.
const LONGEST: usize = 64;

/// What caused a flow: which flow, and what it was, where that may be told nowhere else.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) flow: FlowId,
    pub(super) hop: Option<Arc<Hop>>,
}

/// What circumstances are worth of which a kind of call was seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Manner {
    /// One was sent by itself, whatever its sender was at work on.
    ByItself,
    /// Some request was open each time, which may be chance.
    ByChance,
    /// They come with requests.
    Asked,
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

/// Only those of which something holds stay, where it holds of any.
pub(super) fn prefer(works: &mut Vec<&mut Work>, holds: impl Fn(&Work) -> bool) {
    if works.iter().any(|work| holds(work)) {
        works.retain(|work| holds(work));
    }
}

/// Of works that do not lie within each other the one of the service that usually sends such, where only those around it were at work each
/// time that its connection was used.
pub(super) fn usual<'w>(works: &'w [&mut Work], senders: &Senders, sent: Sent, traces: &Traces) -> Option<&'w Work> {
    let mut these = works.iter().filter(|work| senders.is_usual(sent, label(&work.to)));
    let one = these.next().filter(|_| works.len() <= LONGEST && these.next().is_none())?;
    let causes = traces.causes(one.flow);
    let around: Vec<_> = works.iter().filter(|work| causes.contains(&work.flow)).map(|work| label(&work.to)).collect();
    let is_other = |work: &&&mut Work| work.flow != one.flow && !around.contains(&label(&work.to));
    works.iter().filter(is_other).all(|other| senders.cannot_be(sent, label(&other.to))).then_some(one)
}

/// Of works that are as likely by what they carry: the only one; of nameless services that lie within each other, as each one `may` within
/// the one before, the innermost, which time alone tells. None of none. Who sent the innermost may have got a part of its answer that it
/// `acts` on.
pub(super) fn innermost(
    works: &[&mut Work],
    link: Link,
    sure: Sure,
    may: impl FnMut(&Work, &Work) -> bool,
    acts: impl FnOnce(FlowId) -> bool,
) -> Option<Place> {
    match works {
        [] => None,
        [one] => Some(Place::at(one, link)),
        [.., last] if sure == Sure::No && chain(works, may, acts) => Some(Place::at(last, link.max(Link::Time))),
        several => Some(Place::doubt(several.iter().map(|work| work.flow))),
    }
}

/// Works of which each `may` have been caused by the one before: the last is the innermost. Not of a service that is there twice: one of
/// the two is another request's; nor of two deliveries: no message is delivered because of another delivery, and two of one lie side by
/// side with all that is because of either. Nor where who sent the innermost `acts` on a part of its answer.
pub(super) fn chain(works: &[&mut Work], mut may: impl FnMut(&Work, &Work) -> bool, acts: impl FnOnce(FlowId) -> bool) -> bool {
    let deliveries = works.iter().filter(|work| work.pattern == Pattern::Deliver).count();
    if works.len() > LONGEST || deliveries > 1 {
        return false;
    }
    let distinct = |at: usize| works[..at].iter().all(|work| work.to != works[at].to);
    let lie_within = (1..works.len()).all(|at| works[at].may_be_of(works[at - 1]) && distinct(at));
    let lie_within = lie_within && (1..works.len()).all(|at| may(works[at - 1], works[at]));
    lie_within && !(works.len() > 1 && works.last().is_some_and(|last| acts(last.flow)))
}

/// Which of these works carry a value of those, that not all of their sort do: where one of several carries some that no other does, that
/// one.
pub(super) fn sharing(
    works: &mut [&mut Work],
    values: &Values,
    constants: &mut Constants,
    mut of: impl FnMut(FlowId) -> Option<Values>,
) -> Vec<usize> {
    if values.is_empty() {
        return Vec::new();
    }
    let mut common = Vec::new();
    for (at, work) in works.iter_mut().enumerate() {
        if work.values.as_ref().is_none_or(Values::are_part) {
            work.read(constants.read(work.sort, of(work.flow).unwrap_or_else(Values::gone)));
        }
        let of_sort = constants.of_sort(work.sort).map_or(0, |all| values.common(all));
        let bits = values.common(work.values.get_or_insert_default()) & !of_sort;
        if bits != 0 {
            common.push((at, bits));
        }
    }
    let (_, several) = common.iter().fold((0, 0), |(one, several), (_, bits)| (one | bits, several | (one & bits)));
    let mut alone = common.iter().filter(|(_, bits)| bits & !several != 0);
    match (alone.next(), alone.next()) {
        (Some((at, _)), None) => vec![*at],
        _ => common.into_iter().map(|(at, _)| at).collect(),
    }
}
