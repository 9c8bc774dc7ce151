//! Beside Redis and clients that are not ours: each command with its answer and each message of a channel once, live and from tcpdump's
//! file; a subscriber and a client that waits for no answer are joined late.

use super::beside::{Beside, is_probe, watch};
use super::program::can_capture;
use serde_json::Value;

/// What clients send of their own accord.
const HOUSEKEEPING: &[&str] = &[
    "HELLO",
    "CLIENT SETINFO",
    "INFO",
    "COMMAND DOCS",
    "COMMAND",
    "QUIT",
    "MULTI",
    "EXEC",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "PUBSUB NUMSUB",
];

#[test]
fn every_command_is_seen_once_with_its_answer() {
    if !can_capture("every_command_is_seen_once_with_its_answer") {
        return;
    }
    let Beside { truth, live, read } = watch("redis.sh", &[]);
    assert!(truth.len() > 1000, "the clients tell of {}", truth.len());
    assert_truth(&truth, live);
    assert_truth(&truth, read);
}

/// What a client tells of is there once, and nothing else is.
fn assert_truth(truth: &[Value], mut flows: Vec<Value>) {
    flows.retain(|flow| !is_probe(&[flow]));
    assert!(flows.iter().all(|flow| flow["protocol"] == "redis"), "{flows:#?}");
    for told in truth {
        let at = flows.iter().position(|flow| is_told(told, flow)).unwrap_or_else(|| panic!("{told} is not among {flows:#?}"));
        let flow = flows.remove(at);
        let side = if told["deliver"].is_null() { "response" } else { "request" };
        if told.get("value").is_some() && told["push"].is_null() {
            assert_value(&told["value"], &flow[side]["body"], &flow);
        }
    }
    flows.retain(|flow| !HOUSEKEEPING.contains(&flow["operation"].as_str().unwrap()));
    assert!(flows.is_empty(), "nobody did this: {flows:#?}");
}

fn is_told(told: &Value, flow: &Value) -> bool {
    if let Some(kind) = told["push"].as_str() {
        let key = &told["value"];
        return flow["operation"] == format!("deliver {kind}")
            && flow["request"]["body"]["value"].to_string().contains(text(key).as_str());
    }
    if let Some(channel) = told["deliver"].as_str() {
        let by = told["pattern"] == flow["redis"]["pattern"];
        let body = flow["request"]["body"].as_object().and_then(|body| body.get("value"));
        let same = body.is_some_and(|body| text(body) == text(&told["value"]));
        return by && same && flow["operation"] == format!("deliver {channel}") && flow["pattern"] == "deliver";
    }
    let status = match told["error"].as_str() {
        Some(error) => flow["status"] == error.split(' ').next().unwrap() || flow["ok"] == false,
        None => told["status"].is_null() || told["status"] == flow["status"],
    };
    flow["operation"] == told["operation"] && same_args(told, flow) && flow["ok"] == told["ok"] && status
}

/// An argument that is too long is cut.
fn same_args(told: &Value, flow: &Value) -> bool {
    let [told, seen] = [&told["args"], &flow["redis"]["args"]].map(|list| list.as_array().map_or(&[][..], Vec::as_slice));
    let same = |(told, seen): (&Value, &Value)| {
        let [told, seen] = [told, seen].map(|text| text.as_str().unwrap());
        told == seen || seen.strip_suffix('…').is_some_and(|seen| seen.len() > 4000 && told.starts_with(seen))
    };
    told.len() == seen.len() && told.iter().zip(seen).all(same)
}

/// A number is told as one or as its digits, `OK` as the client likes.
fn assert_value(told: &Value, body: &Value, flow: &Value) {
    let value = &body["value"];
    let same = told == value || *told == true && text(value) == "OK" || text(told) == text(value);
    assert!(same, "{told}: {flow:#}");
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
