//! How a call ends: with which status, by its own word, else by what the end of its HTTP exchange means. Not where its end is found.

use super::messages::ENDING;
use super::{COMPRESSED, Call, Dialect, status};
use crate::body::coding;
use crate::decode::Cx;
use crate::model::{Dir, Fields, Headers, Issue, PENDING, Part, Value as FieldValue, text_of};
use crate::text::percent;
use crate::time::{Span, Time};
use compact_str::CompactString;
use serde_json::Value;

const NO_STATUS: Issue = Issue::unseen("status not captured");
const UNREAD: Issue = Issue::unseen("end of the call cannot be read");
const RESET: Issue = Issue::remark("status by the stream's reset");
const OVERDUE: Issue = Issue::remark("status by the stream's reset when the deadline was over");
const BY_HTTP: Issue = Issue::remark("status by HTTP's");
/// How much earlier than its deadline a call may be cancelled because of it, as a part of the time it has and at most: clocks start
/// before the first packet leaves, and what is written of a deadline is rounded up.
const EARLY: (u64, u64) = (20, 100_000_000);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// With a code.
    Code(i64),
    /// With something that is no code.
    Other,
}

/// How its HTTP exchange ended, as far as that tells when the call itself says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Whole, with HTTP's status.
    Whole(Option<u16>),
    /// By a RST_STREAM in that direction with this error code, at that time.
    Reset(Dir, u32, Time),
    /// It was not looked at: the server was going away.
    Refused,
    /// Its end was lost.
    Unseen,
    /// It has not.
    Open,
}

/// The time that a call has, by `grpc-timeout` (at most 8 digits and a unit, PROTOCOL-HTTP2.md) or `connect-timeout-ms` (at most 10
/// digits), and how it is shown.
pub(super) fn timeout(headers: &Headers) -> Option<(Option<Span>, String)> {
    let own = headers.get("grpc-timeout");
    let (number, unit) = match own.and_then(|value| value.split_last()) {
        Some((unit, number)) => (number, *unit),
        None => (headers.get("connect-timeout-ms")?, b'm'),
    };
    let (name, nanos) = match unit {
        b'H' => ("h", 3_600_000_000_000),
        b'M' => ("min", 60_000_000_000),
        b'S' => ("s", 1_000_000_000),
        b'm' => ("ms", 1_000_000),
        b'u' => ("µs", 1000),
        b'n' => ("ns", 1),
        _ => return own.map(|value| (None, text_of(value).into())),
    };
    match text_of(number).parse::<u64>() {
        Ok(n) => Some((n.checked_mul(nanos).map(Span::from_nanos), format!("{n} {name}"))),
        Err(_) => Some((None, text_of(own.unwrap_or(number)).into())),
    }
}

impl Call {
    /// `grpc-status` and `grpc-message`, among trailers or in a head that is all there is of the response.
    pub(super) fn end_fields(&mut self, cx: &mut Cx<'_, '_>, key: u64, headers: &Headers) {
        if let Some(code) = headers.get("grpc-status") {
            let code = std::str::from_utf8(code).ok().and_then(|code| code.trim().parse().ok());
            self.ended(cx, key, code.map_or(Status::Other, Status::Code));
        }
        if let Some(message) = headers.get("grpc-message") {
            self.message(cx, key, &text_of(&percent(&text_of(message), b'+')));
        }
    }

    /// What a failure says of itself. Of what goes well nothing is said, or by grpc-js just that.
    fn message(&mut self, cx: &mut Cx<'_, '_>, key: u64, text: &str) {
        if !text.is_empty() {
            self.failed |= text != "OK";
            cx.fields(key, Fields::default().with("grpc.message", text));
        }
    }

    fn ended(&mut self, cx: &mut Cx<'_, '_>, key: u64, status: Status) {
        self.status = Some(status);
        if let Status::Code(code) = status {
            cx.fields(key, Fields::default().with("grpc.status", code));
        }
    }

    /// What stands in a message's place at the end, with its coding undone; none where that can't be.
    pub(super) fn plain(&mut self, cx: &mut Cx<'_, '_>, key: u64, flags: u8, kept: Vec<u8>, cut: &mut bool) -> Option<Vec<u8>> {
        if flags & COMPRESSED == 0 {
            return Some(kept);
        }
        let [_, answer] = &self.sides;
        let plain = answer.encoding.as_ref().and_then(|e| coding::undo(&kept, std::slice::from_ref(e), ENDING, *cut).ok());
        if plain.is_none() {
            self.unread(cx, key);
        }
        let plain = plain?;
        *cut |= plain.cut;
        Some(plain.bytes)
    }

    /// Its end was seen, and what it says was not.
    fn unread(&mut self, cx: &mut Cx<'_, '_>, key: u64) {
        (self.unseen, self.failed) = (true, true);
        cx.note(key, UNREAD);
    }

