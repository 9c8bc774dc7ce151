//! A question and what is answered to it, message by message; and the flow that it is, where it is one.

use super::fault::Fault;
use super::{Found, HEAD, PROTOCOL, Place};
use crate::decode::Cx;
use crate::decode::cursor::Cursor;
use crate::model::{Dir, Fields, Head, Headers, Issue, PENDING, Part, Pattern, Stamp, Value, text_of};
use compact_str::CompactString;
use std::sync::Arc;

/// How many notices of a statement are kept.
const NOTICES: usize = 10;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Session,
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    Function,
}

impl Kind {
    /// Whether ReadyForQuery answers it.
    pub(super) const fn is_cycle(self) -> bool {
        matches!(self, Self::Session | Self::Query | Self::Sync | Self::Function)
    }
}

/// A question.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// Which statement it is about.
    pub(super) name: Box<[u8]>,
    /// What that name stood for when it was asked, where that was seen.
    pub(super) text: Option<Arc<str>>,
    /// Of a Parse: whether its name came to stand for another statement before it was answered, and nothing of it was run.
    pub(super) untold: bool,
    pub(super) flow: Option<Box<Flow>>,
}

/// What a message is to the question that it may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Part of its answer.
    More,
    /// The end of it.
    Done,
    /// None of its answers.
    Not,
}

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) key: u64,
    /// Whether its question was captured, and the beginning of its answer.
    asked: bool,
    begun: bool,
    /// Whether the client may copy data into it, and how many bytes it did.
    pub(super) copying: bool,
    pub(super) sent: u64,
    /// How many rows the statements so far returned or changed, and how many were seen of the one that runs.
    rows: Option<u64>,
    running: Option<u64>,
    received: u64,
    answered: Option<Stamp>,
    notices: Vec<Value>,
    /// What it ended with: the command's tag, or an error's code.
    status: Option<CompactString>,
    ok: bool,
}

impl Exchange {
    pub(super) fn new(kind: Kind, place: Place) -> Self {
        Self { kind, place, name: Box::default(), text: None, untold: false, flow: None }
    }

    /// A message of the server, other than an error and ReadyForQuery.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) -> Answer {
        let answer = match (self.kind, found.kind) {
            (Kind::Parse, b'1') | (Kind::Bind, b'2') | (Kind::Close, b'3') | (Kind::Describe, b'T' | b'n') => Answer::Done,
            (Kind::Describe, b't') | (Kind::Function, b'V') => Answer::More,
            (Kind::Query, b'T' | b'D' | b'C' | b'I' | b'G' | b'H' | b'W' | b'd' | b'c') => Answer::More,
            (Kind::Execute, b'D' | b'G' | b'H' | b'W' | b'd' | b'c') => Answer::More,
            (Kind::Execute, b'C' | b'I' | b's') => Answer::Done,
            _ => Answer::Not,
        };
        if let Some(flow) = self.flow.as_mut().filter(|_| answer != Answer::Not) {
            flow.received(cx, found);
        }
        answer
    }
}

impl Flow {
    /// It begins. `carrier` is the text that this very message brought, with what its comments carry.
    pub(super) fn open(
        cx: &mut Cx<'_, '_>,
        key: u64,
        pattern: Pattern,
        operation: &str,
        place: Place,
        fields: Fields,
        carrier: Option<&str>,
    ) -> Self {
        cx.open(key, PROTOCOL.name, pattern, operation, Dir::ToServer, place.first);
        head(cx, key, Dir::ToServer, place.first);
        let bytes = place.length.saturating_sub(HEAD) as u64;
        cx.part(key, Part::BodyEnd { dir: Dir::ToServer, bytes, whole: true });
        cx.fields(key, fields);
        let mut carried = Headers::default();
        for (name, value) in carrier.map(super::sql::comments).unwrap_or_default() {
            carried.push(name.as_bytes(), &value);
        }
        if !carried.is_empty() {
            cx.trace(key, &carried);
        }
        Self::new(key)
    }

    /// An answer whose question was not captured. Whether all of it so far was.
    pub(super) fn unasked(key: u64, begun: bool) -> Self {
        Self { asked: false, begun, ..Self::new(key) }
    }

    fn new(key: u64) -> Self {
        Self {
            key,
            asked: true,
            begun: true,
            copying: false,
            sent: 0,
            rows: None,
            running: None,
            received: 0,
            answered: None,
            notices: Vec::new(),
            status: None,
            ok: true,
        }
    }

