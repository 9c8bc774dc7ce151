//! What a client asks and what its server answers, in order: which of them belong together, and what was prepared.

use super::exchange::{Answer, Exchange, Flow, Kind};
use super::{Found, PROTOCOL, sql};
use crate::decode::Cx;
use crate::decode::cursor::Cursor;
use crate::model::{Dir, Fields, Issue, Stamp, Value, text_of};
use std::collections::{BTreeMap, VecDeque};

/// How many statements of a session are remembered, and portals.
const STATEMENTS: usize = 1024;
/// How many bytes of their texts.
const TEXTS: usize = 1 << 20;
/// How many questions of a session wait for their answer.
const WAITING: usize = 4096;

const UNCERTAIN: Issue = Issue::unseen("its answer is not certain: not all of the session was captured");
const UNPREPARED: Issue = Issue::unseen("its statement was prepared before the capture");
const TOO_MANY: Issue = Issue::unseen("too many statements wait for their answer");
const ABORTED: Issue = Issue::remark("not run: a statement before it failed");

/// A statement that was prepared.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    text: String,
    /// The packets of its Parse, while nothing of it was run: a prepare that leads to nothing is a flow.
    unused: Option<(Stamp, Stamp, usize)>,
}

/// A statement with its parameters.
#[derive(Clone, Debug, Default)]
struct Portal {
    statement: Box<[u8]>,
    parameters: Vec<Value>,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    next_key: u64,
    /// Not yet said that it was joined.
    joined: bool,
    /// Whether each answer is that of the first question that waits.
    sure: bool,
    /// Whether the server passes over all that is asked until a Sync, as a statement before it failed.
    skipping: bool,
    /// Whether a client has asked more before it was answered: then an end of an answer need not be the last one's.
    pipelines: bool,
    waiting: VecDeque<Exchange>,
    statements: BTreeMap<Box<[u8]>, Statement>,
    portals: BTreeMap<Box<[u8]>, Portal>,
    texts: usize,
    /// Who asks for what.
    who: Fields,
}

impl Session {
    pub(super) fn new(opening: bool) -> Self {
        Self {
            next_key: 0,
            joined: !opening,
            sure: opening,
            skipping: false,
            pipelines: false,
            waiting: VecDeque::new(),
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            texts: 0,
            who: Fields::default(),
        }
    }

    /// The client began a session with these parameters.
    pub(super) fn begin(&mut self, parameters: &[u8], length: usize, at: (Stamp, Stamp)) {
        let mut c = Cursor::new(parameters);
        while let (Some(name), Some(value)) = (c.text().filter(|name| !name.is_empty()), c.text()) {
            let field = match name {
                b"user" => "postgresql.user",
                b"database" => "postgresql.database",
                b"application_name" => "postgresql.application",
                _ => continue,
            };
            self.who.set(field, &*text_of(value));
        }
        self.waiting.push_back(Exchange::new(Kind::Session, at, length));
    }

    /// The client asked something.
    pub(super) fn asked(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>) {
        let mut c = Cursor::new(found.payload);
        let kind = match found.kind {
            b'Q' => Kind::Query,
            b'P' => Kind::Parse,
            b'B' => Kind::Bind,
            b'D' => Kind::Describe,
            b'E' => Kind::Execute,
            b'C' => Kind::Close,
            b'S' => Kind::Sync,
            b'F' => Kind::Function,
            // passwords are read by nobody; what is copied is part of what began it; a client leaves by itself
            _ => return self.more(found),
        };
        if !self.waiting.is_empty() && self.waiting.iter().any(|one| one.kind.is_cycle()) {
            self.pipelines = true;
        }
        let mut exchange = Exchange::new(kind, found.at, found.length);
        match kind {
            Kind::Query => {
                let text = rest(&mut c);
                exchange.flow = Some(self.open(cx, &sql::operation(&text), &found, Some(&text), Vec::new()));
            }
            Kind::Parse => {
                let (name, text) = (name(&mut c), rest(&mut c));
                self.prepare(cx, name.clone(), text, &found);
                exchange.name = name;
            }
            Kind::Bind => {
                let (portal, statement) = (name(&mut c), name(&mut c));
                if self.portals.len() < STATEMENTS || self.portals.contains_key(&portal) {
                    let parameters = parameters(&mut c).unwrap_or_default();
                    self.portals.insert(portal, Portal { statement: statement.clone(), parameters });
                }
                exchange.name = statement;
            }
            Kind::Execute => {
                let Portal { statement, parameters } = self.portals.get(&name(&mut c)).cloned().unwrap_or_default();
                let known = self.statements.get_mut(&statement).map(|statement| {
                    statement.unused = None;
                    statement.text.clone()
                });
                let operation = match &known {
                    Some(text) => sql::operation(text),
                    None if statement.is_empty() => "unknown statement".to_owned(),
                    None => format!("unknown statement {}", text_of(&statement)),
                };
                let flow = self.open(cx, &operation, &found, known.as_deref(), parameters);
                if known.is_none() {
                    cx.note(flow.key, UNPREPARED);
                }
                exchange.flow = Some(flow);
            }
            Kind::Close => {
                if c.u8() == Some(b'S') {
                    let name = name(&mut c);
                    self.forget(cx, &name);
                }
            }
            Kind::Describe | Kind::Sync | Kind::Function | Kind::Session => {}
        }
        self.skipping &= kind != Kind::Sync;
        if self.skipping {
            if let Some(flow) = exchange.flow {
                cx.note(flow.key, ABORTED);
                flow.close(cx, None, false, found.at.1);
            }
        } else if self.waiting.len() < WAITING {
            self.waiting.push_back(exchange);
        } else if let Some(flow) = exchange.flow {
            self.sure = false;
            cx.note(flow.key, TOO_MANY);
            flow.unanswered(cx);
        }
    }

