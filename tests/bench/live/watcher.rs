//! Those who watch: tcpdump, meshtop without a screen, and meshtop in a terminal of which somebody reads all that is drawn.

use super::share;
use super::site::{DIGITS, TOLD, millis};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vt100::Parser;

/// How often it is looked how far behind the screen is, whether or not it changed, and after which time first: the bursts' start is not
/// measured.
const LOOK: Duration = Duration::from_millis(100);
const SETTLED: Duration = Duration::from_secs(1);

/// A program that captures, and prints no packet.
pub struct Watcher {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Watcher {
    /// The floor.
    pub fn tcpdump(port: u16) -> io::Result<Self> {
        let mut command = Command::new("tcpdump");
        // what it says first, and at its end, it says to stderr
        let mut child =
            command.args(["-i", "lo", "-w", "/dev/null", &only(port)]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        said.read_line(&mut String::new())?;
        // its summary fits the pipe
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, out })
    }

    /// Everything decoded, and only sums printed.
    pub fn meshtop(port: u16) -> io::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshtop"));
        command.args(["-i", "lo", "-f", &only(port), "--json", "--emit", "meta,stats"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        // it captures from its first line on
        out.read_line(&mut String::new())?;
        Ok(Self { child, out })
    }

    pub fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    /// Ends it; the last line that it printed.
    pub fn end(mut self) -> io::Result<String> {
        interrupt(self.child.id());
        let mut printed = String::new();
        self.out.read_to_string(&mut printed)?;
        self.child.wait()?;
        Ok(printed.trim_end().rsplit('\n').next().unwrap_or_default().to_owned())
    }
}

/// Others may use the interface too.
fn only(port: u16) -> String {
    format!("tcp port {port}")
}

fn interrupt(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        // it may have ended by itself
        _ = kill_process(pid, Signal::INT);
    }
}

/// The CPU time of a process so far (proc_pid_stat(5): fields 14 and 15, in ticks of a hundredth of a second).
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// meshtop in a terminal.
pub struct Screen {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    pid: u32,
    before: Duration,
    _master: Box<dyn MasterPty + Send>,
    _keys: Box<dyn Write + Send>,
    over: Arc<AtomicBool>,
    looks: JoinHandle<Vec<u64>>,
}

/// What was seen of a screen.
pub struct Told {
    cpu: Duration,
    /// How far it was behind, in milliseconds, each time that it was looked at, rising.
    behind: Vec<u64>,
}

impl Screen {
    pub fn open(port: u16, (cols, rows): (u16, u16)) -> io::Result<Self> {
        let pty =
            native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).map_err(io::Error::other)?;
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_meshtop"));
        command.args(["-i", "lo", "-f", &only(port)]);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).map_err(io::Error::other)?;
        let mut from = pty.master.try_clone_reader().map_err(io::Error::other)?;
        let keys = pty.master.take_writer().map_err(io::Error::other)?;
        let (ready, is_ready) = crossbeam_channel::bounded(1);
        let (rows, cols) = (NonZeroU16::new(rows).expect("it has rows"), NonZeroU16::new(cols).expect("it has columns"));
        let drawn = Arc::new(Mutex::new(Parser::new(rows, cols, 0)));
        let contents = |drawn: &Mutex<Parser>| drawn.lock().expect("nobody panics with it").screen().contents();
        let shown = drawn.clone();
        thread::spawn(move || {
            let (mut buffer, mut told) = (vec![0; 1 << 16], false);
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                shown.lock().expect("nobody panics with it").process(&buffer[..n]);
                // it says so once it captures
                told = told || contents(&shown).contains("lo") && ready.try_send(()).is_ok();
            }
        });
        let pid = child.process_id().unwrap_or_default();
        is_ready.recv().map_err(io::Error::other)?;
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let looks = thread::spawn(move || {
            let mut behind = Vec::new();
            thread::sleep(SETTLED);
            while !is_over.load(Ordering::Relaxed) {
                behind.extend(newest(&contents(&drawn)).map(|sent| millis().saturating_sub(sent)));
                thread::sleep(LOOK);
            }
            behind
        });
        Ok(Self { child, pid, before: cpu(pid), _master: pty.master, _keys: keys, over, looks })
    }

    pub fn end(mut self) -> io::Result<Told> {
        let cpu = cpu(self.pid) - self.before;
        self.over.store(true, Ordering::Relaxed);
        interrupt(self.pid);
        self.child.wait()?;
        let mut behind = self.looks.join().expect("it only looks");
        behind.sort_unstable();
        Ok(Told { cpu, behind })
    }
}

/// The newest of the rows that tell when they were sent.
fn newest(screen: &str) -> Option<u64> {
    screen.match_indices(TOLD).filter_map(|(at, _)| screen.get(at + TOLD.len()..)?.get(..DIGITS)?.parse().ok()).max()
}

impl Told {
    pub fn cpu(&self, of: Duration) -> f64 {
        share(self.cpu, of)
    }

    /// The newest row's age.
    pub fn behind(&self) -> String {
        let Some(&longest) = self.behind.last() else { return "no row was seen".to_owned() };
        format!("the newest row {} ms old (median), {longest} ms at most", self.behind[self.behind.len() / 2])
    }
}
