//! Hops that are slow by themselves: far slower than their kind is, or most of a slow request. What waits for others is not, nor what may
//! have waited for a call of which nobody knows what it was because of.
//!
//! A hop is slow where it takes by itself
//! - more than 200 ms, and more than four times what 95 of 100 of at least 20 like hops took; or
//! - more than 200 ms, at least 60 % of its request, and more than ten times what three of four of at least 4 like hops took; or
//! - at least 60 % of a request that takes a second or longer.
//!
//! Like hops are of one receiver and operation or statement, literals left out: those that were judged before, and the others of its
//! own trace. A shorter time is never one: a scheduler, a collector of garbage or a busy machine make up for it. Where its receiver was at
//! work on more than four at once, that many times the usual is none either: it would take as long if they were done one after the other.

use super::company::Company;
use super::ledger::{excerpt, label};
use super::redelivery::times;
use super::waits::Waits;
use super::{Book, Detector, Look, Words, retries};
use crate::engine::traces::{Doubt, Hop, doubts};
use crate::model::{FindingKind, FlowRef, Pattern};
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// How many like hops tell what is usual, and how many do of what stands out all the more.
const USUAL: usize = 20;
const FEW: usize = 4;
/// How many of them are remembered of a kind, and how many kinds.
const MAX_SAMPLES: usize = 64;
const MAX_KINDS: usize = 1 << 12;
/// How much slower than nearly all of its kind a hop has to be, and how slow at least.
const TIMES: u64 = 4;
/// The same where it is most of its request, and most of its kind are quick.
const TIMES_FEW: u64 = 10;
const SLOW: Span = Span::from_millis(200);
/// From when on a request is slow, and how much of it in hundredths one hop has to take by itself.
const SLOW_REQUEST: Span = Span::from_secs(1);
const MOST: u64 = 60;

/// What is usual, by kind.
#[derive(Debug, Default)]
pub(super) struct Slow {
    kinds: HashMap<u64, Kind>,
    waits: Waits,
    company: Company,
}

/// How long the last hops of a kind took by themselves; those again that were the only ones that their receiver was at work on, which stay
/// where many come at once.
#[derive(Debug, Default)]
struct Kind {
    all: VecDeque<Span>,
    only: VecDeque<Span>,
}

impl Detector for Slow {
    fn seeks(&self) -> &'static str {
        "slow hops"
    }

    fn flow(&mut self, flow: FlowRef<'_>, _: &mut Book) {
        if answered(flow.row.pattern, flow.row.protocol) {
            self.company.add(flow);
        }
    }

    fn alone(&mut self, hop: &Hop, book: &mut Book) {
        if timed(hop) {
            let own = Own::of(hop, &[], &[]);
            self.learn(&own);
            self.unusual(&own, hop, book);
        }
    }

    fn unclaimed(&mut self, hop: &Hop, _: &mut Book) {
        self.waits.add(hop);
    }

    fn trace(&mut self, look: &Look<'_>, book: &mut Book) {
        let flows: Vec<_> = look.flows().collect();
        let mut children: Vec<Vec<&Hop>> = vec![Vec::new(); flows.len()];
        // the request that each hop is part of: what a queue hands on is part of none that waits for it
        let mut requests: Vec<usize> = Vec::with_capacity(flows.len());
        let mut doubts = doubts(&flows).into_iter().peekable();
        for (at, (hop, up)) in flows.iter().enumerate() {
            let up = up.map(|(up, _)| up).filter(|_| hop.pattern != Pattern::Deliver);
            if let Some(children) = up.and_then(|up| children.get_mut(up)) {
                children.push(hop);
            }
            // whichever of several caused it, it is part of the same request where those are
            let doubt = doubts.next_if(|doubt| doubt.at == at).filter(|doubt| doubt.whole);
            let either = doubt.and_then(|Doubt { maybe, .. }| {
                let mut those = maybe.iter().map(|up| requests.get(*up).copied());
                those.next()?.filter(|one| those.all(|other| other == Some(*one)))
            });
            requests.push(up.and_then(|up| requests.get(up).copied()).or(either).unwrap_or(at));
        }
        // those of which nothing is claimed
        let roots: Vec<_> = flows.iter().filter(|(_, up)| up.is_none()).map(|(hop, _)| *hop).collect();
        let mut all = Vec::with_capacity(flows.len());
        for (at, (hop, _)) in flows.iter().enumerate() {
            if hop.judged || !timed(hop) {
                continue;
            }
            let below = children.get(at).map(Vec::as_slice).unwrap_or_default();
            let own = Own::of(hop, below, &roots);
            let request = requests.get(at).and_then(|request| flows.get(*request)).map(|(request, _)| *request);
            let Some(request) = request.filter(|request| !request.held && !request.pending) else { continue };
            self.learn(&own);
            all.push((own, request, request.flow != hop.flow || !below.is_empty()));
        }
        for (own, request, shared) in all {
            if !self.unusual(&own, request, book) && shared {
                self.most(&own, request, book);
            }
        }
    }
}

