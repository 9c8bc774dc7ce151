//! Statements and commands that something passes on which reads nothing of them: docker-proxy, a pooler, another relay of bytes. A store
//! asks nobody for anything, so that a query is because of another one only where it is that very query, sent on at once.

use super::super::store::{Slot, Store};
use super::super::traces::{Hop, everybodys, name};
use super::{Place, payload};
use crate::model::{Detail, FlowId, Link, Party, Pattern, Value};
use crate::time::Span;
use std::sync::Arc;

/// How soon a relay passes on what it was sent.
const WITHIN: Span = Span::from_millis(5);
/// How many flows may begin meanwhile.
const BETWEEN: u64 = 32;
/// The fields that say what a query asks.
const ASKED: [&str; 3] = ["sql", "postgresql.parameters", "redis.args"];

/// What becomes of a query that was just sent to another store, to the letter, and is not answered: none where there is none.
pub(super) fn relayed(child: &Hop, store: &Store, mut begun: impl FnMut(FlowId) -> Option<Hop>) -> Option<Place> {
    let Slot { row, detail, .. } = store.get(child.flow)?;
    let detail = detail.as_deref().filter(|detail| row.pattern == Pattern::Query && asks(detail) != ([None; 3], &[]))?;
    let since = row.time.before(WITHIN);
    let before = (row.id.0.saturating_sub(BETWEEN)..row.id.0).rev().filter_map(|id| store.get(FlowId(id)));
    let alike = before.take_while(|slot| slot.row.time >= since).filter(|slot| {
        let up = &slot.row;
        let open = up.duration.is_none_or(|span| up.time.after(span) >= child.last) && up.time <= row.time;
        let same = up.protocol == row.protocol && up.conn != row.conn && up.operation == row.operation;
        open && same && slot.detail.as_deref().is_some_and(|up| up.second_leg.is_none() && asks(up) == asks(detail))
    });
    let mut hops: Vec<_> = alike.filter_map(|slot| begun(slot.row.id)).filter(|up| may_relay(&up.to, child)).collect();
    let up = hops.pop()?;
    if !hops.is_empty() {
        return Some(Place::doubt(hops.iter().chain([&up]).map(|hop| hop.flow)));
    }
    let shown = !payload::values(row, detail).is_empty();
    let sure = name(&child.from).is_some() || !everybodys(child.from.host());
    let link = if shown { Some(Link::PayloadId) } else { sure.then_some(Link::SoleInFlight) };
    Some(link.map_or_else(Place::default, |link| Place { parent: Some((Arc::new(up), link)), maybe: Vec::new() }))
}

/// What a query asks, in its fields or its body.
fn asks(detail: &Detail) -> ([Option<&Value>; 3], &[u8]) {
    let body = detail.request.as_ref().map_or(&[][..], |half| &half.body.kept);
    (ASKED.map(|name| detail.fields.get(name)), body)
}

/// Whether who received a query may have sent that one, as far as names and addresses tell.
fn may_relay(relay: &Party, child: &Hop) -> bool {
    relay.addr != child.to.addr
        && match (name(relay), name(&child.from)) {
            (Some(relay), Some(from)) => relay == from,
            _ => relay.host() == child.from.host(),
        }
}
