//! Who sends by which address, where nobody has a name and all services share one host: a connection has one sender for as long as it
//! lasts, so that it is one of those who were asked something by whatever was sent on it. Of one that several traces came by others drop
//! out. And what is asked for now and then when all else of its trace is answered is asked for by somebody who goes on after the answer:
//! who is at work on something at such a flow may be so by chance.

use super::QUIET;
use super::hop::Hop;
use super::parties::{everybodys, name};
use super::trace::SEARCHED;
use super::tree::{is_after, may_have_caused};
use crate::model::Pattern;
use crate::time::Time;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// How many addresses are remembered, and kinds of flows: then all is learned anew.
const MAX_CALLERS: usize = 1 << 14;
/// How many flows of one are looked at.
const MAX_LEARNED: u32 = 64;
/// How many are remembered that were asked unseen: of traces from before that nothing is learned.
const MAX_UNSEEN: usize = 1 << 10;
/// One in so many may be because of something that was not seen, or may be sent by somebody who went on after the answer.
const ONE_IN: u32 = 10;
/// After how many flows it is said that nobody was asked something by enough of them: then its sender is not to be seen among those.
const ENOUGH: u32 = 3;

/// Of each address what sent by it.
#[derive(Debug, Default)]
pub(super) struct Callers {
    known: HashMap<SocketAddr, Caller>,
    /// How flows of each kind were sent, whoever sent them.
    kinds: HashMap<u64, Moments>,
    /// Where something was asked lately that may be of a trace, and it could not be seen of which, and from when to when.
    unseen: VecDeque<(Time, Time, Arc<str>)>,
    /// Until when such were asked as are forgotten.
    forgotten: Option<Time>,
}

/// How many flows were sent while something of their trace was open that may have caused them, and how many when all of it was answered.
#[derive(Debug, Default)]
struct Moments {
    within: u32,
    after: u32,
}

/// What was sent by an address, and because of what was sent to which addresses each of it may be.
#[derive(Debug, Default)]
struct Caller {
    sent: Moments,
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
    pub(super) fn unseen(&mut self, hop: &Hop) {
        if self.unseen.len() >= MAX_UNSEEN
            && let Some((_, last, _)) = self.unseen.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(last));
        }
        let until = hop.end.unwrap_or_else(|| hop.last.after(QUIET));
        self.unseen.push_back((hop.time, until, Arc::clone(&hop.to.addr)));
    }

    /// Learns from a trace.
    pub(super) fn learn(&mut self, hops: &[Hop]) {
        let Some(first) = hops.iter().map(|hop| hop.time).min().filter(|_| hops.len() <= SEARCHED) else { return };
        if self.forgotten.is_some_and(|until| until >= first) {
            return;
        }
        let last = hops.iter().map(|hop| hop.last).max().unwrap_or(first);
        // who may have been asked for it, for all that anybody could see
        let meanwhile = self.unseen.iter().filter(|(from, to, _)| *from <= last && *to >= first);
        let mut unseen: Vec<_> = meanwhile.map(|(_, _, addr)| Arc::clone(addr)).collect();
        unseen.sort_unstable();
        unseen.dedup();
        for hop in hops.iter().filter(|hop| is_nameless(hop)) {
            let Ok(addr) = hop.from.addr.parse() else { continue };
            if self.known.get(&addr).is_some_and(|caller| caller.sent.within + caller.sent.after >= MAX_LEARNED) {
                continue;
            }
            let after = is_after(hops, hop);
            let mut asked_at = if after { Vec::new() } else { may_have_caused(hops, hop).unwrap_or_default() };
            if !asked_at.is_empty() {
                let more: Vec<_> = unseen.iter().filter(|addr| !asked_at.contains(addr)).cloned().collect();
                asked_at.extend(more);
            } else if !after {
                // what nothing that was seen can have caused tells nothing
                continue;
            }
            if self.known.len() >= MAX_CALLERS {
                self.known.clear();
            }
            if self.kinds.len() >= MAX_CALLERS {
                self.kinds.clear();
            }
            let caller = self.known.entry(addr).or_default();
            for sent in [&mut caller.sent, self.kinds.entry(hop.kind()).or_default()] {
                *(if after { &mut sent.after } else { &mut sent.within }) += 1;
            }
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
            let caller = hop.from.addr.parse().ok().and_then(|addr: SocketAddr| self.known.get(&addr));
            let senders: Vec<_> = caller.into_iter().flat_map(Caller::senders).collect();
            let enough = caller.filter(|caller| caller.sent.within >= ENOUGH);
            let told = !senders.is_empty() && enough.is_some_and(|caller| !caller.sent.goes_on());
            let by_itself = !told && self.kinds.get(&hop.kind()).is_some_and(|kind| kind.after >= ENOUGH && kind.goes_on());
            if !by_itself && senders.is_empty() && enough.is_none() {
                continue;
            }
            let stranger = |addr: &&Arc<str>| by_itself || !senders.contains(addr);
            let strangers = &mut hop.extra_mut().strangers;
            strangers.extend(addrs.iter().filter(stranger).cloned());
            strangers.sort_unstable();
            strangers.dedup();
        }
    }
}

impl Moments {
    /// Whether who sends it may go on after the answer: that something is open then is chance.
    fn goes_on(&self) -> bool {
        self.after * ONE_IN > self.within + self.after
    }
}

impl Caller {
    /// Where they were asked who may have sent all of it.
    fn senders(&self) -> impl Iterator<Item = &Arc<str>> {
        self.asked_at.iter().filter(|(_, times)| times * ONE_IN >= self.sent.within * (ONE_IN - 1)).map(|(addr, _)| addr)
    }
}

/// Whether nothing tells who sent a flow.
fn is_nameless(hop: &Hop) -> bool {
    let sends = hop.to_server && hop.pattern != Pattern::Deliver && !hop.veiled;
    sends && name(&hop.from).is_none() && everybodys(hop.from.host())
}

#[cfg(test)]
mod tests;
