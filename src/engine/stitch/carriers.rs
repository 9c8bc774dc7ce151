//! What it says that a request which is open carries a value of what its receiver sends: that this was sent because of it rather than
//! because of another one only as far as the other one would carry it as well. A page asks for `/me` by its session and for
//! `/users/ID/orders`, and both read the same row: the ID tells neither from the other. Nor where others of the kind share none with
//! anything, as a constant does.
//!
//! That requests of a sort cause calls of a kind without carrying a value of them is known where such requests alone were open at one.
//! It may be so where the same call is sent twice while the one that carries the value is open, and another one is: unless that is seen
//! to make it twice itself. Where a kind is new, its calls wait for that as long as they may.

use super::super::traces::sort;
use super::payload::Values;
use super::work::Work;
use super::works::label;
use crate::engine::digest::{both, digester};
use crate::model::FlowId;
use hashbrown::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many are remembered of each; then all is learned anew.
const MAX_LEARNED: usize = 1 << 15;
/// Calls of a kind, of which one in so many shares no value with what is open, may always be because of what carries none.
const ONE_IN: u32 = 10;
/// How many flows before and behind a call are looked at for the same one once more; how often, until requests of a sort are known to be
/// nothing to such calls, and how often for a kind in all; and how many of a kind may wait for that.
const NEAR: u64 = 64;
const ENOUGH: u32 = 4;
const MAX_LOOKS: u32 = 256;
const NEW: u32 = 64;

/// What was learned, by kind of call.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    own: HashMap<u64, Own>,
    /// Of each kind together with a sort of request.
    causes: HashMap<u64, Caused>,
    /// Which sorts of requests may have caused a call as well that shares a value with one: by that one, its kind and its content.
    got: HashMap<u64, Vec<u64>>,
    /// How many calls were looked at, whether they should wait, of each kind as their operations tell it.
    seen: HashMap<u64, u32>,
}

/// What is known of calls of a kind.
#[derive(Debug, Default)]
struct Own {
    /// How often one shared no value with anything that was open, and how often it did.
    shares: [u32; 2],
    /// How often the same one was looked for.
    looks: u32,
}

/// What is known of calls of a kind as caused by requests of a sort.
#[derive(Debug, Default)]
struct Caused {
    /// How often one carried no value of the request that can only have caused it, and how often one did.
    without: u32,
    with: u32,
    /// Whether one came twice below a request of another sort while such a request was open.
    beside: bool,
    /// Whether one request makes the same call twice.
    twice: bool,
    /// How often one came once below such a request, or below another one while such a one was open.
    once: u32,
}

impl Caused {
    fn is_without(&self) -> bool {
        self.without * ONE_IN > self.without + self.with
    }
}

impl Carriers {
    /// A call of a kind shares a value with what its sender is at work on, or with nothing. Says whether it was sent because of that: not
    /// where others of its kind share none, so that the value is one that many have.
    pub(super) fn shares(&mut self, call: u64, shares: bool) -> bool {
        let seen = &mut entry(&mut self.own, call).shares;
        seen[usize::from(shares)] += 1;
        shares && seen[0] * ONE_IN <= seen[0] + seen[1]
    }

    /// A call of a kind was caused by a request that carries a value of it.
    pub(super) fn with(&mut self, sort: u64, call: u64) {
        entry(&mut self.causes, both(sort, call)).with += 1;
    }

    /// A call of a kind shares no value with any of these, and nothing else was open: where they are of one sort, one of that caused it.
    pub(super) fn without(&mut self, call: u64, open: &[&mut Work]) {
        if let [first, rest @ ..] = open
            && rest.iter().all(|work| work.sort == first.sort)
            && open.iter().all(|work| work.values.as_ref().is_some_and(Values::are_all))
        {
            entry(&mut self.causes, both(first.sort, call)).without += 1;
        }
    }

    /// Whether a request carries the values of the calls of a kind that it causes, by all of its sort.
    pub(super) fn would_share(&self, work: &Work, call: u64) -> bool {
        let known = self.causes.get(&both(work.sort, call)).is_some_and(|caused| caused.with > 0 && !caused.is_without());
        known && work.values.as_ref().is_some_and(Values::are_all)
    }

    /// Whether such a call is one of the first.
    pub(super) fn is_new(&mut self, operation: &str) -> bool {
        let seen = entry(&mut self.seen, sort(operation));
        *seen += 1;
        *seen <= NEW
    }

