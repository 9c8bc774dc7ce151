//! Bytes in: capture files, standard input, interfaces; and packets kept or written again. What a packet holds is not looked
//! into here: that is `net`'s.

mod blocks;
mod capture;
pub mod comment;
#[cfg(feature = "live")]
pub mod file_filter;
mod input;
#[cfg(feature = "live")]
pub mod interfaces;
#[cfg(feature = "live")]
pub mod live;
mod merge;
pub mod netns;
pub mod own;
mod pcap_file;
mod pcapng;
pub mod pcapng_write;
pub mod private_file;
pub mod recorder;
#[cfg(feature = "live")]
pub mod scout;
pub mod tap;
#[cfg(feature = "live")]
mod watch;
mod window;

pub use merge::Files;

use crate::model::{Packets, SourceId, SourceNews};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use thiserror::Error;

/// The most packets one call of [`Source::fill`] appends: a batch is small enough that the screen follows, and that what is made of it
/// is still in a core's cache when the next thread takes it.
pub const FILL_PACKETS: usize = 256;
/// The bytes after which [`Source::fill`] returns; the packet that passes the mark still comes whole.
pub const FILL_BYTES: usize = 64 * 1024;
/// The largest packet that is taken from a capture: libpcap's and Wireshark's own limit (`MAXIMUM_SNAPLEN`).
pub const MAX_PACKET: usize = 262_144;
/// How long a pipe or a tap without packets may keep its caller, so that ticks go on.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_millis(10);
/// After how many milliseconds at most the kernel hands over what came to an interface, be it little: at each of them all threads wake up,
/// one after the other, which costs as much as some dozens of flows.
pub const BLOCK_MILLIS: u16 = 50;
/// How long a packet of an interface may be on its way: until its block is handed over, and a little more.
pub const ON_ITS_WAY: std::time::Duration = std::time::Duration::from_millis(BLOCK_MILLIS as u64 + 10);

/// Where packets come from.
pub trait Source: Send {
    /// Appends what is there, about [`FILL_PACKETS`] or [`FILL_BYTES`] at most, and the source's news.
    ///
    /// Returns within a tenth of a second where there is nothing. After `End` or an error it is not called again.
    /// Damage is no error: the source that is damaged ends with a [`SourceNews::Closed`]
    /// whose reason is one line for the person who asked. An end without damage has no `Closed`.
    fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError>;

    /// What there is to tell where it was stopped before its end: what was dropped until now. [`fill`](Self::fill) is not called again.
    fn stopped(&mut self) -> Vec<SourceNews> {
        Vec::new()
    }
}

/// How a call of [`Source::fill`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There may be more at once.
    More,
    /// Nothing more for now: an interface, or a pipe that is being written.
    Idle,
    /// That was all.
    End,
}

/// Why a source cannot be used: one line that names it and says what to do.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It is not there.
    #[error("{0}: no such file: check the path")]
    Missing(Arc<str>),
    /// It is there, but not for us.
    #[error("{0}: not readable for this user: check its permissions")]
    Forbidden(Arc<str>),
    /// A folder.
    #[error("{0}: a folder, not a capture: name a file in it")]
    Folder(Arc<str>),
    /// Standard input is a keyboard.
    #[error("{0}: a terminal, not a capture: pipe one in, as in `tcpdump -U -w - | meshtop -r -`")]
    Terminal(Arc<str>),
    /// It holds no byte.
    #[error("{0}: empty, not a capture: was anything written to it?")]
    Empty(Arc<str>),
    /// It begins as no capture does.
    #[error("{0}: neither pcap nor pcapng, also not inside gzip or zstd ({1}): give a file that tcpdump or Wireshark wrote")]
    NoCapture(Arc<str>, String),
    /// A capture of a kind that is not read.
    #[error("{0}: {1} is not read: convert it with `editcap -F pcapng`")]
    Unsupported(Arc<str>, String),
    /// Standard input is named twice.
    #[error("{0}: named twice: it can be read once")]
    Twice(Arc<str>),
    /// The capture filter cannot be used for its packets.
    #[error("{0}")]
    Filter(String),
    /// A broker that will not have a tap.
    #[error("{0}")]
    Tap(String),
    /// It could not be opened or read.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(Arc<str>, io::Error),
}

impl SourceError {
    fn from_io(name: &Arc<str>, error: io::Error) -> Self {
        let name = name.clone();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(name),
            io::ErrorKind::PermissionDenied => Self::Forbidden(name),
            io::ErrorKind::IsADirectory => Self::Folder(name),
            _ => Self::Unreadable(name, error),
        }
    }
}

/// Hands out the numbers of sources; clones count on together.
#[derive(Clone, Debug, Default)]
pub struct SourceIds(Arc<AtomicU16>);

impl SourceIds {
    /// The next number; the last one is shared by all that come after it.
    pub fn next(&self) -> SourceId {
        let up = |n: u16| Some(n.saturating_add(1));
        SourceId(self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, up).unwrap_or(u16::MAX))
    }
}
#[cfg(test)]
mod tests;
