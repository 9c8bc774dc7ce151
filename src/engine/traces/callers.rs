//! Who sends by which address, where nobody has a name and all services share one host: a connection has one sender for as long as it
//! lasts, so that it is one of those who were asked something by whatever was sent on it. Of one that several traces came by others drop
//! out. And what is asked for now and then when all else of its trace is answered is asked for by somebody who goes on after the answer:
//! who is at work on something at such a flow may be so by chance.
//!
//! Flows of a kind have senders too, whichever connections they use: of those whose sender has a name all others are told, and who was at
//! work on nothing when one was sent did not send that one, so that nothing makes him likelier for the others than whom he works for.

use super::super::findings::label;
use super::QUIET;
use super::hop::Hop;
use super::outlives::Outlives;
use super::parties::{everybodys, name};
use super::trace::SEARCHED;
use super::tree::{is_after, may_have_caused};
use crate::model::{Party, Pattern};
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
/// After how many flows it is said that nobody was asked something by enough of them: then its sender is not to be seen among those. Of a
/// kind, how many senders have to be known.
const ENOUGH: u32 = 3;
/// Of a kind of which others sent one in so many, any of them may be theirs. Of fewer it may be that something was not captured.
const ONE_IN_OTHERS: u32 = 1000;
/// How many who may send flows of a kind are told apart: of more nothing is said.
const MAX_SENDERS: usize = 64;

/// Of each address what sent by it.
#[derive(Debug, Default)]
pub(super) struct Callers {
    known: HashMap<SocketAddr, Caller>,
    /// How flows of each kind were sent, and by whom.
    kinds: HashMap<u64, Kind>,
    /// Whether there was a flow of which nothing but its moment tells who sent it: before, nobody asks who sends others.
    in_need: bool,
    /// Where something was asked lately that may be of a trace, and it could not be seen of which, and from when to when.
    unseen: VecDeque<(Time, Time, Arc<Party>)>,
    /// Until when such were asked as are forgotten.
    forgotten: Option<Time>,
    /// Which kinds lie beside each other.
    pub(super) outlives: Outlives,
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

/// Flows of one kind: how those were sent whose sender has no name, and how many others there were.
#[derive(Debug, Default)]
struct Kind {
    sent: Moments,
    known: u32,
    senders: Vec<Sender>,
}

/// Who may send flows of a kind: how many it surely did, and how many it was at work on something at.
#[derive(Debug)]
struct Sender {
    label: Arc<str>,
    known: u32,
    at_work: u32,
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
        self.unseen.push_back((hop.time, until, Arc::clone(&hop.to)));
    }

    /// Learns from a trace.
    pub(super) fn learn(&mut self, hops: &[Hop]) {
        let Some(first) = hops.iter().map(|hop| hop.time).min().filter(|_| hops.len() <= SEARCHED) else { return };
        self.outlives.learn(hops);
        if self.forgotten.is_some_and(|until| until >= first) {
            return;
        }
        let last = hops.iter().map(|hop| hop.last).max().unwrap_or(first);
        // who may have been asked for it, for all that anybody could see
        let meanwhile = self.unseen.iter().filter(|(from, to, _)| *from <= last && *to >= first);
        let mut unseen: Vec<_> = meanwhile.map(|(_, _, party)| Arc::clone(party)).collect();
        sort(&mut unseen);
        for hop in hops.iter().filter(|hop| sends(hop)) {
            if name(&hop.from).is_some() {
                if self.in_need {
                    self.kind(hop).sent_by(&label(&hop.from));
                }
                continue;
            }
            let Ok(addr) = hop.from.addr.parse() else { continue };
            if !is_nameless(hop)
                || self.known.get(&addr).is_some_and(|caller| caller.sent.within + caller.sent.after >= MAX_LEARNED)
            {
                continue;
            }
            let after = is_after(hops, hop);
            let mut asked = if after { Vec::new() } else { may_have_caused(hops, hop).unwrap_or_default() };
            if !asked.is_empty() {
                self.in_need |= asked.len() > 1;
                let more: Vec<_> =
                    unseen.iter().filter(|one| asked.iter().all(|known| known.addr != one.addr)).cloned().collect();
                asked.extend(more);
            } else if !after {
                // what nothing that was seen can have caused tells nothing
                continue;
            }
            if self.known.len() >= MAX_CALLERS {
                self.known.clear();
            }
            let mut at_work: Vec<_> = asked.iter().map(|party| label(party)).collect();
            at_work.sort_unstable();
            at_work.dedup();
            let kind = self.kind(hop);
            kind.sent.add(after);
            at_work.iter().for_each(|label| kind.sender(label).into_iter().for_each(|sender| sender.at_work += 1));
            let caller = self.known.entry(addr).or_default();
            caller.sent.add(after);
            for party in asked {
                match caller.asked_at.iter_mut().find(|(known, _)| *known == party.addr) {
                    Some((_, times)) => *times += 1,
                    None => caller.asked_at.push((Arc::clone(&party.addr), 1)),
                }
            }
        }
    }

