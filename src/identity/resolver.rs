//! The thread that finds out: asked about connections, it answers with facts, each end as soon as it is known.

use super::End;
use super::containers::{Engines, Listed};
use super::holders::{Holders, Pid};
use super::name::Container;
use super::rights::Rights;
use super::system::{Lookup, Socket, Takers};
use crate::model::{Ask, ConnId, Fact, Hint, Owner, Rank, Scope, Transport, Zone};
use crate::privileges;
use crossbeam_channel::{Receiver, at, never, select};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a socket's process is looked for; then it is one that we may not look into.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what was found at a SYN waits for the question: decoding is never that far behind.
const EARLY: Duration = Duration::from_secs(10);
/// A second SYN of the same ends within this is the first one, seen on another interface of the namespace.
const SAME: Duration = Duration::from_millis(50);
/// How many such answers wait.
const MOST_EARLY: usize = 1 << 13;
/// How many ends wait until their process is found; of further ones nobody finds out.
const MOST_WANTED: usize = 1 << 13;
/// From so many wanted sockets on they are gone through once in a while.
const MANY: usize = 64;
const SETTLE: Duration = Duration::from_millis(20);
/// Looks at the young processes for one socket.
const LOOKS: u8 = 2;
/// Ends in containers that no engine has told of yet.
const MOST_NAMELESS: usize = 1 << 12;

/// What a resolver is started with.
pub struct Options {
    /// Questions of the engine.
    pub asks: Receiver<Ask>,
    /// SYNs, as soon as they are seen.
    pub hints: Receiver<Hint>,
    /// Other network namespaces that are captured in, each with a sock_diag socket (netlink(7)) that was opened in it; with none once it is
    /// gone: what is open of a namespace keeps it alive.
    pub zones: Receiver<(Zone, Option<OwnedFd>)>,
    /// Where container engines listen.
    pub engines: Vec<PathBuf>,
    /// Takes each fact; must not wait.
    pub tell: Box<dyn Fn(Fact) + Send>,
}

/// Starts the thread. It ends when nobody is left who could ask.
pub fn start(options: Options) -> io::Result<()> {
    let lookup = Lookup::open()?;
    let holders = Holders::start()?;
    let engines = Engines::start(options.engines.clone())?;
    let work = move || {
        // what looks into processes needs these rights alone, or runs without any
        if privileges::keep_for_names().is_ok() {
            Resolver::new(options, lookup, holders, engines).run();
        }
    };
    std::thread::Builder::new().name("resolver".into()).spawn(work).map(drop)
}

/// A socket whose process is looked for.
#[derive(Clone)]
struct Wanted {
    /// At the end that accepts one that takes connections, until the connection's own is known.
    socket: Socket,
    /// There, all that take them.
    takers: Takers,
    /// Whether the service was told, without its process.
    named: bool,
    whose: Whose,
    since: Instant,
    /// When it was seen for the first time.
    seen: Instant,
    /// How often the young processes were looked at for it.
    looks: u8,
    /// Of one that is gone: the search that was under way then, the last one that may have seen it.
    last: Option<u64>,
}

#[derive(Clone, Copy)]
enum Whose {
    /// Nobody has asked yet.
    Hinted(End),
    /// The end of a connection that was asked about.
    Asked(ConnId, End),
}

/// What was found at a SYN.
struct Early {
    socket: Option<Socket>,
    takers: Takers,
    owner: Option<(u32, Arc<Owner>)>,
    at: Instant,
}

struct Resolver {
    options: Options,
    lookup: Lookup,
    holders: Holders,
    /// By number, with when it began (numbers are used again), and the container that no engine has told of yet.
    processes: HashMap<u32, (u64, Arc<Owner>, Option<String>)>,
    early: HashMap<End, Early>,
    wanted: Vec<Wanted>,
    engines: Engines,
    containers: HashMap<String, Container>,
    /// Ends in a container whose name is not known yet, and that container.
    nameless: Vec<(ConnId, SocketAddr, Pid, String)>,
    rights: Rights,
    next_settle: Instant,
}

impl Resolver {
    fn new(options: Options, lookup: Lookup, holders: Holders, engines: Engines) -> Self {
        Self {
            options,
            lookup,
            holders,
            processes: HashMap::new(),
            early: HashMap::new(),
            wanted: Vec::new(),
            engines,
            containers: HashMap::new(),
            nameless: Vec::new(),
            rights: Rights::of_this_thread(),
            next_settle: Instant::now(),
        }
    }

