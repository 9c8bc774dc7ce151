use super::super::rig::{call, flow, judge, judged, titles};
use super::*;
use crate::model::{Detail, Fields, Flow, Half, Stamp};

fn check(tree: &[(usize, Flow)], wanted: &[&str]) {
    let found = judged(&mut Slow::default(), tree);
    assert_eq!(titles(&found).into_iter().map(|(title, _)| title).collect::<Vec<_>>(), wanted, "{found:#?}");
}

#[test]
fn the_time_in_which_a_request_was_still_coming_is_not_its_receivers() {
    let sent = |until: u64, mut flow: Flow| {
        let mut detail = flow.detail.as_deref().unwrap().clone();
        detail.request.as_mut().unwrap().whole = Some(super::super::rig::at(until));
        flow.detail = Some(detail.into());
        flow
    };
    let upload = || call(1, "c:1>nginx 0-1812 POST /upload 200");
    let leg = (1, call(2, "nginx>a 1811-1812 POST /upload 200"));
    check(&[(0, sent(1810, upload())), leg.clone()], &[]);
    let title = "nginx spends most of a slow request by itself: POST /upload";
    check(&[(0, sent(9, upload())), leg.clone()], &[title]);
    check(&[(0, sent(500, upload())), leg], &[title]);
}

#[test]
fn the_time_in_which_an_answer_was_still_coming_is_not_its_receivers_unless_it_is_too_short_to_wait_for_who_reads_it() {
    let answered = |at: u64, mut flow: Flow| {
        let mut detail = flow.detail.as_deref().unwrap().clone();
        let first = Stamp { time: super::super::rig::at(at), ..Stamp::default() };
        detail.response = Some(Half { first, ..Half::default() });
        flow.detail = Some(detail.into());
        flow.row.bytes = 1 << 20;
        flow
    };
    let short = |mut flow: Flow| {
        flow.row.bytes = 900;
        flow
    };
    let download = || call(1, "c:1>gateway 0-2010 GET /down 200");
    let below = (1, call(2, "gateway>orders 1-99 GET /down 200"));
    check(&[(0, answered(100, download())), below.clone()], &[]);
    let title = "gateway spends most of a slow request by itself: GET /down";
    check(&[(0, answered(2005, download())), below.clone()], &[title]);
    check(&[(0, answered(1900, download())), below.clone()], &[title]);
    // that a row came each second cannot be who reads it; where news come as they do, and other streams fill the connection, it may
    check(&[(0, short(answered(100, download()))), below.clone()], &[title]);
    check(&[(0, short(answered(100, call(1, "c:1>gateway 0-2010 GET /events 200")))), below.clone()], &[]);
    let mut shared = short(answered(100, download()));
    let detail = Detail { layers: vec!["http2"], ..shared.detail.as_deref().unwrap().clone() };
    shared.detail = Some(detail.into());
    check(&[(0, shared), below], &[]);
}

#[test]
fn the_time_between_attempts_is_of_the_retries() {
    let tree = |status: u64, second: &str| {
        let first = call(2, &format!("gateway>payments 5-15 POST /charges {status}"));
        vec![(0, call(1, "c:1>gateway 0-1500 POST /checkout 201")), (1, first), (1, call(3, second))]
    };
    let title = "gateway spends most of a slow request by itself: POST /checkout";
    check(&tree(503, "gateway>payments 1400-1490 POST /charges 201"), &[]);
    let gave_up = |root: u64, last: u64| {
        let mut tree = tree(503, &format!("gateway>payments 200-210 POST /charges {last}"));
        tree[0].1 = call(1, &format!("c:1>gateway 0-1500 POST /checkout {root}"));
        tree
    };
    check(&gave_up(502, 503), &[]);
    check(&gave_up(201, 503), &[title]);
    check(&gave_up(502, 201), &[title]);
    // nobody waits before something else, or after what went well
    check(&tree(503, "gateway>payments 1400-1490 POST /other 201"), &[title]);
    check(&tree(201, "gateway>payments 1400-1490 POST /charges 201"), &[title]);
}

fn root(end: u64) -> (usize, Flow) {
    (0, call(1, &format!("c:1>gateway 0-{end} GET /report 200")))
}

