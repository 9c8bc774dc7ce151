//! What the screen is told: windows, filters that come and go, names that come late, searches that are overtaken.

use super::super::detail::Memory;
use super::super::looker::{Looks, look};
use super::super::script::{Log, conn, key, port_fact};
use super::super::view::Shown;
use super::super::{Engine, EngineOptions};
use super::*;
use crate::filter::Filter;
use crate::mask::Secrets;
use crate::model::{Dir, Event, EventKind, Issue, Part, Turn};
use crate::schema::Current;
use std::sync::atomic::AtomicU64;

mod acts;
mod schemas;
mod services;

fn query(generation: u64, filter: Option<&str>, window: Window, height: usize) -> Query {
    let filter = filter.map(|text| Arc::new(Filter::parse(text).unwrap()));
    Query { generation, filter, window, height, inspect: None, shown: Shown::Flows }
}

/// An engine that has taken in a log, and a screen that shows everything of it.
fn engine(log: Log) -> Engine {
    let mut engine = Engine::new(EngineOptions::default());
    engine.query(query(1, None, Window::Follow, 100));
    take(&mut engine, log);
    engine
}

fn take(engine: &mut Engine, log: Log) {
    engine.take(log.turn(), &mut |_| {});
    engine.sweep(usize::MAX);
}

/// `n` exchanges on one connection, each tenth of which fails.
fn exchanges(n: u64) -> Log {
    (1..=n).fold(Log::default().began(1), |log, k| log.exchange(1, k, if k % 10 == 0 { "500" } else { "200" }))
}

fn ids(view: &View) -> Vec<u64> {
    view.rows.iter().map(|row| row.flow.row.id.0).collect()
}

/// The rows of the window itself.
fn window(view: &View, height: usize) -> Vec<u64> {
    ids(view).into_iter().skip(view.top).take(height).collect()
}

/// Does what the looker would, until there is nothing left to do.
fn look_at_all(engine: &mut Engine) -> usize {
    let mut jobs = 0;
    while let Some(job) = engine.next_job(true) {
        jobs += 1;
        answer(engine, job);
    }
    jobs
}

fn answer(engine: &mut Engine, job: Job) -> bool {
    let wanted = AtomicU64::new(engine.screen.search());
    engine.answer(look(
        job,
        &Looks { secrets: Secrets::Mask, body_limit: 1000, schemas: Current::default() },
        &wanted,
        &mut Memory::default(),
    ))
}

#[test]
fn windows_hold_a_page_more_on_either_side() {
    let mut engine = engine(exchanges(50));
    let mut show = |window| {
        engine.query(query(2, None, window, 5));
        engine.view()
    };
    let view = show(Window::Follow);
    assert_eq!((ids(&view), view.top, view.before, view.newer), ((41..=50).collect(), 5, 40, 0));
    let view = show(Window::Top);
    assert_eq!((ids(&view), view.top, view.before, view.newer), ((1..=10).collect(), 0, 0, 45));
    let view = show(Window::From(FlowId(20)));
    assert_eq!((ids(&view), view.top, view.before, view.newer), ((15..=29).collect(), 5, 14, 26));
    let view = show(Window::From(FlowId(49)));
    assert_eq!((window(&view, 5), view.newer), ((46..=50).collect(), 0), "the last page is full");
    let view = show(Window::From(FlowId(999)));
    assert_eq!(window(&view, 5), [46, 47, 48, 49, 50]);
    let view = show(Window::From(FlowId(0)));
    assert_eq!((window(&view, 5), view.generation), (vec![1, 2, 3, 4, 5], 2));
    assert_eq!((view.matching, view.total, view.status.flows), (50, 50, 50));
}

#[test]
fn fewer_rows_than_the_window_and_none_at_all() {
    let mut engine = engine(exchanges(3));
    for window in [Window::Follow, Window::Top, Window::From(FlowId(2))] {
        engine.query(query(2, None, window, 100));
        assert_eq!((ids(&engine.view()), engine.view().top), (vec![1, 2, 3], 0));
    }
    engine.query(query(3, None, Window::Follow, 0));
    assert_eq!(ids(&engine.view()), [0; 0]);
    let mut empty = Engine::new(EngineOptions::default());
    assert_eq!(ids(&empty.view()), [0; 0]);
    empty.query(query(1, Some("ok"), Window::Follow, 10));
    assert!(!empty.sweep(10));
    assert_eq!(empty.view().searched_percent, None);
}

