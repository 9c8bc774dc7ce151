//! Who talks to whom: settled flows summed up by sender, receiver, what lies between them and protocol. It has no clock.

use super::load::Sum;
use crate::model::{Detail, Dir, Edge, FlowRef, Party, Service, Value};
use crate::time::Time;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many edges are told apart: far more than a person looks through, and with their services' sums 26 MiB at the very most (a sum
/// holds 13 KiB then; mostly it is a fifth of that). Beyond it flows are counted under [`OTHER`].
pub const MAX_EDGES: usize = 1024;
/// From how many edges on a new topic is no edge of its own: a topic for each device or reply must not crowd out the services.
const MAX_TOPICS: usize = MAX_EDGES / 2;
/// Stands for both ends of the edges beyond the limit: no name that a service could well have.
pub const OTHER: &str = "(other)";
/// The fields that name a topic or queue, by the protocols' own names. The first that a flow has counts.
const BETWEEN: &[&str] = &["amqp.queue", "amqp.exchange", "kafka.topic", "nats.subject", "mqtt.topic", "stomp.destination"];

/// All edges.
#[derive(Debug, Default)]
pub struct Edges {
    /// By name; each service is there once it has sent or been sent something.
    services: BTreeMap<Arc<str>, Node>,
    edges: usize,
    flows: u64,
    /// When the first flow began.
    began: Option<Time>,
}

/// A service.
#[derive(Debug, Default)]
struct Node {
    serves: Sum,
    /// In the order of [`Call::place`].
    calls: Vec<Call>,
}

/// An edge, from its service's side.
#[derive(Debug)]
struct Call {
    to: Arc<str>,
    via: Option<Arc<str>>,
    protocol: &'static str,
    dir: Dir,
    sum: Sum,
}

/// What tells an edge from others.
#[derive(Clone, Copy)]
struct Key<'a> {
    from: &'a str,
    to: &'a str,
    via: Option<&'a str>,
    protocol: &'static str,
}

impl Edges {
    /// Counts a flow that has settled.
    pub fn add(&mut self, flow: FlowRef<'_>) {
        let row = flow.row;
        // what a broker or server sends on its own goes from the server to the client
        let dir = if row.pattern.one_way() { row.dir } else { Dir::ToServer };
        let (client, server) = (client_label(flow.client), flow.server.label());
        let (from, to) = if dir == Dir::ToServer { (client, server) } else { (server, client) };
        let wanted = Key { from, to, via: flow.detail.and_then(between), protocol: row.protocol };
        let key = self.room_for(wanted);
        self.flows += 1;
        self.began = Some(self.began.map_or(row.time, |began| began.min(row.time)));
        self.call(key, dir).sum.add(flow);
        self.services.entry(key.to.into()).or_default().serves.add(flow);
    }

    /// How many flows were counted.
    pub fn flows(&self) -> u64 {
        self.flows
    }

    /// Everything, in the order of names, with rates as of `now`.
    pub fn table(&mut self, now: Time) -> Vec<Service> {
        let began = self.began.unwrap_or(now);
        let edge = |from: &Arc<str>, call: &mut Call| Edge {
            from: Arc::clone(from),
            to: Arc::clone(&call.to),
            via: call.via.clone(),
            protocol: call.protocol,
            dir: call.dir,
            load: call.sum.load(began, now),
        };
        let service = |(name, node): (&Arc<str>, &mut Node)| Service {
            name: Arc::clone(name),
            serves: node.serves.load(began, now),
            calls: node.calls.iter_mut().map(|call| edge(name, call)).collect(),
        };
        self.services.iter_mut().map(service).collect()
    }

    /// The edge that a flow counts for: its own, or where there is no room for that one more, the next best.
    fn room_for<'a>(&self, wanted: Key<'a>) -> Key<'a> {
        let without = Key { via: None, ..wanted };
        let known = |key: Key<'_>| self.services.get(key.from).is_some_and(|n| n.find(key).is_ok());
        match () {
            () if known(wanted) || self.edges < MAX_TOPICS => wanted,
            () if known(without) || self.edges < MAX_EDGES => without,
            () => Key { from: OTHER, to: OTHER, ..without },
        }
    }

    fn call(&mut self, key: Key<'_>, dir: Dir) -> &mut Call {
        let node = self.services.entry(key.from.into()).or_default();
        let at = match node.find(key) {
            Ok(at) => at,
            Err(at) => {
                let (to, via, protocol, sum) = (key.to.into(), key.via.map(Arc::from), key.protocol, Sum::default());
                node.calls.insert(at, Call { to, via, protocol, dir, sum });
                self.edges += 1;
                at
            }
        };
        &mut node.calls[at]
    }
}

impl Node {
    /// The place of an edge among this service's, or where it would be.
    fn find(&self, key: Key<'_>) -> Result<usize, usize> {
        self.calls.binary_search_by(|call| call.place(key))
    }
}

impl Call {
    fn place(&self, key: Key<'_>) -> Ordering {
        (&*self.to, self.via.as_deref(), self.protocol).cmp(&(key.to, key.via, key.protocol))
    }
}

/// A client's name. Without one its address alone: the port of a client is nobody's name.
fn client_label(party: &Party) -> &str {
    party.service.as_deref().unwrap_or_else(|| party.host())
}

/// The topic or queue that a message goes through; a default exchange has no name.
fn between(detail: &Detail) -> Option<&str> {
    BETWEEN.iter().find_map(|name| match detail.fields.get(name) {
        Some(Value::Text(text)) if !text.is_empty() => Some(&**text),
        _ => None,
    })
}

#[cfg(test)]
pub(super) mod tests;
