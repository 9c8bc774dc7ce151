//! Which services there are, and which works of them are found.

use super::super::super::findings::rig::{at, call};
use super::*;
use crate::model::State;

/// How many works of a named service are found, of what `lines` say in their order.
fn found(lines: &[&str]) -> usize {
    let mut works = Works::new(9);
    for (n, line) in (1..).zip(lines) {
        works.add(call(n, line).as_ref(), at(9), |_| None);
    }
    works.at(&Senders::One("shop".into()), at(5), None, FlowId(0)).len()
}

#[test]
fn who_has_a_name_on_one_connection_only_is_still_one() {
    let (named, nameless) = ("web>shop=10.0.0.2:80 1-9 GET 200", "web>10.0.0.2:80 2-9 GET 200");
    assert_eq!((found(&[named, nameless]), found(&[nameless])), (2, 0));
    // also what it received before
    assert_eq!(found(&[nameless, named]), 2);
    assert_eq!(found(&[named, "web>10.0.0.3:80 2-9 GET 200"]), 1);
}

#[test]
fn hosts_of_which_nothing_is_at_work_are_forgotten() {
    let mut works = Works::new(MAX_SERVICES * 4);
    let mut open = call(1, "web>shop=10.0.0.2:80 1-- POST 202");
    open.row.state = State::Open;
    works.add(open.as_ref(), at(9), |_| None);
    open.row.state = State::Complete;
    open.row.id = FlowId(2);
    works.add(open.as_ref(), at(9), |_| None);
    for n in 0..2 * MAX_SERVICES as u64 {
        let line = format!("web>10.{}.{}.9:80 2-3 GET 200", 1 + n / 256, n % 256);
        works.add(call(3 + n, &line).as_ref(), at(9), |_| None);
    }
    let (shop, hosts) = (works.of("shop").unwrap(), &works.hosts);
    let (place, host) = hosts.find("10.0.0.2").unwrap();
    assert_eq!((place, host.accepts, host.servers, hosts.len() <= MAX_SERVICES), (shop.host, true, 1, true));
}

#[test]
fn what_was_worked_on_is_known_however_late_it_is_asked_for() {
    let mut works = Works::new(9);
    let mut add = |n, line| works.add(call(n, line).as_ref(), at(90_000), |_| None);
    add(1, "web>shop=10.0.0.2:80 1-9 GET 200");
    add(2, "web>shop=10.0.0.2:80 2-8 GET 200");
    let known = |works: &mut Works| works.at(&Senders::One("shop".into()), at(5), None, FlowId(0)).len();
    assert_eq!(known(&mut works), 2);
    // and forgotten behind what came long after it
    works.add(call(3, "web>shop=10.0.0.2:80 60000-60001 GET 200").as_ref(), at(90_000), |_| None);
    assert_eq!(known(&mut works), 0);
}

#[test]
fn what_is_open_is_found_whatever_ends_before_it() {
    let mut works = Works::new(99);
    let mut row = |n: u64, state| {
        let mut flow = call(n, "web>shop=10.0.0.2:80 1-4 GET 200");
        flow.row.state = state;
        match state {
            State::Open => works.add(flow.as_ref(), at(9), |_| None),
            State::Complete | State::Settled => works.ended(&flow.row, at(9), |_| None),
        }
        let shop = works.of("shop").unwrap();
        let places = shop.open.iter().enumerate().all(|(place, work)| works.open[&work.flow].1 == place);
        (shop.open.len(), works.open.len(), shop.ended.len(), places)
    };
    (1..=6).for_each(|n| _ = row(n, State::Open));
    for (ended, n) in (1..).zip([2, 6, 1, 5]) {
        assert_eq!(row(n, State::Complete), (6 - ended, 6 - ended, ended, true));
    }
    // once
    assert_eq!(row(5, State::Complete), (2, 2, 4, true));
}
