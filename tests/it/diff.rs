//! `meshtop diff` of the demo's recording and of itself, without some of its packets.

use super::program::{lines, run};
use std::process::Output;

const DEMO: &str = "assets/demo.pcapng";

fn text(output: &Output) -> &str {
    assert_eq!((output.status.code(), std::str::from_utf8(&output.stderr)), (Some(0), Ok("")));
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn a_run_is_no_different_from_itself() {
    assert_eq!(text(&run(&["diff", DEMO, DEMO])), "no difference\n");
    let lines = lines(&run(&["diff", DEMO, DEMO, "--json"]).stdout);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["type"], &lines[1]["type"], &lines[1]["differences"]), (&"meta".into(), &"diff".into(), &0.into()));
    assert_eq!(lines[1]["traces"]["a"], lines[1]["traces"]["compared"]);
}

/// The ports of two services that are left out of a recording: their hops are missing.
const WITHOUT: &str = "not (tcp port 8083 or tcp port 8086)";

#[test]
fn what_is_missing_is_told_by_operation_and_hop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.pcapng");
    let file = file.to_str().unwrap();
    assert!(run(&["-r", DEMO, "-f", WITHOUT, "-w", file, "--emit", "stats"]).status.success());
    let output = run(&["diff", DEMO, file, "-Y", "op contains checkout"]);
    let told = text(&output);
    let traces = "POST /api/checkout · 10 traces in A, 10 in B\n";
    let (_, group) = told.split_once(traces).unwrap_or_else(|| panic!("{told}"));
    let hop = "missing       orders → payments             POST /charges  ";
    assert!(group.lines().any(|line| line.starts_with(hop) && line.contains(" of 10")), "{told}");
    let lines = lines(&run(&["diff", DEMO, file, "--json"]).stdout);
    let missing: Vec<_> = lines.iter().filter(|line| line["kind"] == "missing" && line["operation"] == "POST /score").collect();
    assert_eq!(missing.len(), 8, "each call to fraud");
    assert!(missing.iter().all(|line| line["a"]["ok"] == true && line.get("b").is_none() && line["trace_b"].is_string()));
    // the other way around they are new
    let back = super::program::lines(&run(&["diff", file, DEMO, "--json"]).stdout);
    assert_eq!(back.iter().filter(|line| line["kind"] == "new" && line["operation"] == "POST /score").count(), 8);
}

#[test]
fn two_traces_of_one_run_are_drawn_side_by_side() {
    let ids = ["82a42440db3a26d28020bbbe03c13e8d", "a34794a8e9cfe863fa79bf619e16fec5"];
    let output = run(&["diff", DEMO, DEMO, "--trace", ids[0], ids[1]]);
    let told = text(&output);
    for part in [
        "A · 10 hops · 170 ms · trace 82a42440",
        "B · 12 hops · 103 ms · trace a34794a8",
        "✗ failed: 201 → 503 ✗",
        "✗ new",
        "POST /charges",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let refused = run(&["diff", DEMO, DEMO, "--trace", ids[0], "beef"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&refused.stderr), format!("meshtop: --trace: {DEMO}: there is no trace beef\n"));
    assert_eq!(run(&["diff", DEMO, "no/such"]).status.code(), Some(2));
}
