//! One run of the program: inputs opened, rights given up, threads started, and where the results go. It decodes nothing.
//!
//! The order matters: what needs rights is opened before any thread exists; the reader alone inherits CAP_NET_RAW, for interfaces that
//! come up later; the threads that it starts give it up first, and those that are started after it never have it. Where other network
//! namespaces are captured in, one thread more, started first, keeps the right to enter them; and one the right to set priorities.

mod command;
mod court;
mod demo;
mod diff;
mod headless;
mod names;
#[cfg(feature = "tui")]
mod screen;
mod settings;
mod stop;

pub use command::gate;

use crate::cli::{Command, Input, Options};
use crate::engine::owner::{self, Mailbox};
use crate::engine::{EngineOptions, SETTLE_FILE, SETTLE_LIVE, Wants};
use crate::error::Error;
use crate::model::{SourceNews, Turn};

use crate::pipeline::{self, Names, PipelineError, Plan, Taps};
use crate::priority;
use crate::privileges::{self, Keep};
use crate::schema::load::{News, Watch};
use crate::schema::{Current, Loader, Schemas};
use crate::source::netns::Wanted;
use crate::source::own::OwnSockets;
use crate::source::pcapng_write::Writer;
use crate::source::private_file::Owner;
use crate::source::recorder::Recorder;
use crate::source::tap;
use crate::source::{Files, Source, SourceIds};
use crate::text::escape;
use command::Waiting;
use crossbeam_channel::{Receiver, Sender, bounded, never, unbounded};
use settings::{settings, workers};
use std::path::PathBuf;
use std::thread::JoinHandle;
use stop::Stop;

/// How old packets may get before they are on the screen.
const LATE: std::time::Duration = std::time::Duration::from_millis(500);
/// Turns that wait for the engine; then workers wait, and live packets are dropped before them.
const TURNS: usize = 16;
/// The same where a file is read, which waits: enough that neither of the two has to.
const TURNS_OF_FILE: usize = 2;

/// Does what the command line asked for.
pub fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Print(text) => headless::print(&text),
        Command::Interfaces => interfaces(),
        Command::Doctor => {
            // with the rights that a watch would have
            privileges::drop_after_opening(Keep::Namespaces).map_err(|e| Error::failed(e.to_string()))?;
            headless::print(&crate::doctor::examine().to_string())
        }
        Command::Watch(options) => begin(*options, None),
        Command::Run { command, options } => {
            let output = if options.records { command::Output::Errors } else { command::Output::Ours };
            let waiting = Waiting::start(&command, output)?;
            begin(*options, Some(waiting))
        }
        Command::Demo { recorded, options } => demo::run(recorded, *options),
        Command::Diff { both, traces } => diff::run(*both, traces),
    }
}

/// Opens the input, and watches it; what is opened first is the command, where there is one.
fn begin(options: Options, command: Option<Waiting>) -> Result<(), Error> {
    let own = OwnSockets::with_ssh();
    let schemas = schemas(&options, &own)?;
    let opened = open(&options, &own)?;
    watch(options, Opened { command, ..opened }, schemas, own)
}

/// An input that is open, and what belongs to it.
struct Opened {
    source: Box<dyn Source>,
    live: bool,
    /// What helps to find out names, where this machine knows whose sockets they are: not where a recording is played.
    names: Option<names::Clues>,
    files: Vec<PathBuf>,
    plan: Plan,
    /// The capture filter in force.
    capture_filter: Option<String>,
    /// Brokers' taps.
    taps: Option<tap::Taps>,
    /// What keeps the right to enter other network namespaces, on a thread of its own.
    keeper: Option<Box<dyn FnOnce() + Send>>,
    /// The command that is captured while it runs.
    command: Option<Waiting>,
}

