//! Taps beside a real RabbitMQ: each message once, with and without the wire, nothing taken from consumers and nothing left behind.

use super::broker::{Broker, Peer, Watch, assert_once};
use super::program::{can_capture, run};

#[test]
fn a_tap_tells_each_message_once_and_takes_and_leaves_nothing() {
    let mut broker = Broker::start();
    let (url, before) = (broker.url.clone(), broker.ask("state"));

    let tap = Watch::start(&mut broker, &url, &[]);
    let published = broker.post(20, "bound");
    let (flows, _, told) = tap.end(&mut broker, "bound");
    assert_once(&published, &flows, "publish", 1);
    assert_eq!(flows.len(), published.len());
    assert!(told.lines().count() == 1 && told.contains(": the default exchange cannot be bound (firehose=on shows"), "{told}");
    assert!(flows.iter().all(|flow| flow["client"].is_null() && flow["direction"] == "to_server"), "who published is not known");
    assert!(
        flows.iter().all(|flow| flow["duration_us"].is_null() && flow["status"].is_null()),
        "nor what became of it, nor when"
    );
    broker.is_as(&before);

    // no message ends it, however it is made
    let tap = Watch::start(&mut broker, &url, &[]);
    assert_eq!(broker.ask("nested 15000"), "published");
    let published = broker.post(2, "deep");
    let deep = |line: &String| line.contains("the properties cannot be read") && line.contains("\"publish news\"");
    let (flows, ..) = tap.end_with(&mut broker, "deep", &|lines| assert_eq!(lines.iter().filter(|line| deep(line)).count(), 1));
    assert_once(&published, &flows, "publish", 1);
    broker.is_as(&before);

    // the traces of all that is published and delivered; switched on, and off again
    let firehose = format!("{url}&firehose=on");
    let tap = Watch::start(&mut broker, &firehose, &[]);
    let published = broker.post(20, "traced");
    let (flows, _, told) = tap.end(&mut broker, "traced");
    assert_once(&published, &flows, "publish", 1);
    assert_once(&published, &flows, "deliver", 1);
    assert!(flows.iter().all(|flow| flow["client"]["addr"].as_str().is_some_and(|addr| addr.starts_with("127.0.0.1:"))));
    assert!(told.lines().count() == 1 && told.contains("changes its state") && told.contains("kill"), "{told}");
    broker.is_as(&before);

    // killed: the queue goes with its connection
    let mut tap = Watch::start(&mut broker, &url, &[]);
    broker.post(2, "killed");
    tap.0.signal("KILL");
    tap.0.child.wait().unwrap();
    broker.post(2, "killed");
    broker.is_as(&before);

    // the broker goes, and the tap comes back with it
    let mut tap = Watch::start(&mut broker, &url, &[]);
    assert_eq!((&*broker.ask("stop"), &*broker.ask("begin")), ("stopped", "begun"));
    tap.catch_up(&mut broker);
    let published = broker.post(20, "again");
    let (flows, _, told) = tap.end(&mut broker, "again");
    assert_once(&published, &flows, "publish", 1);
    assert!(told.contains("trying again") && !told.contains("guest"), "{told}");
    broker.is_as(&before);

    // who is refused is told so, and not by name
    let refused = url.replace("guest:guest", "ann:hidden");
    let refused = run(&["--tap", &refused, "--json"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.lines().count() == 1 && told.contains("refuses this login"), "{told}");
    assert!(!told.contains("ann") && !told.contains("hidden"), "{told}");
}

#[test]
fn what_wire_and_tap_both_tell_is_one_flow_with_two_sources() {
    if !can_capture("what_wire_and_tap_both_tell_is_one_flow_with_two_sources") {
        return;
    }
    let mut broker = Broker::start();
    let filter = format!("tcp port {} or tcp port {}", broker.port, broker.management);
    let both = ["-i", "lo", "-f", &filter];
    let look = |told: &[String]| assert!(!told.iter().any(|line| line.contains("\"http\"")), "our questions are shown");
    let url = broker.url.clone();

    let tap = Watch::start(&mut broker, &url, &both);
    let published = broker.post(20, "both");
    let (flows, stats, _) = tap.end_with(&mut broker, "both", &look);
    assert_once(&published, &flows, "publish", 2);
    assert_once(&published, &flows, "deliver", 1);
    assert!(flows.iter().filter(|flow| flow["pattern"] == "publish").all(|flow| flow["status"] == "ack"), "the wire knows more");
    assert!(flows.iter().all(|flow| !flow["operation"].as_str().unwrap().contains("meshtop.tap")), "we are not on the screen");
    assert!(stats["passed_over"]["our own connections"].as_u64().is_some_and(|n| n > 0), "{stats}");

    let firehose = format!("{url}&firehose=on");
    let tap = Watch::start(&mut broker, &firehose, &both);
    let published = broker.post(20, "all");
    let (flows, ..) = tap.end_with(&mut broker, "all", &look);
    assert_once(&published, &flows, "publish", 2);
    assert_once(&published, &flows, "deliver", 2);
}

#[test]
fn each_peers_messages_are_told_once_by_the_wire_by_a_tap_and_by_both() {
    let mut broker = Broker::start();
    let (filter, url) = (format!("tcp port {}", broker.port), format!("{}&firehose=on", broker.url));
    let (tap, wire) = (["--tap", &*url], ["-i", "lo", "-f", &*filter]);
    let both = [tap, [wire[0], wire[1]], [wire[2], wire[3]]].concat();
    let captures = can_capture("each_peers_messages_are_told_once_by_the_wire_and_by_both");
    for (args, sources, on_wire) in [(&tap[..], 1, false), (&wire[..], 1, true), (&both[..], 2, true)] {
        if on_wire && !captures {
            continue;
        }
        let watch = Watch::start_with(&mut broker, args, &[]);
        let peers = [Peer::Pika, Peer::Amqplib, Peer::Lapin];
        let published = peers.map(|peer| broker.post_by(peer, 10, &format!("peer.{peer:?}"))).concat();
        let (flows, stats, _) = watch.end(&mut broker, "peer");
        assert_once(&published, &flows, "publish", sources);
        assert_once(&published, &flows, "deliver", sources);
        assert!(flows.iter().all(|flow| (flow["status"] == "ack") == on_wire), "the wire tells what became of it: {args:?}");
        assert_eq!(stats["dropped"]["meshtop"], 0, "{stats}");
    }
}

#[test]
fn the_last_of_those_that_trace_switches_it_off() {
    let mut broker = Broker::start();
    let (url, before) = (format!("{}&firehose=on", broker.url), broker.ask("state"));
    let is_traced = |broker: &mut Broker| broker.ask("state").contains("\"tracing\": true");
    let first = Watch::start(&mut broker, &url, &[]);
    let second = Watch::start(&mut broker, &url, &[]);
    let (_, _, told) = first.end(&mut broker, "none");
    assert!(told.contains("changes its state") && is_traced(&mut broker), "{told}");
    let published = broker.post(2, "alone");
    let (flows, _, told) = second.end(&mut broker, "alone");
    assert_once(&published, &flows, "deliver", 1);
    assert_eq!(told, "", "it did not switch it on");
    broker.is_as(&before);

    // two of one program
    let twice = Watch::start(&mut broker, &url, &["--tap", &url]);
    let published = broker.post(2, "twice");
    let (flows, _, told) = twice.end(&mut broker, "twice");
    assert_eq!(flows.len(), 4 * published.len(), "two taps tell of two messages: {told}");
    broker.is_as(&before);

    // what somebody else has switched on stays on
    broker.ask("trace");
    let traced = Watch::start(&mut broker, &url, &[]);
    let (_, _, told) = traced.end(&mut broker, "none");
    assert!(is_traced(&mut broker), "{told}");
}
