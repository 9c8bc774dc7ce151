//! What meshtop makes of the meshes in `tests/scenarios`, under each naming: their flows, their trees, their findings, and no others.

use super::program::{records, run};
use super::scenarios::mesh::Naming::{self, Containers, Listeners, Loopback, Processes};
use super::scenarios::mesh::truth::Truth;
use super::scenarios::mesh::{Mesh, Service};
use super::scenarios::{Expected, Scenario, all, callers_known, check, why};
use meshtop::decode::PROTOCOLS;
use serde_json::Value;
use std::fmt::Write;

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
    let mut args = ["-r", path.to_str().unwrap(), "--json", "--emit", "flow,trace,finding"].map(str::to_owned).to_vec();
    for service in services.iter().filter(|_| names == Listeners) {
        args.extend(["--name".to_owned(), format!(":{}={}", service.port, service.name)]);
    }
    let records = records(&run(&args.iter().map(String::as_str).collect::<Vec<_>>()));
    let truth = truth.of(|protocol| protocol == "grpc" || PROTOCOLS.iter().any(|read| read.name == protocol));
    Told { truth, expected, services, records }
}

/// Every scenario under a naming: its flows, its trees, its findings, and no others.
fn assert_told(names: Naming) {
    let mut wrong = String::new();
    let more = if names.tells_callers() { callers_known() } else { Vec::new() };
    for scenario in all().into_iter().chain(more) {
        let Told { truth, expected, services, records } = told(&scenario, names);
        let score = check::edges(&truth, &records);
        let who = check::Who { services: &services, names, callers: &truth.callers };
        let found = check::findings(&expected, who, &records);
        let whys = why::wrong(scenario.name, who, &records);
        let found = [check::flows(&truth, &records), score.wrong, score.missing, score.weaker, found, whys].concat();
        for what in found.iter().take(4) {
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
fn meshes_whose_listeners_are_named_are_told_as_they_are() {
    assert_told(Listeners);
}
