//! The walls of the house (`src/lib.rs`), by reading its source: what no compiler checks.

use super::program::root;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest a file may be before its tests.
const LINES: usize = 400;
/// Files that may be longer: flat tables.
const LONGER: &[&str] = &[];
/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &["src/sys.rs"];
/// What the rooms without IO never name.
const WORLD: &[&str] = &[
    "ratatui",
    "crossterm",
    "tokio",
    "pcap::",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Mutex",
    "RwLock",
    "SystemTime",
    "Instant::now",
    "crate::source",
    "crate::engine",
    "crate::tui",
    "crate::output",
];

struct Source {
    /// From the root of the repository.
    path: String,
    /// All of it.
    text: String,
    /// What stands before its tests, without comments.
    code: String,
}

/// Rust files below a folder.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(source(&path));
            }
        }
    }
    found
}

fn source(path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    let code = text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let path = path.strip_prefix(root("")).unwrap().to_str().unwrap().to_owned();
    Source { path, text, code }
}

fn is_test(path: &str) -> bool {
    Path::new(path).file_name().is_some_and(|name| name == "tests.rs") || path.contains("/tests/")
}

/// All offences at once, so that they can be mended at once.
fn assert_none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n{}", offences.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let lines = source.text[..source.text.find("\n#[cfg(test)]\nmod ").unwrap_or(source.text.len())].lines().count();
        if lines > LINES && !is_test(&source.path) && !LONGER.contains(&source.path.as_str()) {
            wrong.push(format!("{}: {lines} lines", source.path));
        }
        if !source.text.starts_with("//! ") && !is_test(&source.path) {
            wrong.push(format!("{}: its first line is to say what it is", source.path));
        }
    }
    assert_none("long or nameless files", &wrong);
}

#[test]
fn rooms_without_io_have_none() {
    let mut wrong = Vec::new();
    for room in ["model", "net", "decode", "body", "trace"] {
        for source in sources(&format!("src/{room}")).into_iter().filter(|s| !is_test(&s.path)) {
            wrong.extend(WORLD.iter().filter(|word| source.code.contains(**word)).map(|word| format!("{}: {word}", source.path)));
        }
    }
    assert_none("IO, clocks, locks or other rooms where there may be none", &wrong);
}

#[test]
fn each_library_of_the_world_has_one_room() {
    let mut wrong = Vec::new();
    for (words, room) in [(&["ratatui", "crossterm"][..], "src/tui/"), (&["pcap::"][..], "src/source/")] {
        for source in sources("src").into_iter().filter(|s| !s.path.starts_with(room)) {
            let named = words.iter().filter(|word| {
                source.code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).any(|w| w.starts_with(**word))
            });
            wrong.extend(named.map(|word| format!("{}: {word} outside {room}", source.path)));
        }
    }
    assert_none("libraries outside their rooms", &wrong);
}

#[test]
fn unsafe_code_is_where_it_is_reviewed() {
    let named = |s: &&Source| ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|word| s.code.contains(word));
    let sources = sources("src");
    let wrong = sources.iter().filter(named).filter(|s| !UNSAFE.contains(&s.path.as_str()));
    assert_none("unsafe code", &wrong.map(|s| s.path.clone()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    // put together here, so that this file does not find itself
    let words = ["TO", "FIX", "dbg", "unimpl", "#[ign"].into_iter().zip(["DO", "ME", "!(", "emented!", "ore"]);
    let words: Vec<String> = words.map(|(a, b)| [a, b].concat()).collect();
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        wrong.extend(words.iter().filter(|word| source.text.contains(*word)).map(|word| format!("{}: {word}", source.path)));
    }
    assert_none("left for later", &wrong);
}
