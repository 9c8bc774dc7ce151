//! Who owns a socket: its process, its container, and what its people call it. What is found out becomes facts; nothing here sees a packet.
//!
//! ```text
//!  engine ── Ask: a connection came into view ──┐                    ┌── system: which sockets it has, and who has them
//!  scout  ── Hint: a SYN, before it is decoded ─┴─> resolver thread ─┼── holders: when to look where, and what was seen
//!                                                      │             ├── process, name: what it is called
//!                      Fact::Owned, Fact::Named <──────┘             └── containers: what Docker and Podman call it
//! ```
//!
//! The `system` is a file of its own for each: on Linux the kernel looks a socket up by its ends (`sock_diag`), and `/proc` tells who holds
//! it; on macOS only a look through the processes tells (`macos`, which we have not run). What the two have in common are their functions.
//!
//! A capture file is never asked about: what runs on this machine now has nothing to do with it.
//!
//! Rights: on Linux the thread keeps CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH where the process was started with them, to look into the
//! processes of others, and nothing else; without them it sees those of its own user, as it does on macOS. It never reads a byte of the
//! wire.

#[cfg(any(target_os = "linux", target_os = "macos"))]
pub mod containers;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod holders;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod name;
#[cfg(any(target_os = "macos", all(target_os = "linux", test)))]
mod proc_info;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod process;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod resolver;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod rights;
#[cfg(target_os = "linux")]
mod sock_diag;
#[cfg(target_os = "linux")]
mod survey;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub use resolver::{Options, start};
#[cfg(target_os = "linux")]
pub use sock_diag::Diag;
#[cfg(target_os = "linux")]
pub use survey::{Server, Sight, servers, sight};

/// One end of a connection.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct End {
    /// The socket's own address.
    local: std::net::SocketAddr,
    /// The other end's.
    peer: std::net::SocketAddr,
    transport: crate::model::Transport,
    /// The namespace in which it was seen.
    zone: crate::model::Zone,
}

/// Whether an address is one of this machine's, in our namespace: nobody can bind to another's (ip(7), bind(2)).
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn is_ours(ip: std::net::IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}
