//! Statements and commands that something passes on which reads nothing of them: docker-proxy, a pooler, another relay of bytes. A store
//! asks nobody for anything, so that a query is because of another one only where it is that very query, sent on at once.

use super::super::traces::{Hop, begun, everybodys, name};
use super::super::{Engine, look_at};
use super::{Place, payload};
use crate::model::{Detail, FlowId, Link, Party, Pattern, Row, Value};
use crate::time::Span;

/// How soon a relay passes on what it was sent.
const WITHIN: Span = Span::from_millis(5);
/// How many flows may begin meanwhile.
const BETWEEN: u64 = 32;
/// The fields that say what a query asks.
const ASKED: [&str; 3] = ["sql", "postgresql.parameters", "redis.args"];

impl Engine {
    /// What becomes of a query that was just sent to another store, to the letter, and is not answered: none where there is none.
    pub(super) fn relayed(&mut self, child: &Hop, row: &Row, detail: &Detail) -> Option<Place> {
        if row.pattern != Pattern::Query || asks(detail) == ([None; 3], &[]) {
            return None;
        }
        let since = row.time.before(WITHIN);
        let mut found = Vec::new();
        for id in (row.id.0.saturating_sub(BETWEEN)..row.id.0).rev().map(FlowId) {
            let Some(slot) = self.store.get(id) else { continue };
            let up = &slot.row;
            if up.time < since {
                break;
            }
            let alike = up.protocol == row.protocol && up.conn != row.conn && up.operation == row.operation;
            let open = up.duration.is_none_or(|span| up.time.after(span) >= child.last);
            if alike && open && up.time <= row.time && slot.detail.as_deref().is_some_and(|up| asks(up) == asks(detail)) {
                found.push(id);
            }
        }
        let Self { store, conns, facts, sources, .. } = self;
        let hops = found.into_iter().filter_map(|id| look_at(id, store, conns, facts, sources).map(begun));
        let mut hops: Vec<_> = hops.filter(|up| may_relay(&up.to, child)).collect();
        let up = hops.pop()?;
        if !hops.is_empty() {
            return Some(Place::doubt(hops.iter().chain([&up]).map(|hop| hop.flow)));
        }
        let shown = !payload::values(row, detail).is_empty();
        let sure = name(&child.from).is_some() || !everybodys(child.from.host());
        Some(match (shown, sure) {
            (true, _) => Place { parent: Some((Box::new(up), Link::PayloadId)), maybe: Vec::new() },
            (false, true) => Place { parent: Some((Box::new(up), Link::SoleInFlight)), maybe: Vec::new() },
            (false, false) => Place::default(),
        })
    }
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
