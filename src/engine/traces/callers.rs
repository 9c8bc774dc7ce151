//! Who sends by which address, where nobody has a name and all services share one host: a connection has one sender for as long as it lasts,
//! so that it is one of those who were asked something by whatever was sent on it. Of one that several traces came by others drop out.

use super::hop::{Hop, everybodys, name};
use super::trace::SEARCHED;
use super::tree::may_have_caused;
use crate::model::Pattern;
use hashbrown::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// How many addresses are remembered: then all is learned anew.
const MAX_CALLERS: usize = 1 << 14;
/// How many flows of one are looked at.
const MAX_LEARNED: u32 = 64;
/// One in so many may be because of something that was not seen.
const ONE_IN: u32 = 10;
/// After how many flows it is said that nobody was asked something by enough of them: then its sender is not to be seen among those.
const ENOUGH: u32 = 3;

/// Of each address what sent by it.
#[derive(Debug, Default)]
pub(super) struct Callers {
    known: HashMap<SocketAddr, Caller>,
    /// Where something was asked that may be of a trace, and it could not be seen of which.
    unseen: HashSet<Arc<str>>,
}

/// How many flows were looked at, and because of what was sent to which addresses each of them may be.
#[derive(Debug, Default)]
struct Caller {
    seen: u32,
    asked_at: Vec<(Arc<str>, u32)>,
}

impl Callers {
    /// A connection begins at an address: it may be somebody else's than the one before.
    pub(super) fn began(&mut self, client: SocketAddr) {
        if !self.known.is_empty() {
            self.known.remove(&client);
        }
    }

    /// Something was asked at an address, and not all that was said with it could be seen.
    pub(super) fn unseen(&mut self, asked_at: &Arc<str>) {
        if self.unseen.len() < MAX_CALLERS && !self.unseen.contains(asked_at) {
            self.unseen.insert(Arc::clone(asked_at));
        }
    }

    /// Learns from a trace.
    pub(super) fn learn(&mut self, hops: &[Hop]) {
        if hops.len() > SEARCHED {
            return;
        }
        for hop in hops.iter().filter(|hop| is_nameless(hop)) {
            let Ok(addr) = hop.from.addr.parse() else { continue };
            if self.known.get(&addr).is_some_and(|caller| caller.seen >= MAX_LEARNED) {
                continue;
            }
            // what nothing that was seen can have caused tells nothing
            let Some(asked_at) = may_have_caused(hops, hop).filter(|asked_at| !asked_at.is_empty()) else { continue };
            if self.known.len() >= MAX_CALLERS {
                self.known.clear();
            }
            let caller = self.known.entry(addr).or_default();
            caller.seen += 1;
            for addr in asked_at {
                match caller.asked_at.iter_mut().find(|(known, _)| *known == addr) {
                    Some((_, times)) => *times += 1,
                    None => caller.asked_at.push((addr, 1)),
                }
            }
        }
    }

    /// Has a trace's flows know where their senders are not.
    pub(super) fn tell(&self, hops: &mut [Hop]) {
        if self.known.is_empty() || hops.len() > SEARCHED {
            return;
        }
        let mut addrs: Vec<Arc<str>> = hops.iter().map(|hop| Arc::clone(&hop.to.addr)).collect();
        addrs.sort_unstable();
        addrs.dedup();
        for hop in hops.iter_mut().filter(|hop| is_nameless(hop)) {
            let Some(caller) = hop.from.addr.parse().ok().and_then(|addr: SocketAddr| self.known.get(&addr)) else { continue };
            // one who may have been asked each time, for all that anybody could see
            if caller.asked_at.iter().any(|(addr, _)| self.unseen.contains(addr)) {
                continue;
            }
            let mut senders = caller.senders().peekable();
            if caller.seen < ENOUGH && senders.peek().is_none() {
                continue;
            }
            let senders: Vec<_> = senders.collect();
            let strangers = &mut hop.extra_mut().strangers;
            strangers.extend(addrs.iter().filter(|addr| !senders.contains(addr)).cloned());
            strangers.sort_unstable();
            strangers.dedup();
        }
    }
}

impl Caller {
    /// Where they were asked who may have sent all of it, as far as all of what they were asked was seen.
    fn senders(&self) -> impl Iterator<Item = &Arc<str>> {
        self.asked_at.iter().filter(|(_, times)| times * ONE_IN >= self.seen * (ONE_IN - 1)).map(|(addr, _)| addr)
    }
}

/// Whether nothing tells who sent a flow.
fn is_nameless(hop: &Hop) -> bool {
    let sends = hop.to_server && hop.pattern != Pattern::Deliver && !hop.veiled;
    sends && name(&hop.from).is_none() && everybodys(hop.from.host())
}

#[cfg(test)]
mod tests;
