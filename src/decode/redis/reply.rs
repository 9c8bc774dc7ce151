//! The server's side: answers, each for the command whose turn it is, and what is pushed.

use super::arrival::{self, Arrival};
use super::command::{Channels, Means, text};
use super::push::{Keeps, Push};
use super::value::{Head, Kind, Read, Reader, What, head};
use super::waiting::Asked;
use super::{RESP, RESP_PAIRS, Redis, Up, half, unseen};
use crate::decode::{Cx, Input, Step};
use crate::model::{Dir, Fields, Issue, Part, Stamp};
use compact_str::CompactString;

const FAILED_WITHIN: Issue = Issue::remark("a command of the transaction failed");
/// How long the word that names an error is at most.
const LONGEST_WORD: usize = 64;

/// What the server's direction is in.
#[derive(Debug)]
pub enum Down {
    /// A value is awaited.
    Start,
    /// In an answer.
    Answer(Box<Answer>),
    /// In something that is pushed.
    Push(Box<Push>),
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answer {
    /// Whose it is; none: of a command that was not seen, or nobody knows.
    asked: Option<Asked>,
    /// Whether it is that of a command that was not seen, and a flow by itself.
    lone: bool,
    reader: Reader,
    /// Its own bytes so far.
    bytes: u64,
    whole: bool,
    /// What it says of itself: all of a line, the first bytes of an error.
    said: Vec<u8>,
    said_by: Option<Kind>,
    /// Whether there is an error in the list of a transaction's answers.
    failed_within: bool,
}

impl Down {
    /// Whether an answer is on its way.
    pub fn answering(&self) -> bool {
        matches!(self, Self::Answer(_))
    }

    /// Whether so many lost bytes all belong to one text.
    pub fn bridge(&mut self, cx: &mut Cx<'_, '_>, lost: u64) -> bool {
        let (reader, key, whole, room, bytes) = match self {
            Self::Start => return false,
            Self::Answer(answer) => {
                let (key, room) = answer.asked.as_mut().map(|asked| (asked.key, &mut asked.room)).unzip();
                (&mut answer.reader, key, &mut answer.whole, room, &mut answer.bytes)
            }
            Self::Push(push) => (&mut push.reader, Some(push.key), &mut push.whole, Some(&mut push.room), &mut push.bytes),
        };
        if !reader.bridge(lost) {
            return false;
        }
        if let Some(key) = key.filter(|_| std::mem::take(whole)) {
            cx.note(key, Issue::GAP);
        }
        room.into_iter().for_each(|room| *room = 0);
        *bytes += lost;
        true
    }
}

impl Redis {
    /// Bytes of the server's.
    pub(super) fn reply(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        match std::mem::replace(&mut self.down, Down::Start) {
            Down::Start => self.begin(cx, input),
            Down::Answer(answer) => self.answer(cx, input, *answer),
            Down::Push(push) => self.push(cx, input, *push),
        }
    }

    fn begin(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let data = input.data;
        let due = self.waiting.due();
        // a master that is not ready yet keeps its replica waiting with empty lines
        if due == Some(Means::Sync) && data.first() == Some(&b'\n') {
            cx.undecoded(1);
            return Step::Took(1);
        }
        let arrival = match arrival::read(data) {
            Read::Is(arrival) => arrival,
            Read::Need(n) => return Step::Need(n),
            Read::Bad => return self.lost(cx, input, 0),
        };
        match arrival {
            Arrival::Message { pattern, channel, payload } if self.is_pushed(data) => {
                let push = self.open_push(cx, input, channel, pattern, Keeps::Text);
                self.down = Down::Push(Box::new(push));
                Step::Took(payload)
            }
            Arrival::Push(kind) => {
                let push = self.open_push(cx, input, kind, None, Keeps::Value);
                self.push(cx, input, push)
            }
            Arrival::Confirm { word, of, leaves, total, length } => {
                let is_of = |means| matches!(means, Some(Means::Confirms(own, _)) if own == of);
                if !is_of(due) && is_of(self.waiting.due_then()) {
                    self.end_confirmed(cx);
                }
                let due = self.waiting.due();
                if is_of(due) {
                    self.confirmed(cx, input, length, (of, leaves, total));
                    return Step::Took(length);
                }
                if due.is_some() && !self.is_pushed(data) {
                    return self.begin_answer(cx, input);
                }
                // nobody asked for it, as far as is known: a slot that moved away, or a command that was not seen
                self.session.told(data, of, total);
                if self.waiting.is_sure() && self.is_pushed(data) {
                    let push = self.open_push(cx, input, word, None, Keeps::Value);
                    return self.push(cx, input, push);
                }
                match due {
                    Some(_) => self.waiting.confused(|lost| unseen(cx, &lost)),
                    None => drop(self.waiting.answer()),
                }
                cx.undecoded(length as u64);
                Step::Took(length)
            }
            Arrival::Message { .. } | Arrival::Answer => match head(data) {
                Read::Is((Head::Line(Kind::Simple, line), n)) if arrival::is_told(line) && self.may_tell() => {
                    let mut push = self.open_push(cx, input, b"MONITOR", None, Keeps::Text);
                    push.bytes = line.len() as u64;
                    let kept = line.get(..push.room).unwrap_or(line);
                    cx.body(push.key, Dir::ToClient, kept);
                    self.pushed(cx, push, input.at(n - 1));
                    Step::Took(n)
                }
                Read::Is((Head::End, _)) | Read::Bad => self.lost(cx, input, 0),
                Read::Is(_) => self.begin_answer(cx, input),
                Read::Need(n) => Step::Need(n),
            },
        }
    }