fn open(options: &Options, own: &OwnSockets) -> Result<Opened, Error> {
    let ids = SourceIds::default();
    let alone = options.input == Input::Nothing;
    let taps = (!options.taps.is_empty()).then(|| tap::Taps::new(&options.taps, &ids, own, alone, !options.headless));
    match &options.input {
        Input::Nothing => {
            let refused = taps.as_ref().map_or_else(never, |taps| taps.refused.clone());
            let (source, names, plan) = (Box::new(tap::Quiet::new(refused)), clues()?, Plan { live: true, ..Plan::default() });
            Ok(Opened {
                source,
                live: true,
                names,
                files: Vec::new(),
                plan,
                capture_filter: None,
                taps,
                keeper: None,
                command: None,
            })
        }
        Input::Files { paths, filter } => {
            let files = Files::open(paths, &ids).map_err(|e| Error::unusable(e.to_string()))?;
            let source = filtered(Box::new(files), filter.as_deref())?;
            let (files, capture_filter, plan) = (paths.clone(), filter.clone(), Plan::default());
            Ok(Opened { source, live: false, names: None, files, plan, capture_filter, taps, keeper: None, command: None })
        }
        Input::Live { interfaces, namespaces, filter } => {
            let opened = open_live(interfaces.clone(), namespaces.clone(), filter.clone(), ids)?;
            Ok(Opened { taps, ..opened })
        }
    }
}

/// The schemas in force, and what reads them again.
struct Known {
    current: Current,
    loader: Loader,
}

/// Reads the schemas that the user gave, before anything is captured. A file that is not usable in a folder of others is told.
fn schemas(options: &Options, own: &OwnSockets) -> Result<Known, Error> {
    let mut loader = Loader::new(options.schema.clone());
    loader.ask(|local, peer| own.add(local, peer)).map_err(Error::unusable)?;
    let schemas = loader.load().map_err(Error::unusable)?;
    if options.headless {
        tell(&schemas);
    }
    let current = Current::default();
    current.set(schemas);
    Ok(Known { current, loader })
}

#[cfg(feature = "live")]
fn filtered(files: Box<dyn Source>, filter: Option<&str>) -> Result<Box<dyn Source>, Error> {
    use crate::source::file_filter::Filtered;
    let Some(filter) = filter else { return Ok(files) };
    Ok(Box::new(Filtered::new(files, filter).map_err(|e| Error::unusable(e.to_string()))?))
}

#[cfg(not(feature = "live"))]
fn filtered(files: Box<dyn Source>, filter: Option<&str>) -> Result<Box<dyn Source>, Error> {
    let refused = Error::unusable("--capture-filter: built without libpcap; use -Y, the display filter");
    if filter.is_some() { Err(refused) } else { Ok(files) }
}

/// What helps to find out names where nothing is captured: only who holds the sockets that taps tell of.
#[cfg(feature = "live")]
fn clues() -> Result<Option<names::Clues>, Error> {
    names::clues().map(|(clues, ..)| Some(clues))
}

#[cfg(not(feature = "live"))]
fn clues() -> Result<Option<names::Clues>, Error> {
    Ok(None)
}

#[cfg(feature = "live")]
fn open_live(interfaces: Vec<String>, namespaces: Wanted, filter: Option<String>, ids: SourceIds) -> Result<Opened, Error> {
    use crate::source::live::{self, Live};
    let (clues, scout, tell) = names::clues()?;
    let ssh = crate::source::own::ssh_connection();
    let options =
        live::Options { interfaces, namespaces, filter: filter.clone(), ssh, ids, tell: Some(tell), scout: Some(scout) };
    let mut live = Live::open(options).map_err(|e| match e.exit_code() {
        2 => Error::unusable(e.to_string()),
        3 => Error::no_right(e.to_string()),
        _ => Error::failed(e.to_string()),
    })?;
    let keeper = live.keeper();
    let plan = Plan { live: true, ..Plan::default() };
    let (source, names, files, capture_filter, taps) = (Box::new(live), Some(clues), Vec::new(), filter, None);
    Ok(Opened { source, live: true, names, files, plan, capture_filter, taps, keeper, command: None })
}

#[cfg(not(feature = "live"))]
fn open_live(_: Vec<String>, _: Wanted, _: Option<String>, _: SourceIds) -> Result<Opened, Error> {
    Err(Error::unusable("built without live capture: read a file with -r"))
}

