//! The demo as people run it: read directly, and played again and captured.

use super::program::{can_capture, records, run};
use serde_json::Value;

/// What does not change from lap to lap: who asked whom for what, and what came of it.
fn story(lines: &[Value]) -> Vec<String> {
    let of = |v: &Value, key: &str| v[key]["service"].as_str().map(str::to_owned);
    let server = |v: &Value| v["server"]["addr"].as_str().unwrap_or_default().to_owned();
    let mut story: Vec<_> = lines
        .iter()
        .filter(|v| v["type"] == "flow")
        .map(|v| format!("{:?} → {:?} {} {} {}", of(v, "client"), of(v, "server"), server(v), v["operation"], v["status"]))
        .collect();
    story.sort();
    story
}

fn trace_ids(lines: &[Value]) -> std::collections::BTreeSet<String> {
    lines.iter().filter_map(|v| v["trace"]["trace_id"].as_str()).map(str::to_owned).collect()
}

#[test]
fn the_recording_has_names_traces_and_failures() {
    let lines = records(&run(&["demo", "--recorded", "--json"]));
    let story = story(&lines);
    for part in [
        r#"Some("browser") → Some("gateway") 127.0.1.11:8080 "POST /api/checkout" "201""#,
        r#"Some("gateway") → Some("orders") 127.0.1.12:8081 "POST /checkout" "201""#,
        r#"Some("orders") → Some("payments") 127.0.1.14:8083 "POST /charges" "503""#,
        r#"Some("payments") → Some("fraud") 127.0.1.17:8086 "POST /score" "200""#,
        r#"Some("orders") → Some("rabbitmq") 127.0.1.18:5672 "publish shop order.placed" "ack""#,
        r#"Some("shipping") → Some("rabbitmq") 127.0.1.18:5672 "deliver shipping" "nack""#,
        r#"Some("shipping") → Some("courier") 127.0.1.20:8087 "POST /parcels" "202""#,
    ] {
        assert!(story.iter().any(|line| line == part), "{part}\n{}", story.join("\n"));
    }
    assert!(trace_ids(&lines).len() > 20);
    let text = serde_json::to_string(&lines).unwrap();
    for secret in ["demo-token-not-a-secret", "not-a-real-password", "demo-session-not-a-secret"] {
        assert!(!text.contains(secret), "{secret} is masked");
    }
    assert!(text.contains("Bearer ***"));
}

#[test]
fn a_lap_that_is_captured_tells_the_same_story_with_other_traces() {
    if !can_capture("a_lap_that_is_captured_tells_the_same_story_with_other_traces") {
        return;
    }
    let (recorded, played) = (records(&run(&["demo", "--recorded", "--json"])), records(&run(&["demo", "--json"])));
    assert_eq!(story(&played), story(&recorded));
    assert_eq!(trace_ids(&played).len(), trace_ids(&recorded).len());
    assert!(trace_ids(&played).is_disjoint(&trace_ids(&recorded)));
}

#[test]
fn edges_are_the_matching_flows_summed_up_and_the_stats_are_last() {
    let lines = records(&run(&["demo", "--recorded", "--emit", "flow,edge,stats", "-Y", "client == gateway or not ok"]));
    let kinds: Vec<_> = lines.iter().filter_map(|v| v["type"].as_str()).collect();
    assert!(kinds.is_sorted_by_key(|kind| ["flow", "edge", "stats"].iter().position(|k| k == kind)), "{kinds:?}");
    let of = |kind: &'static str| lines.iter().filter(move |v| v["type"] == kind);
    assert!(of("edge").count() > 4 && of("stats").count() == 1);
    for edge in of("edge") {
        let ends = |v: &Value| {
            let (client, server) = (v["client"]["service"].clone(), v["server"]["service"].clone());
            if v["direction"] == "to_client" { [server, client] } else { [client, server] }
        };
        let via = |v: &Value| {
            v["amqp"]["queue"].as_str().or(v["amqp"]["exchange"].as_str()).filter(|via| !via.is_empty()).map(Value::from)
        };
        let part = |v: &&Value| {
            ends(v) == [edge["from"].clone(), edge["to"].clone()]
                && via(v).as_ref() == edge.get("via")
                && v["protocol"] == edge["protocol"]
        };
        let flows: Vec<_> = of("flow").filter(part).collect();
        let failed = flows.iter().filter(|v| v["ok"] == false).count();
        assert_eq!((edge["count"].as_u64(), edge["errors"].as_u64()), (Some(flows.len() as u64), Some(failed as u64)), "{edge}");
        let mut durations: Vec<_> = flows.iter().filter_map(|v| v["duration_us"].as_u64()).collect();
        durations.sort_unstable();
        let (exact, told) = (durations[durations.len().div_ceil(2) - 1], edge["p50_us"].as_u64().unwrap());
        assert!((exact..=exact + exact / 100 + 1).contains(&told), "{edge}: {exact}");
    }
    assert_eq!(of("edge").filter_map(|v| v["count"].as_u64()).sum::<u64>(), of("flow").count() as u64);
    let silent = records(&run(&["demo", "--recorded", "--json"]));
    assert!(silent.iter().all(|v| v["type"] != "edge"), "nobody asked for them");
}

