//! Which process holds a socket: it is one of the open files of some process, as [`system`] tells them.
//!
//! Looking through all of them takes tens of milliseconds, in which a short-lived client comes and goes. So first come the places where
//! sockets were found before, which takes microseconds: a client that calls again gets the same number again; and the very newest
//! processes, one of which it mostly is. Then come the processes that began lately; and those that had sockets before, at last all of
//! them, on a thread beside. However many ask, looking takes three tenths of one core at the most: a look finds all sockets of a process,
//! whoever asked for them.

use super::system::{self, Id, Socket};
use crate::privileges;
use crossbeam_channel::{Receiver, Sender, after, bounded};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

/// Processes that had sockets lately.
const RECENT: usize = 12;
/// Places where sockets were found lately: a process and a number of its files.
const PLACES: usize = 24;
/// Young processes, at most: a shell that starts several at once.
const YOUNG: u32 = 64;
/// The newest processes, which are looked at with the places.
const NEWEST: u32 = 4;
/// How long a process is young: what it takes an interpreter from its start to its first connection.
const YOUTH: Duration = Duration::from_secs(2);
/// Files of one process that are looked at: what it holds beyond them is found by no look.
pub const LINKS: usize = 65_536;
/// Sockets that are remembered, those of processes that are gone among them.
const SOCKETS: usize = 1 << 17;
/// After a look it rests so many times as long as it took.
const REST: u32 = 9;
/// At least so long between two looks through all processes.
const LEAST_REST: Duration = Duration::from_secs(1);

/// A process, by its number and when it began: numbers are used again.
pub type Pid = (u32, u64);

/// A socket that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What it is known by.
    pub id: Id,
    /// Who holds it.
    pub pid: Pid,
    /// Which of the process's files it is.
    pub file: u32,
}

/// Who holds which socket, as far as was seen.
#[derive(Debug)]
pub struct Holders {
    sockets: HashMap<Id, Seen>,
    recent: VecDeque<u32>,
    places: VecDeque<(Pid, u32)>,
    young: VecDeque<(u32, Instant)>,
    /// The newest process at the last look.
    newest: u32,
    next_look: Instant,
    /// When the very newest may be looked at again.
    next_glance: Instant,
    jobs: Sender<Vec<u32>>,
    /// What the thread beside has seen.
    pub seen: Receiver<Vec<Seen>>,
    /// Whether it is at work.
    searching: bool,
}

impl Holders {
    /// Starts the thread beside, which ends with this.
    pub fn start() -> io::Result<Self> {
        let ((jobs, to_do), (found, seen)) = (bounded(1), bounded(1));
        let work = move || {
            if privileges::keep_for_names().is_ok() {
                search(&to_do, &found);
            }
        };
        std::thread::Builder::new().name("searcher".into()).spawn(work)?;
        let (recent, places, young) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let (sockets, newest) = (HashMap::new(), system::newest().unwrap_or_default());
        let (next_look, next_glance) = (Instant::now(), Instant::now());
        Ok(Self { sockets, recent, places, young, newest, next_look, next_glance, jobs, seen, searching: false })
    }

    /// The process that holds a socket, or held it; none where it was not seen so far.
    pub fn of(&mut self, socket: Socket) -> Option<Pid> {
        let Seen { pid, file, .. } = socket.ids().into_iter().find_map(|id| self.seen(id))?;
        to_front(&mut self.recent, pid.0, RECENT);
        to_front(&mut self.places, (pid, file), PLACES);
        Some(pid)
    }

    fn seen(&mut self, id: Id) -> Option<Seen> {
        let seen = *self.sockets.get(&id)?;
        if !system::holds(&seen) {
            self.sockets.remove(&id);
            return None;
        }
        Some(seen)
    }

    /// Looks where sockets were found before, and at the newest processes.
    pub fn glance(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.retain(|&(pid, file)| {
            let mut there = false;
            for id in system::socket(pid.0, file) {
                self.sockets.insert(id, Seen { id, pid, file });
                there = true;
            }
            // a number that is free for now is used again; a process that is gone is not
            there || system::ticks(pid.0) == Some(pid.1)
        });
        self.places = places;
        let start = Instant::now();
        if start >= self.next_glance {
            let newest = system::newest().unwrap_or_default();
            let found = (newest.saturating_sub(NEWEST) + 1..=newest).filter_map(system::sockets).flatten();
            self.take_in(found);
            self.next_glance = Instant::now() + start.elapsed() * REST;
        }
    }

    /// When the young processes may be looked at again.
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks at the young processes, the youngest first.
    pub fn look(&mut self) {
        let start = Instant::now();
        let newest = system::newest().unwrap_or_default();
        let grown_up = system::ago(YOUTH);
        for pid in self.newest.max(newest.saturating_sub(YOUNG)) + 1..=newest {
            if system::ticks(pid).is_some_and(|ticks| ticks > grown_up) {
                self.young.push_front((pid, start));
            }
        }
        self.young.truncate(YOUNG as usize);
        self.newest = newest;
        let mut young = std::mem::take(&mut self.young);
        young.retain(|(pid, since)| {
            let sockets = system::sockets(*pid);
            let there = sockets.is_some();
            self.take_in(sockets.into_iter().flatten());
            there && since.elapsed() < YOUTH
        });
        self.young = young;
        self.next_look = Instant::now() + start.elapsed() * REST;
    }

    /// Has others looked at, unless that is being done: those that had sockets before, and then all.
    pub fn search(&mut self) {
        if !self.searching {
            self.searching = self.jobs.try_send(self.recent.iter().copied().collect()).is_ok();
        }
    }

    /// Takes in what the thread beside has seen; nothing: it is at rest again.
    pub fn take(&mut self, seen: Vec<Seen>) {
        self.searching &= !seen.is_empty();
        self.take_in(seen.into_iter());
    }

    /// Of several that hold the same socket the oldest counts: it opened it, the others inherited it.
    fn take_in(&mut self, seen: impl Iterator<Item = Seen>) {
        if self.sockets.len() > SOCKETS {
            self.sockets.clear();
        }
        for one in seen {
            let younger = |other: &Seen| other.pid.1 > one.pid.1 || system::ticks(other.pid.0) != Some(other.pid.1);
            if self.sockets.get(&one.id).is_none_or(younger) {
                self.sockets.insert(one.id, one);
            }
        }
    }
}

/// Looks at the processes of each job, then, not too often, at all; says when it is done by an empty list.
fn search(jobs: &Receiver<Vec<u32>>, found: &Sender<Vec<Seen>>) {
    let mut next_scan = Instant::now();
    for recent in jobs {
        let start = Instant::now();
        let mut seen: Vec<_> = recent.into_iter().filter_map(system::sockets).flatten().collect();
        let mut rest = start.elapsed() * REST;
        if start >= next_scan {
            seen.extend(system::all().filter_map(system::sockets).flatten());
            rest = start.elapsed() * REST;
            next_scan = Instant::now() + rest.max(LEAST_REST);
        }
        // nobody takes it: then nobody needs it
        if !seen.is_empty() && found.send(seen).is_err() {
            return;
        }
        _ = after(rest).recv();
        if found.send(Vec::new()).is_err() {
            return;
        }
    }
}

fn to_front<T: PartialEq>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.front() != Some(&item) {
        list.retain(|other| *other != item);
        list.push_front(item);
        list.truncate(most);
    }
}