    /// Which others of those that are open, and that are worked on `still`, may have caused a call of a kind and a content that shares
    /// values with these alone. Whether it was sent `twice` while a request was open is looked for where it is not known.
    pub(super) fn rivals(
        &mut self,
        (call, content): (u64, u64),
        (open, sharing): (&[&mut Work], &[usize]),
        still: impl Fn(&Work) -> bool,
        twice: impl FnOnce(&Work) -> bool,
    ) -> Vec<usize> {
        let other = |(at, work): &(usize, &&mut Work)| sharing.binary_search(at).is_err() && still(work);
        let others = || open.iter().enumerate().filter(other);
        let mut sorts = distinct(others().map(|(_, work)| work.sort));
        sorts.retain(|sort| self.causes.get(&both(*sort, call)).is_some_and(Caused::is_without));
        if let [one] = sharing
            && let Some(one) = open.get(*one)
        {
            let beside = others().filter(|(_, work)| beside(work, one)).map(|(_, work)| work.sort);
            sorts.extend(self.beside((call, content), one, distinct(beside), twice));
        }
        others().filter(|(_, work)| sorts.contains(&work.sort)).map(|(at, _)| at).collect()
    }

    /// Which of these sorts, of requests that are open beside the one that carries the values of a call, may cause such calls as well.
    fn beside(
        &mut self,
        (call, content): (u64, u64),
        one: &Work,
        mut sorts: Vec<u64>,
        twice: impl FnOnce(&Work) -> bool,
    ) -> Vec<u64> {
        // who carries the values of the calls that it causes has not caused this one
        sorts.retain(|sort| self.causes.get(&both(*sort, call)).is_none_or(|caused| caused.with == 0));
        let key = same(one.flow, call, content);
        let before = self.got.get(&key);
        let again = before.is_some();
        let all = distinct(before.into_iter().flatten().chain(&sorts).copied());
        if again {
            all.iter().for_each(|sort| entry(&mut self.causes, both(*sort, call)).beside = true);
        }
        let own = entry(&mut self.causes, both(one.sort, call));
        own.twice |= again && all.is_empty();
        let (by_itself, known) = (own.twice, own.once >= ENOUGH);
        *entry(&mut self.got, key) = all;
        if by_itself || sorts.is_empty() {
            return Vec::new();
        }
        let is = |sort: &u64, what: fn(&Caused) -> bool| self.causes.get(&both(*sort, call)).is_some_and(what);
        let suspected: Vec<_> = sorts.iter().copied().filter(|sort| is(sort, |caused| caused.beside)).collect();
        let known = known && sorts.iter().all(|sort| is(sort, |caused| caused.once >= ENOUGH));
        if known || again || !suspected.is_empty() {
            return suspected;
        }
        let looks = &mut entry(&mut self.own, call).looks;
        if *looks >= MAX_LOOKS {
            return suspected;
        }
        *looks += 1;
        if twice(one) {
            return sorts;
        }
        sorts.iter().chain([&one.sort]).for_each(|sort| entry(&mut self.causes, both(*sort, call)).once += 1);
        Vec::new()
    }
}

/// Whether a request may be that of the same page as another one: what another service is asked meanwhile is asked because of this very
/// one, or is nothing to it, and what is asked alike carries alike.
pub(super) fn beside(work: &Work, one: &Work) -> bool {
    work.sort != one.sort && (Arc::ptr_eq(&work.to, &one.to) || label(&work.to) == label(&one.to))
}

/// The flows before and behind one.
pub(super) fn near(flow: FlowId) -> impl Iterator<Item = FlowId> {
    let near = flow.0.saturating_sub(NEAR)..=flow.0 + NEAR;
    near.map(FlowId).filter(move |other| *other != flow)
}

fn distinct(sorts: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut sorts: Vec<_> = sorts.collect();
    sorts.sort_unstable();
    sorts.dedup();
    sorts
}

/// What is remembered of something, where one more has room.
fn entry<T: Default>(all: &mut HashMap<u64, T>, key: u64) -> &mut T {
    if all.len() >= MAX_LEARNED {
        all.clear();
    }
    all.entry(key).or_default()
}

/// Stands for a call of a kind with a content because of a request.
fn same(request: FlowId, call: u64, content: u64) -> u64 {
    let mut hasher = digester();
    (request, call, content).hash(&mut hasher);
    hasher.finish()
}
