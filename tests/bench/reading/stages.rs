//! What each stage of reading takes by itself, in one thread: packets from the file, sliced into segments, reassembled and decoded into
//! events, and taken in by the engine. Between two stages the clock of the thread is looked at, batch by batch.

use meshtop::engine::{Engine, EngineOptions, SETTLE_FILE, Wants};
use meshtop::model::{Batch, PacketNo, Packets, Turn};
use meshtop::net::Slicer;
use meshtop::source::{Files, Filled, Source, SourceIds};
use meshtop::worker::{Settings, Worker, merge};
use nix::time::{ClockId, clock_gettime};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const STAGES: [&str; 4] = ["read", "slice", "reassemble, decode", "engine"];

/// Prints a line a stage: what a packet takes, what a flow, and which part that is of all.
pub fn print(file: &Path) -> io::Result<()> {
    let (took, packets, flows) = run(file)?;
    let whole: Duration = took.iter().sum();
    println!("{:<28} {:>9} {:>9} {:>6}", "one thread, by stage", "ns/packet", "ns/flow", "%");
    for (stage, took) in STAGES.iter().zip(took) {
        let nanos = took.as_nanos() as f64;
        let part = 100.0 * nanos / whole.as_nanos() as f64;
        println!("  {stage:<26} {:>9.0} {:>9.0} {part:>6.0}", nanos / packets as f64, nanos / flows as f64);
    }
    Ok(())
}

/// What each stage took, and how many packets and flows there were.
fn run(file: &Path) -> io::Result<([Duration; STAGES.len()], u64, u64)> {
    let mut files = Files::open(&[file.to_owned()], &SourceIds::default()).map_err(io::Error::other)?;
    let mut slicer = Slicer::default();
    let mut worker = Worker::new(Arc::new(Settings::default()), 0, 1);
    let wants = Wants { flows: false, connections: false, traces: false, findings: false };
    let options = EngineOptions { keep: false, wants, settle: SETTLE_FILE, ..EngineOptions::default() };
    let mut engine = Engine::new(options);
    let (mut took, mut last, mut spare, mut next) = ([Duration::ZERO; STAGES.len()], now(), Vec::new(), PacketNo(1));
    let mut pass = |stage: usize| {
        let before = std::mem::replace(&mut last, now());
        took[stage] += last - before;
    };
    let (mut packets, mut flows) = (0, 0);
    loop {
        let mut read = Packets::reusing(spare, next);
        let filled = files.fill(&mut read).map_err(io::Error::other)?;
        next = read.next();
        pass(0);
        let mut batch = Batch::default();
        slicer.batch(read, &mut batch);
        packets += batch.packets;
        pass(1);
        let mut made = vec![worker.batch(&batch)];
        let over = filled == Filled::End;
        if over {
            made.push(worker.finish(batch.last, usize::MAX).0);
        }
        pass(2);
        for (n, made) in made.into_iter().enumerate() {
            let (events, totals) = merge(vec![made]);
            let last = over && n == 1;
            engine.take(Turn { events, until: batch.last, news: Vec::new(), totals, last }, &mut |record| {
                if let meshtop::engine::Record::Stats(stats) = record {
                    flows = stats.flows.iter().map(|(_, count)| count).sum();
                }
            });
        }
        spare = std::mem::take(&mut batch.slab);
        pass(3);
        if over {
            return Ok((took, packets, flows));
        }
    }
}

/// For how long this thread has worked.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
