//! What an error does to what was asked: which statement it is of, and what is not run because of it.

use super::exchange::{Exchange, Kind};
use super::fault::Fault;
use super::session::{Session, WAITING};
use super::statements::Unused;
use super::{Found, Place, sql};
use crate::decode::Cx;
use crate::model::{Issue, Pattern, Stamp, Value, unknown};

pub(super) const ABORTED: Issue = Issue::remark("not run: a statement before it failed");
pub(super) const ENDED: Issue = Issue::remark("not run: the server ended the session");

impl Session {
    /// An error: what the client asked is over with it, and in an extended query all up to the next Sync.
    pub(super) fn failed(&mut self, cx: &mut Cx<'_, '_>, found: &Found<'_>, fault: &Fault) {
        match self.waiting.front_mut() {
            Some(Exchange { kind: Kind::Query | Kind::Function, flow, .. }) => {
                // ReadyForQuery follows
                flow.iter_mut().for_each(|flow| flow.error(cx, found, fault));
                return self.close_ran(cx);
            }
            Some(Exchange { kind: Kind::Sync, place, .. }) => {
                let place = *place;
                // what was deferred to the end of the transaction failed, and with it what the client was told went well
                return match self.ran.take() {
                    Some((flow, _)) => flow.failed(cx, found, fault),
                    None => self.failed_alone(cx, Pattern::Query, "Sync", place, None, (found, fault)),
                };
            }
            Some(_) => self.close_ran(cx),
            None => return self.ends_unasked(cx, found, fault),
        }
        let Some(Exchange { kind, place, name, text, flow, .. }) = self.waiting.pop_front() else { return };
        if kind == Kind::Session {
            let who = self.who.fields();
            let to = who.get("postgresql.database").or(who.get("postgresql.user"));
            let to = if let Some(Value::Text(name)) = to { format!("CONNECT {name}") } else { "CONNECT".to_owned() };
            return self.failed_alone(cx, Pattern::Session, &to, place, None, (found, fault));
        }
        // where it was to be run at once, it is the run that failed
        let of_it = |one: &&mut Exchange| one.kind == Kind::Execute && one.name == name;
        let mut behind = self.waiting.iter_mut().take_while(|one| one.kind != Kind::Sync);
        let flow = flow.or_else(|| behind.find(of_it)?.flow.take());
        if kind == Kind::Parse {
            self.statements.forget_at(&name, place);
        }
        match flow {
            Some(flow) => flow.failed(cx, found, fault),
            None => {
                let operation = text.as_deref().map_or_else(|| unknown::STATEMENT.to_owned(), sql::operation);
                let operation = if kind == Kind::Parse { format!("PREPARE {operation}") } else { operation };
                self.failed_alone(cx, Pattern::Query, &operation, place, text.as_deref(), (found, fault));
            }
        }
        while let Some(skipped) = self.waiting.pop_front_if(|one| one.kind != Kind::Sync) {
            self.skip(cx, skipped, ABORTED, found.at.1);
        }
        self.skipping = self.waiting.is_empty();
        if !self.skipping {
            self.skipped_all(cx, ABORTED, Some(found.at.1));
        }
    }

    /// A failure of what is no flow where it goes well.
    fn failed_alone(
        &mut self,
        cx: &mut Cx<'_, '_>,
        pattern: Pattern,
        operation: &str,
        place: Place,
        text: Option<&str>,
        (found, fault): (&Found<'_>, &Fault),
    ) {
        let fields = self.fields(text, Vec::new());
        self.open(cx, pattern, operation, place, fields, text).failed(cx, found, fault);
    }

    /// A question that the server does not look at.
    pub(super) fn skip(&mut self, cx: &mut Cx<'_, '_>, skipped: Exchange, why: Issue, at: Stamp) {
        if let Some(flow) = skipped.flow {
            flow.skipped(cx, why, at);
        }
        if skipped.kind == Kind::Parse && self.skipped.len() < WAITING {
            self.skipped.push((skipped.name, skipped.place));
        }
    }

    /// A statement whose Parse the server did not look at, and that was not asked to be run, is a flow by itself: over when the server
    /// said why, or went on.
    pub(super) fn skipped_all(&mut self, cx: &mut Cx<'_, '_>, why: Issue, at: Option<Stamp>) {
        for (name, place) in std::mem::take(&mut self.skipped) {
            if let Some(Unused { text, place, .. }) = self.statements.forget_at(&name, place) {
                self.prepare(cx, &text, place).skipped(cx, why, at.unwrap_or(place.last));
            }
        }
    }

    /// The server ends the session: nothing that still waits is run.
    pub(super) fn end(&mut self, cx: &mut Cx<'_, '_>, at: Stamp) {
        self.ended = true;
        self.close_ran(cx);
        for mut exchange in std::mem::take(&mut self.waiting) {
            match exchange.flow.take_if(|flow| flow.has_failed()) {
                Some(flow) => flow.done(cx, at),
                None => self.skip(cx, exchange, ENDED, at),
            }
        }
        self.skipped_all(cx, ENDED, Some(at));
    }
}
