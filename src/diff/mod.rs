//! Two runs, hop by hop: what is missing in the second, what is new, slower, failed, or has lost its trace. Not how it is printed: [`text`]
//! does it for people, `output` for programs.
//!
//! Traces are paired by what began them, in order: the third `POST /checkout` with the third. Within a pair a hop is known by who asked whom
//! for what, and which time that was. IDs in paths do not tell operations apart (`GET /orders/17`). Flows outside of traces are compared
//! all those of one kind at once, since nothing says which belong together.

mod partners;
mod repeats;
pub mod text;

use crate::engine::control::is_introduction;
use crate::model::{FlowId, Owner, Pattern, TraceRecord};
use crate::story::{Brief, Story};
use crate::time::Span;
use partners::{Hop, partners};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// From which factor on a hop is slower: what two runs on one machine differ by without a reason lies well below.
pub const SLOWER: f64 = 2.0;
/// And by how much at least: below, it is the scheduler's.
pub const LEAST: Span = Span::from_millis(10);

/// One of the runs.
#[derive(Debug, Default)]
pub struct Run {
    /// What it did.
    pub story: Story,
    /// The flows that are looked at, and the traces of these; all, where there are none.
    pub chosen: Option<BTreeSet<FlowId>>,
}

/// What a hop is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Who asked.
    pub from: Arc<str>,
    /// Whom.
    pub to: Arc<str>,
    /// For what, without IDs.
    pub operation: String,
}

impl Key {
    /// Whether it is the same as far as their names tell: some are found in one run and not in the other.
    fn may_be(&self, other: &Self) -> bool {
        let end = |one: &str, other: &str| one == other || is_nameless(one) != is_nameless(other);
        self.operation == other.operation && end(&self.from, &other.from) && end(&self.to, &other.to)
    }

    /// Whether an end of it has no name.
    fn is_nameless(&self) -> bool {
        is_nameless(&self.from) || is_nameless(&self.to)
    }
}

/// Whether an end is called by its address, or only by whose its socket was.
fn is_nameless(end: &str) -> bool {
    end.parse::<IpAddr>().is_ok() || end.parse::<SocketAddr>().is_ok() || Owner::is_gone(end)
}

/// What became of a hop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole trace is not there any more; its root stands for it.
    MissingTrace,
    /// A whole trace is new.
    NewTrace,
    /// It is not there any more.
    Missing,
    /// It was not there.
    New,
    /// It went well, and does not any more.
    Failed,
    /// It has another status.
    Status,
    /// It carried the trace's context, and does not any more.
    TraceLost,
    /// It takes so many times as long.
    Slower(f64),
}

impl Kind {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MissingTrace => "missing_trace",
            Self::NewTrace => "new_trace",
            Self::Missing => "missing",
            Self::New => "new",
            Self::Failed => "failed",
            Self::Status => "status",
            Self::TraceLost => "trace_lost",
            Self::Slower(_) => "slower",
        }
    }
}

/// A difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// Of which hop.
    pub key: Key,
    /// Which time it was in its trace, from 1; none outside of traces.
    pub occurrence: Option<usize>,
    /// The hop in the first run.
    pub a: Option<Brief>,
    /// In the second.
    pub b: Option<Brief>,
    /// The same again, of the same hop under the same parent.
    pub repeats: Vec<Self>,
}

impl Difference {
    fn new(kind: Kind, key: Key, occurrence: Option<usize>, [a, b]: [Option<Brief>; 2]) -> Self {
        Self { kind, key, occurrence, a, b, repeats: Vec::new() }
    }

    /// It, and each time that it is there again.
    pub fn each(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.repeats)
    }

    /// How many times it is there.
    pub fn count(&self) -> usize {
        1 + self.repeats.len()
    }
}

/// Two traces, or what lies outside of all.
#[derive(Debug)]
pub struct Pair<'r> {
    /// What began them, without IDs; none: outside of all.
    pub root: Option<String>,
    /// The trace of each, where there is one.
    pub traces: [Option<&'r TraceRecord>; 2],
    /// What is different.
    pub differences: Vec<Difference>,
}

