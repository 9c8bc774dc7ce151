//! Whether one process alone holds a socket that takes connections: then it has taken them all. A worker that was forked holds its parent's
//! sockets too (fork(2)), and any of those that hold one may take the next connection.
//!
//! A look through all processes tells. What was opened since can be held by whoever opened it, and by processes that began since: so that
//! it is enough to look at these again, and at the parent of one of them, which may be older.

use super::{Holders, Id, Pid, Seen, Socket, Stint};
use crate::identity::system;
use std::time::{Duration, Instant};

/// Processes that began since, at most: of more a look through all tells.
const BEGUN: u32 = 256;
/// How long it is not asked again which process is the newest, nor whether another one still holds a socket.
const BRIEFLY: Duration = Duration::from_millis(1);
const STILL: Duration = Duration::from_millis(20);
/// How long after it began a process may close what it does not need: as a server's that forks for each connection does.
const FRESH: Duration = Duration::from_millis(100);
/// Those that are remembered to hold a socket too.
const OTHERS: usize = 16;

/// Who holds some sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sole {
    /// This process alone.
    One(Pid),
    /// Several hold one, or each has its own.
    Several,
    /// One that has just begun holds one too: it may be about to close it, or to become another program.
    Unsettled,
    /// Not all were looked at that may hold them.
    Unsure,
}

/// Who holds a socket, as far as was seen.
#[derive(Debug)]
pub(super) struct Held {
    /// The oldest: it opened it, the others inherited it.
    pub(super) by: Seen,
    /// Others, at most [`OTHERS`], and whether there were more.
    others: Vec<Seen>,
    more: bool,
    /// Whether all those have just begun.
    fresh: bool,
    /// Whether all were looked at that may hold it.
    sure: bool,
    /// When to ask again whether the others still do.
    next_still: Instant,
}

impl Held {
    pub(super) fn new(by: Seen) -> Self {
        Self { by, others: Vec::new(), more: false, fresh: true, sure: false, next_still: Instant::now() }
    }

    /// Somebody was seen to hold it.
    pub(super) fn add(&mut self, one: Seen) {
        if self.by.pid == one.pid || self.others.iter().any(|other| other.pid == one.pid) {
            return;
        }
        let age = |seen: &Seen| (seen.pid.1, seen.pid.0);
        let other = if system::ticks(self.by.pid.0) != Some(self.by.pid.1) {
            self.by = one;
            return;
        } else if age(&self.by) > age(&one) {
            std::mem::replace(&mut self.by, one)
        } else {
            one
        };
        if self.others.is_empty() {
            (self.fresh, self.next_still) = (true, Instant::now());
        }
        if self.others.len() < OTHERS {
            self.others.push(other);
        } else {
            self.more = true;
        }
    }

    /// One that was seen between fork(2) and execve(2), or has ended, holds it no longer.
    fn drop_others(&mut self) {
        let now = Instant::now();
        if !self.others.is_empty() && now >= self.next_still {
            self.others.retain(|Seen { id, pid, file }| system::socket(pid.0, *file).any(|now| now == *id));
            self.sure &= !(self.others.is_empty() && self.more);
            let grown = system::ago(FRESH);
            self.fresh = self.others.iter().all(|other| other.pid.1 > grown);
            self.next_still = now + STILL;
        }
    }
}

/// Up to which process all were looked at.
#[derive(Debug)]
pub(super) struct Renewal {
    /// In the last look through all.
    all: u32,
    /// And of those that began since, each once.
    looked: u32,
    /// The newest process, and when to ask again.
    newest: u32,
    next_newest: Instant,
    /// When those that began since may be looked at again.
    next: Instant,
}

impl Renewal {
    pub(super) fn new(now: Instant) -> Self {
        Self { all: 0, looked: 0, newest: 0, next_newest: now, next: now }
    }
}

impl Holders {
    /// Takes in what a look through all processes has seen; which was the newest when it began.
    pub(super) fn take_all(&mut self, sockets: Vec<Seen>, newest: u32) {
        let ids: Vec<Id> = sockets.iter().map(|seen| seen.id).collect();
        let forget = |held: &mut Held| (held.others, held.more) = (Vec::new(), false);
        ids.iter().for_each(|id| self.sockets.get_mut(id).into_iter().for_each(forget));
        self.take_in(sockets.into_iter());
        let sure = |held: &mut Held| held.sure = true;
        ids.iter().for_each(|id| self.sockets.get_mut(id).into_iter().for_each(sure));
        (self.renewal.all, self.renewal.looked) = (newest, newest);
    }

    /// The process that opened a socket that takes connections, as far as was seen.
    pub fn opener(&self, socket: Socket) -> Option<Pid> {
        self.held(socket).map(|held| held.by.pid)
    }

    /// Whether one process alone holds sockets that take connections.
    pub fn sole(&mut self, takers: &[Socket]) -> Sole {
        for &taker in takers {
            self.held_mut(taker).into_iter().for_each(Held::drop_others);
        }
        match self.seen_alone(takers) {
            Sole::One(_) if self.renew(takers) => self.seen_alone(takers),
            Sole::One(_) => Sole::Unsure,
            other => other,
        }
    }

    fn held(&self, socket: Socket) -> Option<&Held> {
        socket.ids().into_iter().find_map(|id| self.sockets.get(&id))
    }

    fn held_mut(&mut self, socket: Socket) -> Option<&mut Held> {
        let id = socket.ids().into_iter().find(|id| self.sockets.contains_key(id))?;
        self.sockets.get_mut(&id)
    }

    fn seen_alone(&self, takers: &[Socket]) -> Sole {
        let (mut sole, mut settled) = (None, true);
        for &taker in takers {
            let Some(held) = self.held(taker) else { return Sole::Unsure };
            settled &= held.others.is_empty();
            if (!held.others.is_empty() && !held.fresh) || sole.is_some_and(|pid| pid != held.by.pid) {
                return Sole::Several;
            }
            sole = Some(held.by.pid);
        }
        match sole {
            Some(pid) if settled => Sole::One(pid),
            Some(_) => Sole::Unsettled,
            None => Sole::Unsure,
        }
    }

    /// Looks at those that may have come to hold these sockets too. Whether all of them are looked at.
    fn renew(&mut self, takers: &[Socket]) -> bool {
        let now = Instant::now();
        let sure = takers.iter().all(|taker| self.held(*taker).is_some_and(|held| held.sure));
        if now >= self.renewal.next_newest || !sure {
            self.renewal.newest = system::newest().unwrap_or_default();
            self.renewal.next_newest = now + BRIEFLY;
        }
        let Renewal { all, looked, newest, next, .. } = self.renewal;
        if sure && newest == looked {
            return true;
        }
        let since = if sure { looked } else { all };
        let lost = takers.iter().any(|taker| self.held(*taker).is_some_and(|held| held.more));
        if lost || all == 0 || newest.checked_sub(since).is_none_or(|begun| begun > BEGUN) || now < next {
            return false;
        }
        let stint = Stint::begin();
        for pid in since + 1..=newest {
            // a thread has its process's
            let sockets = if system::leads(pid) { system::sockets(pid) } else { None };
            self.take_in(sockets.into_iter().flatten());
        }
        for &taker in takers.iter().filter(|_| !sure) {
            let parent = self.opener(taker).filter(|pid| pid.0 > all).and_then(|pid| system::parent(pid.0));
            self.take_in(parent.filter(|parent| *parent <= all).and_then(system::sockets).into_iter().flatten());
            self.held_mut(taker).into_iter().for_each(|held| held.sure = true);
        }
        self.renewal.looked = newest;
        self.renewal.next = stint.rested();
        true
    }
}