    fn kind(&mut self, hop: &Hop) -> &mut Kind {
        if self.kinds.len() >= MAX_CALLERS {
            self.kinds.clear();
        }
        self.kinds.entry(hop.kind()).or_default()
    }

    /// Has a trace's flows know where their senders are not.
    pub(super) fn tell(&self, hops: &mut [Hop]) {
        if hops.len() > SEARCHED {
            return;
        }
        self.outlives.tell(hops);
        if self.known.is_empty() {
            return;
        }
        let mut parties: Vec<_> = hops.iter().map(|hop| Arc::clone(&hop.to)).collect();
        sort(&mut parties);
        for hop in hops.iter_mut().filter(|hop| is_nameless(hop)) {
            let caller = hop.from.addr.parse().ok().and_then(|addr: SocketAddr| self.known.get(&addr));
            let senders: Vec<_> = caller.into_iter().flat_map(Caller::senders).collect();
            let enough = caller.filter(|caller| caller.sent.within >= ENOUGH);
            let told = !senders.is_empty() && enough.is_some_and(|caller| !caller.sent.goes_on());
            let kind = self.kinds.get(&hop.kind());
            let by_itself = !told && kind.is_some_and(|kind| kind.sent.after >= ENOUGH && kind.sent.goes_on());
            let others: Vec<_> = kind.into_iter().flat_map(Kind::others).collect();
            if !others.is_empty() {
                let these = parties.iter().filter(|party| others.contains(&&label(party)));
                hop.extra_mut().no_likelier = these.map(|party| Arc::clone(&party.addr)).collect();
            }
            let by_conn = !senders.is_empty() || enough.is_some();
            let known = kind.filter(|kind| kind.known >= ENOUGH);
            if !by_itself && !by_conn && known.is_none() {
                continue;
            }
            let stranger = |party: &&Arc<Party>| {
                by_itself || by_conn && !senders.contains(&&party.addr) || known.is_some_and(|kind| kind.is_anothers(party))
            };
            let strangers = &mut hop.extra_mut().strangers;
            strangers.extend(parties.iter().filter(stranger).map(|party| Arc::clone(&party.addr)));
            strangers.sort_unstable();
            strangers.dedup();
        }
    }
}

/// Each address once.
fn sort(parties: &mut Vec<Arc<Party>>) {
    parties.sort_unstable_by(|a, b| a.addr.cmp(&b.addr));
    parties.dedup_by(|a, b| a.addr == b.addr);
}

impl Moments {
    fn add(&mut self, after: bool) {
        *(if after { &mut self.after } else { &mut self.within }) += 1;
    }

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

impl Kind {
    /// Somebody with a name sent one.
    fn sent_by(&mut self, label: &Arc<str>) {
        self.known += 1;
        self.sender(label).into_iter().for_each(|sender| sender.known += 1);
    }

    fn sender(&mut self, label: &Arc<str>) -> Option<&mut Sender> {
        let at = self.senders.iter().position(|sender| sender.label == *label).unwrap_or(self.senders.len());
        if at == self.senders.len() && at < MAX_SENDERS {
            self.senders.push(Sender { label: Arc::clone(label), known: 0, at_work: 0 });
        }
        self.senders.get_mut(at)
    }

    /// Who surely did not send all of them.
    fn others(&self) -> impl Iterator<Item = &Arc<str>> {
        let sent = self.sent.within + self.known;
        let lacks = move |sender: &&Sender| (sent - sender.known - sender.at_work) * ONE_IN_OTHERS >= sent.max(1);
        self.senders.iter().filter(lacks).map(|sender| &sender.label)
    }

    /// Whether others send them, as far as their senders are known, than one whose process is.
    fn is_anothers(&self, party: &Party) -> bool {
        let sender = self.senders.iter().find(|sender| Some(&*sender.label) == name(party));
        let all = self.senders.len() < MAX_SENDERS;
        all && party.pid().is_some() && sender.map_or(0, |sender| sender.known) * ONE_IN < self.known
    }
}

/// Whether somebody asks something by a flow, or tells it.
fn sends(hop: &Hop) -> bool {
    hop.to_server && hop.pattern != Pattern::Deliver && !hop.veiled
}

/// Whether nothing tells who sent a flow.
pub(super) fn is_nameless(hop: &Hop) -> bool {
    sends(hop) && name(&hop.from).is_none() && everybodys(hop.from.host())
}

#[cfg(test)]
mod tests;
