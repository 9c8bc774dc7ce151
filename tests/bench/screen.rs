//! What the screen costs under load: a million flows in the store, 20,000 more each second; `make bench` prints it. Nothing is asserted:
//! the machine may be busy. The goal is 8 ms of work a frame.
//!
//! The engine's and the screen's threads are the real ones, in a process of their own on a terminal of 200x50: this program again, which
//! tells by a socket what is to be printed and which keys are to be pressed. Work is the CPU time of the thread: the engine's from one
//! view to the next (events, rows judged, the view), the screen's from one view taken to the next (update, drawing, writing).

mod log;

use crossbeam_channel::{Sender, bounded};
use log::{Log, turn};
use meshtop::engine::EngineOptions;
use meshtop::engine::owner::{self, Handle, Mailbox, ScreenPort, Slot};
use meshtop::engine::view::View;
use meshtop::filter::{self, Filter};
use meshtop::model::{Pattern, Turn};
use meshtop::time::Span;
use meshtop::tui::{self, Command, Completion, Grammar, Palette, Port, keymap::Keymap};
use nix::time::{ClockId, clock_gettime};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const FLOWS: u64 = 1_000_000;
/// Flows a second, in a turn each 10 ms as a live reader gives them.
const RATE: u64 = 20_000;
const TURN: Duration = Duration::from_millis(10);
/// Packets that pass in a turn's time: 10 µs each.
const PACKETS: u64 = 1000;
const CONNECTIONS: u64 = 100;
/// How long each thing is watched.
const WATCH: Duration = Duration::from_secs(5);
/// Keys in a row, and how long between them: as a keyboard repeats.
const KEYS: usize = 60;
const REPEAT: Duration = Duration::from_millis(33);
/// Where the other process finds the socket.
const SOCKET: &str = "MESHTOP_BENCH_SOCKET";
/// How much memory there may be beside the store, MiB.
const BESIDE: usize = 64;
/// What a line with keys begins with; the rest is their bytes in hex.
const PRESS: &str = "press ";

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    // cargo asks every bench so in `cargo test`
    if std::env::args().any(|arg| arg == "--list") {
        return Ok(());
    }
    match std::env::var(SOCKET) {
        Ok(socket) => watched(UnixStream::connect(socket)?),
        Err(_) => watch(),
    }
}

/// Opens the terminal, prints what is told and presses keys.
fn watch() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("told");
    let listener = UnixListener::bind(&socket)?;
    let pty = native_pty_system()
        .openpty(PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 })
        .map_err(io::Error::other)?;
    let mut command = CommandBuilder::new(std::env::current_exe()?);
    command.env(SOCKET, &socket);
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command).map_err(io::Error::other)?;
    let mut drawn = pty.master.try_clone_reader().map_err(io::Error::other)?;
    thread::spawn(move || io::copy(&mut drawn, &mut io::sink()));
    let mut keys = pty.master.take_writer().map_err(io::Error::other)?;
    println!("a million flows in the store, {RATE} more each second, at 200x50");
    println!("{:<40} {:>8} {:>8} {:>8} {:>7}", "work a frame, ms", "p50", "p99", "longest", "frames");
    for line in BufReader::new(listener.accept()?.0).lines() {
        let line = line?;
        match line.strip_prefix(PRESS) {
            Some(pressed) => keys.write_all(pressed.replace("<enter>", "\r").replace("<esc>", "\x1b").as_bytes())?,
            None => println!("{line}"),
        }
    }
    child.wait()?;
    Ok(())
}

/// What is measured, of frames and of answers to queries.
#[derive(Default)]
struct Measured {
    engine: Mutex<Vec<Duration>>,
    screen: Mutex<Vec<Duration>>,
    /// From a query to the first view that answers it, and to the one that has looked at all.
    answers: Mutex<Vec<Duration>>,
    whole: Mutex<Vec<Duration>>,
}

/// In the terminal.
fn watched(told: UnixStream) -> io::Result<()> {
    let measured = Arc::new(Measured::default());
    let (wake, woken) = bounded(1);
    let slot = Arc::new(Slot::default());
    let (of, before) = (Arc::clone(&measured), Cell::new(Duration::ZERO));
    let wake = Box::new(move || {
        let now = worked();
        of.engine.lock().unwrap().push(now - before.replace(now));
        _ = wake.try_send(());
    });
    let (turns, taken) = bounded(4);
    let screen = ScreenPort { slot: Arc::clone(&slot), wake };
    let engine = owner::spawn(EngineOptions::default(), Mailbox::new(), taken, None, Some(screen))?;
    let port = Watched { engine, slot, measured: Arc::clone(&measured), before: Cell::default(), asked: Cell::default() };
    let over = Arc::new(AtomicBool::new(false));
    let (loaded, is_loaded) = bounded(1);
    let feeding = Arc::clone(&over);
    thread::spawn(move || feed(&turns, &loaded, &feeding));
    thread::spawn(move || {
        _ = is_loaded.recv();
        _ = script(told, &measured);
        // no more turns are no end for a screen: its user quits
        over.store(true, Ordering::Relaxed);
    });
    let options = tui::Options {
        palette: Palette::Dark,
        keymap: Keymap::new(&[]).map_err(io::Error::other)?,
        mouse: false,
        follow: true,
        slow: Span::from_millis(250),
        filter: None,
        grammar: Grammar {
            parse: Box::new(Filter::parse),
            complete: Box::new(|text, cursor, values| {
                let filter::Completion { from, words } = filter::complete(text, cursor, values);
                Completion { from, words }
            }),
        },
    };
    tui::run(&port, &woken, options)?;
    Ok(())
}