    /// What comes now is the next command's: all that were subscribed to are confirmed, however many there were.
    fn end_confirmed(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(done) = self.waiting.confirmed() {
            self.confirmed_all(cx, done, None);
        }
    }

    /// One of the confirmations that a command has: an answer to it for each channel.
    fn confirmed(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, length: usize, (of, leaves, total): (Channels, bool, u64)) {
        self.session.told(input.data, of, total);
        let Some(mut asked) = self.waiting.answer() else { return };
        let last = input.at(length - 1);
        if asked.bytes == 0 {
            half(cx, asked.key, Dir::ToClient, input.at(0), Some(RESP));
        }
        let value = input.data.get(..length).unwrap_or_default();
        let kept = value.get(..asked.room).unwrap_or(value);
        cx.body(asked.key, Dir::ToClient, kept);
        asked.room -= kept.len();
        asked.bytes += length as u64;
        let left = match asked.means {
            Means::Confirms(_, Some(n)) => Some(n.saturating_sub(1)),
            _ => None,
        };
        let subscribed = &self.session.subscribed;
        // how many were left is known only of a connection that was seen whole; where none is subscribed to any more, none is left
        let done = left.map_or(total == 0 || leaves && subscribed.known && subscribed.of(of) == 0, |left| left == 0);
        asked.means = Means::Confirms(of, left);
        if done { self.confirmed_all(cx, asked, Some(last)) } else { self.waiting.put_back(asked) }
    }

    /// No more confirmations come.
    fn confirmed_all(&mut self, cx: &mut Cx<'_, '_>, asked: Asked, last: Option<Stamp>) {
        cx.part(asked.key, Part::BodyEnd { dir: Dir::ToClient, bytes: asked.bytes, whole: true });
        cx.close(asked.key, None, true, last);
    }

    /// An answer begins: whose it is, is decided by its turn.
    fn begin_answer(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>) -> Step {
        let unasked = self.waiting.is_unasked();
        if let Some(n) = self.needs(input).filter(|_| unasked) {
            return Step::Need(n);
        }
        self.end_confirmed(cx);
        let mut asked = self.waiting.answer();
        let first = input.data.first();
        let refuses = matches!(first, Some(b'-' | b'+' | b'!'));
        if let Some(wrong) = asked.take_if(|asked| matches!(asked.means, Means::Confirms(..)) && !refuses) {
            unseen(cx, &wrong);
            self.waiting.confused(|lost| unseen(cx, &lost));
        }
        if let Some(sync) = asked.take_if(|asked| asked.means == Means::Sync && !matches!(first, Some(b'-' | b'+'))) {
            cx.close(sync.key, None, true, Some(input.at(0)));
            self.leave(cx);
            return Step::Opaque;
        }
        let guess = self.waiting.is_guess(input.base() > 0);
        if let Some(asked) = asked.filter(|_| guess) {
            cx.note(asked.key, Issue::PAIR_GUESSED);
        }
        let lone = unasked && asked.is_none();
        if lone {
            asked = self.open_lone(cx, input);
        }
        if let Some(asked) = asked.filter(|asked| asked.bytes == 0) {
            let media = if asked.means == Means::Settings { RESP_PAIRS } else { RESP };
            half(cx, asked.key, Dir::ToClient, input.at(0), Some(media));
        }
        let answer = Answer {
            asked,
            lone,
            reader: Reader::default(),
            bytes: 0,
            whole: true,
            said: Vec::new(),
            said_by: None,
            failed_within: false,
        };
        self.answer(cx, input, answer)
    }

    /// More of an answer.
    fn answer(&mut self, cx: &mut Cx<'_, '_>, input: Input<'_>, mut answer: Answer) -> Step {
        let mut taken = 0;
        let (done, bad) = loop {
            let depth = answer.reader.depth();
            match answer.reader.next(input.data.get(taken..).unwrap_or_default()) {
                Read::Is(piece) => {
                    answer.learn(piece.what, depth);
                    taken += piece.taken;
                    if piece.ends {
                        break (true, false);
                    }
                }
                Read::Need(n) if taken == 0 => {
                    self.down = Down::Answer(Box::new(answer));
                    return Step::Need(n);
                }
                Read::Need(_) => break (false, false),
                Read::Bad => break (false, true),
            }
        };
        answer.bytes += taken as u64;
        if let Some(asked) = &mut answer.asked {
            let bytes = input.data.get(..taken).unwrap_or_default();
            let kept = bytes.get(..asked.room).unwrap_or(bytes);
            cx.body(asked.key, Dir::ToClient, kept);
            asked.room -= kept.len();
        }
        match (done, taken.checked_sub(1)) {
            (true, Some(end)) => self.answered(cx, answer, input.at(end)),
            _ => self.down = Down::Answer(Box::new(answer)),
        }
        if bad { self.lost(cx, input, taken) } else { Step::Took(taken) }
    }

