//! Which answer is which command's: by order, and never by guess once bytes were lost.
//!
//! As long as nothing is lost the oldest open command is answered first. Behind a hole, and on a connection that was joined late, nobody
//! knows how many answers are still due, unless the client is one that waits for each of them. That is put to a trial: one command, one
//! answer, and only then the next command. The command of the trial has no answer; from the next one on they pair. A client that was
//! ever seen to ask before it was answered passes no trial: behind a hole its commands have no answers any more. What no trial shows is a
//! client that keeps two commands open all the time, and sends the next one with each answer.
//!
//! ```text
//!          hole             a command        its answer      a command
//!  Sure ──────────> Lost ──────────> Asked ──────────> Held ──────────> Sure
//!                    └── asks too early, answers too often ──┴──> Never
//! ```

use super::command::Means;
use crate::model::Joined;
use std::collections::VecDeque;

/// How many commands of a connection wait for their answer: pipelines of tens of thousands are usual. Beyond, pairing is given up.
const WAITING: usize = 65_536;

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
}

impl Waiting {
    /// None open.
    pub fn new(joined: Joined) -> Self {
        let lossy = joined != Joined::Opening;
        Self { open: VecDeque::new(), trust: if lossy { Trust::Lost } else { Trust::Sure }, pipelined: false, lossy }
    }

    /// A command was sent, while an answer was on its way or not. Those whose answer nobody will know are given to `lost`, this one too.
    pub fn ask(&mut self, asked: Asked, answering: bool, mut lost: impl FnMut(Asked)) {
        self.pipelined |= answering || !self.open.is_empty() || self.trust == Trust::Asked;
        if self.trust == Trust::Sure && self.open.len() >= WAITING || self.lossy && self.pipelined {
            // asked before a hole in the commands: those are answered in their turn all the same
            if self.trust == Trust::Sure {
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
            // how many answers it has is not certain
            Trust::Lost if matches!(asked.means, Means::Confirms(..)) => {}
            Trust::Lost => self.trust = Trust::Asked,
            Trust::Asked | Trust::Never => {}
        }
        lost(asked);
    }

    /// The command whose answer is due.
    pub fn due(&self) -> Option<Means> {
        self.open.front().map(|asked| asked.means)
    }

    /// Whether an answer is due, if only a trial's.
    pub fn expects(&self) -> bool {
        !self.open.is_empty() || self.trust == Trust::Asked
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
        self.lossy = true;
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