#[test]
fn what_takes_most_of_a_slow_request_by_itself_is_at_fault_and_not_who_waits_for_it() {
    let orders = (1, call(2, "gateway>orders 10-1490 GET /orders 200"));
    let db = (2, call(3, "orders>db 20-1400 GET /rows 200"));
    check(&[root(1500), orders, db], &["db takes most of the time of a slow request: GET /rows"]);
    let quick = (1, call(2, "gateway>orders 10-100 GET /orders 200"));
    check(&[root(1500), quick], &["gateway spends most of a slow request by itself: GET /report"]);
}

#[test]
fn what_either_of_two_waited_for_is_at_fault_and_neither_of_them() {
    let told = |second: &str| {
        let tree = [
            root(1500),
            (1, call(2, "gateway>cat 10-1480 GET /p 200")),
            (1, call(3, second)),
            (0, call(4, "10.0.0.1:5>tax 20-1470 GET /rate 200")),
        ];
        let (mut hops, nodes) = super::super::rig::trace(&tree);
        hops[3].extra_mut().maybe = vec![hops[1].flow, hops[2].flow];
        let (mut slow, mut book) = (Slow::default(), Book::default());
        slow.trace(&Look::new(&hops, &nodes), &mut book);
        book.all().map(|(finding, _)| finding.title.clone()).collect::<Vec<_>>()
    };
    let title = "tax takes most of the time of a slow request: GET /rate";
    assert_eq!(told("gateway>cat 11-1490 GET /p 200"), [title]);
    assert_eq!(told("gateway>ads 11-1490 GET /a 200"), [title]);
}

#[test]
fn a_query_is_told_by_its_statement() {
    let mut query = flow(2, Pattern::Query, "postgresql", "gateway>db 10-1490 SELECT -");
    let statement = format!("SELECT  price FROM stock WHERE sku = 'a-7' AND {}", "x = 1 AND ".repeat(30));
    let fields = Fields::default().with("sql", statement.as_str());
    query.detail = Some(Detail { fields, ..query.detail.as_deref().unwrap().clone() }.into());
    let found = judged(&mut Slow::default(), &[root(1500), (1, query)]);
    let begin = "select price from stock where sku = ? and x = ? and ";
    assert!(found[0].title.starts_with(&format!("db takes most of the time of a slow request: {begin}")), "{found:#?}");
    assert!(found[0].advice.starts_with(&format!("make `{begin}")) && found[0].title.len() < 200, "{found:#?}");
}

#[test]
fn quick_requests_shared_time_and_what_is_held_back_are_none() {
    check(&[root(900), (1, call(2, "gateway>orders 10-890 GET /orders 200"))], &[]);
    let half = [(1, call(2, "gateway>a 10-800 GET /a 200")), (1, call(3, "gateway>b 800-1490 GET /b 200"))];
    check(&[vec![root(1500)], half.to_vec()].concat(), &[]);
    check(&[root(1500)], &[]);
    check(
        &[root(5000), (1, call(2, "gateway>orders 10-4900 GET /orders/poll 200"))],
        &["gateway spends most of a slow request by itself: GET /report"][..0],
    );
}

#[test]
fn who_waits_for_an_answer_that_never_comes_is_not_slow() {
    let (orders, silent) =
        ((1, call(2, "gateway>orders 10-5490 GET /orders 200")), (2, call(3, "orders>stock 20- GET /stock pending")));
    check(&[root(5500), orders, silent], &[]);
}

