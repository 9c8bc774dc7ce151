//! Network namespaces: which there are, what they are called, and how something is done inside one. Captures nothing.
//!
//! A namespace lives as long as a process, a mount (`/run/netns`) or a descriptor of it: who holds one lets go when it is not found
//! any more.

use crate::text::escape;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where ip-netns(8) mounts those that it names.
const NAMED: &str = "/run/netns";
/// Our own: the thread's, for threads may differ.
const OWN: &str = "/proc/thread-self/ns/net";

/// Which ones are asked for, beside our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names below `/run/netns`, PIDs of processes in them, or paths.
    pub named: Vec<String>,
    /// All there are, also those that come up later.
    pub all: bool,
}

impl Wanted {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.all || !self.named.is_empty()
    }
}

/// One that is there, and is not our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What tells it from others.
    pub inode: u64,
    /// Its name, or the lowest PID in it, or the whole path that was given; safe to show.
    pub name: Arc<str>,
    /// A file that leads to it.
    pub path: PathBuf,
}

impl Found {
    /// Whether it was found by the number of a process, which may be another's later.
    pub fn is_by_process(&self) -> bool {
        self.path.starts_with("/proc")
    }

    /// As errors call it.
    pub fn full(&self) -> String {
        format!("network namespace {}", self.name)
    }
}

/// Namespaces captured in at once: each has an interface or two, and more are not read than the reader's limit.
pub const MAX_SPACES: usize = 64;

/// Why one cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// It is not there.
    #[error("no network namespace {name}; there are: {there}")]
    Unknown {
        /// As it was given.
        name: String,
        /// The names there are.
        there: String,
    },
    /// It is ours.
    #[error("{0} is in this network namespace, whose interfaces -i names")]
    Own(String),
    /// We may not.
    #[error("no right to enter {name}: {how}")]
    Denied {
        /// What: `network namespace blue`.
        name: String,
        /// The command that grants it.
        how: String,
    },
    /// So many are captured in that this one has to wait.
    #[error("cannot enter {0}: {MAX_SPACES} network namespaces are captured in already")]
    Full(String),
    /// Something else.
    #[error("cannot enter {0}: {1}")]
    Failed(String, io::Error),
}

impl NetnsError {
    /// What a failed call says of a namespace, by its name (`network namespace blue`).
    pub fn from_io(name: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { name: name.into(), how: crate::privileges::how_to_enter() },
            _ => Self::Failed(name.into(), error),
        }
    }
}

/// The namespace that a name, a PID or a path stands for; where there is none, the error tells which there are.
pub fn find(text: &str) -> Result<Found, NetnsError> {
    locate(text)?.ok_or_else(|| {
        let there: Vec<String> = all().iter().map(|found| found.name.to_string()).collect();
        let there = if there.is_empty() { "none beside this one".to_owned() } else { there.join(", ") };
        NetnsError::Unknown { name: escape(text), there }
    })
}

/// The namespace that a name, a PID or a path stands for, where there is one.
pub fn locate(text: &str) -> Result<Option<Found>, NetnsError> {
    let (shown, named) = (escape(text), Path::new(NAMED).join(text));
    let full = || format!("network namespace {shown}");
    let path = match text.parse::<u32>() {
        Ok(pid) if !named.exists() => PathBuf::from(format!("/proc/{pid}/ns/net")),
        _ => named,
    };
    let own = identity(Path::new(OWN)).map_err(|e| NetnsError::Failed(full(), e))?;
    match identity(&path) {
        Ok(found) if found == own => Err(NetnsError::Own(shown)),
        Ok((device, _)) if device != own.0 => {
            Err(NetnsError::Failed(full(), io::Error::other("its file is none of a network namespace")))
        }
        Ok((_, inode)) => Ok(Some(Found { inode, name: shown.into(), path })),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(NetnsError::from_io(&full(), e)),
    }
}

/// All that can be found, without our own: those with a name, then those of processes that we may look at, by the lowest PID.
pub fn all() -> Vec<Found> {
    let Ok((device, own)) = identity(Path::new(OWN)) else { return Vec::new() };
    let mut names: Vec<PathBuf> = entries(NAMED).collect();
    names.sort();
    let mut pids: Vec<u32> = entries("/proc").filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let name = |path: &Path| escape(&path.file_name().unwrap_or_default().to_string_lossy());
    let named = names.into_iter().map(|path| (name(&path), path));
    let of_processes = pids.into_iter().map(|pid| (pid.to_string(), PathBuf::from(format!("/proc/{pid}/ns/net"))));
    let mut found: BTreeMap<u64, Found> = BTreeMap::new();
    let mut order = Vec::new();
    for (name, path) in named.chain(of_processes) {
        // what is not a namespace, has just gone or is not ours to see
        let Ok((at, inode)) = identity(&path) else { continue };
        if at == device && inode != own && !found.contains_key(&inode) {
            order.push(inode);
            found.insert(inode, Found { inode, name: name.into(), path });
        }
    }
    order.into_iter().filter_map(|inode| found.remove(&inode)).collect()
}

/// Opens it, where its file still leads to it.
pub fn open(found: &Found) -> Result<File, NetnsError> {
    let open = || {
        let file = File::open(&found.path)?;
        if file.metadata()?.ino() == found.inode {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "it has just gone"))
        }
    };
    open().map_err(|e| NetnsError::from_io(&found.full(), e))
}

/// Whether this thread could enter a namespace, and come back.
pub fn may_enter() -> io::Result<()> {
    enter(&File::open(OWN)?)
}

/// Does something inside a namespace: this thread goes there and comes back. Sockets that are made there stay there.
///
/// # Panics
///
/// Where there is no way back, which was tried before: going on elsewhere would capture the wrong packets.
pub fn inside<T>(namespace: &File, work: impl FnOnce() -> T) -> io::Result<T> {
    let home = File::open(OWN)?;
    enter(&home)?;
    enter(namespace)?;
    let done = work();
    if let Err(e) = enter(&home) {
        panic!("no way back from a network namespace: {e}");
    }
    Ok(done)
}

#[cfg(target_os = "linux")]
fn enter(namespace: &File) -> io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The file system and the number of what a path leads to: all namespaces are in one file system, nsfs.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

fn entries(folder: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_other_namespace_is_told_apart() {
        let text = |text: &str| find(text).unwrap_err().to_string();
        assert!(text("no-such-namespace").starts_with("no network namespace no-such-namespace; there are: "));
        assert!(text("4294967295").starts_with("no network namespace 4294967295"), "no such process");
        assert_eq!(
            text(&std::process::id().to_string()),
            format!("{} is in this network namespace, whose interfaces -i names", std::process::id())
        );
        assert_eq!(
            text("/proc/self/status"),
            "cannot enter network namespace /proc/self/status: its file is none of a network namespace"
        );
        assert!(!text("a\x1b[2J").contains('\x1b'));
        assert_eq!(locate("no-such-namespace").unwrap(), None);
        let own = identity(Path::new(OWN)).unwrap().1;
        assert!(all().iter().all(|found| found.inode != own));
    }
}
