//! The lines of the table of brokers, from what went over the edges and from what taps were told. What they look like is not here.

use super::super::services::{client_is, quoted};
use crate::engine::view;
use crate::model::{Attachment, Binding, Dir, Edge, Load, Queue, RECENT};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the names of exchanges begin with that every virtual host has (§3.1.3 of AMQP 0-9-1): told once somebody uses them.
const STANDARD: &str = "amq.";

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is about.
    pub what: What,
    /// What went through there: of a broker and of a topic all, without percentiles, which cannot be added; none where nothing is counted.
    pub load: Option<Load>,
    /// What finds its flows.
    pub filter: String,
    /// What tells it from all others, wherever it stands.
    pub id: String,
}

/// What a line is about.
#[derive(Clone, Debug)]
pub enum What {
    /// A broker, with those of our taps that are to watch it.
    Broker { name: Arc<str>, protocol: &'static str, taps: Vec<Arc<Attachment>> },
    /// Where messages go in (an exchange with its type), or where they come from (a queue with what it holds).
    Topic { name: Arc<str>, dir: Dir, kind: Option<String>, queue: Option<Queue> },
    /// Who publishes there, or takes from there.
    Party { name: Arc<str>, dir: Dir },
    /// A consumer that the broker tells of.
    Consumer { at: String, tag: String },
    /// Where an exchange hands messages to.
    Bound(Binding),
    /// What is not known, or not told.
    Note(String),
}

/// What lies in a broker, by whether it is a queue, and by name.
type Topics<'t> = BTreeMap<(usize, &'t str), Topic<'t>>;

#[derive(Default)]
struct Topic<'t> {
    edges: Vec<&'t Edge>,
    kind: Option<&'t str>,
    queue: Option<&'t Queue>,
    /// Whether there are several queues of the name, so that none is told.
    several: bool,
    bound: Vec<&'t Binding>,
}

#[derive(Default)]
struct Broker<'t> {
    taps: Vec<&'t Arc<Attachment>>,
    topics: Topics<'t>,
}

