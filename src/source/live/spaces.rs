//! Capture in other network namespaces: looks for them and for their interfaces once in a few seconds, opens what is up, and hands it to
//! the reader. It reads no packet, and so is where the right to enter them is kept.
//!
//! All interfaces of a namespace are captured: its loopback, and the cable by which it talks to the rest. What is open here keeps a
//! namespace alive, so that one that is not found any more is let go.

use super::LiveError;
use super::open::{LARGE_RING, Opened, Opener, SMALL_RING};
use crate::model::Zone;
use crate::source::netns::{self, Found, NetnsError, Wanted};
use crate::source::watch::{self, Link, List};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
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
    pub(super) opened: Opened,
}

/// All that is captured in, or is to be.
pub(super) struct Spaces {
    /// What was asked for, and which namespace a process was in then: its number may be another's later.
    named: Vec<(String, Option<u64>)>,
    all: bool,
    opener: Opener,
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
    /// Numbers of the interfaces that are open.
    done: Vec<u32>,
}

impl Spaces {
    /// What was named must be there.
    pub(super) fn new(wanted: Wanted, opener: Opener, tell: Option<Sender<(Zone, Option<OwnedFd>)>>) -> Result<Self, NetnsError> {
        let Wanted { named, all } = wanted;
        let find = |name: String| netns::find(&name).map(|found| (name, found.is_by_process().then_some(found.inode)));
        let named = named.into_iter().map(find).collect::<Result<_, _>>()?;
        netns::may_enter().map_err(|e| NetnsError::from_io("other network namespaces", e))?;
        Ok(Self { named, all, opener, open: Vec::new(), zones: 0, tell })
    }

    /// Lets go of what is not there any more, enters what is new, and opens the interfaces that are up.
    pub(super) fn look(&mut self) -> Vec<News> {
        let locate = |(name, inode): &(String, Option<u64>)| {
            let found = netns::locate(name).ok().flatten();
            found.filter(|found| inode.is_none_or(|inode| inode == found.inode))
        };
        let named: Vec<Found> = self.named.iter().filter_map(locate).collect();
        let all = if self.all { netns::all() } else { Vec::new() };
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
        self.open.iter_mut().for_each(|space| space.look(&self.opener, &mut news));
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
    fn look(&mut self, opener: &Opener, news: &mut Vec<News>) {
        let Ok(links) = self.list.links() else { return };
        self.done.retain(|done| links.iter().any(|link| link.index == *done));
        if self.named && !links.iter().any(|link| link.up) {
            news.push(News::Down(self.source(LOOPBACK)));
        }
        for link in links.into_iter().filter(|link| link.up) {
            if self.done.contains(&link.index) {
                continue;
            }
            let ring = if self.named { LARGE_RING } else { SMALL_RING };
            let name = self.source(&link.name);
            news.push(match netns::inside(&self.file, || opener.open(&link, ring)) {
                Ok(Ok(opened)) => {
                    self.done.push(link.index);
                    News::Opened(Fresh { zone: self.zone, name, link, opened })
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_number_of_a_process_is_not_followed_to_another_namespace() {
        if netns::may_enter().is_err() {
            eprintln!("no right to enter network namespaces: this is not run");
            return;
        }
        let mut child = Command::new("unshare").args(["--net", "sleep", "1000"]).spawn().unwrap();
        let pid = child.id().to_string();
        let inode = std::iter::repeat_with(|| netns::locate(&pid)).find_map(|found| found.ok().flatten()).unwrap().inode;
        for (then, sees) in [(inode, true), (inode ^ 1, false)] {
            let mut spaces = Spaces::new(Wanted { named: vec![pid.clone()], all: false }, Opener::new(false), None).unwrap();
            assert_eq!(spaces.named, [(pid.clone(), Some(inode))]);
            spaces.named[0].1 = Some(then);
            assert_eq!(!spaces.look().is_empty(), sees);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
