//! Which interfaces there are, and that something about them has changed. Opens none of them.
//!
//! Linux is asked by netlink (rtnetlink(7)), not by sysfs: `/sys` shows the network namespace it was mounted in, which under
//! `nsenter -n` or `unshare -n` is not the one we capture in.

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its name.
    pub name: String,
    /// Its number: another one under the same name is another interface. 0 where the system does not tell.
    pub index: u32,
    /// Whether it is switched on (a bridge without a cable is).
    pub up: bool,
    /// Whether it is the loopback.
    pub loopback: bool,
    /// The kernel's word for a made one (`bridge`, `veth`, `tun` …); empty for hardware.
    pub kind: String,
}

/// The pseudo-interface that stands for all.
pub(super) const ANY: &str = "any";

impl Link {
    /// The one that stands for all, which no list has.
    pub fn any() -> Self {
        Self { name: ANY.into(), index: 0, up: true, loopback: false, kind: String::new() }
    }
}

pub(super) use system::{List, Watch, diag, links};

#[cfg(target_os = "linux")]
mod system {
    use super::Link;
    use rustix::io::{Errno, Result};
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    // linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if.h
    const NLMSG_ERROR: u16 = 2;
    const NLMSG_DONE: u16 = 3;
    const RTM_NEWLINK: u16 = 16;
    const RTM_GETLINK: u16 = 18;
    const NLM_F_REQUEST_DUMP: u16 = 0x301;
    const RTMGRP_LINK: u32 = 1;
    const IFLA_IFNAME: u16 = 3;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_INFO_KIND: u16 = 1;
    const IFF_UP: u32 = 0x1;
    const IFF_LOOPBACK: u32 = 0x8;
    /// The kernel fills at most 32 KiB a datagram of a dump (`netlink_dump`).
    const DATAGRAM: usize = 64 << 10;

    /// Hears of every interface that comes, goes or changes.
    pub struct Watch {
        socket: OwnedFd,
    }

    impl Watch {
        /// Listens from now on.
        pub fn start() -> Result<Self> {
            Ok(Self { socket: open(RTMGRP_LINK)? })
        }

        /// What to poll for reading.
        pub fn fd(&self) -> Option<BorrowedFd<'_>> {
            Some(self.socket.as_fd())
        }

        /// Whether anything has changed since the last call. What it was, `links` tells.
        pub fn changed(&mut self) -> bool {
            let mut any = false;
            let mut buffer = [0; 4096];
            loop {
                match recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                    Ok(_) => any = true,
                    // Messages were lost: then something did change. The next call reads on.
                    Err(Errno::NOBUFS) => return true,
                    Err(Errno::INTR) => {}
                    Err(_) => return any,
                }
            }
        }
    }

    /// All interfaces of this network namespace.
    pub fn links() -> Result<Vec<Link>> {
        List::open()?.links()
    }

    /// Tells the interfaces of the network namespace that it was opened in, from wherever it is asked.
    pub struct List {
        socket: OwnedFd,
    }

    impl List {
        /// For the namespace of this thread.
        pub fn open() -> Result<Self> {
            Ok(Self { socket: open(0)? })
        }

        /// All interfaces.
        pub fn links(&self) -> Result<Vec<Link>> {
            let socket = &self.socket;
            send(socket, &request(), SendFlags::empty())?;
            let mut all = Vec::new();
            let mut buffer = vec![0; DATAGRAM];
            loop {
                let (_, n) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
                let mut rest = buffer.get(..n).unwrap_or_default();
                if rest.is_empty() {
                    return Ok(all);
                }
                while let Some((kind, body, next)) = message(rest) {
                    match kind {
                        NLMSG_DONE | NLMSG_ERROR => return Ok(all),
                        RTM_NEWLINK => all.extend(link(body)),
                        _ => {}
                    }
                    rest = next;
                }
            }
        }
    }

    /// A socket that tells of the sockets of the network namespace that it was opened in (sock_diag(7)).
    pub fn diag() -> Result<OwnedFd> {
        let protocol = Some(rustix::net::netlink::SOCK_DIAG);
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)
    }

    fn open(groups: u32) -> Result<OwnedFd> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(socket)
    }

    /// `nlmsghdr` and an empty `ifinfomsg`.
    fn request() -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&32u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&RTM_GETLINK.to_ne_bytes());
        bytes[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
        bytes
    }

    /// Type and body of the first message, and what follows it.
    fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
        let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let body = bytes.get(16..len)?;
        Some((u16_at(bytes, 4)?, body, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
    }

    fn link(body: &[u8]) -> Option<Link> {
        let flags = u32_at(body, 8)?;
        let attributes = body.get(16..)?;
        let kind = attribute(attributes, IFLA_LINKINFO).and_then(|info| attribute(info, IFLA_INFO_KIND));
        Some(Link {
            name: text(attribute(attributes, IFLA_IFNAME)?),
            index: u32_at(body, 4)?,
            up: flags & IFF_UP != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            kind: kind.map(text).unwrap_or_default(),
        })
    }

    /// The value of the first attribute of a type (`rtattr`: length with its header, type, value, padding to 4).
    fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
        loop {
            let len = usize::from(u16_at(bytes, 0)?);
            let value = bytes.get(4..len)?;
            if u16_at(bytes, 2)? == wanted {
                return Some(value);
            }
            bytes = bytes.get(len.next_multiple_of(4)..)?;
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
    }

    fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
    }

    fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_cut_message_is_no_message() {
            let whole = request();
            assert!(message(&whole).is_some());
            for n in 0..whole.len() {
                assert!(message(&whole[..n]).is_none(), "{n} bytes");
            }
            assert!(link(&[0; 16]).is_none());
            assert!(attribute(&[0, 0, 3, 0], IFLA_IFNAME).is_none(), "a length below its own header");
        }

        #[test]
        fn the_loopback_is_there() {
            let all = links().unwrap();
            assert!(all.iter().any(|l| l.name == "lo" && l.loopback && l.kind.is_empty()), "{all:?}");
        }
    }
}

/// Not run by us: written for macOS, where the list that libpcap gives is compared once a second.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::Link;
    use std::io::{Error, Result};
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::time::{Duration, Instant};

    const EVERY: Duration = Duration::from_secs(1);

    /// Says once a second that something may have changed.
    pub struct Watch {
        last: Instant,
    }

    impl Watch {
        /// Counts from now on.
        pub fn start() -> Result<Self> {
            Ok(Self { last: Instant::now() })
        }

        /// There is nothing to poll.
        pub fn fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }

        /// Whether a second has passed.
        pub fn changed(&mut self) -> bool {
            let due = self.last.elapsed() >= EVERY;
            if due {
                self.last = Instant::now();
            }
            due
        }
    }

    /// There is none.
    pub fn diag() -> Result<OwnedFd> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// There are no namespaces to ask in.
    pub struct List;

    impl List {
        /// For all there are.
        pub fn open() -> Result<Self> {
            Ok(Self)
        }

        /// All interfaces.
        pub fn links(&self) -> Result<Vec<Link>> {
            links()
        }
    }

    /// All interfaces.
    pub fn links() -> Result<Vec<Link>> {
        let devices = pcap::Device::list().map_err(|e| Error::other(e.to_string()))?;
        let link = |d: pcap::Device| Link {
            index: 0,
            up: d.flags.is_up(),
            loopback: d.flags.is_loopback(),
            kind: if d.name.starts_with("bridge") { "bridge".into() } else { String::new() },
            name: d.name,
        };
        Ok(devices.into_iter().map(link).collect())
    }
}
