//! Flows by who received them, so that what may have caused another one is found without looking at each: a trace may have thousands on
//! one address that all its services share.

use super::super::failure::went_wrong;
use super::super::hop::Hop;
use super::super::parties::{everybodys, name};
use super::{MAX_DEPTH, Moment, Same, another_process, over, rank, same_message, shared};
use crate::model::Pattern;
use crate::time::Time;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;

/// Flows by when they were over, those of which that is not known last, and by their places in the order of time.
type Ends = BTreeSet<(Time, usize)>;

const NEVER: Time = Time::from_nanos(i64::MAX);

/// What was received by somebody with a name.
#[derive(Debug, Default)]
struct Named<'h> {
    ends: Ends,
    addrs: BTreeSet<&'h str>,
}

/// The flows so far, in the order of time.
#[derive(Debug, Default)]
pub(super) struct Index<'h> {
    hops: Vec<&'h Hop>,
    /// The place of the only flow that carries a span ID; none where there are several.
    carriers: HashMap<u64, Option<usize>>,
    /// What was received by name, and by address, with a name or without.
    names: HashMap<&'h str, Named<'h>>,
    addrs: HashMap<(&'h str, bool), Ends>,
    /// The addresses of each host.
    hosts: HashMap<&'h str, Vec<(&'h str, bool)>>,
    /// What nobody waited for until it was answered.
    let_go: Vec<usize>,
    /// The processes that received any.
    pids: HashSet<u32>,
    /// What was published, by topic, and by what it carries.
    topics: HashMap<Option<u64>, Vec<usize>>,
    messages: HashMap<(Option<u64>, u64), Vec<usize>>,
    /// Of each sender's address: to which addresses what may have caused the first flow from there was sent.
    firsts: HashMap<&'h str, BTreeSet<&'h str>>,
}

impl<'h> Index<'h> {
    /// Takes the next one in.
    pub(super) fn add(&mut self, hop: &'h Hop) {
        if !self.firsts.contains_key(&*hop.from.addr) {
            let first = self.reached(hop);
            self.firsts.insert(&hop.from.addr, first);
        }
        let at = self.hops.len();
        self.hops.push(hop);
        self.pids.extend(hop.to.pid());
        if hop.passed_on {
            return;
        }
        if let Some(span) = hop.span {
            self.carriers.entry(span).and_modify(|only| *only = None).or_insert(Some(at));
        }
        if hop.pattern == Pattern::Publish {
            self.topics.entry(hop.extra().topic).or_default().push(at);
            if let Some(span) = hop.span {
                self.messages.entry((hop.extra().topic, span)).or_default().push(at);
            }
            return;
        }
        if hop.end.is_none() && hop.extra().let_go.is_some() {
            self.let_go.push(at);
        }
        let (entry, addr) = ((over(hop).unwrap_or(NEVER), at), (&*hop.to.addr, name(&hop.to).is_some()));
        if let Some(name) = name(&hop.to) {
            let named = self.names.entry(name).or_default();
            named.ends.insert(entry);
            named.addrs.insert(addr.0);
        }
        let ends = self.addrs.entry(addr).or_insert_with(|| {
            self.hosts.entry(hop.to.host()).or_default().push(addr);
            Ends::new()
        });
        ends.insert(entry);
    }

    /// The place of the only flow that carries a span ID.
    pub(super) fn carrier(&self, span: u64) -> Option<usize> {
        self.carriers.get(&span).copied().flatten()
    }

    /// Those that are the likeliest to have caused a flow, in the order of time; no more than tell that they are too many.
    pub(super) fn likeliest(&self, hop: &Hop, again: bool) -> (Same, Vec<usize>) {
        let (same, mut places) = if hop.pattern == Pattern::Deliver { self.published(hop) } else { self.asked(hop, again) };
        places.sort_unstable();
        (same, places)
    }

