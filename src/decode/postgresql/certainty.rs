//! Whether each answer is that of the first question that waits, and how that becomes certain again once bytes were lost.
//!
//! A client that waits for each answer has nothing under way when the server is ready and it has asked nothing more. One that was ever
//! seen to ask before it was answered has nothing under way once all that was seen is answered and both sides are silent for [`QUIET`].
//! Behind a hole in the questions, what is asked before the server is ready again may be the rest of what the hole took a part of: then
//! there are answers to all of it, as far as it was run, and more. Else the client asks before it is answered; or a statement has failed of
//! which too little was lost for that to show.
//!
//! ```text
//!  client   Bind ─ Execute ─ Sync      hole ─ Execute ─ Sync             hole ─ Query
//!  server                    … Ready               2 ─ D ─ C ─ Ready                    … whatever comes: it did not wait
//!           sure                       unsure                  sure again
//! ```

use super::exchange::Kind;
use crate::decode::guess::Guess;
use crate::time::{Span, Time};

/// How long both sides are silent where a client that pipelines has nothing under way.
const QUIET: Span = Span::from_secs(1);

#[derive(Debug)]
pub(super) struct Certainty {
    /// Whether each answer is that of the first question that waits; else none waits.
    sure: bool,
    /// Whether it is so only because this client seems to wait for each answer, and whether one has fitted since.
    tried: bool,
    fitted: bool,
    /// Whether the client has asked more before it was answered: then an end of an answer need not be the last one's.
    pipelines: bool,
    /// While nothing is sure: how many ends of answers are due, whether a question without one was asked, and since when none is due.
    due: usize,
    partial: bool,
    idle: Option<Time>,
    /// Whether something was asked of which it is not known what answers it.
    stray: bool,
    /// Of a connection that was joined late: whether pairs are a guess.
    guess: Option<Box<Guess>>,
    /// Whether something was asked since the server was ready.
    asking: bool,
    /// Whether the server takes what is copied.
    copies: bool,
    /// Whether answers were lost, and nothing was seen since.
    blind: bool,
    /// While nothing is sure: what there was since questions were lost.
    since: Option<Box<Since>>,
}

/// Messages of both sides since questions were lost.
#[derive(Debug, Default)]
struct Since {
    asked: [usize; SORTS],
    answered: [usize; SORTS],
    /// Whether the server was ready, and whether anything was asked before.
    ready: bool,
    early: bool,
    /// Whether an end of an answer was due when they were lost, so that the client had not waited for it.
    hasty: bool,
    /// Whether something failed, so that not all is answered.
    failed: bool,
    /// Whether names were given or taken by SQL.
    renamed: bool,
}

/// How many sorts of answers are told from one another.
const SORTS: usize = 6;
const PARSED: usize = 0;
const CLOSED: usize = 1;
const READY: usize = 5;

/// The sort of what answers a question last.
const fn sort_of(kind: Kind) -> usize {
    match kind {
        Kind::Parse => PARSED,
        Kind::Close => CLOSED,
        Kind::Bind => 2,
        Kind::Describe => 3,
        Kind::Execute => 4,
        Kind::Sync | Kind::Query | Kind::Function | Kind::Session => READY,
    }
}

impl Since {
    /// Whether what was asked is the rest of what was lost: all of it is answered, save what is not run behind a failure, and so is what
    /// was lost.
    fn is_rest(&self) -> bool {
        let pairs = || self.asked.iter().zip(&self.answered);
        let done = pairs().enumerate().all(|(sort, (asked, answered))| asked <= answered || self.failed && sort != READY);
        done && pairs().any(|(asked, answered)| asked < answered)
    }

    /// Whether no name has come to stand for something else, as far as answers tell.
    fn keeps_names(&self) -> bool {
        let same = |sort: usize| self.asked.get(sort) == self.answered.get(sort);
        same(PARSED) && same(CLOSED) && !self.failed && !self.renamed
    }
}

/// Whose answers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing changes.
    Same,
    /// From here on they are not.
    Unsure,
    /// From here on they are. Whether names surely stand for what they did before bytes were lost.
    Sure { names: bool },
}

impl Certainty {
    pub(super) fn new(opening: bool) -> Self {
        Self {
            sure: opening,
            tried: !opening,
            fitted: opening,
            pipelines: false,
            due: 0,
            partial: false,
            idle: None,
            stray: false,
            guess: Guess::of(!opening),
            asking: false,
            copies: false,
            blind: false,
            since: None,
        }
    }

    pub(super) const fn is_sure(&self) -> bool {
        self.sure
    }

    /// Whether it is sure only because nothing showed that it is not.
    pub(super) const fn is_tried(&self) -> bool {
        self.tried
    }

    /// How many ends of answers are due, while nothing is sure.
    pub(super) const fn due(&self) -> usize {
        self.due
    }

    /// Whether what is answered, while nothing is sure, is nothing that was seen to be asked.
    pub(super) const fn is_of_unseen(&self) -> bool {
        !self.stray
    }

    /// What answers a question that was seen will not be known.
    pub(super) fn strays(&mut self) {
        self.stray = true;
    }