/// The lines: brokers by name, what is published to before what is delivered from, each by name.
pub fn lines(table: &view::Services) -> Vec<Line> {
    let mut brokers: BTreeMap<(&Arc<str>, &'static str), Broker<'_>> = BTreeMap::new();
    for edge in table.list.iter().flat_map(|service| &service.calls) {
        let Some(via) = &edge.via else { continue };
        let broker = brokers.entry((ends(edge).0, edge.protocol)).or_default();
        broker.topics.entry((edge.dir.index(), via)).or_default().edges.push(edge);
    }
    for (name, tap) in &table.taps {
        let broker = brokers.entry((name, tap.protocol)).or_default();
        // a tap's name tells its virtual host: what that holds is told once
        if broker.taps.iter().all(|other| other.name != tap.name) {
            broker.holds(tap);
        }
        broker.taps.push(tap);
    }
    brokers.into_iter().flat_map(|((name, protocol), broker)| broker.lines(name, protocol)).collect()
}

impl<'t> Broker<'t> {
    /// What a tap was told that the broker holds.
    fn holds(&mut self, tap: &'t Attachment) {
        let Some(Ok(topology)) = &tap.holds else { return };
        let exchange = |name: &'t str| (Dir::ToServer.index(), name);
        for held in &topology.exchanges {
            let used = |binding: &Binding| binding.source == held.name || binding.to_exchange && binding.destination == held.name;
            let known = !held.name.starts_with(STANDARD) || topology.bindings.iter().any(used);
            if known || self.topics.contains_key(&exchange(&held.name)) {
                self.topics.entry(exchange(&held.name)).or_default().kind = Some(&held.kind);
            }
        }
        for queue in &topology.queues {
            let topic = self.topics.entry((Dir::ToClient.index(), &queue.name)).or_default();
            // two virtual hosts have one of this name: flows do not tell which it is
            topic.several |= topic.queue.is_some();
            topic.queue = Some(queue);
        }
        for binding in &topology.bindings {
            if let Some(topic) = self.topics.get_mut(&exchange(&binding.source))
                && !topic.bound.contains(&binding)
            {
                topic.bound.push(binding);
            }
        }
    }

    fn lines(self, name: &Arc<str>, protocol: &'static str) -> Vec<Line> {
        let filter = format!("server == {} and proto == {protocol}", quoted(name));
        let load = sum(self.topics.values().flat_map(|topic| &topic.edges).map(|edge| &edge.load));
        let taps: Vec<_> = self.taps.iter().map(|tap| Arc::clone(tap)).collect();
        let notes: BTreeSet<_> = taps.iter().flat_map(|tap| note(tap)).collect();
        let what = What::Broker { name: Arc::clone(name), protocol, taps };
        let mut lines = vec![Line { what, load: Some(load), id: filter.clone(), filter: filter.clone() }];
        lines.extend(notes.into_iter().map(|note| Line {
            id: format!("{filter} {note}"),
            what: What::Note(note),
            load: None,
            filter: filter.clone(),
        }));
        for ((dir, topic), held) in self.topics {
            let dir = Dir::BOTH.into_iter().find(|known| known.index() == dir).unwrap_or(Dir::ToServer);
            let filter = format!("{filter} and via == {} and direction == {}", quoted(topic), dir.word());
            held.lines(topic, dir, &filter, &mut lines);
        }
        lines
    }
}

impl Topic<'_> {
    fn lines(self, name: &str, dir: Dir, filter: &str, lines: &mut Vec<Line>) {
        let queue = self.queue.filter(|_| !self.several);
        let load = sum(self.edges.iter().map(|edge| &edge.load));
        let what = What::Topic { name: name.into(), dir, kind: self.kind.map(str::to_owned), queue: queue.cloned() };
        lines.push(Line { what, load: Some(load), id: filter.to_owned(), filter: filter.to_owned() });
        // who is at the other end the wire tells by name; the broker only by address
        let consumers = queue.filter(|_| self.edges.is_empty()).map(|queue| queue.consumers.as_slice()).unwrap_or_default();
        for edge in self.edges {
            let (_, party) = ends(edge);
            let filter = format!("{} and {filter}", client_is(party));
            let (what, load) = (What::Party { name: Arc::clone(party), dir }, Some(edge.load.clone()));
            lines.push(Line { what, load, id: filter.clone(), filter });
        }
        for (at, tag) in consumers {
            let what = What::Consumer { at: at.clone(), tag: tag.clone() };
            lines.push(Line { what, load: None, id: format!("{filter} {at} {tag}"), filter: filter.to_owned() });
        }
        for binding in self.bound {
            let id = format!("{filter} {:?}", (&binding.destination, binding.to_exchange, &binding.key));
            lines.push(Line { what: What::Bound(binding.clone()), load: None, id, filter: filter.to_owned() });
        }
    }
}

/// What is not known of a broker, or not told.
fn note(tap: &Attachment) -> Option<String> {
    match (&tap.detached, &tap.holds) {
        (Some(why), _) => Some(format!("not attached: {why}")),
        (None, Some(Err(why))) => Some(format!("what it holds is not known: {why}")),
        (None, Some(Ok(topology))) if topology.more > 0 => Some(format!("{} more are not shown", topology.more)),
        (None, _) => None,
    }
}

/// The broker of an edge, and the service at its other end.
fn ends(edge: &Edge) -> (&Arc<str>, &Arc<str>) {
    match edge.dir {
        Dir::ToServer => (&edge.to, &edge.from),
        Dir::ToClient => (&edge.from, &edge.to),
    }
}

fn sum<'l>(loads: impl Iterator<Item = &'l Load>) -> Load {
    let none = Load { count: 0, errors: 0, bytes: 0, p50: None, p95: None, p99: None, rate: 0.0, recent: [0; RECENT] };
    loads.fold(none, |mut sum, load| {
        sum.count += load.count;
        sum.errors += load.errors;
        sum.bytes += load.bytes;
        sum.rate += load.rate;
        sum.recent.iter_mut().zip(load.recent).for_each(|(sum, n)| *sum = sum.saturating_add(n));
        sum
    })
}
