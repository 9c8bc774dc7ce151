//! Golden captures: what the program makes of each `tests/captures/<case>/`. `UPDATE_EXPECT=1` writes what it makes of them now;
//! then the diff is to be read.
//!
//! A case is `input.pcap`, `expected.jsonl`, a `README.md` that says what for, and where it needs others a file `args`.

use super::program::{meshtop, records, root};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn captures_give_what_is_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = String::new();
    for case in cases() {
        let got = output(&case);
        let expected = case.join("expected.jsonl");
        if update {
            fs::write(&expected, &got).unwrap();
        } else if let Some(difference) = difference(&fs::read_to_string(&expected).unwrap_or_default(), &got) {
            writeln!(wrong, "{}: {difference}", case.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}UPDATE_EXPECT=1 writes them anew");
}

#[test]
fn every_case_says_what_it_is_for() {
    for case in cases() {
        let readme = fs::read_to_string(case.join("README.md")).unwrap_or_default();
        assert!(readme.trim().len() > 40, "{}: README.md says what the case is for", case.display());
    }
}

/// What was only carried otherwise says the same.
#[test]
fn tags_order_copies_and_files_change_nothing() {
    let plain = flows("keep-alive");
    assert_eq!(plain.len(), 4);
    for case in ["vlan", "reorder", "duplicates", "two-files"] {
        assert_eq!(flows(case), plain, "{case}");
    }
}

/// The case's flows without what the way of carrying may change: times and the files' names.
fn flows(case: &str) -> Vec<Value> {
    let mut lines = super::program::lines(output(&root("tests/captures").join(case)).as_bytes());
    lines.retain(|line| line["type"] == "flow");
    for line in &mut lines {
        let flow = line.as_object_mut().unwrap();
        for key in ["time", "duration_us", "sources"] {
            flow.remove(key);
        }
        for side in ["request", "response"] {
            flow.get_mut(side).and_then(Value::as_object_mut).map(|half| half.remove("time"));
        }
    }
    lines
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(root("tests/captures")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn output(case: &Path) -> String {
    let args = fs::read_to_string(case.join("args")).unwrap_or_else(|_| "-r input.pcap".into());
    let ran = meshtop()
        .current_dir(case)
        .args(args.split_whitespace())
        .args(["--json", "--emit", "flow,trace,connection,stats"])
        .output()
        .unwrap();
    records(&ran);
    let mut text = String::new();
    for line in String::from_utf8(ran.stdout).unwrap().lines() {
        text.push_str(&without_memory(line));
        text.push('\n');
    }
    text
}

/// `peak_memory` is the one value that may differ between runs.
fn without_memory(line: &str) -> String {
    let Some((before, after)) = line.split_once("\"peak_memory\":") else { return line.into() };
    format!("{before}\"peak_memory\":0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The first line that differs.
fn difference(expected: &str, got: &str) -> Option<String> {
    let (mut e, mut g) = (expected.lines(), got.lines());
    for n in 1.. {
        match (e.next(), g.next()) {
            (None, None) => return None,
            (expected, got) if expected == got => {}
            (expected, got) => {
                let show = |line: Option<&str>| line.unwrap_or("(no such line)").to_owned();
                return Some(format!("line {n}\n  expected {}\n  got      {}", show(expected), show(got)));
            }
        }
    }
    None
}
