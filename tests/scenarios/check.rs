//! Comparing what meshtop said with the truth: flows, edges, findings. Pure functions of its records; running it is the tests' part.

use super::Expected;
use super::mesh::truth::{Tier, Truth};
use super::mesh::{Naming, Service, Svc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with the flows: they are to be the script's, number by number.
pub fn flows(truth: &Truth, records: &[Value]) -> Vec<String> {
    let mut told: Vec<_> = of(records, "flow").collect();
    told.sort_by_key(|flow| flow["id"].as_u64());
    let mut wrong = Vec::new();
    for n in 0..told.len().max(truth.flows.len()) {
        let (Some(is), Some(told)) = (truth.flows.get(n), told.get(n)) else {
            wrong.push(format!(
                "{} flows, {} told; the first beyond: {:?} {:?}",
                truth.flows.len(),
                told.len(),
                truth.flows.get(n),
                told.get(n)
            ));
            break;
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let ends = [&told["client"]["addr"], &told["server"]["addr"]].map(|addr| text(addr).unwrap_or_default());
        let same = told["id"] == n as u64 + 1
            && told["protocol"] == is.protocol
            && ends == is.ends
            && (is.operation.is_none() || text(&told["operation"]) == is.operation)
            && (is.status.is_none() || text(&told["status"]) == is.status);
        if !same {
            wrong.push(format!("flow {}: {is:?}\n  told {told}", n + 1));
        }
    }
    wrong
}

/// How well the edges of the trees are known, by tier as it was claimed; and as it is true, for what is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Edges that were claimed and are true.
    pub right: BTreeMap<Tier, u64>,
    /// Edges that were claimed and are not true, or not by such strong evidence.
    pub wrong: Vec<String>,
    /// Edges that are true, and were not claimed.
    pub unclaimed: BTreeMap<Tier, u64>,
    /// Those of them that the wire shows well enough.
    pub missing: Vec<String>,
    /// True edges that were claimed by weaker evidence than the wire holds, though it shows them well enough.
    pub weaker: Vec<String>,
}

impl Score {
    /// How many of the claimed edges are true.
    pub fn precision(&self) -> f64 {
        share(self.right.values().sum(), self.wrong.len() as u64)
    }

    /// How many of the true edges were claimed.
    pub fn recall(&self) -> f64 {
        share(self.right.values().sum(), self.unclaimed.values().sum())
    }
}

fn share(part: u64, rest: u64) -> f64 {
    if part + rest == 0 { 1.0 } else { part as f64 / (part + rest) as f64 }
}

/// Kinds of findings about flows without an ID: what they are because of is hardly known where nobody knows who calls, so that these may be
/// held back.
const HELD_BACK: &[&str] = &["trace_lost", "n_plus_one"];

/// Compares the trees.
pub fn edges(truth: &Truth, records: &[Value]) -> Score {
    let mut score = Score::default();
    let mut claimed = BTreeMap::new();
    let mut in_trace: BTreeMap<u64, String> = BTreeMap::new();
    for (id, trace) in traces(records) {
        let mut left: Vec<(Option<u64>, &Value)> = list(&trace["tree"]).map(|root| (None, root)).collect();
        while let Some((parent, node)) = left.pop() {
            let flow = node["flow"].as_u64().unwrap_or_default();
            if let Some(other) = in_trace.insert(flow, id.clone()) {
                score.wrong.push(format!("flow {flow} is in {id} and in {other}"));
            }
            if let Some(parent) = parent {
                claimed.insert(flow, (parent, node["link"].as_str().unwrap_or_default().to_owned(), node["leg"] == true));
            }
            left.extend(list(&node["children"]).map(|child| (Some(flow), child)));
        }
    }
    for (n, flow) in (1_u64..).zip(&truth.flows) {
        let told = claimed.remove(&n);
        let what = || format!("{n} {} {}", flow.protocol, flow.operation.as_deref().unwrap_or("?"));
        match (flow.parent, told) {
            (None, None) => {}
            (Some(edge), None) => {
                *score.unclaimed.entry(edge.tier).or_default() += 1;
                if edge.due {
                    score.missing.push(format!("{}: caused by {} ({})", what(), edge.parent, edge.tier.word()));
                }
            }
            (Some(edge), Some((parent, _, false))) if edge.leg => score.wrong.push(format!("{}: no leg of {parent}", what())),
            (is, Some((parent, link, _))) => {
                let tier = Tier::ALL.into_iter().find(|tier| tier.word() == link);
                match tier.filter(|tier| is.is_some_and(|edge| edge.parent == parent && edge.tier <= *tier)) {
                    Some(tier) => {
                        *score.right.entry(tier).or_default() += 1;
                        if is.is_some_and(|edge| edge.due && edge.tier < tier) {
                            score.weaker.push(format!("{}: {parent} by {link:?}, but {is:?}", what()));
                        }
                    }
                    None => score.wrong.push(format!("{}: {parent} by {link:?}, but {is:?}", what())),
                }
            }
        }
    }
    score.wrong.extend(claimed.iter().map(|(flow, (parent, ..))| format!("{flow}, which is no flow: caused by {parent}")));
    score
}

/// Who is who in a capture.
#[derive(Clone, Copy, Debug)]
pub struct Who<'m> {
    pub services: &'m [Service],
    pub names: Naming,
    /// Who called from which port.
    pub callers: &'m BTreeMap<u16, Svc>,
}

