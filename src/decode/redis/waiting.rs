//! The commands that wait for their answers, and which answer is which command's: by order, and never by guess once bytes were lost
//! ([`Turns`]).

use super::command::Means;
use crate::decode::guess::Guess;
use crate::decode::turns::{Trust, Turns};
use crate::model::Joined;
use crate::time::Time;
use std::collections::VecDeque;

/// How many commands of a connection wait for their answer: pipelines of tens of thousands are usual. Beyond, pairing is given up.
pub const WAITING: usize = 65_536;

/// A command on its way.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its flow.
    pub key: u64,
    /// What its answer is.
    pub means: Means,
    /// Bytes of its answers so far, where it has several.
    pub bytes: u64,
    /// How many more of them are kept.
    pub room: usize,
}

impl Asked {
    /// Whether it has one answer: of confirmations nobody knows how many there are.
    fn counts(&self) -> bool {
        !matches!(self.means, Means::Confirms(..))
    }
}

/// The open commands of a connection, oldest first.
#[derive(Debug)]
pub struct Waiting {
    open: VecDeque<Asked>,
    /// How many of them have one answer: counted as they come and go, as very many may wait.
    counted: usize,
    turns: Turns,
    /// Whether others were asked of which it is not known what answers them.
    stray: bool,
    guess: Option<Box<Guess>>,
}

impl Waiting {
    /// None open.
    pub fn new(joined: Joined) -> Self {
        let turns = match joined {
            Joined::Opening => Turns::new(false),
            Joined::Midway => Turns::new(true),
            Joined::BehindHole => Turns::behind_hole(),
        };
        Self { open: VecDeque::new(), counted: 0, turns, stray: false, guess: Guess::of(joined == Joined::Midway) }
    }

