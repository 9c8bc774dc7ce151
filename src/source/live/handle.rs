//! One opened interface, and the merging of several by time.

use super::LiveError;
use super::filter::{compose, words};
use super::open::{LARGE_RING, NANOS, Opened, Share};
use crate::model::{LinkType, Packets, SourceId, Zone};
use crate::source::watch::Link;
use crate::time::Time;
use pcap::{Active, Capture, Linktype, Packet};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Packets taken from a handle at once: what the merging holds back of each is at most this.
const CHUNK: usize = 64;
/// More chunks than a ring can hold of the shortest packets (60 bytes, beside the kernel's header of 68).
const DRAIN_CHUNKS: usize = LARGE_RING as usize / (128 * CHUNK);

/// An opened interface.
pub(super) struct Handle {
    pub(super) id: SourceId,
    pub(super) name: Arc<str>,
    pub(super) zone: Zone,
    pub(super) index: u32,
    capture: Capture<Active>,
    /// Its share of the rings that may be open.
    _share: Arc<Share>,
    link: LinkType,
    /// The kernel's drops before this handle, of this handle, and what was told.
    drops: (u64, u64, u64),
    ready: bool,
    held: Held,
}

/// Packets that were read, but must wait for older ones of other interfaces.
#[derive(Default)]
struct Held {
    slab: Vec<u8>,
    list: Vec<(Time, u32, Range<usize>)>,
    next: usize,
}

impl Handle {
    /// What was opened, from now on under a source's name and with the filter in force.
    #[allow(clippy::too_many_arguments, reason = "each is a thing of its own, and there is one caller")]
    pub(super) fn new(
        id: SourceId,
        name: Arc<str>,
        zone: Zone,
        link: &Link,
        opened: Opened,
        drops: u64,
        filter: &str,
        ssh: Option<(SocketAddr, SocketAddr)>,
    ) -> Result<Self, LiveError> {
        let Opened { capture, share, .. } = opened;
        let mut handle = Self {
            _share: share,
            link: link_type(capture.get_datalink()),
            drops: (drops, 0, drops),
            ready: false,
            held: Held::default(),
            zone,
            index: link.index,
            id,
            name,
            capture,
        };
        handle.set_filter(filter, ssh)?;
        Ok(handle)
    }

    pub(super) fn set_filter(&mut self, user: &str, ssh: Option<(SocketAddr, SocketAddr)>) -> Result<(), LiveError> {
        let text = compose(user, ssh);
        self.capture.filter(&text, true).map_err(|e| LiveError::Filter(format!("on {}: {}", self.name, words(e))))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }

    pub(super) fn datalink(&self) -> Linktype {
        self.capture.get_datalink()
    }

    /// After poll(2). A handle that was left with packets in a half-read block stays ready, whatever poll says of the next block.
    pub(super) fn set_ready(&mut self, ready: bool) {
        self.ready |= ready;
    }

    /// Whether it was left before it was empty.
    pub(super) fn has_more(&self) -> bool {
        self.ready || self.held.head().is_some()
    }

    /// All that the kernel dropped under this name.
    pub(super) fn drops(&self) -> u64 {
        self.drops.0 + self.drops.1
    }

    /// The same, where it has grown since it was last told.
    pub(super) fn new_drops(&mut self) -> Option<u64> {
        if let Ok(stat) = self.capture.stats() {
            // A counter of 32 bits: what it wrapped over is put back.
            let low = u64::from(stat.dropped);
            let wrapped = u64::from(low < self.drops.1 & u64::from(u32::MAX));
            self.drops.1 = ((self.drops.1 >> 32) + wrapped) << 32 | low;
        }
        let all = self.drops();
        (all > self.drops.2).then(|| {
            self.drops.2 = all;
            all
        })
    }

    /// What the kernel saw, this handle alone.
    #[cfg(test)]
    pub(super) fn received(&mut self) -> u32 {
        self.capture.stats().map_or(0, |s| s.received)
    }

