//! What a tap meets in brokers as people have them: exchanges that go and come again, policies for all queues, messages by way of others
//! and of any bytes, rights that it lacks. It changes nothing of that, and says what it does not see.

use super::broker::{Broker, Watch, assert_once};
use super::program::run;
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
