//! One trace: its flows, what it is known by, and how it is told.

use super::callers::Callers;
use super::failure::went_wrong;
use super::hop::Extra;
use super::parties::services;
use super::{Hop, name, path, tree};
use crate::model::{FlowId, Node, Pattern, Rank, TraceRecord, Why};
use crate::time::{Span, Time};
use crate::trace;
use compact_str::CompactString;
use std::sync::Arc;

/// From when on a trace is slow, so that its record tells where its time went.
const SLOW: Span = Span::from_secs(1);
/// How many different IDs one trace is known by: more than there are carriers and services that change them.
pub(super) const MAX_IDS: usize = 64;
/// How many flows of a trace are looked through for what caused another one, where some of them were tied without an ID.
pub(super) const SEARCHED: usize = 256;

/// A trace.
#[derive(Debug)]
pub(in crate::engine) struct Trace {
    /// What it is known by, whatever carries it, and whether a tracer made it; none where its flows were tied without an ID.
    pub(super) keys: Vec<(CompactString, bool)>,
    /// Its IDs as on the wire, in the order in which they were seen.
    pub(super) ids: Vec<CompactString>,
    /// In the order of flows.
    pub(super) hops: Vec<Hop>,
    /// Flows beyond the limit.
    pub(super) more: u64,
    /// How many hops are not settled.
    pub(super) open: usize,
    /// When the last of them settled.
    pub(super) quiet_since: Time,
    /// Whether its time is already waited for.
    pub(super) waiting: bool,
    /// Whether it has grown since it was told.
    pub(super) grown: bool,
    /// Whether it was learned from who sends by which address: once.
    pub(super) learned: bool,
}

impl Trace {
    /// How many flows it has so far.
    pub(in crate::engine) fn flows(&self) -> u64 {
        self.hops.len() as u64 + self.more
    }

    /// Who caused whom.
    pub(in crate::engine) fn tree(&self) -> Vec<Node> {
        tree::tree(&self.hops)
    }

    /// As it is told, with its tree; none where none of its flows carries an ID.
    pub(in crate::engine) fn record(&self, tree: Vec<Node>) -> Option<TraceRecord> {
        let ids = || tree.iter().filter_map(|node| self.ids.get(usize::from(self.hop(node.flow)?.id?)));
        let trace_id = ids().next()?.clone();
        let services = services(tree.iter().filter_map(|node| self.hop(node.flow)));
        let (time, last) = self.times();
        let roots = tree.iter().filter(|node| node.depth == 0).count();
        let told = self.errors() > 0 || last.since(time) >= SLOW;
        let why = if told { path::why(&self.hops, &tree) } else { Why::default() };
        Some(TraceRecord {
            trace_id,
            trace_ids: self.ids.clone(),
            services,
            time,
            duration: last.since(time),
            errors: self.errors(),
            why,
            complete: roots == 1 && self.more == 0 && self.hops.iter().all(|hop| hop.settled && !hop.pending),
            tree,
        })
    }

    /// Has it learned from.
    pub(super) fn learn(&mut self, callers: &mut Callers) {
        if !std::mem::replace(&mut self.learned, true) {
            callers.learn(&self.hops);
        }
    }

    /// Those that accepted its flows and had no name are called as they are by now.
    pub(in crate::engine) fn call(&mut self, name_of: impl Fn(&str) -> Option<Arc<str>>) {
        for hop in &mut self.hops {
            let server = if hop.to_server { &mut hop.to } else { &mut hop.from };
            if name(server).is_none()
                && let Some(service) = name_of(&server.addr)
            {
                let party = Arc::make_mut(server);
                (party.service, party.rank) = (Some(service), Some(Rank::Listener));
            }
        }
    }

    /// A flow's sender may have been at work on something hidden.
    pub(in crate::engine) fn veil(&mut self, flow: FlowId) {
        if let Some(hop) = self.hop_mut(flow) {
            hop.veiled = true;
        }
    }

    /// Has its flows judged, those that were before told apart.
    pub(in crate::engine) fn judge(&mut self, look: impl FnOnce(&[Hop])) {
        look(&self.hops);
        self.hops.iter_mut().for_each(|hop| hop.judged = true);
    }

    /// When the first of its flows began, of those that are known.
    pub(in crate::engine) fn began(&self) -> Option<Time> {
        self.hops.first().map(|hop| hop.time)
    }

    /// Its first byte and its last one so far.
    pub(super) fn times(&self) -> (Time, Time) {
        let first = self.hops.iter().map(|hop| hop.time).min().unwrap_or_default();
        (first, self.hops.iter().map(|hop| hop.last).max().unwrap_or_default())
    }

    pub(super) fn errors(&self) -> u64 {
        self.hops.iter().filter(|hop| went_wrong(hop)).count() as u64
    }

    /// Whether nothing in it caused a flow: it is the first one, or, where others of them were tied elsewhere, like those.
    pub(in crate::engine) fn leaves_open(&self, flow: FlowId) -> bool {
        let first = self.hops.first().is_some_and(|hop| hop.flow == flow);
        let tied = || self.hops.iter().any(|hop| hop.extra().placed.is_some()) || self.is_sender_of_first(flow);
        first || (self.hops.len() <= SEARCHED && tied() && tree::is_root(&self.hops, flow))
    }

