use super::super::tree::tests::hop;
use super::super::tree::tree;
use super::super::{Traces, settled};
use super::*;
use crate::engine::findings::rig::flow;
use crate::model::{Detail, Issue};

/// The trees of traces once all of them were learned from.
fn trees(traces: &[&[&str]]) -> Vec<String> {
    trees_beside(traces, &[])
}

/// The same where it could not be seen of which trace some others are.
fn trees_beside(traces: &[&[&str]], unseen: &[&str]) -> Vec<String> {
    let hops = |lines: &[&str]| lines.iter().enumerate().map(|(n, line)| hop(n as u64 + 1, line)).collect::<Vec<_>>();
    let mut traces: Vec<_> = traces.iter().map(|lines| hops(lines)).collect();
    let mut callers = Callers::default();
    unseen.iter().for_each(|line| callers.unseen(&hop(0, line)));
    traces.iter().for_each(|hops| callers.learn(hops));
    traces.iter_mut().for_each(|hops| callers.tell(hops));
    let told = |hops: &Vec<Hop>| {
        let nodes = tree(hops);
        nodes.iter().map(|node| format!("{}{}", ".".repeat(node.depth), node.flow.0)).collect::<Vec<_>>().join(" ")
    };
    traces.iter().map(told).collect()
}

#[test]
fn a_connection_has_one_sender() {
    let [asked, first, second] =
        ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:7>127.0.0.1:81 10-60", "127.0.0.1:8>127.0.0.1:82 20-50"];
    // the second call is because of the request, as it is where the first is not there
    assert_eq!(trees(&[&[asked, first, second]]), ["1 .2 ..3"], "one alone tells nothing");
    assert_eq!(trees(&[&[asked, first, second], &[asked, second]]), ["1 .2 .3", "1 .2"]);
    // each time: it is the first one's
    assert_eq!(trees(&[&[asked, first, second][..]; 4]), ["1 .2 ..3"; 4]);
    // it is none of those that were asked now one and now the other
    let other = "10.0.0.9:5>127.0.0.1:90 0-100";
    let each = [&[asked, second][..], &[other, second]];
    assert_eq!(trees(&each), ["1 .2"; 2], "two may be chance");
    assert_eq!(trees(&[each[0], each[1], each[0], each[1]]), ["1 2"; 4]);
    // one of many is because of something that was not seen
    let mut many = vec![each[0]; 20];
    many.push(each[1]);
    let told = trees(&many);
    assert_eq!((&*told[0], &*told[20]), ("1 .2", "1 2"));
}

#[test]
fn what_outlived_an_error_does_not_tell_against_who_answered_with_it() {
    let [asked, call] = ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:8>127.0.0.1:82 20-50 last=50"];
    let within = [asked, "127.0.0.1:7>127.0.0.1:81 10-60", call];
    let first = |other: &str| {
        let beyond = [asked, other, call];
        trees(&[&within, &within, &within, &beyond, &beyond]).swap_remove(0)
    };
    assert_eq!(first("127.0.0.1:7>127.0.0.1:81 10-30 bad=yes"), "1 .2 ..3");
    assert_eq!(first("127.0.0.1:7>127.0.0.1:81 10-30"), "1 .2 .3");
}

#[test]
fn who_may_have_been_asked_unseen_may_have_sent_it() {
    let [asked, first, second] =
        ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:7>127.0.0.1:81 10-60", "127.0.0.1:8>127.0.0.1:82 20-50"];
    let traces = [&[asked, first, second][..], &[asked, second]];
    let beside = |unseen: &str| trees_beside(&traces, &[unseen]);
    assert_eq!(beside("127.0.0.1:9>127.0.0.1:81 5-60"), ["1 .2 ..3", "1 .2"]);
    // somewhere else, and once all of it was over
    assert_eq!(beside("127.0.0.1:9>127.0.0.1:83 5-60"), ["1 .2 .3", "1 .2"]);
    assert_eq!(beside("127.0.0.1:9>127.0.0.1:81 200-260"), ["1 .2 .3", "1 .2"]);
    // of more than are remembered nobody knows where
    let many = vec!["127.0.0.1:9>127.0.0.1:83 200-260"; MAX_UNSEEN + 1];
    assert_eq!(trees_beside(&traces, &many), ["1 .2 ..3", "1 .2"]);
}

