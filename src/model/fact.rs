//! What is learned beside the flows, from elsewhere and later: the only way in which knowledge crosses connections.

use super::conn::{ConnId, PacketNo, Transport, Zone};
use crate::time::Time;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Something learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Addresses have a name.
    Named {
        /// Which.
        scope: Scope,
        /// How good the origin of the name is.
        rank: Rank,
        /// The service's name.
        service: Arc<str>,
    },
    /// The socket at one end of a connection was somebody's. It holds for that connection alone: ports are used again.
    Owned {
        /// The connection.
        conn: ConnId,
        /// The socket's own address: one of the connection's two.
        end: SocketAddr,
        /// Whose it was; none: nobody will find out any more.
        owner: Option<Arc<Owner>>,
    },
}

/// Which addresses a name is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One socket.
    Socket(SocketAddr),
    /// A port on any address.
    Port(u16),
    /// An address with any port.
    Ip(IpAddr),
    /// All addresses that begin with so many of its bits (RFC 4632).
    Net(IpAddr, u8),
    /// What a regular expression finds: in the address with its port (`10.0.0.7:80`), or in the command line of its process.
    Pattern(Arc<str>),
}

/// How good the origin of a name is; a later variant wins over an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A DNS answer on the wire, or the capture file's own name blocks.
    Capture,
    /// What the operating system or a container engine knows of an address.
    System,
    /// Who accepts connections there, as others of them tell.
    Listener,
    /// The user said so.
    User,
}

/// Who held a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its service's name.
    pub service: Arc<str>,
    /// Where that name is from.
    pub origin: Origin,
    /// The process.
    pub pid: Option<u32>,
    /// Its container, by name.
    pub container: Option<Arc<str>>,
    /// What else is known of the process.
    pub process: Option<Process>,
}

/// Where a service's name is from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// `OTEL_SERVICE_NAME` and its kin, in the environment of the process.
    Environment,
    /// A compose service, or the container's name.
    Container,
    /// A Kubernetes pod's container.
    Pod,
    /// A systemd unit.
    Unit,
    /// What an interpreter runs: a script, a module, a jar.
    Script,
    /// The name of the program.
    Program,
    /// The capture file says so.
    File,
    /// The socket was gone before its process was found, but it passed on what a service had received, whose name it is.
    Passes,
    /// The socket was gone before its process was found: the name says whose it was, not what. `uid 1000, exited` where a process has
    /// just ended that nobody could look at, else `uid 1000, closed`.
    Exited,
}

impl Origin {
    /// What gave the name, for people; none where there is no name.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Environment => Some("its environment, as OTEL_SERVICE_NAME"),
            Self::Container => Some("compose service or container"),
            Self::Pod => Some("container of a pod"),
            Self::Unit => Some("systemd unit"),
            Self::Script => Some("script"),
            Self::Program => Some("program"),
            Self::File => Some("capture file"),
            Self::Passes => Some("what it received and passes on"),
            Self::Exited => None,
        }
    }
}

/// How the processes went whose sockets were gone before they were found ([`Origin::Exited`]): the socket was closed, the process ended.
const GONE: [&str; 2] = ["closed", "exited"];

impl Owner {
    /// Whose a socket was that was gone before its process was found, and whether that has ended.
    pub fn gone(uid: u32, ended: bool) -> Self {
        let [closed, exited] = GONE;
        let service = format!("uid {uid}, {}", if ended { exited } else { closed }).into();
        Self { service, origin: Origin::Exited, pid: None, container: None, process: None }
    }

    /// Whether a text is what such an owner is called, to the letter.
    pub fn is_gone(text: &str) -> bool {
        let uid = |(uid, how): (&str, &str)| uid.parse::<u32>().ok().filter(|n| n.to_string() == uid && GONE.contains(&how));
        text.strip_prefix("uid ").and_then(|rest| rest.split_once(", ")).and_then(uid).is_some()
    }
}

