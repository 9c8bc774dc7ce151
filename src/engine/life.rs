//! The life of a flow, and of the connection it runs on, from the first byte on. How it ends is [`super::settle`]'s.

use super::conns::{Awaited, CONN_COST, Conn, Conns};
use super::facts::{self, Facts};
use super::settle::tell;
use super::store::Store;
use super::{Engine, GIVEN_UP, MAX_OPEN, Record, flow, look_at};
use crate::model::{
    Ask, Closed, ConnId, ConnMeta, ConnRecord, Detail, Ended, FlowId, Issue, Joined, Key, Opened, Owner, PENDING, Part, Row,
    SourceId, Stamp, State, Zone,
};
use crate::time::Time;
use crate::trace;
use std::net::SocketAddr;
use std::sync::Arc;

/// The note of a flow that was open when its turn came to make room.
pub(super) const NO_ROOM: Issue = Issue::unseen("given up for the memory limit");
/// How many flows that are not open any more may be among the open ones in their order, beside as many as there are.
const SPARE: usize = 1024;
/// Up to how many flows after a connection's first one its other flows are looked for one by one: a slice of a millisecond.
const NEIGHBOURS: u64 = 1024;

impl Engine {
    /// Packet time moves on; what has waited long enough settles.
    pub(super) fn advance(&mut self, time: Time, out: &mut dyn FnMut(Record)) {
        // all that a packet brought is at one moment; what there is no room for goes at any
        let passed = time > self.now;
        self.findings.moved(self.now, time);
        self.now = self.now.max(time);
        if !passed && !self.traces.full() {
            return;
        }
        self.settle_due(self.now, out);
        let Self { traces, findings, options, now, facts, .. } = self;
        let reopened = traces.tell_due(*now, &mut |trace| tell(trace, facts, findings, (*now, options), out));
        self.reopened(reopened);
    }

    pub(super) fn begin(&mut self, meta: &ConnMeta) -> bool {
        if !self.conns.has_room_for(meta.id) {
            return false;
        }
        let (client, server) = (self.hold(meta.client, None), self.hold(meta.server, None));
        let ConnMeta { id, client: from, server: to, transport, zone, .. } = *meta;
        let ask = Ask { conn: id, client: from, server: to, transport, zone };
        // a resolver that is far behind is not waited for: names are help, flows are the matter
        let asked = self.options.resolver.as_ref().is_some_and(|resolver| resolver.try_send(ask).is_ok());
        self.conns.begin(meta, client, server, Awaited { client: asked, server: asked });
        self.store.charge(CONN_COST);
        if elsewhere(to, zone) {
            self.facts.listens(to, None);
        }
        self.traces.began(from);
        if meta.joined != Joined::Opening {
            self.stitch.veil.joined(id, meta.first.time);
        }
        self.stitch_began(meta);
        self.tell_ends(meta.id);
        true
    }

    pub(super) fn orient(&mut self, id: ConnId, client: SocketAddr, server: SocketAddr) -> bool {
        let Some(conn) = self.conns.get(id) else { return false };
        if self.facts.addr(conn.client) == Some(client) && self.facts.addr(conn.server) == Some(server) {
            return true;
        }
        let turned = self.facts.addr(conn.client) == Some(server) && self.facts.addr(conn.server) == Some(client);
        if turned {
            let counted = self.take_back(id);
            if let Some(conn) = self.conns.get(id) {
                std::mem::swap(&mut conn.client, &mut conn.server);
                std::mem::swap(&mut conn.awaited.client, &mut conn.awaited.server);
            }
            self.parties_changed(id, counted);
        }
        turned
    }

