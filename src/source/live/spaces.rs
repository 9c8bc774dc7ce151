//! Capture in other network namespaces: looks for them and for their interfaces once in a few seconds, opens what is up, and hands it to
//! the reader. It reads no packet, and so is where the right to enter them is kept.
//!
//! All interfaces of a namespace are captured: its loopback, and the cable by which it talks to the rest. What is open here keeps a
//! namespace alive, so that one that is not found any more is let go.

use super::LiveError;
use super::handle::{LARGE_RING, SMALL_RING, open_device};
use crate::model::Zone;
use crate::source::netns::{self, Found, NetnsError, Wanted};
use crate::source::watch::{self, Link, List};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use pcap::{Active, Capture};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How often it looks: a container's first second is its start, and a look reads all of `/proc`.
const EVERY: Duration = Duration::from_secs(3);
/// Namespaces captured in at once: each has an interface or two, and more are not read than the reader's limit.
const MAX_SPACES: usize = 64;
/// The interface that every namespace has.
const LOOPBACK: &str = "lo";

/// What the reader hears.
pub(super) enum News {
    /// An interface was opened.
    Opened(Fresh),
    /// One that was asked for is there, but not up: its name as a source.
    Down(String),
    /// One cannot be captured: its name as a source.
    Refused(String, LiveError),
    /// A namespace is gone.
    Gone(Zone),
}

/// An interface that was opened.
pub(super) struct Fresh {
    pub(super) zone: Zone,
    /// As a source: `eth0@blue`.
    pub(super) name: String,
    pub(super) link: Link,
    pub(super) capture: Capture<Active>,
}

/// All that is captured in, or is to be.
pub(super) struct Spaces {
    wanted: Wanted,
    open: Vec<Space>,
    /// Zones that were given out.
    zones: u16,
    tell: Option<Sender<(Zone, Option<OwnedFd>)>>,
}

struct Space {
    found: Found,
    zone: Zone,
    file: File,
    list: List,
    /// Whether it was asked for by name.
    named: bool,
    /// Numbers of the interfaces that are open, or could not be.
    done: Vec<u32>,
}

impl Spaces {
    /// What was named must be there.
    pub(super) fn new(wanted: Wanted, tell: Option<Sender<(Zone, Option<OwnedFd>)>>) -> Result<Self, NetnsError> {
        for name in &wanted.named {
            netns::find(name)?;
        }
        netns::may_enter().map_err(|e| NetnsError::from_io("other network namespaces", e))?;
        Ok(Self { wanted, open: Vec::new(), zones: 0, tell })
    }

    /// Lets go of what is not there any more, enters what is new, and opens the interfaces that are up.
    pub(super) fn look(&mut self) -> Vec<News> {
        let named: Vec<Found> = self.wanted.named.iter().filter_map(|name| netns::find(name).ok()).collect();
        let all = if self.wanted.all { netns::all() } else { Vec::new() };
        let is_there = |space: &Space| named.iter().chain(&all).any(|found| found.inode == space.found.inode);
        let gone: Vec<Zone> = self.open.extract_if(.., |space| !is_there(space)).map(|space| space.zone).collect();
        gone.iter().for_each(|zone| self.tell(*zone, None));
        let mut news: Vec<News> = gone.into_iter().map(News::Gone).collect();
        for (found, named) in named.iter().map(|found| (found, true)).chain(all.iter().map(|found| (found, false))) {
            if self.open.iter().any(|space| space.found.inode == found.inode) || self.open.len() >= MAX_SPACES {
                continue;
            }
            if let Err(e) = self.enter(found, named)
                && named
            {
                news.push(News::Refused(format!("*@{}", found.name), e.into()));
            }
        }
        self.open.iter_mut().for_each(|space| space.look(&mut news));
        news
    }

    /// Looks again and again, until the reader is gone.
    pub(super) fn run(mut self, news: &Sender<News>, closed: &Receiver<(Zone, u32)>) {
        let mut next = Instant::now() + EVERY;
        loop {
            match closed.recv_deadline(next) {
                Ok((zone, index)) => {
                    let space = self.open.iter_mut().find(|space| space.zone == zone);
                    space.into_iter().for_each(|space| space.done.retain(|done| *done != index));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.look().into_iter().any(|what| news.send(what).is_err()) {
                        return;
                    }
                    next = Instant::now() + EVERY;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn enter(&mut self, found: &Found, named: bool) -> Result<(), NetnsError> {
        let failed = |e: io::Error| NetnsError::from_io(&found.full(), e);
        let file = netns::open(found)?;
        let (list, diag) = netns::inside(&file, || Ok((List::open()?, watch::diag()?))).and_then(|both| both).map_err(failed)?;
        self.zones = self.zones.saturating_add(1);
        let zone = Zone(self.zones);
        self.tell(zone, Some(diag));
        self.open.push(Space { found: found.clone(), zone, file, list, named, done: Vec::new() });
        Ok(())
    }

    /// Names may be missing where nobody listens fast enough, packets not.
    fn tell(&self, zone: Zone, diag: Option<OwnedFd>) {
        let _ = self.tell.as_ref().map(|tell| tell.try_send((zone, diag)));
    }
}

impl Space {
    fn look(&mut self, news: &mut Vec<News>) {
        let Ok(links) = self.list.links() else { return };
        self.done.retain(|done| links.iter().any(|link| link.index == *done));
        if self.named && !links.iter().any(|link| link.up) {
            news.push(News::Down(self.source(LOOPBACK)));
        }
        for link in links.into_iter().filter(|link| link.up) {
            if self.done.contains(&link.index) {
                continue;
            }
            self.done.push(link.index);
            let ring = if self.named { LARGE_RING } else { SMALL_RING };
            let name = self.source(&link.name);
            news.push(match netns::inside(&self.file, || open_device(&link, ring)) {
                Ok(Ok(capture)) => News::Opened(Fresh { zone: self.zone, name, link, capture }),
                Ok(Err(e)) => News::Refused(name, e),
                Err(e) => News::Refused(name, NetnsError::from_io(&self.found.full(), e).into()),
            });
        }
    }

    /// What an interface is called where sources are.
    fn source(&self, interface: &str) -> String {
        format!("{interface}@{}", self.found.name)
    }
}
