//! A run without a screen: records as NDJSON on standard output.

use super::command::{self, Waiting};
use super::court::Court;
use super::{Run, Stop};
use crate::cli::Options;
use crate::engine::edges::Edges;
use crate::engine::{self, Record, Wants};
use crate::error::Error;
use crate::model::FlowId;
use crate::output::Kind;
use crate::output::ndjson::{self, NdjsonOptions};
use crate::schema::Current;
use crate::time::Time;
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::thread::JoinHandle;
use std::time::Duration;

/// Records that wait to be printed; then the engine waits.
const RECORDS: usize = 1024;
/// How many of the newest matching flows are remembered until their traces are told.
const CHOSEN: usize = 1 << 20;
/// How long a tap may take to be attached before a command begins.
const ATTACHING: Duration = Duration::from_secs(30);
/// How long packets of a command that has ended are waited for: many times what they take through the kernel and the reader.
const GRACE: Duration = Duration::from_millis(500);
/// What is gathered before it is written, where more records are there already.
const BUFFER: usize = 64 * 1024;

/// Prints a text that is all there is to say.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Error::write("standard output", &e))
}

/// Prints records until the input ends, a signal comes, or enough flows have matched; or while a command runs.
pub fn print_records(run: Run) -> Result<(), Error> {
    let Run { mut options, mut engine, mailbox, taken, reading, stop, live, save, accept, command } = run;
    // there are no keys to ask with
    drop((save, accept));
    stop.on_signals(command.as_ref().map(|(command, _)| command.reach()))?;
    let (to, records) = bounded(RECORDS);
    let schemas = engine.schemas.clone();
    let sums = command.is_some() && !options.records;
    let court = (command.is_some() || !options.expect.is_empty()).then(|| Court::new(&mut options));
    let command = command.map(|(command, attached)| watched(command, attached, &stop)).transpose()?;
    engine.wants = wants(&options, court.is_some());
    let engine = engine::owner::spawn(engine, mailbox, taken, Some(to), None).map_err(|e| no_thread(&e))?;
    let (left, edges) = (options.count.map(NonZeroU64::get), Edges::default());
    let chosen = (left.is_some() || options.filter.is_some()).then(BTreeSet::new);
    let mut printer = Printer { line: Vec::new(), left, edges, chosen, options, schemas, court };
    let printed = printer.print(&records, || stop.now());
    // a command goes on, whether or not it is still being captured
    let ended = command.map(|command| command.join().unwrap_or_else(|_| Err(Error::failed("the command was not waited for"))));
    stop.now();
    // nobody takes records any more where printing failed: the engine drops them, and ends with the reader
    drop(records);
    let read = Run::ended(reading);
    engine.join();
    let ran = printed.and(read).and_then(|()| stop.verdict(live));
    let Some(mut court) = printer.court else { return ran };
    let failed = match (ended, ran) {
        (Some(Err(error @ Error::Command(_))), Ok(())) => Some(error),
        (Some(Err(error)), ran) => {
            // what would go untold, as something else decides the exit code
            ran.err().filter(Error::speaks).iter().for_each(|also| eprintln!("meshtop: {also}"));
            return Err(error);
        }
        (_, ran) => {
            ran?;
            None
        }
    };
    if sums {
        court.sum_up();
    }
    // a broken expectation before the command's own failure, as it says more
    court.verdict().and(failed.map_or(Ok(()), Err))
}

/// What is printed, counted or judged.
fn wants(options: &Options, judged: bool) -> Wants {
    let has = |kind| options.emit.has(kind) || judged;
    // a filter chooses traces by their flows
    let chosen = options.count.is_some() || (options.filter.is_some() && has(Kind::Trace));
    let flows = has(Kind::Flow) || has(Kind::Edge) || chosen;
    Wants { flows, connections: has(Kind::Connection), traces: has(Kind::Trace), findings: has(Kind::Finding) }
}

fn no_thread(error: &io::Error) -> Error {
    Error::failed(format!("cannot start a thread: {error}"))
}

/// Lets a command begin once all taps are attached, and ends the run when it has ended and its last packets have come.
fn watched(command: Waiting, attached: Receiver<()>, stop: &Stop) -> Result<JoinHandle<Result<(), Error>>, Error> {
    let stop = stop.clone();
    let watch = move || {
        let ended = match attached.recv_timeout(ATTACHING) {
            Err(RecvTimeoutError::Timeout) => {
                command.give_up();
                Err(Error::failed(format!("a tap was not attached within {} s: the command was not run", ATTACHING.as_secs())))
            }
            _ => command.begin().and_then(|running| {
                let status = running.wait().map_err(|e| Error::failed(format!("cannot wait for the command: {e}")))?;
                std::thread::sleep(GRACE);
                command::verdict(status)
            }),
        };
        stop.now();
        ended
    };
    std::thread::Builder::new().name("command".into()).spawn(watch).map_err(|e| no_thread(&e))
}

