//! How an exchange ends, and what is told of it then.

use super::exchange::{Answer, Exchange};
use crate::decode::Cx;
use crate::decode::grpc::{Call, Ended};
use crate::model::{Issue, PENDING};

/// An exchange is over; of a call it counts whether all of the answer was seen.
pub(super) fn close(cx: &mut Cx<'_, '_>, key: u64, call: Option<(&Call, bool)>, answer: Answer) {
    let (status, ok) = match call {
        Some((call, whole)) => call.status(cx, key, if whole { Ended::Whole(answer.code) } else { Ended::Unseen }),
        None => (answer.code.map(|code| code.to_string().into()), answer.code.is_none_or(|code| code < 400)),
    };
    cx.close(key, status, ok, answer.last);
}

/// An exchange that is given up: its answer is still due, or may have been lost.
pub(super) fn unanswered(cx: &mut Cx<'_, '_>, e: &Exchange) {
    match e.answered {
        Some(answer) => close(cx, e.key, e.call.as_deref().map(|call| (call, answer.last.is_some())), answer),
        None if e.in_doubt() => unseen_answer(cx, e),
        None => cx.close(e.key, Some(PENDING.into()), false, None),
    }
}

/// Its answer lies in a hole: neither there nor missing.
pub(super) fn unseen_answer(cx: &mut Cx<'_, '_>, e: &Exchange) {
    cx.note(e.key, Issue::NO_RESPONSE);
    cx.close(e.key, None, true, None);
}