    /// What its sender was at work on; else what nobody waited for any more, and what it was done with; else what another one of its host
    /// was at work on, or done with.
    fn asked(&self, hop: &Hop, again: bool) -> (Same, Vec<usize>) {
        let sender = name(&hop.from);
        let named = sender.and_then(|name| self.names.get(name)).map(|named| &named.ends);
        let groups = [Some(false), sender.is_none().then_some(true)].into_iter().flatten();
        let addressed = groups.filter_map(|named| self.addrs.get(&(&*hop.from.addr, named)));
        let sure: Vec<_> = named.into_iter().chain(addressed).collect();
        let open = || sure.iter().flat_map(|ends| ends.range((hop.time, 0)..)).map(|(_, at)| *at);
        let done = || sure.iter().flat_map(|ends| ends.range(..(hop.time, 0))).map(|(_, at)| *at);
        let either = |mut open: Vec<usize>, same: Same| {
            if again || open.is_empty() {
                let could = |at: &usize| same == Same::Surely || self.could(hop, &self.hops[*at].to.addr);
                open.extend(self.those(self.let_go.iter().copied().filter(could), hop, (same, Moment::LetGo)));
            }
            open
        };
        let surely = either(self.those(open(), hop, (Same::Surely, Moment::Open)), Same::Surely);
        if !surely.is_empty() {
            return (Same::Surely, surely);
        }
        let done = self.those(done(), hop, (Same::Surely, Moment::Done));
        if !done.is_empty() {
            return (Same::Surely, done);
        }
        let others = self.hosts.get(hop.from.host()).into_iter().flatten();
        let may = others.filter(|(addr, named)| *addr != &*hop.to.addr && !(sender.is_some() && *named) && self.could(hop, addr));
        let may: Vec<_> = may.filter_map(|addr| self.addrs.get(addr)).collect();
        let open = may.iter().flat_map(|ends| ends.range((hop.time, 0)..));
        let open = open.filter(|entry| self.waited(entry, hop)).map(|(_, at)| *at);
        let open = either(self.those(open, hop, (Same::Maybe, Moment::Open)), Same::Maybe);
        if !open.is_empty() || everybodys(hop.from.host()) {
            return (Same::Maybe, open);
        }
        let done = may.iter().flat_map(|ends| ends.range(..(hop.last, 0))).map(|(_, at)| *at);
        (Same::Maybe, self.those(done, hop, (Same::Maybe, Moment::Done)))
    }

    /// Whether what was open when a flow was sent may have been waited for beyond its end.
    fn waited(&self, (end, at): &(Time, usize), hop: &Hop) -> bool {
        *end >= hop.last || self.hops[*at].end.is_none() || went_wrong(self.hops[*at])
    }

    /// The messages that a broker may have passed on: that very one, where it is there.
    fn published(&self, hop: &Hop) -> (Same, Vec<usize>) {
        let topic = self.topics.get(&hop.extra().topic).map(Vec::as_slice).unwrap_or_default();
        let ranked = |at: usize| {
            let same = self.rank(at, hop)?.0;
            (same == Same::Surely || self.could(hop, &self.hops[at].to.addr)).then_some(same)
        };
        let surely = topic.iter().rev().any(|&at| ranked(at) == Some(Same::Surely));
        let best = if surely { Same::Surely } else { Same::Maybe };
        let of = |all: &mut dyn Iterator<Item = &usize>| -> Vec<usize> {
            all.copied().filter(|&at| ranked(at) == Some(best)).take(MAX_DEPTH + 1).collect()
        };
        let message = hop.span.and_then(|span| self.messages.get(&(hop.extra().topic, span)));
        let very = of(&mut message.into_iter().flatten().filter(|&&at| same_message(self.hops[at], hop)));
        if very.is_empty() { (best, of(&mut topic.iter())) } else { (best, very) }
    }

    /// Those of one rank, and no more than tell that they are too many.
    fn those(&self, all: impl Iterator<Item = usize>, hop: &Hop, rank: (Same, Moment)) -> Vec<usize> {
        let own = hop.from.pid().is_some_and(|pid| self.pids.contains(&pid));
        let is = |at: &usize| !another_process(self.hops[*at], hop, own) && self.rank(*at, hop) == Some(rank);
        all.filter(is).take(MAX_DEPTH + 1).collect()
    }

    fn rank(&self, at: usize, hop: &Hop) -> Option<(Same, Moment)> {
        shared(self.hops[at], hop).and_then(|_| rank(self.hops[at], hop))
    }

    /// One address is one sender: whoever it is could send what came from it first, too.
    fn could(&self, hop: &Hop, addr: &str) -> bool {
        self.firsts.get(&*hop.from.addr).is_none_or(|first| first.contains(addr))
    }

    /// To which addresses what may have caused a flow was sent.
    fn reached(&self, hop: &Hop) -> BTreeSet<&'h str> {
        if hop.pattern == Pattern::Deliver {
            let topic = self.topics.get(&hop.extra().topic).into_iter().flatten();
            return topic.map(|&at| self.hops[at]).filter(|up| rank(up, hop).is_some()).map(|up| &*up.to.addr).collect();
        }
        let sender = name(&hop.from);
        let named = sender.and_then(|name| self.names.get(name)).into_iter().flat_map(|named| named.addrs.iter().copied());
        let from = if everybodys(hop.from.host()) { hop.time } else { Time::from_nanos(i64::MIN) };
        let others = self.hosts.get(hop.from.host()).into_iter().flatten().filter(|(addr, named)| {
            let may = || {
                let all = self.addrs[&(*addr, *named)].range((from, 0)..);
                let mut may = all.filter(|entry| !everybodys(hop.from.host()) || self.waited(entry, hop));
                may.any(|(_, at)| rank(self.hops[*at], hop).is_some())
            };
            !(sender.is_some() && *named) && (*addr == &*hop.from.addr || *addr != &*hop.to.addr && may())
        });
        let let_go = self.let_go.iter().map(|&at| self.hops[at]).filter(|up| rank(up, hop).is_some()).map(|up| &*up.to.addr);
        others.map(|(addr, _)| *addr).chain(named).chain(let_go).collect()
    }
}
