//! What a tap meets in brokers as people have them: exchanges that go and come again, policies for all queues, messages by way of others
//! and of any bytes, rights that it lacks. It changes nothing of that, and says what it does not see.

use super::broker::{Broker, Watch, assert_once};
use super::program::{can_capture, run};
use std::time::Duration;

/// Has something published until it shows.
fn shows(watch: &mut Watch, broker: &mut Broker, publish: &str, is: &str) {
    let before = watch.1.len();
    for _ in 0..100 {
        broker.ask(publish);
        while let Some(line) = watch.0.line_within(Duration::from_millis(500)) {
            watch.1.push(line);
        }
        if watch.1[before..].iter().any(|line| line.contains(is)) {
            return;
        }
    }
    panic!("{publish} does not show: {:#?}", watch.1);
}

#[test]
fn an_exchange_that_goes_with_its_last_binding_stays_and_one_that_comes_again_is_watched() {
    let mut broker = Broker::start();
    broker.ask("exchange passing topic {\"auto_delete\":true}");
    broker.ask("exchange again topic");
    let (url, before) = (broker.url.clone(), broker.ask("state"));
    for named in ["", "&exchange=passing&exchange=news&exchange=shop&exchange=jobs&exchange=files"] {
        let tap = Watch::start(&mut broker, &format!("{url}{named}"), &[]);
        let (.., told) = tap.end(&mut broker, "none");
        assert!(told.lines().count() == 1 && told.contains("'passing' is auto-delete") && told.contains("firehose=on"), "{told}");
        broker.is_as(&before);
    }

    let mut tap = Watch::start(&mut broker, &format!("{url}&exchange=again&exchange=news&exchange=files"), &[]);
    shows(&mut tap, &mut broker, "publish again k first", "\"first\"");
    broker.ask("delete again");
    broker.ask("exchange again topic");
    shows(&mut tap, &mut broker, "publish again k second", "\"second\"");
    tap.end(&mut broker, "none");
    broker.is_as(&before);
}

#[test]
fn without_a_management_api_it_is_asked_whether_an_exchange_goes_with_its_last_binding() {
    let mut broker = Broker::start_as("bare");
    broker.ask("exchange passing topic {\"auto_delete\":true}");
    broker.ask("exchange lasting topic {\"auto_delete\":true,\"durable\":true,\"arguments\":{\"alternate-exchange\":\"news\"}}");
    let url = format!("{}&exchange=passing&exchange=lasting&exchange=news&exchange=files", broker.url);
    let tap = Watch::start(&mut broker, &url, &[]);
    let published = broker.post(2, "bare");
    let (flows, _, told) = tap.end(&mut broker, "bare");
    let wanted: Vec<_> = published.into_iter().filter(|m| m["exchange"] == "news" || m["exchange"] == "files").collect();
    assert_once(&wanted, &flows, "publish", 1);
    for name in ["passing", "lasting"] {
        assert!(told.contains(&format!("'{name}' is auto-delete")), "{told}");
        assert_eq!(broker.ask(&format!("there {name}")), "there");
    }
}

#[test]
fn a_policy_for_all_queues_sends_nothing_of_a_tap_elsewhere() {
    let mut broker = Broker::start();
    broker.ask("exchange dlx fanout");
    broker.ask("queue dlq dlx");
    for policy in ["{\"dead-letter-exchange\":\"dlx\"}", "{\"dead-letter-exchange\":\"dlx\",\"message-ttl\":50}"] {
        broker.ask(&format!("policy {policy}"));
        let url = format!("{}&exchange=news&exchange=files&rate=1000000", broker.url);
        let mut tap = Watch::start(&mut broker, &url, &[]);
        tap.0.signal("STOP");
        assert_eq!(broker.ask("flood 11500 flood"), "published");
        tap.0.signal("CONT");
        tap.catch_up(&mut broker);
        tap.end(&mut broker, "none");
        assert_eq!(broker.ask("count dlq"), "0", "{policy}");
    }
}

