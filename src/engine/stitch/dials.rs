//! Who a nameless sender cannot be, on an address that all services share. Who opens a connection and uses it at once opened it for that:
//! what it was asked, it was asked before. And a connection has one sender for as long as it lasts.

use super::super::conns::Conns;
use super::works::{Works, label};
use crate::engine::traces::{Hop, everybodys, name};
use crate::model::{Party, Pattern, Row};
use crate::time::Span;
use std::sync::Arc;

/// How soon after its opening a connection is used that was opened for this: a pool's lie idle for longer.
const AT_ONCE: Span = Span::from_millis(10);

/// The addresses where something was worked on when a flow was sent, and where it was not sent from.
pub(super) fn strangers<'h>(row: &Row, hop: impl FnOnce() -> Option<&'h Hop>, conns: &mut Conns, works: &Works) -> Vec<Arc<str>> {
    let Some(conn) = conns.at_mut(row.place) else { return Vec::new() };
    // what a pool says of itself as it begins is no use of a connection
    let used = row.pattern.is_call() || row.pattern == Pattern::RequestResponse && row.protocol != "amqp";
    let first = conn.flows().is_some_and(|(first, _)| first == row.id);
    let dialed = first && used && conn.opened && row.time.since(conn.first) <= AT_ONCE;
    if !(dialed || conn.dialers.is_some()) {
        return Vec::new();
    }
    let Some(hop) = hop().filter(|hop| name(&hop.from).is_none() && everybodys(hop.from.host())) else { return Vec::new() };
    let dialers = if dialed {
        works.at_work(hop.from.host(), conn.first, row.id).into_iter().cloned().collect()
    } else {
        conn.dialers.take().unwrap_or_default()
    };
    let known = |party: &Party| dialers.iter().any(|dialer| dialer.addr == party.addr || label(dialer) == label(party));
    let at_work = works.at_work(hop.from.host(), row.time, row.id).into_iter().filter(|party| !known(party));
    let mut strangers: Vec<_> = at_work.map(|party| Arc::clone(&party.addr)).collect();
    strangers.sort_unstable();
    strangers.dedup();
    // who was at nothing that can be seen may have tried whether anybody is there, to go on because of anything
    conn.dialers = Some(dialers).filter(|dialers| !dialers.is_empty());
    strangers
}