/// Whether its time is its receiver's own doing.
fn timed(hop: &Hop) -> bool {
    answered(hop.pattern, hop.protocol) && !hop.held && !hop.pending && hop.seen && hop.end.is_some()
}

fn answered(pattern: Pattern, protocol: &str) -> bool {
    match pattern {
        Pattern::RequestResponse => protocol != "amqp",
        Pattern::Unary | Pattern::Query => true,
        _ => false,
    }
}

/// A hop, and the time that is its receiver's own.
struct Own<'h> {
    hop: &'h Hop,
    /// When something was under way that it caused or may have, or its request or answer itself.
    below: Vec<(Time, Time)>,
    /// The time in which nothing was.
    own: Span,
    /// Flows of its trace of which nothing is claimed.
    roots: &'h [&'h Hop],
}

impl<'h> Own<'h> {
    fn of(hop: &'h Hop, children: &[&Hop], roots: &'h [&'h Hop]) -> Self {
        // what gets no answer is waited for until it is given up, which is not seen
        let span = |child: &&Hop| (child.time.max(hop.time), if child.pending { hop.last } else { child.last.min(hop.last) });
        // nor is anybody at work between two attempts, or on what has not come yet, and who is done may wait until the other end takes it
        let asides = [(hop.time, hop.arrived()), (hop.answering(), hop.last)];
        let unread = hop.extra().unread.iter().copied();
        let below: Vec<_> = children.iter().map(span).chain(asides).chain(unread).chain(retries::pauses(hop, children)).collect();
        Self { hop, own: besides(hop, &below), below, roots }
    }

    /// The time in which it cannot have waited for anything that was seen.
    fn surely(&self, waits: &Waits) -> Span {
        let more = waits.within(self.hop, self.roots);
        if more.is_empty() { self.own } else { besides(self.hop, &[self.below.as_slice(), &more].concat()) }
    }
}

fn remember(samples: &mut VecDeque<Span>, one: Span, most: usize) {
    samples.push_back(one);
    if samples.len() > most {
        samples.pop_front();
    }
}

/// How much of a hop's time lies outside all of these.
fn besides(hop: &Hop, spans: &[(Time, Time)]) -> Span {
    let mut spans: Vec<_> = spans.iter().filter(|(from, to)| from < to).collect();
    spans.sort_unstable();
    let (mut covered, mut until) = (0, hop.time);
    for (from, to) in spans {
        covered += to.since((*from).max(until)).nanos();
        until = until.max(*to);
    }
    Span::from_nanos(hop.last.since(hop.time).nanos().saturating_sub(covered))
}

impl Slow {
    /// It counts among its kind.
    fn learn(&mut self, of: &Own<'_>) {
        let kind = of.hop.kind();
        if self.kinds.len() < MAX_KINDS || self.kinds.contains_key(&kind) {
            let only = self.company.of(of.hop) == 0;
            let kind = self.kinds.entry(kind).or_default();
            remember(&mut kind.all, of.own, MAX_SAMPLES);
            if only {
                remember(&mut kind.only, of.own, USUAL);
            }
        }
    }

    /// What is usual for its kind, where it took far longer by itself: how many took how long at most, of how many, and it itself.
    fn usual(&self, of: &Own<'_>, request: &Hop) -> Option<(&'static str, Span, usize, Span)> {
        let mut others: Vec<_> = self.kinds.get(&of.hop.kind()).filter(|_| of.own > SLOW)?.all.iter().copied().collect();
        others.sort_unstable();
        if let Ok(itself) = others.binary_search(&of.own) {
            others.remove(itself);
        }
        let part = |hundredths: usize| others.get(others.len() * hundredths / 100).copied().unwrap_or_default();
        let at_once = self.at_once(of.hop);
        let far =
            |own: Span, usual: Span, times: u64| own > SLOW && own.nanos() > usual.nanos().saturating_mul(times.max(at_once));
        let told = |own: Span| {
            let (nearly_all, three) = (part(95), part(75));
            if others.len() >= USUAL && far(own, nearly_all, TIMES) {
                Some(("95 of 100", nearly_all))
            } else {
                let few = others.len() >= FEW && far(own, three, TIMES_FEW) && most_of(own, request);
                few.then_some(("three of four", three))
            }
        };
        told(of.own)?;
        let own = of.surely(&self.waits);
        told(own).map(|(part, usual)| (part, usual, others.len(), own))
    }