    /// Gives back the room for more.
    pub fn shrink(&mut self) {
        self.open.shrink_to_fit();
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Too many are open.
    pub fn crowded(&mut self) {
        self.turns.give_up();
    }

    /// A command was sent, while an answer was on its way or not. Those whose answer nobody will know are given to `lost`, this one too.
    pub fn ask(&mut self, asked: Asked, at: Time, answering: bool, mut lost: impl FnMut(Asked)) {
        let alone = !answering && !self.expects();
        self.guess.iter_mut().for_each(|guess| guess.ask(at, alone));
        let waiting = if self.is_sure() { self.counted } else { self.open.len() };
        // those that were asked before a hole in the commands are answered in their turn all the same
        if !self.turns.ask(at, answering, waiting, asked.counts()) {
            self.drain(&mut lost);
        }
        self.stray = !self.is_sure();
        if self.stray {
            return lost(asked);
        }
        self.counted += usize::from(asked.counts());
        self.open.push_back(asked);
    }

    /// An answer has ended that is nobody's.
    pub fn rest(&mut self, at: Time) {
        self.turns.rest(1, at);
        let all = !self.expects();
        self.guess.iter_mut().for_each(|guess| guess.answered(at, all));
    }

    /// The answer of one that was taken out has ended.
    pub fn answered(&mut self, at: Time) {
        self.turns.answered(self.open.len(), at);
        let all = !self.expects();
        self.guess.iter_mut().for_each(|guess| guess.answered(at, all));
    }

    /// The command whose answer is due.
    pub fn due(&self) -> Option<Means> {
        self.open.front().map(|asked| asked.means)
    }

    /// The command whose answer is due once the next one has all of its own.
    pub fn due_then(&self) -> Option<Means> {
        self.open.get(1).map(|asked| asked.means)
    }

    /// Takes out the command whose answer is due where it has some confirmations, of which it is not known how many come.
    pub fn confirmed(&mut self) -> Option<Asked> {
        let some = |asked: &Asked| matches!(asked.means, Means::Confirms(_, None)) && asked.bytes > 0;
        if self.open.front().is_some_and(some) { self.answer() } else { None }
    }

    /// Whether an answer is due, if only one that will be nobody's.
    pub fn expects(&self) -> bool {
        !self.open.is_empty() || self.turns.due() > 0
    }

    /// An answer begins, bytes before which were passed over or not. Whether it is a guess whose it is.
    pub fn is_guess(&mut self, passed: bool) -> bool {
        self.guess.iter_mut().for_each(|guess| guess.answer(passed));
        self.guess.as_ref().is_some_and(|guess| guess.holds())
    }

    /// Whether what is answered now is nothing that was seen to be asked.
    pub fn is_unasked(&self) -> bool {
        self.open.is_empty() && !self.stray
    }

    /// Takes out the command that the answer which begins now is for.
    pub fn answer(&mut self) -> Option<Asked> {
        let asked = self.give_up();
        self.turns.answer(1, asked.is_some());
        asked
    }

    /// Further answers are due to one that was taken out.
    pub fn put_back(&mut self, asked: Asked) {
        self.turns.goes_on();
        self.counted += usize::from(asked.counts());
        self.open.push_front(asked);
    }

    /// Bytes of the answers were lost: any of those that are due may have been among them.
    pub fn lost_answers(&mut self, lost: impl FnMut(Asked)) {
        self.drain(lost);
        self.guess.iter_mut().for_each(|guess| guess.lose());
        self.turns.lost_answers();
    }

    /// Bytes of the commands were lost: others may have been among them.
    pub fn lost_commands(&mut self) {
        self.guess.iter_mut().for_each(|guess| guess.lose());
        self.turns.lost_questions(self.open.len());
    }

    /// Answers do not fit what was asked: nothing pairs from here on.
    pub fn confused(&mut self, lost: impl FnMut(Asked)) {
        self.drain(lost);
        self.stray = true;
        self.turns.confused();
    }

    /// Takes out the oldest one.
    pub fn give_up(&mut self) -> Option<Asked> {
        let asked = self.open.pop_front()?;
        self.counted -= usize::from(asked.counts());
        Some(asked)
    }

    /// Takes out all.
    fn drain(&mut self, lost: impl FnMut(Asked)) {
        self.stray |= !self.open.is_empty();
        self.counted = 0;
        std::mem::take(&mut self.open).into_iter().for_each(lost);
    }

    /// Whether answers are certain to be those of the commands that were seen.
    pub fn is_sure(&self) -> bool {
        self.turns.trust() == Trust::Sure
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Channels;
    use super::*;

    /// A connection that was joined late, of a client that does not wait for answers.
    fn late() -> Waiting {
        let mut waiting = Waiting::new(Joined::Midway);
        ask(&mut waiting, 0);
        ask(&mut waiting, 0);
        waiting
    }

    fn ask(waiting: &mut Waiting, millis: i64) {
        let asked = Asked { key: 0, means: Means::Answer, bytes: 0, room: 0 };
        waiting.ask(asked, Time::from_nanos(millis * 1_000_000), false, |_| {});
    }

    fn answer(waiting: &mut Waiting, millis: i64) -> bool {
        let answered = waiting.answer().is_some();
        let at = Time::from_nanos(millis * 1_000_000);
        if answered {
            waiting.answered(at)
        } else {
            waiting.rest(at)
        }
        answered
    }

    #[test]
    fn those_that_have_one_answer_are_counted_as_they_come_and_go() {
        let mut waiting = Waiting::new(Joined::Opening);
        let holds = |waiting: &Waiting, many| {
            assert_eq!((waiting.counted, waiting.open.iter().filter(|asked| asked.counts()).count()), (many, many));
        };
        let confirms = Asked { key: 0, means: Means::Confirms(Channels::Names, Some(0)), bytes: 0, room: 0 };
        ask(&mut waiting, 0);
        waiting.ask(confirms, Time::from_nanos(0), false, |_| {});
        ask(&mut waiting, 0);
        holds(&waiting, 2);
        let first = waiting.answer();
        holds(&waiting, 1);
        first.into_iter().for_each(|asked| waiting.put_back(asked));
        holds(&waiting, 2);
        waiting.give_up();
        waiting.give_up();
        holds(&waiting, 1);
        waiting.lost_answers(|_| {});
        holds(&waiting, 0);
    }

    #[test]
    fn a_client_that_was_answered_and_silent_is_sure_again() {
        let mut waiting = late();
        assert!(!answer(&mut waiting, 1) && !answer(&mut waiting, 2));
        ask(&mut waiting, 500);
        assert!(!answer(&mut waiting, 501), "it was not silent for long");
        ask(&mut waiting, 1501);
        ask(&mut waiting, 1501);
        assert!(answer(&mut waiting, 1502) && answer(&mut waiting, 1503));
        ask(&mut waiting, 1503);
        assert!(answer(&mut waiting, 1504), "it may ask as it likes from there on");
    }

    /// Joined late, then so many commands one by one, the answer of each that many milliseconds behind it, and the next behind a silence.
    fn one_by_one(commands: i64, answers: i64, silence: i64) -> (Waiting, i64) {
        let mut waiting = Waiting::new(Joined::Midway);
        let mut now = 0;
        for n in 0..commands {
            ask(&mut waiting, now);
            assert_eq!(answer(&mut waiting, now + answers), n > 0);
            now += answers + silence;
        }
        (waiting, now)
    }

    /// Whether two at once find their answers, and what follows.
    fn pipelines((mut waiting, now): (Waiting, i64)) -> bool {
        ask(&mut waiting, now);
        ask(&mut waiting, now);
        let found = [answer(&mut waiting, now + 1), answer(&mut waiting, now + 1)];
        ask(&mut waiting, now + 2);
        let after = answer(&mut waiting, now + 3);
        assert_eq!(found, [after; 2]);
        after
    }

    #[test]
    fn a_client_that_was_seen_to_wait_may_ask_as_it_likes() {
        assert!(pipelines(one_by_one(20, 1, 5)));
        assert!(!pipelines(one_by_one(8, 1, 5)), "not often enough");
        assert!(!pipelines(one_by_one(500, 1, 1)), "two may be under way all the time");
        assert!(!pipelines(one_by_one(500, 2, 0)), "two may be under way all the time");
        assert!(pipelines(one_by_one(3, 1, 1000)), "it was silent");
        let (mut waiting, now) = one_by_one(20, 1, 5);
        waiting.lost_commands();
        assert!(!pipelines((waiting, now)), "a hole brings doubt");
    }

    #[test]
    fn a_wait_counts_only_among_others() {
        let (mut waiting, mut now) = one_by_one(2, 1, 5);
        for n in 0..200 {
            ask(&mut waiting, now);
            assert!(answer(&mut waiting, now + if n % 12 == 0 { 3 } else { 1 }));
            now += 6;
        }
        assert!(!pipelines((waiting, now)));
    }

    #[test]
    fn a_confirmation_is_no_answer_to_what_was_asked() {
        let mut waiting = late();
        assert!(waiting.answer().is_none(), "a confirmation that is nobody's");
        assert!(!answer(&mut waiting, 1));
        ask(&mut waiting, 5000);
        assert!(!answer(&mut waiting, 5001) && !waiting.is_sure());
    }

    #[test]
    fn a_client_that_was_not_answered_is_not() {
        let mut waiting = late();
        assert!(!answer(&mut waiting, 1));
        ask(&mut waiting, 5000);
        assert!(!answer(&mut waiting, 5001) && !waiting.is_sure());
    }

    #[test]
    fn a_hole_within_the_silence_is_none() {
        let mut waiting = late();
        assert!(!answer(&mut waiting, 1) && !answer(&mut waiting, 2));
        waiting.lost_commands();
        ask(&mut waiting, 5000);
        assert!(!answer(&mut waiting, 5001) && !waiting.is_sure());
    }
}
