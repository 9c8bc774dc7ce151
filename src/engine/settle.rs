//! The end of a flow: complete once its protocol says so, settled once nothing more can be told of it; and what is told of it then.

use super::conns::Awaited;
use super::cost::Charge;
use super::facts::Facts;
use super::findings::Findings;
use super::life::released;
use super::stitch::whole;
use super::traces::{self, Hop, Trace};
use super::{Engine, EngineOptions, Record, flow, look_at};
use crate::model::{Closed, FlowId, Row, State};
use crate::time::{Span, Time};
use std::sync::Arc;

/// How much longer a flow waits for names that are being found out, on a machine that is busy: a resolver gives up after 2 s.
const NAMELESS: Span = Span::from_secs(2);

impl Engine {
    pub(super) fn complete(&mut self, id: FlowId, closed: Closed, out: &mut dyn FnMut(Record)) {
        if closed.last.is_none() {
            self.traces.let_go(id, self.now);
        }
        self.change(id, |row, detail| {
            row.state = State::Complete;
            row.ok = closed.ok;
            row.status = closed.status;
            // an exchange that fits one packet took some time, if less than the clock can tell
            row.duration = closed.last.map(|last| last.time.since(row.time).max(Span::from_nanos(1)));
            flow::shrink(detail)
        });
        self.stitch_closed(id);
        self.settling.push_back((id, self.now.after(self.options.settle)));
        self.settle_due(self.now, out);
    }

    /// Settles complete flows from the first on, up to one that still waits for a name.
    pub(super) fn settle_due(&mut self, now: Time, out: &mut dyn FnMut(Record)) {
        while let Some(&(id, deadline)) = self.settling.front() {
            // where several sources are read, the same packets may still come from another one
            let early = self.sources.several() || self.stitch.veil.young(now, self.options.settle);
            let named = |row: &Row| self.conns.at(row.place).is_none_or(|conn| conn.awaited == Awaited::default());
            let waits = |row: &Row| match deadline > now {
                true => early || !named(row) || self.stitch.awaits_leg(row, now),
                false => deadline.after(NAMELESS) > now && !named(row),
            };
            // who was at work on what is told by the flows that began before: they need their names as well
            let known = |flow| self.store.get(flow).is_none_or(|slot| named(&slot.row) || slot.row.time.after(NAMELESS) <= now);
            let hurries = deadline.after(NAMELESS) <= now;
            if self.store.get(id).is_some_and(|slot| waits(&slot.row)) || !hurries && !self.stitch.all_before(id, known) {
                return;
            }
            if deadline > now && self.awaits_like(id) {
                return;
            }
            self.settling.pop_front();
            self.settle(id, out);
        }
    }

    /// Whoever sent a flow is named by what it passes on, where nothing else tells.
    fn name_passer(&mut self, id: FlowId) {
        let Self { store, conns, facts, sources, traces, .. } = self;
        // where nobody has a name there is none to take
        if !facts.any_listens() {
            return;
        }
        let Some(flow) = look_at(id, store, conns, facts, sources) else { return };
        let nameless = flow.row.to_server() && traces::name(flow.client).is_none();
        let Some(trace) = traces.of(id).filter(|_| nameless).and_then(|no| traces.get(no)) else { return };
        let Some(asked) = traces::asked(flow).filter(|asked| asked.passed_on()) else { return };
        let conn = flow.row.conn;
        let owner = trace.passer(id, asked, |up| {
            look_at(up, store, conns, facts, sources).map(|up| (traces::asked(up), Arc::clone(up.ends().1)))
        });
        let client = conns.get(conn).and_then(|conn| facts.addr(conn.client));
        if let Some((client, owner)) = client.zip(owner) {
            self.owned(conn, client, Some(&Arc::new(owner)));
        }
    }

    fn settle(&mut self, id: FlowId, out: &mut dyn FnMut(Record)) {
        self.name_passer(id);
        let sources = self.store.get(id).and_then(|slot| Some(self.conns.at(slot.row.place)?.sources));
        self.change(id, |row, _| {
            row.state = State::Settled;
            row.sources.0 |= sources.unwrap_or_default().0;
            Charge::default()
        });
        let Self { store, conns, facts, sources, tally, edges, screen, findings, options, .. } = self;
        let Some(flow) = look_at(id, store, conns, facts, sources) else { return };
        tally.settled(flow.row.protocol);
        if options.keep && !screen.hides(id) {
            edges.add(flow);
        }
        let alone = self.traces.settled(flow, findings.any(), self.now);
        if let Some(hop) = &alone {
            self.traces.alone(flow, hop);
        }
        let alone = self.stitch_settled(id, alone);
        let Self { store, conns, facts, sources, findings, traces, .. } = self;
        if let Some(flow) = whole(id, store, conns, facts, sources) {
            findings.flow(flow, self.now);
        }
        // what a flow without an ID of its own has caused may have made it part of a trace
        let bare = |hop: &&Hop| hop.marks.is_empty() && hop.extra().placed.is_none() && !hop.extra().maybe.is_empty();
        let bare = alone.is_none().then(|| traces.hop(id).filter(bare).cloned()).flatten();
        let in_none = alone.is_some();
        if let Some(hop) = alone.or(bare).filter(|hop| findings.any() && !hop.passed_on) {
            // one that is over may be gone
            let mut now = |flow: &FlowId| match traces.hop(*flow).filter(|hop| hop.settled) {
                Some(hop) => Some(hop.clone()),
                None => look_at(*flow, store, conns, facts, sources).map(traces::hop),
            };
            let maybe: Option<Vec<_>> = hop.extra().maybe.iter().map(&mut now).collect();
            if in_none {
                findings.alone(&hop);
            }
            findings.doubtful(&hop, &maybe.unwrap_or_default());
        }
        if self.options.wants.flows
            && let Some(flow) = self.flow(id, true)
        {
            out(Record::Flow(flow));
        }
        self.findings.news().into_iter().for_each(|finding| out(Record::Finding(finding)));
        let Self { store, facts, conns, screen, .. } = self;
        store.settled(id, &mut |row| {
            screen.gone(row.id);
            released(conns, facts, row)
        });
    }
}

/// A trace is as whole as it gets, for now: a screen asks for what it shows.
pub(super) fn tell(
    trace: &mut Trace,
    facts: &Facts,
    findings: &mut Findings,
    (now, options): (Time, &EngineOptions),
    out: &mut dyn FnMut(Record),
) {
    // without names it is not known who sent what: who accepted its flows may have been found on another connection since
    if facts.any_listens() {
        trace.call(|addr| facts.listener(addr));
    }
    let read = !options.keep && options.wants.traces;
    if !read && !findings.any() {
        return;
    }
    let tree = trace.tree();
    findings.trace(trace, &tree, now);
    if read && let Some(record) = trace.record(tree) {
        out(Record::Trace(record));
    }
    findings.news().into_iter().for_each(|finding| out(Record::Finding(finding)));
}
