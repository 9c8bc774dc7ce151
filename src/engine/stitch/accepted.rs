//! Work that goes on after its request was answered `202 Accepted` (RFC 9110 §15.3.3): the only thing that ties it, where it carries no ID,
//! is a value that this request alone brought to its service. A value that came with several requests, or that the service sent before, as
//! it does a tenant's, ties nothing. One that was refused gives way to the same one that was not: it is asked again.
//!
//! A request that is open meanwhile may have read what an accepted one brought. Which of the two causes calls of a kind is known of those
//! that were sent while nothing was open, and of those that carry nothing that was accepted.

use super::payload::Values;
use crate::engine::digest::digester;
use crate::model::{FlowId, Row};
use crate::time::Time;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::{Hash as _, Hasher as _};

/// How many values are remembered, of all services: then the oldest are forgotten.
const MAX_VALUES: usize = 1 << 14;
/// How many kinds of calls are remembered: then all is learned anew.
const MAX_KINDS: usize = 1 << 12;
/// Of calls of which one in so many was caused otherwise, either may have caused any.
const ONE_IN: u32 = 10;

/// Because of what calls of a kind are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// What was accepted before.
    Accepted,
    /// What is open.
    Asked,
    /// As far as is known, one as well as the other.
    Either,
}

/// The values that came to services which answer so, each with the request that brought it; none where that is not the only one.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    brought: HashMap<u64, Option<Bringer>>,
    order: VecDeque<u64>,
    /// How often a call of a kind was sent because of what was accepted, and how often because of what was open.
    kinds: HashMap<u64, [u32; 2]>,
}

/// A request that brought something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bringer {
    pub(super) flow: FlowId,
    /// Until when its service was at work on it.
    pub(super) until: Time,
    /// Stands for all that it brought.
    all: u64,
    /// Whether its service did not take it.
    refused: bool,
}

impl Bringer {
    /// Which of the two brought what both have; none where that cannot be told.
    fn or(self, other: Self) -> Option<Self> {
        match (self.refused, other.refused) {
            _ if self == other => Some(self),
            _ if self.all != other.all => None,
            (false, false) => None,
            (false, true) => Some(self),
            (true, _) => Some(other),
        }
    }
}

/// Whether a request was taken, to be worked on later.
pub(super) fn accepted(row: &Row) -> bool {
    row.status.as_deref() == Some("202")
}

impl Accepted {
    /// A request brought these to a service, which was at work on it until a moment, and may have refused it.
    pub(super) fn brought(&mut self, service: &str, (flow, until): (FlowId, Time), refused: bool, values: &Values) {
        let mut all = digester();
        values.iter().for_each(|value| all.write_u64(value));
        let bringer = Bringer { flow, until, all: all.finish(), refused };
        for value in values.iter() {
            self.note(key(service, value), Some(bringer));
        }
    }

    /// The request that alone brought one of these, which a service sends; of several such, none.
    pub(super) fn only(&self, service: &str, sent: &Values) -> Option<Bringer> {
        let mut bringers = sent.iter().filter_map(|value| *self.brought.get(&key(service, value))?);
        let first = bringers.next()?;
        bringers.all(|other| other == first).then_some(first)
    }

    /// A service sends these, and not because of a request: it knew them before.
    pub(super) fn known(&mut self, service: &str, sent: &Values) {
        for value in sent.iter() {
            self.note(key(service, value), None);
        }
    }

    /// A call of a kind was sent because of what was accepted, or because of what was open.
    pub(super) fn caused(&mut self, call: u64, asked: bool) {
        if self.kinds.len() >= MAX_KINDS {
            self.kinds.clear();
        }
        self.kinds.entry(call).or_default()[usize::from(asked)] += 1;
    }

    /// Because of what calls of a kind are sent.
    pub(super) fn why(&self, call: u64) -> Because {
        let [accepted, asked] = self.kinds.get(&call).copied().unwrap_or_default();
        match () {
            () if accepted > asked * ONE_IN => Because::Accepted,
            () if asked > accepted * ONE_IN => Because::Asked,
            () => Because::Either,
        }
    }

    fn note(&mut self, key: u64, bringer: Option<Bringer>) {
        if let Some(known) = self.brought.get_mut(&key) {
            *known = known.zip(bringer).and_then(|(known, new)| known.or(new));
            return;
        }
        self.brought.insert(key, bringer);
        self.order.push_back(key);
        if self.order.len() > MAX_VALUES
            && let Some(oldest) = self.order.pop_front()
        {
            self.brought.remove(&oldest);
        }
    }
}

fn key(service: &str, value: u64) -> u64 {
    let mut hasher = digester();
    service.hash(&mut hasher);
    hasher.write_u64(value);
    hasher.finish()
}