    /// Everything that is left: at most what its ring holds, for the interface brings no more.
    pub(super) fn drain(&mut self, out: &mut Packets) {
        self.release(None, out);
        for _ in 0..DRAIN_CHUNKS {
            if !matches!(self.direct(out), Ok(1..)) {
                break;
            }
        }
    }

    /// Reads a chunk straight into `out`.
    fn direct(&mut self, out: &mut Packets) -> Result<usize, pcap::Error> {
        let (id, link) = (self.id, self.link);
        self.take(|time, p| out.push(time, id, link, p.header.len, p.data))
    }

    /// Reads a chunk that will be merged, once the one before is used up.
    fn hold(&mut self) -> Result<usize, pcap::Error> {
        let mut held = std::mem::take(&mut self.held);
        held.slab.clear();
        held.list.clear();
        held.next = 0;
        let read = self.take(|time, p| {
            let start = held.slab.len();
            held.slab.extend_from_slice(p.data);
            held.list.push((time, p.header.len, start..held.slab.len()));
        });
        self.held = held;
        read
    }

    fn take(&mut self, mut f: impl FnMut(Time, &Packet<'_>)) -> Result<usize, pcap::Error> {
        let n = self.capture.dispatch(Some(CHUNK), |p| f(time(&p), &p))?;
        self.ready = n == CHUNK;
        Ok(n)
    }

    /// Hands on what is held and not younger than `until`.
    fn release(&mut self, until: Option<Time>, out: &mut Packets) {
        while let Some((time, wire, range)) = self.held.head()
            && until.is_none_or(|until| *time <= until)
        {
            let bytes = self.held.slab.get(range.clone()).unwrap_or_default();
            out.push(*time, self.id, self.link, *wire, bytes);
            self.held.next += 1;
        }
    }
}

impl Held {
    fn head(&self) -> Option<&(Time, u32, Range<usize>)> {
        self.list.get(self.next)
    }
}

/// Reads what is there from all handles until `out` is as long as said: the oldest head first, each handle's own order kept.
/// Returns those that failed.
pub(super) fn read(handles: &mut [Handle], out: &mut Packets, packets: usize, bytes: usize) -> Vec<(SourceId, String)> {
    let mut failed = Vec::new();
    let mut busy: Vec<&mut Handle> = handles.iter_mut().filter(|h| h.has_more()).collect();
    while out.list.len() < packets && out.slab.len() < bytes && !busy.is_empty() {
        if let [only] = &mut busy[..] {
            only.release(None, out);
            if !only.ready {
                break;
            }
            if let Err(e) = only.direct(out) {
                only.ready = false;
                failed.push((only.id, words(e)));
                break;
            }
            continue;
        }
        busy.retain_mut(|h| {
            while h.held.head().is_none() {
                match if h.ready { h.hold() } else { Ok(0) } {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(e) => {
                        h.ready = false;
                        failed.push((h.id, words(e)));
                        return false;
                    }
                }
            }
            true
        });
        let mut heads: Vec<Time> = busy.iter().filter_map(|h| Some(h.held.head()?.0)).collect();
        heads.sort_unstable();
        let Some(oldest) = heads.first() else { break };
        if let Some(first) = busy.iter_mut().find(|h| h.held.head().is_some_and(|(t, ..)| t == oldest)) {
            first.release(Some(heads.get(1).copied().unwrap_or(*oldest)), out);
        }
    }
    failed
}

/// LINKTYPE values are what files hold; a handle has DLT values, which differ for raw IP (pcap-linktype(7)).
pub(in crate::source) fn link_type(dlt: Linktype) -> LinkType {
    match dlt.0 {
        12 | 14 => LinkType(101),
        n => LinkType(u32::try_from(n).unwrap_or(u32::MAX)),
    }
}

fn time(packet: &Packet<'_>) -> Time {
    let ts = packet.header.ts;
    // The types differ between systems.
    #[allow(clippy::useless_conversion)]
    let (seconds, fraction) = (i64::from(ts.tv_sec), i64::from(ts.tv_usec));
    let nanos = if NANOS { fraction } else { fraction.saturating_mul(1000) };
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}
