//! Who owns a socket: its process, its container, and what its people call it. What is found out becomes facts; nothing here sees a packet.
//!
//! ```text
//!  engine ── Ask: a connection came into view ──┐                    ┌── sock_diag: its two sockets (inode, uid)
//!  scout  ── Hint: a SYN, before it is decoded ─┴─> resolver thread ─┼── holders: whose inode that is
//!                                                      │             ├── process, name: what it is called
//!                      Fact::Owned, Fact::Named <──────┘             └── containers: what Docker and Podman call it
//! ```
//!
//! A capture file is never asked about: what runs on this machine now has nothing to do with it.
//!
//! Rights: the thread keeps CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH where the process was started with them, to look into the processes
//! of others, and nothing else; without them it sees those of its own user. It reads `/proc`, never a byte of the wire.

#[cfg(target_os = "linux")]
pub mod containers;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod name;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod resolver;
#[cfg(target_os = "linux")]
mod sock_diag;
#[cfg(target_os = "linux")]
mod survey;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "linux")]
pub use resolver::{Options, Tally, start};
#[cfg(target_os = "linux")]
pub use sock_diag::Diag;
#[cfg(target_os = "linux")]
pub use survey::{Namespace, Sight, other_namespaces, sight};

/// One end of a connection: the socket's own address, the other one, and the namespace in which it was seen.
#[cfg(target_os = "linux")]
type End = (std::net::SocketAddr, std::net::SocketAddr, crate::model::Zone);
