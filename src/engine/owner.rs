//! The engine's thread: turns and commands in, records and views out. It alone reads a clock, for its pace; the core never does.
//!
//! A slice of events (2 ms at most), then the mailbox, then a slice of row filtering, neither beyond the moment at which a view is due: at
//! most 30 times a second, 71 where much comes, or 200 while a filter is at work. So neither a flood of packets nor a filter over a million
//! rows makes the screen wait. At rest it waits too, and costs nothing.

use super::looker::Looker;
use super::view::{Query, View};
use super::{Engine, EngineOptions, Record};
use crate::model::{Event, Fact, Stamp, Totals, Turn};
use crate::priority::{self, Working};
use crate::schema::Offer;
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never, unbounded};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long a slice of work may take before the mailbox is looked into.
const SLICE: Duration = Duration::from_millis(2);
/// How many events or rows are worked on between two looks at the clock.
const STRIDE: usize = 64;
/// The shortest time between two views, save for a new query.
const FRAME: Duration = Duration::from_millis(33);
/// The same while a filter is at work on what there is: as soon as work of a few milliseconds has something to show.
const SEARCH_FRAME: Duration = Duration::from_millis(5);
/// The same where so much comes that a frame's work would be more than [`MUCH`].
const BUSY_FRAME: Duration = Duration::from_millis(14);
const MUCH: Duration = Duration::from_millis(3);
/// The shortest time between two tables of services or traces, which cost more than a view and are read, not watched.
const TABLE: Duration = Duration::from_secs(1);

/// What the engine is asked, from other threads.
#[derive(Clone, Debug)]
pub enum Command {
    /// Show this.
    Query(Query),
    /// Forget all flows.
    Clear,
    /// Somebody's name was found out.
    Fact(Fact),
    /// The schemas were exchanged.
    Schemas,
    /// These descriptors were found, and could be read too.
    Offered(Arc<[Offer]>),
    /// Stop, whatever is still to come.
    Stop,
}

/// Where the views go.
pub struct ScreenPort {
    /// The newest view.
    pub slot: Arc<Slot>,
    /// Called after each new view: must not wait.
    pub wake: Box<dyn Fn() + Send>,
}

/// The newest view, for a screen to take. A view that was not taken is replaced.
#[derive(Debug, Default)]
pub struct Slot(Mutex<Option<Arc<View>>>);

impl Slot {
    /// The newest view, where it was not taken yet.
    pub fn take(&self) -> Option<Arc<View>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a view there. The lock is held for as long as it takes to exchange a pointer.
    fn put(&self, view: Arc<View>) {
        let replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(view);
        drop(replaced);
    }
}

/// Where commands wait for an engine: it may be filled before the engine runs.
#[derive(Clone, Debug)]
pub struct Mailbox(Sender<Command>, Receiver<Command>);

impl Mailbox {
    /// An empty one.
    pub fn new() -> Self {
        // commands are a person's key strokes and resolvers' answers: the taker is never far behind, the sender must never wait
        let (mail, commands) = unbounded();
        Self(mail, commands)
    }