#[test]
fn follow_moves_on_and_a_held_window_stands_still() {
    let mut engine = engine(exchanges(20));
    engine.query(query(2, None, Window::From(FlowId(16)), 5));
    take(&mut engine, Log::default().skip(100).exchange(1, 100, "200").exchange(1, 101, "200"));
    let view = engine.view();
    assert_eq!((window(&view, 5), view.newer), (vec![16, 17, 18, 19, 20], 2));
    engine.query(query(3, None, Window::Follow, 5));
    assert_eq!(window(&engine.view(), 5), [18, 19, 20, 21, 22]);
}

#[test]
fn a_new_filter_goes_over_the_rows_newest_first_in_slices() {
    let mut engine = engine(exchanges(100));
    engine.query(query(2, Some("status >= 500"), Window::Follow, 5));
    let view = engine.view();
    assert_eq!((view.generation, view.matching, view.searched_percent), (2, 0, Some(0)));
    assert!(engine.sweep(25));
    let view = engine.view();
    assert_eq!((ids(&view), view.matching, view.searched_percent), (vec![80, 90, 100], 3, Some(25)));
    // what arrives meanwhile is judged too
    engine.take(Log::default().skip(1000).exchange(1, 500, "500").exchange(1, 501, "200").turn(), &mut |_| {});
    assert!(engine.sweep(2));
    assert_eq!(ids(&engine.view()), [80, 90, 100, 101]);
    assert!(!engine.sweep(75 + 2));
    let view = engine.view();
    assert_eq!((view.matching, view.total, view.searched_percent), (11, 102, None));
    engine.query(query(3, None, Window::Follow, 5));
    assert_eq!(engine.view().matching, 102, "all at once without a filter");
}

#[test]
fn rows_start_and_stop_matching() {
    let mut engine = engine(Log::default().began(1).open(1, 1).open(1, 2));
    engine.query(query(2, Some("not status"), Window::Follow, 5));
    engine.sweep(100);
    assert_eq!(ids(&engine.view()), [1, 2]);
    take(&mut engine, Log::default().skip(10).close(1, 1, "500"));
    assert_eq!(ids(&engine.view()), [2]);
    engine.query(query(3, Some("not ok"), Window::Follow, 5));
    engine.sweep(100);
    assert_eq!(ids(&engine.view()), [1]);
    take(&mut engine, Log::default().skip(20).close(1, 2, "503"));
    assert_eq!(ids(&engine.view()), [1, 2]);
}

#[test]
fn the_same_filter_with_another_window_is_not_searched_again() {
    let mut engine = engine(exchanges(30));
    let first = query(2, Some("not ok"), Window::Follow, 5);
    engine.query(first.clone());
    engine.sweep(100);
    engine.query(Query { generation: 3, window: Window::Top, ..first });
    let view = engine.view();
    assert_eq!((view.generation, view.matching, view.searched_percent), (3, 3, None));
}

#[test]
fn a_name_that_comes_late_reaches_every_row_and_the_filter() {
    let mut engine = engine(exchanges(20));
    engine.query(query(2, Some("server == shop"), Window::Top, 5));
    engine.sweep(100);
    assert_eq!(engine.view().matching, 0);
    engine.learn(port_fact(80, "shop"));
    assert!(engine.sweep(5));
    assert_eq!(engine.view().searched_percent, None, "a second look is not a search");
    engine.learn(port_fact(81, "other"));
    assert!(engine.sweep(15 + 10), "and one more look, for the second name");
    assert!(!engine.sweep(100));
    let view = engine.view();
    assert_eq!(view.matching, 20);
    assert!(view.rows.iter().all(|row| row.flow.server.label() == "shop"));
    engine.learn(port_fact(80, "shop"));
    assert!(!engine.sweep(1), "nothing new");
}