#[cfg(feature = "live")]
fn interfaces() -> Result<(), Error> {
    use crate::source::interfaces;
    let list = interfaces::list().map_err(|e| Error::failed(e.to_string()))?;
    let mut out = Vec::new();
    interfaces::print(&list, &mut out).map_err(|e| Error::write("standard output", &e))?;
    headless::print(&String::from_utf8_lossy(&out))
}

#[cfg(not(feature = "live"))]
fn interfaces() -> Result<(), Error> {
    Err(Error::unusable("built without live capture: there is nothing to list"))
}

/// Watches an open input until it ends or is stopped.
fn watch(mut options: Options, opened: Opened, schemas: Known, own: OwnSockets) -> Result<(), Error> {
    let Opened { source, live, names: clues, files, mut plan, capture_filter, mut taps, keeper, command } = opened;
    let owner = privileges::invoking_user().map(|u| Owner { uid: u.uid, gid: u.gid });
    let writer = options.write.as_ref().map(|path| Writer::create(path, &files, owner)).transpose();
    let writer = writer.map_err(|e| Error::unusable(e.to_string()))?;
    let keep = if keeper.is_some() { Keep::Namespaces } else { Keep::Capture };
    privileges::drop_after_opening(keep).map_err(|e| Error::failed(e.to_string()))?;
    if let Some(keeper) = keeper {
        let thread = std::thread::Builder::new().name("namespaces".into()).spawn(keeper);
        thread.map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    }
    if live {
        priority::look_after().map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    }
    let (settings, room) = settings(&mut options);
    let limits = settings.limits;
    plan.settings = settings;
    plan.tapped = taps.as_ref().map(|taps| (taps.tapped.clone(), taps.stop.clone()));
    let attached = if command.is_some() { attached(&mut plan, options.taps.len())? } else { never() };
    plan.workers = workers(live);
    plan.duration = options.duration;
    // what a file holds has nothing to do with the connections of now
    plan.own = if live { own } else { OwnSockets::default() };
    // a quarter is for looking back at packets; a file can be read again
    let ring = if live { room / 4 } else { 0 };
    let screen = !options.headless;
    plan.late = screen.then_some(LATE);
    let say = (!screen).then(|| Box::new(|why: &str| eprintln!("meshtop: {why}")) as pipeline::Say);
    let recorder = (live && screen).then(|| Recorder::new(ring));
    let mailbox = Mailbox::new();
    let resolver = clues.map(|clues| names::start(clues, &mailbox)).transpose()?.flatten();
    // the reader takes what the engine says with each batch, and the engine has no more to say than batches were read
    let (namer, naming) = if writer.is_some() || recorder.is_some() {
        let (namer, naming) = unbounded();
        (Some(namer), Names::new(naming))
    } else {
        (None, Names::default())
    };
    // what the wire tells and a tap does too has to wait for that
    let twins = taps.is_some() && options.input != Input::Nothing;
    let engine = EngineOptions {
        max_memory: room - ring,
        keep: screen,
        wants: Wants::default(),
        live,
        body_limit: options.body_limit,
        settle: if !live || twins { SETTLE_FILE } else { SETTLE_LIVE },
        twins,
        names: options.names.clone(),
        resolver,
        namer,
        secrets: options.secrets,
        schemas: schemas.current.clone(),
        capture_filter,
    };
    let stop = Stop::default();
    let (turns, taken) = bounded(if live { TURNS } else { TURNS_OF_FILE });
    let (save, saves) = bounded(1);
    if !live {
        // a file is read without any right
        privileges::drop_the_rest().map_err(|e| Error::failed(e.to_string()))?;
    }
    let reading = {
        let (stop, taps) = (stop.clone(), Taps { say, writer, recorder, naming, saves: Some(saves), owner, ..Taps::default() });
        let read = move || {
            privileges::keep_for_capture().map_err(PipelineError::Rights)?;
            pipeline::run(source, &plan, taps, &stop.flag, &turns)
        };
        std::thread::Builder::new()
            .name("reader".into())
            .spawn(read)
            .map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?
    };
    privileges::drop_the_rest().map_err(|e| Error::failed(e.to_string()))?;
    if let Some(taps) = &mut taps {
        taps.start(limits).map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    }
    options.filter = options.filter.map(|filter| filter.knowing(&schemas.current));
    let expect = std::mem::take(&mut options.expect);
    options.expect = expect.into_iter().map(|e| e.seeing(|filter| filter.knowing(&schemas.current))).collect();
    // whoever named descriptors wants no others
    let below = (screen && options.schema.protos.is_empty()).then(|| PathBuf::from("."));
    let (accept, accepted) = bounded(1);
    let accepted = if screen { accepted } else { never() };
    let watch = Watch { below, accepted, tell: teller(&mailbox, screen) };
    let started = schemas.loader.watch(&schemas.current, watch);
    started.map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    let command = command.map(|command| (command, attached));
    let run = Run { options, engine, mailbox, taken, reading, stop, live, save, accept, command };
    #[cfg(feature = "tui")]
    if screen {
        return screen::show(run);
    }
    headless::print_records(run)
}

