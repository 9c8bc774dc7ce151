//! A program that is measured: the CPU time that it took, and the most anonymous memory that it held. One at a time.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs::read_to_string;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(4);

/// What a run took.
#[derive(Clone, Debug, Default)]
pub struct Took {
    /// User and system time of all its threads.
    pub cpu: Duration,
    pub wall: Duration,
    /// The most anonymous memory, bytes.
    pub memory: u64,
    /// How much it printed, bytes.
    pub printed: u64,
    /// The last line of that.
    pub last: String,
}

/// Runs `command` to its end; its standard output is read and forgotten.
pub fn measure(command: &mut Command) -> io::Result<Took> {
    let before = children();
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdout = child.stdout.take().expect("it is piped");
    let (pid, over) = (child.id(), AtomicBool::new(false));
    let mut took = Took::default();
    thread::scope(|scope| -> io::Result<()> {
        let memory = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(anonymous(pid));
                thread::sleep(LOOK);
            }
            most
        });
        let (mut buffer, mut tail) = (vec![0; 1 << 16], Vec::new());
        loop {
            let n = stdout.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            took.printed += n as u64;
            tail.extend_from_slice(&buffer[..n]);
            let old = tail.len().saturating_sub(buffer.len());
            tail.drain(..old);
        }
        let status = child.wait()?;
        took.wall = start.elapsed();
        over.store(true, Ordering::Relaxed);
        took.memory = memory.join().expect("it only looks");
        took.last = String::from_utf8_lossy(&tail).trim_end().rsplit('\n').next().unwrap_or_default().to_owned();
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?}: {status}"))) }
    })?;
    took.cpu = children() - before;
    Ok(took)
}

/// The CPU time of all children that have ended.
fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is always known");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// `RssAnon` (proc_pid_status(5)), bytes; 0 where it has gone.
fn anonymous(pid: u32) -> u64 {
    let status = read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}
