//! Which answer is which command's: by order, and never by guess once bytes were lost.
//!
//! As long as nothing is lost the oldest open command is answered first. Behind a hole, and on a connection that was joined late, nobody
//! knows how many answers are still due, unless the client is one that takes turns: it asks, once or several times, and asks again when
//! all of that is answered. What it asks from one turn to the next is put to a trial: as many answers, and only then the next command.
//! The commands of the trial have no answers; from the next one on they pair. A client of which it is not known from before that it asks
//! several times must ask once. One that was ever seen to ask more while answers came passes no trial: its commands have no answers
//! any more, until it falls silent. All that it asked was answered, as far as it was seen, and it asks again no sooner than [`QUIET`]
//! later: then nothing is due from before. What no trial shows is a client that keeps two commands open all the time, and sends the next
//! one with each answer.
//!
//! ```text
//!          hole          a turn          as many answers, a turn
//!  Sure ──────────> Lost ──────> Trial ────────────────────────> Sure
//!                    └── asks too early, answers too often ──┴──> Never ── all answered, and quiet ──> Sure
//! ```
//! Of a turn of which commands were lost, and no answers, there are more answers than commands: else the client did not wait for them.

use super::command::Means;
use crate::model::Joined;
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// How many commands of a connection wait for their answer: pipelines of tens of thousands are usual. Beyond, pairing is given up.
const WAITING: usize = 65_536;
/// How long a client is silent that has nothing under way. A server is done with a command sooner, unless that waits for others'
/// (`BLPOP`), behind which nobody asks for more.
const QUIET: Span = Span::from_secs(1);

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

/// Whether answers pair with commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Each answer is the oldest command's.
    Sure,
    /// Bytes were lost, and the client has not begun a turn since.
    Lost,
    /// It has.
    Trial,
    /// Not any more.
    Never,
}

/// What the client was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Habit {
    /// It asks once, and waits for the answer.
    Waits,
    /// It asks several times, and waits for all answers.
    Turns,
    /// It asks while answers come.
    Overlaps,
}

/// What one turn of the client has brought, and its answers.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    asked: u64,
    answered: u64,
    /// Whether further commands of it may be lost, and whether answers may.
    cut: bool,
    blank: bool,
    /// Whether some were lost while it was not the client's turn, unless answers were, too.
    hasty: bool,
}

/// The open commands of a connection, oldest first.
#[derive(Debug)]
pub struct Waiting {
    open: VecDeque<Asked>,
    trust: Trust,
    habit: Habit,
    turn: Turn,
    /// Whether bytes were lost, or sent before the connection was joined.
    lossy: bool,
    /// While nothing is sure: how many of the commands since then had no answer, and since when all had one.
    due: usize,
    idle: Option<Time>,
}

impl Waiting {
    /// None open.
    pub fn new(joined: Joined) -> Self {
        let lossy = joined != Joined::Opening;
        let trust = if lossy { Trust::Lost } else { Trust::Sure };
        let turn = Turn { blank: lossy, ..Turn::default() };
        Self { open: VecDeque::new(), trust, habit: Habit::Waits, turn, lossy, due: 0, idle: None }
    }

    /// A command was sent, while an answer was on its way or not. Those whose answer nobody will know are given to `lost`, this one too.
    pub fn ask(&mut self, asked: Asked, at: Time, answering: bool, mut lost: impl FnMut(Asked)) {
        if self.idle.take().is_some_and(|since| at.since(since) >= QUIET) {
            (self.trust, self.habit, self.lossy, self.turn) = (Trust::Sure, Habit::Waits, false, Turn::default());
        }
        let known = self.habit;
        self.learn(answering);
        if self.trust == Trust::Sure && self.open.len() >= WAITING || self.lossy && self.habit > known {
            self.habit = Habit::Overlaps;
        }
        if self.lossy && self.habit == Habit::Overlaps || self.open.len() >= WAITING {
            // asked before a hole in the commands: those are answered in their turn all the same
            if self.trust == Trust::Sure {
                self.due = self.open.iter().filter(|asked| asked.counts()).count();
                self.open.drain(..).for_each(&mut lost);
            }
            self.trust = Trust::Never;
        }
        if self.trust == Trust::Trial && !asked.counts() {
            // its answers are not counted
            (self.trust, self.turn) = (Trust::Lost, Turn { blank: true, ..Turn::default() });
        }
        self.turn.asked += u64::from(asked.counts());
        if self.trust == Trust::Sure {
            return self.open.push_back(asked);
        }
        self.due += usize::from(asked.counts());
        lost(asked);
    }

