//! Captures that begin late: from each of their packets on, every header that is told is told of the whole capture too. Who is the
//! client, and so what is pending, stays a guess where no head shows it.

use super::program::{records, root, run};
use serde_json::Value;
use std::fs;

/// The length of a pcap file's head, and of what stands before each packet, in bytes.
const HEAD: usize = 24;
const RECORD: usize = 16;

#[test]
fn from_every_packet_on_no_header_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late.pcap");
    for case in ["grpc", "grpc-js", "http2-frames", "connect-rpc-json"] {
        let whole = root("tests/captures").join(case).join("input.pcap");
        let (truth, bytes) = (flows(whole.to_str().unwrap()), fs::read(&whole).unwrap());
        assert!(!truth.is_empty());
        let mut rest = &bytes[HEAD..];
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            rest = &rest[RECORD + length..];
            fs::write(&late, [&bytes[..HEAD], rest].concat()).unwrap();
            for seen in flows(late.to_str().unwrap()) {
                assert!(truth.iter().any(|truth| fits(&seen, truth)), "{case} with {} bytes left: {seen:#}", rest.len());
            }
        }
    }
}

fn flows(file: &str) -> Vec<Value> {
    let mut lines = records(&run(&["-r", file, "--json"]));
    lines.retain(|line| line["type"] == "flow");
    lines
}

/// Whether the headers and the operation that are told of a flow are those of another.
fn fits(seen: &Value, truth: &Value) -> bool {
    let among = |side: &str, what: &str| {
        let fields = |flow: &Value| flow[side][what].as_array().cloned().unwrap_or_default();
        let truth = fields(truth);
        fields(seen).iter().all(|field| truth.contains(field))
    };
    // a call of which the content type was not seen is what it is to HTTP
    let (operation, also) = (seen["operation"].as_str().unwrap(), seen["protocol"] == "http" && truth["protocol"] == "grpc");
    let told = operation.strip_prefix("POST ").filter(|_| also).unwrap_or(operation);
    (operation.contains("unknown ") || told == truth["operation"])
        && ["request", "response"].iter().all(|side| among(side, "headers") && among(side, "trailers"))
}