/// Looks on while taps tell what they have to tell. What is returned closes once each was attached once.
fn attached(plan: &mut Plan, taps: usize) -> Result<Receiver<()>, Error> {
    let (open, attached) = bounded(0);
    let Some((tapped, stop)) = plan.tapped.take() else { return Ok(attached) };
    let (to, relayed) = bounded(0);
    plan.tapped = Some((relayed, stop));
    let relay = move || {
        let (mut open, mut seen) = (Some(open), std::collections::BTreeSet::new());
        for told in tapped {
            let opened = told.news.iter().filter_map(|news| if let SourceNews::Opened(id, _) = news { Some(*id) } else { None });
            seen.extend(opened);
            if to.send(told).is_err() {
                return;
            }
            open = open.filter(|_| seen.len() < taps);
        }
    };
    let started = std::thread::Builder::new().name("relay".into()).spawn(relay);
    started.map(|_| attached).map_err(|e| Error::failed(format!("cannot start a thread: {e}")))
}

/// What happens when the schemas have changed: the screen shows it and what is wrong with them; without one that is told here.
fn teller(mailbox: &Mailbox, screen: bool) -> Box<dyn Fn(News<'_>) + Send> {
    let mail = mailbox.sender();
    Box::new(move |news| {
        // an engine that is gone shows nothing
        match news {
            News::Offered(offers) => _ = mail.send(owner::Command::Offered(offers.into())),
            News::Changed(_) if screen => _ = mail.send(owner::Command::Schemas),
            News::Changed(schemas) => tell(schemas),
        }
    })
}

/// Tells what is wrong with schemas.
fn tell(schemas: &Schemas) {
    schemas.problems().iter().for_each(|problem| eprintln!("meshtop: {}", escape(problem)));
}

/// A run on its way.
struct Run {
    options: Options,
    engine: EngineOptions,
    mailbox: Mailbox,
    taken: Receiver<Turn>,
    reading: JoinHandle<Result<(), PipelineError>>,
    stop: Stop,
    live: bool,
    /// Asks the reader to save what it holds.
    save: Sender<()>,
    /// Asks for the descriptors that were offered.
    accept: Sender<()>,
    /// The command that is captured while it runs, and what closes once all taps are attached.
    command: Option<(Waiting, Receiver<()>)>,
}

impl Run {
    /// How reading ended.
    fn ended(reading: JoinHandle<Result<(), PipelineError>>) -> Result<(), Error> {
        Self::came_to(reading.join())
    }

    fn came_to(read: std::thread::Result<Result<(), PipelineError>>) -> Result<(), Error> {
        match read {
            Ok(Ok(())) => Ok(()),
            Ok(Err(PipelineError::Source(e))) => Err(Error::unusable(e.to_string())),
            Ok(Err(e)) => Err(Error::failed(e.to_string())),
            Err(_) => Err(Error::failed("the reader stopped unexpectedly")),
        }
    }
}