    /// What it tells of the client that it asks now, and whether it begins a turn with that.
    fn learn(&mut self, answering: bool) {
        let Turn { asked, answered, cut, blank, .. } = self.turn;
        let open = if self.trust == Trust::Sure { !self.open.is_empty() } else { answered == 0 && !blank };
        if answering || open && answered > 0 {
            self.habit = Habit::Overlaps;
        } else if open {
            self.habit = self.habit.max(if asked > 0 || cut { Habit::Turns } else { Habit::Waits });
        } else {
            let fits = match self.trust {
                Trust::Lost => !cut || blank || answered > asked,
                Trust::Trial => answered == asked,
                Trust::Sure | Trust::Never => true,
            };
            self.trust = match self.trust {
                // the first commands of this turn may be among those that were lost
                Trust::Lost if cut && blank && self.habit == Habit::Turns => Trust::Lost,
                Trust::Lost => Trust::Trial,
                Trust::Trial => Trust::Sure,
                as_it_is @ (Trust::Sure | Trust::Never) => as_it_is,
            };
            self.turn = Turn::default();
            if !fits {
                (self.trust, self.habit) = (Trust::Never, Habit::Overlaps);
            }
        }
    }

    /// An answer has ended that is nobody's.
    pub fn rest(&mut self, at: Time) {
        self.due = self.due.saturating_sub(1);
        self.idle = Some(at).filter(|_| self.due == 0);
    }

    /// The command whose answer is due.
    pub fn due(&self) -> Option<Means> {
        self.open.front().map(|asked| asked.means)
    }

    /// Whether an answer is due, if only one that will be nobody's.
    pub fn expects(&self) -> bool {
        !self.open.is_empty() || self.due > 0
    }

    /// Takes out the command that the answer which begins now is for.
    pub fn answer(&mut self) -> Option<Asked> {
        let asked = self.open.pop_front();
        self.turn.answered += 1;
        if self.turn.hasty {
            (self.trust, self.habit) = (Trust::Never, Habit::Overlaps);
        }
        if asked.is_none() {
            self.lossy = true;
            match self.trust {
                // nobody asked for it: something was not seen
                Trust::Sure => (self.trust, self.turn.cut) = (Trust::Lost, true),
                Trust::Trial if self.turn.answered > self.turn.asked => {
                    (self.trust, self.habit) = (Trust::Never, Habit::Overlaps);
                }
                Trust::Lost | Trust::Trial | Trust::Never => {}
            }
        }
        asked
    }

    /// Further answers are due to one that was taken out.
    pub fn put_back(&mut self, asked: Asked) {
        self.turn.answered = self.turn.answered.saturating_sub(1);
        self.open.push_front(asked);
    }

    /// Bytes of the answers were lost: any of those that are due may have been among them.
    pub fn lost_answers(&mut self, lost: impl FnMut(Asked)) {
        self.open.drain(..).for_each(lost);
        self.due = 0;
        self.lose();
        self.turn = Turn { blank: true, ..Turn::default() };
    }

    /// Bytes of the commands were lost: others may have been among them.
    pub fn lost_commands(&mut self) {
        let Turn { asked, answered, cut, .. } = self.turn;
        let over = match self.trust {
            Trust::Sure => self.open.is_empty(),
            Trust::Trial => asked == answered,
            Trust::Lost => cut && answered > asked,
            Trust::Never => false,
        };
        if over {
            self.turn = Turn { blank: self.turn.blank, ..Turn::default() };
        }
        self.turn.cut = true;
        let early = self.habit == Habit::Waits || answered > 0;
        let under_way = if self.trust == Trust::Sure { !self.open.is_empty() } else { asked > answered };
        self.turn.hasty |= early && under_way;
        self.lose();
    }

    fn lose(&mut self) {
        (self.lossy, self.idle) = (true, None);
        self.trust = if self.habit == Habit::Overlaps { Trust::Never } else { Trust::Lost };
    }

    /// Answers do not fit what was asked: nothing pairs from here on.
    pub fn confused(&mut self, lost: impl FnMut(Asked)) {
        self.habit = Habit::Overlaps;
        self.lost_answers(lost);
    }

    /// Takes out the oldest one.
    pub fn give_up(&mut self) -> Option<Asked> {
        self.open.pop_front()
    }

    /// Whether answers are certain to be those of the commands that were seen.
    pub fn is_sure(&self) -> bool {
        self.trust == Trust::Sure
    }
}

#[cfg(test)]
mod tests {
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
        if !answered {
            waiting.rest(Time::from_nanos(millis * 1_000_000));
        }
        answered
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
