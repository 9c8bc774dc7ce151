//! Which of several requests that are open a service sends something for, by what it did for others. What it sends once for each is none's
//! for which it has sent that already: so it begins one trace for each request that carries none, and asks a store once for the same. What
//! it waits for is none's that was answered before. And what comes with each request of a sort is none's that is open for long, as polls
//! are, and meets such calls at any point. What was sent for which is looked at as flows begin: which of them settle first says nothing.

use super::super::digest::{both, digester};
use super::super::traces::{Hop, Trace, Traces, sort, what, whoever};
use super::kinds::placeable;
use super::work::Work;
use super::works::{Sure, Works};
use crate::model::{FlowId, FlowRef, Party, Pattern};
use crate::time::Span;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;
use std::hash::{Hash as _, Hasher as _};

/// How many requests are remembered with what was sent for each, and how many flows that were sent for one of several.
const MAX_SENT: usize = 1 << 14;
const MAX_FLOWS: usize = 1 << 12;
/// How many kinds of calls, by the requests for which they were sent, are told apart: then all is learned anew.
const MAX_KINDS: usize = 1 << 12;
/// After how many requests that were alone in flight it is said that one is sent for each; and one in how many may have sent another one.
const ENOUGH: u32 = 4;
const ONE_IN: u32 = 1000;
/// After how many calls it is said that they come with each request of a sort.
const MANY: u32 = 24;
/// How different the ages are of requests that calls meet at any point.
const ANY: Span = Span::from_secs(1);
/// Of how many open requests any may be the one; and of how many, and of how many calls, it is looked at whether each has sent its own.
const MAX_OPEN: usize = 64;
const FEW: usize = 12;
/// Stands for calls that begin a trace, whatever they are.
const BEGINS: u64 = 0;

/// What was learned, and what was sent.
#[derive(Debug, Default)]
pub(super) struct Once {
    /// By what stands for the kind of call and the sort of request.
    kinds: HashMap<u64, Kind>,
    /// How many calls of a kind were sent.
    calls: HashMap<u64, u32>,
    /// What stands for calls of a kind and the request for which one was sent, the oldest first.
    sent: HashSet<u64>,
    order: VecDeque<u64>,
    /// For which requests each flow may have been sent, and its kind, in the order of flows.
    flows: VecDeque<(FlowId, u64, Vec<FlowId>)>,
}

/// Calls of one kind, and requests of one sort.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    /// For how many requests that were alone in flight one was sent, and how many were more than one.
    first: u32,
    more: u32,
    /// How many were over before such a request was answered, and how many after it.
    within: u32,
    beyond: u32,
    /// How often one was sent while such a request was open, and how old that was, at least and at most.
    met: u32,
    ages: [Span; 2],
    /// How many calls and requests there had been before the first of those times, and at the last; and how many are open then.
    before: [[u32; 2]; 2],
    open: u32,
}

impl Kind {
    /// So many such requests, of these ages, are open when a call is sent; there were so many calls before it, and requests.
    fn meets(&mut self, ages: [Span; 2], open: u32, [calls, requests]: [u32; 2]) {
        if self.met == 0 {
            (self.ages, self.before[0]) = (ages, [calls, requests.saturating_sub(open)]);
        }
        (self.met, self.open, self.before[1]) = (self.met + 1, open, [calls + 1, requests]);
        self.ages = [self.ages[0].min(ages[0]), self.ages[1].max(ages[1])];
    }

    fn at_any_point(self) -> bool {
        self.ages[1].nanos() > self.ages[0].nanos().saturating_add(ANY.nanos())
    }

    /// Whether one is sent with each request, and none besides: any that is open may have sent its own or not.
    fn comes_with_each(self) -> bool {
        let [calls, requests] = [0, 1].map(|at| self.before[1][at].saturating_sub(self.before[0][at]));
        calls >= MANY && calls == self.met && calls <= requests && requests <= calls + self.open && !self.at_any_point()
    }

    fn is_waited_for(self) -> bool {
        self.within >= ENOUGH && self.beyond == 0
    }

    fn is_once(self) -> bool {
        self.first >= ENOUGH && self.more * ONE_IN <= self.first
    }
}