/// Compares all of two runs.
pub fn compare<'r>(a: &'r Run, b: &'r Run) -> Vec<Pair<'r>> {
    let (mut of_a, of_b) = (by_root(a), by_root(b));
    let outside = [outside(a), outside(b)];
    let mut astray = outside.clone();
    let mut pairs = Vec::new();
    let mut order: Vec<_> = of_a.keys().cloned().collect();
    order.extend(of_b.keys().filter(|root| !of_a.contains_key(*root)).cloned());
    for root in order {
        let (left, right) = (of_a.remove(&root).unwrap_or_default(), of_b.get(&root).cloned().unwrap_or_default());
        for at in 0..left.len().max(right.len()) {
            let traces = [left.get(at).copied(), right.get(at).copied()];
            let differences = match traces {
                [Some(left), Some(right)] => hops([(a, left), (b, right)], &mut astray),
                [Some(left), None] => whole(Kind::MissingTrace, a, left),
                [None, Some(right)] => whole(Kind::NewTrace, b, right),
                [None, None] => Vec::new(),
            };
            pairs.push(Pair { root: Some(root.clone()), traces, differences });
        }
    }
    // what went astray from a trace was told there
    let [mut left, mut right] = outside;
    for (side, astray) in [&mut left, &mut right].into_iter().zip(&astray) {
        side.retain(|key, flows| {
            flows.retain(|flow| astray.get(key).is_some_and(|rest| rest.iter().any(|f| f.id == flow.id)));
            !flows.is_empty()
        });
    }
    pairs.push(Pair { root: None, traces: [None, None], differences: crowds(&left, &right) });
    pairs
}

/// Compares one trace of each, by their IDs; says which cannot be found.
pub fn compare_two<'r>(a: &'r Run, b: &'r Run, ids: &[String; 2]) -> Result<Pair<'r>, usize> {
    let find = |run: &'r Run, id: &str| {
        let is = |known: &str| known.eq_ignore_ascii_case(id);
        run.story.traces().find(|trace| is(&trace.trace_id) || trace.trace_ids.iter().any(|known| is(known)))
    };
    let (left, right) = (find(a, &ids[0]).ok_or(0_usize)?, find(b, &ids[1]).ok_or(1_usize)?);
    let differences = hops([(a, left), (b, right)], &mut [outside(a), outside(b)]);
    Ok(Pair { root: Some(root(a, left)), traces: [Some(left), Some(right)], differences })
}

/// The traces that are looked at, by what began them.
fn by_root(run: &Run) -> BTreeMap<String, Vec<&TraceRecord>> {
    let mut traces: BTreeMap<String, Vec<&TraceRecord>> = BTreeMap::new();
    let chosen = |trace: &&TraceRecord| run.chosen.as_ref().is_none_or(|c| trace.tree.iter().any(|node| c.contains(&node.flow)));
    for trace in run.story.traces().filter(chosen) {
        traces.entry(root(run, trace)).or_default().push(trace);
    }
    traces
}

fn root(run: &Run, trace: &TraceRecord) -> String {
    let root = trace.tree.first().and_then(|node| run.story.flow(node.flow));
    root.map_or_else(|| "(not remembered)".to_owned(), |root| shape(&root.operation))
}

fn key(flow: &Brief) -> Key {
    Key { from: Arc::clone(&flow.from), to: Arc::clone(&flow.to), operation: shape(&flow.operation) }
}

/// How names begin that a server or a client's library makes up for each queue anew: of RabbitMQ's queues without a name, of its direct
/// replies, of Spring's anonymous queues, of the inboxes of NATS.
const MADE_UP: &[&str] = &["amq.gen-", "amq.rabbitmq.reply-to.", "spring.gen-", "_INBOX."];

