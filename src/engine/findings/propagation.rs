//! What services do with the trace context that a message brings: they lose it, begin another, switch its format, pass it on unchanged,
//! or turn sampling off.

use super::housekeeping::{housekeeping, outside};
use super::ledger::{Ledger, carriers, counted_as, label, received, sender, sent, to_reply_queue, who};
use super::look::Tie;
use super::{Book, Detector, Look};
use crate::engine::stitch::Manner;
use crate::engine::traces::{Hop, Mark, forwards, leg, name};
use crate::model::{FindingKind, FlowId, Link, Party, Pattern, Totals};
use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

mod words;

/// Of how many requests something that rests on circumstances has to come before it is told while more may come, and how often because of
/// one alone it is no such thing: then it is sent for as long as that is open, and not because of it.
const ENOUGH: usize = 3;
/// The same where a value ties it, which may be in more than it seems.
const ENOUGH_BY_VALUE: usize = 2;
/// How many kinds of such things are held back, and how many kinds of flows are counted that are sent because of nothing.
const MAX_HELD: usize = 1 << 12;
/// A kind of flow of which one in so many is sent because of nothing may be so always: that a request is in flight then is chance.
const ONE_IN: u64 = 20;
/// How many are held back of one kind, beside the first because of each further request.
const MAX_CASES: usize = 64;
/// How many services are known to pass requests on.
const MAX_PROXIES: usize = 1 << 10;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    ledger: Ledger,
    held: HashMap<CompactString, Held>,
    /// What was told last of each loss: how much of it is lost is known at the end.
    lost: HashMap<CompactString, Case>,
    /// What is known of kinds of flows.
    kinds: HashMap<u64, Kind>,
    learned: u64,
    /// Whether packets are missing, and with them what may have caused a flow.
    holes: bool,
    /// Services that have passed a request on as it came.
    proxies: HashSet<Arc<str>>,
}

/// What is known of flows of one sender to one receiver, of one operation.
#[derive(Debug, Default)]
struct Kind {
    /// When it was learned of last, by a count of all that was.
    last: u64,
    /// How often one was sent while its sender was at work on nothing, and how often on something that circumstances alone tell of.
    idle: u64,
    busy: u64,
    /// How often one carried on the trace that came.
    carried: u64,
    /// Whether something may have been open each time by chance.
    by_chance: bool,
}

/// What rests on circumstances, until it has repeated.
#[derive(Debug, Default)]
struct Held {
    cases: Vec<Case>,
    repeated: bool,
}

impl Held {
    /// One more; of many because of one request no further ones.
    fn keep(&mut self, case: Case) {
        if self.cases.len() < MAX_CASES || self.cases.iter().all(|other| other.flows[0] != case.flows[0]) {
            self.cases.push(case);
        }
    }

    /// Because of how many requests it came.
    fn requests(&self) -> usize {
        self.cases.iter().map(|case| case.flows[0]).collect::<BTreeSet<_>>().len()
    }

    /// Whether it came again and again while the same few were open.
    fn goes_on(&self) -> bool {
        let circumstantial = self.cases.iter().all(|case| case.link != Link::PayloadId);
        circumstantial && self.cases.len() >= ENOUGH && self.requests() * ENOUGH <= self.cases.len()
    }
}

/// One occurrence.
#[derive(Clone, Debug)]
struct Case {
    kind: FindingKind,
    service: Arc<str>,
    to: Arc<str>,
    flows: [FlowId; 2],
    /// What kind of flow it is that went out.
    sort: u64,
    /// What came in and went out, in words, and what it was carried by.
    received: String,
    sent: String,
    sender: String,
    carriers: [BTreeSet<&'static str>; 2],
    link: Link,
    /// Whether time alone ties them.
    by_time: bool,
    /// Of how many that are as likely the one that came in is one, so that it proves nothing; 0 where they are tied.
    among: usize,
    /// Whether others, of which that is not known, are told with it.
    mixed: bool,
    /// Whether it is a message with the correlation ID of the one that came in.
    paired: bool,
}

impl Detector for Propagation {
    fn seeks(&self) -> &'static str {
        "services that lose a trace, begin another, switch its format or pass a stale parent on"
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        for tie in look.ties().filter(|tie| leg(tie.up, tie.down)) {
            if self.proxies.len() < MAX_PROXIES {
                self.proxies.insert(who(tie.up, tie.down));
            }
        }
        for tie in look.ties().filter(concerns) {
            let (service, sent) = (who(tie.up, tie.down), sent(tie.down, tie.paired() || to_reply_queue(tie.down)));
            let mut kinds = judge(&tie);
            // who passes requests on begins no spans, also in what it asks besides
            kinds.retain(|kind| *kind != FindingKind::TraceStaleParent || !self.proxies.contains(&service));
            let lost = [FindingKind::TraceLost, FindingKind::TraceRestarted, FindingKind::TraceMaybeLinked];
            let is_lost = kinds.iter().any(|kind| lost.contains(kind));
            // what could not be seen, or was not to be traced, was neither
            if !kinds.is_empty() || tie.down.marks.iter().any(Mark::of_tracer) {
                self.ledger.add(&service, &sent, counted_as(tie.down), !is_lost);
                if !is_lost {
                    self.kind(tie.down.call()).carried += 1;
                }
            }
            for kind in kinds {
                let case = Case::new(kind, &tie, &service, &sent);
                match tie.link {
                    // circumstances may deceive
                    Link::SoleInFlight => self.hold(case, ENOUGH, book),
                    Link::PayloadId => self.hold(case, ENOUGH_BY_VALUE, book),
                    Link::Time if case.by_time => self.hold(case, ENOUGH, book),
                    Link::TraceId | Link::RequestId | Link::MessageId | Link::Time => self.tell(&case, book),
                }
            }
        }
    }