#[test]
fn the_demos_schema_is_in_force_in_the_demo_alone() {
    let reserve = ["--json", "-Y", "op == /shop.v1.Inventory/Reserve"];
    let body = |lines: Vec<Value>| {
        let flow = lines.into_iter().find(|v| v["type"] == "flow").unwrap();
        flow["request"]["messages"][0]["body"].clone()
    };
    let demo = body(records(&run(&[&["demo", "--recorded"], &reserve[..]].concat())));
    assert_eq!((&demo["type"], &demo["guess"]), (&"shop.v1.ReserveRequest".into(), &Value::Null), "{demo}");
    let file = body(records(&run(&[&["-r", "assets/demo.pcapng"], &reserve[..]].concat())));
    assert_eq!((&file["type"], &file["guess"]), (&Value::Null, &true.into()), "{file}");
}

/// Each service of a trace under the one that called it: `browser(gateway(orders(…)))`.
fn shape(node: &Value, flows: &std::collections::HashMap<u64, &Value>) -> String {
    let flow = flows[&node["flow"].as_u64().unwrap()];
    let inner: Vec<_> = node["children"].as_array().unwrap().iter().map(|child| shape(child, flows)).collect();
    let name = flow["operation"].as_str().unwrap();
    if inner.is_empty() { name.to_owned() } else { format!("{name} ({})", inner.join(", ")) }
}

#[test]
fn a_checkout_is_one_trace_across_http_grpc_and_the_queue() {
    let lines = records(&run(&["demo", "--recorded", "--emit", "flow,trace"]));
    let flows = lines.iter().filter(|v| v["type"] == "flow").map(|v| (v["id"].as_u64().unwrap(), v)).collect();
    let traces: Vec<_> = lines.iter().filter(|v| v["type"] == "trace").collect();
    let shapes: Vec<_> = traces.iter().map(|trace| shape(&trace["tree"][0], &flows)).collect();
    let delivered = "publish shop order.placed (deliver shipping (POST /parcels))";
    let again = "publish shop order.placed (deliver shipping, deliver shipping (POST /parcels))";
    for (queue, count) in [(delivered, 4), (again, 2)] {
        let whole = |shape: &&String| {
            let ends = format!("POST /charges (POST /score), {queue}))");
            shape.starts_with("POST /api/checkout (POST /checkout (/shop.v1.Inventory/Reserve, GET /products/tea-07, ")
                && shape.ends_with(&ends)
        };
        assert_eq!(shapes.iter().filter(whole).count(), count, "{queue}\n{}", shapes.join("\n"));
    }
    for trace in traces.iter().filter(|trace| trace["flows"].as_array().unwrap().len() > 8) {
        assert_eq!((trace["complete"].as_bool(), trace["tree"].as_array().unwrap().len()), (Some(true), 1), "{trace}");
        assert!(trace["services"].as_array().unwrap().len() >= 9, "{trace}");
    }
    // the fraud check, whose caller drops the context, is there by what else ties it
    let fraud: Vec<_> = lines.iter().filter(|v| v["operation"] == "POST /score").collect();
    assert!(!fraud.is_empty() && fraud.iter().all(|v| v["trace"]["inferred"] == "payload_id"));
}