    fn run(mut self) {
        let (asks, mut hints) = (self.options.asks.clone(), self.options.hints.clone());
        let (mut zones, mut lists) = (self.options.zones.clone(), self.engines.lists.clone());
        let seen = self.holders.seen.clone();
        // whoever has sockets already is found without a search of its own
        self.holders.search();
        loop {
            let due = self.due();
            select! {
                // nobody is left who could ask
                recv(asks) -> ask => match ask { Ok(ask) => self.ask(ask), Err(_) => return },
                recv(hints) -> hint => match hint { Ok(hint) => self.hint(hint), Err(_) => hints = never() },
                recv(seen) -> seen => self.holders.take(seen.unwrap_or_default()),
                recv(zones) -> zone => match zone { Ok((zone, socket)) => self.lookup.zone(zone, socket), Err(_) => zones = never() },
                recv(lists) -> list => match list { Ok(list) => self.listed(list), Err(_) => lists = never() },
                recv(due) -> _ => {}
            }
            // a process that just began may soon be gone: its SYN comes before any question
            while let Ok(hint) = hints.try_recv() {
                self.hint(hint);
            }
            self.search();
        }
    }

    /// When to look for the wanted ones again, or to give the oldest up.
    fn due(&self) -> Receiver<Instant> {
        let Some(oldest) = self.wanted.first() else { return never() };
        let over = oldest.since + PATIENCE;
        // where many wait, they are gone through once in a while, however many are due
        let over = if self.wanted.len() > MANY { over.max(self.next_settle) } else { over };
        let over = if self.wanted.iter().any(|wanted| !wanted.takers.is_empty()) { over.min(self.next_settle) } else { over };
        at(if self.wanted.iter().any(worth_a_look) { over.min(self.holders.next_look()) } else { over })
    }

    /// What is asked about is in no namespace that was told of later: none is asked about before its look-up is known.
    fn enter_zones(&mut self) {
        while let Ok((zone, socket)) = self.options.zones.try_recv() {
            self.lookup.zone(zone, socket);
        }
    }