    /// Something is asked while so many ends of answers are due; there are too many if it is `full`.
    pub(super) fn asks(&mut self, kind: Kind, at: Time, due: usize, full: bool) -> Turn {
        self.blind = false;
        if !std::mem::replace(&mut self.asking, true) || due > 0 {
            self.guess.iter_mut().for_each(|guess| guess.ask(at, due == 0));
        }
        self.pipelines |= due > 0;
        if let Some(since) = self.since.as_mut().filter(|since| !since.ready) {
            // a query is the rest of nothing
            self.pipelines |= matches!(kind, Kind::Query | Kind::Function);
            since.early = true;
        }
        if self.sure && (full || self.tried && self.pipelines) {
            self.pipelines = true;
            return Turn::Unsure;
        }
        if self.idle.take().is_some_and(|since| at.since(since) >= QUIET) {
            (self.tried, self.fitted, self.stray) = (false, true, false);
            return self.now_sure();
        }
        Turn::Same
    }

    /// It is asked while nothing is sure.
    pub(super) fn asked(&mut self, kind: Kind) {
        (self.partial, self.stray) = (!kind.is_cycle(), true);
        self.due += usize::from(kind.is_cycle());
        self.count(kind);
    }

    fn count(&mut self, kind: Kind) {
        if let Some(n) = self.since.as_mut().and_then(|since| since.asked.get_mut(sort_of(kind))) {
            *n += 1;
        }
    }

    /// An answer while nobody knows whose.
    pub(super) fn answered(&mut self, kind: u8, payload: &[u8], at: Time) -> Turn {
        (self.idle, self.blind) = (None, false);
        let tags: [&[u8]; 3] = [b"PREPARE\0", b"DEALLOCATE", b"DISCARD ALL\0"];
        let sort = match kind {
            b'1' => sort_of(Kind::Parse),
            b'3' => sort_of(Kind::Close),
            b'2' => sort_of(Kind::Bind),
            b'T' | b'n' => sort_of(Kind::Describe),
            b'C' | b'I' | b's' => sort_of(Kind::Execute),
            b'Z' => READY,
            _ => SORTS,
        };
        self.copies = kind == b'G' || self.copies && !matches!(kind, b'C' | b'E' | b'Z');
        if let Some(since) = &mut self.since {
            since.failed |= kind == b'E';
            since.renamed |= kind == b'C' && tags.iter().any(|tag| payload.starts_with(tag));
            if let Some(n) = since.answered.get_mut(sort) {
                *n += 1;
            }
            if kind == b'Z' && !std::mem::replace(&mut since.ready, true) {
                self.pipelines |= since.hasty || since.early && !since.is_rest();
            }
        }
        if kind != b'Z' {
            return Turn::Same;
        }
        self.due = self.due.saturating_sub(1);
        self.ready(at, self.due == 0 && !self.partial);
        if self.due > 0 || self.partial {
            return Turn::Same;
        }
        self.idle = Some(at).filter(|_| self.pipelines);
        if self.pipelines { Turn::Same } else { self.now_sure() }
    }

    fn now_sure(&mut self) -> Turn {
        let names = self.since.take().is_some_and(|since| since.keeps_names());
        (self.sure, self.pipelines) = (true, false);
        Turn::Sure { names }
    }

    /// An answer is whole, and is that of what was asked: of all of it or not.
    pub(super) fn fits(&mut self, at: Time, all: bool) {
        (self.fitted, self.stray) = (true, false);
        self.ready(at, all);
    }

    fn ready(&mut self, at: Time, all: bool) {
        self.asking &= !all;
        self.guess.iter_mut().for_each(|guess| guess.answered(at, all));
    }

    /// Part of an answer, bytes before which were passed over or not. Whether it is a guess whose it is.
    pub(super) fn is_guess(&mut self, passed: bool) -> bool {
        self.guess.iter_mut().for_each(|guess| guess.answer(passed));
        self.guess.as_ref().is_some_and(|guess| guess.holds())
    }

    /// While all was sure the server was ready, and nothing had been asked. Whether that shows that it was not sure.
    pub(super) fn is_ready_unasked(&mut self) -> bool {
        self.pipelines |= self.tried;
        self.tried
    }

    /// An answer is not that of what was asked.
    pub(super) fn misfits(&mut self, waiting: impl Iterator<Item = Kind>, due: usize) {
        if self.fitted {
            self.pipelines = true;
            return self.doubt(0);
        }
        // a part of it may not have been found behind the hole
        self.doubt(due);
        self.since = Some(Box::new(Since { early: true, renamed: true, ..Since::default() }));
        waiting.for_each(|kind| self.count(kind));
    }

    /// Answers are lost: with them may be all that is due.
    pub(super) fn lose_answers(&mut self) {
        self.doubt(0);
        (self.blind, self.since) = (true, None);
    }

    /// Questions are lost while these wait, of which the first may be one that data are copied for. Whether answers will tell if
    /// names stand for something else.
    pub(super) fn lose_questions(&mut self, waiting: impl Iterator<Item = Kind>, due: usize, copies: bool) -> bool {
        self.copies = if self.sure { copies } else { self.copies };
        self.doubt(due);
        if self.blind {
            return false;
        }
        let since = self.since.get_or_insert_default();
        (since.ready, since.hasty) = (false, since.hasty || due > 0 && !self.copies);
        for kind in waiting {
            // a password is no question
            if let (Kind::Session, Some(since)) = (kind, &mut self.since) {
                since.hasty = false;
            }
            self.count(kind);
        }
        true
    }

    /// Who answers what is not sure any more, while so many ends of answers are due.
    pub(super) fn doubt(&mut self, due: usize) {
        self.guess.iter_mut().for_each(|guess| guess.lose());
        (self.sure, self.tried, self.fitted) = (false, true, false);
        (self.due, self.partial, self.idle) = (due, false, None);
    }
}