    /// A way to send commands.
    pub fn sender(&self) -> Sender<Command> {
        self.0.clone()
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

/// The way to a running engine.
pub struct Handle {
    mailbox: Sender<Command>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Sends a command; never waits. Whether there is somebody to take it.
    pub fn send(&self, command: Command) -> bool {
        self.mailbox.send(command).is_ok()
    }

    /// Waits for the end: without a screen that is the last turn (or no more turns); with one, `Stop`.
    pub fn join(self) {
        // what it panicked with was told by the panic hook
        drop(self.mailbox);
        drop(self.thread.join());
    }
}

/// Starts the engine's thread, and with a screen the looker's. Records are sent in their order and may wait for the receiver; without
/// a receiver (any more) they are dropped. Without a screen it ends after the last turn, with one when it is told to.
pub fn spawn(
    options: EngineOptions,
    mailbox: Mailbox,
    turns: Receiver<Turn>,
    records: Option<Sender<Record>>,
    screen: Option<ScreenPort>,
) -> std::io::Result<Handle> {
    let Mailbox(mailbox, commands) = mailbox;
    let looker = match &screen {
        Some(_) => Some(Looker::start(&options)?),
        None => None,
    };
    let live = options.live;
    let engine = Engine::new(options);
    let (turn, told, sweeping, due, shown, tabled) = (None, (0, 0), false, Due::Now, None, Instant::now());
    let worked = Duration::ZERO;
    let owner = Owner { engine, records, screen, looker, turns, commands, turn, told, sweeping, due, shown, worked, tabled };
    let thread = Builder::new().name("engine".into()).spawn(move || {
        owner.run(live.then(priority::give_way));
    })?;
    Ok(Handle { mailbox, thread })
}

struct Owner {
    engine: Engine,
    records: Option<Sender<Record>>,
    screen: Option<ScreenPort>,
    looker: Option<Looker>,
    turns: Receiver<Turn>,
    commands: Receiver<Command>,
    /// The turn that is being taken in.
    turn: Option<Taking>,
    /// Flows a second and how often findings have changed, as last seen.
    told: (u64, u64),
    /// Whether there are rows left to judge.
    sweeping: bool,
    due: Due,
    /// When the last view was shown, and for how long events have been taken in since.
    shown: Option<Instant>,
    worked: Duration,
    /// When the tables were last given up for newer ones.
    tabled: Instant,
}

/// A turn of which some events are taken in.
struct Taking {
    events: std::vec::IntoIter<Event>,
    until: Stamp,
    totals: Totals,
    last: bool,
}

/// When to show the next view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Nothing is new.
    Never,
    /// When the last one has stood long enough.
    NextFrame,
    /// At once.
    Now,
}

impl Owner {
    fn run(mut self, working: Option<Working>) {
        while self.receive() {
            working.iter().for_each(Working::tell);
            let ended = self.events();
            if self.screen.is_some() {
                self.rows();
                self.jobs();
                self.show();
            } else if ended {
                return;
            }
            self.rest();
        }
    }

