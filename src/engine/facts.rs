//! Who the endpoints are: addresses by number, and the table of facts that names them. Names are looked up when they are read.

use crate::model::{Fact, Party, Rank, Scope};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;

/// How many facts are held: a resolver that is fed by the wire (DNS answers) must not fill the memory. What the user said always counts.
const MAX_FACTS: usize = 1 << 16;
/// How many endpoints may be waited for at once; one more is simply not waited for.
const MAX_AWAITED: usize = 1 << 14;
/// What one endpoint holds: its entry, its text (an address is at most 47 characters, in a shared allocation) and its place in the index.
pub(super) const ENDPOINT_COST: usize = size_of::<Endpoint>() + 64 + 8;

/// The table of endpoints and of what is known about them.
#[derive(Default)]
pub(super) struct Facts {
    endpoints: Vec<Option<Endpoint>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    names: HashMap<(Scope, Rank), Arc<str>>,
    awaited: HashSet<SocketAddr>,
    version: u32,
}

/// An address in use, and the party as it was last looked up.
struct Endpoint {
    addr: SocketAddr,
    party: Party,
    version: u32,
    users: u32,
}

impl Facts {
    /// The number of an address, taken into use once more; and whether it is new in the table.
    pub(super) fn hold(&mut self, addr: SocketAddr) -> (u32, bool) {
        let hash = self.hasher.hash_one(addr);
        let endpoints = &mut self.endpoints;
        if let Some(&at) = self.index.find(hash, |&at| entry(endpoints, at).is_some_and(|e| e.addr == addr)) {
            self.hold_again(at);
            return (at, false);
        }
        let party = Party { addr: addr.to_string().into(), service: None, pid: None, container: None };
        let endpoint = Some(Endpoint { addr, party, version: self.version.wrapping_sub(1), users: 1 });
        let at = match self.free.pop() {
            Some(at) => {
                endpoints[at as usize] = endpoint;
                at
            }
            None => {
                endpoints.push(endpoint);
                (endpoints.len() - 1) as u32
            }
        };
        let hasher = &self.hasher;
        self.index.insert_unique(hash, at, |&at| entry(endpoints, at).map_or(0, |e| hasher.hash_one(e.addr)));
        (at, true)
    }

    /// Takes a numbered address into use once more.
    pub(super) fn hold_again(&mut self, at: u32) {
        if let Some(Some(endpoint)) = self.endpoints.get_mut(at as usize) {
            endpoint.users += 1;
        }
    }

    /// One user less; the last one frees the number. Says how many bytes that freed.
    pub(super) fn release(&mut self, at: u32) -> usize {
        let Some(slot) = self.endpoints.get_mut(at as usize) else { return 0 };
        let Some(endpoint) = slot else { return 0 };
        endpoint.users -= 1;
        if endpoint.users > 0 {
            return 0;
        }
        let hash = self.hasher.hash_one(endpoint.addr);
        *slot = None;
        self.free.push(at);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        ENDPOINT_COST
    }

    /// Learns a fact; of two with the same scope and rank the later counts. Says whether there was room for it.
    pub(super) fn learn(&mut self, fact: Fact) -> bool {
        let key = (fact.scope, fact.rank);
        if let Scope::Socket(addr) = fact.scope {
            self.awaited.remove(&addr);
        }
        if self.names.len() >= MAX_FACTS && fact.rank != Rank::User && !self.names.contains_key(&key) {
            return false;
        }
        let before = self.names.insert(key, Arc::clone(&fact.service));
        if before.is_none_or(|before| before != fact.service) {
            self.version = self.version.wrapping_add(1);
        }
        true
    }

    /// Somebody is finding out who this is: flows with it wait, up to their deadline.
    pub(super) fn expect(&mut self, addr: SocketAddr) {
        if self.awaited.len() < MAX_AWAITED {
            self.awaited.insert(addr);
        }
    }

    /// Nobody will find out any more who this is.
    pub(super) fn give_up(&mut self, addr: SocketAddr) {
        self.awaited.remove(&addr);
    }

    /// Whether somebody is still finding out who this is.
    pub(super) fn awaits(&self, at: u32) -> bool {
        !self.awaited.is_empty() && entry(&self.endpoints, at).is_some_and(|e| self.awaited.contains(&e.addr))
    }