    /// Whether who sent a flow is known to have sent the first one.
    fn is_sender_of_first(&self, flow: FlowId) -> bool {
        let senders = [self.hops.first(), self.hop(flow)].map(|hop| hop.and_then(|hop| name(&hop.from)));
        senders[0].is_some() && senders[0] == senders[1]
    }

    /// Whether who sent a flow of it may have sent another one of its kind: that its context went along with another request than the one
    /// for which it was begun is as likely then. Of large traces it is not looked for.
    pub(in crate::engine) fn sends_again(&self, hop: &Hop) -> bool {
        let call = hop.call();
        self.hops.len() > SEARCHED || self.hops.iter().any(|other| other.flow != hop.flow && other.call() == call)
    }

    /// The first of its flows.
    pub(in crate::engine) fn first(&self) -> Option<FlowId> {
        self.hops.first().map(|hop| hop.flow)
    }

    /// Which of its flows are as likely to have caused one by an ID that they share; of large traces it is not looked for.
    pub(in crate::engine) fn in_doubt(&self, flow: FlowId) -> Vec<FlowId> {
        if self.hops.len() <= SEARCHED { tree::in_doubt(&self.hops, flow) } else { Vec::new() }
    }

    /// Flows of it of which nothing was claimed, and that only this one of it may have caused: who sent them was at work on others too,
    /// which are of no such trace. Of large traces it is not looked for.
    pub(in crate::engine) fn told_by(&self, up: FlowId) -> Vec<FlowId> {
        if self.hops.len() > SEARCHED {
            return Vec::new();
        }
        let of_it = |flow: &&FlowId| self.hop(**flow).is_some();
        let only = |hop: &&Hop| {
            let Extra { placed, maybe, untold, .. } = hop.extra();
            placed.is_none() && !untold && maybe.len() > 1 && maybe.iter().filter(of_it).eq([&up]) && !self.sends_again(hop)
        };
        self.hops.iter().filter(only).map(|hop| hop.flow).filter(|flow| self.leaves_open(*flow)).collect()
    }

    /// Flows of it of which nothing is claimed since it was learned how others are sent, and what is as likely to have caused each.
    pub(super) fn reopened(&self) -> Vec<(FlowId, Vec<FlowId>)> {
        let unlikely = |extra: &Extra| !(extra.no_likelier.is_empty() && extra.beside.is_empty());
        let may_be = |hop: &&Hop| unlikely(hop.extra()) && hop.extra().maybe.is_empty();
        let doubts = self.hops.iter().filter(may_be).map(|hop| (hop.flow, self.in_doubt(hop.flow)));
        doubts.filter(|(_, maybe)| !maybe.is_empty()).collect()
    }

    /// Whether one flow is because of another one, directly or by way of others; none where it does not tell. Of large traces it is not
    /// looked for.
    pub(super) fn is_because(&self, flow: FlowId, up: FlowId) -> Option<bool> {
        (self.hops.len() <= SEARCHED).then(|| tree::is_because(&self.hops, flow, up)).flatten()
    }

    /// Because of which flows one is, directly and by way of others.
    pub(super) fn causes(&self, flow: FlowId) -> Vec<FlowId> {
        if self.hops.len() <= SEARCHED { tree::causes(&self.hops, flow) } else { Vec::new() }
    }

    /// Whether one flow of it may be another one, passed on: both carry one span ID; of large traces it is not looked for.
    pub(super) fn copied(&self, flow: FlowId) -> bool {
        let Some(hop) = self.hop(flow).filter(|hop| hop.span.is_some() && self.hops.len() <= SEARCHED) else { return false };
        let passes_on = |up: &Hop, down: &Hop| match (up.pattern, down.pattern) {
            (Pattern::Deliver, Pattern::Publish) => up.time <= down.time,
            (up, down) => !up.one_way() && up == down,
        };
        let mut others = self.hops.iter().filter(|other| other.span == hop.span && other.flow != flow);
        others.any(|other| passes_on(hop, other) || passes_on(other, hop))
    }

    /// What it is found by, and its first ID as on the wire.
    pub(in crate::engine) fn known_by(&self) -> Option<(&str, &str)> {
        Some((&self.keys.first()?.0, self.ids.first()?))
    }

    /// A flow of it.
    pub(in crate::engine) fn hop(&self, flow: FlowId) -> Option<&Hop> {
        self.hops.binary_search_by_key(&flow, |hop| hop.flow).ok().and_then(|at| self.hops.get(at))
    }

    pub(super) fn hop_mut(&mut self, flow: FlowId) -> Option<&mut Hop> {
        self.hops.binary_search_by_key(&flow, |hop| hop.flow).ok().and_then(|at| self.hops.get_mut(at))
    }

    /// The place of an ID as on the wire.
    pub(super) fn id_of(&mut self, id: &str) -> Option<u8> {
        let known = self.ids.iter().position(|known| **known == *id);
        let at = known.or_else(|| {
            let room = self.ids.len() < MAX_IDS;
            room.then(|| self.ids.push(id.into())).map(|()| self.ids.len() - 1)
        })?;
        Some(at as u8)
    }

    /// The place of a key, however long the ID is written.
    pub(super) fn key_of(&self, key: &str) -> Option<u8> {
        self.keys.iter().position(|(known, _)| trace::same(known, key)).map(|at| at as u8)
    }
}
