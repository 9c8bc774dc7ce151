//! Packets from interfaces, by libpcap: one poll(2) over all of them, also over those that come up later. Looks into no packet.
//!
//! Never in immediate mode, whose fixed slots lose bursts that the packed ring of TPACKET_V3 takes; and never by libpcap's own
//! waiting, whose timeout is not kept (the-tcpdump-group/libpcap#1001). Not run by us: macOS, where stamps are microseconds and a
//! process that gave up root opens nothing more.

mod error;
mod filter;
mod handle;
mod open;
mod port;
mod spaces;

use super::interfaces::in_default_set;
use super::netns::Wanted;
use super::scout::Scout;
use super::watch::{ANY, Link, Watch, links};
use super::{FILL_BYTES, FILL_PACKETS, Filled, ON_ITS_WAY, Source, SourceError, SourceIds};
use crate::model::{Packets, SourceId, SourceNews, Zone};
use crate::text::escape;
use crossbeam_channel::Sender;
pub use error::LiveError;
use filter::compose;
pub(super) use filter::program;
pub use filter::{Control, check_filter};
use handle::Handle;
pub(super) use handle::link_type;
use open::{LARGE_RING, Opened, Opener, SMALL_RING};
pub(super) use open::{MAX_OPEN, Share, open_for_a_look, open_with};
pub use port::Keeper;
use port::Port;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one `fill` waits when nothing has come for `QUIET`, in place of `ON_ITS_WAY`: nobody is there to notice, and a machine at rest is
/// left in peace.
const LONG_WAIT: Duration = Duration::from_millis(100);
const QUIET: Duration = Duration::from_secs(2);
/// How often the kernel's drops are read, and a failed opening is tried again.
const EVERY: Duration = Duration::from_secs(1);
/// Names remembered, so that one that comes back is the same source: compose makes a new bridge at each start.
const MAX_KNOWN: usize = 1024;
/// Why an interface is waited for.
const DOWN: &str = "it is down";
const MADE_ANEW: &str = "it was made anew";

/// What to capture.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names, `any` among them, in our own network namespace; empty: the loopback and the container bridges, or, where other
    /// namespaces are named, none.
    pub interfaces: Vec<String>,
    /// The other network namespaces to capture in, on all of their interfaces.
    pub namespaces: Wanted,
    /// Who else hears of them: with a netlink socket inside one that is captured in (sock_diag(7)), for whose the sockets there are;
    /// with none once it is gone, for what is open of a namespace keeps it alive.
    pub tell: Option<Sender<(Zone, Option<OwnedFd>)>>,
    /// `-f`, in libpcap's language.
    pub filter: Option<String>,
    /// The terminal's own ssh connection: the kernel leaves it out, because what we draw would be captured, and drawn.
    pub ssh: Option<(SocketAddr, SocketAddr)>,
    /// Where their numbers come from.
    pub ids: SourceIds,
    /// Who looks out for connections being opened, on the same interfaces.
    pub scout: Option<Arc<Scout>>,
}

/// A running capture.
pub struct Live {
    options: Options,
    control: Control,
    watch: Watch,
    opener: Opener,
    open: Vec<Handle>,
    known: Vec<Known>,
    /// To be told at the next `fill`.
    news: Vec<SourceNews>,
    filter_version: u64,
    /// The interfaces are to be looked through at once.
    look: bool,
    /// Something that is wanted could not be opened: it is tried again.
    again: bool,
    next_round: Instant,
    last_packet: Instant,
    spaces: Option<Port>,
    keeper: Option<Keeper>,
}

/// A name that was open once, or was tried.
struct Known {
    id: SourceId,
    name: Arc<str>,
    /// As it was told; our own is not told of.
    zone: Zone,
    /// The kernel's drops of its earlier handles.
    drops: u64,
    /// Why it is not open, as it was told.
    told: Option<Arc<str>>,
}

impl Live {
    /// Opens what is wanted and there. What was named must be there, even if it is down; what is down is waited for.
    pub fn open(options: Options) -> Result<Self, LiveError> {
        let text = options.filter.clone().unwrap_or_default();
        check_filter(&text)?;
        let list = |e: &dyn std::fmt::Display| LiveError::List(e.to_string());
        let watch = Watch::start().map_err(|e| list(&e))?;
        let now = Instant::now();
        let mut live = Self {
            control: Control::new(text),
            opener: Opener::new(options.scout.is_some()),
            options,
            watch,
            open: Vec::new(),
            known: Vec::new(),
            news: Vec::new(),
            filter_version: 0,
            look: false,
            again: false,
            next_round: now + EVERY,
            last_packet: now,
            spaces: None,
            keeper: None,
        };
        let links = links().map_err(|e| list(&e))?;
        for name in &live.options.interfaces {
            if name != ANY && !links.iter().any(|l| l.name == *name) {
                let mut there: Vec<&str> = links.iter().map(|l| l.name.as_str()).collect();
                there.push(ANY);
                return Err(LiveError::NoInterface { name: escape(name), there: there.join(", ") });
            }
        }
        for link in live.wanted(&links) {
            match live.try_open(&link) {
                Err(e) if !matches!(e, LiveError::Full { .. }) && (live.must_open(&link) || e.exit_code() != 1) => return Err(e),
                Err(e) => {
                    live.refuse(&link.name, e.to_string());
                    live.again = true;
                }
                Ok(()) => {}
            }
        }
        if live.options.namespaces.any() {
            live.open_spaces()?;
        }
        Ok(live)
    }

