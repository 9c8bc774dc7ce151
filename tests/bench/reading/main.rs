//! How fast captures are read, and in how much memory, beside programs that read the same file in the same run: `make bench` prints it.
//! Nothing is asserted: the machine may be busy.
//!
//! CPU time is what all threads of a program took, in turns with the others, the median of [`ROUNDS`]. `tcpdump -w /dev/null` is the
//! floor: it reads packets and decodes nothing. tshark, where it is installed, and meshtop read a smaller capture of the same kind in turns,
//! since tshark is slow: its figures are a megabyte's.

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod child;
mod grpc;
mod memory;
mod stages;
mod talks;
mod wire;
mod workloads;

#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../../scenarios/mod.rs"]
mod scenarios;

use child::{Took, measure};
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use workloads::{WORKLOADS, Workload};

const ROUNDS: usize = 5;
/// The same beside tshark, which takes seconds.
const ROUNDS_OF_TSHARK: usize = 3;
/// Bytes of each capture.
const SIZE: u64 = 200 << 20;
/// Of those that tshark reads.
const SMALL: u64 = 8 << 20;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // cargo asks every bench so in `cargo test`
    if args.iter().any(|arg| arg == "--list") {
        return Ok(());
    }
    let only: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workloads");
    for workload in WORKLOADS.iter().filter(|workload| only.is_empty() || only.iter().any(|name| *name == workload.name)) {
        reading(workload, &dir)?;
    }
    if only.is_empty() || only.iter().any(|name| *name == "memory") {
        memory::print(&dir)?;
    }
    Ok(())
}

/// What reads a file.
type Program = fn(&Path) -> Command;

/// What one program took, and what of it is printed.
struct Row {
    who: &'static str,
    took: Took,
    bytes: u64,
}

fn reading(workload: &Workload, dir: &Path) -> io::Result<()> {
    let file = workload.file(dir, SIZE)?;
    let bytes = file.metadata()?.len();
    println!("\n{}: {}, {} MB", workload.name, workload.what, bytes / 1_000_000);
    println!("{:<28} {:>9} {:>8} {:>9} {:>9} {:>9} {:>7}", "", "MB/CPU s", "x floor", "packets/s", "flows/s", "wall MB/s", "MiB");
    let programs: [(&'static str, Program); 4] =
        [("tcpdump -w /dev/null", tcpdump), ("meshtop --emit stats", stats), ("  one core", pinned), ("meshtop --json", json)];
    let took = in_turns(&programs, &file, ROUNDS)?;
    let rows: Vec<Row> = programs.iter().zip(took).map(|((who, _), took)| Row { who, took, bytes }).collect();
    let floor = rows[0].took.cpu;
    let counts = Counts::of(&rows[1].took.last);
    for row in &rows {
        println!("{}", Line { row, floor, counts: &counts });
    }
    let (both, one) = (rows[1].took.wall, rows[2].took.wall);
    println!("throughput of all cores to one: {:.2}", one.as_secs_f64() / both.as_secs_f64());
    stages::print(&file)?;
    beside_tshark(workload, dir)
}

/// What each took, in the middle of so many rounds of turns.
fn in_turns(programs: &[(&'static str, Program)], file: &Path, rounds: usize) -> io::Result<Vec<Took>> {
    let mut took: Vec<Vec<Took>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (took, (_, program)) in took.iter_mut().zip(programs) {
            took.push(measure(&mut program(file))?);
        }
    }
    Ok(took.into_iter().map(median).collect())
}

/// The same kind of capture, told packet by packet as JSON, and by meshtop flow by flow.
fn beside_tshark(workload: &Workload, dir: &Path) -> io::Result<()> {
    if Command::new("tshark").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("tshark is not installed");
        return Ok(());
    }
    let file = workload.file(dir, SMALL)?;
    let bytes = file.metadata()?.len();
    let programs: [(&'static str, Program); 3] = [("meshtop --json", json), ("tshark -T fields", tuned), ("tshark -T ek", ek)];
    let took = in_turns(&programs, &file, ROUNDS_OF_TSHARK)?;
    let mut rates = took.iter().map(|took| bytes as f64 / 1e6 / took.cpu.as_secs_f64()).zip(programs);
    let Some((ours, _)) = rates.next() else { return Ok(()) };
    for (theirs, (who, _)) in rates {
        println!("{who:<28} {theirs:>9.1} MB/CPU s; meshtop --json {:.0} x that", ours / theirs);
    }
    Ok(())
}

/// Tuned: nothing that a table of requests does not need.
fn tuned(file: &Path) -> Command {
    const FIELDS: [&str; 4] = ["frame.number", "tcp.stream", "http.request.uri", "http.response.code"];
    let mut command = tshark(file, &["-q", "-T", "fields"]);
    FIELDS.iter().for_each(|field| _ = command.args(["-e", field]));
    command
}

/// All that it decodes, as JSON.
fn ek(file: &Path) -> Command {
    tshark(file, &["-T", "ek"])
}

fn tshark(file: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(file).args(args);
    command
}

fn tcpdump(file: &Path) -> Command {
    let mut command = Command::new("tcpdump");
    command.arg("-r").arg(file).args(["-w", "/dev/null"]);
    command
}

fn meshtop(file: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshtop"));
    command.arg("-r").arg(file).args(args);
    command
}

fn stats(file: &Path) -> Command {
    meshtop(file, &["--json", "--emit", "stats"])
}

fn json(file: &Path) -> Command {
    meshtop(file, &["--json"])
}

/// On one core: then everything is done in one thread.
fn pinned(file: &Path) -> Command {
    let all = stats(file);
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(all.get_program()).args(all.get_args());
    command
}

/// The run in the middle, by CPU time; of memory the most.
fn median(mut runs: Vec<Took>) -> Took {
    let memory = runs.iter().map(|run| run.memory).max().unwrap_or_default();
    runs.sort_by_key(|run| run.cpu);
    Took { memory, ..runs.swap_remove(runs.len() / 2) }
}

/// What `stats` counted.
struct Counts {
    packets: f64,
    flows: f64,
}

impl Counts {
    fn of(line: &str) -> Self {
        let stats: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let flows = stats["flows"].as_object().into_iter().flat_map(|flows| flows.values()).filter_map(serde_json::Value::as_f64);
        Self { packets: stats["packets"].as_f64().unwrap_or_default(), flows: flows.sum() }
    }
}

struct Line<'a> {
    row: &'a Row,
    floor: Duration,
    counts: &'a Counts,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { who, took, bytes } = self.row;
        let (cpu, megabytes) = (took.cpu.as_secs_f64(), *bytes as f64 / 1e6);
        write!(
            f,
            "{who:<28} {:>9.0} {:>8.2} {:>9.0} {:>9.0} {:>9.0} {:>7.0}",
            megabytes / cpu,
            cpu / self.floor.as_secs_f64(),
            self.counts.packets / cpu,
            self.counts.flows / cpu,
            megabytes / took.wall.as_secs_f64(),
            took.memory as f64 / f64::from(1 << 20)
        )
    }
}
