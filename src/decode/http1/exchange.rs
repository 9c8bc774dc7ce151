//! Which response answers which request on one HTTP/1 connection: by order, and never by guess once bytes were lost.
//!
//! A client that waits for each answer has one request open at a time; one that pipelines has several. As long as nothing is
//! lost the oldest open request is answered first (RFC 9112 §9.3.2). A hole puts everything that was open then *in doubt*: its
//! answer, or further requests, may lie in the hole. Afterwards a client that never pipelined is known to have had its earlier
//! answers when it asks again, so the next response answers the first request after the hole; with pipelining nothing is known.
//! A request right behind a hole in the requests, with no response between, is in doubt too: the hole may hide pipelined ones, and does
//! where it began between two requests, or while an answer was due. What a client that pipelines asks is known again once it is seen to
//! take turns, or was quiet ([`Turns`]).

use crate::decode::grpc::Call;
use crate::decode::guess::Guess;
use crate::decode::turns::{Trust, Turns};
use crate::model::{Dir, Joined, Stamp};
use crate::time::Time;
use compact_str::CompactString;
use std::collections::VecDeque;

/// A request on its way.
#[derive(Debug)]
pub struct Exchange {
    /// Its flow.
    pub key: u64,
    /// What decides whether its response has a body.
    pub method: Method,
    /// The protocol that its `Upgrade` asked for.
    pub upgrade: Option<Box<Upgrade>>,
    /// Its request's target.
    pub target: CompactString,
    /// The call that it is, if it is one.
    pub call: Option<Box<Call>>,
    /// Whether all of the request was seen, or it will not come.
    pub request_done: bool,
    /// How its response ended, if it has.
    pub answered: Option<Answer>,
    doubt: Doubt,
}

/// A request that asks for another protocol (RFC 9110 §7.8).
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The protocol.
    pub token: CompactString,
    /// The request's method.
    pub method: CompactString,
}

/// Whether the next response is its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// If it is the oldest open one.
    None,
    /// Requests before it may lie in a hole.
    Preceded,
    /// Its answer may lie in a hole.
    AnswerLost,
}

/// The end of a response.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its status code; HTTP/0.9 has none.
    pub code: Option<u16>,
    /// The packet that brought its last byte, where that was seen.
    pub last: Option<Stamp>,
}

/// Methods whose responses are framed in their own way (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// No body in the response.
    Head,
    /// A tunnel after a 2xx.
    Connect,
    /// HTTP/0.9: the response is bare bytes.
    Simple,
    /// Any other.
    Other,
}

/// The open exchanges of a connection, oldest first.
#[derive(Debug, Default)]
pub struct Exchanges {
    open: VecDeque<Exchange>,
    /// Whether requests may have been lost since the last byte of a response.
    hidden: bool,
    /// Whether bytes were lost, or sent before the connection was joined.
    lossy: bool,
    /// Of a client that was seen to ask before it was answered: whether it is known to have had its earlier answers.
    turns: Option<Box<Turns>>,
    /// Of a connection that was joined late: whether the answers that seem to pair are a guess.
    guess: Option<Box<Guess>>,
    /// Of how many requests it is known that they wait.
    known: usize,
    /// Whether the response on its way is that of one of them.
    of_known: bool,
    /// Responses without a request that a client which never pipelines would explain: one, if nothing was open before the hole.
    owed: u8,
    /// Whether any request was seen.
    asked: bool,
    /// Whether requests were lost between others, and no answer was seen or lost since; then whether one was awaited.
    between: bool,
    hasty: bool,
    /// Whether nothing of the requests was seen since.
    next: bool,
    /// Whether answers were lost, and nothing was seen since.
    blind: bool,
    /// Whether the client went on before the answer that may turn the connection into something else.
    early: bool,
}

/// Whom a response answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Whose {
    /// The exchange with this key.
    Of(u64),
    /// A request that was not captured.
    Unseen,
    /// One of several: bytes were lost.
    Uncertain,
}

impl Exchanges {
    /// None open. There is room for one, as most connections need no more.
    pub fn new(joined: Joined) -> Self {
        let (lossy, hidden) = (joined != Joined::Opening, joined == Joined::BehindHole);
        let guess = Guess::of(joined == Joined::Midway);
        // where the first request is lost, and the next one seen before any answer, the client did not wait
        Self { open: VecDeque::with_capacity(1), lossy, hidden, between: hidden, owed: 1, guess, ..Self::default() }
    }