    /// How many its receiver was at work on at once, with it, and may have done one after the other.
    fn at_once(&self, hop: &Hop) -> u64 {
        self.company.of(hop) as u64 + 1
    }

    /// Whether it took no longer than so many take one after the other, by what is known of its kind when it is the only one.
    fn in_line(&self, hop: &Hop, own: Span, at_once: u64) -> bool {
        let mut only: Vec<_> = self.kinds.get(&hop.kind()).into_iter().flat_map(|kind| kind.only.iter().copied()).collect();
        only.sort_unstable();
        let usual = only.get(only.len() * 3 / 4).filter(|_| only.len() >= FEW);
        usual.is_some_and(|usual| own.nanos() <= usual.nanos().saturating_mul(at_once))
    }

    /// Tells a hop that is far slower than its kind.
    fn unusual(&self, of: &Own<'_>, request: &Hop, book: &mut Book) -> bool {
        let hop = of.hop;
        let usual = self.usual(of, request);
        if let Some((part, usual, count, own)) = usual {
            let to = label(&hop.to);
            let words = Words {
                title: format!("{to} takes far longer than usual for {}", asked(hop)),
                service: Some(to.clone()),
                evidence: format!(
                    "{} by itself, where {part} of the {count} others took at most {}",
                    crate::units::duration(own),
                    crate::units::duration(usual)
                ),
                advice: format!(
                    "look at what {to} did then: a cold cache, a lock, a pause; what it waited for and meshtop sees is not in this time"
                ),
            };
            book.raise(FindingKind::SlowHop, &format!("{} unusual", kind_of(hop)), vec![hop.flow], words);
        }
        usual.is_some()
    }

    /// Tells a hop that is most of a slow request.
    fn most(&self, of: &Own<'_>, request: &Hop, book: &mut Book) {
        let hop = of.hop;
        let all = request.last.since(request.time);
        if all < SLOW_REQUEST || !most_of(of.own, request) {
            return;
        }
        let own = of.surely(&self.waits);
        let at_once = self.at_once(hop);
        if !most_of(own, request) || self.in_line(hop, own, at_once) {
            return;
        }
        let to = label(&hop.to);
        let percent = (own.nanos().saturating_mul(100) / all.nanos().max(1)).min(100);
        let (title, advice) = if request.flow == hop.flow {
            (
                format!("{to} spends most of a slow request by itself: {}", asked(hop)),
                format!("look at what {to} computes or waits for that is not on this wire; its calls are not in this time"),
            )
        } else {
            (
                format!("{to} takes most of the time of a slow request: {}", asked(hop)),
                match hop.pattern {
                    Pattern::Query => {
                        format!("make `{}` faster on {to} (an index, fewer rows), ask it less, or do not wait for it", asked(hop))
                    }
                    _ => format!("make {} of {to} faster, ask it less, or do not wait for it", asked(hop)),
                },
            )
        };
        let others = match at_once - 1 {
            0 => String::new(),
            others => format!("; it was at work on {} meanwhile", times(others, "other", "others")),
        };
        let evidence = format!(
            "{} of the {} that {} took ({percent} %){others}",
            crate::units::duration(own),
            crate::units::duration(all),
            request.operation
        );
        let flows = if request.flow == hop.flow { vec![hop.flow] } else { vec![request.flow, hop.flow] };
        let key = format!("{} {}", kind_of(hop), if request.flow == hop.flow { "by itself" } else { "of another" });
        book.raise(FindingKind::SlowHop, &key, flows, Words { title, service: Some(to.clone()), evidence, advice });
    }
}

/// Whether a time is most of a request's.
fn most_of(own: Span, request: &Hop) -> bool {
    let all = request.last.since(request.time).nanos();
    all > 0 && own.nanos().saturating_mul(100) >= all.saturating_mul(MOST)
}

/// What was asked, literals left out: of a query more than its first word says.
fn asked(hop: &Hop) -> String {
    if hop.pattern == Pattern::Query { excerpt(&hop.shape()) } else { hop.shape().into_owned() }
}

fn kind_of(hop: &Hop) -> String {
    format!("{} {}", label(&hop.to), hop.shape())
}

#[cfg(test)]
mod tests;
