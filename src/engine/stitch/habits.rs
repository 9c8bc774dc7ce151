//! Whether what a service sends is caused by what it is asked, or comes by a clock of its own and meets requests by chance: a service that
//! is always at work on something is so whenever it sends anything. Nothing of who caused which.
//!
//! A kind of call that is caused by requests comes with nearly each request of some operation, or never while its sender is at rest, though
//! that often is. What is open for long, as a poll is, meets as many of a clock's calls each time: they come at any point of it.

use super::super::digest::digester;
use super::super::traces::Hop;
use super::work::Work;
use super::works::label;
use crate::model::Pattern;
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many kinds of calls are remembered: where one more comes that may be chance all is learned anew, and of others no more is learned.
const MAX_KINDS: usize = 1 << 12;
/// How many operations a service is asked are told apart, and of how many it is known that calls of a kind came while one was open.
const MAX_SORTS: usize = 64;
/// How likely it may be that a service was at work each time by mere chance.
const CHANCE: f64 = 0.001;
/// After how long without such a call nothing is known of the moments in between: what is over is not remembered for longer.
const REMEMBERED: Span = Span::from_secs(20);
/// Of how many calls it is told whether they come by a clock, and how much the time between them may then vary, as a part of it.
const CLOCKED: u32 = 8;
const VARIES: f64 = 0.25;
/// How much the number of calls of each request may vary, where it is more than one: most numbers are not that near a whole one.
const NEAR: f64 = 0.25;
/// Over how much of requests the calls may be spread that come with each of them.
const SPREAD: Span = Span::from_secs(1);

/// How often a service was asked for what, each operation by what stands for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Received(Vec<(u64, u32)>);

impl Received {
    /// Once more.
    pub(super) fn add(&mut self, sort: u64) {
        if let Some((_, times)) = self.0.iter_mut().find(|(known, _)| *known == sort) {
            *times = times.saturating_add(1);
        } else if self.0.len() < MAX_SORTS {
            self.0.push((sort, 1));
        }
    }

    /// As it was before these.
    pub(super) fn without(&self, sorts: impl Iterator<Item = u64>) -> Self {
        let mut before = self.clone();
        for sort in sorts {
            let known = before.0.iter_mut().find(|(known, _)| *known == sort);
            known.into_iter().for_each(|(_, times)| *times = times.saturating_sub(1));
        }
        before
    }

    /// How often for this.
    pub(super) fn of(&self, sort: u64) -> u32 {
        self.0.iter().find(|(known, _)| *known == sort).map_or(0, |(_, times)| *times)
    }
}

/// What was learned, by kind of call.
#[derive(Debug, Default)]
pub(super) struct Habits {
    kinds: HashMap<u64, Habit>,
    /// How often somebody without a name sent something, by its receiver and its operation: that may be one of those who have one.
    nameless: HashMap<u64, u32>,
}

/// Calls of one sender to one receiver, of one operation.
#[derive(Debug)]
struct Habit {
    sender: Arc<str>,
    /// Stands for its receiver and its operation.
    what: u64,
    /// How often one came while something was open, and the last of them.
    times: u32,
    last: Time,
    /// How often what one carries told because of what it came.
    known: u32,
    /// The time between them, in seconds, and its square: sums.
    between: [f64; 2],
    /// For how long of that the sender was at rest, in seconds, by the moments at which that was looked at; and for how long it was not.
    at_rest: f64,
    at_work: f64,
    asked: Vec<Asked>,
}

/// An operation that was open when such a call came.
#[derive(Debug)]
struct Asked {
    sort: u64,
    /// How often such a call had come before, also such as carry what tells, and how often it had been asked for and answered.
    since: u32,
    known: u32,
    base: u32,
    /// How often it was open when one came.
    open: u32,
    /// How long it had been open then, at least and at most.
    ages: [Span; 2],
}

impl Habits {
    /// Any one of the moments between the last call of a kind and the next, to see whether its sender was at rest: what comes regularly is
    /// at the same point of its work at each moment that is chosen regularly.
    pub(super) fn between(&self, kind: u64, call: &Hop) -> Option<Time> {
        let gap = call.time.since(self.kinds.get(&kind)?.last);
        let mut any = digester();
        call.flow.hash(&mut any);
        let part = gap.nanos() as f64 * (any.finish() >> 32) as f64 / f64::from(u32::MAX);
        (gap > Span::default() && gap < REMEMBERED).then(|| call.time.before(Span::from_nanos(part as u64)))
    }

    /// A call of a kind comes while all these are open at its sender, which was `at_rest` at the moment between if that is known. Says
    /// whether that may be chance, by all that was seen so far.
    pub(super) fn seen(
        &mut self,
        (kind, hop): (u64, &Hop),
        sender: &Arc<str>,
        at_rest: Option<bool>,
        open: &[&mut Work],
        received: &Received,
    ) -> bool {
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind) {
            self.kinds.clear();
        }
        let habit = self.kinds.entry(kind).or_insert_with(|| Habit::new(sender, hop));
        if habit.times == 0 {
            (habit.sender, habit.last) = (Arc::clone(sender), hop.time);
        }
        habit.seen(hop.time, at_rest, open, received);
        let now = |sort| (received.of(sort), count(open.iter().map(|work| work.sort), sort));
        habit.by_chance(self.nameless.get(&habit.what).copied(), now)
    }

    /// What a call carries told because of what it came.
    pub(super) fn known(&mut self, hop: &Hop) {
        if !matches!(hop.pattern, Pattern::Query | Pattern::Deliver) && self.kinds.len() < MAX_KINDS {
            self.kinds.entry(hop.call()).or_insert_with(|| Habit::new(label(&hop.from), hop)).known += 1;
        }
    }

    /// Somebody sends a call, and nobody knows who that is.
    pub(super) fn nameless(&mut self, hop: &Hop) {
        if hop.pattern != Pattern::Query && self.nameless.len() < MAX_KINDS {
            *self.nameless.entry(hop.kind()).or_default() += 1;
        }
    }

    /// Of each kind, whether it may be chance, by all that was seen: of a service `now` tells how often it was asked for what, and what
    /// it is at work on.
    pub(super) fn all(&self, now: impl Fn(&str) -> (Received, Vec<u64>)) -> Vec<(u64, bool)> {
        let judged = |(kind, habit): (&u64, &Habit)| {
            let (received, open) = now(&habit.sender);
            let now = |sort| (received.of(sort), count(open.iter().copied(), sort));
            (*kind, habit.by_chance(self.nameless.get(&habit.what).copied(), now))
        };
        self.kinds.iter().map(judged).collect()
    }
}