    /// A request begins, while a response is on its way or not; what it asks follows by [`Self::ask`].
    pub fn begin(&mut self, at: Time, answering: bool) {
        (self.asked, self.early) = (true, false);
        let alone = !answering && !self.awaits();
        self.guess.iter_mut().for_each(|guess| guess.ask(at, alone));
        // what was lost before it was not answered
        if self.awaits() || self.hidden && self.between {
            self.pipelines(Some((at, answering)));
        }
        let blurred = self.blurred();
        let Some(turns) = &mut self.turns else { return };
        if !turns.ask(at, answering, self.known, true) {
            self.known = 0;
        }
        self.known += usize::from(turns.trust() == Trust::Sure);
        if blurred != self.blurred() {
            self.open.iter_mut().for_each(|e| e.doubt = Doubt::AnswerLost);
            self.hidden = false;
        }
    }

    /// The client asks before it is answered: now, while that answer is on its way or not; or unseen.
    fn pipelines(&mut self, now: Option<(Time, bool)>) {
        if self.turns.is_none() {
            let mut turns = Turns::new(false);
            match now.filter(|_| !self.lossy) {
                Some((at, answering)) => {
                    turns.ask(at, false, 0, true);
                    turns.answer(u64::from(answering), true);
                    (self.known, self.of_known) = (usize::from(!answering), answering);
                }
                None => turns.give_up(),
            }
            self.turns = Some(Box::new(turns));
        }
    }

    /// What it asks.
    pub fn ask(&mut self, key: u64, method: Method, target: &str, upgrade: Option<Box<Upgrade>>, call: Option<Box<Call>>) {
        (self.blind, self.next) = (false, false);
        let doubt = if std::mem::take(&mut self.hidden) { Doubt::Preceded } else { Doubt::None };
        if self.open.capacity() == 0 {
            // most connections have one at a time, and there may be very many
            self.open.reserve_exact(1);
        }
        self.open.push_back(Exchange {
            key,
            method,
            upgrade,
            target: target.into(),
            call,
            request_done: false,
            answered: None,
            doubt,
        });
    }

    /// Something of a request is seen, what it asks not yet.
    pub fn begun(&mut self) {
        self.blind = false;
    }

    /// Whether answers were lost, and nothing was seen since.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// The request that is being sent.
    pub fn sending(&mut self) -> Option<&mut Exchange> {
        self.open.back_mut().filter(|e| !e.request_done)
    }

    /// The oldest request whose answer is due.
    pub fn due(&self) -> Option<&Exchange> {
        let due = self.open.iter().find(|e| e.answered.is_none() && e.doubt == Doubt::None);
        due.filter(|_| !self.blurred())
    }

    /// Whether an answer that is due may turn the connection into something else.
    pub fn switching(&self) -> bool {
        self.open.iter().any(|e| e.answered.is_none() && (e.method == Method::Connect || e.upgrade.is_some()))
    }

    /// What was asked for, and of what target, where the answer that turns the connection into something else may be lost: an upgrade, or
    /// by CONNECT a tunnel.
    pub fn lost_switch(&self) -> Option<(Option<Box<Upgrade>>, CompactString)> {
        let asks = |e: &&Exchange| e.answered.is_none() && (e.method == Method::Connect || e.upgrade.is_some());
        let asked = self.open.iter().find(asks).filter(|e| e.doubt == Doubt::AnswerLost && !self.early)?;
        Some((asked.upgrade.clone().filter(|_| asked.method != Method::Connect), asked.target.clone()))
    }

    /// The client did not wait for that answer.
    pub fn speak_early(&mut self) {
        self.early = true;
    }

    /// An exchange by its key.
    pub fn get(&mut self, key: u64) -> Option<&mut Exchange> {
        self.open.iter_mut().find(|e| e.key == key)
    }

    /// Whether an answer that seems to be that of a request is a guess.
    pub fn is_guess(&self) -> bool {
        self.guess.as_ref().is_some_and(|guess| guess.holds())
    }

