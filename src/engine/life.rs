//! The life of a flow, and of the connection it runs on: open, complete, settled, gone.

use super::cost::Charge;
use super::{Engine, MAX_OPEN, Record, facts, flow};
use crate::model::{
    Closed, ConnId, ConnMeta, ConnRecord, Detail, Ended, FlowId, Issue, Key, Opened, PENDING, Part, Row, SourceId, Stamp, State,
};
use crate::time::{Span, Time};
use std::net::SocketAddr;

impl Engine {
    /// Packet time moves on; what has waited long enough settles.
    pub(super) fn advance(&mut self, time: Time, out: &mut dyn FnMut(Record)) {
        self.now = self.now.max(time);
        self.settle_due(self.now, out);
    }

    pub(super) fn begin(&mut self, meta: &ConnMeta) -> bool {
        if !self.conns.has_room_for(meta.id) {
            return false;
        }
        let (client, server) = (self.hold(meta.client), self.hold(meta.server));
        self.conns.begin(meta.id, client, server, meta.first);
        true
    }

    pub(super) fn orient(&mut self, id: ConnId, client: SocketAddr, server: SocketAddr) -> bool {
        let (client, server) = (self.hold(client), self.hold(server));
        let Some(conn) = self.conns.get(id) else {
            self.release(client, server);
            return false;
        };
        let before = (conn.client, conn.server);
        (conn.client, conn.server) = (client, server);
        if conn.unsettled > 0 {
            // rare: a decoder says so before its first flow. Once a connection, over the open flows of all
            let flows: Vec<_> = self.open.iter().filter(|((conn, _), _)| *conn == id).map(|(_, &flow)| flow).collect();
            for flow in flows {
                self.facts.hold_again(client);
                self.facts.hold_again(server);
                let mut was = (client, server);
                self.change(flow, |row, _| {
                    was = (std::mem::replace(&mut row.client, client), std::mem::replace(&mut row.server, server));
                    Charge::default()
                });
                self.release(was.0, was.1);
            }
        }
        self.release(before.0, before.1);
        true
    }

    pub(super) fn seen_by(&mut self, conn: ConnId, source: SourceId) -> bool {
        self.conns.get(conn).map(|conn| conn.sources.add(source)).is_some()
    }

    pub(super) fn open(&mut self, id: ConnId, key: Key, opened: Opened, out: &mut dyn FnMut(Record)) -> bool {
        let flow = self.store.next_id();
        if self.open.len() >= MAX_OPEN {
            return false;
        }
        let Some(conn) = self.conns.get(id) else { return false };
        conn.unsettled += 1;
        let (client, server, sources, number) = (conn.client, conn.server, conn.sources, conn.number);
        self.facts.hold_again(client);
        self.facts.hold_again(server);
        let Opened { protocol, pattern, operation, dir, first, layers } = opened;
        let (state, ok, status, duration, trace_id) = (State::Open, true, None, None, None);
        let (time, bytes) = (first.time, 0);
        let row = Row {
            id: flow,
            conn: id,
            time,
            duration,
            client,
            server,
            protocol,
            pattern,
            state,
            ok,
            dir,
            operation,
            status,
            bytes,
            trace_id,
            sources,
        };
        self.store.push(row, Detail { layers, ..Detail::default() }, number);
        self.tally.opened(self.now);
        self.screen.changed(flow);
        // two open flows of one key would be a mistake of the decoder: the earlier one cannot be told from the later any more
        if let Some(earlier) = self.open.insert((id, key), flow) {
            self.tally.unplaced += 1;
            self.give_up(earlier, out);
        }
        self.trim();
        true
    }

    pub(super) fn part(&mut self, conn: ConnId, key: Key, part: Part, at: Stamp) -> bool {
        let Some(&id) = self.open.get(&(conn, key)) else { return false };
        let trace_id = match &part {
            Part::Trace(trace) => Some(trace.trace_id.clone()),
            _ => None,
        };
        let (full, limit) = (self.store.full(), self.options.body_limit);
        let mut stripped = false;
        self.change(id, |row, detail| {
            stripped = full && !detail.bodies_evicted;
            detail.bodies_evicted |= full;
            flow::add(row, detail, part, at, limit)
        });
        if stripped {
            self.store.count_stripped();
        }
        if let Some(trace_id) = trace_id
            && self.store.get(id).is_some_and(|slot| slot.row.trace_id.is_none())
        {
            self.store.join_trace(id, &trace_id);
        }
        self.trim();
        true
    }

