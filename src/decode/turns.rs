//! Whether it is known which answer is whose, of a side that asks and one that answers in order and without saying whom; and how that is
//! known again once bytes were lost. Not the questions themselves.
//!
//! Behind a hole, and on a connection that was joined late, nobody knows how many answers are still due, unless the side that asks takes
//! turns: it asks, once or several times, and asks again when all of that is answered. What it asks from one turn to the next is put to a
//! trial: as many answers, and only then the next question. The questions of the trial have no answers; from the next one on they pair.
//! A side of which it is not known from before that it asks several times must ask once; one of which it is must have been seen to wait
//! for all answers then ([`AHEAD`]), and is put to a trial of several questions: one question to an answer shows nothing of it. One that was ever seen to ask more while
//! answers came passes no trial: its questions have no answers any more, until it falls silent. All that it asked was answered, as far
//! as it was seen, and it asks again no sooner than [`QUIET`] later: then nothing is due from before. What no trial shows is a side that
//! keeps two questions open all the time, and asks the next one with each answer. So one that begins to ask more is believed only once
//! it was seen to wait: were an answer due from before, it would have come while the side that asks was silent, rather than right behind
//! each next question. Silence of [`QUIET`] shows that, or [`ROUNDS`] shorter ones in a row.
//!
//! ```text
//!          hole          a turn          as many answers, a turn
//!  Sure ──────────> Lost ──────> Trial ────────────────────────> Sure
//!                    └── asks too early, answers too often ──┴──> Never ── all answered, and quiet ──> Sure
//! ```
//! Of a turn of which questions were lost, and no answers, there are more answers than questions: else nobody waited for them.

use crate::time::{Span, Time};

/// How long a side is silent that has nothing under way. The other one is done with a question sooner, unless that waits for others
/// (`BLPOP` of Redis), behind which nobody asks for more.
pub(super) const QUIET: Span = Span::from_secs(1);

/// How many questions in a row follow a silence in which an answer would have come, if one was due, before that is believed.
const ROUNDS: u32 = 16;
/// How many times as long as the answer to such a question that silence is at least.
const LONGER: u64 = 4;

/// Whether answers pair with questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Each answer is the oldest question's.
    Sure,
    /// Bytes were lost, and the side that asks has not begun a turn since.
    Lost,
    /// It has.
    Trial,
    /// Not any more.
    Never,
}

/// How many questions a side asks ahead, in whole turns, before it is believed to take turns: one that keeps some open begins alike, and
/// one of which several make use is now and then answered all.
const AHEAD: u64 = 2;

/// What the side that asks was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Habit {
    /// It asks once, and waits for the answer.
    Waits,
    /// It asks several times, and waits for all answers.
    Turns,
    /// It asks while answers come.
    Overlaps,
}

/// What one turn has brought, and its answers.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    asked: u64,
    answered: u64,
    /// Whether further questions of it may be lost, and whether answers may.
    cut: bool,
    blank: bool,
    /// Whether nothing was seen since questions were lost.
    still: bool,
    /// Whether questions were lost out of turn, unless answers were, too.
    hasty: bool,
}

/// What shows, while all seems sure behind lost bytes, that no answer is due from before.
#[derive(Clone, Copy, Debug, Default)]
struct Calm {
    /// Since when all is answered.
    since: Option<Time>,
    /// When the question was asked that is open, and how long all was answered before.
    open: Option<(Time, Span)>,
    rounds: u32,
}

/// Who asks and answers in turn.
#[derive(Debug)]
pub struct Turns {
    trust: Trust,
    habit: Habit,
    /// How many questions it was seen to ask before it was answered, in turns that it took while all was sure.
    ahead: u64,
    turn: Turn,
    /// Whether bytes were lost, or sent before the connection was joined.
    lossy: bool,
    /// While nothing is sure: how many of the questions since then had no answer, and since when all had one.
    due: u32,
    idle: Option<Time>,
    calm: Calm,
}

impl Turns {
    /// At the beginning, or behind bytes that were not seen.
    pub fn new(lossy: bool) -> Self {
        let trust = if lossy { Trust::Lost } else { Trust::Sure };
        let turn = Turn { blank: lossy, ..Turn::default() };
        Self { trust, habit: Habit::Waits, ahead: 0, turn, lossy, due: 0, idle: None, calm: Calm::default() }
    }

