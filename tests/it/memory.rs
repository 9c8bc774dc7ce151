//! How much memory a run takes: as much for a large file as for a smaller one, and little for a connection that stays open.

use super::program::meshtop;
use super::reading::child::{Took, measure};
use super::reading::wire::Capture;
use super::reading::workloads::WORKLOADS;
use super::scenarios::mesh::capture::Side;
use serde_json::Value;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

const MIB: u64 = 1 << 20;
/// What flows and traces may take in these runs: so little that the captures hold more.
const STORE: u64 = 16;
/// What a run may take beside that, in MiB; and one with all those connections open, huge pages of the system's making included.
const BESIDE: u64 = 64;
const OPEN: u64 = 128;
/// By how much two runs over the same file may differ, in MiB: when threads hand over and memory goes back is not determined.
const CHANCE: u64 = 8;
const CONNECTIONS: u64 = 100_000;
/// Clients' ports for each of the server's.
const PORTS: u64 = 50_000;

#[test]
fn a_larger_file_takes_no_more() {
    let http = WORKLOADS.iter().find(|workload| workload.name == "http").unwrap();
    let files = [20, 60].map(|size| http.file(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("workloads"), size * MIB).unwrap());
    let [(small, _), (large, stats)] = files.map(|file| read(&file));
    assert!(large <= small + CHANCE * MIB, "20 MiB were read in {small} bytes, 60 MiB in {large}");
    assert!(large <= (STORE + BESIDE) * MIB, "{large} bytes");
    let evicted: u64 = stats["evicted"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(evicted > 0, "the traces alone are more than fits: {stats}");
}

#[test]
fn a_hundred_thousand_connections_may_be_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("open.pcap");
    let mut out = Capture::new(BufWriter::new(File::create(&file).unwrap())).unwrap();
    for n in 0..CONNECTIONS {
        let mut tcp = out.open((10_000 + n % PORTS) as u16, (8080 + n / PORTS) as u16).unwrap();
        let request = format!("GET /orders/{n} HTTP/1.1\r\nhost: shop.local\r\naccept: application/json\r\n\r\n");
        out.say(&mut tcp, Side::Client, request.as_bytes()).unwrap();
        out.say(&mut tcp, Side::Server, b"HTTP/1.1 204 No Content\r\nserver: nginx\r\n\r\n").unwrap();
        // flows settle after 2 s, so that connections are what is left
        out.pass(1000);
    }
    out.finish().unwrap();
    let (memory, stats) = read(&file);
    assert_eq!(stats["connections"], CONNECTIONS);
    assert_eq!(stats["flows"]["http"], CONNECTIONS);
    assert_eq!(stats["evicted"]["connections"], 0);
    assert!(memory <= (STORE + OPEN) * MIB, "{memory} bytes");
}

/// A day of a request a second, each of its own connection and trace: what is over takes no room.
#[test]
fn a_day_takes_no_more_than_its_first_hours() {
    const DAY: u64 = 24 * 60 * 60;
    let folder = tempfile::tempdir().unwrap();
    let [(hours, _), (day, stats)] = [DAY / 4, DAY].map(|seconds| {
        let file = folder.path().join(format!("{seconds}.pcap"));
        let mut out = Capture::new(BufWriter::new(File::create(&file).unwrap())).unwrap();
        for n in 0..seconds {
            let mut tcp = out.open((10_000 + n % PORTS) as u16, 8080).unwrap();
            let trace = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let request = format!(
                "GET /orders/{n} HTTP/1.1\r\nhost: shop.local\r\ntraceparent: 00-{trace:016x}{trace:016x}-{trace:016x}-01\r\n\r\n"
            );
            out.say(&mut tcp, Side::Client, request.as_bytes()).unwrap();
            out.say(&mut tcp, Side::Server, b"HTTP/1.1 204 No Content\r\nserver: nginx\r\n\r\n").unwrap();
            out.close(tcp).unwrap();
            out.pass(1_000_000);
        }
        out.finish().unwrap();
        read(&file)
    });
    assert_eq!(stats["flows"]["http"], DAY);
    assert!(day <= hours + CHANCE * MIB, "6 hours were read in {hours} bytes, 24 hours in {day}");
    assert!(day <= (STORE + BESIDE) * MIB, "{day} bytes");
}

#[test]
fn what_connections_hold_is_bounded_together() {
    const CONNECTIONS: u64 = 8000;
    const SAID: usize = 15_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unknown.pcap");
    let mut out = Capture::new(BufWriter::new(File::create(&file).unwrap())).unwrap();
    for n in 0..CONNECTIONS {
        // of no protocol, and below what one connection may hold
        let mut tcp = out.open((10_000 + n) as u16, 9999).unwrap();
        out.say(&mut tcp, Side::Client, &[0x99; SAID]).unwrap();
    }
    out.finish().unwrap();
    let (memory, stats) = read(&file);
    assert_eq!(stats["undecoded_bytes"], CONNECTIONS * SAID as u64);
    assert!(stats["evicted"]["held"].as_u64().unwrap() > CONNECTIONS / 2, "{stats}");
    assert!(memory <= (STORE + BESIDE) * MIB, "{memory} bytes");
}

/// Reads a file; the most anonymous memory that this took, and the sums.
fn read(file: &Path) -> (u64, Value) {
    let mut command = meshtop();
    command.arg("-r").arg(file).args(["--json", "--emit", "stats", "--max-memory", &format!("{STORE}MiB")]);
    let Took { memory, last, .. } = measure(&mut command).unwrap();
    assert!(memory > 0, "it was looked at");
    (memory, serde_json::from_str(&last).unwrap())
}
