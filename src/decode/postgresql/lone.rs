//! Answers to questions that were not captured: a flow for each that ran a statement, as far as the server alone tells. Not those of
//! which the question may be one that was seen.
//!
//! ```text
//!  server   RowDescription, DataRow …, CommandComplete …, ReadyForQuery                   a Query: all up to ReadyForQuery
//!           ParseComplete, BindComplete, RowDescription, DataRow …, CommandComplete …     an Execute: a statement
//! ```
//! What fails right behind an Execute that went well is taken for its failure, as what is deferred fails so.

use super::Found;
use super::exchange::Flow;
use super::fault::Fault;
use super::session::Session;
use crate::decode::Cx;
use crate::model::{Dir, Issue, Pattern, Stamp, unknown};

/// What the server says while nobody is known to have asked.
#[derive(Debug, Default)]
pub(super) struct Lone {
    flow: Option<Box<Flow>>,
    /// Whether its statement, or all that is known to be of it, is over.
    over: bool,
    /// The head of rows that may follow: where it began, and its length in bytes. Of what is only described none do.
    columns: Option<Box<(Stamp, usize)>>,
    /// Whether statements run one by one, since the server was ready.
    extended: bool,
    /// What the server said before that, and what it said last; 0 behind bytes that are lost.
    before: u8,
    last: u8,
}

impl Lone {
    /// The server says something that is part of an answer.
    pub(super) fn pass(&mut self, kind: u8) {
        self.extended = self.last != b'Z' && self.extended || matches!(kind, b'1' | b'2' | b'3' | b'n' | b't');
        self.before = std::mem::replace(&mut self.last, kind);
    }

    fn done(&mut self, cx: &mut Cx<'_, '_>, at: Stamp) {
        (self.over, self.columns) = (false, None);
        self.flow.take().into_iter().for_each(|flow| flow.done(cx, at));
    }

    /// What follows will not be seen, or not all of it.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_, '_>, why: Issue) {
        match self.flow.take() {
            Some(flow) if self.over => flow.done(cx, Stamp::default()),
            Some(flow) => flow.cut(cx, why),
            None => {}
        }
        *self = Self::default();
    }
}

impl Session {
    /// A message of an answer while nobody knows whose. Whether the server turns to replication with it.
    pub(super) fn answers_unseen(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) -> bool {
        let lone = &mut self.lone;
        let single = lone.extended;
        match found.kind {
            b'1' | b'2' | b'3' | b'n' | b't' => lone.done(cx, found.at.1),
            b'T' if single => lone.done(cx, found.at.1),
            b'T' if lone.flow.is_none() => lone.columns = Some(Box::new((found.at.0, found.length))),
            b'T' | b'D' | b'C' | b'I' | b's' | b'G' | b'H' | b'W' | b'd' | b'c' | b'E' => {
                if single && lone.over && found.kind != b'E' {
                    lone.done(cx, found.at.1);
                }
                return self.goes_on(cx, found);
            }
            b'Z' => lone.done(cx, found.at.1),
            _ => {}
        }
        false
    }

    /// More of an answer, which may begin with it.
    fn goes_on(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) -> bool {
        let fault = (found.kind == b'E').then(|| Fault::read(found.payload));
        let columns = self.lone.columns.take().map(|columns| *columns);
        let flow = match self.lone.flow.take() {
            Some(flow) => Some(flow),
            None if self.certainty.is_of_unseen() => Some(Box::new(self.open_unseen(cx, found, columns, fault.as_ref()))),
            None => None,
        };
        let Some(mut flow) = flow else { return false };
        match &fault {
            Some(fault) => flow.error(cx, found, fault),
            None => flow.received(cx, found),
        }
        self.lone.over = matches!(found.kind, b'C' | b'I' | b's' | b'E');
        self.lone.flow = Some(flow);
        if found.kind == b'W' {
            self.replicates(cx, found);
        }
        found.kind == b'W'
    }

    fn open_unseen(
        &mut self,
        cx: &mut Cx<'_, '_>,
        found: &Found<'_>,
        columns: Option<(Stamp, usize)>,
        fault: Option<&Fault>,
    ) -> Flow {
        let first = columns.map_or(found.at.0, |(first, _)| first);
        // the server may end a session in which nothing was asked
        let key = if fault.is_some_and(Fault::is_fatal) {
            self.begin_unasked(cx, (Pattern::Message, Dir::ToClient), "ErrorResponse", first)
        } else {
            let key = self.begin_unasked(cx, (Pattern::Query, Dir::ToServer), unknown::STATEMENT, first);
            cx.note(key, Issue::NO_REQUEST);
            key
        };
        cx.fields(key, self.who.fields());
        let mut flow = Flow::unasked(key, self.lone.before != 0);
        if let Some((first, length)) = columns {
            flow.received(cx, &Found { kind: b'T', payload: &[], length, at: (first, first), passed: true });
        }
        flow
    }

    fn replicates(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        if let Some(flow) = self.lone.flow.take() {
            cx.note(flow.key, super::session::REPLICATION);
            flow.done(cx, found.at.1);
        }
    }
}