    pub(super) fn note(&mut self, conn: ConnId, key: Key, issue: Issue) -> bool {
        let Some(&id) = self.open.get(&(conn, key)) else { return false };
        self.change(id, |_, detail| flow::note(detail, issue));
        true
    }

    pub(super) fn end(&mut self, id: ConnId, ended: Ended, out: &mut dyn FnMut(Record)) -> bool {
        let Some(conn) = self.conns.get(id).filter(|conn| !conn.ended) else { return false };
        conn.ended = true;
        let (number, first, protocol) = (conn.number, conn.first, conn.protocol);
        let (client, server) = self.facts.parties(conn.client, conn.server);
        let Ended { how, last, bytes, packets, retransmissions, gaps, head } = ended;
        out(Record::Connection(ConnRecord {
            id: number,
            time: first.time,
            duration: last.time.since(first.time),
            client: client.clone(),
            server: server.clone(),
            protocol,
            bytes,
            packets,
            retransmissions,
            gaps,
            end: how,
            head: if protocol.is_none() { head } else { Vec::new() },
        }));
        self.forget_done(id);
        true
    }

    /// An open flow whose decoder says no more: an answer that was due did not come.
    pub(super) fn give_up(&mut self, id: FlowId, out: &mut dyn FnMut(Record)) {
        let Some(slot) = self.store.get(id) else { return };
        let (one_way, ok) = (slot.row.pattern.one_way(), slot.row.ok);
        let status = (!one_way).then(|| PENDING.into());
        self.complete(id, Closed { status, ok: ok && one_way, last: None }, out);
    }

    pub(super) fn complete(&mut self, id: FlowId, closed: Closed, out: &mut dyn FnMut(Record)) {
        self.change(id, |row, detail| {
            row.state = State::Complete;
            row.ok = closed.ok;
            row.status = closed.status;
            // an exchange that fits one packet took some time, if less than the clock can tell
            row.duration = closed.last.map(|last| last.time.since(row.time).max(Span::from_nanos(1)));
            flow::shrink(detail)
        });
        self.settling.push_back((id, self.now.after(self.options.settle)));
        self.settle_due(self.now, out);
    }

    /// Settles complete flows from the first on, up to one that still waits for a name.
    pub(super) fn settle_due(&mut self, now: Time, out: &mut dyn FnMut(Record)) {
        while let Some(&(id, deadline)) = self.settling.front() {
            // where several sources are read, the same packets may still come from another one
            let copies = self.sources.several();
            let waits = |row: &Row| copies || self.facts.awaits(row.client) || self.facts.awaits(row.server);
            if deadline > now && self.store.get(id).is_some_and(|slot| waits(&slot.row)) {
                return;
            }
            self.settling.pop_front();
            self.settle(id, out);
        }
    }

    fn settle(&mut self, id: FlowId, out: &mut dyn FnMut(Record)) {
        let sources = self.store.get(id).map(|slot| slot.row.conn).and_then(|conn| Some(self.conns.get(conn)?.sources));
        self.change(id, |row, _| {
            row.state = State::Settled;
            row.sources = sources.unwrap_or(row.sources);
            Charge::default()
        });
        let Some(flow) = self.flow(id, true) else { return };
        self.tally.settled(flow.row.protocol);
        let conn = flow.row.conn;
        if self.options.keep && !self.screen.hides(id) {
            self.edges.add(flow.as_ref());
        }
        out(Record::Flow(flow));
        let Self { store, facts, screen, .. } = self;
        store.settled(id, &mut |row| {
            screen.gone(row.id);
            facts.release(row.client) + facts.release(row.server)
        });
        if let Some(conn) = self.conns.get(conn) {
            conn.unsettled -= 1;
        }
        self.forget_done(conn);
    }

    fn trim(&mut self) {
        let Self { store, facts, screen, .. } = self;
        store.trim(&mut |row| {
            screen.gone(row.id);
            facts.release(row.client) + facts.release(row.server)
        });
    }

    pub(super) fn hold(&mut self, addr: SocketAddr) -> u32 {
        let (at, new) = self.facts.hold(addr);
        if new {
            self.store.charge(facts::ENDPOINT_COST);
        }
        at
    }

    fn release(&mut self, client: u32, server: u32) {
        let freed = self.facts.release(client) + self.facts.release(server);
        self.store.discharge(freed);
    }

    fn forget_done(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.remove_done(id) {
            self.release(conn.client, conn.server);
        }
    }
}