#[test]
fn what_a_connection_was_joined_with_was_seen_and_a_store_asks_nobody() {
    let of = |pattern, notes: &[Issue]| {
        let mut flow = flow(1, pattern, "http", "127.0.0.1:7>127.0.0.1:81 0-9 GET /healthz 200");
        let detail = flow.detail.as_deref().unwrap().clone();
        flow.detail = Some(Detail { notes: notes.to_vec(), ..detail }.into());
        let mut traces = Traces::new(0, true);
        traces.alone(flow.as_ref(), &settled(flow.as_ref(), false));
        traces.callers.map_or(0, |callers| callers.unseen.len())
    };
    let unseen = |notes: &[Issue]| of(Pattern::RequestResponse, notes);
    assert_eq!((unseen(&[]), unseen(&[Issue::JOINED])), (0, 0));
    assert_eq!((unseen(&[Issue::GAP]), unseen(&[Issue::JOINED, Issue::GAP])), (1, 1));
    assert_eq!(of(Pattern::Query, &[Issue::GAP]), 0);
}

#[test]
fn what_came_first_on_a_connection_that_was_joined_is_all_there_unless_its_fields_are_numbers() {
    let seen = |layers: &[&'static str], notes: &[Issue]| {
        let mut flow = flow(1, Pattern::RequestResponse, "http", "gate>orders 0-9 GET /orders 200");
        let detail = flow.detail.as_deref().unwrap().clone();
        flow.detail = Some(Detail { notes: notes.to_vec(), layers: layers.to_vec(), ..detail }.into());
        settled(flow.as_ref(), false).seen
    };
    assert!(seen(&[], &[]) && seen(&[], &[Issue::JOINED]) && seen(&["http2"], &[]));
    assert!(!seen(&["http2"], &[Issue::JOINED]));
    assert!(!seen(&[], &[Issue::GAP]) && !seen(&[], &[Issue::JOINED, Issue::GAP]));
}

#[test]
fn what_is_sent_once_all_is_answered_is_not_because_of_what_is_open_by_chance() {
    let [asked, call] = ["10.0.0.9:5>127.0.0.1:80 0-10", "127.0.0.1:7>127.0.0.1:81 5-90"];
    let events: Vec<_> = (100..150).map(|port| format!("127.0.0.1:{port}>127.0.0.1:82 50-60")).collect();
    let open = |n: usize| vec![asked, call, &events[n]];
    let after = |n: usize| vec![asked, &events[n]];
    let first = |traces: &[Vec<&str>]| trees(&traces.iter().map(Vec::as_slice).collect::<Vec<_>>()).remove(0);
    assert_eq!(first(&[open(0), after(1), after(2)]), "1 .2 ..3", "two may be exceptions");
    assert_eq!(first(&[open(0), after(1), after(2), after(3)]), "1 .2 3");
    // few of many are
    let many: Vec<_> = (0..30).map(open).chain((40..43).map(after)).collect();
    assert_eq!(first(&many), "1 .2 ..3");
    // so is what its connection tells, unless that is used after the answer too
    let same = [open(0), open(0), open(0), after(1), after(2), after(3)];
    assert_eq!(first(&same), "1 .2 ..3");
    assert_eq!(first(&[&same[..], &[after(0)]].concat()), "1 .2 3");
    // another kind is another matter
    let other = vec![asked, call, "127.0.0.1:8>127.0.0.1:83 50-60"];
    assert_eq!(first(&[other, after(1), after(2), after(3)]), "1 .2 ..3");
    // what began while something was open says nothing
    let still = |n: usize| vec!["10.0.0.9:5>127.0.0.1:80 0-55", &events[n]];
    assert_eq!(first(&[open(0), still(1), still(2), still(3)]), "1 .2 ..3");
}

#[test]
fn a_port_that_is_used_again_is_another_senders() {
    let lines = ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:8>127.0.0.1:82 20-50"].map(|line| hop(1, line));
    let mut callers = Callers::default();
    callers.learn(&[Hop { flow: crate::model::FlowId(0), ..lines[0].clone() }, lines[1].clone()]);
    assert_eq!(callers.known.len(), 1);
    callers.began("127.0.0.1:8".parse().unwrap());
    assert!(callers.known.is_empty());
}