    /// An answer is whole.
    fn answered(&mut self, cx: &mut Cx<'_, '_>, answer: Answer, last: Stamp) {
        let Some(asked) = answer.asked else {
            self.waiting.rest(last.time);
            return cx.undecoded(answer.bytes);
        };
        if answer.lone {
            self.waiting.rest(last.time);
        } else {
            self.waiting.answered(last.time);
        }
        let bytes = asked.bytes + answer.bytes;
        cx.part(asked.key, Part::BodyEnd { dir: Dir::ToClient, bytes, whole: answer.whole });
        let (status, failed) = (answer.status(), answer.said_by == Some(Kind::Error));
        if answer.lone {
            // when it was asked is not known
            return cx.close(asked.key, status, !failed, None);
        }
        let queued = status.as_deref() == Some("QUEUED");
        if !failed {
            self.holds(asked.means, queued);
        }
        if let Some(db) = self.session.db {
            cx.fields(asked.key, Fields::default().with("redis.db", db));
        }
        if answer.failed_within {
            cx.note(asked.key, FAILED_WITHIN);
        }
        cx.close(asked.key, status, !failed && !answer.failed_within, Some(last));
        if asked.means == Means::Sync && !failed && !queued {
            self.leave(cx);
        }
    }

    /// What a command that went well, or is queued, makes of the connection.
    fn holds(&mut self, means: Means, queued: bool) {
        let session = &mut self.session;
        match means {
            Means::Select(_) if queued => session.db_queued = true,
            Means::Confirms(..) => session.subscribed.known = false,
            _ if queued => {}
            // another may lie in a hole
            Means::Select(db) => session.db = db.filter(|_| self.waiting.is_sure()),
            // what was a push is a list again
            Means::Hello(Some(2)) => session.listens = None,
            Means::Monitor => session.monitor = true,
            Means::Exec if std::mem::take(&mut session.db_queued) => session.db = None,
            Means::Discard => session.db_queued = false,
            Means::Reset => {
                let super::Session { silence, queues, unclear, .. } = *session;
                *session = super::Session { listens: Some(false), silence, queues, unclear, ..super::Session::default() };
                session.subscribed.known = true;
            }
            _ => {}
        }
    }

    /// From here on it is a replica's stream.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_, '_>) {
        self.up = Up::Left;
        self.give_up(cx);
    }

    /// What is on its way will not be seen whole.
    pub(super) fn drop_reply(&mut self, cx: &mut Cx<'_, '_>, issue: Issue) {
        match std::mem::replace(&mut self.down, Down::Start) {
            Down::Start => {}
            Down::Answer(answer) => match answer.asked {
                None => cx.undecoded(answer.bytes),
                Some(asked) => cut(cx, asked.key, asked.bytes + answer.bytes, issue),
            },
            Down::Push(push) => cut(cx, push.key, push.bytes, issue),
        }
    }
}

fn cut(cx: &mut Cx<'_, '_>, key: u64, bytes: u64, issue: Issue) {
    cx.note(key, issue);
    cx.part(key, Part::BodyEnd { dir: Dir::ToClient, bytes, whole: false });
    cx.close(key, None, true, None);
}

impl Answer {
    fn learn(&mut self, what: What<'_>, depth: usize) {
        let within = depth == 1 && self.asked.is_some_and(|asked| asked.means == Means::Exec);
        match what {
            What::Head(Head::Line(Kind::Error, _) | Head::Bytes(Kind::Error, _)) if within => self.failed_within = true,
            What::Head(Head::Line(kind @ (Kind::Simple | Kind::Error), line)) if depth == 0 => {
                self.said_by = Some(kind);
                self.say(line);
            }
            What::Head(Head::Bytes(Kind::Error, _)) if depth == 0 => self.said_by = Some(Kind::Error),
            What::Data(bytes) if self.said_by == Some(Kind::Error) => self.say(bytes),
            What::Head(_) | What::Data(_) | What::End => {}
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        let room = (LONGEST_WORD + 1).saturating_sub(self.said.len());
        self.said.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The protocol's own word: that which an error begins with, and a line that is one word in capitals (`OK`, `QUEUED`, `PONG`). Other
    /// answers have none: a value says nothing of how it went, and some lines are values too (`string`, of `TYPE`).
    fn status(&self) -> Option<CompactString> {
        // bytes that were lost may have been of it
        let word = match self.said_by.filter(|_| self.whole)? {
            Kind::Error => self.said.split(u8::is_ascii_whitespace).next()?,
            _ => Some(self.said.as_slice()).filter(|said| said.iter().all(|b| b.is_ascii_uppercase() || *b == b'_'))?,
        };
        let word = word.get(..LONGEST_WORD).unwrap_or(word);
        (!word.is_empty()).then(|| text(word).0.into())
    }
}
