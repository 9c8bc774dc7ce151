//! Files below a folder, within bounds; and the descriptors of a project that nobody named, to be offered. It compiles nothing.

use super::assemble;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// How deep folders are searched: sources of the largest monorepos lie ten deep.
const MAX_DEPTH: usize = 12;
/// How many entries of folders are looked at: a search of a home folder ends within a second.
const MAX_ENTRIES: usize = 50_000;
/// Largest file that is taken for a descriptor set: googleapis as a whole is 20 MiB.
pub(super) const MAX_SET: u64 = 64 << 20;
/// How many sets are opened to see what they are: a `.pb` may be anything, models of a gigabyte among them.
const MAX_OPENED: usize = 64;
/// How many bytes of them are read for that.
const MAX_READ: u64 = 128 << 20;

/// Folders that hold copies, builds and histories.
const PASSED_OVER: &[&str] = &["node_modules", "target", "vendor", "third_party", "build", "dist", "__pycache__", "venv"];

/// Descriptors that a project has, as `--proto` would name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What `--proto` would name: a folder of `.proto` files, or a descriptor set.
    pub path: PathBuf,
    /// How many files it holds: 1 for a set.
    pub files: usize,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.files == 1 { "" } else { "s" };
        write!(f, "{} ({} file{s})", self.path.display(), self.files)
    }
}

/// What the folder and those below it have to offer, sets last: modules of `buf.yaml`, folders of `.proto` files, files that parse as
/// descriptor sets.
pub fn offered(root: &Path) -> Vec<Offer> {
    let found = files_below(root, |path| is_proto(path) || is_set(path) || named(path, &["buf.yaml"]));
    let modules: Vec<&Path> = found.iter().filter(|p| named(p, &["buf.yaml"])).filter_map(|p| p.parent()).collect();
    let mut offers: Vec<Offer> = Vec::new();
    for folder in found.iter().filter(|path| is_proto(path)).filter_map(|path| path.parent()) {
        let below: Vec<&Path> = folder.ancestors().take_while(|a| *a != root).collect();
        let module = modules.iter().find(|module| folder.starts_with(module)).copied();
        // imports are relative to the folder that is named for it, else mostly to the topmost one
        let sources = || below.iter().rfind(|folder| named(folder, &["proto", "protos"])).or(below.last()).copied();
        let path = module.or_else(sources).unwrap_or(root);
        match offers.iter_mut().find(|offer| offer.path == path) {
            Some(offer) => offer.files += 1,
            None => offers.push(Offer { path: path.to_owned(), files: 1 }),
        }
    }
    let sets = found.iter().filter(|path| is_set(path)).take(MAX_OPENED);
    let mut left = MAX_READ;
    let sets = sets.filter(|path| {
        let size = fs::metadata(path).map_or(u64::MAX, |m| m.len());
        let room = left.checked_sub(size);
        left = room.unwrap_or(left);
        room.is_some() && read_set(path).is_ok_and(|bytes| assemble::is_set(&bytes))
    });
    offers.extend(sets.map(|path| Offer { path: path.clone(), files: 1 }));
    // as a person in the working directory would call it
    let bare = |path: PathBuf| path.strip_prefix(".").map(Path::to_owned).ok().filter(|p| *p != PathBuf::new()).unwrap_or(path);
    offers.into_iter().map(|offer| Offer { path: bare(offer.path), ..offer }).collect()
}

fn named(path: &Path, names: &[&str]) -> bool {
    path.file_name().is_some_and(|name| names.iter().any(|n| name == *n))
}

/// Whether it is named as a source.
pub(super) fn is_proto(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "proto")
}

/// Whether it is named as descriptor sets are.
pub(super) fn is_set(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["pb", "bin", "desc", "protoset", "binpb"].iter().any(|s| e == *s))
}

/// All of a file that may be a descriptor set; the error says why it is none.
pub(super) fn read_set(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > MAX_SET {
        return Err(format!("{length} bytes are more than a descriptor set has"));
    }
    fs::read(path).map_err(|e| e.to_string())
}

/// The files below a folder that are wanted, in the order of their names; folders that are hidden or hold copies are passed over.
pub(super) fn files_below(root: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    let mut entries = 0;
    while let Some((folder, depth)) = folders.pop() {
        let mut here: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().take(MAX_ENTRIES - entries).collect();
        entries += here.len();
        here.sort_by_key(fs::DirEntry::file_name);
        for entry in here {
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            // a link to a folder may lead in circles; one to a file is as good as the file
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < MAX_DEPTH && !name.starts_with('.') && !PASSED_OVER.contains(&&*name) => {
                    folders.push((path, depth + 1));
                }
                Ok(_) if wanted(&path) && path.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_project_offers_its_modules_folders_and_sets() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in
            ["api/buf.yaml", "api/a/v1/a.proto", "api/b.proto", "svc/protos/x/y.proto", "svc/protos/z.proto", "w/q/c.proto"]
        {
            write(root, path, b"");
        }
        for copy in ["node_modules/x/y.proto", ".git/z.proto", "svc/target/q.proto"] {
            write(root, copy, b"");
        }
        write(root, "shop.protoset", super::super::builtin::BYTES);
        write(root, "model.pb", b"weights");
        write(root, "empty.desc", b"");
        let offers =
            offered(root).into_iter().map(|o| (o.path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), o.files));
        let expected = [("api", 2), ("svc/protos", 2), ("w", 1), ("shop.protoset", 1)];
        assert_eq!(offers.collect::<Vec<_>>(), expected.map(|(path, files)| (path.to_owned(), files)));
    }

    #[test]
    fn sources_beside_each_other_are_offered_as_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "shop.proto", b"");
        assert_eq!(offered(folder.path()), [Offer { path: folder.path().to_owned(), files: 1 }]);
    }
}