#[test]
fn a_filter_on_bodies_is_the_lookers() {
    let mut log = Log::default().began(1);
    for k in 1..=200 {
        let body = if k % 50 == 0 { "needle" } else { "hay" };
        log = log.open(1, k).head(1, k, Dir::ToServer, "Host", "a").body(1, k, Dir::ToServer, body.as_bytes()).close(1, k, "200");
    }
    let mut engine = engine(log);
    engine.query(query(2, Some("body contains needle"), Window::Follow, 5));
    assert!(!engine.sweep(100), "nothing that the core could judge");
    let first = engine.next_job(true).unwrap();
    let second = engine.next_job(true).unwrap();
    assert!(engine.next_job(true).is_none(), "the looker has enough to do");
    let view = engine.view();
    assert_eq!((view.matching, view.searched_percent), (0, Some(64)));
    assert!(answer(&mut engine, first));
    assert_eq!(ids(&engine.view()), [150, 200], "newest first");
    answer(&mut engine, second);
    look_at_all(&mut engine);
    let view = engine.view();
    assert_eq!((ids(&view), view.searched_percent), (vec![50, 100, 150, 200], None));
    // a flow is judged again when it grows, which is no search
    take(&mut engine, Log::default().skip(2000).open(1, 900));
    let job = engine.next_job(true).unwrap();
    assert_eq!(engine.view().searched_percent, None);
    answer(&mut engine, job);
    look_at_all(&mut engine);
    assert_eq!(engine.view().matching, 4);
    take(
        &mut engine,
        Log::default().skip(2001).head(1, 900, Dir::ToServer, "Host", "a").body(1, 900, Dir::ToServer, b"a needle"),
    );
    assert_eq!(look_at_all(&mut engine), 1);
    assert_eq!(engine.view().matching, 5);
}

#[test]
fn what_belongs_to_an_older_search_is_dropped() {
    let mut engine = engine(exchanges(100));
    engine.query(query(2, Some("header.host == a"), Window::Follow, 5));
    let (first, second) = (engine.next_job(true).unwrap(), engine.next_job(true).unwrap());
    engine.query(query(3, Some("header.host == b"), Window::Follow, 5));
    assert!(engine.next_job(true).is_none(), "still two at the looker");
    let Job::Judge { search, filter, flows } = first else { panic!() };
    assert_ne!(search, engine.screen.search());
    // one that was begun before the new filter came, and one that the looker skips
    let late = look(
        Job::Judge { search, filter, flows },
        &Looks { secrets: Secrets::Mask, body_limit: 0, schemas: Current::default() },
        &AtomicU64::new(search),
        &mut Memory::default(),
    );
    assert!(matches!(&late, Answer::Verdicts { verdicts, .. } if verdicts.len() == BATCH));
    assert!(!engine.answer(late));
    assert!(!answer(&mut engine, second));
    assert_eq!(engine.view().matching, 0);
    look_at_all(&mut engine);
    assert_eq!((engine.view().matching, engine.view().searched_percent), (0, None));
}

#[test]
fn the_inspected_flow_is_shown_and_refreshed_when_it_changes() {
    let mut engine = engine(Log::default().began(1).open(1, 1).head(1, 1, Dir::ToServer, "Authorization", "Bearer abc"));
    engine.query(Query { inspect: Some(FlowId(1)), ..query(2, None, Window::Follow, 5) });
    assert!(engine.view().detail.is_none());
    assert_eq!(look_at_all(&mut engine), 1);
    let detail = engine.view().detail.clone().unwrap();
    assert_eq!(detail.request.as_ref().unwrap().headers, [("Authorization".to_owned(), "Bearer ***".to_owned())]);
    assert!(detail.response.is_none());
    assert_eq!(look_at_all(&mut engine), 0, "nothing has changed");

    take(&mut engine, Log::default().skip(9).head(1, 1, Dir::ToClient, "Server", "b"));
    let job = engine.next_job(true).unwrap();
    take(&mut engine, Log::default().skip(10).close(1, 1, "200"));
    assert!(engine.next_job(true).is_none(), "one at a time");
    assert!(engine.next_job(false).is_none());
    answer(&mut engine, job);
    assert_eq!(look_at_all(&mut engine), 1, "and once more, since it changed meanwhile");
    let detail = engine.view().detail.clone().unwrap();
    assert!(detail.overview.contains(&("status".to_owned(), "200".to_owned())));
    assert!(detail.response.is_some());

    engine.learn(port_fact(80, "shop"));
    look_at_all(&mut engine);
    assert!(engine.view().detail.clone().unwrap().title.ends_with("→ shop"));

    take(&mut engine, Log::default().skip(20).open(1, 2));
    engine.query(Query { inspect: Some(FlowId(1)), ..query(3, None, Window::Top, 5) });
    assert!(engine.view().detail.is_some(), "kept while the same flow is looked at");
    let old = {
        engine.query(Query { inspect: Some(FlowId(2)), ..query(4, None, Window::Top, 5) });
        engine.next_job(true).unwrap()
    };
    engine.query(Query { inspect: Some(FlowId(1)), ..query(5, None, Window::Top, 5) });
    assert!(!answer(&mut engine, old), "not wanted any more");
    assert!(engine.view().detail.is_none());
    look_at_all(&mut engine);
    assert_eq!(engine.view().detail.as_ref().unwrap().id, FlowId(1));
}

