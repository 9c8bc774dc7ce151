//! What meshtop makes of the meshes in `tests/scenarios`: the flows of each; of those in the lists below also the trees, and the findings.

use super::program::{records, run};
use super::scenarios::mesh::Naming::{self, Containers, Loopback, Processes};
use super::scenarios::mesh::truth::Truth;
use super::scenarios::mesh::{Mesh, Service};
use super::scenarios::{Expected, Scenario, all, check};
use meshtop::decode::PROTOCOLS;
use serde_json::Value;
use std::fmt::Write;

const ALL: &[Naming] = &Naming::ALL;
const NAMED: &[Naming] = &[Processes, Containers];

/// What is checked in full: trees and findings are exactly the expected ones.
const FULL: &[(&str, &[Naming])] = &[
    ("ids everywhere", ALL),
    ("dropped", ALL),
    ("switched format", ALL),
    ("switched to sentry-trace, at once", NAMED),
    ("only the request id", ALL),
    ("stale parent", ALL),
    ("unsampled", ALL),
    ("maybe linked", ALL),
    ("b3 all through", ALL),
    ("malformed", ALL),
    ("sql comments", ALL),
    ("sidecar", ALL),
    ("sidecar of one that drops", ALL),
    ("nginx", ALL),
    ("proxy protocol", ALL),
    ("retry", ALL),
    ("fan-out", ALL),
    ("concurrent", ALL),
    ("concurrent, dropped", ALL),
    ("concurrent, only the request id", ALL),
    ("concurrent, nothing to go by", ALL),
    ("half encrypted", NAMED),
    ("quiet: sampling off", ALL),
    ("quiet: retries", ALL),
    ("quiet: polling", NAMED),
    ("quiet: third parties", ALL),
    ("quiet: cron", NAMED),
    ("quiet: cut", NAMED),
    ("quiet: all at once", ALL),
];

/// What is checked but for its findings.
const TREES: &[(&str, &[Naming])] = &[
    ("restarted", NAMED),
    ("retry storm", ALL),
    ("error cascade", ALL),
    ("unanswered", ALL),
    ("slow database", ALL),
    ("n plus one", ALL),
    ("redelivery", ALL),
    ("poison message", ALL),
    ("duplicate message", NAMED),
    ("out of order", ALL),
    ("unroutable", ALL),
    ("never delivered", ALL),
];

/// What a scenario holds, as far as its protocols are read, and what was told of it.
struct Told {
    truth: Truth,
    expected: Vec<Expected>,
    services: Vec<Service>,
    records: Vec<Value>,
}

fn told(scenario: &Scenario, names: Naming) -> Told {
    let (mesh, expected): (Mesh, _) = (scenario.play)();
    let services = mesh.services.clone();
    let (file, truth) = mesh.play(names);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mesh.pcapng");
    std::fs::write(&path, file).unwrap();
    let records = records(&run(&["-r", path.to_str().unwrap(), "--json", "--emit", "flow,trace,finding"]));
    let truth = truth.of(|protocol| protocol == "grpc" || PROTOCOLS.iter().any(|read| read.name == protocol));
    Told { truth, expected, services, records }
}

fn namings(list: &[(&str, &[Naming])], name: &str) -> Vec<Naming> {
    list.iter().filter(|(listed, _)| *listed == name).flat_map(|(_, namings)| namings.to_vec()).collect()
}

/// Every scenario under a naming: its flows, and what else the lists say.
fn assert_told(names: Naming) {
    let mut wrong = String::new();
    for scenario in all() {
        let Told { truth, expected, services, records } = told(&scenario, names);
        let mut found = check::flows(&truth, &records);
        let full = namings(FULL, scenario.name).contains(&names);
        if full || namings(TREES, scenario.name).contains(&names) {
            let score = check::edges(&truth, &records);
            found.extend([score.wrong, score.missing].concat());
        }
        if full {
            found.extend(check::findings(&expected, &services, names, &records));
        }
        for what in found.iter().take(5) {
            writeln!(wrong, "{}, {names:?}: {what}", scenario.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn meshes_of_named_processes_are_told_as_they_are() {
    assert_told(Processes);
}

#[test]
fn meshes_of_addresses_are_told_as_they_are() {
    assert_told(Containers);
}

#[test]
fn meshes_of_ports_alone_are_told_as_they_are() {
    assert_told(Loopback);
}

#[test]
fn the_lists_name_scenarios() {
    let known: Vec<_> = all().iter().map(|scenario| scenario.name).collect();
    for (name, _) in FULL.iter().chain(TREES) {
        assert!(known.contains(name), "{name}");
    }
    let both = FULL.iter().filter(|(name, _)| TREES.iter().any(|(other, _)| other == name));
    assert_eq!(both.count(), 0, "a scenario is in one list");
}
