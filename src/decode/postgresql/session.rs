//! What a client asks and what its server answers, in order: which of them belong together.
//!
//! As long as nothing is lost, what the server says answers the first question that waits. Behind a hole, and on a session that was
//! joined late, nobody knows how many answers are still due. A client that waits for ReadyForQuery before it asks on is told by the next
//! one: from there on it is sure again. One that is seen to ask earlier (pipeline mode) has to fall silent: what it asked was answered,
//! as far as it was seen, and [`QUIET`] later it asks again.

use super::certainty::{Certainty, Turn};
use super::exchange::{Answer, Exchange, Flow, Kind};
use super::failing::{ABORTED, ENDED};
use super::fault::Fault;
use super::lone::Lone;
use super::statements::{BESIDE, ROOM, Run, Statements, name, rest};
use super::who::Who;
use super::{Found, Place, sql};
use crate::decode::Cx;
use crate::decode::cursor::Cursor;
use crate::model::{Dir, Issue, Pattern, Stamp, text_of, unknown};
use std::collections::VecDeque;

/// How many questions of a session wait for their answer.
pub(super) const WAITING: usize = 4096;
/// How many there is room for where none waits: those of an extended query (Parse, Bind, Describe, Execute, Sync).
const AT_ONCE: usize = 5;

const UNCERTAIN: Issue = Issue::unseen("its answer is not certain: not all of the session was captured");
const UNPREPARED: Issue = Issue::unseen("its statement is not known: it was prepared unseen, or is not remembered any more");
pub(super) const REPLICATION: Issue = Issue::remark("what follows is a replication stream, which is not read");

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) next_key: u64,
    /// Not yet said that it was joined.
    pub(super) joined: bool,
    pub(super) certainty: Certainty,
    /// Whether the server has ended it.
    pub(super) ended: bool,
    /// Whether the server passes over all that is asked until a Sync, as a statement before it failed.
    pub(super) skipping: bool,
    /// The Parses among what is passed over: of statements that may be run in what is still to come of it.
    pub(super) skipped: Vec<(Box<[u8]>, Place)>,
    pub(super) waiting: VecDeque<Exchange>,
    /// A statement that went well and is over once the Sync behind it does too: what is deferred to its end may fail.
    pub(super) ran: Option<(Box<Flow>, Stamp)>,
    pub(super) statements: Statements,
    /// What is answered to a question that was not captured.
    pub(super) lone: Lone,
    pub(super) who: Who,
}

impl Session {
    pub(super) fn new(opening: bool) -> Self {
        Self {
            next_key: 0,
            joined: !opening,
            certainty: Certainty::new(opening),
            ended: false,
            skipping: false,
            skipped: Vec::new(),
            waiting: VecDeque::new(),
            ran: None,
            statements: Statements::default(),
            lone: Lone::default(),
            who: Who::default(),
        }
    }

    /// Nothing has come for a while: only what is known is kept, no room for what may come.
    pub(super) fn rest(&mut self) {
        self.waiting.shrink_to_fit();
        self.skipped.shrink_to_fit();
        self.statements.rest();
    }

    /// The client began a session with these parameters.
    pub(super) fn begin(&mut self, parameters: &[u8], place: Place) {
        self.who = Who::new(parameters);
        if self.certainty.is_sure() {
            self.waiting.push_back(Exchange::new(Kind::Session, place));
        } else {
            self.certainty.asked(Kind::Session);
        }
    }

    /// The client asked something.
    pub(super) fn asked(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>) {
        let kind = match found.kind {
            b'Q' => Kind::Query,
            b'P' => Kind::Parse,
            b'B' => Kind::Bind,
            b'D' => Kind::Describe,
            b'E' => Kind::Execute,
            b'C' => Kind::Close,
            // while the server takes a copy it does not look at it
            b'S' if self.copying().is_some() => return,
            b'S' => Kind::Sync,
            b'F' => Kind::Function,
            // passwords are read by nobody; what is copied is part of what began it; a client leaves by itself
            _ => return self.more(found),
        };
        let (due, full) = (self.under_way(), cx.surplus(self.waiting.len(), WAITING) > 0);
        match self.certainty.asks(kind, found.at.0.time, due, full) {
            Turn::Unsure => {
                self.doubt(cx);
                self.certainty.doubt(due);
            }
            turn => self.turn(turn),
        }
        let exchange = self.exchange(cx, kind, &found);
        if self.ended {
            return self.skip(cx, exchange, ENDED, found.at.1);
        }
        if !self.certainty.is_sure() {
            self.certainty.asked(kind);
            return exchange.flow.into_iter().for_each(|flow| uncertain(cx, *flow));
        }
        if self.skipping && kind == Kind::Sync {
            self.skipping = false;
            self.skipped_all(cx, ABORTED, Some(found.at.1));
        }
        if self.skipping { self.skip(cx, exchange, ABORTED, found.at.1) } else { self.waiting.push_back(exchange) }
    }