    /// Takes what has come, without waiting. Whether to go on.
    fn receive(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Stop) => return false,
                Ok(command) => self.obey(command),
                Err(TryRecvError::Empty) => break,
                // nobody is left who could look at it
                Err(TryRecvError::Disconnected) if self.screen.is_some() => return false,
                Err(TryRecvError::Disconnected) => self.commands = never(),
            }
        }
        while let Some(answer) = self.looker.as_ref().and_then(|looker| looker.answers.try_recv().ok()) {
            if self.engine.answer(answer) {
                self.due = self.due.max(Due::NextFrame);
            }
        }
        if self.turn.is_none() {
            match self.turns.try_recv() {
                Ok(turn) => self.begin(turn),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    self.turns = never();
                    // whoever made them has stopped before the last one: then this is the end
                    self.begin(Turn { totals: self.engine.tally.totals.clone(), last: true, ..Turn::default() });
                }
            }
        }
        true
    }

    fn obey(&mut self, command: Command) {
        let due = match command {
            Command::Query(query) => {
                self.engine.query(query);
                Due::Now
            }
            Command::Clear => {
                self.engine.clear();
                Due::Now
            }
            Command::Fact(fact) => {
                self.engine.learn(fact);
                Due::NextFrame
            }
            Command::Offered(offers) => {
                self.engine.offer(offers);
                Due::NextFrame
            }
            Command::Schemas if self.engine.renew_schemas() => Due::NextFrame,
            Command::Schemas | Command::Stop => Due::Never,
        };
        self.due = self.due.max(due);
    }

    fn begin(&mut self, turn: Turn) {
        let Turn { events, until, news, totals, last } = turn;
        // a tick at rest changes nothing on the screen
        if !events.is_empty() || !news.is_empty() || totals != self.engine.tally.totals || last {
            self.due = self.due.max(Due::NextFrame);
        }
        self.engine.hear(news);
        self.turn = Some(Taking { events: events.into_iter(), until, totals, last });
    }

    /// Takes in events for a slice of time. Whether that was the last one.
    fn events(&mut self) -> bool {
        let Some(mut turn) = self.turn.take() else { return false };
        let records = &self.records;
        let mut out = |mut record| {
            if let Record::Stats(stats) = &mut record {
                stats.peak_memory = stats.peak_memory.max(peak_memory());
            }
            if let Some(records) = records {
                // whoever wrote them may have stopped: a broken pipe ends the run elsewhere
                _ = records.send(record);
            }
        };
        let (start, slice) = (Instant::now(), self.slice());
        while !turn.events.as_slice().is_empty() {
            for event in turn.events.by_ref().take(STRIDE) {
                self.engine.event(event, &mut out);
            }
            let elapsed = start.elapsed();
            if elapsed >= slice && !turn.events.as_slice().is_empty() {
                self.worked += elapsed;
                self.turn = Some(turn);
                return false;
            }
        }
        self.engine.pass(turn.until, turn.totals, turn.last, &mut out);
        self.worked += start.elapsed();
        let told = (self.engine.tally.rate(self.engine.now), self.engine.findings.changes());
        if std::mem::replace(&mut self.told, told) != told {
            self.due = self.due.max(Due::NextFrame);
        }
        if self.tabled.elapsed() >= TABLE && self.engine.renew_tables() {
            self.tabled = Instant::now();
            self.due = self.due.max(Due::NextFrame);
        }
        turn.last
    }

    /// Judges rows for a slice of time.
    fn rows(&mut self) {
        let (start, slice) = (Instant::now(), self.slice());
        let swept = self.sweeping;
        loop {
            self.sweeping = self.engine.sweep(STRIDE);
            if !self.sweeping || start.elapsed() >= slice {
                break;
            }
        }
        if swept || self.sweeping {
            self.due = self.due.max(Due::NextFrame);
        }
    }

    fn jobs(&mut self) {
        let Some(looker) = &self.looker else { return };
        looker.wanted.store(self.engine.screen.search(), Ordering::Relaxed);
        let inspect = self.due == Due::Now || self.until_next_frame().is_zero();
        while let Some(job) = self.engine.next_job(inspect) {
            // the core hands out fewer at once than there is room for
            _ = looker.jobs.try_send(job);
        }
    }

    fn show(&mut self) {
        let Some(screen) = &self.screen else { return };
        if self.due == Due::Now || (self.due == Due::NextFrame && self.until_next_frame().is_zero()) {
            self.due = Due::Never;
            (self.shown, self.worked) = (Some(Instant::now()), Duration::ZERO);
            screen.slot.put(self.engine.view());
            (screen.wake)();
        }
    }

    /// For how long to work on one thing now: not beyond the moment at which a view is due, but that a new query is worth some rows.
    fn slice(&self) -> Duration {
        match self.due {
            Due::NextFrame if self.screen.is_some() => SLICE.min(self.until_next_frame()),
            Due::Never | Due::NextFrame | Due::Now => SLICE,
        }
    }

    fn until_next_frame(&self) -> Duration {
        let frame = match self.engine.screen.searching() {
            true => SEARCH_FRAME,
            false if self.worked >= MUCH => BUSY_FRAME,
            false => FRAME,
        };
        self.shown.map_or(Duration::ZERO, |shown| frame.saturating_sub(shown.elapsed()))
    }

    /// Waits until there is something to do.
    fn rest(&self) {
        if self.turn.is_some() || self.sweeping {
            return;
        }
        let mut select = Select::new();
        select.recv(&self.turns);
        select.recv(&self.commands);
        if let Some(looker) = &self.looker {
            select.recv(&looker.answers);
        }
        match self.due {
            // without a screen nothing is due: only turns and commands wake it
            _ if self.screen.is_none() => _ = select.ready(),
            Due::Never => _ = select.ready(),
            Due::NextFrame | Due::Now => _ = select.ready_timeout(self.until_next_frame()),
        }
    }
}

/// The most memory that the process had at once, in bytes; 0 where the system does not say (`proc_pid_status(5)`: `VmHWM`, in KiB).
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests;
