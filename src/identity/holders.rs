//! Which process holds a socket: the inode is one of the links in some `/proc/PID/fd` (proc_pid_fd(5)).
//!
//! Looking through all of them takes tens of milliseconds, in which a short-lived client comes and goes. So the processes that began lately
//! are looked at at once, which takes a fraction of one; those that had sockets before, and at last all of them, on a thread beside. However
//! many ask, looking takes a fifth of one core at the most: a look finds all sockets of a process, whoever asked for them.

use super::process;
use crate::privileges;
use crossbeam_channel::{Receiver, Sender, after, bounded};
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Processes that had sockets lately.
const RECENT: usize = 12;
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

/// Who holds which socket, as far as was seen.
#[derive(Debug)]
pub struct Holders {
    sockets: HashMap<u32, Pid>,
    recent: VecDeque<u32>,
    young: VecDeque<(u32, Instant)>,
    /// The newest process at the last look.
    newest: u32,
    next_look: Instant,
    jobs: Sender<Vec<u32>>,
    /// What the thread beside has seen: sockets with their holders.
    pub seen: Receiver<Vec<(u32, Pid)>>,
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
        let (recent, young) = (VecDeque::new(), VecDeque::new());
        let (sockets, newest) = (HashMap::new(), newest().unwrap_or_default());
        Ok(Self { sockets, recent, young, newest, next_look: Instant::now(), jobs, seen, searching: false })
    }

    /// The process that holds a socket, or held it; none where it was not seen so far.
    pub fn of(&mut self, inode: u32) -> Option<Pid> {
        let holder = *self.sockets.get(&inode)?;
        if self.recent.front() != Some(&holder.0) {
            self.recent.retain(|other| *other != holder.0);
            self.recent.push_front(holder.0);
            self.recent.truncate(RECENT);
        }
        Some(holder)
    }

    /// When the young processes may be looked at again.
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks at the young processes, the youngest first.
    pub fn look(&mut self) {
        let start = Instant::now();
        let newest = newest().unwrap_or_default();
        for pid in self.newest.max(newest.saturating_sub(YOUNG)) + 1..=newest {
            self.young.push_front((pid, start));
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
    pub fn take(&mut self, seen: Vec<(u32, Pid)>) {
        self.searching &= !seen.is_empty();
        self.take_in(seen.into_iter());
    }

    /// Of several that hold the same socket the oldest counts: it opened it, the others inherited it.
    fn take_in(&mut self, seen: impl Iterator<Item = (u32, Pid)>) {
        if self.sockets.len() > SOCKETS {
            self.sockets.clear();
        }
        for (inode, (pid, ticks)) in seen {
            let younger = |&(held, began): &Pid| began > ticks || process::ticks(held) != Some(began);
            if self.sockets.get(&inode).is_none_or(younger) {
                self.sockets.insert(inode, (pid, ticks));
            }
        }
    }
}

/// Looks at the processes of each job, then, not too often, at all; says when it is done by an empty list.
fn search(jobs: &Receiver<Vec<u32>>, found: &Sender<Vec<(u32, Pid)>>) {
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
fn sockets(pid: u32) -> Option<Vec<(u32, Pid)>> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.take(LINKS).flatten();
    let inodes: Vec<u32> = links.filter_map(|link| socket(fs::read_link(link.path()).ok()?.to_str()?)).collect();
    if inodes.is_empty() {
        return Some(Vec::new());
    }
    // the newest number may be a thread's
    let pid = leader(pid).unwrap_or(pid);
    let ticks = process::ticks(pid)?;
    Some(inodes.into_iter().map(|inode| (inode, (pid, ticks))).collect())
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
