//! How well one request's flows are told apart from a hundred others', as precision and recall of the edges of trees, and what that costs
//! a flow; `make bench` prints them. Nothing is asserted: the tests do that, and the machine may be busy.

#[path = "cost.rs"]
mod cost;

#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../scenarios/mod.rs"]
mod scenarios;

use scenarios::check::{Score, edges};
use scenarios::mesh::Naming;
use scenarios::{Scenario, all};
use std::process::{Command, Stdio};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the scenarios that are measured are called.
const MEASURED: &str = "concurrent";

fn main() {
    // cargo asks every bench so in `cargo test`
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    cost::print();
    println!("edges of trees, a hundred requests at once\n");
    println!("{:<34} {:<11} {:>6} {:>9} {:>7}   by", "mesh", "names", "edges", "precision", "recall");
    for scenario in all().into_iter().filter(|scenario| scenario.name.starts_with(MEASURED)) {
        for names in [Naming::Processes, Naming::Containers, Naming::Loopback] {
            let (edges, score) = score(&scenario, names);
            let by: Vec<_> = score.right.iter().map(|(tier, count)| format!("{} {count}", tier.word())).collect();
            let (precision, recall) = (score.precision(), score.recall());
            println!(
                "{:<34} {:<11} {edges:>6} {precision:>9.3} {recall:>7.3}   {}",
                scenario.name,
                format!("{names:?}"),
                by.join(", ")
            );
        }
    }
}

/// How many edges there are, and how well they are known.
fn score(scenario: &Scenario, names: Naming) -> (usize, Score) {
    let (mesh, _) = (scenario.play)();
    let (file, truth) = mesh.play(names);
    let truth = truth.of(|protocol| protocol == "grpc" || meshtop::decode::PROTOCOLS.iter().any(|read| read.name == protocol));
    let path = std::env::temp_dir().join(format!("meshtop-bench-{}.pcapng", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshtop"));
    let output = command.arg("-r").arg(&path).args(["--json", "--emit", "flow,trace"]).stdin(Stdio::null()).output();
    std::fs::remove_file(&path).unwrap();
    let output = output.unwrap();
    let records: Vec<_> =
        output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    (truth.flows.iter().filter(|flow| flow.parent.is_some()).count(), edges(&truth, &records))
}
