//! Whether pairs are a guess: on a connection that was joined while answers were under way, each answer may be that of a question before
//! the one that it seems to answer. A side that waits for each answer and one that keeps several questions open, and asks the next one with
//! each answer, look alike, as long as neither pauses.
//!
//! ```text
//!  waits      … ─ answer ─ question ─ answer ─ question ─ answer
//!  keeps two  … ─ answer ─ question ─ answer ─ question ─ answer     each answer is that of the question before
//! ```
//! An answer that is due from before would come while the side that asks pauses. Where a question is the first thing seen, and its answer the
//! next one, none is taken to be due: a side that keeps several open asks right behind an answer, so that few captures begin there.

use super::turns::QUIET;
use crate::time::{Span, Time};

/// How many pauses show that nothing is due from before, how long they are at least, and how many times as long as the longest answer.
const PAUSES: u32 = 3;
const PAUSE: Span = Span::from_millis(5);
const LONGER: u64 = 4;

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was seen yet.
    Nothing,
    /// A question came first.
    Asked,
    /// Its answer came next, and is not whole.
    Answered,
    /// It is a guess.
    Guess,
    /// Nothing is due from before.
    Sure,
}

/// Whether pairs are one.
#[derive(Debug)]
pub(super) struct Guess {
    state: State,
    /// When the question was asked that is open alone, and since when all is answered.
    asked: Option<Time>,
    idle: Option<Time>,
    /// How long the longest answer took so far, and how many pauses were longer.
    longest: Span,
    pauses: u32,
}

impl Guess {
    /// Of a connection that was joined late; none of another one.
    pub fn of(late: bool) -> Option<Box<Self>> {
        let guess = Self { state: State::Nothing, asked: None, idle: None, longest: Span::default(), pauses: 0 };
        late.then(|| Box::new(guess))
    }

    /// Something is asked, when all else is answered, as far as it was seen, or not.
    pub fn ask(&mut self, at: Time, alone: bool) {
        let pause = self.idle.take().map(|since| at.since(since)).filter(|_| alone).unwrap_or_default();
        let longer = pause >= PAUSE && pause.nanos() > self.longest.nanos().saturating_mul(LONGER);
        self.pauses += u32::from(longer && self.state == State::Guess);
        self.state = match self.state {
            State::Nothing => State::Asked,
            State::Guess if pause >= QUIET || self.pauses >= PAUSES => State::Sure,
            State::Asked | State::Answered | State::Guess => State::Guess,
            State::Sure => State::Sure,
        };
        self.asked = Some(at).filter(|_| alone);
    }

    /// Something is answered. Whether bytes of that side were passed over before: then it did so, too, before anything was asked.
    pub fn answer(&mut self, passed: bool) {
        self.state = match self.state {
            State::Nothing => State::Guess,
            State::Asked => {
                if passed {
                    State::Guess
                } else {
                    State::Answered
                }
            }
            as_it_is @ (State::Answered | State::Guess | State::Sure) => as_it_is,
        };
    }

    /// An answer has ended, to all that was asked or not.
    pub fn answered(&mut self, at: Time, all: bool) {
        let took = self.asked.take().filter(|_| all).map(|asked| at.since(asked));
        self.longest = self.longest.max(took.unwrap_or_default());
        self.idle = Some(at).filter(|_| all);
        if self.state == State::Answered {
            self.state = if all { State::Sure } else { State::Guess };
        }
    }

    /// Bytes were lost: silence shows nothing.
    pub fn lose(&mut self) {
        (self.asked, self.idle) = (None, None);
    }

    /// Whether a pair may be none.
    pub fn holds(&self) -> bool {
        self.state == State::Guess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection of which an answer is seen first, or a question; then so many in turn, each answered so many milliseconds later, and
    /// the next behind a pause.
    fn late(answer_first: bool, questions: usize, answers: i64, pause: i64) -> bool {
        let (mut guess, mut now) = (Guess::of(true).unwrap(), Time::from_nanos(0));
        let step = |now: &mut Time, millis: i64| *now = Time::from_nanos(now.nanos() + millis * 1_000_000);
        if answer_first {
            guess.answer(false);
            guess.answered(now, true);
        }
        for _ in 0..questions {
            step(&mut now, pause);
            guess.ask(now, true);
            step(&mut now, answers);
            guess.answer(false);
            guess.answered(now, true);
        }
        guess.holds()
    }

    #[test]
    fn pauses_show_that_nothing_is_due_from_before() {
        assert!(Guess::of(false).is_none());
        assert!(!late(false, 2, 5, 0), "a question came first");
        assert!(late(true, 100, 2, 1), "two may be under way all the time");
        assert!(!late(true, 1, 2, 1000));
        assert!(late(true, 2, 1, 6) && !late(true, 3, 1, 6));
        assert!(late(true, 100, 5, 20));
    }

    #[test]
    fn what_was_passed_over_before_was_an_answer() {
        let mut guess = Guess::of(true).unwrap();
        guess.ask(Time::from_nanos(0), true);
        guess.answer(true);
        assert!(guess.holds());
    }

    #[test]
    fn a_side_that_asks_again_before_it_is_answered_does_not_wait() {
        let mut guess = Guess::of(true).unwrap();
        guess.ask(Time::from_nanos(0), true);
        guess.ask(Time::from_nanos(1), false);
        assert!(guess.holds());
    }
}