struct Printer {
    line: Vec<u8>,
    /// How many more flows are wanted.
    left: Option<u64>,
    /// Of the flows that matched.
    edges: Edges,
    /// The flows that matched and carry a trace, where not all do: a trace is told for the sake of one of them.
    chosen: Option<BTreeSet<FlowId>>,
    options: Options,
    schemas: Current,
    /// What the run is judged by, where it is.
    court: Option<Court>,
}

impl Printer {
    fn print(&mut self, records: &Receiver<Record>, enough: impl Fn()) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        if self.options.records && self.options.emit.has(Kind::Meta) {
            ndjson::write_meta(&mut self.line);
        }
        loop {
            let record = match records.try_recv() {
                Ok(record) => Some(record),
                Err(TryRecvError::Empty) => {
                    self.put(&mut out)?;
                    records.recv().ok()
                }
                Err(TryRecvError::Disconnected) => None,
            };
            let Some(record) = record else { break };
            self.add(record);
            if self.left == Some(0) {
                enough();
            }
            if self.line.len() >= BUFFER {
                self.put(&mut out)?;
            }
        }
        self.put(&mut out)
    }

    /// Writes what was gathered. A run that is judged goes on where nobody reads it any more.
    fn put(&mut self, out: &mut impl Write) -> Result<(), Error> {
        if self.line.is_empty() {
            return Ok(());
        }
        let written = out.write_all(&self.line).and_then(|()| out.flush()).map_err(|e| Error::write("standard output", &e));
        self.line.clear();
        match written {
            Err(Error::Pipe) if self.court.is_some() => {
                self.options.records = false;
                Ok(())
            }
            written => written,
        }
    }

    fn add(&mut self, record: Record) {
        let chosen = self.chooses(&record);
        if let Some(court) = &mut self.court {
            court.hear(&record, chosen);
        }
        if chosen && self.options.records {
            self.write(&record);
        }
    }

    /// Whether a record is one of those that are wanted.
    fn chooses(&mut self, record: &Record) -> bool {
        let Self { left, chosen, options, .. } = self;
        match record {
            Record::Flow(flow) => {
                let matches = options.filter.as_ref().is_none_or(|filter| filter.matches(flow.as_ref()));
                if *left == Some(0) || !matches {
                    return false;
                }
                *left = left.map(|n| n - 1);
                if let Some(chosen) = chosen.as_mut().filter(|_| flow.row.trace_id.is_some()) {
                    chosen.insert(flow.row.id);
                    if chosen.len() > CHOSEN {
                        chosen.pop_first();
                    }
                }
                true
            }
            Record::Trace(trace) => {
                chosen.as_ref().is_none_or(|chosen| trace.tree.iter().any(|node| chosen.contains(&node.flow)))
            }
            Record::Connection(_) | Record::Finding(_) | Record::Stats(_) => true,
        }
    }

    fn write(&mut self, record: &Record) {
        let Self { line, edges, options, schemas, .. } = self;
        match record {
            Record::Flow(flow) => {
                if options.emit.has(Kind::Edge) {
                    edges.add(flow.as_ref());
                }
                if options.emit.has(Kind::Flow) {
                    let (body_limit, secrets) = (options.body_limit, options.secrets);
                    let how = NdjsonOptions { body_limit, secrets, schemas: &schemas.get() };
                    ndjson::write_flow(flow.as_ref(), &how, line);
                }
            }
            Record::Connection(conn) if options.emit.has(Kind::Connection) => ndjson::write_connection(conn, line),
            Record::Trace(trace) if options.emit.has(Kind::Trace) => ndjson::write_trace(trace, line),
            Record::Finding(finding) if options.emit.has(Kind::Finding) => ndjson::write_finding(finding, line),
            Record::Connection(_) | Record::Trace(_) | Record::Finding(_) => {}
            Record::Stats(stats) => {
                // what is printed has no rate, so that the time does not matter
                edges.table(Time::default()).iter().flat_map(|s| &s.calls).for_each(|edge| ndjson::write_edge(edge, line));
                if options.emit.has(Kind::Stats) {
                    ndjson::write_stats(stats, line);
                }
            }
        }
    }
}