fn count(sorts: impl Iterator<Item = u64>, sort: u64) -> u32 {
    sorts.filter(|other| *other == sort).count() as u32
}

impl Habit {
    fn new(sender: &Arc<str>, hop: &Hop) -> Self {
        let (sender, what, times, known, asked) = (Arc::clone(sender), hop.kind(), 0, 0, Vec::new());
        Self { sender, what, times, last: hop.time, known, between: [0.0; 2], at_rest: 0.0, at_work: 0.0, asked }
    }

    fn seen(&mut self, time: Time, at_rest: Option<bool>, open: &[&mut Work], received: &Received) {
        let gap = time.since(self.last).nanos() as f64 / 1e9;
        self.between = [self.between[0] + gap, self.between[1] + gap * gap];
        self.last = self.last.max(time);
        match at_rest {
            Some(true) => self.at_rest += gap,
            Some(false) => self.at_work += gap,
            None => {}
        }
        let mut sorts: Vec<_> = open.iter().map(|work| (work.sort, time.since(work.time))).collect();
        sorts.sort_unstable();
        for sort in sorts.chunk_by(|(a, _), (b, _)| a == b) {
            let (Some(&(first, youngest)), Some(&(_, oldest)), together) = (sort.first(), sort.last(), sort.len() as u32) else {
                continue;
            };
            if let Some(asked) = self.asked.iter_mut().find(|asked| asked.sort == first) {
                asked.open += 1;
                asked.ages = [asked.ages[0].min(youngest), asked.ages[1].max(oldest)];
            } else if self.asked.len() < MAX_SORTS {
                let base = received.of(first).saturating_sub(together);
                self.asked.push(Asked {
                    sort: first,
                    since: self.times,
                    known: self.known,
                    base,
                    open: 1,
                    ages: [youngest, oldest],
                });
            }
        }
        self.times += 1;
    }

    /// Whether that something was open each time may be chance, where so many more were sent by `nameless` ones. `now` tells how often
    /// an operation was asked for, and how many of those are not answered.
    fn by_chance(&self, nameless: Option<u32>, now: impl Fn(u64) -> (u32, u32)) -> bool {
        if self.known > 0 && self.known >= self.times {
            return false;
        }
        // of as long as it takes from one to the next nothing is known
        let seen = self.at_rest + self.at_work;
        let unknown = seen / f64::from(self.times.max(2) - 1);
        let busy = if seen > 0.0 { (self.at_work + unknown) / (seen + unknown) } else { 1.0 };
        if busy.powf(self.times.into()) <= CHANCE {
            return false;
        }
        let counted = |asked: &Asked| {
            let (received, open) = now(asked.sort);
            (received.saturating_sub(asked.base), open)
        };
        let (mut all, mut answered) = (0, 0);
        for asked in self.asked.iter().filter(|asked| !asked.at_any_point()) {
            let (received, open) = counted(asked);
            (all, answered) = (all + received, answered + received.saturating_sub(open));
            let calls = self.times - asked.since;
            let always = most(calls, self.times) && most(asked.open, calls);
            let known = self.known - asked.known;
            if always && self.comes_with((calls + known, nameless), received, received.saturating_sub(open)) {
                return false;
            }
        }
        !self.comes_with((self.times + self.known, nameless), all, answered)
    }

    /// Whether so many calls came with nearly each of so many requests, once or so many times, of which so many are answered.
    fn comes_with(&self, (calls, nameless): (u32, Option<u32>), received: u32, answered: u32) -> bool {
        self.fits(calls, received, answered) || nameless.is_some_and(|more| self.fits(calls + more, received, answered))
    }

    fn fits(&self, calls: u32, received: u32, answered: u32) -> bool {
        let (calls, received, answered) = (f64::from(calls), f64::from(received), f64::from(answered));
        if calls <= received * 1.1 {
            return calls >= answered * 0.75;
        }
        let each = (calls / received.max(1.0)).round();
        let near = (each * 0.1).min(NEAR);
        let fits = calls >= (each - near) * answered && calls <= (each + near) * received;
        fits && !self.clocked()
    }

    /// Whether they come by a clock, whatever is open.
    fn clocked(&self) -> bool {
        let n = f64::from(self.times.saturating_sub(1).max(1));
        let mean = self.between[0] / n;
        let variance = (self.between[1] / n - mean * mean).max(0.0);
        self.times >= CLOCKED && variance.sqrt() < mean * VARIES
    }
}

impl Asked {
    /// Whether such calls come at any point of it, however long it has been open.
    fn at_any_point(&self) -> bool {
        self.ages[1].nanos() > self.ages[0].nanos().saturating_add(SPREAD.nanos())
    }
}

/// Whether `part` is nearly all of `all`.
fn most(part: u32, all: u32) -> bool {
    u64::from(part) * 10 >= u64::from(all) * 9
}
