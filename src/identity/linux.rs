//! What Linux tells of processes and their sockets: sock_diag(7), and `/proc` (proc_pid_cmdline(5) and its kin).

use super::End;
use super::holders::{FREE, Files, LINKS, Pid, Seen};
use super::process::{Info, variable};
use super::sock_diag::Diag;
pub use super::sock_diag::Socket;
use crate::model::{Transport, Zone};
use crate::time::Time;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The most that is read of a file: a command line or an environment may be up to 2 MiB (execve(2)).
const MOST: u64 = 64 << 10;

/// How often the kernel is asked which of the sockets that share a port gets a connection: by the caller's address it picks one of them
/// (`reuseport_select_sock` in net/core/sock_reuseport.c), so that one of two is missed once in thousands of times.
const PROBES: u16 = 15;
/// How long no further one is looked for.
const SHARED: Duration = Duration::from_millis(100);
/// Of how many ports that is remembered.
const MOST_TAKERS: usize = 1 << 12;

/// What a socket is known by: its inode.
pub type Id = u32;

/// Sockets that take the connections to one port.
pub type Takers = Arc<[Socket]>;

/// The kernel's look-up of sockets, in our network namespace and in others.
#[derive(Debug)]
pub struct Lookup {
    own: Diag,
    zones: Vec<(Zone, Diag)>,
    /// By one of them, and until when they are taken for all.
    takers: HashMap<Id, (Instant, Takers)>,
}

impl Lookup {
    /// For the namespace of this thread.
    pub fn open() -> io::Result<Self> {
        Ok(Self { own: Diag::open()?, zones: Vec::new(), takers: HashMap::new() })
    }

    /// From now on in another namespace too, by a socket that was opened in it.
    pub fn zone(&mut self, zone: Zone, socket: Option<OwnedFd>) {
        self.zones.retain(|(other, _)| *other != zone);
        self.zones.extend(socket.map(|socket| (zone, Diag::over(socket))));
    }

    /// The socket at one end. One that takes whatever comes to a port of UDP, on any address, does so on those of its own namespace alone.
    pub fn find(&self, end: End) -> Option<Socket> {
        let End { local, peer, transport, .. } = end;
        self.near(end).find_map(|(z, diag)| match transport {
            Transport::Datagram => {
                let found = diag.bound(local, peer);
                found.filter(|(_, at)| *at == local.ip() || is_here(local, z)).map(|found| found.0)
            }
            Transport::Stream => diag.connected(local, peer),
        })
    }

    /// The sockets that take the connections that come to one end: several where they share the port (`SO_REUSEPORT`, socket(7)). One that
    /// does so on any address does so on those of its own namespace alone.
    pub fn takers(&mut self, end: End) -> Takers {
        let End { local, peer, transport, .. } = end;
        if transport == Transport::Datagram {
            return Takers::default();
        }
        let takes = |(z, diag): (Zone, &Diag)| {
            let listens = is_here(local, z) || diag.knows(local, peer);
            diag.listener(local, 0).filter(|_| listens).map(|first| (z, first))
        };
        let Some((z, first)) = self.near(end).find_map(takes) else { return Takers::default() };
        let now = Instant::now();
        if let Some((_, known)) = self.takers.get(&first.inode).filter(|(until, _)| *until > now) {
            return Arc::clone(known);
        }
        let mut all = vec![first];
        let diag = self.zones.iter().find(|(zone, _)| *zone == z).map_or(&self.own, |(_, diag)| diag);
        for taker in (1..=PROBES).filter_map(|port| diag.listener(local, port)) {
            if !all.contains(&taker) {
                all.push(taker);
            }
        }
        let all = Takers::from(all);
        if self.takers.len() >= MOST_TAKERS {
            self.takers.clear();
        }
        self.takers.insert(first.inode, (now + SHARED, Arc::clone(&all)));
        all
    }

    /// Whether the connection at one end is open, and waits for somebody to accept it.
    pub fn waits(&self, end: End) -> bool {
        self.near(end).any(|(_, diag)| diag.waits(end.local, end.peer))
    }

    /// The namespaces in which an end may be, and how to ask in them: a loopback address is that of the namespace in which it was seen, any
    /// other may be of any of them.
    fn near(&self, end: End) -> impl Iterator<Item = (Zone, &Diag)> {
        let all = std::iter::once((Zone::default(), &self.own)).chain(self.zones.iter().map(|(zone, diag)| (*zone, diag)));
        let (here, others): (Vec<_>, Vec<_>) = all.partition(|(z, _)| *z == end.zone);
        here.into_iter().chain(others.into_iter().filter(move |_| !end.local.ip().is_loopback()))
    }
}