    /// Somebody has found out, or given up finding out, whose socket one end of a connection was.
    pub(super) fn owned(&mut self, id: ConnId, end: SocketAddr, owner: Option<&Arc<Owner>>) {
        let Some(conn) = self.conns.get(id) else { return };
        let is = |at| self.facts.addr(at) == Some(end);
        let ends = [(is(conn.client), conn.client), (is(conn.server), conn.server)];
        conn.awaited.client &= !ends[0].0;
        conn.awaited.server &= !ends[1].0;
        if owner.is_none() {
            return;
        }
        let counted = self.take_back(id);
        let known = ends.map(|(is, before)| if is { Some((self.hold(end, owner), before)) } else { None });
        let Some(conn) = self.conns.get(id) else { return };
        if conn.opened && ends[1].0 {
            self.facts.listens(end, owner.filter(|_| !elsewhere(end, conn.zone)).map(|owner| &**owner));
        }
        let [client, server] = known;
        conn.client = client.map_or(conn.client, |(now, _)| now);
        conn.server = server.map_or(conn.server, |(now, _)| now);
        let freed: usize = known.into_iter().flatten().map(|(_, before)| self.facts.release(before)).sum();
        self.store.discharge(freed);
        self.parties_changed(id, counted);
        self.tell_ends(id);
    }

    /// The rows of a connection; none where they lie so far apart that looking for them would take long.
    fn rows_of(&self, id: ConnId) -> Option<Vec<FlowId>> {
        let Some((first, last)) = self.conns.place(id).and_then(|at| self.conns.at(at)?.flows()) else { return Some(Vec::new()) };
        let of = |flow: &FlowId| self.store.get(*flow).is_some_and(|slot| slot.row.conn == id);
        (last.0 - first.0 <= NEIGHBOURS).then(|| (first.0..=last.0).map(FlowId).filter(of).collect())
    }

    /// The ends of a connection will be called otherwise: its settled flows are counted no more, as far as they are whole and near. Which
    /// those are.
    fn take_back(&mut self, id: ConnId) -> Vec<FlowId> {
        let mut rows = self.rows_of(id).unwrap_or_default();
        rows.retain(|row| self.store.get(*row).is_some_and(|slot| slot.row.state == State::Settled && slot.detail.is_some()));
        if !rows.is_empty() {
            self.call_edges();
        }
        rows.retain(|row| self.flow(*row, true).is_some_and(|flow| self.edges.take_back(flow.as_ref())));
        rows
    }

    /// They are called otherwise now: those flows are counted again, and all may match otherwise. A connection of many flows is looked
    /// through with all the rest.
    fn parties_changed(&mut self, id: ConnId, counted: Vec<FlowId>) {
        self.stitch.veil.moved(id);
        for row in counted {
            if let Some(flow) = self.flow(row, true) {
                self.edges.add(flow.as_ref());
            }
        }
        match self.rows_of(id) {
            Some(rows) => rows.into_iter().for_each(|row| self.screen.changed(row)),
            None => self.screen.look_again(),
        }
    }

    /// Has the edges' ends that are addresses called as they are now.
    pub(super) fn call_edges(&mut self) {
        if std::mem::replace(&mut self.called, self.facts.version()) != self.facts.version() {
            self.edges.rename(|end| self.facts.called(end));
        }
    }

    pub(super) fn seen_by(&mut self, conn: ConnId, source: SourceId) -> bool {
        self.conns.get(conn).map(|conn| conn.sources.add(source)).is_some()
    }

    pub(super) fn open(&mut self, id: ConnId, key: Key, opened: Opened, out: &mut dyn FnMut(Record)) -> bool {
        let flow = self.store.next_id();
        if self.open.len() >= MAX_OPEN {
            self.store.count_refused();
            return true;
        }
        let Some(place) = self.conns.place(id) else { return false };
        let sources = self.conns.at(place).map(|conn| conn.sources).unwrap_or_default();
        self.conns.hold(place, flow);
        self.stitch.veil.shown(id, &opened);
        let Opened { protocol, pattern, operation, dir, first, layers } = opened;
        let (state, ok, status, duration, trace_id, link) = (State::Open, true, None, None, None, None);
        let (time, bytes) = (first.time, 0);
        let row = Row {
            id: flow,
            conn: id,
            time,
            duration,
            place,
            protocol,
            pattern,
            state,
            ok,
            dir,
            operation,
            status,
            bytes,
            trace_id,
            link,
            sources,
        };
        self.store.push(row, Detail { layers, ..Detail::default() });
        self.tally.opened(self.now);
        self.stitch_opened(flow, key);
        self.screen.changed(flow);
        self.last = Some(((id, key), flow));
        self.opened.push_back((flow, (id, key)));
        // two open flows of one key would be a mistake of the decoder: the earlier one cannot be told from the later any more
        let earlier = self.open.insert((id, key), flow);
        self.given_up -= usize::from(earlier == Some(GIVEN_UP));
        if let Some(earlier) = earlier.filter(|earlier| *earlier != GIVEN_UP) {
            self.tally.unplaced += 1;
            self.conns.closed(id);
            self.give_up(earlier, out);
        }
        self.trim();
        self.make_room(out);
        true
    }

