//! Which flows cause others and which are caused, and what they carry that tells.

use super::super::store::Store;
use super::super::traces::{Hop, Traces, whoever};
use super::payload::{self, Values};
use super::works::label;
use crate::model::{Detail, FlowId, FlowRef, Pattern, Row, State};

/// How many flows that began while one was open are looked at for one that has to be placed: of more one has.
const MAX_LATER: u64 = 32;

/// Whether the receiver of such a flow does something because of it that can be seen: a broker, a data store and a resolver do not.
pub(super) fn causes(row: &Row) -> bool {
    match row.pattern {
        Pattern::RequestResponse => row.protocol != "amqp",
        Pattern::Unary | Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream | Pattern::Deliver => true,
        Pattern::Query | Pattern::Publish | Pattern::Message | Pattern::Session => false,
    }
}

/// Whether such a flow is sent because of another one: not what a client says to its broker about itself, nor what a resolver is asked.
pub(super) fn placeable(row: &Row) -> bool {
    match row.pattern {
        Pattern::RequestResponse => row.protocol != "amqp",
        Pattern::Query => row.protocol != "dns",
        Pattern::Session | Pattern::Message => false,
        Pattern::Unary | Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream => true,
        Pattern::Publish | Pattern::Deliver => true,
    }
}

/// Whether a flow that is over may be asked for its values once it is gone: where one that began meanwhile has still to be placed, or
/// where who received it may be at work on it yet.
pub(super) fn asked_for(row: &Row, store: &Store, traces: &Traces) -> bool {
    let later = row.id.0 + 1..store.next_id().0;
    row.pattern == Pattern::Deliver
        || later.end - later.start > MAX_LATER
        || later.map(FlowId).any(|later| store.get(later).is_some_and(|slot| open(&slot.row, traces)))
}

/// Whether a flow has still to be placed, as far as can be told yet.
fn open(row: &Row, traces: &Traces) -> bool {
    let first = || traces.of(row.id).and_then(|no| traces.get(no)).is_none_or(|trace| trace.leaves_open(row.id));
    row.state != State::Settled && placeable(row) && first()
}

/// The values in a flow that look like IDs, as far as it is still there.
pub(super) fn values(row: &Row, detail: Option<&Detail>) -> Values {
    detail.map_or_else(Values::gone, |detail| payload::values(row, detail))
}

/// Whether a flow is the same call as one of this content, made once more.
pub(super) fn alike(flow: FlowRef<'_>, call: &Hop, content: u64) -> bool {
    let (row, (from, to)) = (flow.row, flow.ends());
    row.protocol == call.protocol
        && row.operation == call.operation
        && whoever(from) == whoever(&call.from)
        && label(to) == label(&call.to)
        && flow.detail.is_some_and(|detail| detail.legs.is_none() && payload::content(row, detail) == content)
}

/// The request IDs that a flow carries.
pub(super) fn requests(hop: &Hop) -> Vec<u64> {
    hop.marks.iter().filter(|mark| !mark.of_tracer()).map(|mark| mark.id).collect()
}