#[test]
fn what_was_evicted_is_neither_there_nor_missing() {
    let said = |log: Log, k| log.open(1, k).body(1, k, Dir::ToClient, &[b'x'; 500]).close(1, k, "200");
    let mut engine = Engine::new(EngineOptions { max_memory: 60_000, ..EngineOptions::default() });
    engine.take((1..=150).fold(Log::default().began(1), said).turn(), &mut |_| {});
    let mut ask = |filter| {
        engine.query(query(2, Some(filter), Window::Follow, 5));
        engine.sweep(usize::MAX);
        look_at_all(&mut engine);
        let view = engine.view();
        (view.matching, view.unseen, view.total)
    };
    let (found, unseen, total) = ask("body contains x");
    assert!(found > 0 && unseen > 0 && found + unseen == total, "{found} {unseen} {total}");
    assert_eq!(ask("body contains y"), (0, unseen, total), "what is missing in those that are left");
    assert_eq!(ask("status == 200"), (total, 0, total), "rows are all there");
    assert_eq!(ask("body contains y or status == 200"), (total, 0, total), "what is left says enough");
    engine.clear();
    let view = engine.view();
    assert_eq!((view.matching, view.unseen), (0, 0));
    let mut engine = Engine::new(EngineOptions { max_memory: 60_000, ..EngineOptions::default() });
    engine.query(query(2, Some("body contains y"), Window::Follow, 5));
    for k in 1..=1000 {
        let log = if k == 1 { Log::default().began(1) } else { Log::default().skip(k * 10) };
        engine.take(said(log, k).turn(), &mut |_| {});
    }
    look_at_all(&mut engine);
    let view = engine.view();
    assert!(view.total < 1000 && view.unseen > 0 && view.unseen <= view.total, "rows that are gone are not counted: {view:?}");
}

#[test]
fn rows_that_are_evicted_leave_the_list() {
    let mut engine = Engine::new(EngineOptions { max_memory: 100_000, ..EngineOptions::default() });
    engine.query(query(1, Some("not ok"), Window::Top, 5));
    take(&mut engine, exchanges(1000));
    let view = engine.view();
    let oldest = engine.store.ids().next().unwrap().0;
    assert!(oldest > 500 && view.total < 500 && view.status.evicted > 500);
    assert_eq!(view.matching, (oldest..=1000).filter(|id| id % 10 == 0).count() as u64);
    assert!(view.rows.iter().all(|row| row.flow.row.id.0 >= oldest));
    assert!(view.status.memory <= view.status.memory_limit);
}

#[test]
fn forgetting_hides_every_flow_so_far_for_good() {
    let mut engine = engine(exchanges(10).open(1, 50));
    engine.clear();
    let view = engine.view();
    assert_eq!((view.matching, view.total), (0, 0));
    let mut settled = 0;
    engine.take(Log::default().skip(100).close(1, 50, "200").exchange(1, 51, "500").turn(), &mut |_| settled += 1);
    engine.sweep(100);
    assert_eq!((ids(&engine.view()), settled), (vec![12], 2), "the open one still becomes a record");
    engine.query(query(2, Some("status"), Window::Follow, 5));
    engine.sweep(100);
    assert_eq!((ids(&engine.view()), engine.view().total), (vec![12], 1));
}

