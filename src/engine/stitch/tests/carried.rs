//! What several requests have to do with, of which one carries a value, or did before it was answered.

use super::check;

/// What happened `before`, and then this.
fn told(before: &[String], then: &[&str], wanted: &[&str]) {
    let all: Vec<_> = before.iter().map(String::as_str).chain(then.iter().copied()).collect();
    check(&all, wanted);
}

#[test]
fn a_value_is_one_of_many_where_others_of_its_kind_share_none() {
    let asks = |n: u64, of: &str| format!("gate>users {}-{} op=GET_/users/cust-00042 body={of}", n + 20, n + 30);
    let (one, other) = ("web>gate 1001-1090 id=t body=cust-00042", "web>gate 1002-1080 id=u");
    let told = |before: &[String], wanted: &[&str]| {
        let lines = before
            .iter()
            .map(String::as_str)
            .chain([one, other])
            .chain(["gate>users 1020-1030 op=GET_/users/cust-00042 body=cust-00042"]);
        check(&lines.collect::<Vec<_>>(), wanted);
    };
    told(&[], &["1 .p3", "2"]);
    // of which nobody knows where the sender has it from
    told(&["web>gate 1-90 id=s".into(), asks(0, "cust-00017")], &["1 .s2", "3", "4"]);
    // what carries no value says nothing of them
    told(&["web>gate 1-90 id=s".into(), asks(0, "all")], &["1 .s2", "3 .p5", "4"]);
}

#[test]
fn a_value_that_all_requests_of_a_sort_carry_is_of_none_of_them() {
    // each message of a broadcast names its sender, who sends that name as well
    let beat = |at: u64, name: &str| format!("mq>-gate {at}-{} queue=beats mid=m{at} body={name}", at + 80);
    let before = |name: fn(u64) -> String| -> Vec<String> { (1..=3).map(|n| beat(n * 1000, &name(n))).collect() };
    let then = [&*(beat(9001, "gate-00042") + " id=u"), "web>gate 9002-9090 id=t", "gate>?db 9020-9030 body=gate-00042"];
    told(&before(|_| "gate-00042".into()), &then, &["4", "5"]);
    told(&before(|n| format!("gate-0004{n}")), &then, &["4 .p6", "5"]);
}

#[test]
fn a_value_that_is_sent_whether_or_not_a_request_brings_it_is_its_senders() {
    let ask = |at: u64| format!("gate>?db {at}-{} body=gate-00042", at + 10);
    let then = ["web>gate 9001-9090 id=t body=gate-00042", "web>gate 9002-9080 id=u", &ask(9020)];
    let before = ["web>gate 1-9 id=s".to_owned(), ask(1000), ask(3000)];
    told(&before, &then, &["1", "4", "5"]);
    // who creates something sends its ID first
    told(&before[..2], &then, &["1", "3 .p5", "4"]);
    // all of it on one occasion
    told(&[&before[..2], &[ask(1020)]].concat(), &then, &["1", "4 .p6", "5"]);
}