    /// The server answered.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_, '_>, found: Found<'_>) {
        // a notice, a parameter's new value, a notification come between answers
        if matches!(found.kind, b'N' | b'S' | b'A' | b'K' | b'R' | b'v') {
            return;
        }
        if !self.sure {
            if found.kind == b'Z' && (!self.pipelines || self.waiting.is_empty()) {
                self.drop_waiting(cx);
                (self.sure, self.pipelines) = (true, false);
            }
            return;
        }
        if found.kind == b'Z' {
            return self.ready(cx, found.at.1);
        }
        let Some(first) = self.waiting.front() else { return };
        // a Sync that was sent with the Execute is not looked at while the server takes a copy
        if found.kind == b'G' && first.kind == Kind::Execute && self.waiting.get(1).is_some_and(|next| next.kind == Kind::Sync) {
            self.waiting.remove(1);
        }
        let Some(first) = self.waiting.front_mut() else { return };
        match first.answer(cx, &found) {
            Answer::More => {}
            Answer::Done => _ = self.waiting.pop_front(),
            Answer::Failed => self.failed(cx, &found),
            // it is another's
            Answer::Not => self.lose(cx, Dir::ToClient),
        }
    }

    /// Bytes of either side may have gone by unseen: who answers what is not sure any more.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.drop_waiting(cx);
        (self.sure, self.skipping) = (false, false);
        if dir == Dir::ToServer {
            // names may stand for other statements by now, and any of them may have been run
            self.statements.clear();
            self.portals.clear();
            self.texts = 0;
        }
    }

    /// Both sides are over.
    pub(super) fn over(&mut self, cx: &mut Cx<'_, '_>) {
        for exchange in std::mem::take(&mut self.waiting) {
            if let Some(flow) = exchange.flow {
                flow.unanswered(cx);
            }
        }
        let names: Vec<_> = self.statements.keys().cloned().collect();
        names.iter().for_each(|name| self.forget(cx, name));
    }

    /// An error: what the client asked is over with it, and in an extended query all up to the next Sync.
    fn failed(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        let Some(first) = self.waiting.front() else { return };
        match first.kind {
            // ReadyForQuery follows
            Kind::Query | Kind::Function | Kind::Sync => return,
            Kind::Session => {
                if let Some(exchange) = self.waiting.pop_front() {
                    let to = self.who.get("postgresql.database").or(self.who.get("postgresql.user"));
                    let to = if let Some(Value::Text(name)) = to { format!("CONNECT {name}") } else { "CONNECT".to_owned() };
                    self.failed_alone(cx, &to, &exchange, None, found);
                }
                return;
            }
            Kind::Parse | Kind::Bind | Kind::Describe | Kind::Close | Kind::Execute => {}
        }
        let Some(mut exchange) = self.waiting.pop_front() else { return };
        // where it was to be run at once, it is the run that failed
        let next = self.waiting.iter().take_while(|one| !one.kind.is_cycle()).position(|one| one.kind == Kind::Execute);
        let run = next.and_then(|at| self.waiting.get_mut(at)?.flow.take());
        let text = self.statements.get(&exchange.name).map(|statement| statement.text.clone());
        if exchange.kind == Kind::Parse
            && let Some(statement) = self.statements.remove(&exchange.name)
        {
            self.texts -= statement.text.len();
        }
        match exchange.flow.take().or(run) {
            Some(flow) => flow.failed(cx, found),
            None => {
                let operation = text.as_deref().map_or_else(|| "unknown statement".to_owned(), sql::operation);
                self.failed_alone(cx, &operation, &exchange, text.as_deref(), found);
            }
        }
        while let Some(skipped) = self.waiting.pop_front_if(|one| !one.kind.is_cycle()) {
            if let Some(flow) = skipped.flow {
                cx.note(flow.key, ABORTED);
                flow.close(cx, None, false, found.at.1);
            }
        }
        self.skipping = self.waiting.is_empty();
    }

    /// A failure of what is no flow where it goes well.
    fn failed_alone(&mut self, cx: &mut Cx<'_, '_>, operation: &str, of: &Exchange, text: Option<&str>, found: &Found<'_>) {
        let asked = Found { kind: 0, payload: &[], length: of.length, at: of.at };
        let flow = self.open(cx, operation, &asked, text, Vec::new());
        flow.failed(cx, found);
    }

    /// The server is ready for more: what came before the end of a cycle is over.
    fn ready(&mut self, cx: &mut Cx<'_, '_>, at: Stamp) {
        while let Some(exchange) = self.waiting.pop_front() {
            let cycle = exchange.kind.is_cycle();
            if let Some(flow) = exchange.flow {
                flow.ready(cx, at);
            }
            if cycle {
                return;
            }
        }
    }

    fn more(&mut self, found: Found<'_>) {
        let copied = usize::from(found.kind == b'd') * found.length.saturating_sub(super::HEAD);
        let copying = self.waiting.iter_mut().find_map(|one| one.flow.as_mut().filter(|flow| flow.copying));
        if let Some(flow) = copying {
            flow.sent += copied as u64;
        }
    }

    fn prepare(&mut self, cx: &mut Cx<'_, '_>, name: Box<[u8]>, text: String, found: &Found<'_>) {
        self.forget(cx, &name);
        if self.statements.len() < STATEMENTS && self.texts + text.len() <= TEXTS {
            self.texts += text.len();
            let unused = Some((found.at.0, found.at.1, found.length));
            self.statements.insert(name, Statement { text, unused });
        }
    }

    /// A statement is no more: one that was never run is told.
    fn forget(&mut self, cx: &mut Cx<'_, '_>, name: &[u8]) {
        let Some(statement) = self.statements.remove(name) else { return };
        self.texts -= statement.text.len();
        if let Some((first, last, length)) = statement.unused {
            let asked = Found { kind: b'P', payload: &[], length, at: (first, last) };
            let flow =
                self.open(cx, &format!("PREPARE {}", sql::operation(&statement.text)), &asked, Some(&statement.text), Vec::new());
            flow.close(cx, None, true, last);
        }
    }

    fn drop_waiting(&mut self, cx: &mut Cx<'_, '_>) {
        for exchange in std::mem::take(&mut self.waiting) {
            if let Some(flow) = exchange.flow {
                cx.note(flow.key, UNCERTAIN);
                flow.lost(cx);
            }
        }
    }

    fn open(
        &mut self,
        cx: &mut Cx<'_, '_>,
        operation: &str,
        asked: &Found<'_>,
        text: Option<&str>,
        parameters: Vec<Value>,
    ) -> Flow {
        let key = self.next_key;
        self.next_key += 1;
        let mut fields = self.who.clone();
        if let Some(text) = text {
            fields.set("sql", text);
        }
        if !parameters.is_empty() {
            fields.set("postgresql.parameters", Value::List(parameters));
        }
        let flow = Flow::open(cx, key, PROTOCOL.name, operation, asked, fields, text);
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
        flow
    }
}

