//! Which process holds a socket: it is one of the open files of some process, as [`system`] tells them.
//!
//! Looking through all of them takes tens of milliseconds, in which a short-lived client comes and goes. So first come the places where
//! sockets were found before, which takes microseconds: a client that calls again gets the same number again; and the very newest
//! processes, one of which it mostly is. Then come the places that a process opens its next file at, which is the lowest number that is
//! free (open(2)): a service that opens a connection per call is found there at its first or second one. Then come the processes that began
//! lately; and those that had sockets before, at last all of them, on a thread beside. However many ask, looking takes four tenths of one
//! core at the most: a look finds all sockets of a process, whoever asked for them.

use super::system::{self, Id, Socket};
use crate::privileges;
use crossbeam_channel::{Receiver, Sender, at, bounded};
use renewal::{Held, Renewal};
use rustix::time::{ClockId, clock_gettime};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

mod renewal;
pub use renewal::Sole;

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
/// Free numbers of a process that its next file may get: what it is at work on has the lower ones.
pub const FREE: usize = 3;
/// Places where the next sockets may come, at most, those of the processes that ran most since the last search first.
const NEXT: usize = 1024;
/// How long it looks at those: who calls meanwhile waits.
const PEEK: Duration = Duration::from_millis(2);
/// A process that began after a glance and is gone at the next one, within this, has just ended.
const JUST: Duration = Duration::from_secs(1);
/// Files of one process that are looked at: what it holds beyond them is found by no look.
pub const LINKS: usize = 65_536;
/// Sockets that are remembered, those of processes that are gone among them.
const SOCKETS: usize = 1 << 17;
/// After a look it rests so many times as long as it worked: a machine that lets it wait makes it no slower than that.
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

/// A place where a socket is, or may come to be: a process, and the number of its file.
type Place = (Pid, u32);

/// The files of a process.
#[derive(Debug)]
pub struct Files {
    pub pid: Pid,
    pub sockets: Vec<Seen>,
    /// The lowest numbers that it has no file at ([`FREE`]), where the system tells; of one without any file none.
    pub free: Vec<u32>,
}

/// What the thread beside has seen.
#[derive(Debug)]
pub struct Found {
    sockets: Vec<Seen>,
    /// The newest process when it began to look at all; none where it has not.
    newest: Option<u32>,
    /// Where the next ones may come; empty where it has not looked at all processes.
    next: Vec<Place>,
}

/// Who holds which socket, as far as was seen.
#[derive(Debug)]
pub struct Holders {
    sockets: HashMap<Id, Held>,
    renewal: Renewal,
    recent: VecDeque<u32>,
    places: VecDeque<Place>,
    next: Vec<Place>,
    young: VecDeque<(u32, Instant)>,
    /// The newest process at the last look, and at the last glance, and when that was.
    newest: u32,
    glanced: (u32, Instant),
    /// When the last process was found to be gone before it could be looked at.
    ended: Option<Instant>,
    next_look: Instant,
    /// When the very newest may be looked at again.
    next_glance: Instant,
    /// When the places where the next ones may come may be looked at again.
    next_peek: Instant,
    jobs: Sender<Vec<u32>>,
    /// What the thread beside has seen; nothing: it is at rest again.
    pub seen: Receiver<Option<Found>>,
    /// Whether it is at work or rests.
    searching: bool,
    /// Searches that were begun, and those that have told what they saw.
    begun: u64,
    told: u64,
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
        let (newest, now) = (system::newest().unwrap_or_default(), Instant::now());
        Ok(Self {
            sockets: HashMap::new(),
            renewal: Renewal::new(now),
            recent: VecDeque::new(),
            places: VecDeque::new(),
            next: Vec::new(),
            young: VecDeque::new(),
            newest,
            glanced: (newest, now),
            ended: None,
            next_look: now,
            next_glance: now,
            next_peek: now,
            jobs,
            seen,
            searching: false,
            begun: 0,
            told: 0,
        })
    }

    /// The process that holds a socket, or held it; none where it was not seen so far.
    pub fn of(&mut self, socket: Socket) -> Option<Pid> {
        let Seen { pid, file, .. } = socket.ids().into_iter().find_map(|id| self.seen(id))?;
        to_front(&mut self.recent, pid.0, RECENT);
        to_front(&mut self.places, (pid, file), PLACES);
        Some(pid)
    }

    fn seen(&mut self, id: Id) -> Option<Seen> {
        let seen = self.sockets.get(&id)?.by;
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
                self.take_in(std::iter::once(Seen { id, pid, file }));
                there = true;
            }
            // a number that is free for now is used again; a process that is gone is not
            there || system::ticks(pid.0) == Some(pid.1)
        });
        self.places = places;
        let start = Instant::now();
        if start >= self.next_glance {
            let stint = Stint::begin();
            let newest = system::newest().unwrap_or_default();
            let (before, then) = std::mem::replace(&mut self.glanced, (newest, start));
            for pid in newest.saturating_sub(NEWEST) + 1..=newest {
                let found = system::sockets(pid);
                let gone = found.is_none() && system::ticks(pid).is_none();
                if gone && pid > before && start.duration_since(then) < JUST {
                    self.ended = Some(start);
                }
                self.take_in(found.into_iter().flatten());
            }
            self.next_glance = stint.rested();
        }
    }

    /// Whether a process has ended since before it could be looked at. One that was looked at after its socket was seen would have told.
    pub fn one_ended(&self, since: Instant) -> bool {
        self.ended.is_some_and(|ended| ended >= since)
    }

    /// Looks where the next sockets may have come.
    pub fn peek(&mut self) {
        let start = Instant::now();
        if start < self.next_peek {
            return;
        }
        let stint = Stint::begin();
        let places = self.next.iter().take_while(|_| start.elapsed() < PEEK);
        let found = places.flat_map(|&(pid, file)| system::socket(pid.0, file).map(move |id| Seen { id, pid, file }));
        let found: Vec<_> = found.collect();
        self.take_in(found.into_iter());
        self.next_peek = stint.rested();
    }

    /// When the young processes may be looked at again.
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks at the young processes, the youngest first.
    pub fn look(&mut self) {
        let (start, stint) = (Instant::now(), Stint::begin());
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
        self.next_look = stint.rested();
    }

    /// Has others looked at, unless that is being done: those that had sockets before, and then all.
    pub fn search(&mut self) {
        if !self.searching {
            self.searching = self.jobs.try_send(self.recent.iter().copied().collect()).is_ok();
            self.begun += u64::from(self.searching);
        }
    }

    /// The search that is under way, by its number.
    pub fn running(&self) -> Option<u64> {
        (self.begun > self.told).then_some(self.begun)
    }

    /// Takes in what the thread beside has seen.
    pub fn take(&mut self, found: Option<Found>) {
        self.searching &= found.is_some();
        self.told = self.begun;
        let Some(Found { sockets, newest, next }) = found else { return };
        if !next.is_empty() {
            self.next = next;
        }
        match newest {
            Some(newest) => self.take_all(sockets, newest),
            None => self.take_in(sockets.into_iter()),
        }
    }

    fn take_in(&mut self, seen: impl Iterator<Item = Seen>) {
        if self.sockets.len() > SOCKETS {
            self.sockets.clear();
        }
        for one in seen {
            match self.sockets.entry(one.id) {
                Entry::Vacant(room) => _ = room.insert(Held::new(one)),
                Entry::Occupied(held) => held.into_mut().add(one),
            }
        }
    }
}

