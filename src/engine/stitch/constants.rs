//! Values that look like IDs and are none of a request: what nearly every request of a sort carries, as each message of a broadcast its
//! sender's name, and what a service sends in calls of a kind whether or not a request has brought it, as its own.

use super::payload::Values;
use super::work::Work;
use crate::engine::digest::both;
use crate::model::FlowId;
use crate::time::{Span, Time};
use hashbrown::HashMap;

/// How many sorts of requests, and how many values that were sent, are remembered; then all is learned anew.
const MAX_SORTS: usize = 1 << 12;
const MAX_SENT: usize = 1 << 15;
/// How many requests of a sort carry a value, until it is one of the sort.
const ENOUGH: u32 = 4;
/// How often a value is sent without a request that brings it, until it is the sender's: a request that creates something sends its ID
/// once so.
const OFTEN: u32 = 2;
/// What is sent within that while the same is open is one occasion.
const OCCASION: Span = Span::from_secs(1);
/// A value that one in so many calls carries of itself, and all others because of a request, is the sender's.
const ONE_IN: u32 = 10;

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Constants {
    sorts: HashMap<u64, Common>,
    /// By kind of call and value.
    sent: HashMap<u64, Sent>,
}

/// What all requests of a sort carry.
#[derive(Debug)]
struct Common {
    values: Values,
    times: u32,
}

/// A value that calls of a kind carry.
#[derive(Debug, Default)]
struct Sent {
    /// On how many occasions nothing that was open had it, and when and while what was the innermost such a one began the last time; and
    /// how often something had it.
    without: u32,
    last: (Time, Option<FlowId>),
    with: u32,
}

impl Constants {
    /// A request of a sort carries these, which are given back.
    pub(super) fn read(&mut self, sort: u64, values: Values) -> Values {
        if values.are_part() || values.is_empty() && !values.are_all() {
            return values;
        }
        if self.sorts.len() >= MAX_SORTS {
            self.sorts.clear();
        }
        let common = self.sorts.entry(sort).or_insert_with(|| Common { values: values.clone(), times: 0 });
        common.times += 1;
        common.values.retain(|value| values.contains(value));
        values
    }

    /// What all requests of a sort carry, where there were several.
    pub(super) fn of_sort(&self, sort: u64) -> Option<&Values> {
        self.sorts.get(&sort).filter(|common| common.times >= ENOUGH).map(|common| &common.values)
    }

    /// Those of the values of a call of a kind that are not its sender's.
    pub(super) fn foreign(&self, call: u64, mut values: Values) -> Values {
        let own = |sent: &Sent| sent.without >= OFTEN && sent.without * ONE_IN > sent.with;
        values.retain(|value| !self.sent.get(&both(call, value)).is_some_and(own));
        values
    }

    /// A call of a kind carries these, while its sender was at work on those alone that are open, whose values were read.
    pub(super) fn sent(&mut self, call: u64, values: &Values, open: &[&mut Work], (time, last): (Time, Option<FlowId>)) {
        let has = |value| open.iter().any(|work| work.values.as_ref().is_some_and(|values| values.contains(value)));
        let all = open.iter().all(|work| work.values.as_ref().is_some_and(Values::are_all));
        for value in values.iter() {
            if self.sent.len() >= MAX_SENT {
                self.sent.clear();
            }
            let (key, has) = (both(call, value), has(value));
            if has && let Some(sent) = self.sent.get_mut(&key) {
                sent.with += 1;
            } else if !has && all {
                let sent = self.sent.entry(key).or_default();
                if sent.without == 0 || sent.last.1 != last || time.since(sent.last.0) > OCCASION {
                    (sent.without, sent.last) = (sent.without + 1, (time, last));
                }
            }
        }
    }
}
