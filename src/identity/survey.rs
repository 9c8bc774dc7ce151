//! What of this machine can be looked into: for `doctor`, not for a watch.

use super::linux;
use std::collections::BTreeMap;
use std::fs;

/// How many processes can be looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Those whose sockets can be seen.
    pub open: usize,
    /// Those of others, whose sockets cannot.
    pub closed: usize,
}

/// A network namespace beside our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The kernel's name for it (`net:[4026532281]`, namespaces(7)).
    pub inode: String,
    /// How many processes are in it.
    pub processes: usize,
    /// One of them, by its number and program.
    pub example: String,
}

/// Tries every process.
pub fn sight() -> Sight {
    let mut sight = Sight::default();
    for pid in linux::all() {
        match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(_) => sight.open += 1,
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => sight.closed += 1,
            // it has ended meanwhile
            Err(_) => {}
        }
    }
    sight
}

/// Those that processes are in, as far as they can be seen.
pub fn other_namespaces() -> Vec<Namespace> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let mut all = BTreeMap::<String, Namespace>::new();
    for pid in linux::all() {
        let Ok(inode) = fs::read_link(format!("/proc/{pid}/ns/net")) else { continue };
        if Some(&inode) == own.as_ref() {
            continue;
        }
        let inode = inode.to_string_lossy().into_owned();
        let comm = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let first = || Namespace { inode: inode.clone(), processes: 0, example: format!("{pid} {}", comm().trim_end()) };
        all.entry(inode.clone()).or_insert_with(first).processes += 1;
    }
    all.into_values().collect()
}
