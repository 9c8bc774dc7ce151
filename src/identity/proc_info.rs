//! What macOS tells of processes and their sockets, as the bytes that it comes in: the structures of `sys/proc_info.h` (XNU), which are the
//! same on both of its processors, and the arguments that sysctl(3) hands over. Pure reading; asking is [`super::system`]'s. It is tested
//! on bytes made by hand after those headers.

use super::process::variable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `proc_bsdinfo`: its size, and where the state, the parent, the user, the number of files, and the beginning (seconds, microseconds) are.
pub const PROCESS: usize = 136;
const STATUS: usize = 4;
const PARENT: usize = 16;
const UID: usize = 20;
const FILES: usize = 96;
const SECONDS: usize = 120;
const MICROSECONDS: usize = 128;
/// A process that has ended and waits for its parent to notice (`SZOMB`).
const ZOMBIE: u32 = 5;
/// `proc_fdinfo`: number and kind of an open file.
pub const FILE: usize = 8;
/// The kind of those that are sockets (`PROX_FDTYPE_SOCKET`).
const IS_SOCKET: u32 = 2;
/// `socket_fdinfo`: its size, and where the kind of socket, its ports and addresses (the peer's first), and its state are.
pub const SOCKET: usize = 792;
const KIND: usize = 256;
const PEER_PORT: usize = 264;
const LOCAL_PORT: usize = 268;
const FAMILIES: usize = 288;
const PEER: usize = 296;
const LOCAL: usize = 312;
const STATE: usize = 344;
/// `SOCKINFO_TCP`, `INI_IPV4`, `INI_IPV6`, `TSI_S_LISTEN`.
const TCP: u32 = 2;
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const LISTEN: u32 = 1;
/// `proc_vnodepathinfo`: its size, and where the path of the working folder is, and how long it may be.
pub const FOLDERS: usize = 2352;
const FOLDER: usize = 152;
const PATH: usize = 1024;

/// What a TCP socket is known by: its own address, and the one that it talks to; none: it takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Its own.
    pub local: SocketAddr,
    /// The other one.
    pub peer: Option<SocketAddr>,
}

/// A socket that somebody here may hold: macOS has no look-up by address, so that only a look through the processes tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    local: SocketAddr,
    peer: SocketAddr,
    /// Whether it takes connections.
    pub listens: bool,
}

impl Socket {
    /// The one at `local` that talks to `peer`; none where that is no address of this machine.
    pub fn new(local: SocketAddr, peer: SocketAddr, listens: bool) -> Option<Self> {
        super::is_ours(local.ip()).then_some(Self { local, peer, listens })
    }

    /// What the one who holds it is looked for by, the best first: of two listeners the one at the very address gets the connections.
    pub fn ids(self) -> impl Iterator<Item = Ends> {
        let any = SocketAddr::new(any_address(self.local.is_ipv4()), self.local.port());
        let listeners = [self.local, any].map(|local| Ends { local, peer: None });
        let connected = Ends { local: self.local, peer: Some(self.peer) };
        let connected = if self.listens { None } else { Some(connected) };
        listeners.into_iter().filter(move |_| self.listens).chain(connected)
    }

    /// Whose it is: nobody tells before its process is found.
    pub fn uid(self) -> Option<u32> {
        None
    }
}

/// A process, without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basics {
    /// Whose it is.
    pub uid: u32,
    /// Which process forked it, or took it over.
    pub parent: u32,
    /// How many files it has room for.
    pub files: u32,
    /// When it began, in microseconds since 1970.
    pub began: u64,
}

/// How a process was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// Its arguments, the program's name first.
    pub args: Vec<String>,
    /// The few variables of its environment that name a service.
    pub env: Vec<(&'static str, String)>,
}

/// Reads a `proc_bsdinfo`; none where the process has ended.
pub fn basics(bytes: &[u8]) -> Option<Basics> {
    let began = u64_at(bytes, SECONDS)?.checked_mul(1_000_000)?.checked_add(u64_at(bytes, MICROSECONDS)?)?;
    let basics = Basics { uid: u32_at(bytes, UID)?, parent: u32_at(bytes, PARENT)?, files: u32_at(bytes, FILES)?, began };
    (u32_at(bytes, STATUS)? != ZOMBIE).then_some(basics)
}

/// Reads a list of `pid_t`; the kernel's own, 0, is none.
pub fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(|number| u32_at(number, 0)).filter(|&number| number != 0)
}

/// The numbers of those that are sockets in a list of `proc_fdinfo`.
pub fn socket_files(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let files = bytes.chunks_exact(FILE).filter(|file| u32_at(file, 4) == Some(IS_SOCKET));
    files.filter_map(|file| u32_at(file, 0))
}

