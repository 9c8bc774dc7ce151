//! Captures of each protocol, damaged: what is read is accounted for, packet by packet, and behind a hole the next message is found again.

use super::program::{records, root, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

mod amqp;
mod asked;
mod dns;
mod http;
mod http2;
mod postgresql;
mod redis;
mod reuse;
mod wire;

/// The length of a pcap file's head, and of what stands before each packet, in bytes.
const HEAD: usize = 24;
const RECORD: usize = 16;

/// A capture file: its head and its packets.
#[derive(Clone)]
struct File {
    head: Vec<u8>,
    packets: Packets,
}

impl File {
    fn of(case: &str) -> Self {
        let bytes = fs::read(root("tests/captures").join(case).join("input.pcap")).unwrap();
        let (head, mut rest) = bytes.split_at(HEAD);
        let mut packets = Vec::new();
        while !rest.is_empty() {
            let (packet, more) = rest.split_at(RECORD + captured(rest));
            packets.push(packet.to_vec());
            rest = more;
        }
        Self { head: head.to_vec(), packets }
    }

    /// What the program makes of it.
    fn read(&self) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.pcap");
        fs::write(&path, [self.head.clone(), self.packets.concat()].concat()).unwrap();
        records(&run(&["-r", path.to_str().unwrap(), "--json", "--emit", "flow,connection,finding,stats"]))
    }
}

/// How many bytes of a packet were captured.
fn captured(packet: &[u8]) -> usize {
    u32::from_le_bytes(packet[8..12].try_into().unwrap()) as usize
}

/// Packets, each with what stands before it.
type Packets = Vec<Vec<u8>>;
type Damage = fn(Packets) -> Packets;

/// What happens to packets, by their places.
const DAMAGES: &[(&str, Damage)] = &[
    ("nothing", |packets| packets),
    ("lost", lose),
    ("twice", repeat),
    ("out of order", swap),
    ("cut", cut),
    ("one direction", halve),
    ("joined late", |packets| packets[packets.len() / 3..].to_vec()),
    ("all of it", |packets| cut(lose(repeat(swap(packets))))),
];

fn lose(packets: Packets) -> Packets {
    packets.into_iter().enumerate().filter(|(n, _)| n % 7 != 3).map(|(_, packet)| packet).collect()
}

fn repeat(packets: Packets) -> Packets {
    let times = |n: usize| if n % 5 == 3 { 2 } else { 1 };
    packets.into_iter().enumerate().flat_map(|(n, packet)| std::iter::repeat_n(packet, times(n))).collect()
}

fn swap(mut packets: Packets) -> Packets {
    packets.chunks_exact_mut(6).for_each(|six| six.swap(1, 4));
    packets
}

/// To so much that headers are left, and little of what they bring.
fn cut(mut packets: Packets) -> Packets {
    for packet in packets.iter_mut().skip(4).step_by(9) {
        let left = captured(packet).min(90);
        packet.truncate(RECORD + left);
        packet[8..12].copy_from_slice(&(left as u32).to_le_bytes());
    }
    packets
}

/// What servers say alone, where packets are Ethernet's with IPv4: a server has the smaller port.
fn halve(mut packets: Packets) -> Packets {
    packets.retain(|packet| {
        let ports = packet.get(RECORD + 34..RECORD + 38).filter(|_| packet[RECORD + 12..RECORD + 15] == [8, 0, 0x45]);
        ports.is_none_or(|ports| ports[..2] < ports[2..])
    });
    packets
}

fn cases() -> Vec<String> {
    let all = fs::read_dir(root("tests/captures")).unwrap().map(|entry| entry.unwrap());
    all.filter(|case| case.path().join("input.pcap").exists()).map(|case| case.file_name().into_string().unwrap()).collect()
}

