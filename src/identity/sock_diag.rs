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
const INET: u8 = 2;
const INET6: u8 = 10;
const LISTEN: u8 = 10;
/// `nlmsghdr`, and with `inet_diag_req_v2`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Where in an answer's `inet_diag_msg` the uid and the inode are.
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

    /// Whether the connection is one of this namespace, accepted or not: then `local` is an address of it.
    pub fn knows(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        self.either(local, peer).is_some_and(|socket| !socket.listens)
    }

    /// The TCP socket that takes connections to `local`.
    pub fn listener(&self, local: SocketAddr) -> Option<Socket> {
        // nobody calls from port 0
        let nobody = SocketAddr::new(local.ip(), 0);
        self.either(local, nobody).filter(|socket| socket.listens)
    }

    /// The kernel looks for both, one after the other.
    fn either(&self, local: SocketAddr, peer: SocketAddr) -> Option<Socket> {
        let family = if local.is_ipv4() { INET } else { INET6 };
        let found = self.ask(family, local, peer);
        // a socket of both families has its peers of IPv4 as mapped addresses
        if found.is_none() && local.is_ipv4() { self.ask(INET6, mapped(local), mapped(peer)) } else { found }
    }

    fn ask(&self, family: u8, local: SocketAddr, peer: SocketAddr) -> Option<Socket> {
        send(&self.socket, &request(family, local, peer), SendFlags::empty()).ok()?;
        let mut buffer = [0; 1024];
        // the answer is there once the request is sent (netlink(7)); an older one, of a request that was given up, is passed over
        loop {
            let (_, n) = recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT).ok()?;
            let message = buffer.get(..n)?;
            match kind(message)? {
                SOCK_DIAG_BY_FAMILY => return answer(message.get(HEADER..)?, local.port()),
                NLMSG_ERROR => return None,
                _ => {}
            }
        }
    }
}

fn request(family: u8, local: SocketAddr, peer: SocketAddr) -> [u8; REQUEST] {
    let mut out = Vec::with_capacity(REQUEST);
    out.extend_from_slice(&(REQUEST as u32).to_ne_bytes());
    out.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    // family, protocol, extensions, padding; all states
    out.extend_from_slice(&[family, TCP, 0, 0]);
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

/// An `inet_diag_msg`.
fn answer(body: &[u8], port: u16) -> Option<Socket> {
    let number = |at: usize| Some(u32::from_ne_bytes(body.get(at..at + 4)?.try_into().ok()?));
    let state = *body.get(1)?;
    let is_asked = body.get(4..6)? == port.to_be_bytes();
    is_asked.then_some(Socket { inode: number(INODE)?, uid: number(UID)?, listens: state == LISTEN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    fn inode(of: impl AsFd) -> u32 {
        u32::try_from(rustix::fs::fstat(of).unwrap().st_ino).unwrap()
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
            let (accepted, _) = listener.accept().unwrap();
            let connected = diag.connected(from, at).unwrap();
            assert_eq!((connected.inode, connected.uid), (inode(&client), rustix::process::getuid().as_raw()), "{address}");
            assert_eq!(diag.connected(at, from).unwrap().inode, inode(&accepted), "{address}");
            assert_eq!(diag.listener(at).unwrap().inode, inode(&listener), "{address}");
            assert_eq!(diag.listener(from), None, "whoever calls does not listen");
            drop((listener, accepted));
            assert_eq!(diag.listener(at), None, "nobody is there any more");
        }
    }
}
