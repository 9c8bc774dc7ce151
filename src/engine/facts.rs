//! Who the endpoints are: an endpoint is an address and, where it is known, who held the socket; and the table of facts that names
//! them. Names are looked up when they are read.

use crate::chunked::Chunked;
use crate::model::{NOBODY, Origin, Owner, Party, Rank, Scope, UNKNOWN};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use regex::Regex;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// How many facts are held: a resolver that is fed by the wire (DNS answers) must not fill the memory, so that its oldest make room. What
/// the user said always counts.
const MAX_FACTS: usize = 1 << 16;
/// What one endpoint holds: its entry, its text (an address is at most 47 characters, in a shared allocation) and its place in the index.
pub(super) const ENDPOINT_COST: usize = size_of::<Endpoint>() + 64 + 8;

/// The table of endpoints and of what is known about them.
#[derive(Default)]
pub(super) struct Facts {
    endpoints: Chunked<Option<Endpoint>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    names: HashMap<(Scope, Rank), Arc<str>>,
    /// What the wire named, the oldest first: that makes room.
    captured: VecDeque<Scope>,
    /// What the user named by networks, the longest first, and by patterns, in the order given.
    nets: Vec<(IpAddr, u8, Arc<str>)>,
    patterns: Vec<(Regex, Arc<str>)>,
    /// What those are called who accept connections, by where; none where they are several.
    listeners: HashMap<SocketAddr, Option<Arc<str>>>,
    version: u32,
}

/// An address in use, and the party as it was last looked up.
struct Endpoint {
    addr: SocketAddr,
    party: Arc<Party>,
    version: u32,
    users: u32,
}

impl Facts {
    /// The number of an address and its owner, taken into use once more; and whether it is new in the table.
    pub(super) fn hold(&mut self, addr: SocketAddr, owner: Option<&Arc<Owner>>) -> (u32, bool) {
        let hash = self.hasher.hash_one((addr, owner));
        let endpoints = &mut self.endpoints;
        let same = |at: &u32| entry(endpoints, *at).is_some_and(|e| e.addr == addr && e.party.owner.as_ref() == owner);
        if let Some(&at) = self.index.find(hash, same) {
            if let Some(Some(endpoint)) = endpoints.get_mut(at) {
                endpoint.users += 1;
            }
            return (at, false);
        }
        let text = if addr == UNKNOWN { NOBODY.into() } else { addr.to_string().into() };
        let party = Arc::new(Party { addr: text, service: None, rank: None, owner: owner.cloned() });
        let endpoint = Some(Endpoint { addr, party, version: self.version.wrapping_sub(1), users: 1 });
        let at = match self.free.pop() {
            Some(at) => {
                endpoints[at] = endpoint;
                at
            }
            None => endpoints.push(endpoint),
        };
        let hasher = &self.hasher;
        let rehash = |e: &Endpoint| hasher.hash_one((e.addr, e.party.owner.as_ref()));
        self.index.insert_unique(hash, at, |&at| entry(endpoints, at).map_or(0, rehash));
        (at, true)
    }

    /// One user less; the last one frees the number. Says how many bytes that freed.
    pub(super) fn release(&mut self, at: u32) -> usize {
        let Some(slot) = self.endpoints.get_mut(at) else { return 0 };
        let Some(endpoint) = slot else { return 0 };
        endpoint.users -= 1;
        if endpoint.users > 0 {
            return 0;
        }
        let hash = self.hasher.hash_one((endpoint.addr, endpoint.party.owner.as_ref()));
        *slot = None;
        self.free.push(at);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        ENDPOINT_COST
    }

    /// Learns a name; of two with the same scope and rank the later counts. Says whether it could be taken.
    pub(super) fn learn(&mut self, scope: Scope, rank: Rank, service: Arc<str>) -> bool {
        match &scope {
            Scope::Net(ip, bits) => {
                self.nets.retain(|(i, b, _)| (i, b) != (ip, bits));
                let at = self.nets.partition_point(|(_, b, _)| b > bits);
                self.nets.insert(at, (*ip, *bits, service));
            }
            Scope::Pattern(text) => {
                let Ok(pattern) = Regex::new(text) else { return false };
                self.patterns.retain(|(p, _)| p.as_str() != &**text);
                self.patterns.push((pattern, service));
            }
            Scope::Socket(_) | Scope::Port(_) | Scope::Ip(_) => {
                let key = (scope, rank);
                let new = !self.names.contains_key(&key);
                if new && self.names.len() >= MAX_FACTS && rank != Rank::User {
                    let Some(oldest) = self.captured.pop_front() else { return false };
                    self.names.remove(&(oldest, Rank::Capture));
                }
                if new && rank == Rank::Capture {
                    self.captured.push_back(key.0.clone());
                }
                let before = self.names.insert(key, Arc::clone(&service));
                if before.is_some_and(|before| before == service) {
                    return true;
                }
            }
        }
        self.version = self.version.wrapping_add(1);
        true
    }

    /// Somebody accepts connections at an address: the name of those that nobody is found for, as long as nobody else does. None: a
    /// loopback address of another network namespace, which is another one there.
    pub(super) fn listens(&mut self, addr: SocketAddr, owner: Option<&Owner>) {
        if owner.is_some_and(|owner| owner.origin == Origin::Exited) {
            return;
        }
        let (name, room) = (owner.map(|owner| &owner.service), self.listeners.len() < MAX_FACTS);
        match self.listeners.get_mut(&addr) {
            Some(None) => return,
            Some(Some(known)) if name == Some(known) => return,
            Some(known) => *known = None,
            None if room => _ = self.listeners.insert(addr, name.cloned()),
            None => return,
        }
        self.version = self.version.wrapping_add(1);
    }

