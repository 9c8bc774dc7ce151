//! Where descriptors come from: files, folders, servers; read at the start, and again when a file has changed. It decodes no message.

use super::compile::{self, Compiled};
use super::scan::{self, Offer, offered};
use super::{Current, Rule, Schemas, Set, assemble, builtin};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

/// How often files are asked for their times: a person who saved one looks up after that.
const POLL: Duration = Duration::from_secs(1);

/// What the user gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// `--proto`: `.proto` files, folders of them, descriptor sets.
    pub protos: Vec<PathBuf>,
    /// `--proto-path`: what imports are relative to.
    pub includes: Vec<PathBuf>,
    /// `--reflect`: servers to ask, `host:port`.
    pub reflect: Vec<String>,
    /// `[[body]]`: what bodies hold that nothing else tells.
    pub rules: Vec<Rule>,
    /// Whether the demo's own are in force, after the others.
    pub demo: bool,
}

/// Reads what the user gave, and again what has changed of it.
#[derive(Debug)]
pub struct Loader {
    sources: Sources,
    /// What servers told; they are asked once.
    asked: Vec<Set>,
    asked_problems: Vec<String>,
    /// The sets of each `--proto` as they were when they could be read last.
    last: Vec<Option<Set>>,
    seen: Seen,
    generation: u64,
}

/// Files with what tells that one has changed: none for one that is not there.
type Seen = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

impl Loader {
    /// Nothing is read yet.
    pub fn new(sources: Sources) -> Self {
        let last = vec![None; sources.protos.len()];
        Self { sources, asked: Vec::new(), asked_problems: Vec::new(), last, seen: Seen::new(), generation: 0 }
    }

    /// Asks the servers; `own` hears the two ends of each connection before a byte is sent on it, so that it can be left out of what is
    /// captured. The error is a line that names the server and what to do.
    #[cfg(feature = "reflect")]
    pub fn ask(&mut self, own: impl Fn(std::net::SocketAddr, std::net::SocketAddr)) -> Result<(), String> {
        for server in &self.sources.reflect {
            let files = super::reflect::ask(server, &own).map_err(|e| format!("--reflect {server}: {e}"))?;
            let (pool, problems) = assemble::pool(files);
            self.asked.push(Set { pool, origin: format!("{server}, by reflection"), ..Set::default() });
            self.asked_problems.extend(problems.into_iter().map(|p| format!("--reflect {server}: {p}")));
        }
        Ok(())
    }

    /// There is nobody who could ask.
    #[cfg(not(feature = "reflect"))]
    pub fn ask(&mut self, _: impl Fn(std::net::SocketAddr, std::net::SocketAddr)) -> Result<(), String> {
        match self.sources.reflect.first() {
            Some(server) => Err(format!("--reflect {server}: built without server reflection; give files with --proto")),
            None => Ok(()),
        }
    }

    /// Reads the files for the first time. The error is the line about a path of which nothing can be used.
    pub fn load(&mut self) -> Result<Schemas, String> {
        if let Some(path) = self.sources.includes.iter().find(|path| !path.is_dir()) {
            return Err(format!("-I {}: no such folder; it takes the one that imports are relative to", path.display()));
        }
        self.read(true)
    }

    /// Reads again, if a file has changed. A path of which nothing can be used any more stays as it was, and that is told.
    pub fn reload(&mut self) -> Option<Schemas> {
        let changed = self.seen.iter().any(|(path, seen)| stamp(path) != *seen);
        let new = || self.sources.protos.iter().flat_map(|path| files(path)).any(|file| !self.seen.contains_key(&file));
        if changed || new() { self.read(false).ok() } else { None }
    }