/// Reads a `socket_fdinfo`: what a TCP socket is known by, which is two things where it takes connections of both IP versions; nothing
/// where it is another socket, or not in use.
pub fn ends(bytes: &[u8]) -> Vec<Ends> {
    let (Some(kind), Some(state), Some(&families)) = (u32_at(bytes, KIND), u32_at(bytes, STATE), bytes.get(FAMILIES)) else {
        return Vec::new();
    };
    let is_ipv6 = families & IPV6 != 0;
    let (Some(local), Some(peer)) = (address(bytes, LOCAL_PORT, LOCAL, is_ipv6), address(bytes, PEER_PORT, PEER, is_ipv6)) else {
        return Vec::new();
    };
    if kind != TCP || local.port() == 0 {
        Vec::new()
    } else if state == LISTEN {
        let both = is_ipv6 && families & IPV4 != 0 && local.ip().is_unspecified();
        let other = both.then(|| SocketAddr::new(any_address(true), local.port()));
        [Some(local), other].into_iter().flatten().map(|local| Ends { local, peer: None }).collect()
    } else if peer.port() == 0 {
        Vec::new()
    } else {
        vec![Ends { local, peer: Some(peer) }]
    }
}

/// The working folder in a `proc_vnodepathinfo`; none where we may not know.
pub fn working_folder(bytes: &[u8]) -> Option<String> {
    let path = bytes.get(FOLDER..FOLDER + PATH)?.split(|&byte| byte == 0).next()?;
    (!path.is_empty()).then(|| String::from_utf8_lossy(path).into_owned())
}

/// What `KERN_PROCARGS2` gives: how many arguments there are, the program's path, NULs, the arguments, and the environment, of which the
/// kernel keeps back what we may not see. Each ends in NUL; an empty entry ends the environment.
pub fn started(bytes: &[u8]) -> Option<Started> {
    let count = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let rest = bytes.get(4..)?;
    let path = rest.iter().position(|&byte| byte == 0)?;
    let padding = rest.get(path..)?.iter().position(|&byte| byte != 0)?;
    let mut entries = rest.get(path + padding..)?.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let args = entries.by_ref().take(count).map(String::from).collect();
    let env = entries.take_while(|entry| !entry.is_empty()).filter_map(|entry| variable(&entry)).collect();
    Some(Started { args, env })
}

