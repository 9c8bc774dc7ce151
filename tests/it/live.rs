//! Beside real services: every exchange once, with its bodies, while it happens; and the same from tcpdump's file.
//!
//! The clients of `tests/services/live.sh` write down what they did, each exchange under an ID of its own: that is the truth.

use super::program::{Running, can_capture, lines, meshtop, records, root, run, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Which exchange: ID, server, method and target.
type Exchange = (String, String, String, String);

#[test]
fn every_exchange_is_seen_once_live_and_in_the_file() {
    if !can_capture("every_exchange_is_seen_once_live_and_in_the_file") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (truth, file) = (folder.path().join("truth.jsonl"), folder.path().join("live.pcap"));
    let script = root("tests/services/live.sh");
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
    let mut live =
        Running::start(meshtop().args(["-i", "lo", "-f", &filter, "--json", "--emit", "flow,stats"]).stderr(Stdio::piped()));
    let mut seen = Vec::new();
    // it captures once it shows an exchange made for that
    while !seen.iter().any(|line: &String| line.contains("/probe-start")) {
        probe(ports[0], "/probe-start");
        seen.extend(live.line_within(Duration::from_millis(500)));
    }
    services.say("go");
    assert_eq!(services.line().as_deref(), Some("done"));
    probe(ports[0], "/probe-end");
    while !seen.iter().any(|line| line.contains("/probe-end")) {
        seen.push(live.line().expect("it goes on until it is told to stop"));
    }
    live.signal("INT");
    seen.extend(std::iter::from_fn(|| live.line()));
    assert_eq!(text(live.child.stderr.take().unwrap()), "");
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
    services.say("end");
    assert_eq!(services.line(), None);
    super::program::signal(tcpdump.id(), "INT");
    let told = text(tcpdump.stderr.take().unwrap());
    assert!(told.contains("0 packets dropped by kernel"), "{told}");
    tcpdump.wait().unwrap();

    let live = lines(seen.join("\n").as_bytes());
    let stats = live.last().unwrap();
    assert_eq!((&stats["type"], &stats["dropped"]["kernel"], &stats["gaps"]), (&"stats".into(), &0.into(), &0.into()), "{stats}");
    let truth = lines(&std::fs::read(&truth).unwrap());
    let live = from_the_probe(live);
    assert_truth(&truth, &live);

    let read = from_the_probe(records(&run(&["-r", file.to_str().unwrap(), "--json", "--emit", "flow,stats"])));
    assert_truth(&truth, &read);
    let (live, read) = (comparable(live), comparable(read));
    for (live, read) in live.iter().zip(&read) {
        assert_eq!(live, read);
    }
    assert_eq!(live.len(), read.len());
}

/// Flows from the first whole probe on: the one before it may have been under way when the capture began.
fn from_the_probe(mut lines: Vec<Value>) -> Vec<Value> {
    lines.retain(|line| line["type"] == "flow");
    let first = lines.iter().filter(|flow| is_probe(&[flow])).filter_map(|flow| flow["id"].as_u64()).min();
    lines.retain(|flow| flow["id"].as_u64() >= first);
    lines
}

/// One exchange on a connection of its own.
fn probe(port: u16, path: &str) {
    let mut to = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(to, "GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").unwrap();
    to.read_to_end(&mut Vec::new()).unwrap();
}

fn read_until(from: &mut impl Read, words: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(words) {
        let mut byte = [0];
        assert_eq!(from.read(&mut byte).unwrap(), 1, "ended with {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
}

/// Flows as live and file can both know them, in the order of the wire: without numbers that count from the first packet of
/// each, who had the sockets, the name of the source, and times: each capture has stamps of its own.
fn comparable(mut lines: Vec<Value>) -> Vec<Value> {
    lines.retain(|flow| !is_probe(&[flow]));
    lines.sort_by_key(|flow| flow["id"].as_u64());
    for flow in &mut lines {
        let object = flow.as_object_mut().unwrap();
        for key in ["id", "connection", "sources", "time", "duration_us"] {
            object.remove(key);
        }
        for side in ["client", "server"] {
            object.insert(side.into(), object[side]["addr"].clone());
        }
        object.get_mut("response").and_then(Value::as_object_mut).map(|half| half.remove("time"));
    }
    lines
}

fn assert_truth(truth: &[Value], lines: &[Value]) {
    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut flows: BTreeMap<Exchange, Vec<&Value>> = BTreeMap::new();
    for flow in lines {
        let id = header(flow, "x-test-id").unwrap_or_default();
        let http = &flow["http"];
        let exchange = (id, word(&flow["server"]["addr"]), word(&http["method"]), word(&http["target"]));
        flows.entry(exchange).or_default().push(flow);
    }
    for told in truth {
        let exchange = (word(&told["id"]), word(&told["server"]), word(&told["method"]), word(&told["target"]));
        let found = flows.remove(&exchange).unwrap_or_default();
        // wrk leaves at the end of its second, whatever is on its way then
        if exchange.0.starts_with("wrk") && (told["status"] != 200 || found.iter().any(|f| f["status"] != "200")) {
            continue;
        }
        assert_eq!(found.len(), 1, "{told}\n{found:?}");
        assert_exchange(told, found[0]);
    }
    flows.retain(|(id, ..), found| {
        let unfinished = id.starts_with("wrk") && found[0]["status"] == "pending";
        !unfinished && !is_probe(found)
    });
    assert!(flows.is_empty(), "nobody did this: {flows:#?}");
}

fn is_probe(found: &[&Value]) -> bool {
    found.iter().all(|flow| flow["operation"].as_str().is_some_and(|op| op.contains("/probe-")))
}

fn assert_exchange(told: &Value, flow: &Value) {
    assert_eq!(flow["status"], told["status"].to_string(), "{told}\n{flow}");
    assert_eq!(flow["ok"], told["status"].as_u64().unwrap() < 400, "{flow}");
    if let Some(bytes) = told["bytes"].as_u64() {
        assert_eq!(flow["response"]["bytes"].as_u64(), Some(bytes), "{told}\n{flow}");
    }
    for side in ["request", "response"] {
        if let Some(text) = told[side].as_str() {
            assert_body(text, &flow[side]["body"], flow);
        }
    }
    if let Some(parent) = told["traceparent"].as_str() {
        let trace = &flow["trace"];
        let carried = format!("00-{}-{}-01", trace["trace_id"].as_str().unwrap(), trace["span_id"].as_str().unwrap());
        assert_eq!((carried.as_str(), &trace["carrier"]), (parent, &"traceparent".into()), "{flow}");
    }
}

fn assert_body(text: &str, body: &Value, flow: &Value) {
    let value = &body["value"];
    match body["kind"].as_str() {
        Some("json") => assert_eq!(*value, serde_json::from_str::<Value>(text).unwrap(), "{flow}"),
        Some("text") => assert_eq!(value.as_str(), Some(text), "{flow}"),
        Some("empty") | None => assert_eq!(text, "", "{flow}"),
        Some("xml") => assert!(text.trim_start().starts_with('<'), "{flow}"),
        kind => panic!("{kind:?} where the text was {text:?}: {flow}"),
    }
}

fn header(flow: &Value, name: &str) -> Option<String> {
    let headers = flow["request"]["headers"].as_array()?;
    let found = headers.iter().find(|pair| pair[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
    found[1].as_str().map(str::to_owned)
}
