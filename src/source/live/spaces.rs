//! Capture in other network namespaces: looks for them and for their interfaces once in a few seconds, opens what is up, and hands it to
//! the reader. It reads no packet, and so is where the right to enter them is kept.
//!
//! All interfaces of a namespace are captured: its loopback, and the cable by which it talks to the rest. What is open here keeps a
//! namespace alive, so that one that is not found any more is let go.

use super::LiveError;
use super::open::{LARGE_RING, Opened, Opener, SMALL_RING};
use crate::model::Zone;
use crate::source::netns::{self, Found, MAX_SPACES, NetnsError, Wanted};
use crate::source::watch::{self, Link, List};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How often it looks: a container's first second is its start, and a look reads all of `/proc`.
const EVERY: Duration = Duration::from_secs(3);
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
    /// How many at once.
    most: usize,
    /// The zone that was given out last.
    zones: u16,
    /// Zones that are gone, which nobody has been told yet: who knows them holds their namespace.
    untold: Vec<Zone>,
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
        Ok(Self { named, all, opener, open: Vec::new(), most: MAX_SPACES, zones: 0, untold: Vec::new(), tell })
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
        for zone in std::mem::take(&mut self.untold).into_iter().chain(gone.iter().copied()) {
            if !self.tell(zone, None) {
                self.untold.push(zone);
            }
        }
        let mut news: Vec<News> = gone.into_iter().map(News::Gone).collect();
        let mut full = false;
        for (found, named) in named.iter().map(|found| (found, true)).chain(all.iter().map(|found| (found, false))) {
            if self.open.iter().any(|space| space.found.inode == found.inode) {
                continue;
            }
            match self.enter(found, named) {
                Ok(()) => {}
                // one speaks for all
                Err(NetnsError::Full(_)) if std::mem::replace(&mut full, true) => {}
                // one that ended while we looked
                Err(NetnsError::Failed(_, e)) if !named && e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => news.push(News::Refused(format!("*@{}", found.name), e.into())),
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
        if self.open.len() >= self.most {
            return Err(NetnsError::Full(found.full()));
        }
        let file = netns::open(found)?;
        let (list, diag) = netns::inside(&file, || Ok((List::open()?, watch::diag()?))).and_then(|both| both).map_err(failed)?;
        // from the start again after a long time, with those that are free
        let free = |zone: &u16| !self.open.iter().any(|space| space.zone == Zone(*zone));
        self.zones = (self.zones.saturating_add(1)..=u16::MAX).chain(1..).find(free).unwrap_or(u16::MAX);
        let zone = Zone(self.zones);
        self.tell(zone, Some(diag));
        self.open.push(Space { found: found.clone(), zone, file, list, named, done: Vec::new() });
        Ok(())
    }

    /// Names may be missing where nobody listens fast enough, packets not. Whether there was room.
    fn tell(&self, zone: Zone, diag: Option<OwnedFd>) -> bool {
        let full = |tell: &Sender<_>| tell.try_send((zone, diag)).is_err_and(|e| e.is_full());
        !self.tell.as_ref().is_some_and(full)
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
    fn that_there_is_no_room_is_said_once_and_who_is_gone_is_told_until_it_is_heard() {
        if netns::may_enter().is_err() {
            eprintln!("no right to enter network namespaces: this is not run");
            return;
        }
        let mut children = [(); 2].map(|()| Command::new("unshare").args(["--net", "sleep", "1000"]).spawn().unwrap());
        let pids = children.each_ref().map(|child| child.id().to_string());
        let there = |pid: &String| netns::locate(pid).is_ok_and(|found| found.is_some());
        while !pids.iter().all(there) {
            std::thread::yield_now();
        }
        let (tell, told) = crossbeam_channel::bounded(1);
        let wanted = Wanted { named: pids.to_vec(), all: false };
        let mut spaces = Spaces::new(wanted, Opener::new(false), Some(tell)).unwrap();
        let refused = |news: Vec<News>| {
            let why = |news| if let News::Refused(name, e) = news { Some(format!("{name}: {e}")) } else { None };
            news.into_iter().filter_map(why).collect::<Vec<_>>()
        };
        spaces.most = 0;
        let limit = format!("*@{0}: cannot enter network namespace {0}: 64 network namespaces are captured in already", pids[0]);
        assert_eq!(refused(spaces.look()), [limit]);
        spaces.most = 1;
        assert_eq!(refused(spaces.look()).len(), 1, "there is room for the other");
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        spaces.look();
        assert!(matches!(told.recv().unwrap(), (Zone(1), Some(_))), "there was no room for more yet");
        spaces.look();
        assert!(matches!(told.recv().unwrap(), (Zone(1), None)));
        spaces.look();
        assert!(told.is_empty());
    }

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
