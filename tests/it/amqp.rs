//! Beside RabbitMQ and clients that are not ours: each publish and each delivery once, with what became of it, live and from tcpdump's
//! file.

use super::beside::{Beside, assert_trace, is_probe, watch};
use super::program::{can_capture, root};
use serde_json::Value;

#[test]
fn every_message_is_seen_once_with_what_became_of_it() {
    if !can_capture("every_message_is_seen_once_with_what_became_of_it") {
        return;
    }
    // what the messages of one exchange are, only the user knows
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&config, "[[body]]\nexchange = \"pika.or*\"\ntype = \"test.v1.Order\"\n").unwrap();
    let proto = root("tests/services/apps/proto/kitchen.proto");
    let known = ["--proto", proto.to_str().unwrap(), "--config", config.path().to_str().unwrap()];
    let Beside { truth, live, read } = watch("amqp.sh", &known);
    assert_eq!(truth.iter().filter(|told| !told["value"].is_null()).count(), 6);
    assert_truth(&truth, live);
    assert_truth(&truth, read);
}

/// What a client tells of is there once, and no other message or error is.
fn assert_truth(truth: &[Value], mut flows: Vec<Value>) {
    flows.retain(|flow| !is_probe(&[flow]));
    assert!(flows.iter().all(|flow| flow["protocol"] == "amqp"), "{flows:#?}");
    let is_message = |flow: &Value| ["publish", "deliver"].contains(&flow["pattern"].as_str().unwrap());
    for told in truth {
        let message = told["kind"] != "ask";
        let is = |flow: &Value| {
            let wanted = ["operation", "status"].iter().all(|key| flow[key] == told[key]);
            let properties = &flow["amqp"]["properties"];
            wanted && (!message || properties["message_id"] == told["id"] && told_redelivered(told, flow))
        };
        let at = flows.iter().position(is).unwrap_or_else(|| panic!("{told} is not among {flows:#?}"));
        let flow = flows.remove(at);
        assert_eq!(is_message(&flow), message, "{flow}");
        if message {
            assert_message(told, &flow);
        }
    }
    flows.retain(|flow| is_message(flow) || flow["ok"] != true);
    assert!(flows.is_empty(), "nobody did this: {flows:#?}");
}

fn told_redelivered(told: &Value, flow: &Value) -> bool {
    told["redelivered"].is_null() || told["redelivered"] == flow["amqp"]["redelivered"]
}

fn assert_message(told: &Value, flow: &Value) {
    let failed = ["nack", "reject", "returned", "rollback", "NOT_FOUND"].iter().any(|word| told["status"] == *word);
    assert_eq!(flow["ok"], !failed, "{flow}");
    let publish = told["kind"] == "publish";
    assert_eq!((flow["pattern"] == "publish", flow["direction"] == "to_server"), (publish, publish), "{flow}");
    assert_eq!(flow["request"]["bytes"], told["bytes"], "{flow}");
    let body = &flow["request"]["body"];
    assert_eq!(body["type"] == "test.v1.Order", !told["value"].is_null(), "{flow}");
    if !told["value"].is_null() {
        assert_eq!((&body["kind"], &body["value"]), (&"protobuf".into(), &told["value"]), "{flow}");
    }
    for (name, value) in told["properties"].as_object().into_iter().flatten() {
        assert_eq!(&flow["amqp"]["properties"][name], value, "{name}: {flow}");
    }
    assert_trace(told, flow);
}
