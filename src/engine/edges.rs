//! Who talks to whom: settled flows summed up by sender, receiver, what lies between them and protocol. It has no clock.
//!
//! An end is called as it was when the flow settled. A name that comes later moves what was counted: that of a socket's owner moves the
//! flows of its connection that are still there, that of an address all that bears the address.

mod shown;

use super::load::Sum;
use crate::model::{Dir, Edge, FlowRef, Party, Service, host_of};
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
        let (wanted, dir) = Key::of(flow);
        let key = self.room_for(wanted);
        self.flows += 1;
        self.began = Some(self.began.map_or(flow.row.time, |began| began.min(flow.row.time)));
        let edges = &mut self.edges;
        with(&mut self.services, key.from, |node| {
            let at = node.find(key).unwrap_or_else(|at| {
                let (to, via, protocol, sum) = (key.to.into(), key.via.map(Arc::from), key.protocol, Sum::default());
                node.calls.insert(at, Call { to, via, protocol, dir, sum });
                *edges += 1;
                at
            });
            node.calls[at].sum.add(flow);
        });
        with(&mut self.services, key.to, |node| node.serves.add(flow));
    }

    /// Counts a flow no more, as long as its ends are called as they were when it was counted; says whether it was. Where the table is
    /// full it may have been counted elsewhere: then it stays there.
    pub fn take_back(&mut self, flow: FlowRef<'_>) -> bool {
        let (key, _) = Key::of(flow);
        if self.edges >= MAX_TOPICS {
            return false;
        }
        let Some(node) = self.services.get_mut(key.from) else { return false };
        let Ok(at) = node.find(key) else { return false };
        let Some(call) = node.calls.get_mut(at) else { return false };
        call.sum.take_back(flow);
        if call.sum.is_empty() {
            node.calls.remove(at);
            self.edges -= 1;
        }
        with(&mut self.services, key.to, |node| node.serves.take_back(flow));
        self.flows -= 1;
        for end in [key.from, key.to] {
            if self.services.get(end).is_some_and(|node| node.calls.is_empty() && node.serves.is_empty()) {
                self.services.remove(end);
            }
        }
        true
    }

    /// Addresses may have got names, which `name` tells: what was counted for an address is counted for its name.
    pub fn rename(&mut self, name: impl Fn(&str) -> Option<Arc<str>>) {
        let named = |end: &Arc<str>| name(end).filter(|name| name != end);
        let new =
            |(end, node): (&Arc<str>, &Node)| named(end).is_some() || node.calls.iter().any(|call| named(&call.to).is_some());
        if !self.services.iter().any(new) {
            return;
        }
        for (end, node) in std::mem::take(&mut self.services) {
            let end = named(&end).unwrap_or(end);
            let into = self.services.entry(end).or_default();
            into.serves.merge(node.serves);
            for mut call in node.calls {
                call.to = named(&call.to).unwrap_or(call.to);
                match into.find(call.key()) {
                    Ok(at) => into.calls[at].sum.merge(call.sum),
                    Err(at) => into.calls.insert(at, call),
                }
            }
        }
        self.edges = self.services.values().map(|node| node.calls.len()).sum();
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

    /// What a service of this name or address is called in the table: a client without a name is there by its host alone.
    pub(super) fn row(&self, service: &Arc<str>) -> Arc<str> {
        let known = self.services.contains_key(service);
        let host = || self.services.get_key_value(host_of(service)).map(|(host, _)| Arc::clone(host));
        Some(service).filter(|_| known).cloned().or_else(host).unwrap_or_else(|| Arc::clone(service))
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
}

/// Does something with a service's entry, which is made where there is none.
fn with(services: &mut BTreeMap<Arc<str>, Node>, name: &str, work: impl FnOnce(&mut Node)) {
    match services.get_mut(name) {
        Some(node) => work(node),
        None => work(services.entry(name.into()).or_default()),
    }
}

impl<'a> Key<'a> {
    /// What a flow wants to be counted under, and which way the edge points on its connections.
    fn of(flow: FlowRef<'a>) -> (Self, Dir) {
        let row = flow.row;
        // what a broker or server sends on its own goes from the server to the client
        let dir = row.direction().unwrap_or(Dir::ToServer);
        let (client, server) = (client_label(flow.client), flow.server.label());
        let (from, to) = if dir == Dir::ToServer { (client, server) } else { (server, client) };
        (Self { from, to, via: flow.via(), protocol: row.protocol }, dir)
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

    /// Its place is the same from every service.
    fn key(&self) -> Key<'_> {
        Key { from: "", to: &self.to, via: self.via.as_deref(), protocol: self.protocol }
    }
}

/// A client's name. Without one its address alone: the port of a client is nobody's name.
fn client_label(party: &Party) -> &str {
    party.service.as_deref().unwrap_or_else(|| party.host())
}

#[cfg(test)]
pub(super) mod tests;
