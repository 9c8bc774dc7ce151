//! Beside real services: every exchange once, with its bodies, while it happens; and the same from tcpdump's file.
//!
//! The clients of `tests/services/live.sh` write down what they did, each exchange under an ID of its own: that is the truth.

use super::beside::{Beside, assert_trace, header, is_probe, watch};
use super::program::can_capture;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which exchange: ID, server, method and target.
type Exchange = (String, String, String, String);

#[test]
fn every_exchange_is_seen_once_live_and_in_the_file() {
    if !can_capture("every_exchange_is_seen_once_live_and_in_the_file") {
        return;
    }
    let Beside { truth, live, read } = watch("live.sh", &[]);
    assert_truth(&truth, &live);
    assert_truth(&truth, &read);
    let (live, read) = (comparable(live), comparable(read));
    for (live, read) in live.iter().zip(&read) {
        assert_eq!(live, read);
    }
    assert_eq!(live.len(), read.len());
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
    assert_trace(told, flow);
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
