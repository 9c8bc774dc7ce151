//! Beside PostgreSQL and clients that are not ours: each statement and each notification once, with what became of it, live and from
//! tcpdump's file; one session is joined late, and one goes on encrypted.

use super::beside::{Beside, is_probe, watch};
use super::program::can_capture;
use serde_json::Value;

#[test]
fn every_statement_is_seen_once_with_its_result() {
    if !can_capture("every_statement_is_seen_once_with_its_result") {
        return;
    }
    let Beside { truth, live, read } = watch("postgresql.sh", &[]);
    assert!(truth.len() > 300, "the clients tell of {}", truth.len());
    assert_truth(&truth, live);
    assert_truth(&truth, read);
}

/// What a client tells of is there once, and nothing else is.
fn assert_truth(truth: &[Value], mut flows: Vec<Value>) {
    flows.retain(|flow| !is_probe(&[flow]));
    assert!(flows.iter().all(|flow| flow["protocol"] == "postgresql"), "{flows:#?}");
    let secrets = flows.iter().filter(|flow| flow.to_string().contains("not-a-real"));
    assert_eq!(secrets.collect::<Vec<_>>(), Vec::<&Value>::new());
    for told in truth {
        let at = flows.iter().position(|flow| is_told(told, flow)).unwrap_or_else(|| panic!("{told} is not among {flows:#?}"));
        flows.remove(at);
    }
    assert!(flows.is_empty(), "nobody did this: {flows:#?}");
}

fn is_told(told: &Value, flow: &Value) -> bool {
    let field = |name: &str| &flow["postgresql"][name];
    let same = |name: &str, seen: &Value| told[name].is_null() || told[name] == *seen;
    if let Some(channel) = told["deliver"].as_str() {
        let body = &flow["request"]["body"]["value"];
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        return flow["operation"] == format!("deliver {channel}") && flow["pattern"] == "deliver" && told["value"] == body;
    }
    if told["late"] == true {
        let notes = flow["notes"].to_string();
        return notes.contains("joined mid-connection") && notes.contains("prepared unseen") && flow["status"].is_null();
    }
    let masked = told["sql"].as_str().map(|sql| {
        let secret = sql.find("PASSWORD '").and_then(|at| sql.rfind('\'').map(|end| (at + 10, end)));
        secret.map_or_else(|| sql.to_owned(), |(at, end)| format!("{}***{}", &sql[..at], &sql[end..]))
    });
    let skipped = told["skipped"] != true || flow["notes"].to_string().contains("not run");
    let notices = told["notices"].as_array().is_none_or(|told| told.is_empty() || field("notices").as_array() == Some(told));
    let statement = masked.is_none_or(|sql| flow["sql"] == sql);
    let is = same("operation", &flow["operation"]) && same("status", &flow["status"]) && same("pid", field("pid"));
    statement && is && same("rows", field("rows")) && flow["ok"] == told["ok"] && skipped && notices
}
