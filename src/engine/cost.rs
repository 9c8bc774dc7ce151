//! What rows, details and bodies take in memory.
//!
//! Costs are counted by allocation, as glibc's malloc would take it (8 bytes ahead of each, multiples of 16, 32 at least): an estimate of
//! what the program's own allocator takes. What was charged for a flow is kept with it, so that exactly that is given back.

use super::store::Slot;
use crate::model::{Body, Detail, FlowId, Half, Issue, Legs, Message, Row, TraceContext};
use compact_str::CompactString;

/// What a change to a detail added, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    /// Beside bodies.
    pub(super) kept: isize,
    /// In bodies.
    pub(super) bodies: isize,
}

/// What one allocation of `bytes` takes.
pub(super) fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// What a row takes: its place in the table, its number in a list of matching flows, its texts.
pub(super) fn row_cost(row: &Row) -> usize {
    let rest = row.status.as_ref().map_or(0, text) + row.trace_id.as_ref().map_or(0, text);
    size_of::<Slot>() + size_of::<FlowId>() + text(&row.operation) + rest
}

/// What a detail takes without its bodies, and what they take.
pub(super) fn cost(detail: &Detail) -> (usize, usize) {
    let halves = [&detail.request, &detail.response];
    let (mut kept, mut bodies) = (heap(size_of::<Detail>() + 16) + detail.fields.cost(), 0);
    kept += heap(detail.layers.capacity() * size_of::<&str>()) + heap(detail.notes.capacity() * size_of::<Issue>());
    kept += detail.candidates.capacity() * size_of::<FlowId>() + detail.inferred.as_ref().map_or(0, |id| id.len());
    kept += detail.legs.as_ref().map_or(0, |_| heap(size_of::<Legs>()));
    kept += detail.traces.iter().map(trace_cost).sum::<usize>();
    for half in halves.into_iter().flatten() {
        kept += head_cost(half) + half.trailers.cost();
        bodies += heap(half.body.kept.capacity());
        for message in &half.messages {
            let cost = message_cost(&message.body);
            kept += cost.kept.unsigned_abs();
            bodies += cost.bodies.unsigned_abs();
        }
    }
    (kept, bodies)
}

/// What the head of a side takes.
pub(super) fn head_cost(half: &Half) -> usize {
    half.headers.cost() + hint_cost(&half.body)
}

/// What one message of several takes.
pub(super) fn message_cost(body: &Body) -> Charge {
    let kept = size_of::<Message>() + hint_cost(body);
    Charge { kept: kept as isize, bodies: heap(body.kept.capacity()) as isize }
}

/// What a trace context takes.
pub(super) fn trace_cost(trace: &TraceContext) -> usize {
    let rest = [&trace.span_id, &trace.parent_id, &trace.state, &trace.baggage];
    size_of::<TraceContext>() + text(&trace.trace_id) + rest.into_iter().flatten().map(text).sum::<usize>()
}

fn hint_cost(body: &Body) -> usize {
    [&body.hint.media_type, &body.hint.schema].into_iter().flatten().map(text).sum::<usize>()
        + body.hint.encodings.iter().map(|e| size_of::<CompactString>() + text(e)).sum::<usize>()
}

/// What a text takes beside itself: a short one nothing.
fn text(text: &CompactString) -> usize {
    if text.is_heap_allocated() { heap(text.capacity()) } else { 0 }
}

/// All bodies of a detail.
pub(super) fn bodies_of(detail: &mut Detail) -> impl Iterator<Item = &mut Body> {
    let halves = [detail.request.as_mut(), detail.response.as_mut()];
    halves
        .into_iter()
        .flatten()
        .flat_map(|half| std::iter::once(&mut half.body).chain(half.messages.iter_mut().map(|m| &mut m.body)))
}

/// A charge as it is kept with a flow.
pub(super) fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