    /// A question, with its flow where it is one.
    fn exchange(&mut self, cx: &mut Cx<'_, '_>, kind: Kind, found: &Found<'_>) -> Exchange {
        let (mut c, place) = (Cursor::new(found.payload), found.place());
        let mut exchange = Exchange::new(kind, place);
        match kind {
            Kind::Query => {
                let text = rest(&mut c);
                let fields = self.fields(Some(&text), Vec::new());
                let flow = self.open(cx, Pattern::Query, &sql::operation(&text), place, fields, Some(&text));
                exchange.flow = Some(Box::new(flow));
            }
            Kind::Parse => {
                exchange.name = name(&mut c);
                let room = cx.memory(self.statements.cost() + BESIDE + found.payload.len(), ROOM);
                let (text, unused) = self.statements.prepare(&exchange.name, &mut c, place, room);
                exchange.text = Some(text);
                self.prepared(cx, unused);
            }
            Kind::Bind => {
                exchange.name = self.statements.bind(&mut c);
                exchange.text = self.statements.text(&exchange.name);
            }
            Kind::Execute => {
                let Run { statement, text, parameters, first } = self.statements.run(&name(&mut c));
                let operation = match &text {
                    Some(text) => sql::operation(text),
                    None if statement.is_empty() => unknown::STATEMENT.to_owned(),
                    None => format!("{} {}", unknown::STATEMENT, text_of(&statement)),
                };
                let fields = self.fields(text.as_deref(), parameters);
                // the text came once, with the Parse: what its comments carry is the context of the run that it came for
                let flow = self.open(cx, Pattern::Query, &operation, place, fields, text.as_deref().filter(|_| first));
                if text.is_none() {
                    cx.note(flow.key, UNPREPARED);
                }
                (exchange.name, exchange.text, exchange.flow) = (statement, text, Some(Box::new(flow)));
            }
            Kind::Describe | Kind::Close => {
                let statement = c.u8() == Some(b'S');
                let name = name(&mut c);
                exchange.name = if statement { name.clone() } else { self.statements.of_portal(&name) };
                exchange.text = self.statements.text(&exchange.name);
                match (kind, statement) {
                    (Kind::Close, true) => {
                        let unused = self.statements.forget(&name);
                        self.prepared(cx, unused);
                    }
                    (Kind::Close, false) => self.statements.close(&name),
                    _ => {}
                }
            }
            Kind::Sync | Kind::Function | Kind::Session => {}
        }
        exchange
    }

