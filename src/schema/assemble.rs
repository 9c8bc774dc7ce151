//! A pool from file descriptors in any order, some of whose imports may be missing: what a descriptor set or a server gives. What every
//! build of protobuf has (`google/protobuf`, `google/rpc`) is filled in. It opens nothing.

use super::builtin;
use prost_reflect::DescriptorPool;
use prost_reflect::prost::DecodeError;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::collections::HashMap;

/// Reads a `FileDescriptorSet`. The problems name the file of the set each, and leave out what depends on it.
pub(super) fn read(bytes: &[u8]) -> Result<(DescriptorPool, Vec<String>), String> {
    let set = FileDescriptorSet::decode(bytes).map_err(|e| format!("no descriptor set: {}", reason(&e)))?;
    if set.file.is_empty() {
        return Err("no descriptor set: it has no files".to_owned());
    }
    Ok(pool(set.file))
}

/// Whether bytes are a descriptor set: a file in it has a name, and every name reads as one.
pub(super) fn is_set(bytes: &[u8]) -> bool {
    FileDescriptorSet::decode(bytes).is_ok_and(|set| {
        !set.file.is_empty()
            && set.file.iter().all(|file| file.name.as_deref().is_some_and(|n| !n.is_empty() && !n.contains('\0')))
    })
}

/// The files that can be used together; a problem for each that cannot.
pub(super) fn pool(files: Vec<FileDescriptorProto>) -> (DescriptorPool, Vec<String>) {
    let mut adding = Adding { pool: DescriptorPool::new(), waiting: HashMap::new(), problems: Vec::new() };
    let names: Vec<String> = files.iter().map(|file| file.name().to_owned()).collect();
    adding.waiting.extend(files.into_iter().map(|file| (file.name().to_owned(), file)));
    for name in names {
        adding.add(&name);
    }
    (adding.pool, adding.problems)
}

struct Adding {
    pool: DescriptorPool,
    waiting: HashMap<String, FileDescriptorProto>,
    problems: Vec<String>,
}

impl Adding {
    /// Adds a file after what it imports, without recursion: a hostile set may import a million deep. A file that imports itself, by
    /// whatever detour, is one whose imports are missing.
    fn add(&mut self, name: &str) {
        let mut stack = vec![(name.to_owned(), false)];
        let mut under_way: Vec<FileDescriptorProto> = Vec::new();
        while let Some((name, imports_done)) = stack.pop() {
            if imports_done {
                let Some(file) = under_way.pop() else { return };
                if let Err(e) = self.pool.add_file_descriptor_proto(file) {
                    self.problems.push(format!("{name}: {e}"));
                }
            } else if let Some(file) = self.waiting.remove(&name).or_else(|| self.known(&name)) {
                stack.push((name, true));
                stack.extend(file.dependency.iter().rev().map(|import| (import.clone(), false)));
                under_way.push(file);
            }
        }
    }

    /// A file that is built in, where it is not there already.
    fn known(&self, name: &str) -> Option<FileDescriptorProto> {
        let missing = name.starts_with("google/") && self.pool.get_file_by_name(name).is_none();
        let file = if missing { builtin::set().pool.get_file_by_name(name) } else { None };
        file.map(|file| file.file_descriptor_proto().clone())
    }
}

/// Whether a file is built in.
#[cfg(feature = "reflect")]
pub(super) fn is_known(name: &str) -> bool {
    builtin::set().pool.get_file_by_name(name).is_some()
}

/// The decoder's reason without its preamble.
pub fn reason(error: &DecodeError) -> String {
    error.to_string().trim_start_matches("failed to decode Protobuf message: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, imports: &[&str]) -> FileDescriptorProto {
        let dependency = imports.iter().map(|i| (*i).to_owned()).collect();
        FileDescriptorProto { name: Some(name.to_owned()), dependency, ..FileDescriptorProto::default() }
    }

    #[test]
    fn any_order_will_do_and_well_known_files_are_filled_in() {
        let (pool, problems) =
            pool(vec![file("a", &["b", "google/rpc/status.proto"]), file("b", &["google/protobuf/any.proto"])]);
        assert_eq!(problems, [] as [&str; 0]);
        assert!(pool.get_file_by_name("a").is_some() && pool.get_message_by_name("google.protobuf.Any").is_some());
    }

    #[test]
    fn what_cannot_be_used_is_told_and_leaves_the_rest() {
        let (found, problems) = pool(vec![file("a", &["gone.proto"]), file("b", &[]), file("c", &["d"]), file("d", &["c"])]);
        assert!(found.get_file_by_name("b").is_some() && found.get_file_by_name("a").is_none());
        assert!(problems.iter().any(|p| p.starts_with("a: ") && p.contains("gone.proto")), "{problems:?}");
        assert!(problems.iter().any(|p| p.starts_with("d: ")), "{problems:?}");
        assert!(read(b"weights").unwrap_err().starts_with("no descriptor set: "));
        assert!(read(b"").is_err());
    }

    #[test]
    fn a_chain_of_imports_costs_no_stack() {
        let names: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
        let chain = names.iter().zip(names.iter().skip(1)).map(|(name, import)| file(name, &[import]));
        let mut adding = Adding { pool: DescriptorPool::new(), waiting: HashMap::new(), problems: Vec::new() };
        adding.waiting.extend(chain.map(|file| (file.name().to_owned(), file)));
        adding.add("0");
        assert!(adding.waiting.is_empty());
    }
}