/// Kinds of findings about who may send from another port each time, who without a name is called by the address alone that all share.
const FROM_ANY_PORT: &[&str] = &["redelivery", "trace_malformed"];

/// What is wrong with the findings: they are to be the expected ones, and no others. The last word on each counts; how many of a kind a
/// service has is free, as long as they count as often in all. Where a title names anybody, it names who is at fault.
pub fn findings(expected: &[Expected], who: Who<'_>, records: &[Value]) -> Vec<String> {
    let mut told: BTreeMap<u64, &Value> = BTreeMap::new();
    for finding in of(records, "finding") {
        told.insert(finding["id"].as_u64().unwrap_or_default(), finding);
    }
    let mut left: Vec<_> = told.into_values().collect();
    let known = called(records);
    let mut wrong: Vec<_> =
        left.iter().filter(|finding| blames_another(finding, &known)).map(|f| format!("whose? {f}")).collect();
    for one in expected {
        let everybodys = |told: &str| told == "127.0.0.1" && !who.names.tells_callers() && FROM_ANY_PORT.contains(&one.kind);
        let is = |finding: &Value| {
            let same = |told| who.is(told, one.service) || everybodys(told);
            let nobodys = !who.names.tells_callers() && is_nobodys(finding);
            finding["kind"] == one.kind && finding["service"].as_str().map_or(nobodys, same)
        };
        let (these, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|finding| is(finding));
        left = others;
        let count: u64 = these.iter().filter_map(|finding| finding["count"].as_u64()).sum();
        let enough = if !who.names.tells_callers() && HELD_BACK.contains(&one.kind) { 0 } else { one.count };
        if !(enough..=one.count).contains(&count) {
            wrong.push(format!("{} by {}: {} times, told {count}", one.kind, who.services[one.service.0].name, one.count));
        }
    }
    wrong.extend(left.iter().map(|finding| format!("a false alarm: {finding}")));
    wrong
}

impl Who<'_> {
    /// Whether a service is called so: by its name, its address, where it listens, or where it called from.
    pub fn is(&self, told: &str, svc: Svc) -> bool {
        let service = &self.services[svc.0];
        let calls = || on_loopback(told).is_some_and(|port| self.callers.get(&port) == Some(&svc));
        match self.names {
            Naming::Processes => told == service.name,
            Naming::Containers => told.split(':').next() == Some(&format!("10.0.0.{}", 2 + svc.0)),
            Naming::Loopback => on_loopback(told) == Some(service.port) || calls(),
            Naming::Listeners => told == service.name || calls(),
        }
    }
}

/// Whether it is a client's fault of whom nothing is known, as its title says.
fn is_nobodys(finding: &Value) -> bool {
    finding["service"].is_null() && finding["title"].as_str().is_some_and(|title| title.starts_with("a client "))
}

/// What anybody is called in the flows.
fn called(records: &[Value]) -> BTreeSet<&str> {
    let ends = of(records, "flow").flat_map(|flow| [&flow["client"], &flow["server"]]);
    ends.flat_map(|end| [&end["service"], &end["addr"]]).filter_map(Value::as_str).collect()
}

