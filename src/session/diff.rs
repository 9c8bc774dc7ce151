//! `meshtop diff`: two files read to their ends, one after the other, and compared.

use super::court::paper;
use super::settings::{settings, workers};
use super::{filtered, schemas};
use crate::cli::{Input, Options};
use crate::diff::{self, Run};
use crate::engine::{Engine, EngineOptions, Record, SETTLE_FILE};
use crate::error::Error;
use crate::output::ndjson;
use crate::pipeline::{self, Plan, Taps};
use crate::privileges::{self, Keep};
use crate::source::own::OwnSockets;
use crate::source::{Files, Source, SourceIds};
use crossbeam_channel::bounded;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::AtomicBool;

/// How many of the newest matching flows are remembered.
const CHOSEN: usize = 1 << 20;

/// Compares two files, or a trace of each.
pub fn run(both: [Options; 2], traces: Option<[String; 2]>) -> Result<(), Error> {
    let names = [0, 1].map(|at| name(&both[at]));
    let (json, color) = (both[0].json, both[0].color);
    let opened = [open(&both[0])?, open(&both[1])?];
    privileges::drop_after_opening(Keep::Capture).map_err(|e| Error::failed(e.to_string()))?;
    privileges::drop_the_rest().map_err(|e| Error::failed(e.to_string()))?;
    let ([left, right], [a, b]) = (both, opened);
    let (a, b) = (read(left, a)?, read(right, b)?);
    for (run, name) in [(&a, &names[0]), (&b, &names[1])] {
        if run.story.forgotten() > 0 {
            eprintln!("meshtop: {name}: its oldest {} traces are not compared: there are too many", run.story.forgotten());
        }
    }
    let missing =
        |at: usize, ids: &[String; 2]| Error::unusable(format!("--trace: {}: there is no trace {}", names[at], ids[at]));
    let pairs = match &traces {
        Some(ids) => vec![diff::compare_two(&a, &b, ids).map_err(|at| missing(at, ids))?],
        None => diff::compare(&a, &b),
    };
    if json {
        let mut out = Vec::new();
        ndjson::write_meta(&mut out);
        pairs.iter().for_each(|pair| ndjson::write_differences(pair, &mut out));
        ndjson::write_diff([&names[0], &names[1]], &pairs, &mut out);
        return super::headless::print(&String::from_utf8_lossy(&out));
    }
    let mut paper = paper(color, &io::stdout());
    match (&traces, pairs.first()) {
        (Some(_), Some(pair)) => diff::text::two(&mut paper, [&a, &b], pair),
        _ => diff::text::all(&mut paper, &pairs),
    }
    super::headless::print(paper.text())
}

fn name(options: &Options) -> String {
    match &options.input {
        Input::Files { paths, .. } => paths.first().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        Input::Live { .. } | Input::Nothing => String::new(),
    }
}

fn open(options: &Options) -> Result<Box<dyn Source>, Error> {
    let Input::Files { paths, filter } = &options.input else { return Err(Error::unusable("diff compares files")) };
    let files = Files::open(paths, &SourceIds::default()).map_err(|e| Error::unusable(e.to_string()))?;
    filtered(Box::new(files), filter.as_deref())
}

/// Reads a file to its end.
fn read(mut options: Options, source: Box<dyn Source>) -> Result<Run, Error> {
    let schemas = schemas(&options, &OwnSockets::default())?.current;
    let (settings, room) = settings(&mut options);
    let plan = Plan { workers: workers(false), settings, ..Plan::default() };
    let mut engine = Engine::new(EngineOptions {
        max_memory: room,
        keep: false,
        body_limit: options.body_limit,
        settle: SETTLE_FILE,
        names: options.names.clone(),
        secrets: options.secrets,
        schemas: schemas.clone(),
        ..EngineOptions::default()
    });
    let filter = options.filter.map(|filter| filter.knowing(&schemas));
    let mut run = Run { chosen: filter.is_some().then(BTreeSet::new), ..Run::default() };
    let (turns, taken) = bounded(super::TURNS_OF_FILE);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let say = Box::new(|why: &str| eprintln!("meshtop: {why}")) as pipeline::Say;
        // the way to the engine closes with the reader
        let (plan, stop) = (&plan, &stop);
        let read = move || pipeline::run(source, plan, Taps { say: Some(say), ..Taps::default() }, stop, &turns);
        let reading = scope.spawn(read);
        for turn in taken {
            engine.take(turn, &mut |record| {
                if let (Record::Flow(flow), Some(chosen), Some(filter)) = (&record, &mut run.chosen, &filter)
                    && filter.matches(flow.as_ref())
                {
                    chosen.insert(flow.row.id);
                    if chosen.len() > CHOSEN {
                        chosen.pop_first();
                    }
                }
                run.story.take(&record, true);
            });
        }
        super::Run::came_to(reading.join())
    })?;
    Ok(run)
}