    /// Where open flows alone fill the budget the oldest are given up, as if no more were seen of them.
    fn make_room(&mut self, out: &mut dyn FnMut(Record)) {
        let is_open = |store: &Store, id| store.get(id).is_some_and(|slot| slot.row.state == State::Open);
        while let Some(&(flow, of)) = self.opened.front() {
            let open = is_open(&self.store, flow);
            if open && !self.store.full_of_open() {
                break;
            }
            self.opened.pop_front();
            if open && let Some(id) = self.open.get_mut(&of).filter(|id| **id == flow) {
                *id = GIVEN_UP;
                self.given_up += 1;
                self.last = None;
                self.change(flow, |_, detail| flow::note(detail, NO_ROOM));
                self.complete(flow, Closed { status: None, ok: true, last: None }, out);
            }
        }
        // behind one that stays open for long
        if self.opened.len() > 2 * (self.open.len() - self.given_up) + SPARE {
            let store = &self.store;
            self.opened.retain(|(flow, _)| is_open(store, *flow));
        }
    }

    /// The open flow of a key.
    fn opened(&mut self, conn: ConnId, key: Key) -> Option<FlowId> {
        let of = (conn, key);
        match self.last {
            Some((last, id)) if last == of => Some(id),
            _ => {
                let id = *self.open.get(&of)?;
                self.last = Some((of, id));
                Some(id)
            }
        }
    }

    pub(super) fn part(&mut self, conn: ConnId, key: Key, part: Part, at: Stamp) -> bool {
        let Some(id) = self.opened(conn, key) else { return false };
        let traced = matches!(part, Part::Trace(_));
        let told = matches!(part, Part::BodyEnd { .. }) && self.options.twins && !conn.is_session();
        let (full, limit) = (self.store.full(), self.options.body_limit);
        let (mut stripped, mut first) = (false, false);
        self.change(id, |row, detail| {
            stripped = full && !detail.bodies_evicted;
            detail.bodies_evicted |= full;
            let charge = flow::add(row, detail, part, at, limit);
            if traced && row.trace_id.is_none() {
                row.trace_id = detail.traces.last().map(trace::key);
                first = true;
            }
            charge
        });
        if stripped {
            self.store.count_stripped();
        }
        if traced {
            self.join_trace(id, first);
        }
        if told {
            self.wire_told(id);
        }
        self.trim();
        true
    }

    /// A flow is of the trace of its `first` context; others may tell that flows with an ID of another kind are, too.
    fn join_trace(&mut self, id: FlowId, first: bool) {
        let Self { store, conns, facts, sources, traces, .. } = self;
        let Some(flow) = look_at(id, store, conns, facts, sources) else { return };
        let Some(context) = flow.detail.and_then(|detail| detail.traces.last()) else { return };
        match &flow.row.trace_id {
            Some(key) if first => traces.join(key, context, flow),
            _ => traces.also(id, context),
        }
    }

    pub(super) fn note(&mut self, conn: ConnId, key: Key, issue: Issue) -> bool {
        let Some(id) = self.opened(conn, key) else { return false };
        if issue == Issue::NO_REQUEST
            && let Some(slot) = self.store.get(id)
        {
            self.stitch.veil.unasked(conn, slot.row.time);
        }
        self.change(id, |_, detail| flow::note(detail, issue));
        true
    }