    /// Whom the response that begins now answers, bytes before which were passed over or not. Exchanges that turn out to have lost theirs
    /// are given to `lost`.
    pub fn answer(&mut self, passed: bool, lost: impl FnMut(Exchange)) -> Whose {
        self.guess.iter_mut().for_each(|guess| guess.answer(passed));
        if std::mem::take(&mut self.hasty) {
            self.pipelines(None);
        }
        (self.hidden, self.between, self.blind) = (false, false, false);
        self.of_known = self.known > 0;
        self.known = self.known.saturating_sub(1);
        let of_known = self.of_known;
        self.turns.iter_mut().for_each(|turns| turns.answer(1, of_known));
        let unanswered = |e: &Exchange| e.answered.is_none();
        if let Some(key) = self.due().map(|e| e.key) {
            let first = self.open.iter().position(unanswered).unwrap_or(0);
            let sure = self.open.iter().position(|e| e.key == key).unwrap_or(first);
            self.open.drain(first..sure).for_each(lost);
            return Whose::Of(key);
        }
        match self.owed.checked_sub(1) {
            Some(left) => self.owed = left,
            None => self.pipelines(None),
        }
        // it may have been the answer of one that was preceded by a hole: then that one is not open any more
        let candidates = self.open.iter_mut().filter(|e| unanswered(e)).map(|e| e.doubt = Doubt::AnswerLost).count();
        if self.blurred() {
            std::iter::from_fn(|| self.give_up()).for_each(lost);
        }
        if candidates > 0 { Whose::Uncertain } else { Whose::Unseen }
    }

    /// The response on its way has ended.
    pub fn answered(&mut self, at: Time) {
        // its own is among them still
        let all = self.open.iter().filter(|e| e.answered.is_none()).count() <= 1;
        self.guess.iter_mut().for_each(|guess| guess.answered(at, all));
        match &mut self.turns {
            Some(turns) if self.of_known => turns.answered(self.known, at),
            Some(turns) => turns.rest(1, at),
            None => {}
        }
    }

    /// Bytes of the responses were lost: with them may be the answers to all that was asked, save one that was lost, too.
    pub fn lost_answers(&mut self) {
        self.guess.iter_mut().for_each(|guess| guess.lose());
        self.owed |= u8::from(std::mem::take(&mut self.hidden));
        (self.lossy, self.blind, self.between, self.hasty) = (true, true, false, false);
        self.known = 0;
        self.turns.iter_mut().for_each(|turns| turns.lost_answers());
        self.open.iter_mut().for_each(|e| e.doubt = Doubt::AnswerLost);
    }

    /// The end of a response was lost: requests that were lost may have come behind it.
    pub fn lost_end(&mut self) {
        self.owed |= u8::from(self.hidden);
        (self.between, self.hasty) = (false, false);
        self.turns.iter_mut().for_each(|turns| turns.lost_end());
    }

    /// Bytes of the requests were lost, the rest of one or not: others may have been among them.
    pub fn lost_requests(&mut self, rest: bool) {
        self.guess.iter_mut().for_each(|guess| guess.lose());
        let own = rest && self.open.back().is_some_and(|e| e.answered.is_none());
        let waiting = self.known.saturating_sub(usize::from(own));
        self.turns.iter_mut().for_each(|turns| turns.lost_questions(waiting));
        (self.lossy, self.hidden) = (true, true);
        self.owed = u8::from(!self.awaits());
    }

    /// Bytes are lost where a request is to begin, or behind others where one was: a client that had waited for its answer would not have
    /// sent them.
    pub fn hurry(&mut self, begins: bool) {
        self.next = begins || self.next;
        if self.next && !self.blind {
            (self.between, self.hasty) = (true, self.hasty || self.awaits());
        }
    }

    /// Bytes of a direction are seen that are looked through.
    pub fn pass(&mut self, dir: Dir) {
        self.next &= dir == Dir::ToClient;
    }

    /// Whether a response that is found behind a hole would be somebody's: else it is part of a body.
    pub fn expecting(&self) -> bool {
        !self.asked || self.hidden || self.owed > 0 || self.blurred() || self.awaits()
    }

    /// Whether a request is open whose answer has not gone by.
    fn awaits(&self) -> bool {
        self.open.iter().any(|e| e.answered.is_none() && e.doubt != Doubt::AnswerLost)
    }

    /// Takes out every exchange whose both sides are over.
    pub fn finished(&mut self) -> Option<Exchange> {
        let at = self.open.iter().position(|e| e.request_done && e.answered.is_some())?;
        self.open.remove(at)
    }

    /// Takes out the oldest one, unless its request is still being sent.
    pub fn give_up(&mut self) -> Option<Exchange> {
        self.open.pop_front_if(|e| e.request_done)
    }

    fn blurred(&self) -> bool {
        self.turns.as_ref().is_some_and(|turns| turns.trust() != Trust::Sure)
    }

    /// Gives back the room for further ones.
    pub fn rest(&mut self) {
        self.open.shrink_to_fit();
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }
}

impl Exchange {
    /// Whether its answer may have gone by, unseen or as another's.
    pub fn in_doubt(&self) -> bool {
        self.doubt != Doubt::None
    }
}
