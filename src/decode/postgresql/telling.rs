//! The flows of a session: statements, what comes unasked, and how a connection is used for something else.

use super::exchange::{Exchange, Flow, Kind, head};
use super::fault::Fault;
use super::session::{Session, uncertain};
use super::statements::Unused;
use super::{Found, PROTOCOL, Place, sql};
use crate::decode::Cx;
use crate::decode::cursor::Cursor;
use crate::model::{Dir, Fields, Issue, Part, Pattern, Stamp, Value, text_of};

const ENCRYPTED: Issue = Issue::remark("the session goes on encrypted");

impl Session {
    /// What a statement's flow says of it.
    pub(super) fn fields(&self, text: Option<&str>, parameters: Vec<Value>) -> Fields {
        let mut fields = self.who.fields();
        if let Some(text) = text {
            fields.set("sql", text);
        }
        if !parameters.is_empty() {
            fields.set("postgresql.parameters", Value::List(parameters));
        }
        fields
    }

    /// A question that is a flow. `carrier` is the text that it brought.
    pub(super) fn open(
        &mut self,
        cx: &mut Cx<'_, '_>,
        pattern: Pattern,
        operation: &str,
        place: Place,
        fields: Fields,
        carrier: Option<&str>,
    ) -> Flow {
        let key = self.key();
        let flow = Flow::open(cx, key, pattern, operation, place, fields, carrier);
        self.say_joined(cx, key);
        flow
    }

    /// A prepare that leads to nothing.
    pub(super) fn prepare(&mut self, cx: &mut Cx<'_, '_>, text: &str, place: Place) -> Flow {
        let fields = self.fields(Some(text), Vec::new());
        self.open(cx, Pattern::Query, &format!("PREPARE {}", sql::operation(text)), place, fields, Some(text))
    }

    /// Statements that were never run: they are told once it is known that they were prepared.
    pub(super) fn prepared(&mut self, cx: &mut Cx<'_, '_>, unused: impl IntoIterator<Item = Unused>) {
        for Unused { text, place, answered } in unused {
            let asked = self.waiting.iter_mut().find(|one| one.kind == Kind::Parse && one.place == place);
            match (answered, asked) {
                (true, _) => self.prepare(cx, &text, place).done(cx, place.last),
                (false, Some(asked)) => asked.untold = true,
                (false, None) => {
                    let flow = self.prepare(cx, &text, place);
                    uncertain(cx, flow);
                }
            }
        }
    }

    /// The server has prepared a statement.
    pub(super) fn parsed(&mut self, cx: &mut Cx<'_, '_>, asked: &Exchange) {
        let Exchange { name, place, text, untold, .. } = asked;
        if !self.statements.answered(name, *place)
            && *untold
            && let Some(text) = text
        {
            self.prepare(cx, text, *place).done(cx, place.last);
        }
    }

    /// The session was to be encrypted, and is from here on; the answer is not always seen.
    pub(super) fn encrypted(&mut self, cx: &mut Cx<'_, '_>, (word, place): (&'static str, Place), at: Option<Stamp>) {
        let flow = self.open(cx, Pattern::Session, word, place, Fields::default(), None);
        cx.note(flow.key, ENCRYPTED);
        match at {
            Some(at) => flow.done(cx, at),
            None => flow.lost(cx),
        }
    }

    /// Another session is asked to stop what it does: by its number, and by a secret that nobody needs to see. Nothing is answered.
    pub(super) fn cancels(&mut self, cx: &mut Cx<'_, '_>, message: &[u8], place: Place) {
        let pid = Cursor::new(message).at(super::STARTUP).u32();
        let fields = pid.map(|pid| Fields::default().with("postgresql.pid", i64::from(pid))).unwrap_or_default();
        self.open(cx, Pattern::Message, "CancelRequest", place, fields, None).done(cx, place.last);
    }

    /// What another session notified of.
    pub(super) fn notified(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>) {
        let mut c = Cursor::new(found.payload);
        let (Some(pid), Some(channel)) = (c.u32(), c.text().map(text_of)) else { return };
        let payload = c.text().unwrap_or_else(|| c.rest());
        let fields = self.who.fields().with("postgresql.channel", &*channel).with("postgresql.notifier", i64::from(pid));
        let key = self.unasked(cx, Pattern::Deliver, &format!("deliver {channel}"), fields, found);
        let kept = payload.get(..cx.limits().body).unwrap_or(payload);
        cx.body(key, Dir::ToClient, kept);
        cx.part(key, Part::BodyEnd { dir: Dir::ToClient, bytes: payload.len() as u64, whole: true });
        cx.close(key, None, true, Some(found.at.1));
    }

    /// The server ends the session while nothing was asked, and says why.
    pub(super) fn ends_unasked(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>, fault: &Fault) {
        let mut fields = self.who.fields();
        fields.merge(fault.fields.clone());
        let key = self.unasked(cx, Pattern::Message, "ErrorResponse", fields, found);
        let bytes = found.length.saturating_sub(super::HEAD) as u64;
        cx.part(key, Part::BodyEnd { dir: Dir::ToClient, bytes, whole: true });
        cx.close(key, fault.code.clone(), false, Some(found.at.1));
    }

    fn unasked(&mut self, cx: &mut Cx<'_, '_>, pattern: Pattern, operation: &str, fields: Fields, found: &Found<'_>) -> u64 {
        let key = self.begin_unasked(cx, (pattern, Dir::ToClient), operation, found.at.0);
        head(cx, key, Dir::ToClient, found.at.0);
        cx.fields(key, fields);
        key
    }

    /// A flow that begins with what the server says.
    pub(super) fn begin_unasked(
        &mut self,
        cx: &mut Cx<'_, '_>,
        (pattern, dir): (Pattern, Dir),
        operation: &str,
        first: Stamp,
    ) -> u64 {
        let key = self.key();
        cx.open(key, PROTOCOL.name, pattern, operation, dir, first);
        self.say_joined(cx, key);
        key
    }

    fn key(&mut self) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }

    fn say_joined(&mut self, cx: &mut Cx<'_, '_>, key: u64) {
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
    }
}