impl Once {
    /// A flow has begun. Who sent it is at work on requests of which any may be its cause, unless it carries what tells.
    pub(super) fn opened(&mut self, flow: FlowRef<'_>, works: &mut Works, traces: &Traces) {
        let (row, (from, to)) = (flow.row, flow.ends());
        if !placeable(row) || row.pattern == Pattern::Deliver {
            return;
        }
        let trace = traces.of(row.id).and_then(|no| traces.get(no));
        let begins = trace.and_then(Trace::first) == Some(row.id);
        let carries = |flow| traces.hop(flow).is_some_and(|hop| !hop.marks.is_empty());
        if carries(row.id) && !begins {
            return;
        }
        let (whose, sure) = works.senders(from, to);
        if sure == Sure::No || works.busy(&whose) > MAX_OPEN {
            return;
        }
        let call = if begins { BEGINS } else { call(from, to, &row.operation) };
        let all = works.at(&whose, row.time, None, row.id);
        let may = all.into_iter().filter(|work| !(begins && carries(work.flow)));
        let open: Vec<_> = may.map(|work| (work.sort, row.time.since(work.time), work.flow)).collect();
        if open.is_empty() || open.len() > MAX_OPEN {
            return;
        }
        let oldest = self.meet(call, &open, |sort| whose.one().map_or(0, |service| works.times_asked(service, sort)));
        self.was_sent(row.id, call, &open, oldest);
    }

    /// A call of a kind meets requests of these sorts and ages. Says how old at most those are of which it comes with each.
    fn meet(&mut self, call: u64, open: &[(u64, Span, FlowId)], asked: impl Fn(u64) -> u32) -> Option<Span> {
        if self.kinds.len() >= MAX_KINDS {
            (self.kinds, self.calls) = Default::default();
        }
        let calls = self.calls.entry(call).or_default();
        let mut sorted = open.to_vec();
        sorted.sort_unstable();
        let mut met = Vec::new();
        for same in sorted.chunk_by(|(a, ..), (b, ..)| a == b) {
            if let (Some(&(sort, youngest, _)), Some(&(_, oldest, _))) = (same.first(), same.last()) {
                let kind = self.kinds.entry(both(call, sort)).or_default();
                kind.meets([youngest, oldest], same.len() as u32, [*calls, asked(sort)]);
                met.push(*kind);
            }
        }
        *calls += 1;
        oldest(met.into_iter())
    }

    /// A flow of a kind was sent by who is at work on these.
    fn was_sent(&mut self, flow: FlowId, call: u64, open: &[(u64, Span, FlowId)], oldest: Option<Span>) {
        let needless = |sort, age| oldest.is_some_and(|oldest| age > oldest) && self.kind(call, sort).at_any_point();
        let open: Vec<_> = open.iter().filter(|(sort, age, _)| !needless(*sort, *age)).collect();
        let unsent = open.iter().filter(|(.., request)| !self.sent.contains(&of(call, *request)));
        let may: Vec<_> = unsent.map(|(.., request)| *request).collect();
        if may.is_empty() {
            // for one of these it was not the first, and nobody can tell for which
            open.iter().for_each(|(sort, ..)| self.kinds.entry(both(call, *sort)).or_default().more += 1);
        } else if let [(sort, ..)] = open.as_slice() {
            self.kinds.entry(both(call, *sort)).or_default().first += 1;
        }
        for request in self.have_sent(call, &may) {
            self.take(of(call, request));
        }
        self.flows.push_back((flow, call, may));
        if self.flows.len() > MAX_FLOWS {
            self.flows.pop_front();
        }
    }

    /// Which requests have sent such a call by now, as one is sent for one of these: with so many others for which some of them may have
    /// been sent there are as many calls as requests.
    fn have_sent(&self, call: u64, may: &[FlowId]) -> Vec<FlowId> {
        let (mut all, mut times) = (may.to_vec(), 1);
        let lately = self.flows.iter().rev().take(MAX_OPEN).filter(|(_, other, _)| *other == call);
        for (_, _, others) in lately.filter(|(.., others)| others.len() <= FEW).take(FEW) {
            if times >= all.len() || all.len() > FEW {
                break;
            }
            if others.iter().any(|one| all.contains(one)) {
                times += 1;
                let more = others.iter().filter(|one| !self.sent.contains(&of(call, **one)) && !all.contains(one));
                let more: Vec<_> = more.copied().collect();
                all.extend(more);
            }
        }
        if times >= all.len() { all } else { Vec::new() }
    }