    /// Behind questions that were lost, of the beginning, with no answer since.
    pub fn behind_hole() -> Self {
        let mut turns = Self::new(true);
        turns.turn = Turn { cut: true, still: true, ..Turn::default() };
        turns
    }

    /// Whose the answers are.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// How many answers are due, while nothing is sure.
    pub fn due(&self) -> usize {
        self.due as usize
    }

    /// Something is asked, while an answer is on its way or not, and so many questions of which it is sure wait. Whether it has one
    /// answer: else it is not known how many there are. Whether those that wait stay so.
    pub fn ask(&mut self, at: Time, answering: bool, waiting: usize, counts: bool) -> bool {
        if self.idle.take().is_some_and(|since| at.since(since) >= QUIET) {
            (self.trust, self.habit, self.lossy, self.turn) = (Trust::Sure, Habit::Waits, false, Turn::default());
            self.ahead = 0;
        }
        let (known, was_sure) = (self.habit, self.trust == Trust::Sure);
        self.wait_seen(at, waiting == 0 && !answering && counts);
        self.learn(answering, waiting > 0);
        if self.lossy && self.habit > known {
            self.habit = Habit::Overlaps;
        }
        if self.lossy && self.habit == Habit::Overlaps {
            self.trust = Trust::Never;
        }
        if self.trust == Trust::Trial && !counts {
            // its answers are not counted
            (self.trust, self.turn) = (Trust::Lost, Turn { blank: true, ..Turn::default() });
        }
        self.turn.asked += u64::from(counts);
        self.turn.still = false;
        if self.trust == Trust::Sure {
            return true;
        }
        if was_sure {
            self.due = u32::try_from(waiting).unwrap_or(u32::MAX);
        }
        self.due = self.due.saturating_add(u32::from(counts));
        !was_sure
    }

    /// Nobody knows any more: too many wait.
    pub fn give_up(&mut self) {
        (self.trust, self.habit, self.lossy) = (Trust::Never, Habit::Overlaps, true);
    }

    /// It may have taken a turn: all is answered.
    fn note_turn(&mut self) {
        let Turn { asked, answered, .. } = self.turn;
        if self.trust == Trust::Sure && asked == answered {
            self.ahead = self.ahead.saturating_add(asked.saturating_sub(1));
        }
    }

    /// What it tells of a side that it asks now, and whether it begins a turn with that.
    fn learn(&mut self, answering: bool, waits: bool) {
        let Turn { asked, answered, cut, blank, .. } = self.turn;
        let open = if self.trust == Trust::Sure { waits } else { answered == 0 && !blank };
        if answering || open && answered > 0 {
            self.habit = Habit::Overlaps;
        } else if open {
            self.habit = self.habit.max(if asked > 0 || cut { Habit::Turns } else { Habit::Waits });
        } else {
            self.note_turn();
            let fits = match self.trust {
                Trust::Lost => !cut || blank || answered > asked,
                Trust::Trial => answered == asked,
                Trust::Sure | Trust::Never => true,
            };
            self.trust = match self.trust {
                // the first questions of this turn may be among those that were lost
                Trust::Lost if cut && blank && self.habit == Habit::Turns => Trust::Lost,
                Trust::Lost => Trust::Trial,
                // one question and one answer are what a side that keeps some open shows, too
                Trust::Trial if self.habit == Habit::Turns && asked == 1 => Trust::Trial,
                Trust::Trial => Trust::Sure,
                as_it_is @ (Trust::Sure | Trust::Never) => as_it_is,
            };
            self.turn = Turn::default();
            if !fits {
                (self.trust, self.habit) = (Trust::Never, Habit::Overlaps);
            }
        }
    }

    /// Something is asked, when all else is answered, as far as it was seen, or not.
    fn wait_seen(&mut self, at: Time, alone: bool) {
        let silence = self.calm.since.take().map(|since| at.since(since));
        if alone && silence.is_some_and(|silence| silence >= QUIET) && self.trust == Trust::Sure {
            self.lossy = false;
        }
        self.calm.open = silence.filter(|_| alone).map(|silence| (at, silence));
    }