    /// What other threads steer it with.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The interfaces being read, in the order of opening.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.open.iter().map(|h| h.name.clone()).collect()
    }

    /// Those of `links` that are to be read, `any` with them.
    fn wanted(&self, links: &[Link]) -> Vec<Link> {
        let names = &self.options.interfaces;
        if names.is_empty() {
            let none = !self.options.namespaces.named.is_empty() && !self.options.namespaces.all;
            return links.iter().filter(|l| !none && in_default_set(l)).cloned().collect();
        }
        let any = Link::any();
        let all = links.iter().filter(|l| l.name != ANY).chain([&any]);
        all.filter(|l| names.contains(&l.name)).cloned().collect()
    }

    /// Without what was named, or the loopback, there is no point in going on.
    fn must_open(&self, link: &Link) -> bool {
        !self.options.interfaces.is_empty() || link.loopback
    }

    fn try_open(&mut self, link: &Link) -> Result<(), LiveError> {
        if !link.up {
            // Of what was found, nobody needs to hear before it is up.
            if self.must_open(link) {
                self.refuse(&link.name, DOWN.into());
            }
            return Ok(());
        }
        let opened = self.opener.open(link, if self.must_open(link) { LARGE_RING } else { SMALL_RING })?;
        self.add(&link.name, Zone::default(), link, opened)
    }

    /// Reads from now on what was opened, under the name of its source.
    fn add(&mut self, source: &str, zone: Zone, link: &Link, mut opened: Opened) -> Result<(), LiveError> {
        let lookout = opened.lookout.take();
        let known = self.known(source);
        let (id, name, base) = (known.id, known.name.clone(), known.drops);
        let share = Arc::downgrade(&opened.share);
        let handle = Handle::new(id, name.clone(), zone, link, opened, base, &self.control.text(), self.options.ssh)?;
        if let Some((scout, lookout)) = self.options.scout.as_ref().zip(lookout) {
            scout.watch(lookout, zone, share, &compose(&self.control.text(), self.options.ssh));
        }
        let known = self.known(source);
        known.told = None;
        if std::mem::replace(&mut known.zone, zone) != zone {
            self.news.push(SourceNews::Zone(id, zone));
        }
        self.news.push(SourceNews::Opened(id, name));
        self.open.push(handle);
        self.control.set_links(self.open.iter().map(Handle::datalink).collect());
        Ok(())
    }

    /// Says once why an interface is not read.
    fn refuse(&mut self, name: &str, why: String) {
        let known = self.known(name);
        if known.told.as_deref() != Some(why.as_str()) {
            let why: Arc<str> = why.into();
            known.told = Some(why.clone());
            let news = SourceNews::Closed(known.id, why);
            self.news.push(news);
        }
    }

    /// The entry of a name, made where there is none; the oldest that is not open makes room.
    fn known(&mut self, name: &str) -> &mut Known {
        let at = match self.known.iter().position(|k| &*k.name == name) {
            Some(at) => at,
            None => {
                let (id, zone) = if self.known.len() < MAX_KNOWN {
                    (self.options.ids.next(), Zone::default())
                } else {
                    let closed = |k: &Known| !self.open.iter().any(|h| h.id == k.id);
                    let at = self.known.iter().position(closed).unwrap_or(0);
                    let Known { id, zone, .. } = self.known.remove(at);
                    (id, zone)
                };
                self.known.push(Known { id, zone, name: name.into(), drops: 0, told: None });
                self.known.len() - 1
            }
        };
        &mut self.known[at]
    }

    /// Closes what went away and opens what came.
    fn look_through(&mut self, out: &mut Packets) {
        (self.look, self.again) = (false, false);
        let Ok(links) = links() else {
            self.again = true;
            return;
        };
        let gone: Vec<_> = self.open.iter().filter_map(|h| Some((h.id, gone(h, &links)?))).collect();
        for (id, why) in gone {
            self.close(id, why.into(), out);
        }
        for link in self.wanted(&links) {
            if !self.open.iter().any(|h| *h.name == *link.name)
                && let Err(e) = self.try_open(&link)
            {
                self.refuse(&link.name, e.to_string());
                self.again = true;
            }
        }
    }

    /// Takes what is left in a handle, and says that it is closed and why.
    fn close(&mut self, id: SourceId, why: Arc<str>, out: &mut Packets) {
        let Some(at) = self.open.iter().position(|h| h.id == id) else { return };
        let mut handle = self.open.remove(at);
        handle.drain(out);
        if let Some(drops) = handle.new_drops() {
            self.news.push(SourceNews::KernelDrops(id, drops));
        }
        // containers come and go: where all are asked for, that is nothing to tell
        let why = if self.options.namespaces.all && handle.zone != Zone::default() { Arc::from("") } else { why };
        let known = self.known(&handle.name);
        known.drops = handle.drops();
        known.told = Some(why.clone());
        self.news.push(SourceNews::Closed(id, why));
        let (zone, index) = (handle.zone, handle.index);
        drop(handle);
        if let Some(scout) = &self.options.scout {
            scout.wake();
        }
        self.control.set_links(self.open.iter().map(Handle::datalink).collect());
        if !self.spaces.as_ref().is_some_and(|spaces| spaces.lost(zone, index)) {
            self.again = true;
        }
    }

    /// Sets the newest filter everywhere. An interface that cannot have it would show what was not asked for: it is closed.
    fn follow_filter(&mut self, out: &mut Packets) {
        let version = self.control.version();
        if version == self.filter_version {
            return;
        }
        self.filter_version = version;
        let text = self.control.text();
        let failed: Vec<_> =
            (self.open.iter_mut()).filter_map(|h| Some((h.id, h.set_filter(&text, self.options.ssh).err()?))).collect();
        for (id, error) in failed {
            self.close(id, error.to_string().into(), out);
        }
    }

    /// Waits until one of the handles or the watch has something, or the time is over.
    fn wait(&mut self, now: Instant) {
        let busy = self.open.iter().any(Handle::has_more);
        let quiet = now.saturating_duration_since(self.last_packet) >= QUIET;
        let time = match (busy, quiet) {
            (true, _) => Duration::ZERO,
            (false, false) => ON_ITS_WAY,
            (false, true) => LONG_WAIT,
        };
        let mut fds: Vec<PollFd<'_>> = (self.open.iter())
            .map(|h| PollFd::from_borrowed_fd(h.fd(), PollFlags::IN))
            .chain(self.watch.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)))
            .collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        // EINTR is a signal that somebody else handles: we just come back early.
        let _ = poll(&mut fds, Some(&timeout));
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (handle, ready) in self.open.iter_mut().zip(ready) {
            // Elsewhere poll(2) may not see what the read timeout has gathered (pcap_get_required_select_timeout(3PCAP)).
            handle.set_ready(ready || !cfg!(target_os = "linux"));
        }
    }

    /// What the kernel dropped, where that has grown.
    fn tell_drops(&mut self) {
        for handle in &mut self.open {
            if let Some(drops) = handle.new_drops() {
                self.news.push(SourceNews::KernelDrops(handle.id, drops));
            }
        }
    }
}