/// A name, as bytes.
fn name(c: &mut Cursor<'_>) -> Box<[u8]> {
    c.text().unwrap_or_default().into()
}

/// A text up to its NUL, or as far as it is read.
fn rest(c: &mut Cursor<'_>) -> String {
    let text = c.text().unwrap_or_else(|| c.rest());
    text_of(text).into_owned()
}

/// The parameters of a Bind: text as text, binary ones as PostgreSQL writes bytes (`\x…`), as their types are not told.
fn parameters(c: &mut Cursor<'_>) -> Option<Vec<Value>> {
    /// How many are kept, and how much of each.
    const PARAMETERS: usize = 100;
    const LONGEST: usize = 1024;
    let formats: Vec<u16> = (0..c.u16()?).map(|_| c.u16()).collect::<Option<_>>()?;
    let count = usize::from(c.u16()?);
    let mut values = Vec::new();
    for at in 0..count.min(PARAMETERS) {
        let length = c.u32()?;
        if length == u32::MAX {
            values.push(Value::Null);
            continue;
        }
        let bytes = c.take(length as usize)?;
        let binary = formats.get(if formats.len() == 1 { 0 } else { at }) == Some(&1);
        let shown = bytes.get(..LONGEST).unwrap_or(bytes);
        values.push(match std::str::from_utf8(shown) {
            Ok(text) if !binary => Value::from(text),
            _ => Value::from(shown.iter().fold("\\x".to_owned(), |hex, b| format!("{hex}{b:02x}")).as_str()),
        });
    }
    Some(values)
}