    /// The answer of a question has ended, and so many still wait.
    pub fn answered(&mut self, waiting: usize, at: Time) {
        if !self.lossy || self.trust != Trust::Sure || waiting > 0 {
            self.calm = Calm::default();
            return;
        }
        let calm = &mut self.calm;
        let waited = |(asked, silence): (Time, Span)| silence.nanos() > at.since(asked).nanos().saturating_mul(LONGER);
        calm.rounds = if calm.open.take().is_some_and(waited) { calm.rounds + 1 } else { 0 };
        calm.since = Some(at);
        self.lossy = calm.rounds < ROUNDS;
    }

    /// So many answers have ended that are nobody's.
    pub fn rest(&mut self, many: u64, at: Time) {
        if many > 0 {
            self.due = self.due.saturating_sub(u32::try_from(many).unwrap_or(u32::MAX));
            self.idle = Some(at).filter(|_| self.due == 0);
        }
    }

    /// So many answers begin, those of questions which wait or not.
    pub fn answer(&mut self, many: u64, of_known: bool) {
        self.calm.since = self.calm.since.filter(|_| many == 0);
        self.turn.answered = self.turn.answered.saturating_add(many);
        self.turn.still &= many == 0;
        if self.turn.hasty && many > 0 {
            (self.trust, self.habit) = (Trust::Never, Habit::Overlaps);
        }
        if of_known || many == 0 {
            return;
        }
        (self.lossy, self.calm) = (true, Calm::default());
        match self.trust {
            // nobody asked for it: something was not seen
            Trust::Sure => (self.trust, self.turn.cut) = (Trust::Lost, true),
            Trust::Trial if self.turn.answered > self.turn.asked => {
                (self.trust, self.habit) = (Trust::Never, Habit::Overlaps);
            }
            Trust::Lost | Trust::Trial | Trust::Never => {}
        }
    }

    /// It was not the whole answer.
    pub fn goes_on(&mut self) {
        self.turn.answered = self.turn.answered.saturating_sub(1);
    }

    /// Bytes of the answers were lost: any of those that are due may have been among them.
    pub fn lost_answers(&mut self) {
        self.note_turn();
        self.due = 0;
        self.lose();
        self.miss_answers();
    }

    /// The same where it is known all the same whose the others are.
    pub fn miss_answers(&mut self) {
        self.note_turn();
        // which was lost first is not known
        self.turn = Turn { blank: true, cut: self.turn.still, still: self.turn.still, ..Turn::default() };
    }

    /// The end of an answer was lost: questions that were lost may have come behind it.
    pub fn lost_end(&mut self) {
        self.turn.hasty = false;
    }

    /// The rest of the last question is lost, with what may follow it: its answer is awaited as if it were among that.
    pub fn cut_question(&mut self) {
        self.turn.asked = self.turn.asked.saturating_sub(1);
    }

    /// Bytes of the questions were lost while so many wait: others may have been among them.
    pub fn lost_questions(&mut self, waiting: usize) {
        self.note_turn();
        let Turn { asked, answered, cut, .. } = self.turn;
        let over = match self.trust {
            Trust::Sure => waiting == 0,
            Trust::Trial => asked == answered,
            Trust::Lost => cut && answered > asked,
            Trust::Never => false,
        };
        if over {
            self.turn = Turn { blank: self.turn.blank, ..Turn::default() };
        }
        (self.turn.cut, self.turn.still) = (true, true);
        let early = self.habit == Habit::Waits || answered > 0;
        let under_way = if self.trust == Trust::Sure { waiting > 0 } else { asked > answered };
        self.turn.hasty |= early && under_way;
        self.lose();
    }

    fn lose(&mut self) {
        (self.lossy, self.idle, self.calm) = (true, None, Calm::default());
        if self.habit == Habit::Turns && self.ahead < AHEAD {
            self.habit = Habit::Overlaps;
        }
        self.trust = if self.habit == Habit::Overlaps { Trust::Never } else { Trust::Lost };
    }

    /// Answers do not fit what was asked: nothing pairs from here on.
    pub fn confused(&mut self) {
        self.habit = Habit::Overlaps;
        self.lost_answers();
    }
}