/// Whether an address that may be one of a namespace is known to be.
fn is_here(local: SocketAddr, zone: Zone) -> bool {
    local.ip().is_loopback() || (zone == Zone::default() && super::is_ours(local.ip()))
}

/// The sockets of a process; none where it is gone, or not ours to look at.
pub fn sockets(pid: u32) -> Option<Vec<Seen>> {
    let (sockets, _) = links(pid)?;
    if sockets.is_empty() { Some(Vec::new()) } else { Some(seen(whole(pid)?, sockets)) }
}

/// Its sockets, and where the next ones may come: what it opens next gets the lowest number that is free (open(2)).
pub fn files(pid: u32) -> Option<Files> {
    let (sockets, mut used) = links(pid)?;
    used.sort_unstable();
    let count = if used.is_empty() { 0 } else { FREE };
    let free = (0..).filter(|file| used.binary_search(file).is_err()).take(count).collect();
    let pid = (pid, ticks(pid)?);
    Some(Files { pid, sockets: seen(pid, sockets), free })
}

/// A socket, and the number of the file that it is.
type Link = (Id, u32);

/// Its sockets, and the numbers of all its files.
fn links(pid: u32) -> Option<(Vec<Link>, Vec<u32>)> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.take(LINKS).flatten();
    let number = |link: &fs::DirEntry| link.file_name().to_str()?.parse().ok();
    let numbered: Vec<(u32, fs::DirEntry)> = links.filter_map(|link| Some((number(&link)?, link))).collect();
    let socket = |(file, link): &(u32, fs::DirEntry)| Some((inode(fs::read_link(link.path()).ok()?.to_str()?)?, *file));
    Some((numbered.iter().filter_map(socket).collect(), numbered.iter().map(|(file, _)| *file).collect()))
}

/// The process of a number, which may be a thread's where it is the newest.
fn whole(pid: u32) -> Option<Pid> {
    let pid = leader(pid).unwrap_or(pid);
    Some((pid, ticks(pid)?))
}

fn seen(pid: Pid, sockets: Vec<Link>) -> Vec<Seen> {
    sockets.into_iter().map(|(id, file)| Seen { id, pid, file }).collect()
}

/// The socket that one of a process's files is, where it is one.
pub fn socket(pid: u32, file: u32) -> impl Iterator<Item = Id> {
    let target = fs::read_link(format!("/proc/{pid}/fd/{file}")).ok();
    target.as_deref().and_then(|target| inode(target.to_str()?)).into_iter()
}

/// How long the first thread of a process has run so far, in nanoseconds; 0 where that is not told.
pub fn ran(pid: u32) -> u64 {
    let stat = text(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    stat.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default()
}

/// Whether what was seen still tells whose a socket is: an inode is no other socket's soon, so that those that are gone keep their names.
pub fn holds(_: &Seen) -> bool {
    true
}

/// Looks a process up; none where it is gone.
pub fn read(pid: u32) -> Option<Info> {
    let folder = format!("/proc/{pid}");
    let link = |name: &str| fs::read_link(format!("{folder}/{name}")).ok().map(|path| path.to_string_lossy().into_owned());
    let text = |name: &str| text(format!("{folder}/{name}"));
    let ticks = ticks(pid)?;
    let status = text("status").unwrap_or_default();
    let (exe, args) = (link("exe"), arguments(pid).unwrap_or_default());
    // one that has ended and waits for its parent to notice has neither
    if exe.is_none() && args.is_empty() {
        return None;
    }
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok());
    let env = text("environ").unwrap_or_default();
    let env: Vec<_> = env.split('\0').filter_map(variable).collect();
    let in_pod = env.iter().any(|(name, _)| *name == "KUBERNETES_SERVICE_HOST");
    let mounts = if in_pod { text("mountinfo").unwrap_or_default() } else { String::new() };
    Some(Info {
        pid,
        ticks,
        uid: uid.unwrap_or_default(),
        exe,
        args,
        cwd: link("cwd"),
        env,
        cgroup: text("cgroup").unwrap_or_default(),
        pod_container: pod_container(&mounts),
    })
}

/// The arguments of a process, the program's name first; none where it is gone.
pub fn arguments(pid: u32) -> Option<Vec<String>> {
    text(format!("/proc/{pid}/cmdline")).map(|line| split(&line))
}

/// The numbers of all processes.
pub fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The number of the process that began last (proc_loadavg(5)).
pub fn newest() -> Option<u32> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().last()?.parse().ok()
}