/// A word without what is made up anew each time: the rest of such a name, and UUIDs (RFC 9562 §4).
fn lasting(word: &str) -> String {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let made_up = |known: &&&str| word.starts_with(**known) && word.len() > known.len();
    if let Some(known) = MADE_UP.iter().find(made_up) {
        return format!("{known}*");
    }
    let is_uuid = |text: &str| {
        let hexadecimal = |group: &str| group.bytes().all(|b| b.is_ascii_hexdigit());
        text.split('-').map(str::len).eq(GROUPS) && text.split('-').all(hexadecimal)
    };
    let length = GROUPS.iter().sum::<usize>() + GROUPS.len() - 1;
    let found = word.char_indices().find(|(at, _)| word.get(*at..at + length).is_some_and(is_uuid));
    match found.and_then(|(at, _)| Some((word.get(..at)?, word.get(at + length..)?))) {
        Some((before, after)) => format!("{before}*{after}"),
        None => word.to_owned(),
    }
}

/// An operation without what looks like an ID: parts of its path that are numbers, or have a digit and are long or joined by a sign; names
/// that are made up.
pub fn shape(operation: &str) -> String {
    const LONG: usize = 8;
    let operation = operation.split(' ').map(lasting).collect::<Vec<_>>().join(" ");
    let is_id = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let signs = part.bytes().any(|b| b"-_".contains(&b));
        let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        digits > 0 && plain && (digits == part.len() || part.len() >= LONG || signs)
    };
    let parts = operation.split('/').map(|part| if is_id(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Whether it is no failure, and there or not as its connection is new or not.
fn is_aside(flow: &Brief) -> bool {
    !flow.ok && is_introduction(flow.protocol, &flow.operation, flow.status.as_deref())
}

/// The hops of a trace, each with which time it was.
fn occurrences(run: &Run, trace: &TraceRecord) -> Vec<Hop> {
    let mut times: BTreeMap<Key, usize> = BTreeMap::new();
    let flows = trace.tree.iter().filter_map(|node| run.story.flow(node.flow)).filter(|flow| !is_aside(flow));
    flows
        .map(|flow| {
            let key = key(flow);
            let time = times.entry(key.clone()).or_default();
            *time += 1;
            ((key, *time), flow.clone())
        })
        .collect()
}

/// Two traces hop by hop. What is missing may have gone `astray`: it came, and in no trace.
fn hops(traces: [(&Run, &TraceRecord); 2], astray: &mut [BTreeMap<Key, Vec<Brief>>; 2]) -> Vec<Difference> {
    let [left, right] = traces.map(|(run, trace)| occurrences(run, trace));
    // those that came meanwhile, and in no trace
    let mut strays = |side: usize, key: &Key| {
        let trace = traces[side].1;
        let within = |flow: &Brief| flow.time >= trace.time && flow.time <= trace.time.after(trace.duration);
        let flows = astray[side].get_mut(key)?;
        let place = flows.iter().position(within)?;
        Some(flows.remove(place))
    };
    let (partners, rest) = partners(&left, right);
    let mut found = Vec::new();
    for ((at, a), b) in left.into_iter().zip(partners) {
        let mut tell = |kind, b| found.push(Difference::new(kind, at.0.clone(), Some(at.1), [Some(a.clone()), b]));
        match b.or_else(|| strays(1, &at.0)) {
            None => tell(Kind::Missing, None),
            // one without a context of its own in either is not in the trace where less of it could be told
            Some(b) => {
                let lost = a.carries == Some(true) && b.carries == Some(false);
                let kinds = changed(&a, &b).into_iter().chain(lost.then_some(Kind::TraceLost));
                kinds.for_each(|kind| tell(kind, Some(b.clone())));
            }
        }
    }
    for (at, b) in rest {
        let Some(a) = strays(0, &at.0) else {
            found.push(Difference::new(Kind::New, key(&b), Some(at.1), [None, Some(b)]));
            continue;
        };
        for kind in changed(&a, &b) {
            found.push(Difference::new(kind, at.0.clone(), Some(at.1), [Some(a.clone()), Some(b.clone())]));
        }
    }
    repeats::fold(found, traces.map(|(_, trace)| trace))
}

/// Whether how a hop went could not be seen: no answer to it was, and nothing says that none came.
fn is_unseen(flow: &Brief) -> bool {
    flow.ok && flow.status.is_none() && flow.duration.is_none()
}

/// How a hop that is there in both differs, but for its context. What was not seen in one of them is no difference.
fn changed(a: &Brief, b: &Brief) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let seen = [a, b].map(|flow| !is_unseen(flow));
    // of a message it may be told only that it went wrong
    if a.ok && !b.ok && (seen[0] || a.pattern == Pattern::Publish) {
        kinds.push(Kind::Failed);
    } else if seen == [true; 2] && status(a) != status(b) {
        kinds.push(Kind::Status);
    }
    kinds.extend(a.duration.zip(b.duration).and_then(|(a, b)| slower(a, b)));
    kinds
}

/// How it went: of a statement not for how many rows (PostgreSQL's protocol, CommandComplete).
fn status(flow: &Brief) -> Option<&str> {
    let rows = |c: char| c == ' ' || c.is_ascii_digit();
    let status = flow.status.as_deref()?;
    Some(if flow.ok && flow.protocol == "postgresql" { status.trim_end_matches(rows) } else { status })
}

fn slower(a: Span, b: Span) -> Option<Kind> {
    let factor = b.nanos() as f64 / a.nanos().max(1) as f64;
    (factor >= SLOWER && b.nanos().saturating_sub(a.nanos()) >= LEAST.nanos()).then_some(Kind::Slower(factor))
}

/// A trace without a partner.
fn whole(kind: Kind, run: &Run, trace: &TraceRecord) -> Vec<Difference> {
    let Some(root) = trace.tree.first().and_then(|node| run.story.flow(node.flow)) else { return Vec::new() };
    let (key, root) = (key(root), Some(root.clone()));
    let sides = if kind == Kind::MissingTrace { [root, None] } else { [None, root] };
    vec![Difference::new(kind, key, Some(1), sides)]
}

/// The flows in no trace, by what they are.
fn outside(run: &Run) -> BTreeMap<Key, Vec<Brief>> {
    let inside: BTreeSet<_> = run.story.traces().flat_map(|trace| &trace.tree).map(|node| node.flow).collect();
    let chosen = |flow: &&Brief| !inside.contains(&flow.id) && run.chosen.as_ref().is_none_or(|chosen| chosen.contains(&flow.id));
    let mut flows: BTreeMap<Key, Vec<Brief>> = BTreeMap::new();
    for flow in run.story.flows().filter(chosen).filter(|flow| !is_aside(flow)) {
        flows.entry(key(flow)).or_default().push(flow.clone());
    }
    flows
}

/// Flows outside of traces: whether there are any, whether any fail, how long the median takes.
fn crowds(a: &BTreeMap<Key, Vec<Brief>>, b: &BTreeMap<Key, Vec<Brief>>) -> Vec<Difference> {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        // what may be somebody's who has a name in the other run is told of that one
        let one = [a, b].map(|side| side.contains_key(key));
        let other = if one[0] { b } else { a };
        if one != [true; 2] && key.is_nameless() && other.keys().any(|named| key.may_be(named)) {
            continue;
        }
        let [left, right] = [a, b].map(|side| match side.get(key) {
            Some(flows) => flows.iter().collect(),
            None => side.iter().filter(|(other, _)| key.may_be(other)).flat_map(|(_, flows)| flows).collect::<Vec<_>>(),
        });
        let mut tell = |kind, a: Option<&Brief>, b: Option<&Brief>| {
            found.push(Difference::new(kind, key.clone(), None, [a.cloned(), b.cloned()]));
        };
        match (median(&left), median(&right)) {
            (Some(a), None) => tell(Kind::Missing, Some(a), None),
            (None, Some(b)) => tell(Kind::New, None, Some(b)),
            (None, None) => {}
            (Some(a), Some(b)) => {
                if left.iter().all(|flow| flow.ok)
                    && let Some(failed) = right.iter().find(|flow| !flow.ok)
                {
                    tell(Kind::Failed, Some(a), Some(failed));
                }
                if let Some(kind) = a.duration.zip(b.duration).and_then(|(a, b)| slower(a, b)) {
                    tell(kind, Some(a), Some(b));
                }
            }
        }
    }
    found
}

fn median<'f>(flows: &[&'f Brief]) -> Option<&'f Brief> {
    let mut sorted = flows.to_vec();
    sorted.sort_by_key(|flow| (flow.duration, flow.id));
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests;