    fn alone(&mut self, hop: &Hop, _: &mut Book) {
        // where something was open of which nothing tells whether it caused it, it is not idleness
        let bare = hop.marks.is_empty() && hop.extra().maybe.is_empty() && !hop.extra().untold;
        if bare && !hop.pattern.one_way() {
            self.kind(hop.call()).idle += 1;
        }
    }

    fn doubtful(&mut self, hop: &Hop, maybe: &[Hop], book: &mut Book) {
        let Some(first) = maybe.first().filter(|_| !hop.extra().untold) else { return };
        let (service, sent) = (who(first, hop), sent(hop, to_reply_queue(hop)));
        let mut ties = maybe.iter().map(|up| Tie { cause: None, up, down: hop, link: Link::SoleInFlight });
        // whichever it was, the same service had a context of it
        if ties.all(|tie| concerns(&tie) && who(tie.up, hop) == service && judge(&tie) == [FindingKind::TraceLost]) {
            self.ledger.add(&service, &sent, counted_as(hop), false);
            let tie = |up| Tie { cause: None, up, down: hop, link: Link::SoleInFlight };
            let mut case = Case::new(FindingKind::TraceLost, &tie(first), &service, &sent);
            // as many are of different requests as can be
            let held = self.held.get(&*case.key()).map_or(&[][..], |held| &held.cases);
            let new = maybe.iter().find(|up| held.iter().all(|other| other.flows[0] != up.flow));
            (case.flows[0], case.among) = (new.unwrap_or(first).flow, maybe.len());
            self.hold(case, ENOUGH, book);
        }
    }

    fn manner(&mut self, kind: u64, manner: Manner) {
        let kind = self.kind(kind);
        match manner {
            Manner::ByItself => kind.idle += 1,
            Manner::ByChance => kind.by_chance = true,
            Manner::Asked => kind.by_chance = false,
        }
    }

    fn totals(&mut self, totals: &Totals, kernel_drops: u64, _: &mut Book) {
        self.holes = totals.gaps + totals.own_drops + totals.evicted_connections + kernel_drops > 0;
    }

    fn end(&mut self, book: &mut Book) {
        let held = std::mem::take(&mut self.held);
        let left = held.into_values().filter(|held| held.repeated || !held.goes_on());
        let mut held: Vec<_> = left.flat_map(|held| held.cases.into_iter().map(move |case| (case, held.repeated))).collect();
        // time alone is no evidence of what did not repeat; nor is, where packets are missing, one of those that else are as they should be
        held.retain(|(case, repeated)| {
            let rare = self.holes && !repeated && self.kinds.get(&case.sort).is_some_and(|kind| kind.carried > 0);
            !(case.by_time || self.by_itself(case) || rare && case.link == Link::SoleInFlight)
        });
        let mut held: Vec<_> = held.into_iter().map(|(case, _)| case).collect();
        held.sort_by_key(|case| case.flows);
        held.iter().for_each(|case| self.tell(case, book));
        self.lost.iter().for_each(|(key, case)| book.reword(case.kind, key, case.words(&self.ledger)));
    }
}

impl Propagation {
    fn hold(&mut self, case: Case, enough: usize, book: &mut Book) {
        self.kind(case.sort).busy += 1;
        let key = case.key();
        if self.held.len() >= MAX_HELD && !self.held.contains_key(&*key) {
            return;
        }
        let held = self.held.entry(key.as_str().into()).or_default();
        held.keep(case);
        held.repeated |= held.requests() >= enough;
        if held.repeated {
            // what may be sent because of nothing waits for more of it
            let cases = std::mem::take(&mut held.cases);
            let (wait, told): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| self.by_itself(case));
            told.iter().for_each(|case| self.tell(case, book));
            if let Some(held) = self.held.get_mut(&*key) {
                held.cases = wait;
            }
        }
    }

    /// What is known of a kind, of which there is more now; that half of all makes room of which there was none for longest.
    fn kind(&mut self, sort: u64) -> &mut Kind {
        if self.kinds.len() >= MAX_HELD && !self.kinds.contains_key(&sort) {
            let mut last: Vec<_> = self.kinds.values().map(|kind| kind.last).collect();
            let (_, median, _) = last.select_nth_unstable(MAX_HELD / 2);
            self.kinds.retain(|_, kind| kind.last >= *median);
        }
        self.learned += 1;
        let kind = self.kinds.entry(sort).or_default();
        kind.last = self.learned;
        kind
    }

    /// Whether such a flow may be sent because of nothing that was asked, as far as circumstances tell.
    fn by_itself(&self, case: &Case) -> bool {
        let Some(&Kind { idle, busy, carried, by_chance, .. }) = self.kinds.get(&case.sort) else { return false };
        // of whose like most carry on what came is caused by what comes, unless that may be in a hole
        let caused = carried >= busy && !self.holes;
        idle * ONE_IN > idle + busy || by_chance && !caused && case.link == Link::SoleInFlight
    }

    fn tell(&mut self, case: &Case, book: &mut Book) {
        let key = case.key();
        let flows = if case.among > 0 { vec![case.flows[1]] } else { case.flows.to_vec() };
        // of a loss that is tied somewhere that is told, and not what is tied by nothing
        let known = self.lost.get(&*key);
        let mut shown = known.filter(|known| known.among == 0 && case.among > 0).unwrap_or(case).clone();
        shown.mixed = shown.among == 0 && (case.among > 0 || known.is_some_and(|known| known.mixed || known.among > 0));
        book.prove(case.kind, &key, flows, shown.words(&self.ledger));
        if case.kind == FindingKind::TraceLost && (known.is_some() || self.lost.len() < MAX_HELD) {
            self.lost.insert(key.into(), shown);
        }
    }
}