    /// Its answer may be another's.
    pub(super) fn is_guessed(&mut self, cx: &mut Cx<'_, '_>) {
        if self.answered.is_none() {
            cx.note(self.key, Issue::PAIR_GUESSED);
        }
    }

    /// A message of its answer.
    pub(super) fn received(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        if self.answered.is_none() {
            self.answered = Some(found.at.0);
            head(cx, self.key, Dir::ToClient, found.at.0);
        }
        self.received += found.length as u64;
        match found.kind {
            b'D' => self.running = Some(self.running.unwrap_or_default() + 1),
            b'T' => self.running = Some(0),
            b'G' | b'W' => self.copying = true,
            b'C' => {
                let tag = Cursor::new(found.payload).text().map(text_of).unwrap_or_default();
                // `INSERT 0 1`, `SELECT 2`, `COPY 3`: the last word; others count nothing (`BEGIN`, `SHOW`)
                let told = tag.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
                let running = self.running.take();
                self.rows = sum(self.rows, told.or(running));
                (self.copying, self.status) = (false, Some((&*tag).into()));
            }
            b's' => self.status = Some("suspended".into()),
            _ => {}
        }
    }

    /// What the server remarks while it runs.
    pub(super) fn notice(&mut self, fault: &Fault) {
        if self.notices.len() < NOTICES {
            self.notices.push(Value::from(fault.notice().as_str()));
        }
    }

    /// It has failed; the end of its answer is still to come. The first error counts.
    pub(super) fn error(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>, fault: &Fault) {
        self.received(cx, found);
        if std::mem::take(&mut self.ok) {
            self.status.clone_from(&fault.code);
            cx.fields(self.key, fault.fields.clone());
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.ok
    }

    /// It ended by an error.
    pub(super) fn failed(mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>, fault: &Fault) {
        self.error(cx, found, fault);
        self.done(cx, found.at.1);
    }

    /// Its answer is whole, save what came before it was begun. Without its question nobody knows how long it took.
    pub(super) fn done(mut self, cx: &mut Cx<'_, '_>, at: Stamp) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut fields = Fields::default();
        // what failed is undone, as far as it changed anything
        if let Some(rows) = sum(self.rows, self.running).filter(|_| self.ok && self.begun) {
            fields.set("postgresql.rows", number(rows));
        }
        if self.sent > 0 {
            fields.set("postgresql.copied", number(self.sent));
        }
        if !self.notices.is_empty() {
            fields.set("postgresql.notices", Value::List(std::mem::take(&mut self.notices)));
        }
        if fields.iter().next().is_some() {
            cx.fields(self.key, fields);
        }
        if self.answered.is_some() {
            cx.part(self.key, Part::BodyEnd { dir: Dir::ToClient, bytes: self.received, whole: self.begun });
        }
        cx.close(self.key, self.status, self.ok, Some(at).filter(|_| self.asked));
    }

    /// The server did not look at it.
    pub(super) fn skipped(self, cx: &mut Cx<'_, '_>, why: Issue, at: Stamp) {
        cx.note(self.key, why);
        cx.close(self.key, None, false, Some(at));
    }

    /// Its answer did not come; of one that failed only the end.
    pub(super) fn unanswered(self, cx: &mut Cx<'_, '_>) {
        let status = if self.ok { Some(PENDING.into()) } else { self.status };
        cx.close(self.key, status, false, None);
    }

    /// The rest of its answer will not be seen.
    pub(super) fn cut(self, cx: &mut Cx<'_, '_>, why: Issue) {
        cx.note(self.key, why);
        cx.part(self.key, Part::BodyEnd { dir: Dir::ToClient, bytes: self.received, whole: false });
        cx.close(self.key, self.status.filter(|_| !self.ok), self.ok, None);
    }

    /// Its answer may have gone by unseen.
    pub(super) fn lost(self, cx: &mut Cx<'_, '_>) {
        cx.note(self.key, Issue::NO_RESPONSE);
        if self.answered.is_some() {
            cx.part(self.key, Part::BodyEnd { dir: Dir::ToClient, bytes: self.received, whole: false });
        }
        cx.close(self.key, None, self.ok, None);
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    }
}

/// One side of a flow.
pub(super) fn head(cx: &mut Cx<'_, '_>, key: u64, dir: Dir, first: Stamp) {
    let (headers, hint) = Default::default();
    cx.part(key, Part::Head(Box::new(Head { dir, first, headers, head_bytes: HEAD as u64, hint })));
}
