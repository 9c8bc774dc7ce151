//! Opening an interface, on whichever thread and in whichever network namespace that is. Reads no packet.

use super::LiveError;
use super::filter::words;
use crate::source::watch::Link;
use crate::source::{BLOCK_MILLIS, scout};
use pcap::{Active, Capture, Inactive, Precision};
use std::sync::Arc;

/// Interfaces read at once: each costs a ring in the kernel.
pub(in crate::source) const MAX_OPEN: usize = 128;
/// As tcpdump's: segments on the loopback are up to 64 KiB, with BIG TCP more, and a shorter one would cut them.
const SNAPLEN: i32 = 262_144;
/// Rings in the kernel: of what was asked for, and of each bridge that was found.
pub(super) const LARGE_RING: i32 = 16 << 20;
pub(super) const SMALL_RING: i32 = 4 << 20;
const LOOK_RING: i32 = 1 << 20;
/// The kernel's word for a switch in software.
const BRIDGE: &str = "bridge";
/// libpcap has nanoseconds on Linux; elsewhere it does not say whether it has.
pub(super) const NANOS: bool = cfg!(target_os = "linux");

/// One of the interfaces that may be open at once: whoever reads it holds it.
#[derive(Debug, Default)]
pub(in crate::source) struct Share {
    /// By the references to this they are counted.
    _open: Arc<()>,
}

/// What all of them refer to, and nothing else does.
#[derive(Default)]
struct Open(Arc<()>);

/// Opens interfaces, up to the limit. A clone counts with the others.
#[derive(Clone)]
pub(super) struct Opener {
    open: Arc<Open>,
    /// Whether somebody looks out for connections being opened.
    scouted: bool,
}

/// What was opened of an interface.
pub(super) struct Opened {
    pub(super) capture: Capture<Active>,
    /// For the one who looks out.
    pub(super) lookout: Option<Capture<Active>>,
    pub(super) share: Arc<Share>,
}

impl Opener {
    pub(super) fn new(scouted: bool) -> Self {
        Self { open: Arc::default(), scouted }
    }

    /// Opens an interface of this thread's network namespace, with a ring of so many bytes.
    pub(super) fn open(&self, link: &Link, ring: i32) -> Result<Opened, LiveError> {
        let share = Arc::new(Share { _open: Arc::clone(&self.open.0) });
        if Arc::strong_count(&self.open.0) > MAX_OPEN + 1 {
            return Err(LiveError::Full { name: crate::text::escape(&link.name) });
        }
        let capture = blocks(link, ring)?;
        // that it cannot be opened costs names at the most
        let lookout = if self.scouted { scout::open(link).ok() } else { None };
        Ok(Opened { capture, lookout, share })
    }
}

/// A handle as captures want them, which hands over blocks of packets.
fn blocks(link: &Link, ring: i32) -> Result<Capture<Active>, LiveError> {
    // A bridge hands up what it passes from one container to another only where it is promiscuous.
    let promiscuous = link.kind == BRIDGE;
    open_with(link, |capture| capture.promisc(promiscuous).snaplen(SNAPLEN).buffer_size(ring).timeout(BLOCK_MILLIS.into()))
}

/// Opens a non-blocking handle of an interface of this thread's network namespace, as it is told.
pub(in crate::source) fn open_with(
    link: &Link,
    how: impl FnOnce(Capture<Inactive>) -> Capture<Inactive>,
) -> Result<Capture<Active>, LiveError> {
    let open = || {
        let capture = how(Capture::from_device(link.name.as_str())?);
        let capture = if NANOS { capture.precision(Precision::Nano) } else { capture };
        capture.open()?.setnonblock()
    };
    let capture = open().map_err(|e| {
        let (name, why) = (crate::text::escape(&link.name), words(e));
        match denied(&why) {
            true => LiveError::Denied { how: crate::privileges::how_to_capture(), name },
            false => LiveError::Open { name, why },
        }
    })?;
    // On Linux's loopback each packet comes by twice, going out and coming in. libpcap drops the first in user space, after
    // it took room in the ring; where the kernel is too old to spare us that, it stays so. Not by a filter `inbound`: what
    // is in the ring when a filter is set is filtered by libpcap itself, which cannot read a packet's direction there and
    // would lose the first block.
    #[cfg(target_os = "linux")]
    if link.loopback {
        let _ = crate::sys::ignore_outgoing(std::os::fd::AsFd::as_fd(&capture));
    }
    Ok(capture)
}

/// libpcap's code for it does not come through; its words are strerror's for EPERM and EACCES, or name the capability.
fn denied(why: &str) -> bool {
    ["ermitted", "ermission", "CAP_NET_RAW"].iter().any(|word| why.contains(word))
}

/// Opens an interface with the smallest ring and lets go of it: the name of its link type, or why it cannot be captured.
pub(in crate::source) fn open_for_a_look(link: &Link) -> Result<String, LiveError> {
    let link = blocks(link, LOOK_RING)?.get_datalink();
    Ok(link.get_name().unwrap_or_else(|_| format!("link type {}", link.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_nothing_is_opened_until_something_is_closed() {
        let opener = Opener::new(false);
        let mut shares: Vec<_> = (0..MAX_OPEN).map(|_| Share { _open: Arc::clone(&opener.open.0) }).collect();
        let nowhere = Link { name: "no-such-0".into(), ..Link::any() };
        let other = opener.clone();
        let why = |opener: &Opener| opener.open(&nowhere, SMALL_RING).err().unwrap().to_string();
        assert_eq!(why(&opener), "cannot capture on no-such-0: 128 interfaces are being read already");
        shares.pop();
        assert!(!why(&other).contains("already"), "{}", why(&other));
    }
}
