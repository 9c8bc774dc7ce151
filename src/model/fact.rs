//! What is learned beside the flows, from elsewhere and later: the only way in which knowledge crosses connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One socket.
    Socket(SocketAddr),
    /// A port on any address.
    Port(u16),
    /// An address with any port.
    Ip(IpAddr),
}

/// How good a fact's origin is; a later variant wins over an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A DNS answer on the wire, or the capture file's own name blocks.
    Capture,
    /// What the operating system knows.
    System,
    /// The user said so.
    User,
}

/// Who an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Whom it is about.
    pub scope: Scope,
    /// How good it is.
    pub rank: Rank,
    /// The service's name.
    pub service: Arc<str>,
}

/// An endpoint as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Address and port, as text (`127.0.0.1:8081`, `[::1]:80`).
    pub addr: Arc<str>,
    /// Its name, where one is known.
    pub service: Option<Arc<str>>,
    /// Its process.
    pub pid: Option<u32>,
    /// Its container.
    pub container: Option<Arc<str>>,
}

impl Party {
    /// The name, else the address.
    pub fn label(&self) -> &str {
        self.service.as_deref().unwrap_or(&self.addr)
    }
}