    /// A SYN was seen: both ends are looked up while they are there.
    fn hint(&mut self, hint: Hint) {
        let Hint { client, server, zone } = hint;
        self.enter_zones();
        let now = Instant::now();
        if self.early.len() + 2 > MOST_EARLY {
            self.early.retain(|_, early| now.duration_since(early.at) < EARLY);
        }
        for (local, peer, accepts) in [(client, server, false), (server, client, true)] {
            if self.early.len() >= MOST_EARLY {
                return;
            }
            let end = End { local, peer, transport: Transport::Stream, zone };
            if self.early.get(&end).is_some_and(|early| early.socket.is_some() && now.duration_since(early.at) < SAME) {
                continue;
            }
            let takers = if accepts { self.lookup.takers(end) } else { Takers::default() };
            let socket = self.lookup.find(end).or_else(|| takers.first().copied());
            self.early.insert(end, Early { socket, takers: Takers::clone(&takers), owner: None, at: now });
            if let Some(socket) = socket.filter(|socket| self.rights.sees(socket))
                && self.wanted.len() < MOST_WANTED
            {
                let (whose, since, seen) = (Whose::Hinted(end), now, now);
                self.wanted.push(Wanted { socket, takers, named: false, whose, since, seen, looks: 0, last: None });
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let Ask { conn, client, server, transport, zone } = ask;
        self.enter_zones();
        for (local, peer, accepts) in [(client, server, false), (server, client, true)] {
            let end = End { local, peer, transport, zone };
            let early = self.early.remove(&end).filter(|early| early.at.elapsed() < EARLY);
            let since = Instant::now();
            let Early { socket: before, takers, owner, at: seen } =
                early.unwrap_or_else(|| Early { socket: None, takers: Takers::default(), owner: None, at: since });
            if let Some((pid, owner)) = owner {
                self.found(conn, local, pid, owner);
                continue;
            }
            let taking = if accepts { self.lookup.takers(end) } else { Takers::default() };
            let now = self.lookup.find(end).or_else(|| taking.first().copied());
            let takers = if taking.is_empty() { takers } else { taking };
            // the connection's own before one that takes others too
            let best = now.filter(|socket| !socket.listens).or(before).or(now);
            match best.filter(|socket| self.rights.sees(socket)) {
                Some(socket) if self.wanted.len() < MOST_WANTED => {
                    // one that is gone is found by no look
                    let looks = if now.is_some() { 0 } else { LOOKS };
                    let whose = Whose::Asked(conn, end);
                    self.wanted.push(Wanted { socket, takers, named: false, whose, since, seen, looks, last: None });
                }
                _ => self.tell(conn, local, None),
            }
        }
    }

    /// Looks for the processes of the wanted sockets, as far as it is time to.
    fn search(&mut self) {
        for look in [Holders::glance, Holders::peek] {
            if !self.is_early() && self.wanted.iter().any(|wanted| wanted.looks == 0) {
                look(&mut self.holders);
            }
            self.settle();
        }
        if self.wanted.iter().any(worth_a_look) && Instant::now() >= self.holders.next_look() {
            self.holders.look();
            self.wanted.iter_mut().for_each(|wanted| wanted.looks = wanted.looks.saturating_add(1));
            self.settle();
        }
        if !self.wanted.is_empty() {
            self.holders.search();
        }
    }

    /// Answers for the wanted sockets whose process is known by now, and for those that are given up. Where many wait, not for each event.
    fn settle(&mut self) {
        if self.is_early() {
            return;
        }
        self.next_settle = Instant::now() + SETTLE;
        for wanted in std::mem::take(&mut self.wanted) {
            if !wanted.takers.is_empty() {
                self.settle_taken(wanted);
                continue;
            }
            let Wanted { socket, whose, since, .. } = wanted;
            let owner = self.holders.of(socket).and_then(|(pid, ticks)| Some((pid, self.owner(pid, ticks)?)));
            match (owner, whose) {
                (Some((pid, owner)), Whose::Asked(conn, end)) => self.found(conn, end.local, pid, owner),
                (Some(owner), Whose::Hinted(end)) => {
                    if let Some(early) = self.early.get_mut(&end) {
                        early.owner = Some(owner);
                    }
                }
                (None, Whose::Asked(conn, end)) if !self.is_held(end, socket) => {
                    let running = self.holders.running();
                    let last = wanted.last.or(running);
                    if last.is_some() && last == running && since.elapsed() < PATIENCE {
                        self.wanted.push(Wanted { last, ..wanted });
                    } else {
                        self.gone(conn, end.local, &wanted);
                    }
                }
                // somebody holds it whom we may not look into
                (None, Whose::Asked(conn, end)) if since.elapsed() >= PATIENCE => self.tell(conn, end.local, None),
                (None, Whose::Hinted(_)) if since.elapsed() >= PATIENCE => {}
                (None, Whose::Hinted(end)) if !self.early.contains_key(&end) => {}
                (None, Whose::Asked(..) | Whose::Hinted(_)) => self.wanted.push(wanted),
            }
        }
    }

    /// Whether so many wait that it is too early to go through them again.
    fn is_early(&self) -> bool {
        self.wanted.len() > MANY && Instant::now() < self.next_settle
    }

    /// Whether a process still holds a socket: else no search will find one.
    fn is_held(&self, end: End, socket: Socket) -> bool {
        self.lookup.find(end).is_some_and(|now| now.ids().into_iter().eq(socket.ids()))
    }

    fn found(&mut self, conn: ConnId, end: SocketAddr, pid: u32, owner: Arc<Owner>) {
        let nameless = self.processes.get(&pid).and_then(|(ticks, _, container)| Some((*ticks, container.clone()?)));
        if let Some((ticks, container)) = nameless {
            // one that no engine tells of (containerd beside Docker) makes room for the next
            if self.nameless.len() >= MOST_NAMELESS {
                self.nameless.remove(0);
            }
            self.nameless.push((conn, end, (pid, ticks), container));
        }
        self.tell(conn, end, Some(owner));
    }

    /// The socket was there, and is gone before its process was found: nothing of it is left to tell which one that was. Whose it was is
    /// said where the system tells; that the process is gone too, only where one has just ended that nobody could look at.
    fn gone(&mut self, conn: ConnId, end: SocketAddr, wanted: &Wanted) {
        // where its next one will be is known then
        self.holders.search();
        let Some(uid) = wanted.socket.uid() else { return self.tell(conn, end, None) };
        let owner = Owner::gone(uid, self.holders.one_ended(wanted.seen));
        self.tell(conn, end, Some(Arc::new(owner)));
    }

    fn tell(&self, conn: ConnId, end: SocketAddr, owner: Option<Arc<Owner>>) {
        (self.options.tell)(Fact::Owned { conn, end, owner });
    }

    /// An engine has told of its containers.
    fn listed(&mut self, list: Vec<Listed>) {
        for container in &list {
            for &address in &container.container.addresses {
                let service = container.container.service.as_deref().unwrap_or(&container.container.name).into();
                (self.options.tell)(Fact::Named { scope: Scope::Ip(address), rank: Rank::System, service });
            }
        }
        self.containers = list.into_iter().map(|c| (c.id, c.container)).collect();
        let missing = |id: &String| !self.containers.contains_key(id);
        self.processes.retain(|_, (_, _, container)| container.as_ref().is_none_or(missing));
        for (conn, end, pid, container) in std::mem::take(&mut self.nameless) {
            if !self.containers.contains_key(&container) {
                self.nameless.push((conn, end, pid, container));
            } else if let Some(owner) = self.owner(pid.0, pid.1) {
                self.tell(conn, end, Some(owner));
            }
        }
    }
}

/// Whether the young processes may still have a socket: one that they do not have at two looks is an older one's.
fn worth_a_look(wanted: &Wanted) -> bool {
    wanted.looks < LOOKS
}

mod owners;
mod taken;
#[cfg(test)]
mod tests;
