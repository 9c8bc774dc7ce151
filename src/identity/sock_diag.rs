//! Which socket has an address: the kernel's exact look-up by both ends (sock_diag(7)), a few microseconds each, where the text tables of
//! `/proc/net` take milliseconds. Whose process it is, the inode tells: that is [`super::holders`]'.

use rustix::fd::OwnedFd;
use rustix::io::Result;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

// linux/netlink.h, linux/inet_diag.h, net/tcp_states.h
const NLMSG_ERROR: u16 = 2;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const INET: u8 = 2;
const INET6: u8 = 10;
const LISTEN: u8 = 10;
/// Established, its opening answered, closed by the other side alone; and a connection that is not accepted yet (`TCP_NEW_SYN_RECV`).
const OPEN: [u8; 4] = [1, 3, 8, 12];
/// `nlmsghdr`, and with `inet_diag_req_v2`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Where in an answer's `inet_diag_msg` the socket's own address, the uid and the inode are.
const SOURCE: usize = 8;
const UID: usize = 64;
const INODE: usize = 68;

/// A socket as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its number among the sockets.
    pub inode: u32,
    /// Whose it is.
    pub uid: u32,
    /// Whether it only takes connections.
    pub listens: bool,
    /// Whether this side has not closed its connection.
    pub open: bool,
}

impl Socket {
    /// What the one who holds it is looked for by.
    pub fn ids(self) -> [u32; 1] {
        [self.inode]
    }

    /// Whose it is, as far as that is known.
    pub fn uid(self) -> Option<u32> {
        Some(self.uid)
    }
}

/// Asks the kernel about the sockets of one network namespace: that in which it was opened.
#[derive(Debug)]
pub struct Diag {
    socket: OwnedFd,
}

impl Diag {
    /// For the namespace of this thread.
    pub fn open() -> Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket })
    }

    /// Over a socket that somebody opened in another namespace.
    pub fn over(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// The TCP socket at `local` that talks to `peer`, where a process holds it.
    pub fn connected(&self, local: SocketAddr, peer: SocketAddr) -> Option<Socket> {
        self.either(local, peer).filter(|socket| !socket.listens && socket.inode != 0)
    }

    /// The UDP socket that gets what `peer` sends to `local`, connected or not, and its own address, which may be any. UDP's part of the
    /// kernel takes the two ends of a request the other way round (`udp_dump_one` in net/ipv4/udp_diag.c).
    pub fn bound(&self, local: SocketAddr, peer: SocketAddr) -> Option<(Socket, IpAddr)> {
        let family = if local.is_ipv4() { INET } else { INET6 };
        let found = self.send(&request(family, UDP, peer, local), local.port())?;
        (found.0.inode != 0).then_some(found)
    }

    /// Whether the connection is one of this namespace, accepted or not: then `local` is an address of it.
    pub fn knows(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        self.either(local, peer).is_some_and(|socket| !socket.listens)
    }

    /// The TCP socket that takes connections to `local`; of several, the one that would take one from such a port of the same host. Nobody
    /// calls from port 0.
    pub fn listener(&self, local: SocketAddr, port: u16) -> Option<Socket> {
        self.either(local, SocketAddr::new(local.ip(), port)).filter(|socket| socket.listens)
    }

    /// Whether the connection waits at `local` for somebody to accept it.
    pub fn waits(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        self.either(local, peer).is_some_and(|socket| !socket.listens && socket.inode == 0 && socket.open)
    }

    /// The kernel looks for both, one after the other.
    fn either(&self, local: SocketAddr, peer: SocketAddr) -> Option<Socket> {
        let family = if local.is_ipv4() { INET } else { INET6 };
        let found = self.ask(family, local, peer);
        // a socket of both families has its peers of IPv4 as mapped addresses
        if found.is_none() && local.is_ipv4() { self.ask(INET6, mapped(local), mapped(peer)) } else { found }
    }

    fn ask(&self, family: u8, local: SocketAddr, peer: SocketAddr) -> Option<Socket> {
        self.send(&request(family, TCP, local, peer), local.port()).map(|(socket, _)| socket)
    }

    /// Sends a request about the socket that has a port.
    fn send(&self, request: &[u8], port: u16) -> Option<(Socket, IpAddr)> {
        send(&self.socket, request, SendFlags::empty()).ok()?;
        let mut buffer = [0; 1024];
        // the answer is there once the request is sent (netlink(7)); an older one, of a request that was given up, is passed over
        loop {
            let (_, n) = recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT).ok()?;
            let message = buffer.get(..n)?;
            match kind(message)? {
                SOCK_DIAG_BY_FAMILY => return answer(message.get(HEADER..)?, port),
                NLMSG_ERROR => return None,
                _ => {}
            }
        }
    }
}