    pub(super) fn end(&mut self, id: ConnId, ended: Ended, out: &mut dyn FnMut(Record)) -> bool {
        self.give_up_all(id, ended.hung_up.map(|(_, at)| at), out);
        let Some(conn) = self.conns.get(id).filter(|conn| !conn.ended) else { return false };
        let (number, first, protocol) = (conn.number, conn.first, conn.protocol);
        let (client, server) = self.facts.parties(conn.client, conn.server);
        self.stitch.veil.ended(id, ended.last.time, client, server);
        let Ended { how, last, hung_up, bytes, packets, retransmissions, gaps, head } = ended;
        let record = ConnRecord {
            id: number,
            time: first,
            duration: last.time.since(first),
            client: client.clone(),
            server: server.clone(),
            protocol,
            bytes,
            packets,
            retransmissions,
            gaps,
            end: how,
            hung_up,
            head: if protocol.is_none() { head } else { Vec::new() },
        };
        self.findings.connection(&record, self.now);
        if self.options.wants.connections {
            out(Record::Connection(record));
        }
        let done = self.conns.end(id);
        let freed = done.map_or(0, |conn| forgotten(&mut self.facts, &conn));
        self.store.discharge(freed);
        true
    }

    pub(super) fn close(&mut self, conn: ConnId, key: Key, closed: Closed, out: &mut dyn FnMut(Record)) -> bool {
        let Some(id) = self.open.remove(&(conn, key)) else { return self.open.len() >= MAX_OPEN };
        self.last = None;
        self.conns.closed(conn);
        if id == GIVEN_UP {
            self.given_up -= 1;
            return true;
        }
        self.complete(id, closed, out);
        true
    }

    /// What a decoder left open goes with its connection: nobody waits for it any more since one end hung up.
    fn give_up_all(&mut self, conn: ConnId, hung_up: Option<Time>, out: &mut dyn FnMut(Record)) {
        if !self.conns.has_open(conn) {
            return;
        }
        self.last = None;
        let mut left: Vec<_> = self.open.extract_if(|(of, _), _| *of == conn).map(|(_, id)| id).collect();
        left.sort_unstable();
        for id in left {
            self.conns.closed(conn);
            match id {
                GIVEN_UP => self.given_up -= 1,
                _ => self.give_up(id, out),
            }
            if let Some(at) = hung_up {
                self.traces.let_go(id, at);
            }
        }
    }

    /// An open flow whose decoder says no more: an answer that was due did not come.
    pub(super) fn give_up(&mut self, id: FlowId, out: &mut dyn FnMut(Record)) {
        let Some(slot) = self.store.get(id) else { return };
        let (one_way, ok) = (slot.row.pattern.one_way(), slot.row.ok);
        let status = (!one_way).then(|| PENDING.into());
        self.complete(id, Closed { status, ok: ok && one_way, last: None }, out);
    }

    fn trim(&mut self) {
        let Self { store, facts, conns, screen, .. } = self;
        store.trim(&mut |row| {
            screen.gone(row.id);
            released(conns, facts, row)
        });
    }

    fn hold(&mut self, addr: SocketAddr, owner: Option<&Arc<Owner>>) -> u32 {
        let (at, new) = self.facts.hold(addr, owner);
        if new {
            self.store.charge(facts::ENDPOINT_COST);
        }
        at
    }
}

/// Whether an address is that of another namespace's loopback, which is there in every one.
fn elsewhere(end: SocketAddr, zone: Zone) -> bool {
    zone != Zone::default() && end.ip().is_loopback()
}

/// A row goes: what that frees beside it, in bytes.
pub(super) fn released(conns: &mut Conns, facts: &mut Facts, row: &Row) -> usize {
    conns.release(row).map_or(0, |conn| forgotten(facts, &conn))
}

/// A connection is forgotten: what that frees, in bytes.
fn forgotten(facts: &mut Facts, conn: &Conn) -> usize {
    CONN_COST + facts.release(conn.client) + facts.release(conn.server)
}
