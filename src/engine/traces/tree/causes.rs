//! The flows before one, and which of them may have caused it.

use super::super::hop::Hop;
use super::index::Index;
use super::{MAX_DEPTH, Moment, Same, another_process, rank, same_message, shared};

/// How many flows are looked at one by one: of more an index is quicker.
pub(super) const FEW: usize = 48;

/// The flows so far, in the order of time.
#[derive(Debug)]
pub(super) enum Causes<'h> {
    /// Few.
    Few(Vec<&'h Hop>),
    /// Many.
    Many(Box<Index<'h>>),
}

impl<'h> Causes<'h> {
    /// None of so many.
    pub(super) fn of(count: usize) -> Self {
        if count <= FEW { Self::Few(Vec::with_capacity(count)) } else { Self::Many(Box::default()) }
    }

    /// Takes the next one in.
    pub(super) fn add(&mut self, hop: &'h Hop) {
        match self {
            Self::Few(hops) => hops.push(hop),
            Self::Many(index) => index.add(hop),
        }
    }

    /// The place of the only flow that carries a span ID.
    pub(super) fn carrier(&self, span: u64) -> Option<usize> {
        match self {
            Self::Few(hops) => {
                let mut carriers = (0..hops.len()).filter(|at| !hops[*at].passed_on && hops[*at].span == Some(span));
                carriers.next().filter(|_| carriers.next().is_none())
            }
            Self::Many(index) => index.carrier(span),
        }
    }

    /// Those that are the likeliest to have caused a flow, in the order of time, by what they share with it and who received them. None
    /// where they are more than can lie within each other. What nobody waits for any more is as likely as what is open where a flow is
    /// sent `again`: it may be because of either.
    pub(super) fn likeliest(&self, hop: &Hop, again: bool) -> Option<(Same, Vec<usize>)> {
        let (same, places) = match self {
            Self::Few(hops) => likeliest(hops, hop, again),
            Self::Many(index) => index.likeliest(hop, again),
        };
        (places.len() <= MAX_DEPTH).then_some((same, places))
    }
}

/// The same by looking at each.
fn likeliest(hops: &[&Hop], hop: &Hop, again: bool) -> (Same, Vec<usize>) {
    let mut best = (Same::Maybe, Moment::Done);
    let mut places = Vec::new();
    let own = hop.from.pid().is_some_and(|pid| hops.iter().any(|up| up.to.pid() == Some(pid)));
    for (at, up) in hops.iter().enumerate() {
        let Some(mut rank) = shared(up, hop).and_then(|_| rank(up, hop)) else { continue };
        if again && rank.1 == Moment::LetGo {
            rank.1 = Moment::Open;
        }
        if rank > best || another_process(up, hop, own) || rank.0 == Same::Maybe && !could(hops, hop, &up.to.addr) {
            continue;
        }
        if rank != best {
            best = rank;
            places.clear();
        }
        places.push(at);
    }
    if places.iter().any(|&up| same_message(hops[up], hop)) {
        places.retain(|&up| same_message(hops[up], hop));
    }
    (best.0, places)
}

/// One address is one sender: whoever received something at `addr` and sent a flow could send what came from there first, too.
fn could(hops: &[&Hop], hop: &Hop, addr: &str) -> bool {
    let Some(first) = hops.iter().position(|up| up.from.addr == hop.from.addr) else { return true };
    hops[..first].iter().any(|up| *up.to.addr == *addr && rank(up, hops[first]).is_some())
}
