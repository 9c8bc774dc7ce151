//! Sees connections being opened before the capture hands them over: for the names of clients that are gone some milliseconds later.
//!
//! The capture's ring gives its packets in blocks, up to 50 ms after they came, which is right for packets and too late for the process of
//! a `curl`. So each interface has a second, tiny handle in immediate mode that lets nothing but SYNs through, and a thread that only
//! passes on who calls whom. What it misses costs a name at the most: it is never waited for, and counts nothing.

use super::live::{LiveError, MAX_OPEN, Share, link_type, open_with};
use super::watch::Link;
use crate::model::{Batch, Hint, Item, LinkType, PacketNo, Packets, SourceId, TcpFlags, Zone};
use crate::net::Slicer;
use crate::time::Time;
use crossbeam_channel::{Receiver, Sender, TryRecvError, after, bounded};
use pcap::{Active, Capture};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Weak;
use std::time::{Duration, Instant};

/// Only what opens a connection, of either IP version. pcap-filter(7) reads TCP flags of IPv4 alone: in IPv6 they are the 14th byte after
/// the fixed header.
const SYN: &str = "(tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn) or (ip6[6] == 6 and ip6[53] & 0x12 == 0x02)";
/// Headers, tunnels included.
const SNAPLEN: i32 = 256;
/// The kernel's room for them.
const RING: i32 = 1 << 20;
/// Taken from a handle at once.
const CHUNK: usize = 64;
/// More connections than this in a `WINDOW` are not opened by hand: then it rests in between, and takes them in heaps.
const BUSY: usize = 50;
const WINDOW: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(10);
/// Handles that wait to be taken over.
const ADDED: usize = MAX_OPEN;

/// Hands over the handles: the capture's side.
#[derive(Debug)]
pub struct Scout {
    added: Sender<Handle>,
    wake: PipeWriter,
}

/// Reads them: the thread's side, which waits until it is started.
#[derive(Debug)]
pub struct Lookout {
    adding: Receiver<Handle>,
    woken: PipeReader,
}

struct Handle {
    capture: Capture<Active>,
    link: LinkType,
    zone: Zone,
    /// Gone once its interface is not read any more.
    read: Weak<Share>,
}

/// Both sides. Handles may be opened before the thread runs: while there are rights, and no thread that would inherit them.
pub fn pair() -> io::Result<(Scout, Lookout)> {
    let (added, adding) = bounded(ADDED);
    let (woken, wake) = io::pipe()?;
    Ok((Scout { added, wake }, Lookout { adding, woken }))
}

impl Lookout {
    /// Starts the thread; SYNs go to `hints`. It ends with its scout.
    pub fn start(self, hints: Sender<Hint>) -> io::Result<()> {
        let run = move || {
            // what was opened stays open
            if crate::privileges::drop_the_rest().is_ok() {
                run(&self.adding, self.woken, &hints);
            }
        };
        std::thread::Builder::new().name("scout".into()).spawn(run).map(drop)
    }
}

/// A handle on an interface of this thread's network namespace; nobody reads it yet.
pub(super) fn open(link: &Link) -> Result<Capture<Active>, LiveError> {
    // where its capture needs it to be promiscuous, it is
    open_with(link, |capture| capture.promisc(false).snaplen(SNAPLEN).buffer_size(RING).immediate_mode(true))
}

impl Scout {
    /// Looks at an interface of a namespace from now on, as far as the user's own filter lets it, for as long as it is `read`. That this
    /// fails costs names at the most.
    pub(super) fn watch(&self, mut capture: Capture<Active>, zone: Zone, read: Weak<Share>, filter: &str) {
        let filter = if filter.trim().is_empty() { SYN.to_owned() } else { format!("({SYN}) and ({filter})") };
        if capture.filter(&filter, true).is_ok() {
            let link = link_type(capture.get_datalink());
            let _ = self.added.try_send(Handle { capture, link, zone, read });
            self.wake();
        }
    }

    /// Has it look for what is new, and for what is not read any more: what is open of a namespace would keep that alive.
    pub(super) fn wake(&self) {
        // who is gone watches nothing
        let _ = (&self.wake).write_all(&[0]);
    }
}

fn run(adding: &Receiver<Handle>, mut woken: PipeReader, hints: &Sender<Hint>) {
    let mut handles: Vec<Handle> = Vec::new();
    let (mut since, mut count) = (Instant::now(), 0);
    loop {
        let mut fds: Vec<PollFd<'_>> =
            handles.iter().map(|h| PollFd::from_borrowed_fd(h.capture.as_fd(), PollFlags::IN)).collect();
        fds.push(PollFd::from_borrowed_fd(woken.as_fd(), PollFlags::IN));
        // EINTR is a signal that somebody else handles
        let _ = poll(&mut fds, None);
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready.last() == Some(&true) {
            let _ = woken.read(&mut [0; ADDED]);
            loop {
                match adding.try_recv() {
                    Ok(handle) => handles.push(handle),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        }
        let mut ready = ready.into_iter();
        // an interface that went away is told by its capture
        handles.retain_mut(|handle| {
            let passed_on = ready.next() != Some(true) || handle.pass_on(hints).map(|seen| count += seen).is_ok();
            passed_on && handle.read.strong_count() > 0
        });
        if since.elapsed() > WINDOW {
            (since, count) = (Instant::now(), 0);
        } else if count > BUSY {
            let _ = after(PAUSE).recv();
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("link", &self.link).finish_non_exhaustive()
    }
}

impl Handle {
    /// Passes on what is there; how much that was.
    fn pass_on(&mut self, hints: &Sender<Hint>) -> Result<usize, pcap::Error> {
        let mut packets = Packets::starting_at(PacketNo(1));
        let link = self.link;
        self.capture.dispatch(Some(CHUNK), |p| packets.push(Time::default(), SourceId::default(), link, p.header.len, p.data))?;
        let mut batch = Batch::default();
        Slicer::default().batch(packets, &mut batch);
        let mut seen = 0;
        for item in &batch.items {
            if let Item::Segment(seg) = item
                && seg.flags.has(TcpFlags::SYN)
                && !seg.flags.has(TcpFlags::ACK)
            {
                seen += 1;
                // a resolver that is behind finds it by the connection itself, if at all
                let _ = hints.try_send(Hint { client: seg.from, server: seg.to, zone: self.zone });
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    #[test]
    fn whoever_calls_is_told_at_once_and_nothing_else() {
        let (hints, seen) = unbounded();
        let listeners = ["127.0.0.1:0", "[::1]:0"].map(|at| TcpListener::bind(at).unwrap());
        let port = |n: usize| listeners[n].local_addr().unwrap().port();
        let (scout, lookout) = pair().unwrap();
        let lo = super::super::watch::links().unwrap().into_iter().find(|link| link.loopback).unwrap();
        let Ok(capture) = open(&lo) else {
            eprintln!("skipped: no right to capture");
            return;
        };
        let read = Arc::new(Share::default());
        scout.watch(capture, Zone(7), Arc::downgrade(&read), &format!("port {} or port {}", port(0), port(1)));
        lookout.start(hints).unwrap();
        for listener in &listeners {
            let server = listener.local_addr().unwrap();
            // until the handle is taken over nothing is seen
            loop {
                let client = TcpStream::connect(server).unwrap();
                if let Ok(hint) = seen.recv_timeout(Duration::from_millis(500)) {
                    assert_eq!((hint.client, hint.server, hint.zone), (client.local_addr().unwrap(), server, Zone(7)));
                    break;
                }
            }
        }
    }
}
