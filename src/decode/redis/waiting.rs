//! Which answer is which command's: by order, and never by guess once bytes were lost.
//!
//! As long as nothing is lost the oldest open command is answered first. Behind a hole, and on a connection that was joined late, nobody
//! knows how many answers are still due, unless the client is one that waits for each of them. That is put to a trial: one command, one
//! answer, and only then the next command. The command of the trial has no answer; from the next one on they pair. A client that was
//! ever seen to ask before it was answered passes no trial: its commands have no answers any more, until it falls silent. All that it
//! asked was answered, as far as it was seen, and it asks again no sooner than [`QUIET`] later: then nothing is due from before. What no
//! trial shows is a client that keeps two commands open all the time, and sends the next one with each answer.
//!
//! ```text
//!          hole             a command        its answer      a command
//!  Sure ──────────> Lost ──────────> Asked ──────────> Held ──────────> Sure
//!                    └── asks too early, answers too often ──┴──> Never ── all answered, and quiet ──> Sure
//! ```

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
    /// Bytes were lost, and no command was sent since.
    Lost,
    /// One was.
    Asked,
    /// It had one answer.
    Held,
    /// Not any more.
    Never,
}

/// The open commands of a connection, oldest first.
#[derive(Debug)]
pub struct Waiting {
    open: VecDeque<Asked>,
    trust: Trust,
    /// Whether the client was seen to ask before it was answered.
    pipelined: bool,
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
        Self { open: VecDeque::new(), trust, pipelined: false, lossy, due: 0, idle: None }
    }

    /// A command was sent, while an answer was on its way or not. Those whose answer nobody will know are given to `lost`, this one too.
    pub fn ask(&mut self, asked: Asked, at: Time, answering: bool, mut lost: impl FnMut(Asked)) {
        if self.idle.take().is_some_and(|since| at.since(since) >= QUIET) {
            (self.trust, self.pipelined, self.lossy) = (Trust::Sure, false, false);
        }
        self.pipelined |= answering || !self.open.is_empty() || self.trust == Trust::Asked;
        if self.trust == Trust::Sure && self.open.len() >= WAITING || self.lossy && self.pipelined {
            // asked before a hole in the commands: those are answered in their turn all the same
            if self.trust == Trust::Sure {
                self.due = self.open.iter().filter(|asked| asked.counts()).count();
                self.open.drain(..).for_each(&mut lost);
            }
            self.trust = Trust::Never;
        }
        match self.trust {
            Trust::Sure => return self.open.push_back(asked),
            Trust::Held => {
                self.trust = Trust::Sure;
                return self.open.push_back(asked);
            }
            Trust::Lost if !asked.counts() => {}
            Trust::Lost => self.trust = Trust::Asked,
            Trust::Asked | Trust::Never => {}
        }
        self.due += usize::from(asked.counts());
        lost(asked);
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
        if asked.is_none() {
            self.trust = match self.trust {
                // nobody asked for it: something was not seen
                Trust::Sure | Trust::Lost => Trust::Lost,
                Trust::Asked => Trust::Held,
                Trust::Held | Trust::Never => Trust::Never,
            };
            self.lossy = true;
        }
        asked
    }

    /// Further answers are due to one that was taken out.
    pub fn put_back(&mut self, asked: Asked) {
        self.open.push_front(asked);
    }

    /// Bytes of the answers were lost: any of those that are due may have been among them.
    pub fn lost_answers(&mut self, lost: impl FnMut(Asked)) {
        self.open.drain(..).for_each(lost);
        self.lost_commands();
    }

    /// Bytes of the commands were lost: others may have been among them.
    pub fn lost_commands(&mut self) {
        (self.lossy, self.due, self.idle) = (true, 0, None);
        self.trust = if self.pipelined { Trust::Never } else { Trust::Lost };
    }

    /// Answers do not fit what was asked: nothing pairs from here on.
    pub fn confused(&mut self, lost: impl FnMut(Asked)) {
        self.pipelined = true;
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