fn any_address(ipv4: bool) -> IpAddr {
    if ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// Ports are in the order of the network, and addresses of IPv4 are the last quarter of the room for one.
fn address(bytes: &[u8], port: usize, at: usize, is_ipv6: bool) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(bytes.get(port..port + 2)?.try_into().ok()?);
    let bytes: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    let [.., a, b, c, d] = bytes;
    let ip = if is_ipv6 { Ipv6Addr::from(bytes).to_canonical() } else { Ipv4Addr::new(a, b, c, d).into() };
    Some(SocketAddr::new(ip, port))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
        bytes[at..at + what.len()].copy_from_slice(what);
    }

    fn socket(families: u8, state: u32, local: &str, peer: &str) -> Vec<u8> {
        let mut bytes = vec![0; SOCKET];
        put(&mut bytes, KIND, &TCP.to_ne_bytes());
        put(&mut bytes, STATE, &state.to_ne_bytes());
        put(&mut bytes, FAMILIES, &[families]);
        for (end, port, at) in [(local, LOCAL_PORT, LOCAL), (peer, PEER_PORT, PEER)] {
            let end: SocketAddr = end.parse().unwrap();
            put(&mut bytes, port, &end.port().to_be_bytes());
            match end.ip() {
                IpAddr::V4(ip) => put(&mut bytes, at + 12, &ip.octets()),
                IpAddr::V6(ip) => put(&mut bytes, at, &ip.octets()),
            }
        }
        bytes
    }

    fn known(local: &str, peer: Option<&str>) -> Ends {
        Ends { local: local.parse().unwrap(), peer: peer.map(|peer| peer.parse().unwrap()) }
    }

    #[test]
    fn a_socket_is_known_by_its_ends() {
        const ESTABLISHED: u32 = 4;
        let v4 = socket(IPV4, ESTABLISHED, "127.0.0.1:49152", "127.0.0.1:8080");
        assert_eq!(ends(&v4), [known("127.0.0.1:49152", Some("127.0.0.1:8080"))]);
        let v6 = socket(IPV6, ESTABLISHED, "[::1]:49152", "[2001:db8::7]:443");
        assert_eq!(ends(&v6), [known("[::1]:49152", Some("[2001:db8::7]:443"))]);
        let mapped = socket(IPV6, ESTABLISHED, "[::ffff:127.0.0.1]:8080", "[::ffff:127.0.0.1]:49152");
        assert_eq!(ends(&mapped), [known("127.0.0.1:8080", Some("127.0.0.1:49152"))]);
        assert_eq!(ends(&socket(IPV4, LISTEN, "127.0.0.1:8080", "0.0.0.0:0")), [known("127.0.0.1:8080", None)]);
        let both = [known("[::]:8080", None), known("0.0.0.0:8080", None)];
        assert_eq!(ends(&socket(IPV4 | IPV6, LISTEN, "[::]:8080", "[::]:0")), both);
        assert_eq!(ends(&socket(IPV6, LISTEN, "[::]:8080", "[::]:0")), both[..1], "one of IPv6 alone");
    }

    #[test]
    fn what_is_no_connection_is_known_by_nothing() {
        assert_eq!(ends(&socket(IPV4, 0, "127.0.0.1:8080", "0.0.0.0:0")), [], "bound, no more");
        assert_eq!(ends(&socket(IPV4, 0, "0.0.0.0:0", "0.0.0.0:0")), []);
        let mut udp = socket(IPV4, 4, "127.0.0.1:5353", "127.0.0.1:53");
        put(&mut udp, KIND, &1_u32.to_ne_bytes());
        assert_eq!(ends(&udp), []);
        let whole = socket(IPV4, 4, "127.0.0.1:1", "127.0.0.1:2");
        assert!((0..STATE + 4).all(|n| ends(&whole[..n]).is_empty()), "cut short");
    }

    #[test]
    fn what_takes_connections_is_known_by_its_own_end() {
        let [at, from] = ["127.0.0.1:8080", "127.0.0.1:49152"].map(|end| end.parse().unwrap());
        let takes = Socket::new(at, from, true).unwrap();
        assert_eq!(takes.ids().collect::<Vec<_>>(), [known("127.0.0.1:8080", None), known("0.0.0.0:8080", None)]);
        let calling = Socket::new(from, at, false).unwrap();
        assert_eq!(calling.ids().collect::<Vec<_>>(), [known("127.0.0.1:49152", Some("127.0.0.1:8080"))]);
        // TEST-NET-1 (RFC 5737) is nobody's
        assert_eq!(Socket::new("192.0.2.7:80".parse().unwrap(), from, true), None);
        assert_eq!(calling.uid(), None);
    }

    #[test]
    fn processes_and_their_files_are_read() {
        let mut bytes = vec![0; PROCESS];
        put(&mut bytes, PARENT, &1_u32.to_ne_bytes());
        put(&mut bytes, UID, &501_u32.to_ne_bytes());
        put(&mut bytes, FILES, &64_u32.to_ne_bytes());
        put(&mut bytes, SECONDS, &1_700_000_000_u64.to_ne_bytes());
        put(&mut bytes, MICROSECONDS, &250_000_u64.to_ne_bytes());
        assert_eq!(basics(&bytes), Some(Basics { uid: 501, parent: 1, files: 64, began: 1_700_000_000_250_000 }));
        assert_eq!(basics(&bytes[..PROCESS - 1]), None, "cut short");
        put(&mut bytes, STATUS, &ZOMBIE.to_ne_bytes());
        assert_eq!(basics(&bytes), None, "it has ended");
        let list: Vec<u8> = [0_u32, 1, 3, 2, 4, 2, 5, 6].into_iter().flat_map(u32::to_ne_bytes).collect();
        assert_eq!(socket_files(&list).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(numbers(&list[..10]).collect::<Vec<_>>(), [1]);
        let mut folders = vec![0; FOLDERS];
        assert_eq!(working_folder(&folders), None);
        put(&mut folders, FOLDER, b"/Users/ann/ledger\0rest");
        assert_eq!(working_folder(&folders).as_deref(), Some("/Users/ann/ledger"));
    }

    #[test]
    fn arguments_end_where_their_number_says() {
        let mut bytes = 3_u32.to_ne_bytes().to_vec();
        bytes.extend_from_slice(
            b"/usr/local/bin/node\0\0\0\0\0node\0server.js\0\0DD_SERVICE=shop\0PATH=/bin\0\0ptr_munge=\0HOSTNAME=x\0",
        );
        let Started { args, env } = started(&bytes).unwrap();
        assert_eq!(args, ["node", "server.js", ""]);
        assert_eq!(env, [("DD_SERVICE", "shop".to_owned())], "what follows the environment is the kernel's");
        let huge = [&u32::MAX.to_ne_bytes()[..], b"/bin/a\0\0a\0b"].concat();
        assert_eq!(started(&huge).unwrap().args, ["a", "b"], "there are no more than there are");
        assert_eq!(started(b"\x01\0\0\0/bin/a"), None);
        assert_eq!(started(b"\x01\0"), None);
    }
}