#[test]
fn what_a_tap_may_not_do_is_told_in_the_brokers_words() {
    let mut broker = Broker::start();
    broker.ask("user ann hidden shop");
    let refused = run(&["--tap", &broker.url.replace("guest:guest", "ann:hidden"), "--json"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("access to queue 'meshtop.tap.") && told.contains("in vhost '/' refused"), "{told}");
    assert!(!told.contains("login") && !told.contains("ann") && !told.contains("hidden"), "{told}");
}

#[test]
fn messages_of_any_bytes_are_told_and_those_beside_them() {
    let mut broker = Broker::start();
    let url = broker.url.clone();
    for (more, pattern) in [("", "publish"), ("&firehose=on", "publish")] {
        let tap = Watch::start(&mut broker, &format!("{url}{more}"), &[]);
        assert_eq!(broker.ask("bytes 40 bytes"), "published");
        let (flows, stats, told) = tap.end(&mut broker, "bytes");
        let flows: Vec<_> = flows.iter().filter(|flow| flow["pattern"] == pattern).collect();
        // that the default exchange is left out, or what the firehose costs
        assert_eq!((flows.len(), told.lines().count()), (40, 1), "{told}");
        assert_eq!(stats["dropped"]["meshtop"], 0);
        for (n, flow) in flows.iter().enumerate() {
            let (key, correlation) = (&flow["amqp"]["routing_key"], &flow["amqp"]["properties"]["correlation_id"]);
            let odd = "ÿþ\u{80}";
            assert_eq!(
                (key.as_str(), correlation.as_str()),
                if n % 10 == 0 { (Some(odd), Some(odd)) } else { (Some("k"), Some("c")) }
            );
            let names: Vec<_> = flow["amqp"]["properties"]["headers"].as_object().unwrap().keys().collect();
            assert_eq!(names, ["b", "a"], "in the order of the wire");
        }
    }
}

#[test]
fn what_comes_to_a_chosen_exchange_by_another_or_by_another_key_is_told() {
    let mut broker = Broker::start();
    for what in [
        "exchange a.b topic",
        "exchange a.other fanout",
        "exchange a.all fanout",
        "exchange a topic {\"arguments\":{\"alternate-exchange\":\"a.other\"}}",
        "join a a.b b",
    ] {
        broker.ask(what);
    }
    let (url, before) = (broker.url.clone(), broker.ask("state"));
    let mut tap = Watch::start(&mut broker, &format!("{url}&exchange=a.b&exchange=a.other&exchange=news&exchange=files"), &[]);
    broker.ask("publish a b joined");
    broker.ask("publish a x other");
    shows(&mut tap, &mut broker, "publish a.b b last", "\"last\"");
    tap.end_with(&mut broker, "none", &|lines| {
        let told = |id: &str| lines.iter().filter(|line| line.contains(id) && line.contains("\"publish a ")).count();
        assert_eq!((told("\"joined\""), told("\"other\"")), (1, 1), "{lines:#?}");
    });
    broker.is_as(&before);

    // another key that it is routed by; and one that an exchange that is bound whole, is given besides
    let mut tap =
        Watch::start(&mut broker, &format!("{url}&exchange=a&exchange=a.all&exchange=news&exchange=files&key=also&key="), &[]);
    broker.ask("publish a x copied also");
    broker.ask("publish a.all x unasked");
    broker.ask("publish a.all x asked also");
    shows(&mut tap, &mut broker, "publish a also last", "\"last\"");
    tap.end_with(&mut broker, "none", &|lines| {
        let told = |id: &str| lines.iter().filter(|line| line.contains(id)).count();
        assert_eq!((told("\"copied\""), told("\"unasked\""), told("\"asked\"")), (1, 0, 1), "{lines:#?}");
    });
    broker.is_as(&before);
}

#[test]
fn another_ones_tap_is_not_on_the_wire() {
    if !can_capture("another_ones_tap_is_not_on_the_wire") {
        return;
    }
    let mut broker = Broker::start();
    let (filter, url) = (format!("tcp port {}", broker.port), broker.url.clone());
    let other = Watch::start(&mut broker, &url, &[]);
    // joined late, and then from its beginning
    let mut wire = Watch::start_with(&mut broker, &["-i", "lo", "-f", &filter], &[]);
    other.end(&mut broker, "none");
    let other = Watch::start(&mut broker, &url, &[]);
    let published = broker.post(5, "wire");
    wire.show(&mut broker, "after", |line| line.contains("\"after.files.0\"") && line.contains("\"deliver\""));
    other.end(&mut broker, "none");
    let (flows, stats, _) = wire.end_with(&mut broker, "wire", &|lines| {
        let shown: Vec<_> = lines.iter().filter(|line| line.contains("meshtop.tap")).collect();
        assert!(shown.is_empty(), "{shown:#?}");
    });
    assert_once(&published, &flows, "publish", 1);
    assert_once(&published, &flows, "deliver", 1);
    assert!(stats["tap_bytes"].as_u64().is_some_and(|n| n > 0), "{stats}");
}