/// Looks at the processes of each job, then, not too often, at all; says when it is at rest.
fn search(jobs: &Receiver<Vec<u32>>, found: &Sender<Option<Found>>) {
    let mut next_scan = Instant::now();
    let mut ran = HashMap::new();
    for recent in jobs {
        let (start, stint) = (Instant::now(), Stint::begin());
        let mut sockets: Vec<_> = recent.into_iter().filter_map(system::sockets).flatten().collect();
        let (mut newest, mut next) = (None, Vec::new());
        let mut rested = stint.rested();
        if start >= next_scan {
            newest = Some(system::newest().unwrap_or_default());
            let mut all: Vec<Files> = system::all().filter_map(system::files).collect();
            sockets.extend(all.iter_mut().flat_map(|files| std::mem::take(&mut files.sockets)));
            next = places_of_next(all, &mut ran);
            rested = stint.rested();
            next_scan = rested.max(Instant::now() + LEAST_REST);
        }
        // nobody takes it: then nobody needs it
        if found.send(Some(Found { sockets, newest, next })).is_err() {
            return;
        }
        _ = at(rested).recv();
        if found.send(None).is_err() {
            return;
        }
    }
}

/// Where the next sockets may come: the lowest free number of each process, then the ones after it. Who `ran` most since the last time comes
/// first; one that waits for years has most likely nothing to say now.
fn places_of_next(files: Vec<Files>, ran: &mut HashMap<Pid, u64>) -> Vec<Place> {
    let now: HashMap<Pid, u64> = files.iter().map(|files| (files.pid, system::ran(files.pid.0))).collect();
    let since = |pid: Pid| now.get(&pid).copied().unwrap_or_default().saturating_sub(ran.get(&pid).copied().unwrap_or_default());
    let mut free: Vec<(u64, Pid, Vec<u32>)> = files.into_iter().map(|files| (since(files.pid), files.pid, files.free)).collect();
    free.sort_unstable_by(|(a, ..), (b, ..)| b.cmp(a));
    *ran = now;
    let nth = |n: usize| free.iter().filter_map(move |(_, pid, free)| Some((*pid, *free.get(n)?)));
    (0..FREE).flat_map(nth).take(NEXT).collect()
}

/// A thread at work, by the processor's time that it took (clock_gettime(2)), whoever else had the processor meanwhile.
struct Stint(Duration);

impl Stint {
    fn begin() -> Self {
        Self(worked())
    }

    /// When it has rested long enough from what it did since.
    fn rested(&self) -> Instant {
        Instant::now() + worked().saturating_sub(self.0) * REST
    }
}

/// How long this thread has had the processor.
fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

fn to_front<T: PartialEq>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.front() != Some(&item) {
        list.retain(|other| *other != item);
        list.push_front(item);
        list.truncate(most);
    }
}