    /// The name of whoever accepts connections at an address, as text.
    pub(super) fn listener(&self, addr: &str) -> Option<Arc<str>> {
        self.listeners.get(&addr.parse::<SocketAddr>().ok()?)?.clone()
    }

    /// Whether anybody is known to accept connections anywhere.
    pub(super) fn any_listens(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Changes whenever a name of addresses does.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// The address of an endpoint.
    pub(super) fn addr(&self, at: u32) -> Option<SocketAddr> {
        entry(&self.endpoints, at).map(|e| e.addr)
    }

    /// Both parties, with the names that are known now.
    pub(super) fn parties(&mut self, client: u32, server: u32) -> (&Arc<Party>, &Arc<Party>) {
        self.refresh(client);
        self.refresh(server);
        (self.party(client), self.party(server))
    }

    /// The name of a scope, from origins of a rank.
    pub(super) fn known(&self, scope: Scope, rank: Rank) -> Option<&Arc<str>> {
        self.names.get(&(scope, rank))
    }

    /// What an address is called by itself, whoever held its sockets: one as text, with a port or without.
    pub(super) fn called(&self, end: &str) -> Option<Arc<str>> {
        let addr = end.parse().or_else(|_| end.parse().map(|ip: IpAddr| SocketAddr::new(ip, 0))).ok()?;
        let party = Arc::new(Party { addr: end.into(), service: None, rank: None, owner: None });
        self.name(&Endpoint { addr, party, version: 0, users: 0 }).map(|(name, _)| name)
    }

    /// What whoever accepts connections at an address is called.
    pub(super) fn broker(&self, addr: SocketAddr) -> Option<Arc<str>> {
        let named = self.endpoints.iter().flatten().filter(|endpoint| endpoint.addr == addr).filter_map(|end| self.name(end));
        named.map(|(name, _)| name).next().or_else(|| self.called(&addr.to_string()))
    }

    fn party(&self, at: u32) -> &Arc<Party> {
        /// Stands for an endpoint that is not in the table; connections hold theirs, so none is ever seen.
        static STRANGER: std::sync::LazyLock<Arc<Party>> =
            std::sync::LazyLock::new(|| Arc::new(Party { addr: NOBODY.into(), service: None, rank: None, owner: None }));
        entry(&self.endpoints, at).map_or(&STRANGER, |e| &e.party)
    }

    fn refresh(&mut self, at: u32) {
        let stale = entry(&self.endpoints, at).is_some_and(|e| e.version != self.version);
        let name = if stale { entry(&self.endpoints, at).and_then(|e| self.name(e)) } else { return };
        if let Some(Some(endpoint)) = self.endpoints.get_mut(at) {
            let (service, rank) = name.unzip();
            endpoint.version = self.version;
            let party = Arc::make_mut(&mut endpoint.party);
            (party.service, party.rank) = (service, rank.flatten());
        }
    }

    /// The best name of an endpoint: what the user said, what its process is called, or who else accepts there, what its address is called;
    /// of the same kind the narrower. Last of all, that its process is gone. And the rank of one that is not its owner's.
    fn name(&self, endpoint: &Endpoint) -> Option<(Arc<str>, Option<Rank>)> {
        let Endpoint { addr, party, .. } = endpoint;
        let scopes = || [Scope::Socket(*addr), Scope::Port(addr.port()), Scope::Ip(addr.ip())];
        let [socket, port, ip] = scopes().map(|scope| self.known(scope, Rank::User));
        let process = party.owner.as_ref().and_then(|owner| owner.process.as_ref());
        let commands = || process.into_iter().flat_map(|p| std::iter::once(&p.command).chain(&p.opener));
        let is = |pattern: &Regex| pattern.is_match(&party.addr) || commands().any(|command| pattern.is_match(command));
        let pattern = || self.patterns.iter().find(|(pattern, _)| is(pattern)).map(|(_, name)| name);
        let net = || self.nets.iter().find(|(net, bits, _)| within(addr.ip(), *net, *bits)).map(|(.., name)| name);
        let user = socket.or(port).or_else(pattern).or(ip).or_else(net);
        let owner = |gone: bool| party.owner.as_ref().filter(|o| (o.origin == Origin::Exited) == gone).map(|o| &o.service);
        let ranks = || [Rank::System, Rank::Capture].into_iter().flat_map(|rank| scopes().map(|scope| (scope, rank)));
        let address = || ranks().find_map(|(scope, rank)| Some((self.known(scope, rank)?, Some(rank))));
        let owned = |gone| owner(gone).map(|name| (name, None));
        let user = user.map(|name| (name, Some(Rank::User)));
        let listener = || self.listeners.get(addr)?.as_ref().map(|name| (name, Some(Rank::Listener)));
        let known = user.or_else(|| owned(false)).or_else(listener).or_else(address).or_else(|| owned(true));
        known.map(|(name, rank)| (Arc::clone(name), rank))
    }
}

/// Whether an address begins with the first `bits` of another.
fn within(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let number = |ip| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((ip, width), (net, net_width)) = (number(ip), number(net));
    width == net_width && (ip ^ net).checked_shr(128 - u32::from(bits.min(width))).unwrap_or(0) == 0
}

fn entry(endpoints: &Chunked<Option<Endpoint>>, at: u32) -> Option<&Endpoint> {
    endpoints.get(at)?.as_ref()
}

#[cfg(test)]
mod tests;