    /// The server answered. Whether it turns to replication with it.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>) -> bool {
        if !matches!(found.kind, b'S' | b'R' | b'v' | b'K' | b'A' | b'N') {
            self.lone.pass(found.kind);
            let first = self.waiting.front_mut().and_then(|first| first.flow.as_mut());
            if let (true, Some(flow)) = (self.certainty.is_guess(found.passed), first) {
                flow.is_guessed(cx);
            }
        }
        match found.kind {
            // they come between answers
            b'S' | b'R' | b'v' => {}
            b'K' => {
                self.who.pid = Cursor::new(found.payload).u32().or(self.who.pid);
            }
            b'A' => self.notified(cx, &found),
            b'N' => self.noticed(&Fault::read(found.payload)),
            _ if !self.certainty.is_sure() => return self.unpaired(cx, &found),
            b'Z' => self.ready(cx, &found),
            // what ends no session is an answer
            b'E' if self.waiting.is_empty() && self.certainty.is_tried() && !Fault::read(found.payload).is_fatal() => {
                return self.answers(cx, &found);
            }
            b'E' => {
                let fault = Fault::read(found.payload);
                self.failed(cx, &found, &fault);
                if fault.is_fatal() {
                    self.end(cx, found.at.1);
                }
            }
            _ => return self.answers(cx, &found),
        }
        false
    }

    /// Part of an answer.
    fn answers(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) -> bool {
        self.close_ran(cx);
        if let (b't', Some(first)) = (found.kind, self.waiting.front()) {
            self.statements.described(&first.name, first.text.as_ref(), found.payload);
        }
        // a Sync that was sent with the Execute is not looked at while the server takes a copy
        let copies = found.kind == b'G' && self.waiting.front().is_some_and(|first| first.kind == Kind::Execute);
        if copies && self.waiting.get(1).is_some_and(|next| next.kind == Kind::Sync) {
            self.waiting.remove(1);
        }
        match self.waiting.front_mut().map(|first| first.answer(cx, found)) {
            Some(Answer::More) if found.kind == b'W' => {
                if let Some(flow) = self.waiting.pop_front().and_then(|first| first.flow) {
                    cx.note(flow.key, REPLICATION);
                    flow.done(cx, found.at.1);
                }
                return true;
            }
            Some(Answer::More) => {}
            Some(Answer::Done) => {
                let first = self.waiting.pop_front();
                first.iter().filter(|first| first.kind == Kind::Parse).for_each(|parse| self.parsed(cx, parse));
                let flow = first.and_then(|first| first.flow);
                self.ran = flow.map(|flow| (flow, found.at.1));
                if self.waiting.front().is_none_or(|next| next.kind != Kind::Sync) {
                    self.close_ran(cx);
                }
            }
            // it is that of a question that was not seen
            Some(Answer::Not) | None => {
                let due = self.under_way();
                self.certainty.misfits(self.waiting.iter().map(|one| one.kind), due);
                self.doubt(cx);
                return self.unpaired(cx, found);
            }
        }
        false
    }

    /// What answers nothing that is known to be due.
    pub(super) fn unpaired(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) -> bool {
        let over = self.answers_unseen(cx, found);
        let turn = self.certainty.answered(found.kind, found.payload, found.at.1.time);
        self.turn(turn);
        over
    }

    fn turn(&mut self, turn: Turn) {
        if let Turn::Sure { names } = turn {
            self.statements.find(names);
        }
    }

    /// Bytes of either side may have gone by unseen: who answers what is not sure any more.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        let told = match dir {
            Dir::ToClient => {
                self.certainty.lose_answers();
                self.lone.lose(cx, Issue::GAP);
                false
            }
            Dir::ToServer => {
                // names may stand for other statements by now, and any of them may have been run
                self.statements.lose();
                let (due, copies) = (self.under_way(), self.copying().is_some());
                self.certainty.lose_questions(self.waiting.iter().map(|one| one.kind), due, copies)
            }
        };
        if !told {
            self.statements.find(false);
        }
        self.doubt(cx);
    }

    /// Whose answer is whose is not known any more.
    fn doubt(&mut self, cx: &mut Cx<'_, '_>) {
        let ran = self.ran.take().map(|(flow, _)| flow);
        if ran.is_some() || !self.waiting.is_empty() {
            self.certainty.strays();
        }
        let waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(|one| one.flow);
        ran.into_iter().chain(waiting).for_each(|flow| uncertain(cx, *flow));
        self.skipping = false;
        // whether they are run after all is not known: nothing is told of them
        for (name, place) in std::mem::take(&mut self.skipped) {
            self.statements.forget_at(&name, place);
        }
    }

    /// How many ends of answers are due.
    fn under_way(&self) -> usize {
        if self.certainty.is_sure() {
            self.waiting.iter().filter(|one| one.kind.is_cycle()).count()
        } else {
            self.certainty.due()
        }
    }

    /// Both sides are over.
    pub(super) fn over(&mut self, cx: &mut Cx<'_, '_>) {
        self.skipped_all(cx, if self.ended { ENDED } else { ABORTED }, None);
        self.lone.lose(cx, Issue::CUT);
        self.ran.take().into_iter().for_each(|(flow, _)| flow.unanswered(cx));
        for Exchange { kind, place, name, text, untold, flow } in std::mem::take(&mut self.waiting) {
            let unused = kind == Kind::Parse && (self.statements.forget_at(&name, place).is_some() || untold);
            let parse = text.filter(|_| unused).map(|text| Box::new(self.prepare(cx, &text, place)));
            flow.or(parse).into_iter().for_each(|flow| flow.unanswered(cx));
        }
        let unused = self.statements.over();
        self.prepared(cx, unused);
    }

    /// The server is ready for more: what came before the end of a cycle is over.
    fn ready(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        self.close_ran(cx);
        let Some(end) = self.waiting.iter().position(|one| one.kind.is_cycle()) else {
            if self.certainty.is_ready_unasked() {
                self.certainty.doubt(0);
                self.doubt(cx);
            }
            return;
        };
        self.waiting.drain(..=end).filter_map(|one| one.flow).for_each(|flow| flow.done(cx, found.at.1));
        self.certainty.fits(found.at.1.time, self.waiting.is_empty());
        if self.waiting.is_empty() {
            // a long row of questions takes much room, and few clients ask so often
            self.waiting.shrink_to(AT_ONCE);
            if found.payload == b"I" {
                self.statements.close_all();
            }
        }
    }

    pub(super) fn close_ran(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some((flow, at)) = self.ran.take() {
            flow.done(cx, at);
        }
    }

    /// The statement that data are copied into.
    fn copying(&mut self) -> Option<&mut Flow> {
        self.waiting.front_mut()?.flow.as_deref_mut().filter(|flow| flow.copying)
    }

    fn more(&mut self, found: Found<'_>) {
        if let Some(flow) = self.copying() {
            match found.kind {
                b'd' => flow.sent += found.length.saturating_sub(super::HEAD) as u64,
                b'c' | b'f' => flow.copying = false,
                _ => {}
            }
        }
    }

    /// A notice is about what runs.
    fn noticed(&mut self, fault: &Fault) {
        let ran = self.ran.iter_mut().map(|(flow, _)| &mut **flow);
        let waiting = self.waiting.iter_mut().filter_map(|one| one.flow.as_deref_mut());
        if let Some(flow) = ran.chain(waiting).next() {
            flow.notice(fault);
        }
    }
}

/// Nobody knows what was answered.
pub(super) fn uncertain(cx: &mut Cx<'_, '_>, flow: Flow) {
    cx.note(flow.key, UNCERTAIN);
    flow.lost(cx);
}