/// Why a handle brings no more packets, as the system sees it.
fn gone(handle: &Handle, links: &[Link]) -> Option<&'static str> {
    match links.iter().find(|l| l.name == *handle.name) {
        _ if &*handle.name == ANY || handle.zone != Zone::default() => None,
        None => Some("it went away"),
        Some(l) if l.index != handle.index => Some(MADE_ANEW),
        Some(l) if !l.up => Some(DOWN),
        Some(_) => None,
    }
}

impl Source for Live {
    fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
        let before = out.list.len();
        self.follow_filter(out);
        let now = Instant::now();
        self.wait(now);
        let failed = handle::read(&mut self.open, out, before + FILL_PACKETS, out.slab.len() + FILL_BYTES);
        if out.list.len() > before {
            self.last_packet = now;
        }
        for (id, why) in failed {
            let handle = self.open.iter().find(|h| h.id == id);
            let why = handle.zip(links().ok()).and_then(|(h, links)| gone(h, &links)).map_or(why, str::to_owned);
            self.close(id, why.into(), out);
        }
        self.hear_all(out);
        self.look |= self.watch.changed();
        if now >= self.next_round {
            self.next_round = now + EVERY;
            self.tell_drops();
            self.look |= self.again;
        }
        if self.look {
            self.look_through(out);
        }
        let told = !self.news.is_empty();
        out.news.append(&mut self.news);
        Ok(if told || out.list.len() > before { Filled::More } else { Filled::Idle })
    }

    fn stopped(&mut self) -> Vec<SourceNews> {
        self.tell_drops();
        std::mem::take(&mut self.news)
    }
}

#[cfg(test)]
mod tests;
