//! Who talks to whom: an edge, and what went over it. Plain numbers; how they are counted is the engine's.

use super::conn::Dir;
use crate::time::Span;
use std::sync::Arc;

/// How many seconds [`Load::recent`] looks back.
pub const RECENT: usize = 60;

/// One service talks to another in one protocol: the `edge` record, and a row on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Who sends: the client of requests, the server of what a broker delivers.
    pub from: Arc<str>,
    /// Whom it goes to.
    pub to: Arc<str>,
    /// The topic or queue between them, where there is one.
    pub via: Option<Arc<str>>,
    /// The most specific protocol that is certain.
    pub protocol: &'static str,
    /// To the server unless `from` is the one that accepted the connection.
    pub dir: Dir,
    /// What went over it.
    pub load: Load,
}

/// Flows that have settled, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// How many there were.
    pub count: u64,
    /// How many of them did not go well.
    pub errors: u64,
    /// Their body bytes, both ways.
    pub bytes: u64,
    /// Half of them took no longer; none where no flow has a duration.
    pub p50: Option<Span>,
    /// 95 of 100 took no longer.
    pub p95: Option<Span>,
    /// 99 of 100 took no longer.
    pub p99: Option<Span>,
    /// Flows a second, over the last seconds of packet time.
    pub rate: f64,
    /// Flows that ended in each of the last seconds of packet time, the one that is not over yet last.
    pub recent: [u32; RECENT],
}

/// A service with what it does for others and what it asks of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name; without one its address, of a client without the port.
    pub name: Arc<str>,
    /// Everything that goes to it.
    pub serves: Load,
    /// Everything that it sends, in the order of receiver, topic and protocol.
    pub calls: Vec<Edge>,
}