    /// The last message of a Connect stream: `{"error": {…}, "metadata": {"name": ["value"]}}` (Connect, "End-stream message").
    pub(super) fn connect_end(&mut self, cx: &mut Cx<'_, '_>, key: u64, dir: Dir, json: &[u8]) {
        let Ok(Value::Object(end)) = serde_json::from_slice(json) else { return self.unread(cx, key) };
        let code = match end.get("error") {
            None | Some(Value::Null) => 0,
            Some(error) => self.error(cx, key, error).unwrap_or(status::UNKNOWN),
        };
        self.ended(cx, key, Status::Code(code));
        let mut trailers = Headers::default();
        let metadata = end.get("metadata").and_then(Value::as_object).into_iter().flatten();
        let pairs = metadata.flat_map(|(name, values)| values.as_array().into_iter().flatten().map(move |value| (name, value)));
        for (name, value) in pairs.filter_map(|(n, v)| Some((n, v.as_str()?))).take(cx.limits().fields) {
            trailers.push(name.as_bytes(), value.as_bytes());
        }
        if !trailers.is_empty() {
            cx.part(key, Part::Trailers(dir, trailers));
        }
    }

    /// The body of a Connect call that failed: `{"code": "not_found", "message": "…"}` (Connect, "Error codes").
    pub(super) fn connect_error(&mut self, cx: &mut Cx<'_, '_>, key: u64, kept: &[u8]) {
        let [_, answer] = &self.sides;
        let Ok(plain) = coding::undo(kept, answer.encoding.as_slice(), ENDING, false) else { return };
        let Ok(error @ Value::Object(_)) = serde_json::from_slice(&plain.bytes) else { return };
        if let Some(code) = self.error(cx, key, &error) {
            self.ended(cx, key, Status::Code(code));
        }
    }

    /// An error in JSON: its message and its details are told; its code, where that is one.
    fn error(&mut self, cx: &mut Cx<'_, '_>, key: u64, error: &Value) -> Option<i64> {
        self.message(cx, key, error.get("message").and_then(Value::as_str).unwrap_or_default());
        // `[{"type": "shop.v1.Reason", "value": "CgA"}]`, as they were sent: what the values hold is told by descriptors, to who looks
        let text = |detail: &Value, name| Some((CompactString::from(name), detail.get(name)?.as_str()?.into()));
        let pairs = |detail| FieldValue::Map(["type", "value"].into_iter().filter_map(|name| text(detail, name)).collect());
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        let details: Vec<_> = details.map(pairs).take(cx.limits().fields).collect();
        if !details.is_empty() {
            cx.fields(key, Fields::default().with("grpc.details", FieldValue::List(details)));
        }
        status::connect(error.get("code")?.as_str()?)
    }

    /// The call's status, and whether it went well: its own, else what the end of its HTTP exchange means.
    pub fn status(&self, cx: &mut Cx<'_, '_>, key: u64, ended: Ended) -> (Option<CompactString>, bool) {
        cx.note(key, Issue::SHAPE_GUESSED);
        let (code, note) = match (self.status, ended) {
            (Some(Status::Code(code)), _) => (code, None),
            (Some(Status::Other), _) => (status::UNKNOWN, None),
            (None, Ended::Open) => return (Some(PENDING.into()), false),
            (None, Ended::Refused) => (status::UNAVAILABLE, None),
            // a client may call it an error of its own (connect-node)
            (None, Ended::Reset(by, code, at)) if (by == Dir::ToServer || code == status::CANCEL) && self.is_due(at) => {
                (status::DEADLINE_EXCEEDED, Some(OVERDUE))
            }
            (None, Ended::Reset(_, code, _)) => (status::of_reset(code), Some(RESET)),
            (None, Ended::Whole(Some(200))) if self.dialect == Dialect::ConnectUnary => (0, None),
            (None, Ended::Whole(Some(code))) if code != 200 => (status::of_http(code), Some(BY_HTTP)),
            (None, Ended::Whole(Some(_))) if !self.unseen => (status::UNKNOWN, Some(NO_STATUS)),
            (None, Ended::Whole(_) | Ended::Unseen) => {
                cx.note(key, NO_STATUS);
                return (None, !self.failed);
            }
        };
        note.into_iter().for_each(|note| cx.note(key, note));
        (Some(status::name(code)), code == 0)
    }

    /// Whether the call's time is over: who cancels it then does so because of that, and peers take it so.
    fn is_due(&self, at: Time) -> bool {
        self.deadline.is_some_and(|(begun, span)| {
            let early = (span.nanos() / EARLY.0).min(EARLY.1);
            at.since(begun).nanos().saturating_add(early) >= span.nanos()
        })
    }
}
