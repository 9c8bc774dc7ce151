//! A run without a screen: records as NDJSON on standard output.

use super::Run;
use crate::engine::edges::Edges;
use crate::engine::{self, Record};
use crate::error::Error;
use crate::model::FlowId;
use crate::output::Kind;
use crate::output::ndjson::{self, NdjsonOptions};
use crate::schema::Current;
use crate::time::Time;
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroU64;

/// Records that wait to be printed; then the engine waits.
const RECORDS: usize = 1024;
/// How many of the newest matching flows are remembered until their traces are told.
const CHOSEN: usize = 1 << 20;
/// What is gathered before it is written, where more records are there already.
const BUFFER: usize = 64 * 1024;

/// Prints a text that is all there is to say.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Error::write("standard output", &e))
}

/// Prints records until the input ends, a signal comes, or enough flows have matched.
pub fn print_records(run: Run) -> Result<(), Error> {
    let Run { options, engine, mailbox, taken, reading, stop, live, save, accept } = run;
    // there are no keys to ask with
    drop((save, accept));
    stop.on_signals()?;
    let (to, records) = bounded(RECORDS);
    let schemas = engine.schemas.clone();
    let engine = engine::owner::spawn(engine, mailbox, taken, Some(to), None)
        .map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    let (left, edges) = (options.count.map(NonZeroU64::get), Edges::default());
    let chosen = (left.is_some() || options.filter.is_some()).then(BTreeSet::new);
    let mut printer = Printer { line: Vec::new(), left, edges, chosen, options, schemas };
    let printed = printer.print(&records, || stop.now());
    stop.now();
    // nobody takes records any more where printing failed: the engine drops them, and ends with the reader
    drop(records);
    let read = Run::ended(reading);
    engine.join();
    printed.and(read).and_then(|()| stop.verdict(live))
}

struct Printer {
    line: Vec<u8>,
    /// How many more flows are wanted.
    left: Option<u64>,
    /// Of the flows that matched.
    edges: Edges,
    /// The flows that matched and carry a trace, where not all do: a trace is told for the sake of one of them.
    chosen: Option<BTreeSet<FlowId>>,
    options: crate::cli::Options,
    schemas: Current,
}

impl Printer {
    fn print(&mut self, records: &Receiver<Record>, enough: impl Fn()) -> Result<(), Error> {
        let failed = |e: io::Error| Error::write("standard output", &e);
        let mut out = io::stdout().lock();
        if self.options.emit.has(Kind::Meta) {
            ndjson::write_meta(&mut self.line);
        }
        loop {
            let record = match records.try_recv() {
                Ok(record) => Some(record),
                Err(TryRecvError::Empty) => {
                    out.write_all(&self.line).and_then(|()| out.flush()).map_err(failed)?;
                    self.line.clear();
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
                out.write_all(&self.line).map_err(failed)?;
                self.line.clear();
            }
        }
        out.write_all(&self.line).and_then(|()| out.flush()).map_err(failed)
    }

    fn add(&mut self, record: Record) {
        let Self { line, left, edges, chosen, options, schemas } = self;
        match record {
            Record::Flow(flow) => {
                let matches = options.filter.as_ref().is_none_or(|filter| filter.matches(flow.as_ref()));
                if *left == Some(0) || !matches {
                    return;
                }
                *left = left.map(|n| n - 1);
                if let Some(chosen) = chosen.as_mut().filter(|_| flow.row.trace_id.is_some()) {
                    chosen.insert(flow.row.id);
                    if chosen.len() > CHOSEN {
                        chosen.pop_first();
                    }
                }
                if options.emit.has(Kind::Edge) {
                    edges.add(flow.as_ref());
                }
                if options.emit.has(Kind::Flow) {
                    let (body_limit, secrets) = (options.body_limit, options.secrets);
                    let how = NdjsonOptions { body_limit, secrets, schemas: &schemas.get() };
                    ndjson::write_flow(flow.as_ref(), &how, line);
                }
            }
            Record::Connection(conn) if options.emit.has(Kind::Connection) => ndjson::write_connection(&conn, line),
            Record::Trace(trace) if options.emit.has(Kind::Trace) => {
                if chosen.as_ref().is_none_or(|chosen| trace.tree.iter().any(|node| chosen.contains(&node.flow))) {
                    ndjson::write_trace(&trace, line);
                }
            }
            Record::Finding(finding) if options.emit.has(Kind::Finding) => ndjson::write_finding(&finding, line),
            Record::Connection(_) | Record::Trace(_) | Record::Finding(_) => {}
            Record::Stats(stats) => {
                // what is printed has no rate, so that the time does not matter
                edges.table(Time::default()).iter().flat_map(|s| &s.calls).for_each(|edge| ndjson::write_edge(edge, line));
                if options.emit.has(Kind::Stats) {
                    ndjson::write_stats(&stats, line);
                }
            }
        }
    }
}
