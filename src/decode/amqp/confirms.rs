//! Which publish is confirmed by which tag. Tags are counted from `confirm.select` on, and never said by the client: they are known as
//! long as every publish since then was seen. Behind a hole in the publishes they are counted anew from the last one that the broker
//! said, where the client then has nothing under way ([`Turns`]).

use crate::decode::turns::{Trust, Turns};
use crate::time::Time;
use std::collections::BTreeSet;

/// How many confirmations are remembered that came before those of earlier publishes.
const AHEAD: usize = 1024;

/// How publishes are counted; none where nothing was said of that, as on most channels.
#[derive(Debug, Default)]
pub struct Confirms(Option<Box<Counting>>);

#[derive(Debug)]
struct Counting {
    count: Count,
    turns: Turns,
    /// Up to which tag all are confirmed, where that is known, and which of those behind it are.
    floor: Option<u64>,
    ahead: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    /// They are not confirmed, as far as is known.
    Off,
    /// The next one has this tag.
    Next(u64),
    /// They are, but not all of them were seen.
    Uncounted,
}

impl Default for Counting {
    fn default() -> Self {
        Self { count: Count::Off, turns: Turns::new(true), floor: None, ahead: BTreeSet::new() }
    }
}

impl Confirms {
    /// From here on they are confirmed; without effect where they are already.
    pub fn select(&mut self) {
        if self.count() == Count::Off {
            let counting = Counting { count: Count::Next(1), turns: Turns::new(false), floor: Some(0), ahead: BTreeSet::new() };
            self.0 = Some(Box::new(counting));
        }
    }

    fn count(&self) -> Count {
        self.0.as_ref().map_or(Count::Off, |counting| counting.count)
    }

    /// Whether nothing was said of it.
    pub fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Whether they are confirmed, and not all of them were seen.
    pub fn is_uncounted(&self) -> bool {
        self.count() == Count::Uncounted
    }

    /// Nothing has come for a while: no room is kept for confirmations that come before those of earlier publishes.
    pub fn rest(&mut self) {
        self.0.iter_mut().filter(|counting| counting.ahead.is_empty()).for_each(|counting| counting.ahead = BTreeSet::new());
    }

    /// The tag of a publish that begins now, while any wait whose tags are known, or none.
    pub fn publish(&mut self, at: Time, waiting: bool) -> Option<u64> {
        self.0.as_mut().filter(|counting| counting.count != Count::Off)?.publish(at, waiting)
    }

    /// The broker confirms the publish with a tag, or all up to it, of which so many wait. Whether that can be: else the tags of none are
    /// known.
    pub fn confirmed(&mut self, tag: u64, multiple: bool, known: usize, at: Time) -> bool {
        self.0.get_or_insert_default().confirmed(tag, multiple, known, at)
    }

    /// Publishes may have gone by unseen, behind the rest of one or not, while any wait before that, or none.
    pub fn lose_publishes(&mut self, waiting: bool, rest: bool) {
        self.0.iter_mut().for_each(|counting| counting.lose_publishes(waiting, rest));
    }

    /// The same of confirmations: they say which publishes are meant, so that no tags are lost by it.
    pub fn lose_confirmations(&mut self) {
        self.0.get_or_insert_default().lose_confirmations();
    }
}

impl Counting {
    fn publish(&mut self, at: Time, waiting: bool) -> Option<u64> {
        self.turns.ask(at, false, usize::from(waiting), true);
        if self.count == Count::Uncounted && self.turns.trust() == Trust::Sure {
            match self.floor.filter(|_| self.ahead.is_empty() && !waiting) {
                Some(floor) => self.count = Count::Next(floor.saturating_add(1)),
                None => self.turns.confused(),
            }
        }
        let Count::Next(tag) = &mut self.count else { return None };
        let own = *tag;
        *tag = own.saturating_add(1);
        Some(own)
    }

    fn confirmed(&mut self, tag: u64, multiple: bool, known: usize, at: Time) -> bool {
        if self.count == Count::Off {
            self.count = Count::Uncounted;
        }
        let (all, known) = (self.count_confirmed(tag, multiple).max(known as u64), known as u64);
        self.turns.answer(known, true);
        self.turns.answer(all - known, false);
        self.turns.rest(all - known, at);
        let fits = !matches!(self.count, Count::Next(next) if tag >= next);
        if !fits {
            self.count = Count::Uncounted;
            self.turns.confused();
        }
        fits
    }

    /// How many are confirmed by that which were not.
    fn count_confirmed(&mut self, tag: u64, multiple: bool) -> u64 {
        let Some(floor) = self.floor else {
            // of those before it nothing was seen
            self.floor = Some(tag).filter(|tag| *tag > 0);
            return 1;
        };
        let new = match multiple {
            // all that there are
            true if tag == 0 => {
                self.lose_floor();
                return 0;
            }
            true => {
                let later = self.ahead.split_off(&tag.saturating_add(1));
                let before = std::mem::replace(&mut self.ahead, later).len() as u64;
                self.floor = Some(floor.max(tag));
                tag.saturating_sub(floor).saturating_sub(before)
            }
            // the next one, as mostly
            false if floor.checked_add(1) == Some(tag) => {
                self.floor = Some(tag);
                1
            }
            false => u64::from(tag > floor && self.ahead.insert(tag)),
        };
        while let Some(next) = self.floor.and_then(|floor| floor.checked_add(1)).filter(|next| self.ahead.remove(next)) {
            self.floor = Some(next);
        }
        if self.ahead.len() > AHEAD {
            self.lose_floor();
        }
        new
    }

    fn lose_floor(&mut self) {
        self.floor = None;
        self.ahead.clear();
    }

    fn lose_publishes(&mut self, waiting: bool, rest: bool) {
        if self.count != Count::Off {
            self.count = Count::Uncounted;
            if rest {
                self.turns.cut_question();
            }
            self.turns.lost_questions(usize::from(waiting));
        }
    }

    fn lose_confirmations(&mut self) {
        match self.count {
            Count::Next(_) => self.turns.miss_answers(),
            Count::Off | Count::Uncounted => self.turns.lost_answers(),
        }
        self.lose_floor();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_count_in_any_order_and_behind_pauses() {
        let now = Time::from_nanos(0);
        for order in [[1, 2, 3], [2, 1, 3], [2, 3, 1], [3, 2, 1]] {
            let mut confirms = Confirms::default();
            confirms.select();
            assert_eq!(order.map(|_| confirms.publish(now, true)), [1, 2, 3].map(Some));
            for tag in order {
                assert!(confirms.confirmed(tag, false, 1, now));
                confirms.rest();
            }
            let counting = confirms.0.unwrap();
            assert_eq!((counting.floor, counting.ahead.len()), (Some(3), 0), "{order:?}");
        }
    }

    #[test]
    fn what_very_many_channels_hold_is_small() {
        assert!(size_of::<Counting>() <= 160, "{}", size_of::<Counting>());
    }
}
