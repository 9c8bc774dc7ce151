//! A script of services and clients, watched live and by tcpdump at once: what the clients say they did is the truth.
//!
//! The script says `ready PORT…`, waits for a line, lets its clients loose, says `done`, waits for another line and ends. The first
//! port takes HTTP/1: by it the test knows when the watch has begun, and when it has caught up.

use super::program::{Running, lines, meshtop, records, root, run, signal, text};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What came of it.
pub struct Beside {
    /// The script's lines.
    pub truth: Vec<Value>,
    /// What was seen live, from the first whole probe on.
    pub live: Vec<Value>,
    /// The same from tcpdump's file.
    pub read: Vec<Value>,
}

/// Runs `tests/services/SCRIPT` with a file for its truth. `options` go to both watches.
pub fn watch(script: &str, options: &[&str]) -> Beside {
    let folder = tempfile::tempdir().unwrap();
    let (truth, file) = (folder.path().join("truth.jsonl"), folder.path().join("live.pcap"));
    let script = root("tests/services").join(script);
    let mut services = Running::start(Command::new("bash").arg(script).arg(&truth).stdin(Stdio::piped()));
    let ready = services.line().expect("the services start");
    let ports: Vec<u16> = ready.split(' ').skip(1).map(|p| p.parse().unwrap()).collect();
    let filter = ports.iter().map(|p| format!("tcp port {p}")).collect::<Vec<_>>().join(" or ");

    let mut tcpdump = Command::new("tcpdump")
        .args(["-i", "lo", "--time-stamp-precision=nano", "-B", "65536", "-s", "262144", "-U", "-w"])
        .args([file.to_str().unwrap(), &filter])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    read_until(tcpdump.stderr.as_mut().unwrap(), "listening on");
    let records_wanted = ["--json", "--emit", "flow,stats"];
    let mut live =
        Running::start(meshtop().args(["-i", "lo", "-f", &filter]).args(records_wanted).args(options).stderr(Stdio::piped()));
    let mut seen = Vec::new();
    // it captures once it shows an exchange made for that
    while !seen.iter().any(|line: &String| line.contains("/probe-start")) {
        probe(ports[0], "/probe-start");
        seen.extend(live.line_within(Duration::from_millis(500)));
    }
    services.say("go");
    assert_eq!(services.line().as_deref(), Some("done"));
    probe(ports[0], "/probe-end");
    while !seen.last().is_some_and(|line| line.contains("/probe-end")) {
        seen.push(live.line().expect("it goes on until it is told to stop"));
    }
    live.signal("INT");
    seen.extend(std::iter::from_fn(|| live.line()));
    assert_eq!(text(live.child.stderr.take().unwrap()), "");
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
    services.say("end");
    assert_eq!(services.line(), None);
    // it is shown packets up to a second later, in their order
    while !ends_with(&file, b"/probe-end") {
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(tcpdump.id(), "INT");
    let told = text(tcpdump.stderr.take().unwrap());
    assert!(told.contains("0 packets dropped by kernel"), "{told}");
    tcpdump.wait().unwrap();

    let live = lines(seen.join("\n").as_bytes());
    let stats = live.last().unwrap();
    assert_eq!((&stats["type"], &stats["dropped"]["kernel"], &stats["gaps"]), (&"stats".into(), &0.into(), &0.into()), "{stats}");
    let args = [&["-r", file.to_str().unwrap()], &records_wanted[..], options].concat();
    let read = from_the_probe(records(&run(&args)));
    Beside { truth: lines(&std::fs::read(&truth).unwrap()), live: from_the_probe(live), read }
}

/// Whether these are the test's own exchanges.
pub fn is_probe(found: &[&Value]) -> bool {
    found.iter().all(|flow| flow["operation"].as_str().is_some_and(|op| op.contains("/probe-")))
}

/// The first value of a request's header field.
pub fn header(flow: &Value, name: &str) -> Option<String> {
    let headers = flow["request"]["headers"].as_array()?;
    let found = headers.iter().find(|pair| pair[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
    found[1].as_str().map(str::to_owned)
}

/// That a flow has the trace context that its sender says it sent, where it says so.
pub fn assert_trace(told: &Value, flow: &Value) {
    if let Some(parent) = told["traceparent"].as_str() {
        let trace = &flow["trace"];
        let carried = format!("00-{}-{}-01", trace["trace_id"].as_str().unwrap(), trace["span_id"].as_str().unwrap());
        assert_eq!((carried.as_str(), &trace["carrier"]), (parent, &"traceparent".into()), "{flow}");
    }
}

/// Flows from the first whole probe on: the one before it may have been under way when the capture began, and what a proxy asks because
/// of it not yet.
pub fn from_the_probe(mut lines: Vec<Value>) -> Vec<Value> {
    lines.retain(|line| line["type"] == "flow");
    let first = lines
        .iter()
        .filter(|flow| is_probe(&[flow]) && flow["http"]["version"] != "2")
        .filter_map(|flow| flow["id"].as_u64())
        .min();
    lines.retain(|flow| flow["id"].as_u64() >= first);
    lines
}

/// One exchange on a connection of its own.
fn probe(port: u16, path: &str) {
    let mut to = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(to, "GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").unwrap();
    to.read_to_end(&mut Vec::new()).unwrap();
}

/// Whether there are these words near the end of a file.
fn ends_with(file: &Path, words: &[u8]) -> bool {
    let (mut file, mut end) = (File::open(file).unwrap(), Vec::new());
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length.saturating_sub(1 << 20))).unwrap();
    file.read_to_end(&mut end).unwrap();
    memchr::memmem::find(&end, words).is_some()
}

fn read_until(from: &mut impl Read, words: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(words) {
        let mut byte = [0];
        assert_eq!(from.read(&mut byte).unwrap(), 1, "ended with {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
}