/// A million flows as fast as they are taken, then as many as come live.
fn feed(turns: &Sender<Turn>, loaded: &Sender<()>, over: &AtomicBool) {
    let (mut log, mut flow) = (Log::default(), 0);
    (0..CONNECTIONS).for_each(|c| log.began(c, [9, c as u8 % 8 + 1]));
    let each = RATE * TURN.as_millis() as u64 / 1000;
    let mut due = None;
    while !over.load(Ordering::Relaxed) {
        for _ in 0..each {
            let open = log.open(flow % CONNECTIONS, flow / 4, Some(flow % 4), ("http", Pattern::RequestResponse));
            log.close(open, if flow % 97 == 0 { "503" } else { "200" });
            flow += 1;
        }
        log.skip(PACKETS.saturating_sub(2 * each));
        if turns.send(turn(std::mem::take(&mut log.events))).is_err() {
            return;
        }
        if flow < FLOWS {
            continue;
        }
        let next = due.get_or_insert_with(|| {
            _ = loaded.send(());
            Instant::now()
        });
        *next += TURN;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// What a person does, and what it took.
fn script(mut told: UnixStream, measured: &Measured) -> io::Result<()> {
    // what was loaded settles
    thread::sleep(WATCH);
    frames(&mut told, measured, "following", |_| Ok(()))?;
    for (what, text) in [
        ("filtering rows", "status == 503"),
        ("filtering rows, no match", "status == 418"),
        ("filtering headers", "header.user-agent ~ \"bench\""),
    ] {
        frames(&mut told, measured, what, |told| writeln!(told, "{PRESS}/{text}<enter>"))?;
        let times = |times: &Mutex<Vec<Duration>>| times.lock().unwrap().last().map_or("none".to_owned(), |t| format!("{t:.1?}"));
        writeln!(told, "  {text}: first answer after {}, whole after {}", times(&measured.answers), times(&measured.whole))?;
        writeln!(told, "{PRESS}/\x15<enter>")?;
        thread::sleep(WATCH / 5);
    }
    frames(&mut told, measured, "scrolling back by pages", |told| {
        (0..KEYS).try_for_each(|_| {
            thread::sleep(REPEAT);
            writeln!(told, "{PRESS}\x02")
        })
    })?;
    let answers = sorted(&measured.answers);
    writeln!(told, "  {} queries answered: p50 {:.1?}, longest {:.1?}", answers.len(), at(&answers, 0.5), at(&answers, 1.0))?;
    writeln!(
        told,
        "anonymous memory at the end: {} MiB (goal {})",
        anonymous(),
        (EngineOptions::default().max_memory >> 20) + BESIDE
    )?;
    writeln!(told, "{PRESS}q")
}

/// What this process takes, MiB.
fn anonymous() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or_default() / 1024
}

/// What frames took while something was done, and for a while.
fn frames(
    told: &mut UnixStream,
    measured: &Measured,
    what: &str,
    done: impl FnOnce(&mut UnixStream) -> io::Result<()>,
) -> io::Result<()> {
    let Measured { engine, screen, answers, whole } = measured;
    [engine, screen, answers, whole].iter().for_each(|times| times.lock().unwrap().clear());
    done(told)?;
    thread::sleep(WATCH);
    for (who, times) in [("engine", sorted(engine)), ("screen", sorted(screen))] {
        let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|share| at(&times, share).as_secs_f64() * 1e3);
        writeln!(told, "{:<40} {p50:>8.2} {p99:>8.2} {longest:>8.2} {:>7}", format!("{what}: {who}"), times.len())?;
    }
    Ok(())
}

fn sorted(times: &Mutex<Vec<Duration>>) -> Vec<Duration> {
    let mut times = times.lock().unwrap().clone();
    times.sort_unstable();
    times
}

fn at(times: &[Duration], share: f64) -> Duration {
    times.get((times.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default()
}

/// The engine, with a watch on what is asked and taken.
struct Watched {
    engine: Handle,
    slot: Arc<Slot>,
    measured: Arc<Measured>,
    /// How much this thread had worked when it took the last view.
    before: Cell<Option<Duration>>,
    /// The newest query, when it was asked, and whether it was answered.
    asked: Cell<Option<(u64, Instant, bool)>>,
}

impl Port for Watched {
    fn send(&self, command: Command) {
        match command {
            Command::Query(query) => {
                self.asked.set(Some((query.generation, Instant::now(), false)));
                self.engine.send(owner::Command::Query(query));
            }
            Command::Clear => _ = self.engine.send(owner::Command::Clear),
            Command::Save | Command::Accept => {}
        }
    }

    fn latest(&self) -> Option<Arc<View>> {
        let view = self.slot.take();
        let now = worked();
        if let Some(before) = self.before.replace(view.as_ref().map(|_| now)) {
            self.measured.screen.lock().unwrap().push(now - before);
        }
        if let (Some(view), Some((generation, asked, answered))) = (&view, self.asked.get())
            && view.generation >= generation
        {
            let (some, whole) = (!view.rows.is_empty(), view.searched_percent.is_none());
            if !answered && (some || whole) {
                self.measured.answers.lock().unwrap().push(asked.elapsed());
            }
            if whole {
                self.measured.whole.lock().unwrap().push(asked.elapsed());
            }
            self.asked.set((!whole).then_some((generation, asked, answered || some)));
        }
        view
    }
}

/// The CPU time of this thread so far.
fn worked() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has one").into()
}