    /// Changes whenever a name does.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Both parties, with the names that are known now.
    pub(super) fn parties(&mut self, client: u32, server: u32) -> (&Party, &Party) {
        self.refresh(client);
        self.refresh(server);
        (self.party(client), self.party(server))
    }

    fn party(&self, at: u32) -> &Party {
        /// Stands for an endpoint that is not in the table; rows hold theirs, so none is ever seen.
        static NOBODY: std::sync::LazyLock<Party> =
            std::sync::LazyLock::new(|| Party { addr: "?".into(), service: None, pid: None, container: None });
        entry(&self.endpoints, at).map_or(&NOBODY, |e| &e.party)
    }

    fn refresh(&mut self, at: u32) {
        let Some(Some(endpoint)) = self.endpoints.get_mut(at as usize) else { return };
        if endpoint.version != self.version {
            endpoint.version = self.version;
            endpoint.party.service = name(&self.names, endpoint.addr).cloned();
        }
    }
}

fn entry(endpoints: &[Option<Endpoint>], at: u32) -> Option<&Endpoint> {
    endpoints.get(at as usize)?.as_ref()
}

/// The best name for an address: first by where it comes from, then the narrower scope.
fn name(names: &HashMap<(Scope, Rank), Arc<str>>, addr: SocketAddr) -> Option<&Arc<str>> {
    let scopes = [Scope::Socket(addr), Scope::Port(addr.port()), Scope::Ip(addr.ip())];
    [Rank::User, Rank::System, Rank::Capture]
        .into_iter()
        .flat_map(|rank| scopes.map(|scope| (scope, rank)))
        .find_map(|key| names.get(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(scope: Scope, rank: Rank, service: &str) -> Fact {
        Fact { scope, rank, service: service.into() }
    }

    #[test]
    fn rank_first_then_the_narrower_scope() {
        let addr: SocketAddr = "10.0.0.7:80".parse().unwrap();
        let mut facts = Facts::default();
        let (at, new) = facts.hold(addr);
        assert!(new);
        let mut label = |fact: Fact| {
            assert!(facts.learn(fact));
            facts.parties(at, at).0.label().to_owned()
        };
        assert_eq!(label(fact(Scope::Ip(addr.ip()), Rank::Capture, "by ip")), "by ip");
        assert_eq!(label(fact(Scope::Ip(addr.ip()), Rank::System, "system ip")), "system ip");
        assert_eq!(label(fact(Scope::Socket(addr), Rank::Capture, "socket, but capture")), "system ip");
        assert_eq!(label(fact(Scope::Ip(addr.ip()), Rank::User, "user ip")), "user ip");
        assert_eq!(label(fact(Scope::Port(80), Rank::User, "user port")), "user port");
        assert_eq!(label(fact(Scope::Socket(addr), Rank::User, "user socket")), "user socket");
        assert_eq!(label(fact(Scope::Socket(addr), Rank::User, "renamed")), "renamed");
    }

    #[test]
    fn a_number_lives_as_long_as_its_users() {
        let addr: SocketAddr = "[::1]:80".parse().unwrap();
        let other: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let mut facts = Facts::default();
        let (at, _) = facts.hold(addr);
        assert_eq!(facts.hold(addr), (at, false));
        assert_eq!(facts.release(at), 0);
        assert_eq!(facts.release(at), ENDPOINT_COST);
        assert_eq!(facts.release(at), 0, "gone already");
        assert_eq!(facts.hold(other), (at, true), "the number is free again");
        assert_eq!(&*facts.parties(at, at).0.addr, "127.0.0.1:80");
        assert_ne!(facts.hold(addr).0, at);
    }

    #[test]
    fn facts_from_the_wire_are_bounded_what_the_user_says_is_not_refused() {
        let mut facts = Facts::default();
        for n in 0..MAX_FACTS as u32 {
            assert!(facts.learn(fact(Scope::Ip(std::net::Ipv4Addr::from(n).into()), Rank::Capture, "x")));
        }
        assert!(!facts.learn(fact(Scope::Port(1), Rank::Capture, "one too many")));
        assert!(facts.learn(fact(Scope::Port(1), Rank::User, "mine")));
    }
}
