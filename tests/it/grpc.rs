//! Beside peers of gRPC, gRPC-Web, Connect and HTTP/2 that are not ours: each call and each message once, decoded, live and from
//! tcpdump's file.

use super::beside::{Beside, assert_trace, header, is_probe, watch};
use super::program::{can_capture, root};
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn every_call_is_seen_once_with_its_messages() {
    if !can_capture("every_call_is_seen_once_with_its_messages") {
        return;
    }
    let proto = root("tests/services/apps/proto/kitchen.proto");
    let Beside { truth, live, read } = watch("grpc.sh", &["--proto", proto.to_str().unwrap()]);
    assert_truth(&truth, live);
    assert_truth(&truth, read);
}

/// Each call or exchange that a client tells of is there once, and nothing else is.
pub fn assert_truth(truth: &[Value], lines: Vec<Value>) {
    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut flows: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for flow in lines.into_iter().filter(|flow| !is_probe(&[flow])) {
        // nghttpx asks nghttpd by HTTP/2 what it was asked
        let key = (header(&flow, "x-test-id").unwrap_or_default(), word(&flow["server"]["addr"]), word(&flow["http"]["target"]));
        flows.entry(key).or_default().push(flow);
    }
    for told in truth {
        let target = if told["target"].is_null() { &told["method"] } else { &told["target"] };
        let found = flows.remove(&(word(&told["id"]), word(&told["server"]), word(target))).unwrap_or_default();
        assert_eq!(found.len(), 1, "{told}\n{found:#?}");
        match told["target"].as_str() {
            // the request came by HTTP/1, the answer on stream 1 of what the connection became (RFC 7540 §3.2)
            Some(target) if told["upgraded"] == true => {
                assert_eq!((&found[0]["status"], &found[0]["http"]["version"]), (&"101".into(), &"1.1".into()), "{told}");
                let key = (String::new(), word(&told["server"]), target.to_owned());
                let answer = flows.get_mut(&key).and_then(Vec::pop).unwrap_or_else(|| panic!("{told}\n{flows:#?}"));
                assert_eq!((word(&answer["status"]), &answer["http"]["version"]), (told["status"].to_string(), &"2".into()));
            }
            Some(_) => {
                assert_eq!(
                    (word(&found[0]["status"]), &found[0]["protocol"]),
                    (told["status"].to_string(), &"http".into()),
                    "{told}"
                );
                assert_eq!(found[0]["http"]["version"], "2", "{told}\n{}", found[0]);
            }
            None => assert_call(told, &found[0]),
        }
    }
    flows.retain(|(id, ..), found| {
        let forwarded = found.len() == 1 && id.starts_with("curl") && found[0]["http"]["version"] == "2";
        !found.is_empty() && !forwarded
    });
    assert!(flows.is_empty(), "nobody did this: {flows:#?}");
}

fn assert_call(told: &Value, flow: &Value) {
    assert_eq!((&flow["protocol"], &flow["operation"]), (&"grpc".into(), &told["method"]), "{told}\n{flow}");
    let version = told["http"].as_str().unwrap_or("2");
    assert_eq!((&flow["ok"], &flow["http"]["version"]), (&(told["status"] == "OK").into(), &version.into()), "{told}\n{flow}");
    for way in ["web", "connect"] {
        assert_eq!(flow["grpc"][way] == true, told["way"] == way, "{told}\n{flow}");
    }
    // what an error says of itself, by the way that has it in its trailers and by the one that has it in JSON
    for own in ["message", "details"].into_iter().filter(|own| !told[own].is_null()) {
        assert_eq!(flow["grpc"][own], told[own], "{own}: {told}\n{flow}");
    }
    // also of a deadline, whichever side notices first and ends the call
    let status = flow["status"].as_str().unwrap();
    assert!(told["status"].as_str().unwrap().split(" or ").any(|word| word == status), "{told}\n{flow}");
    assert_trace(told, flow);
    // by the descriptor, however few messages there were
    if let Some(shape) = shape(flow["operation"].as_str().unwrap()) {
        assert_eq!(flow["pattern"], shape, "{told}\n{flow}");
        assert!(!flow["notes"].to_string().contains("pattern guessed"), "{flow}");
    }
    let messages = |side: &str| flow[side]["messages"].as_array().cloned().unwrap_or_default();
    let (requests, responses) = (messages("request"), messages("response"));
    if let (Some(sent), Some(got)) = (told["sent"].as_u64(), told["got"].as_u64()) {
        assert_eq!((requests.len() as u64, responses.len() as u64), (sent, got), "{told}\n{flow}");
    }
    let told_as_json = told["json"] == true;
    for (kind, found, told) in [("Order", requests, &told["requests"]), ("Dish", responses, &told["responses"])] {
        let Some(told) = told.as_array() else { continue };
        assert_eq!(found.len(), told.len(), "{told:?}\n{flow}");
        for (found, told) in found.iter().zip(told) {
            let body = &found["body"];
            match told_as_json {
                true => assert_eq!((&body["kind"], &body["type"]), (&"json".into(), &Value::Null), "{flow}"),
                false => {
                    assert_eq!((&body["kind"], &body["type"]), (&"protobuf".into(), &format!("test.v1.{kind}").into()), "{flow}");
                }
            }
            assert_eq!(plain(&body["value"]), plain(told), "{flow}");
        }
    }
}

/// As kitchen.proto has it.
fn shape(method: &str) -> Option<&'static str> {
    match method.strip_prefix("/test.v1.Kitchen/")? {
        "Cook" => Some("unary"),
        "Batch" => Some("client_stream"),
        "Courses" => Some("server_stream"),
        "Chat" => Some("bidi_stream"),
        _ => None,
    }
}

/// JSON of which only the meaning counts: 1 and 1.0 are the same number, and a map has no order.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), plain(v))).collect::<BTreeMap<_, _>>().into_iter().collect(),
        other => other.clone(),
    }
}