/// When a process began, in clock ticks since the machine did (proc_pid_stat(5), the 22nd field); none where it is gone.
pub fn ticks(pid: u32) -> Option<u64> {
    let stat = text(format!("/proc/{pid}/stat"))?;
    // the second field is a name in parentheses, which may hold anything
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// So long ago, as [`ticks`] count.
pub fn ago(age: Duration) -> u64 {
    let ticks = uptime().saturating_sub(age).as_nanos() / u128::from(tick());
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The time of so many clock ticks, to a hundredth of a second.
pub fn started(ticks: u64) -> Option<Time> {
    // proc_stat(5) tells it in whole seconds only
    static BOOT: LazyLock<Option<Duration>> = LazyLock::new(|| UNIX_EPOCH.elapsed().ok()?.checked_sub(uptime()));
    let began = (*BOOT)?.checked_add(Duration::from_nanos(ticks.saturating_mul(tick())))?;
    Some(Time::from_nanos(i64::try_from(began.as_nanos()).ok()?))
}

/// How long a clock tick is, in nanoseconds.
fn tick() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// How long the machine runs (proc_uptime(5)).
fn uptime() -> Duration {
    let seconds = text("/proc/uptime").and_then(|text| text.split(' ').next()?.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

/// The first part of a file.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Arguments end in NUL each. A process that writes its own title there has spaces and one end.
fn split(line: &str) -> Vec<String> {
    let line = line.strip_suffix('\0').unwrap_or(line).trim_end_matches('\0');
    if line.is_empty() { Vec::new() } else { line.split('\0').map(str::to_owned).collect() }
}

/// The process that a thread belongs to.
fn leader(thread: u32) -> Option<u32> {
    status(thread, "Tgid:")
}

/// Whether a number is a process's, and not that of one of its threads.
pub fn leads(pid: u32) -> bool {
    leader(pid) == Some(pid)
}

/// The process that a process was forked by, or that took it over.
pub fn parent(pid: u32) -> Option<u32> {
    status(pid, "PPid:")
}

fn status(pid: u32, field: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(field)?.trim().parse().ok())
}

/// `socket:[12345]`
fn inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The kubelet mounts a file of each container's own: `…/pods/UID/containers/NAME/HASH … /dev/termination-log` (mount by default).
fn pod_container(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (_, rest) = line.split_once("/pods/")?;
        let (_, rest) = rest.split_once("/containers/")?;
        rest.split('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_any_address_is_none_of_somebody_elses() {
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut lookup = Lookup::open().unwrap();
        let mut find = |ip: [u8; 4], transport| {
            let (local, peer) = ((ip, port).into(), ([127, 0, 0, 1], 9).into());
            let end = End { local, peer, transport, zone: Zone::default() };
            lookup.takers(end).first().copied().or_else(|| lookup.find(end))
        };
        assert!(find([127, 0, 0, 1], Transport::Stream).is_some());
        assert_eq!(find([192, 0, 2, 7], Transport::Stream), None, "a server elsewhere that has the same port");
        assert_eq!(find([127, 0, 0, 1], Transport::Datagram), None, "what comes by UDP is none of its business");
        let _socket = std::net::UdpSocket::bind(("0.0.0.0", port)).unwrap();
        assert!(find([127, 0, 0, 1], Transport::Datagram).is_some());
        assert_eq!(find([192, 0, 2, 7], Transport::Datagram), None);
    }

    #[test]
    fn we_are_found() {
        let info = read(std::process::id()).unwrap();
        assert_eq!(info.pid, std::process::id());
        assert!(info.exe.as_deref().is_some_and(|exe| exe.contains("meshtop")), "{info:?}");
        assert_eq!(info.args, std::env::args().collect::<Vec<_>>());
        assert_eq!(info.cwd.as_deref(), std::env::current_dir().unwrap().to_str());
        assert_eq!(read(u32::MAX), None);
        let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
        let began = started(info.ticks).unwrap().nanos();
        // the system counts in hundredths of a second
        assert!(began > 0 && began <= now + 20_000_000, "{began} {now}");
        assert!(info.ticks <= ago(Duration::ZERO), "nobody began later than now");
    }

    #[test]
    fn arguments_are_split_at_their_ends() {
        assert_eq!(split("node\0server.js\0"), ["node", "server.js"]);
        assert_eq!(split("nginx: worker process\0\0\0"), ["nginx: worker process"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn a_pods_container_is_in_its_mounts() {
        let line = "812 790 8:1 /var/lib/kubelet/pods/6fd1-9c/containers/orders/4f2a11 /dev/termination-log rw,relatime - ext4 /dev/sda1 rw";
        assert_eq!(pod_container(&format!("1 2 0:1 / / rw - overlay overlay rw\n{line}\n")).as_deref(), Some("orders"));
        assert_eq!(pod_container("1 2 0:1 / / rw - overlay overlay rw\n"), None);
    }
}