    fn read(&mut self, first: bool) -> Result<Schemas, String> {
        self.generation += 1;
        let mut schemas = Schemas { rules: self.sources.rules.clone(), generation: self.generation, ..Schemas::default() };
        // with the stamps of before they are read: a change while they are is then one more
        let before: Seen = std::mem::take(&mut self.seen).into_keys().map(|file| (file.clone(), stamp(&file))).collect();
        for (path, last) in self.sources.protos.iter().zip(&mut self.last) {
            self.seen.extend(files(path).into_iter().map(|file| (file.clone(), stamp(&file))));
            let Compiled { set, problems, files } = one(path, &self.sources.includes);
            for file in files {
                self.seen.entry(file).or_insert_with_key(|file| stamp(file));
            }
            if first && set.is_none() {
                return Err(format!("--proto {}", problems.first().map_or("", String::as_str)));
            }
            let left = if set.is_none() { "; what was read before stays in force" } else { "" };
            schemas.problems.extend(problems.into_iter().map(|p| format!("{p}{left}")));
            *last = set.or(last.take());
            schemas.sets.extend(last.clone());
        }
        // what was read through a file that is broken now is part of it still
        if !schemas.problems.is_empty() {
            before.into_iter().for_each(|(file, stamp)| _ = self.seen.entry(file).or_insert(stamp));
        }
        schemas.sets.extend(self.asked.iter().cloned());
        schemas.sets.extend(self.sources.demo.then(builtin::demo));
        schemas.problems.extend(self.asked_problems.iter().cloned());
        schemas.tell_conflicts();
        schemas.tell_rules();
        Ok(schemas)
    }

    /// Reads what was offered too, from now on.
    pub fn accept(&mut self, offers: Vec<Offer>) -> Option<Schemas> {
        if offers.is_empty() {
            return None;
        }
        self.sources.protos.extend(offers.into_iter().map(|offer| offer.path));
        self.last.resize(self.sources.protos.len(), None);
        self.read(false).ok()
    }

    /// Looks for descriptors that could be offered, then puts what changes into `current` until nobody else holds it, or nobody is left
    /// who could accept an offer. All of it on a thread of its own.
    pub fn watch(mut self, current: &Current, watch: Watch) -> std::io::Result<()> {
        let Watch { below, accepted, tell } = watch;
        let watched: Weak<_> = Arc::downgrade(&current.0);
        let work = move || {
            let mut offers = below.map(|root| offered(&root)).unwrap_or_default();
            if !offers.is_empty() {
                tell(News::Offered(&offers));
            }
            while !(self.sources.protos.is_empty() && offers.is_empty()) {
                let accepted = accepted.recv_timeout(POLL);
                let Some(current) = watched.upgrade().map(Current) else { return };
                let new = match accepted {
                    Ok(()) => {
                        tell(News::Offered(&[]));
                        self.accept(std::mem::take(&mut offers))
                    }
                    Err(RecvTimeoutError::Timeout) => self.reload(),
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if let Some(schemas) = new {
                    current.set(schemas);
                    tell(News::Changed(&current.get()));
                }
            }
        };
        thread::Builder::new().name("schemas".into()).spawn(work).map(drop)
    }
}

/// What a watch is about beside the files that are read already.
pub struct Watch {
    /// Below which folder descriptors are looked for that nobody named; none: nowhere.
    pub below: Option<PathBuf>,
    /// The user's word that what was offered is to be read.
    pub accepted: Receiver<()>,
    /// Hears what has happened; must not wait.
    pub tell: Box<dyn Fn(News<'_>) + Send>,
}

/// What has happened to descriptors.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// These were found, and are not read; none any more once they are.
    Offered(&'a [Offer]),
    /// These are in force now.
    Changed(&'a Schemas),
}

/// Reads one `--proto`.
fn one(path: &Path, includes: &[PathBuf]) -> Compiled {
    let none =
        |why: String| Compiled { set: None, problems: vec![format!("{}: {why}", path.display())], files: vec![path.to_owned()] };
    if !path.exists() {
        return none("no such file or folder".to_owned());
    }
    if path.is_dir() || scan::is_proto(path) {
        return compile::sources(path, includes);
    }
    match scan::read_set(path).and_then(|bytes| assemble::read(&bytes)) {
        Ok((pool, problems)) => {
            let shown = path.display().to_string();
            let problems = problems.into_iter().map(|p| format!("{shown}: {p}; protoc --include_imports puts it in")).collect();
            let set = Set { pool, origin: shown, is_file: true, ..Set::default() };
            Compiled { set: Some(set), problems, files: vec![path.to_owned()] }
        }
        Err(why) => none(format!(
            "{why}; it takes .proto files, folders of them, and sets made by protoc --descriptor_set_out or buf build"
        )),
    }
}

/// The files that a `--proto` is about now.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() { scan::files_below(path, scan::is_proto) } else { vec![path.to_owned()] }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