#[test]
fn every_packet_and_byte_is_accounted_for() {
    let mut wrong = Vec::new();
    for case in cases() {
        let whole = File::of(&case);
        let (mut truth, mut found) = (None, None);
        for (what, damage) in DAMAGES {
            let file = File { head: whole.head.clone(), packets: damage(whole.packets.clone()) };
            let records = file.read();
            wrong.extend(unaccounted(&file, &records).into_iter().map(|told| format!("{case}, {what}: {told}")));
            // a connection's end that was not captured may be one of the bytes that are lost, in each direction
            let stats = records.last().unwrap();
            let told = ["stream_bytes", "lost_bytes"].map(|key| stats[key].as_u64().unwrap()).iter().sum::<u64>();
            let most = *truth.get_or_insert(told) + 2 * stats["connections"].as_u64().unwrap();
            if told > most {
                wrong.push(format!("{case}, {what}: {told} bytes of streams were seen or lost, at most {most} were there"));
            }
            // what is damaged is nobody's fault, and is told
            let kinds = kinds(&records);
            let known: &BTreeSet<String> = found.get_or_insert(&kinds | &["capture_loss".to_owned()].into());
            wrong.extend(kinds.difference(known).map(|kind| format!("{case}, {what}: {kind} is found")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The kinds of what is found.
fn kinds(records: &[Value]) -> BTreeSet<String> {
    let findings = records.iter().filter(|record| record["type"] == "finding");
    findings.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
}

/// What the sums do not say of a file.
fn unaccounted(file: &File, records: &[Value]) -> Vec<String> {
    let stats = records.last().unwrap();
    let of = |kind: &'static str| records.iter().filter(move |record| record["type"] == kind);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let both = |key: &'static str| move |c: &Value| number(&c[key]["to_server"]) + number(&c[key]["to_client"]);
    let sum = |of: &Value| of.as_object().into_iter().flatten().map(|(_, n)| number(n)).sum::<u64>();
    let mut flows = BTreeMap::new();
    of("flow").for_each(|flow| *flows.entry(flow["protocol"].as_str().unwrap()).or_insert(0) += 1);
    let told: BTreeMap<_, _> = stats["flows"].as_object().unwrap().iter().map(|(p, n)| (p.as_str(), number(n))).collect();
    let bytes: u64 = of("connection").map(both("bytes")).sum();
    let carried: u64 = of("connection").map(both("packets")).sum();
    let mut wrong = Vec::new();
    let mut equal = |what: &str, a: u64, b: u64| {
        if a != b {
            wrong.push(format!("{what}: {a}, not {b}"));
        }
    };
    equal("packets", number(&stats["packets"]), file.packets.len() as u64);
    equal("bytes", number(&stats["bytes"]), file.packets.iter().map(|packet| captured(packet) as u64).sum());
    // those that fit no place of their connection's streams are both
    let both = number(&stats["passed_over"]["of no stream"]);
    equal("packets of connections and passed over", carried + sum(&stats["passed_over"]) - both, file.packets.len() as u64);
    equal("connections", number(&stats["connections"]), of("connection").count() as u64);
    equal("gaps", of("connection").map(|c| number(&c["gaps"])).sum(), number(&stats["gaps"]));
    equal("dropped", sum(&stats["dropped"]), 0);
    equal("evicted", sum(&stats["evicted"]), 0);
    equal("flows", u64::from(flows == told), 1);
    equal("bytes of streams", number(&stats["stream_bytes"]), bytes);
    for (what, whole, parts) in balance(stats) {
        equal(what, parts, whole);
    }
    // messages are all the rest, where they are seen whole and there is nothing between them
    let plain = of("flow").all(|flow| flow["protocol"] == "http" && flow["http"]["version"] == "1.1" && is_plain(flow));
    if plain && of("flow").count() > 0 && stats["gaps"] == 0 {
        let half = |half: &Value| number(&half["head_bytes"]) + number(&half["bytes"]);
        let messages: u64 = of("flow").map(|flow| half(&flow["request"]) + half(&flow["response"])).sum();
        equal("bytes of messages", number(&stats["decoded_bytes"]), messages);
    }
    wrong
}

/// What the parts of the sums come to: all bytes, and those of streams.
fn balance(stats: &Value) -> [(&'static str, u64, u64); 2] {
    let number = |key: &str| stats[key].as_u64().unwrap();
    let sum = |keys: &[&str]| keys.iter().map(|key| number(key)).sum::<u64>();
    let all = sum(&["header_bytes", "passed_over_bytes", "repeated_bytes", "stream_bytes"]);
    let streams = sum(&["decoded_bytes", "undecoded_bytes", "encrypted_bytes"]);
    [("all bytes", number("bytes"), all), ("stream bytes", number("stream_bytes"), streams)]
}

/// Also several files, pcapng, other link types, and packets that two interfaces show: what is expected of each capture adds up.
#[test]
fn the_sums_of_every_capture_add_up() {
    let mut seen = 0;
    for case in fs::read_dir(root("tests/captures")).unwrap() {
        let Ok(expected) = fs::read_to_string(case.unwrap().path().join("expected.jsonl")) else { continue };
        let records = expected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        for stats in records.filter(|record| record["type"] == "stats") {
            balance(&stats).into_iter().for_each(|(what, whole, parts)| assert_eq!(parts, whole, "{what}: {stats}"));
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} captures tell their sums");
}

/// What a stream lacks is known by its sequence numbers: whatever was cut off or repeated, its bytes and the lost ones are as many.
#[test]
fn what_is_lost_is_counted() {
    let (mut wrong, mut lost) = (Vec::new(), 0);
    // a datagram that is cut need not be recognised
    for case in cases().into_iter().filter(|case| !case.starts_with("dns")) {
        let whole = File::of(&case);
        let sum = |packets: Packets| {
            let records = File { head: whole.head.clone(), packets }.read();
            let number = |key: &str| records.last().unwrap()[key].as_u64().unwrap();
            (number("stream_bytes"), number("lost_bytes"))
        };
        let truth = sum(whole.packets.clone());
        for (what, damage) in DAMAGES.iter().filter(|(what, _)| ["twice", "cut"].contains(what)) {
            let seen = sum(damage(whole.packets.clone()));
            lost += seen.1 - truth.1;
            if seen.0 + seen.1 != truth.0 + truth.1 || *what == "twice" && seen != truth {
                wrong.push(format!("{case}, {what}: {seen:?} of {truth:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lost > 10_000, "{lost} bytes were cut off");
}

/// Whether there is no more to a flow than a head and a body each way: no chunks, and no answers before the answer.
fn is_plain(flow: &Value) -> bool {
    let headers = |side| flow[side]["headers"].to_string().to_lowercase();
    let chunked = ["request", "response"].iter().any(|side| headers(side).contains("transfer-encoding"));
    let before = ["100", "103"].iter().any(|code| flow["notes"].to_string().contains(code));
    flow["request"]["headers"].is_array() && flow["layers"].is_null() && !chunked && !before
}

/// Whatever packet is lost: flows that were over before it and those that begin behind it are there.
#[test]
fn behind_a_hole_the_next_message_is_found() {
    let mut wrong = Vec::new();
    for case in ["keep-alive", "grpc", "amqp", "postgresql", "redis"] {
        let whole = File::of(case);
        let truth = spans(&whole.read());
        assert!(truth.len() > 3, "{case}: there is something to lose");
        for lost in 0..whole.packets.len() {
            let mut file = whole.clone();
            let hole = sent(&file.packets.remove(lost));
            let seen = spans(&file.read());
            let apart = truth.iter().filter(|(begin, end, _)| *begin > hole || *end < hole);
            let missing: Vec<_> = apart.filter(|flow| !seen.iter().any(|of| of.0 == flow.0)).collect();
            if !missing.is_empty() {
                wrong.push(format!("{case} without packet {lost}, of {hole}: {missing:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// When a packet was sent, in nanoseconds since 1970.
fn sent(packet: &[u8]) -> i128 {
    let word = |at: usize| i128::from(u32::from_le_bytes(packet[at..at + 4].try_into().unwrap()));
    word(0) * 1_000_000_000 + word(4)
}

/// When each flow began and ended, and what it is.
fn spans(records: &[Value]) -> Vec<(i128, i128, String)> {
    let flows = records.iter().filter(|record| record["type"] == "flow");
    let span = |flow: &Value| {
        let begin = flow["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_nanosecond();
        let end = begin + i128::from(flow["duration_us"].as_u64().unwrap_or(0)) * 1000;
        (begin, end, flow["operation"].as_str().unwrap().to_owned())
    };
    flows.map(span).collect()
}