/// What is known of a process, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its command line, as a shell would take it.
    pub command: Arc<str>,
    /// Its working folder.
    pub cwd: Option<Arc<str>>,
    /// When it began.
    pub started: Option<Time>,
    /// Whose it is.
    pub uid: u32,
    /// The command line of the process that opened the socket at which this one accepts connections, where it is another.
    pub opener: Option<Arc<str>>,
}

/// An end of a connection, and whose it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEnd {
    /// The socket's own address.
    pub end: SocketAddr,
    /// Whose it was.
    pub owner: Arc<Owner>,
}

/// What is told to those who write packets to files: what the screen shows as the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The ends of a connection that have a name, as far as a file says whose they were ([`Origin::File`]).
    Ends {
        /// The connection.
        conn: ConnId,
        /// Its two addresses.
        between: [SocketAddr; 2],
        /// The network namespace in which it was seen.
        zone: Zone,
        /// The client first.
        ends: Vec<OwnedEnd>,
    },
    /// An address has a name, for all that use it.
    Address(IpAddr, Arc<str>),
    /// All that could be known of the packets up to this one is told, save for what others find out later.
    Passed(PacketNo),
}

/// Who wants to know: the two ends of a connection that came into view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The connection.
    pub conn: ConnId,
    /// Who opened it, as far as is known.
    pub client: SocketAddr,
    /// Who accepted it.
    pub server: SocketAddr,
    /// What carries it: the same port may be one's by TCP and another's by UDP.
    pub transport: Transport,
    /// The network namespace in which it was seen.
    pub zone: Zone,
}

/// A TCP connection is being opened: told the moment its SYN is seen, for processes that are gone before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Who opens it.
    pub client: SocketAddr,
    /// Who is to accept it.
    pub server: SocketAddr,
    /// The network namespace in which it was seen.
    pub zone: Zone,
}

/// The address of an end that nobody tells of ([`UNKNOWN`](super::UNKNOWN)).
pub const NOBODY: &str = "?";

/// An endpoint as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Address and port, as text (`127.0.0.1:8081`, `[::1]:80`).
    pub addr: Arc<str>,
    /// Its name, where one is known.
    pub service: Option<Arc<str>>,
    /// Where that name is from, unless it is the owner's.
    pub rank: Option<Rank>,
    /// Who held the socket, where that is known.
    pub owner: Option<Arc<Owner>>,
}

/// An address without the port, and without the brackets of an IPv6 one.
pub fn host_of(addr: &str) -> &str {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Party {
    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        &*self.addr != NOBODY || self.service.is_some()
    }

    /// What gave the name, for people; none where there is none, or it only says that its process was not found.
    pub fn named_by(&self) -> Option<&'static str> {
        match self.rank {
            Some(Rank::User) => Some("--name or configuration"),
            Some(Rank::Listener) => Some("who listens at its address, by other connections"),
            Some(Rank::System) => Some("container engine, by its address"),
            Some(Rank::Capture) => Some("DNS answer or capture file, by its address"),
            None => self.owner.as_ref().filter(|_| self.service.is_some())?.origin.word(),
        }
    }

    /// The name, else the address.
    pub fn label(&self) -> &str {
        self.service.as_deref().unwrap_or(&self.addr)
    }

    /// Its address without the port, and without the brackets of an IPv6 one.
    pub fn host(&self) -> &str {
        host_of(&self.addr)
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.owner.as_ref()?.pid
    }

    /// Its container.
    pub fn container(&self) -> Option<&str> {
        self.owner.as_ref()?.container.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_the_address_without_its_port() {
        for (addr, host) in [("10.0.0.7:80", "10.0.0.7"), ("[::1]:80", "::1"), ("shop", "shop"), ("", "")] {
            assert_eq!(Party { addr: addr.into(), service: None, rank: None, owner: None }.host(), host);
        }
    }
}