#[test]
fn who_sent_none_of_a_kind_whose_senders_are_known_did_not_send_the_others() {
    fn ask(call: &str) -> [&str; 3] {
        ["10.0.0.9:5>gate=127.0.0.1:80 0-100 pids=1,2", "gate=127.0.0.1:7>bill=127.0.0.1:81 10-90 pids=2,3", call]
    }
    let unknown = "127.0.0.1:8>ship=127.0.0.1:82 20-50";
    let first = |sender: &str, known: usize| {
        let call = format!("{sender} 20-50");
        let mut traces = vec![ask(unknown)];
        traces.resize(1 + known, ask(&call));
        trees(&traces.iter().map(|lines| &lines[..]).collect::<Vec<_>>()).remove(0)
    };
    let by_gate = "gate=127.0.0.1:9>ship=127.0.0.1:82";
    assert_eq!(first(by_gate, 3), "1 .2 .3");
    // two are few: but any may be whose those are
    assert_eq!(first(by_gate, 2), "1 .2 3");
    assert_eq!(first("bill=127.0.0.1:9>ship=127.0.0.1:82", 3), "1 .2 ..3");
    // one whose process is not known may send what nobody is known by
    let call = format!("{by_gate} 20-50");
    let asked = ["10.0.0.9:5>gate=127.0.0.1:80 0-100 pids=1,2", "gate=127.0.0.1:7>bill=127.0.0.1:81 10-90"];
    let [unknown, known] = [unknown, &call].map(|call| [asked[0], asked[1], call]);
    assert_eq!(trees(&[&unknown, &known, &known, &known]).remove(0), "1 .2 3");
}

#[test]
fn who_was_at_nothing_when_others_of_a_kind_were_sent_is_no_likelier() {
    let [asked, first] = ["10.0.0.9:5>127.0.0.1:80 0-100", "127.0.0.1:7>127.0.0.1:81 10-60"];
    // a connection each
    let calls: Vec<_> = (100..2000).map(|port| format!("127.0.0.1:{port}>127.0.0.1:82 20-50 last=50")).collect();
    let within = |n: usize| vec![asked, first, &calls[n]];
    let told = |traces: &[Vec<&str>]| trees(&traces.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(told(&[within(0), within(1)]), ["1 .2 ..3"; 2]);
    assert_eq!(told(&[within(0), within(1), vec![asked, &calls[2]]]), ["1 .2 3", "1 .2 3", "1 .2"]);
    // nor who was answered before
    let before = vec![asked, "127.0.0.1:7>127.0.0.1:81 10-40", &calls[2]];
    assert_eq!(told(&[within(0), before]), ["1 .2 3", "1 .2 .3"]);
    // and not whom he asks
    let inner = vec![asked, first, "127.0.0.1:6>127.0.0.1:83 15-55", &calls[2]];
    assert_eq!(told(&[inner.clone(), within(0)]), ["1 .2 ..3 4", "1 .2 ..3"]);
    // one of a thousand may not have been captured
    let many: Vec<_> = (0..1001).map(within).chain([vec![asked, &calls[1001]]]).collect();
    assert_eq!(told(&many)[0], "1 .2 ..3");
}

#[test]
fn what_now_and_then_outlives_another_one_lies_beside_it() {
    // two that are asked because of a page without an ID
    let [first, within, beyond] = [
        "127.0.0.1:7>127.0.0.1:81 10-60 last=60",
        "127.0.0.1:8>127.0.0.1:82 11-50 last=50",
        "127.0.0.1:8>127.0.0.1:82 11-70 last=70",
    ];
    assert_eq!(trees(&[&[first, within][..]; 3]), ["1 .2"; 3]);
    assert_eq!(trees(&[&[first, within], &[first, beyond], &[first, within]]), ["1 2"; 3]);
    // one of many may be one that nobody waited for
    let [most, last] = [[first, within], [first, beyond]];
    assert_eq!(trees(&[&[&most[..]; 10][..], &[&last]].concat())[0], "1 .2");
    // nor is anything else asked beside it, or where it went wrong
    assert_eq!(trees(&[&[first, within], &[first, &beyond.replace("82", "83")]])[0], "1 .2");
    assert_eq!(trees(&[&[first, within], &[&format!("{first} bad=yes"), beyond]])[0], "1 .2");
    // of two of a kind either may be the one
    let another = "127.0.0.1:9>127.0.0.1:81 9-90 last=90";
    assert_eq!(trees(&[&[first, within], &[another, first, beyond]])[0], "1 .2");
}