#[test]
fn what_is_asked_twice_below_one_request_may_be_because_of_the_other_one() {
    let page = |first: &str| -> Vec<String> {
        let (one, other) = ("web>gate 9001-9090 id=t op=GET_/orders body=cust-00042", "web>gate 9002-9095 id=u op=GET_/me");
        let calls = ["gate>?db 9020-9030 body=cust-00042", first];
        [one, other].into_iter().chain(calls.into_iter().filter(|call| !call.is_empty())).map(str::to_owned).collect()
    };
    let ask = |before: &[String], page: Vec<String>, wanted: &[&str]| {
        told(before, &page.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    };
    let again = |from: u64| format!("gate>?db {from}-{} body=cust-00042", from + 10);
    // neither, also where the first is over long before the second comes
    ask(&[], page(&again(9035)), &["1", "2"]);
    ask(&[], page(&again(9070)), &["1", "2"]);
    // one that comes once, or is another one
    ask(&[], page(""), &["1 .p3", "2"]);
    ask(&[], page("gate>?db 9035-9045 body=cust-00017"), &["1 .p3", "2"]);
    ask(&[], page("gate>?db 9035-9045 body=cust-00042:cup-6"), &["1 .p3 .p4", "2"]);
    // who carries it asks for it twice when nothing else is open
    let before = ["web>gate 1-90 id=s op=GET_/orders body=cust-00017", "gate>?db 20-30 body=cust-00017"].map(str::to_owned);
    let twice = [&before[..], &["gate>?db 40-50 body=cust-00017".to_owned()]].concat();
    ask(&twice, page(&again(9035)), &["1 .p2 .p3", "4 .p6 .p7", "5"]);
    ask(&before, page(&again(9035)), &["1 .p2", "3", "4"]);
    // once known, one is enough
    let known = [&page(&again(9035))[..], &["web>gate 9101-9190 id=v op=GET_/orders body=cust-00043".to_owned()]].concat();
    let me = |op: &str| format!("web>gate 9102-9190 id=w op=GET_/{op}");
    let then = "gate>?db 9120-9130 body=cust-00043";
    told(&known, &[&me("me"), then], &["1", "2", "5", "6"]);
    told(&known, &[&me("help"), then], &["1", "2", "5 .p7", "6"]);
    // another service's request is nothing to it
    let orders = "web>gate 9001-9090 id=t op=GET_/orders body=cust-00042";
    told(&[], &[orders, "web>shop 9002-9095 id=u op=GET_/me", &again(9020), &again(9035)], &["1 .p3 .p4", "2"]);
}

#[test]
fn a_request_that_causes_such_calls_by_what_it_does_not_carry_may_have_caused_one_more() {
    let orders = |n: u64| {
        let (at, body) = (n * 1000, format!("body=cust-000{}", n + 10));
        [
            format!("web>gate {}-{} id=t{n} op=GET_/orders {body}", at + 1, at + 90),
            format!("gate>?db {}-{} {body}", at + 20, at + 30),
        ]
    };
    let mut before: Vec<_> = (0..20).flat_map(orders).collect();
    let mut wanted: Vec<_> = (0..20).map(|n| format!("{} .p{}", 2 * n + 1, 2 * n + 2)).collect();
    let page = ["web>gate 31001-31090 id=v op=GET_/orders body=cust-00051", "web>gate 31002-31095 id=w op=GET_/me"];
    let page = [page[0], page[1], "gate>?db 31020-31030 body=cust-00051"];
    let told = |before: &[String], wanted: &[String], more: &[&str]| {
        told(before, &page, &wanted.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>());
    };
    told(&before, &wanted, &["41 .p43", "42"]);
    before.extend(["web>gate 30001-30090 id=u op=GET_/me", "gate>?db 30020-30030 body=cust-00050"].map(str::to_owned));
    wanted.push("41 .s42".to_owned());
    told(&before, &wanted, &["43", "44"]);
}

#[test]
fn work_that_was_accepted_is_tied_by_a_value_that_one_request_alone_brought() {
    let one =
        |n: u64, body: &str, status: u64| format!("web>gate {}-{} id=t{n} status={status} body={body}", n * 100 + 1, n * 100 + 9);
    let told = |first: &str, second: &str, status: u64, later: &[&str], wanted: &[&str]| {
        let two = [one(0, first, status), one(1, second, status)];
        check(&two.iter().map(String::as_str).chain(later.iter().copied()).collect::<Vec<_>>(), wanted);
    };
    let (a, b) = ("order-4711,tenant-0042", "order-4712,tenant-0042");
    told(a, b, 202, &["gate>bank 200-210 body=order-4711"], &["1 .p3", "2"]);
    // also beside one that it does not belong to, and again
    let other = "web>gate 195-290 id=u";
    told(a, b, 202, &[other, "gate>bank 200-210 body=order-4711", "gate>?db 220-230 body=order-4711"], &["1 .p4 .p5", "2", "3"]);
    // a value of several, one that was sent before it came, one of no request, and what was answered for good
    told(a, b, 202, &["gate>bank 200-210 body=tenant-0042"], &["1", "2"]);
    told(a, b, 202, &["gate>bank 50-60 body=order-4712", "gate>bank 200-210 body=order-4712"], &["1", "3"]);
    told(a, b, 202, &["gate>bank 200-210 body=order-4713", "other>bank 220-230 body=order-4711"], &["1", "2"]);
    told(a, b, 200, &["gate>bank 200-210 body=order-4711"], &["1", "2"]);
    // of two requests
    told(a, b, 202, &["gate>bank 200-210 body=order-4711,order-4712"], &["1", "2"]);
    // what was refused and asked again is the one that was taken; nobody can tell of what was taken twice
    let again = "web>gate 120-130 id=u status=202 body=order-4712";
    let (later, of_its_own) = ("gate>bank 200-210 body=order-4712", "gate>bank 200-210 id=v body=order-4712");
    for (status, later, wanted) in [
        (503, later, &["1", "2", "3 .p4"][..]),
        (503, of_its_own, &["1", "2", "3 .p4"]),
        (202, later, &["1", "2", "3"]),
        (202, of_its_own, &["1", "2", "3", "4"]),
    ] {
        let first = format!("web>gate 101-109 id=t2 status={status} body=order-4712");
        check(&[&one(0, a, 202), &first, again, later], wanted);
    }
    // what carries a trace of its own may be because of what was answered before rather than because of the one that is asked
    let asked = "web>gate 195-290 id=u";
    told(a, b, 202, &[asked, "gate>bank 200-210 id=v body=order-4713"], &["1", "2", "3", "4"]);
    told(a, b, 200, &[asked, "gate>bank 200-210 id=v body=order-4713"], &["1", "2", "3 .s4"]);
    // whose trace goes on
    let early = ["web>gate 300-305 id=v status=202 body=order-4714", "gate>bank 306-310 id=v span=2 body=order-4714"];
    told(a, b, 202, &early, &["1", "2", "3 .t4"]);
}

#[test]
fn what_was_accepted_and_what_is_asked_are_told_apart_by_what_calls_of_a_kind_are_sent_for() {
    let took = |n: u64| format!("web>gate {}-{} id=t{n} op=POST_/orders status=202 body=order-471{n}", n * 100 + 1, n * 100 + 9);
    let asked = |n: u64| format!("web>gate {}-{} id=u{n} op=GET_/account", n * 100 + 50, n * 100 + 80);
    let read = |at: u64, n: u64| format!("gate>?db {at}-{} body=order-471{n}", at + 5);
    let all = [took(1), asked(1), read(160, 1)];
    told(&all, &[], &["1", "2"]);
    // such a call came while nothing was asked
    told(&[took(0), read(30, 0)], &[&all[0], &all[1], &all[2]], &["1 .p2", "3 .p5", "4"]);
    // or while nothing was accepted that it carries
    told(&[took(0), asked(0), read(60, 9)], &[&all[0], &all[1], &all[2]], &["1", "2 .s3", "4", "5 .s6"]);
    // or the one as well as the other
    let both = [took(0), read(30, 0), asked(0), read(60, 9)];
    told(&both, &[&all[0], &all[1], &all[2]], &["1 .p2", "3", "5", "6"]);
    // what is asked alike would carry it as well
    told(&[], &[&took(1), "web>gate 150-190 id=v op=POST_/orders status=202 body=order-4719", &read(160, 1)], &["1 .p3", "2"]);
}
