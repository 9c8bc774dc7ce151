//! Bytes in: packets from interfaces, numbered in the order in which they are read. What is in them is not looked into here.

#[cfg(feature = "live")]
pub mod interfaces;
#[cfg(feature = "live")]
pub mod live;
pub mod own;
#[cfg(feature = "live")]
mod watch;

use crate::model::{Packets, SourceId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// The most packets one call of [`Source::fill`] appends: a batch is small enough that the screen follows.
pub const FILL_PACKETS: usize = 1024;
/// The bytes after which [`Source::fill`] returns; the packet that passes the mark still comes whole.
pub const FILL_BYTES: usize = 256 * 1024;
/// How long a source without packets may keep its caller, so that ticks go on.
pub const PATIENCE: Duration = Duration::from_millis(10);

/// Where packets come from.
pub trait Source: Send {
    /// Appends what is there, about [`FILL_PACKETS`] or [`FILL_BYTES`] at most, and the source's news.
    fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError>;
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

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {}

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
