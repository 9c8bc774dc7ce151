//! Which process holds a socket: the inode is one of the links in some `/proc/PID/fd` (proc_pid_fd(5)).
//!
//! Looking through all of them takes tens of milliseconds, in which a short-lived client comes and goes. So first come the places where
//! sockets were found before, which takes microseconds: a client that calls again gets the same number again. Then come the processes
//! that began lately; and those that had sockets before, at last all of them, on a thread beside. However many ask, looking takes a fifth
//! of one core at the most: a look finds all sockets of a process, whoever asked for them.

use super::process;
use crate::privileges;
use crossbeam_channel::{Receiver, Sender, after, bounded};
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Processes that had sockets lately.
const RECENT: usize = 12;
/// Places where sockets were found lately: a process and a number of its files.
const PLACES: usize = 24;
/// Young processes, at most: a shell that starts several at once.
const YOUNG: u32 = 64;
/// How long a process is young: what it takes an interpreter from its start to its first connection.
const YOUTH: Duration = Duration::from_secs(2);
/// Links of one process that are looked at: one that holds more is found by no look.
const LINKS: usize = 65_536;
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
    inode: u32,
    pid: Pid,
    /// Which of the process's files it is.
    file: u32,
}

/// Who holds which socket, as far as was seen.
#[derive(Debug)]
pub struct Holders {
    sockets: HashMap<u32, Seen>,
    recent: VecDeque<u32>,
    places: VecDeque<(Pid, u32)>,
    young: VecDeque<(u32, Instant)>,
    /// The newest process at the last look.
    newest: u32,
    next_look: Instant,
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
        let (sockets, newest) = (HashMap::new(), newest().unwrap_or_default());
        Ok(Self { sockets, recent, places, young, newest, next_look: Instant::now(), jobs, seen, searching: false })
    }

    /// The process that holds a socket, or held it; none where it was not seen so far.
    pub fn of(&mut self, inode: u32) -> Option<Pid> {
        let Seen { pid, file, .. } = *self.sockets.get(&inode)?;
        to_front(&mut self.recent, pid.0, RECENT);
        to_front(&mut self.places, (pid, file), PLACES);
        Some(pid)
    }

    /// Looks where sockets were found before.
    pub fn glance(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.retain(|&(pid, file)| {
            let there = fs::read_link(format!("/proc/{}/fd/{file}", pid.0));
            // a number that is free for now is used again; a process that is gone is not
            let keep = there.is_ok() || process::ticks(pid.0) == Some(pid.1);
            if let Some(inode) = there.ok().as_deref().and_then(|target| socket(target.to_str()?)) {
                self.sockets.insert(inode, Seen { inode, pid, file });
            }
            keep
        });
        self.places = places;
    }

    /// When the young processes may be looked at again.
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks at the young processes, the youngest first.
    pub fn look(&mut self) {
        let start = Instant::now();
        let newest = newest().unwrap_or_default();
        let grown_up = process::uptime().saturating_sub(YOUTH);
        for pid in self.newest.max(newest.saturating_sub(YOUNG)) + 1..=newest {
            if process::ticks(pid).is_some_and(|ticks| process::since_boot(ticks) > grown_up) {
                self.young.push_front((pid, start));
            }
        }
        self.young.truncate(YOUNG as usize);
        self.newest = newest;
        let mut young = std::mem::take(&mut self.young);
        young.retain(|(pid, since)| {
            let sockets = sockets(*pid);
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
            let younger = |other: &Seen| other.pid.1 > one.pid.1 || process::ticks(other.pid.0) != Some(other.pid.1);
            if self.sockets.get(&one.inode).is_none_or(younger) {
                self.sockets.insert(one.inode, one);
            }
        }
    }
}

/// Looks at the processes of each job, then, not too often, at all; says when it is done by an empty list.
fn search(jobs: &Receiver<Vec<u32>>, found: &Sender<Vec<Seen>>) {
    let mut next_scan = Instant::now();
    for recent in jobs {
        let start = Instant::now();
        let mut seen: Vec<_> = recent.into_iter().filter_map(sockets).flatten().collect();
        let mut rest = start.elapsed() * REST;
        if start >= next_scan {
            seen.extend(process::all().filter_map(sockets).flatten());
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

/// The sockets of a process; none where it is gone, or not ours to look at.
fn sockets(pid: u32) -> Option<Vec<Seen>> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.take(LINKS).flatten();
    let file = |link: fs::DirEntry| {
        let inode = socket(fs::read_link(link.path()).ok()?.to_str()?)?;
        Some((inode, link.file_name().to_str()?.parse().ok()?))
    };
    let files: Vec<(u32, u32)> = links.filter_map(file).collect();
    if files.is_empty() {
        return Some(Vec::new());
    }
    // the newest number may be a thread's
    let pid = leader(pid).unwrap_or(pid);
    let ticks = process::ticks(pid)?;
    Some(files.into_iter().map(|(inode, file)| Seen { inode, pid: (pid, ticks), file }).collect())
}

fn to_front<T: PartialEq>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.front() != Some(&item) {
        list.retain(|other| *other != item);
        list.push_front(item);
        list.truncate(most);
    }
}

/// The process that a thread belongs to.
fn leader(thread: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
}

/// `socket:[12345]`
fn socket(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The number of the process that began last (proc_loadavg(5)).
fn newest() -> Option<u32> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().last()?.parse().ok()
}