/// Whether somebody expects the context of the one in the other.
fn concerns(tie: &Tie<'_>) -> bool {
    let Tie { up, down, .. } = tie;
    let customary = match down.pattern {
        Pattern::RequestResponse => down.protocol != "amqp",
        Pattern::Unary | Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream | Pattern::Publish => true,
        Pattern::Query | Pattern::Deliver | Pattern::Message | Pattern::Session => false,
    };
    let carries = up.marks.iter().any(Mark::of_tracer);
    customary && carries && up.pattern != Pattern::Publish && !housekeeping(up) && !housekeeping(down) && !outside(up, down)
}

/// What is wrong with what became of a context.
fn judge(tie: &Tie<'_>) -> Vec<FindingKind> {
    let Tie { up, down, .. } = tie;
    let tracers = |hop: &'_ Hop| hop.marks.iter().copied().filter(Mark::of_tracer).collect::<Vec<_>>();
    let (ins, outs) = (tracers(up), tracers(down));
    let unsampled = ins.iter().all(|mark| mark.sampled == Some(false));
    if outs.is_empty() {
        let requests = |hop: &'_ Hop| hop.marks.iter().copied().filter(|mark| !mark.of_tracer()).collect::<Vec<_>>();
        let kept =
            requests(up).iter().any(|mark| requests(down).iter().any(|other| other.id == mark.id && !tie.pairs(mark, other)));
        let silent = !down.seen || down.declined || unsampled;
        return match (silent, kept) {
            (true, _) => Vec::new(),
            (false, true) => vec![FindingKind::TraceFormatSwitched],
            (false, false) => vec![FindingKind::TraceLost],
        };
    }
    let same: Vec<_> = ins.iter().flat_map(|a| outs.iter().filter(|b| a.id == b.id).map(move |b| (a, b))).collect();
    if same.is_empty() {
        let consumer = up.pattern == Pattern::Deliver;
        return vec![if consumer { FindingKind::TraceMaybeLinked } else { FindingKind::TraceRestarted }];
    }
    let mut kinds = Vec::new();
    if down.seen && !same.iter().any(|(a, b)| a.carrier == b.carrier) {
        kinds.push(FindingKind::TraceFormatSwitched);
    }
    let own = forwards(up, down) || tie.cause.is_some_and(|cause| published_by(cause, &down.from));
    if !leg(up, down) && !own && same.iter().any(|(a, b)| a.span.is_some() && a.span == b.span) {
        kinds.push(FindingKind::TraceStaleParent);
    }
    if same.iter().any(|(a, b)| a.sampled == Some(true) && b.sampled == Some(false)) {
        kinds.push(FindingKind::TraceUnsampled);
    }
    kinds
}

/// Whether a message is the sender's own, which it took back: the span that it carries is one that the sender has begun.
fn published_by(message: &Hop, sender: &Party) -> bool {
    let same = || match (name(&message.from), name(sender)) {
        (None, None) => message.from.addr == sender.addr,
        (publisher, sender) => publisher == sender,
    };
    message.pattern == Pattern::Publish && same()
}

impl Case {
    fn new(kind: FindingKind, tie: &Tie<'_>, service: &Arc<str>, sent: &str) -> Self {
        Self {
            kind,
            service: Arc::clone(service),
            to: label(&tie.down.to),
            sort: tie.down.call(),
            flows: [tie.up.flow, tie.down.flow],
            received: received(tie.up),
            sent: sent.to_owned(),
            sender: sender(tie.down),
            carriers: [carriers(tie.up), carriers(tie.down)],
            link: tie.link,
            by_time: tie.down.by_time_alone(tie.up, tie.link),
            among: 0,
            mixed: false,
            paired: tie.paired(),
        }
    }

    /// The same service does the same wrong to the same receiver.
    fn key(&self) -> String {
        format!("{} {} > {}", self.kind.word(), self.service, self.sent)
    }
}
