//! How a flow grows while it is open: each part put where it belongs. It knows no protocol and decodes nothing.

use super::cost::{self, Charge};
use crate::model::{Body, Detail, Dir, Half, Head, Headers, Issue, Message, Part, Row, Stamp};

/// How many messages of a side are kept: the newest.
pub(super) const MAX_MESSAGES: usize = 1000;
/// How many bytes of messages a side keeps, as a multiple of what one body may keep: the newest.
pub(super) const MAX_MESSAGE_BODIES: usize = 16;
/// How many trace contexts a flow keeps: more than there are carriers.
pub(super) const MAX_TRACES: usize = 16;
/// How many different notes a flow keeps; a decoder has fewer kinds.
pub(super) const MAX_NOTES: usize = 32;

/// Adds a part to a flow. `body_limit` is what one body keeps; `at` is when the part was released.
pub(super) fn add(row: &mut Row, detail: &mut Detail, part: Part, at: Stamp, body_limit: usize) -> Charge {
    match part {
        Part::Named { protocol, pattern, operation } => {
            (row.protocol, row.pattern, row.operation) = (protocol, pattern, operation);
            Charge::default()
        }
        Part::Head(head) => {
            let Head { dir, first, headers, head_bytes, hint } = *head;
            let half = half(row.dir, detail, dir, first);
            let before = cost::head_cost(half);
            (half.headers, half.head_bytes, half.body.hint) = (headers, head_bytes, hint);
            grown(before, cost::head_cost(half))
        }
        Part::Body(dir, bytes) => {
            let evicted = detail.bodies_evicted;
            let body = &mut half(row.dir, detail, dir, at).body;
            let before = (cost::heap(body.kept.capacity()), body.bytes);
            keep(body, bytes, if evicted { 0 } else { body_limit });
            row.bytes = row.bytes.saturating_add(body.bytes - before.1);
            Charge { kept: 0, bodies: cost::heap(body.kept.capacity()) as isize - before.0 as isize }
        }
        Part::BodyEnd { dir, bytes, whole } => {
            let half = half(row.dir, detail, dir, at);
            row.bytes = row.bytes.saturating_sub(half.body.bytes).saturating_add(bytes);
            (half.body.bytes, half.body.whole) = (bytes, whole);
            half.whole = Some(at.time).filter(|_| whole);
            Charge::default()
        }
        Part::Message(dir, message) => {
            row.bytes = row.bytes.saturating_add(message.body.bytes);
            let evicted = detail.bodies_evicted;
            let half = half(row.dir, detail, dir, message.first);
            half.whole = Some(at.time);
            push(half, *message, if evicted { 0 } else { body_limit })
        }
        Part::Trailers(dir, trailers) => {
            let half = half(row.dir, detail, dir, at);
            let before = std::mem::replace(&mut half.trailers, trailers);
            grown(before.cost(), half.trailers.cost())
        }
        Part::Fields(fields) => Charge { kept: detail.fields.merge(fields), bodies: 0 },
        Part::Trace(trace) => {
            if detail.traces.len() >= MAX_TRACES {
                return Charge::default();
            }
            let cost = cost::trace_cost(&trace);
            // most carry one
            detail.traces.reserve_exact(1);
            detail.traces.push(*trace);
            grown(0, cost)
        }
    }
}

/// Adds a note, once.
pub(super) fn note(detail: &mut Detail, issue: Issue) -> Charge {
    if detail.notes.len() < MAX_NOTES && !detail.notes.contains(&issue) {
        detail.notes.push(issue);
        return grown(0, size_of::<Issue>());
    }
    Charge::default()
}

/// The flow is over: gives back what its bodies grew too large by.
pub(super) fn shrink(detail: &mut Detail) -> Charge {
    let mut bodies = 0;
    for body in cost::bodies_of(detail) {
        let before = cost::heap(body.kept.capacity());
        body.kept.shrink_to_fit();
        bodies += cost::heap(body.kept.capacity()) as isize - before as isize;
    }
    Charge { kept: 0, bodies }
}

/// The side that a direction is: the sender of the first message is the request's.
fn half(of_flow: Dir, detail: &mut Detail, dir: Dir, first: Stamp) -> &mut Half {
    let half = if dir == of_flow { &mut detail.request } else { &mut detail.response };
    half.get_or_insert_with(|| Half { first, headers: Headers::default(), ..Half::default() })
}

/// Appends body bytes up to the limit; the first ones are moved, not copied.
fn keep(body: &mut Body, mut bytes: Vec<u8>, limit: usize) {
    let whole = body.kept.len() as u64 == body.bytes;
    body.bytes = body.bytes.saturating_add(bytes.len() as u64);
    // after bytes that were left out none may follow: what is kept is the beginning
    bytes.truncate(if whole { limit.saturating_sub(body.kept.len()) } else { 0 });
    if bytes.is_empty() {
        return;
    }
    if body.kept.is_empty() {
        body.kept = bytes;
    } else {
        body.kept.extend_from_slice(&bytes);
    }
}

/// Appends a message; the oldest go where there are too many, or too many bytes of them.
fn push(half: &mut Half, mut message: Message, limit: usize) -> Charge {
    message.body.kept.truncate(limit);
    message.body.kept.shrink_to_fit();
    let mut charge = cost::message_cost(&message.body);
    half.messages_kept += message.body.kept.len();
    half.messages.push(message);
    let room = limit.saturating_mul(MAX_MESSAGE_BODIES);
    let mut drop = 0;
    for message in &half.messages {
        if half.messages.len() - drop <= MAX_MESSAGES && (half.messages_kept <= room || drop + 1 == half.messages.len()) {
            break;
        }
        half.messages_kept -= message.body.kept.len();
        drop += 1;
        let cost = cost::message_cost(&message.body);
        charge = Charge { kept: charge.kept - cost.kept, bodies: charge.bodies - cost.bodies };
    }
    half.messages.drain(..drop);
    half.messages_dropped += drop as u64;
    charge
}

fn grown(before: usize, after: usize) -> Charge {
    Charge { kept: after as isize - before as isize, bodies: 0 }
}

#[cfg(test)]
mod tests {
    use super::super::findings::rig::{at, call};
    use super::*;

    #[test]
    fn when_a_body_was_there_as_a_whole_is_known() {
        let flow = call(1, "a>b 0-90 POST / 200");
        let (mut row, mut detail) = (flow.row, Detail::default());
        let mut end = |millis, whole| {
            let part = Part::BodyEnd { dir: row.dir, bytes: 9, whole };
            add(&mut row, &mut detail, part, Stamp { time: at(millis), ..Stamp::default() }, 9);
            detail.request.as_ref().unwrap().whole
        };
        assert_eq!((end(20, false), end(80, true)), (None, Some(at(80))));
    }
}