    fn take(&mut self, sent: u64) {
        if self.sent.insert(sent) {
            self.order.push_back(sent);
        }
        if self.order.len() > MAX_SENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.sent.remove(&oldest);
        }
    }

    fn kind(&self, call: u64, sort: u64) -> Kind {
        self.kinds.get(&both(call, sort)).copied().unwrap_or_default()
    }

    /// A call was sent because of a request that was alone in flight.
    pub(super) fn caused(&mut self, hop: &Hop, work: &Work) {
        let kind = self.kinds.entry(both(call(&hop.from, &hop.to, &hop.operation), work.sort)).or_default();
        *(if waits(work, hop) { &mut kind.within } else { &mut kind.beyond }) += 1;
    }

    /// Of what the sender of a flow is at work on only that stays which is of the flow's trace, or for which it may have been sent, if any.
    pub(super) fn narrow(&mut self, hop: &Hop, open: &mut Vec<&mut Work>, traces: &Traces) {
        let (flow, no) = (hop.flow, traces.of(hop.flow));
        let again = || no.and_then(|no| traces.get(no)).is_some_and(|trace| trace.sends_again(hop));
        if no.is_some() && open.iter().any(|work| traces.of(work.flow) == no) && !again() {
            open.retain(|work| traces.of(work.flow) == no);
            return;
        }
        if open.len() > MAX_OPEN {
            return;
        }
        let own = call(&hop.from, &hop.to, &hop.operation);
        if !open.iter().any(|work| waits(work, hop)) {
            // whichever it is because of did not wait for it
            open.iter().for_each(|work| self.kinds.entry(both(own, work.sort)).or_default().beyond += 1);
        }
        let first = no.and_then(|no| traces.get(no)).and_then(Trace::first).unwrap_or(flow);
        let sent = self.flows.binary_search_by_key(&first, |(flow, ..)| *flow).ok().and_then(|at| self.flows.get(at));
        let (call, may) = sent.map_or((own, None), |(_, call, may)| (*call, Some(may)));
        // what stands for each sort: there are few
        let mut kinds: Vec<(u64, Kind, Kind)> = Vec::new();
        for work in open.iter() {
            if kinds.iter().all(|(sort, ..)| *sort != work.sort) {
                kinds.push((work.sort, self.kind(own, work.sort), self.kind(call, work.sort)));
            }
        }
        let kind = |work: &Work| kinds.iter().find(|(sort, ..)| *sort == work.sort).map(|(_, own, as_sent)| (*own, *as_sent));
        let oldest = oldest(kinds.iter().map(|(.., kind)| *kind));
        let left = |work: &Work| {
            let (own, as_sent) = kind(work).unwrap_or_default();
            // what began right before it, or ends right behind it, may well have sent it
            let ends = |oldest| work.until().is_some_and(|end| end.since(hop.time) <= oldest);
            let long = oldest.is_some_and(|oldest| hop.time.since(work.time) > oldest && !ends(oldest));
            (waits(work, hop) || !own.is_waited_for()) && !(long && as_sent.at_any_point())
        };
        let is_once = |work: &Work| kind(work).is_some_and(|(_, as_sent)| as_sent.is_once());
        let once = open.iter().filter(|work| left(work)).all(|work| is_once(work));
        let unsent = |work: &Work| !once || may.is_none_or(|may| may.contains(&work.flow));
        if open.iter().any(|work| left(work) && unsent(work)) {
            open.retain(|work| left(work) && unsent(work));
        }
    }
}

/// How old requests are at most that are open when a call comes with each of their sort; none where it comes with no sort of these.
fn oldest(kinds: impl Iterator<Item = Kind>) -> Option<Span> {
    kinds.filter(|kind| kind.comes_with_each()).map(|kind| kind.ages[1]).max()
}

/// Whether a call was over before the request was answered, as far as is known.
fn waits(work: &Work, hop: &Hop) -> bool {
    work.until().is_none_or(|end| end >= hop.last)
}

/// Stands for who asks whom for what.
fn call(from: &Party, to: &Party, operation: &str) -> u64 {
    let mut call = digester();
    (whoever(from), what(to, sort(operation))).hash(&mut call);
    call.finish()
}

/// Stands for calls of a kind and a request.
fn of(call: u64, request: FlowId) -> u64 {
    both(call, request.0)
}
