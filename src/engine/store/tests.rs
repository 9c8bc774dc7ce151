//! What goes first, what is counted, and that all of it is given back.

use super::super::cost::heap;
use super::*;
use crate::model::{Body, ConnId, Dir, Half, Link, Pattern, SourceSet};
use crate::time::Time;

fn row(id: FlowId) -> Row {
    Row {
        id,
        conn: ConnId::default(),
        time: Time::default(),
        duration: None,
        place: 0,
        protocol: "http",
        pattern: Pattern::RequestResponse,
        state: State::Open,
        ok: true,
        dir: Dir::ToServer,
        operation: "GET /".into(),
        status: Some("200".into()),
        bytes: 0,
        trace_id: None,
        link: None,
        sources: SourceSet::default(),
    }
}

/// A store of `flows` open flows with a body of 1,000 bytes each.
fn store(limit: usize, flows: u64) -> Store {
    let mut store = Store::new(limit, true);
    (0..flows).for_each(|_| open(&mut store));
    store
}

fn open(store: &mut Store) {
    let id = store.next_id();
    store.push(row(id), Detail::default());
    store.change(id, |_, detail| {
        let body = Body { kept: vec![0; 1000], bytes: 1000, ..Body::default() };
        detail.request = Some(Half { body, ..Half::default() });
        Charge { kept: 0, bodies: heap(1000) as isize }
    });
    store.trim(&mut |_| 0);
}

fn settle(store: &mut Store, id: u64) {
    store.change(FlowId(id), |row, _| {
        row.state = State::Settled;
        Charge::default()
    });
    store.settled(FlowId(id), &mut |_| 0);
}

/// Of every flow in order: `b` with its body, `d` with its detail, `r` with its row alone, `-` gone.
fn picture(store: &Store, flows: u64) -> String {
    let one = |id| match store.get(FlowId(id)) {
        None => '-',
        Some(Slot { detail: None, .. }) => 'r',
        Some(Slot { detail: Some(detail), .. }) if detail.bodies_evicted => 'd',
        Some(_) => 'b',
    };
    (1..=flows).map(one).collect()
}

#[test]
fn rows_are_small_with_their_short_texts() {
    assert!(size_of::<Row>() <= 176, "{}", size_of::<Row>());
    assert!(size_of::<Slot>() <= 184, "{}", size_of::<Slot>());
}

#[test]
fn bodies_go_first_then_details_then_rows_oldest_first() {
    let mut last = String::new();
    let mut seen = Vec::new();
    let mut store = store(1 << 20, 0);
    for id in 1..=8000 {
        open(&mut store);
        settle(&mut store, id);
        assert!(store.used() <= 1 << 20);
        // oldest first: the picture is always sorted
        if id % 500 == 0 {
            last = picture(&store, id);
            let mut order = last.clone();
            order.dedup_chars();
            seen.push(order);
        }
    }
    assert!(seen.iter().all(|order| "-rdb".contains(order.as_str())), "{seen:?}");
    assert_eq!(seen.last().unwrap(), "-rdb", "{last}");
    let evicted = store.evicted();
    let count = |c: char| last.chars().filter(|&x| x == c).count() as u64;
    assert_eq!(evicted.flows, count('-'));
    assert_eq!(evicted.details, count('-') + count('r'));
    assert_eq!(evicted.bodies, count('-') + count('r') + count('d'));
    assert!(count('b') >= 20 && count('d') >= 20, "the newest keep their bodies: {evicted:?}");
}

trait Dedup {
    fn dedup_chars(&mut self);
}

impl Dedup for String {
    fn dedup_chars(&mut self) {
        let mut chars: Vec<_> = self.chars().collect();
        chars.dedup();
        *self = chars.into_iter().collect();
    }
}

#[test]
fn an_open_flow_outlives_its_turn_and_goes_when_it_has_settled() {
    let mut store = store(64 << 10, 1);
    for id in 2..=1000 {
        open(&mut store);
        settle(&mut store, id);
    }
    assert_eq!(&picture(&store, 2), "b-", "still there, with its body");
    assert_eq!(store.before(FlowId(500)), Some(FlowId(1)));
    assert_eq!(store.ids().next(), Some(FlowId(1)));
    let flows = store.evicted().flows;
    settle(&mut store, 1);
    assert_eq!(&picture(&store, 2), "--");
    assert_eq!(store.evicted().flows, flows + 1);
}

