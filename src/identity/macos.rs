//! What macOS tells of processes and their sockets: libproc and sysctl(3). Written after the headers and the source of XNU; it has not been
//! compiled for macOS by us, nor run. Whatever can be looked at without it is in [`super::proc_info`], and tested.
//!
//! Sockets of other users are seen by root alone, and sudo's rights are given up before anybody looks ([`crate::privileges`]): they have no
//! name. Nor have addresses of IPv6 that need an interface (`fe80::`).

use super::End;
use super::holders::{Files, LINKS, Seen};
pub use super::proc_info::Socket;
use super::proc_info::{self, Basics, Ends, Started};
use super::process::Info;
use crate::model::{Transport, Zone};
use crate::sys;
use crate::time::Time;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Processes that are looked at: `kern.maxproc` is some thousand.
const PROCESSES: usize = 1 << 14;
/// The room for a path (`PROC_PIDPATHINFO_MAXSIZE`).
const PATH: usize = 4096;
/// The room for arguments and environment (`KERN_ARGMAX`). In less the kernel puts their end, not their beginning.
const ARGUMENTS: usize = 1 << 20;

/// What a socket is known by.
pub type Id = Ends;

/// Sockets that take the connections to one port.
pub type Takers = Arc<[Socket]>;

/// There is no look-up of sockets by their addresses: any may be there.
#[derive(Debug)]
pub struct Lookup;

impl Lookup {
    /// Nothing has to be opened.
    pub fn open() -> io::Result<Self> {
        Ok(Self)
    }

    /// There are no other namespaces.
    pub fn zone(&mut self, _: Zone, _: Option<OwnedFd>) {}

    /// The TCP socket that may be at one end; none where that is not on this machine.
    pub fn find(&self, end: End) -> Option<Socket> {
        if end.transport == Transport::Stream { Socket::new(end.local, end.peer, false) } else { None }
    }

    /// The TCP socket that may take the connections that come to one end.
    pub fn takers(&mut self, end: End) -> Takers {
        let taker = if end.transport == Transport::Stream { Socket::new(end.local, end.peer, true) } else { None };
        taker.into_iter().collect()
    }

    /// Whether the connection at one end waits for somebody to accept it: that is not told.
    pub fn waits(&self, _: End) -> bool {
        false
    }
}

/// The sockets of a process; none where it is gone, or not ours to look at.
pub fn sockets(pid: u32) -> Option<Vec<Seen>> {
    let Basics { files, began, .. } = basics(pid)?;
    let room = usize::try_from(files).unwrap_or(LINKS).clamp(1, LINKS);
    let mut list = vec![0; room * proc_info::FILE];
    let told = sys::process_info(pid, libc::PROC_PIDLISTFDS, &mut list)?;
    let files = proc_info::socket_files(list.get(..told)?);
    let seen = files.flat_map(|file| socket(pid, file).map(move |id| Seen { id, pid: (pid, began), file }));
    Some(seen.collect())
}

/// What the TCP socket that one of a process's files is is known by.
pub fn socket(pid: u32, file: u32) -> impl Iterator<Item = Id> {
    let mut info = [0; proc_info::SOCKET];
    let told = sys::socket_info(pid, file, &mut info).unwrap_or_default();
    proc_info::ends(info.get(..told).unwrap_or_default()).into_iter()
}

/// Its sockets; the numbers of its other files are not looked for here.
pub fn files(pid: u32) -> Option<Files> {
    let began = ticks(pid)?;
    Some(Files { pid: (pid, began), sockets: sockets(pid)?, free: Vec::new() })
}

/// How long a process has run so far: it makes no difference here.
pub fn ran(_: u32) -> u64 {
    0
}

/// Whether what was seen still tells whose a socket is: addresses are used again.
pub fn holds(seen: &Seen) -> bool {
    ticks(seen.pid.0) == Some(seen.pid.1) && socket(seen.pid.0, seen.file).any(|id| id == seen.id)
}

/// Whether a number is a process's: threads have none of the kind.
pub fn leads(_: u32) -> bool {
    true
}

/// The process that a process was forked by, or that took it over.
pub fn parent(pid: u32) -> Option<u32> {
    basics(pid).map(|basics| basics.parent)
}

/// Looks a process up; none where it is gone.
pub fn read(pid: u32) -> Option<Info> {
    let Basics { uid, began, .. } = basics(pid)?;
    let (mut path, mut folders) = (vec![0; PATH], vec![0; proc_info::FOLDERS]);
    let exe = sys::process_path(pid, &mut path).and_then(|told| Some(String::from_utf8_lossy(path.get(..told)?).into_owned()));
    let Started { args, env } = command(pid).unwrap_or_default();
    let told = sys::process_info(pid, libc::PROC_PIDVNODEPATHINFO, &mut folders);
    let cwd = told.and_then(|told| proc_info::working_folder(folders.get(..told)?));
    Some(Info { pid, ticks: began, uid, exe, args, cwd, env, ..Info::default() })
}

/// The arguments of a process, the program's name first; none where it is gone, or another user's.
pub fn arguments(pid: u32) -> Option<Vec<String>> {
    command(pid).map(|started| started.args)
}

/// The numbers of all processes.
pub fn all() -> impl Iterator<Item = u32> {
    let mut list = vec![0; PROCESSES * size_of::<u32>()];
    let told = sys::processes(&mut list).unwrap_or_default();
    list.truncate(told);
    proc_info::numbers(&list).collect::<Vec<_>>().into_iter()
}

/// The number of the process that began last.
pub fn newest() -> Option<u32> {
    all().filter_map(|pid| Some((ticks(pid)?, pid))).max().map(|(_, pid)| pid)
}

/// When a process began, in microseconds since 1970; none where it is gone.
pub fn ticks(pid: u32) -> Option<u64> {
    basics(pid).map(|basics| basics.began)
}

/// So long ago, as [`ticks`] count.
pub fn ago(age: Duration) -> u64 {
    let then = UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(age);
    u64::try_from(then.as_micros()).unwrap_or(u64::MAX)
}

/// The time of such a count.
pub fn started(ticks: u64) -> Option<Time> {
    Some(Time::from_nanos(i64::try_from(ticks).ok()?.checked_mul(1000)?))
}

fn basics(pid: u32) -> Option<Basics> {
    let mut info = [0; proc_info::PROCESS];
    let told = sys::process_info(pid, libc::PROC_PIDTBSDINFO, &mut info)?;
    proc_info::basics(info.get(..told)?)
}

fn command(pid: u32) -> Option<Started> {
    let mut bytes = vec![0; ARGUMENTS];
    let told = sys::process_arguments(pid, &mut bytes)?;
    proc_info::started(bytes.get(..told)?)
}
