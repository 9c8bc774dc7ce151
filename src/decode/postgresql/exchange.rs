//! A question and what is answered to it, message by message; and the flow that it is, where it is one.

use super::{Found, HEAD};
use crate::decode::Cx;
use crate::decode::cursor::Cursor;
use crate::model::{Dir, Fields, Headers, Issue, PENDING, Part, Pattern, Stamp, text_of};

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
    /// The packets that brought it, and its length.
    pub(super) at: (Stamp, Stamp),
    pub(super) length: usize,
    /// Which statement it is about.
    pub(super) name: Box<[u8]>,
    pub(super) flow: Option<Flow>,
}

/// What a message is to the question that it may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Part of its answer.
    More,
    /// The end of it.
    Done,
    /// It says that it failed.
    Failed,
    /// None of its answers.
    Not,
}

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) key: u64,
    /// Whether the client may copy data into it, and how many bytes it did.
    pub(super) copying: bool,
    pub(super) sent: u64,
    rows: Option<u64>,
    received: u64,
    answered: Option<Stamp>,
    /// What it ended with: the command's tag, or an error's code.
    status: Option<Box<str>>,
    ok: bool,
}

impl Exchange {
    pub(super) fn new(kind: Kind, at: (Stamp, Stamp), length: usize) -> Self {
        Self { kind, at, length, name: Box::default(), flow: None }
    }

    /// A message of the server, other than ReadyForQuery.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) -> Answer {
        if let Some(flow) = &mut self.flow {
            flow.received(cx, found);
        }
        match (self.kind, found.kind) {
            (Kind::Session, b'E')
            | (Kind::Parse | Kind::Bind | Kind::Describe | Kind::Close | Kind::Execute | Kind::Function | Kind::Sync, b'E') => {
                Answer::Failed
            }
            (Kind::Query, b'E') => {
                if let Some(flow) = &mut self.flow {
                    flow.error(cx, found);
                }
                Answer::Failed
            }
            (Kind::Parse, b'1') | (Kind::Bind, b'2') | (Kind::Close, b'3') | (Kind::Describe, b'T' | b'n') => Answer::Done,
            (Kind::Describe, b't') | (Kind::Function, b'V') => Answer::More,
            (Kind::Query, b'T' | b'D' | b'C' | b'I' | b'G' | b'H' | b'W' | b'd' | b'c') => Answer::More,
            (Kind::Execute, b'D' | b'G' | b'H' | b'W' | b'd' | b'c' | b'T') => Answer::More,
            (Kind::Execute, b'C' | b'I' | b's') => {
                if let Some(flow) = self.flow.take() {
                    flow.done(cx, found.at.1);
                }
                Answer::Done
            }
            _ => Answer::Not,
        }
    }
}

impl Flow {
    pub(super) fn open(
        cx: &mut Cx<'_, '_>,
        key: u64,
        protocol: &'static str,
        operation: &str,
        asked: &Found<'_>,
        fields: Fields,
        text: Option<&str>,
    ) -> Self {
        cx.open(key, protocol, Pattern::Query, operation, Dir::ToServer, asked.at.0);
        head(cx, key, Dir::ToServer, asked.at.0);
        let bytes = asked.length.saturating_sub(HEAD) as u64;
        cx.part(key, Part::BodyEnd { dir: Dir::ToServer, bytes, whole: true });
        cx.fields(key, fields);
        let mut carried = Headers::default();
        for (name, value) in text.map(super::sql::comments).unwrap_or_default() {
            carried.push(name.as_bytes(), &value);
        }
        if !carried.is_empty() {
            cx.trace(key, &carried);
        }
        Self { key, copying: false, sent: 0, rows: None, received: 0, answered: None, status: None, ok: true }
    }

    /// A message of its answer.
    fn received(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        if self.answered.is_none() {
            self.answered = Some(found.at.0);
            head(cx, self.key, Dir::ToClient, found.at.0);
        }
        self.received += found.length as u64;
        match found.kind {
            b'D' => self.rows = Some(self.rows.unwrap_or_default() + 1),
            b'T' => self.rows = self.rows.or(Some(0)),
            b'G' | b'W' => self.copying = true,
            b'C' => self.status = Cursor::new(found.payload).text().map(|tag| (&*text_of(tag)).into()),
            b's' => self.status = Some("suspended".into()),
            _ => {}
        }
    }

    /// What an error says: the first one counts.
    fn error(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        self.ok = false;
        let mut fields = Fields::default();
        let mut c = Cursor::new(found.payload);
        while let Some(kind) = c.u8().filter(|kind| *kind != 0) {
            let Some(text) = c.text().map(text_of) else { break };
            match kind {
                b'C' => self.status = Some((&*text).into()),
                b'M' => fields.set("postgresql.message", &*text),
                b'D' => fields.set("postgresql.detail", &*text),
                b'H' => fields.set("postgresql.hint", &*text),
                b'V' => fields.set("postgresql.severity", &*text),
                _ => {}
            }
        }
        cx.fields(self.key, fields);
    }

    /// It ended by an error.
    pub(super) fn failed(mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        if self.answered.is_none() {
            self.received(cx, found);
        }
        self.error(cx, found);
        self.done(cx, found.at.1);
    }

    /// The server is ready for more.
    pub(super) fn ready(self, cx: &mut Cx<'_, '_>, at: Stamp) {
        self.done(cx, at);
    }

    fn done(self, cx: &mut Cx<'_, '_>, at: Stamp) {
        let (status, ok) = (self.status.clone(), self.ok);
        self.close(cx, status, ok, at);
    }

    /// It is over.
    pub(super) fn close(self, cx: &mut Cx<'_, '_>, status: Option<Box<str>>, ok: bool, at: Stamp) {
        if let Some(rows) = self.rows {
            cx.fields(self.key, Fields::default().with("postgresql.rows", i64::try_from(rows).unwrap_or(i64::MAX)));
        }
        if self.sent > 0 {
            cx.fields(self.key, Fields::default().with("postgresql.copied", i64::try_from(self.sent).unwrap_or(i64::MAX)));
        }
        if self.answered.is_some() {
            cx.part(self.key, Part::BodyEnd { dir: Dir::ToClient, bytes: self.received, whole: true });
        }
        cx.close(self.key, status, ok, Some(at));
    }

    /// Its answer did not come.
    pub(super) fn unanswered(self, cx: &mut Cx<'_, '_>) {
        cx.close(self.key, Some(PENDING.into()), false, None);
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

/// One side of a flow.
fn head(cx: &mut Cx<'_, '_>, key: u64, dir: Dir, first: Stamp) {
    let (headers, hint) = Default::default();
    cx.part(key, Part::Head { dir, first, headers, head_bytes: HEAD as u64, hint });
}