#[test]
fn a_detail_that_was_evicted_does_not_come_back() {
    let mut store = store(64 << 10, 1);
    settle(&mut store, 1);
    for id in 2..=100 {
        open(&mut store);
        settle(&mut store, id);
    }
    let id = store.ids().find(|id| store.get(*id).unwrap().detail.is_none()).unwrap();
    store.change(id, |row, _| {
        row.link = Some(Link::Time);
        Charge::default()
    });
    let slot = store.get(id).unwrap();
    assert_eq!((slot.row.link, slot.detail.is_none()), (Some(Link::Time), true));
}

#[test]
fn a_looker_keeps_the_detail_that_it_holds() {
    let mut store = store(1 << 20, 1);
    let held = store.get(FlowId(1)).unwrap().detail.clone().unwrap();
    store.change(FlowId(1), |_, detail| {
        detail.layers.push("tls");
        Charge::default()
    });
    assert!(held.layers.is_empty());
    assert_eq!(store.get(FlowId(1)).unwrap().detail.as_ref().unwrap().layers, ["tls"]);
}

#[test]
fn connections_leave_a_quarter_to_flows() {
    let mut store = store(256 << 10, 0);
    store.charge(1 << 20);
    for id in 1..=200 {
        open(&mut store);
        settle(&mut store, id);
    }
    assert!((1..=64 << 10).contains(&(store.used() - (1 << 20))), "{}", store.used());
    assert!(picture(&store, 200).ends_with("bb"), "{}", picture(&store, 200));
    store.discharge(1 << 20);
    (201..=210).for_each(|id| {
        open(&mut store);
        settle(&mut store, id);
    });
    assert!(picture(&store, 210).ends_with("bbbbbbbb"), "{}", picture(&store, 210));
}

#[test]
fn nothing_is_charged_when_nothing_is_left() {
    let mut store = store(1 << 20, 50);
    for id in (2..=50).rev() {
        settle(&mut store, id);
    }
    store.clear(&mut |_| 0);
    assert_eq!(store.ids().collect::<Vec<_>>(), [FlowId(1)], "it is still open");
    settle(&mut store, 1);
    assert_eq!((store.used(), store.count_from(FlowId(0))), (0, 0));
    assert_eq!(store.evicted(), Evicted::default(), "what the user forgets is not evicted");
    assert_eq!(store.next_id(), FlowId(51));
}

#[test]
fn a_million_rows_fit_the_default_budget() {
    let limit = 256 << 20;
    let mut store = Store::new(limit, true);
    for n in 1..=1_000_000 {
        let id = FlowId(n);
        store.push(Row { state: State::Settled, ..row(id) }, Detail::default());
        store.settled(id, &mut |_| 0);
    }
    assert_eq!((store.count_from(FlowId(0)), store.evicted().flows), (1_000_000, 0));
    assert!(store.get(FlowId(1)).is_some() && store.used() <= limit);
    assert!(store.used() >= 1_000_000 * size_of::<Slot>());
}

/// A store that keeps nothing, in which `flows` flows are open.
fn passing(flows: u64) -> Store {
    let mut store = Store::new(1, false);
    (0..flows).for_each(|_| open(&mut store));
    store
}

#[test]
fn a_store_that_keeps_nothing_has_what_is_open() {
    let mut store = passing(5);
    assert_eq!(picture(&store, 5), "bbbbb");
    settle(&mut store, 3);
    settle(&mut store, 1);
    assert_eq!(picture(&store, 5), "-b-bb");
    [5, 2, 4].into_iter().for_each(|id| settle(&mut store, id));
    assert_eq!((picture(&store, 5).as_str(), store.used(), store.evicted()), ("-----", 0, Evicted::default()));
    assert_eq!((store.next_id(), store.slots.len(), store.gaps), (FlowId(6), 0, 0));
}

#[test]
fn what_is_open_for_long_holds_no_places_behind_it() {
    let mut store = passing(3);
    let many = 10 * GAPS as u64;
    for id in 4..many {
        open(&mut store);
        settle(&mut store, id);
    }
    assert!(store.slots.len() <= GAPS + 2, "{} places", store.slots.len());
    assert_eq!(picture(&store, 4), "bbb-");
    (1..4).for_each(|id| settle(&mut store, id));
    assert_eq!((store.used(), store.held.len(), store.next_id()), (0, 0, FlowId(many)));
}