#[test]
fn what_is_far_slower_than_its_kind_is_told_once_the_kind_is_known() {
    let found = |before: u64, took: u64, last: u64| {
        let (mut slow, mut book) = (Slow::default(), Book::default());
        for n in 0..before {
            judge(&mut slow, &[(0, call(n + 1, &format!("c:1>api 0-{took} GET /x/{n} 200")))], &mut book);
        }
        judge(&mut slow, &[(0, call(99, &format!("c:1>api 0-{last} GET /x/99 200")))], &mut book);
        book.all().map(|(finding, _)| finding.evidence.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(30, 20, 300), ["300 ms by itself, where 95 of 100 of the 30 others took at most 20 ms"]);
    assert_eq!((found(30, 90, 300).len(), found(30, 20, 150).len()), (0, 0));
    // of few it has to stand out all the more
    assert_eq!(found(10, 20, 300), ["300 ms by itself, where three of four of the 10 others took at most 20 ms"]);
    assert_eq!((found(10, 40, 300).len(), found(3, 5, 300).len(), found(10, 1, 150).len()), (0, 0, 0));
}

#[test]
fn a_slow_statement_of_a_request_below_a_second_is_told_by_its_like() {
    let row = |n: u64, from: u64, to: u64| (1, call(n, &format!("shop>db {from}-{to} GET /row/{n} 200")));
    let (title, quick) = ("db takes far longer than usual for GET /row/?", (0..4).map(|n| row(n + 2, 10 + n * 6, 15 + n * 6)));
    let shop = |end: u64| (0, call(1, &format!("c:1>shop 0-{end} GET /list 200")));
    let all = |end: u64, slow: u64| [vec![shop(end)], quick.clone().collect(), vec![row(9, 40, 40 + slow)]].concat();
    check(&all(450, 400), &[title]);
    // also where it is the first of them
    let first = [vec![shop(450), row(2, 5, 405)], (0..4).map(|n| row(n + 3, 410 + n * 6, 415 + n * 6)).collect()].concat();
    check(&first, &[title]);
    // a blip, less than most of the request, and its usual time
    check(&all(50, 30), &[]);
    check(&all(900, 400), &[]);
    check(&[shop(450), row(2, 5, 105), row(3, 110, 210), row(4, 215, 435)], &[]);
}

#[test]
fn it_is_told_again_and_again_for_as_long_as_most_are_quick() {
    let (mut slow, mut book) = (Slow::default(), Book::default());
    for n in 0..16 {
        let took = if n % 5 == 4 { 400 } else { 5 };
        judge(&mut slow, &[(0, call(n + 1, &format!("c:1>api 0-{took} GET /x/{n} 200")))], &mut book);
    }
    assert_eq!(book.all().map(|(finding, _)| finding.count).collect::<Vec<_>>(), [3]);
}

/// Requests of `api`, one after the other and then others at once: the titles of what is told, and how often.
fn burst(quiet: u64, calls: impl Iterator<Item = (u64, u64)>) -> Vec<(String, u64)> {
    let (mut slow, mut book) = (Slow::default(), Book::default());
    let one_by_one = (0..quiet).map(|n| (n * 100, n * 100 + 20));
    let at = quiet * 100;
    let mut all: Vec<_> = one_by_one.chain(calls.map(|(from, to)| (at + from, at + to))).collect();
    all.sort_by_key(|(_, to)| *to);
    let trees = (0..).zip(all).map(|(n, (from, to))| {
        let gate = call(2 * n + 1, &format!("c:1>gate {from}-{to} GET /x 200"));
        [(0, gate), (1, call(2 * n + 2, &format!("gate>api {from}-{to} GET /x/{n} 200")))]
    });
    let trees: Vec<_> = trees.collect();
    // all are over by when the first trace is quiet
    trees.iter().flatten().for_each(|(_, flow)| slow.flow(flow.as_ref(), &mut book));
    trees.iter().for_each(|tree| judge(&mut slow, tree, &mut book));
    book.all().map(|(finding, _)| (finding.title.split(" for ").next().unwrap().to_owned(), finding.count)).collect()
}

#[test]
fn who_stands_in_line_behind_others_is_not_slow() {
    // one after the other, and all side by side
    assert_eq!(burst(20, (0..100).map(|n| (0, (n + 1) * 20))), []);
    assert_eq!(burst(20, (0..100).map(|n| (n / 10, 1900 + n))), []);
    assert_eq!(burst(20, (0..40).map(|n| (n, 790 + n))), []);
}

#[test]
fn who_takes_longer_than_the_line_or_is_overtaken_is_slow() {
    let told = |title: &str, count| [(title.to_owned(), count)];
    let usual = "api takes far longer than usual";
    // so many at once are slow, and would not be one after the other
    assert_eq!(burst(20, (0..5).map(|n| (n, 600 + n))), told(usual, 5));
    // the others go by
    assert_eq!(burst(20, (0..50).map(|n| (n * 10, if n == 0 { 500 } else { n * 10 + 20 }))), told(usual, 1));
}

#[test]
fn where_it_was_never_quick_it_is_most_of_a_slow_request_however_many_there_are() {
    let told = burst(0, (0..20).map(|n| (n * 100, 1500 + n * 100)));
    assert_eq!(told, [("api takes most of the time of a slow request: GET /x/?".to_owned(), 20)]);
}