fn request(family: u8, protocol: u8, local: SocketAddr, peer: SocketAddr) -> [u8; REQUEST] {
    let mut out = Vec::with_capacity(REQUEST);
    out.extend_from_slice(&(REQUEST as u32).to_ne_bytes());
    out.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    // family, protocol, extensions, padding; all states
    out.extend_from_slice(&[family, protocol, 0, 0]);
    out.extend_from_slice(&u32::MAX.to_ne_bytes());
    out.extend_from_slice(&local.port().to_be_bytes());
    out.extend_from_slice(&peer.port().to_be_bytes());
    for end in [local, peer] {
        let mut address = [0; 16];
        match end.ip() {
            IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => address = ip.octets(),
        }
        out.extend_from_slice(&address);
    }
    // any interface, any cookie
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[0xff; 8]);
    let mut request = [0; REQUEST];
    request.copy_from_slice(&out);
    request
}

fn mapped(addr: SocketAddr) -> SocketAddr {
    let ip: Ipv6Addr = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::new(ip.into(), addr.port())
}

fn kind(message: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?))
}

/// An `inet_diag_msg`: the socket, and its own address.
fn answer(body: &[u8], port: u16) -> Option<(Socket, IpAddr)> {
    let number = |at: usize| Some(u32::from_ne_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let state = *body.get(1)?;
    let is_asked = body.get(4..6)? == port.to_be_bytes();
    let own: [u8; 16] = body.get(SOURCE..SOURCE + 16)?.try_into().ok()?;
    let own = match *body.first()? {
        INET => IpAddr::V4([own[0], own[1], own[2], own[3]].into()),
        _ => IpAddr::V6(own.into()).to_canonical(),
    };
    let (listens, open) = (state == LISTEN, OPEN.contains(&state));
    is_asked.then_some((Socket { inode: number(INODE)?, uid: number(UID)?, listens, open }, own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;

    fn inode(of: impl AsFd) -> u32 {
        u32::try_from(rustix::fs::fstat(of).unwrap().st_ino).unwrap()
    }

    #[test]
    fn a_udp_socket_is_found_by_its_own_address_whether_it_is_connected_or_not() {
        let diag = Diag::open().unwrap();
        for (at, from) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "127.0.0.1")]
        {
            let server = UdpSocket::bind(at).unwrap();
            let (own, port) = (server.local_addr().unwrap().ip(), server.local_addr().unwrap().port());
            let _tcp = TcpListener::bind((from, port)).unwrap();
            let client = UdpSocket::bind((from, 0)).unwrap();
            let (caller, called) = (client.local_addr().unwrap(), SocketAddr::new(from.parse().unwrap(), port));
            let (found, address) = diag.bound(called, caller).unwrap();
            assert_eq!((found.inode, address), (inode(&server), own), "{at}");
            client.connect(called).unwrap();
            assert_eq!(diag.bound(caller, called).unwrap().0.inode, inode(&client), "{at}");
            drop(server);
            assert_eq!(diag.bound(called, caller), None, "{at}: a listener of TCP is another's");
        }
    }

    #[test]
    fn both_ends_are_found_and_after_them_the_listener() {
        let diag = Diag::open().unwrap();
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let dual = address == "[::]:0";
            let to = if dual || address.starts_with('1') { "127.0.0.1" } else { "::1" };
            let client = TcpStream::connect((to, port)).unwrap();
            let (from, at) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            assert_eq!(diag.connected(at, from), None, "not accepted yet: no process holds it");
            assert!(diag.waits(at, from));
            let (accepted, _) = listener.accept().unwrap();
            assert!(!diag.waits(at, from));
            let connected = diag.connected(from, at).unwrap();
            assert_eq!((connected.inode, connected.uid), (inode(&client), rustix::process::getuid().as_raw()), "{address}");
            assert_eq!(diag.connected(at, from).unwrap().inode, inode(&accepted), "{address}");
            assert_eq!(diag.listener(at, 0).unwrap().inode, inode(&listener), "{address}");
            assert_eq!(diag.listener(from, 0), None, "whoever calls does not listen");
            drop((listener, accepted));
            assert_eq!(diag.listener(at, 0), None, "nobody is there any more");
        }
    }
}