/// Whether a title names others, and not who is at fault. A queue is nobody, whatever it is called.
fn blames_another(finding: &Value, known: &BTreeSet<&str>) -> bool {
    let words: Vec<_> = finding["title"].as_str().unwrap_or_default().split_whitespace().collect();
    let apart = |at: usize| at > 0 && ["queue", "exchange", "key"].contains(&words[at - 1]);
    let named = words.iter().enumerate().filter(|(at, _)| !apart(*at)).map(|(_, word)| word.trim_end_matches([',', ':']));
    let named: Vec<_> = named.filter(|word| known.contains(word)).collect();
    let at_fault = finding["service"].as_str().map_or(is_nobodys(finding), |service| named.contains(&service));
    !named.is_empty() && !at_fault
}

fn on_loopback(told: &str) -> Option<u16> {
    told.strip_prefix("127.0.0.1:")?.parse().ok()
}

/// The traces as they were told last: one that was told again holds the flows of the earlier telling.
pub fn traces(records: &[Value]) -> Vec<(String, &Value)> {
    let mut last: Vec<(String, BTreeSet<u64>, &Value)> = Vec::new();
    for trace in of(records, "trace") {
        let flows: BTreeSet<u64> = list(&trace["flows"]).filter_map(Value::as_u64).collect();
        let id = trace["trace_id"].as_str().unwrap_or_default().to_owned();
        last.retain(|(_, earlier, _)| !earlier.is_subset(&flows));
        last.push((id, flows, trace));
    }
    last.into_iter().map(|(id, _, trace)| (id, trace)).collect()
}

pub fn of<'r>(records: &'r [Value], kind: &'r str) -> impl Iterator<Item = &'r Value> {
    records.iter().filter(move |record| record["type"] == kind)
}

pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::mesh::Nat;
    use super::super::mesh::tracer::Sends;
    use super::super::mesh::truth::{Edge, Told};
    use super::*;
    use serde_json::json;

    fn told(parent: Option<(u64, Tier)>) -> Told {
        let ends = ["127.0.0.1:40000", "127.0.0.1:80"].map(str::to_owned);
        let parent = parent.map(|(parent, tier)| Edge { parent, tier, due: true, leg: false });
        Told { protocol: "http", operation: Some("GET /".into()), status: Some("200".into()), ends, parent }
    }

    fn flow(id: u64, status: &str) -> Value {
        let (client, server) = (json!({"addr": "127.0.0.1:40000"}), json!({"addr": "127.0.0.1:80", "service": "web"}));
        json!({"type": "flow", "id": id, "protocol": "http", "operation": "GET /", "status": status, "client": client, "server": server})
    }

    fn leaf(flow: u64, link: &str) -> Value {
        json!({"flow": flow, "link": link, "children": []})
    }

    fn trace(id: &str, flows: &[u64], roots: Value) -> Value {
        json!({"type": "trace", "trace_id": id, "flows": flows, "tree": roots})
    }

    #[test]
    fn flows_are_compared_number_by_number() {
        let truth = Truth { flows: vec![told(None), told(None)], ..Truth::default() };
        // in any order of telling
        assert_eq!(flows(&truth, &[flow(2, "200"), flow(1, "200")]), Vec::<String>::new());
        for wrong in [vec![], vec![flow(1, "200")], vec![flow(1, "200"), flow(3, "200")], vec![flow(1, "200"), flow(2, "500")]] {
            assert_eq!(flows(&truth, &wrong).len(), 1, "{wrong:?}");
        }
        let mut more = vec![flow(1, "200"), flow(2, "200"), flow(3, "200")];
        assert_eq!(flows(&truth, &more).len(), 1);
        more.truncate(2);
        more[1]["client"]["addr"] = "127.0.0.1:40001".into();
        assert_eq!(flows(&truth, &more).len(), 1);
    }

    #[test]
    fn edges_are_right_wrong_or_missing() {
        let flows = vec![told(None), told(Some((1, Tier::RequestId))), told(None)];
        let truth = Truth { flows, ..Truth::default() };
        let scored = |records: &[Value]| {
            let score = edges(&truth, records);
            (score.right.values().sum::<u64>(), score.wrong.len(), score.missing.len())
        };
        let one = |child| json!([{"flow": 1, "children": [child]}]);
        assert_eq!(scored(&[]), (0, 0, 1));
        assert_eq!(scored(&[trace("a", &[1, 2], one(leaf(2, "request_id")))]), (1, 0, 0));
        assert_eq!(scored(&[trace("a", &[1, 2], one(leaf(2, "time")))]), (1, 0, 0), "less is no lie");
        assert_eq!(scored(&[trace("a", &[1, 2], one(leaf(2, "trace_id")))]), (0, 1, 0), "more is one");
        assert_eq!(scored(&[trace("a", &[1, 2], one(leaf(2, "hearsay")))]), (0, 1, 0));
        assert_eq!(scored(&[trace("a", &[1, 3], one(leaf(3, "time")))]), (0, 1, 1), "it has no parent");
        assert_eq!(scored(&[trace("a", &[1, 9], one(leaf(9, "time")))]), (0, 1, 1), "there is no such flow");
        let other = json!([{"flow": 3, "children": [leaf(2, "request_id")]}]);
        assert_eq!(scored(&[trace("a", &[2, 3], other)]), (0, 1, 0), "another parent");
        // told again, it is the same trace; another one may not hold its flows
        let [alone, whole] =
            [trace("a", &[1], json!([{"flow": 1, "children": []}])), trace("a", &[1, 2], one(leaf(2, "request_id")))];
        assert_eq!(scored(&[alone, whole.clone()]), (1, 0, 0));
        let twice = trace("b", &[2, 3], json!([{"flow": 2, "children": []}, {"flow": 3, "children": []}]));
        assert_eq!(scored(&[whole, twice]).1, 1);
        let half = Score { right: [(Tier::Time, 3)].into(), unclaimed: [(Tier::Time, 1)].into(), ..Score::default() };
        assert!((half.precision(), half.recall()) == (1.0, 0.75));
    }

    #[test]
    fn findings_are_the_expected_ones_and_no_others() {
        let services = [Service { name: "web", port: 80, sends: Sends::Nothing, nat: Nat::default() }];
        let who = |names, callers| Who { services: &services, names, callers };
        let callers = [(50_000, Svc(0)), (50_001, Svc(1))].into();
        let expected = [Expected { kind: "trace_lost", service: Svc(0), count: 3 }];
        let found = |id: u64, kind: &str, service: &str, count: u64| json!({"type": "finding", "id": id, "kind": kind, "service": service, "count": count});
        let wrong = |records: &[Value]| findings(&expected, who(Naming::Processes, &callers), records).len();
        assert_eq!(wrong(&[]), 1);
        assert_eq!(wrong(&[found(1, "trace_lost", "web", 1), found(1, "trace_lost", "web", 3)]), 0, "its last word");
        assert_eq!(wrong(&[found(1, "trace_lost", "web", 1), found(2, "trace_lost", "web", 2)]), 0, "in two");
        assert_eq!(wrong(&[found(1, "trace_lost", "web", 4)]), 1);
        assert_eq!(wrong(&[found(1, "trace_lost", "db", 3)]), 2, "another's fault");
        assert_eq!(wrong(&[found(1, "trace_lost", "web", 3), found(2, "n_plus_one", "web", 1)]), 1, "a false alarm");
        let by_address =
            |names, service: &str| findings(&expected, who(names, &callers), &[found(1, "trace_lost", service, 3)]).len();
        assert_eq!(by_address(Naming::Containers, "10.0.0.2:80"), 0);
        assert_eq!(by_address(Naming::Containers, "10.0.0.3:80"), 2);
        assert_eq!(by_address(Naming::Loopback, "127.0.0.1:80"), 0);
        assert_eq!(by_address(Naming::Loopback, "127.0.0.1:81"), 1);
        assert_eq!(["127.0.0.1:50000", "127.0.0.1:50001", "127.0.0.1"].map(|at| by_address(Naming::Loopback, at)), [0, 1, 1]);
        // who the title names is at fault
        let titled = |title: &str| {
            let finding = json!({"type": "finding", "id": 1, "kind": "trace_lost", "service": "web", "count": 3, "title": title});
            let flow = json!({"type": "flow", "client": {"addr": "127.0.0.1:9", "service": "db"}, "server": {"addr": "1:2", "service": "web"}});
            wrong(&[flow, finding])
        };
        assert_eq!(
            ["web loses it to db: all", "messages from queue db", "db, then", "127.0.0.1:9 fails"].map(titled),
            [0, 0, 1, 1]
        );
    }
}