#[test]
fn a_row_tells_of_its_trace_and_of_what_was_odd() {
    let log = Log::default().began(1).open(1, 1).trace(1, 1, "t").note(1, 1, Issue::CUT).open(1, 2).trace(1, 2, "t").open(1, 3);
    let log = log.note(1, 3, Issue::remark("100 continue"));
    let view = engine(log).view();
    let rows: Vec<_> = view.rows.iter().map(|row| (row.trace.map_or(0, |(_, flows)| flows), row.notes)).collect();
    assert_eq!(rows, [(2, true), (2, false), (0, false)]);
    assert!(view.rows.iter().all(|row| row.flow.detail.is_none()));
}

#[test]
fn the_truth_line_counts_flows_of_the_last_second_of_packet_time() {
    use crate::model::{SourceId, SourceNews};
    let mut engine = Engine::new(EngineOptions { capture_filter: Some("tcp".into()), ..EngineOptions::default() });
    // 4 packets an exchange, a packet a millisecond: 300 flows in 1.2 s
    engine.take(exchanges(300).kind(1, EventKind::Identified("http")).began(2).turn(), &mut |_| {});
    let mut turn = Turn { until: super::super::script::at(1205), ..Turn::default() };
    turn.news = vec![
        SourceNews::Opened(SourceId(0), "lo".into()),
        SourceNews::Opened(SourceId(1), "docker0".into()),
        SourceNews::KernelDrops(SourceId(0), 5),
        SourceNews::KernelDrops(SourceId(1), 2),
        SourceNews::KernelDrops(SourceId(0), 7),
        SourceNews::Closed(SourceId(2), "eth9: no such interface".into()),
        SourceNews::Closed(SourceId(1), "went away".into()),
        SourceNews::Progress(3, 9),
        SourceNews::Told("saved 3 packets".into()),
        SourceNews::Told("saved 4 packets".into()),
    ];
    turn.totals.packets = 1202;
    engine.take(turn, &mut |_| {});
    let status = engine.view().status.clone();
    assert!((225..=275).contains(&status.rate), "{}", status.rate);
    assert_eq!((status.kernel_drops, status.packets, status.progress, status.ended), (9, 1202, Some((3, 9)), false));
    assert_eq!((status.connections, status.unknown_connections), (2, 0), "one that carried nothing speaks no protocol");
    let mut turn = Log::default().skip(2000).turn();
    (turn.totals.packets, turn.totals.undecoded_bytes) = (1202, 90);
    engine.take(turn, &mut |_| {});
    assert_eq!(engine.view().status.unknown_connections, 1);
    assert_eq!((status.warning.as_deref(), status.sources[1].closed.as_deref()), (Some("docker0: went away"), Some("went away")));
    assert_eq!(status.notice, Some((2, "saved 4 packets".into())), "an answer is no warning");
    assert_eq!(status.sources.len(), 2, "one that was never opened is not being read");
    assert_eq!(status.capture_filter.as_deref(), Some("tcp"));
    engine.take(Turn { until: super::super::script::at(3000), last: true, ..Turn::default() }, &mut |_| {});
    assert_eq!((engine.view().status.rate, engine.view().status.ended), (0, true));
}

#[test]
fn parts_of_a_flow_that_was_evicted_meanwhile_do_no_harm() {
    let mut engine = Engine::new(EngineOptions { max_memory: 0, ..EngineOptions::default() });
    engine.query(query(1, None, Window::Follow, 5));
    take(&mut engine, Log::default().began(1).open(1, 1).body(1, 1, Dir::ToServer, b"x").close(1, 1, "200"));
    let part = EventKind::Part(key(1), Part::Body(Dir::ToServer, Vec::new()));
    engine.event(Event { conn: conn(1), at: super::super::script::at(50), kind: part }, &mut |_| {});
    let view = engine.view();
    assert_eq!((view.matching, view.total, view.status.unplaced), (0, 0, 1));
}
