//! The thread as a whole: it ends when it should, and views come when there is something to show.

use super::super::script::{Log, at, flows, stats};
use super::super::view::{Shown, Window};
use super::*;
use crate::filter::Filter;
use crate::model::{Dir, FlowId};
use crossbeam_channel::bounded;

fn exchanges(n: u64) -> Log {
    (1..=n).fold(Log::default().began(1), |log, k| log.exchange(1, k, if k % 10 == 0 { "500" } else { "200" }))
}

fn query(generation: u64) -> Query {
    Query { generation, filter: None, window: Window::Follow, height: 10, inspect: None, shown: Shown::Flows }
}

#[test]
fn without_a_screen_it_ends_after_the_last_turn_and_keeps_the_order() {
    let (turns, to_take) = bounded(1);
    let (records, settled) = bounded(2);
    let handle =
        spawn(EngineOptions { keep: false, ..EngineOptions::default() }, Mailbox::new(), to_take, Some(records), None).unwrap();
    let log = exchanges(500);
    let until = log.now();
    let feeder = std::thread::spawn(move || {
        for chunk in log.events.chunks(37) {
            turns.send(Turn { events: chunk.to_vec(), until: chunk.last().unwrap().at, ..Turn::default() }).unwrap();
        }
        turns.send(Turn { until, last: true, ..Turn::default() }).unwrap();
    });
    let records: Vec<_> = settled.iter().collect();
    assert_eq!(flows(&records).iter().map(|f| f.row.id.0).collect::<Vec<_>>(), (1..=500).collect::<Vec<_>>());
    assert_eq!(stats(&records).flows, [("http", 500)]);
    assert!(stats(&records).peak_memory > 0);
    feeder.join().unwrap();
    handle.join();
}

#[test]
fn a_pipeline_that_stops_before_its_last_turn_is_the_end_too() {
    let (turns, to_take) = bounded(4);
    let (records, settled) = unbounded();
    turns.send(Log::default().began(1).open(1, 1).turn()).unwrap();
    drop(turns);
    spawn(EngineOptions::default(), Mailbox::new(), to_take, Some(records), None).unwrap().join();
    let records: Vec<_> = settled.iter().collect();
    assert_eq!(flows(&records)[0].row.status.as_deref(), Some("pending"));
    assert_eq!(stats(&records).connections, 1);
}

/// A screen that waits for what it wants to see.
struct Eye {
    slot: Arc<Slot>,
    woken: Receiver<()>,
}

impl Eye {
    fn open() -> (Self, ScreenPort) {
        let slot = Arc::new(Slot::default());
        let (wake, woken) = unbounded();
        let port = ScreenPort { slot: Arc::clone(&slot), wake: Box::new(move || _ = wake.send(())) };
        (Self { slot, woken }, port)
    }

    fn wait(&self, wanted: impl Fn(&View) -> bool) -> Arc<View> {
        loop {
            self.woken.recv().expect("the engine is there");
            if let Some(view) = self.slot.take()
                && wanted(&view)
            {
                return view;
            }
        }
    }
}

#[test]
fn a_screen_sees_what_it_asks_for_and_details_come_from_the_looker() {
    let (turns, to_take) = bounded(4);
    let (eye, port) = Eye::open();
    let handle = spawn(EngineOptions::default(), Mailbox::new(), to_take, None, Some(port)).unwrap();
    assert!(handle.send(Command::Query(query(1))));
    eye.wait(|view| view.generation == 1);
    turns.send(exchanges(100).turn()).unwrap();
    let view = eye.wait(|view| view.matching == 100);
    assert_eq!(view.status.flows, 100);

    let filter = Some(Arc::new(Filter::parse("header.host == a and status >= 500").unwrap()));
    handle.send(Command::Query(Query { filter, inspect: Some(FlowId(10)), ..query(2) }));
    let view =
        eye.wait(|view| view.generation == 2 && view.searched_percent.is_none() && view.detail.is_some() && view.matching == 10);
    assert_eq!(view.rows.last().unwrap().flow.row.id, FlowId(100));
    assert_eq!(view.detail.as_ref().unwrap().request.as_ref().unwrap().headers, [("Host".to_owned(), "a".to_owned())]);

    handle.send(Command::Clear);
    eye.wait(|view| view.total == 0);
    turns.send(Turn { until: at(1000), last: true, ..Turn::default() }).unwrap();
    eye.wait(|view| view.status.ended);
    // the capture is over, the screen is not
    handle.send(Command::Query(query(3)));
    eye.wait(|view| view.generation == 3);
    handle.send(Command::Stop);
    handle.join();
    assert!(eye.woken.recv().is_err(), "looker and engine are gone, and let go of the screen");
}

#[test]
fn at_rest_it_shows_nothing() {
    let (turns, to_take) = bounded(0);
    let (eye, port) = Eye::open();
    let handle = spawn(EngineOptions::default(), Mailbox::new(), to_take, None, Some(port)).unwrap();
    handle.send(Command::Query(query(1)));
    turns.send(Log::default().began(1).open(1, 1).head(1, 1, Dir::ToServer, "A", "b").turn()).unwrap();
    let shown = eye.wait(|view| view.matching == 1).serial;
    // the flow leaves the last second once, which is told; after that a hundred ticks change nothing
    turns.send(Turn { until: at(5000), ..Turn::default() }).unwrap();
    eye.wait(|view| view.status.rate == 0);
    for tick in 0..100 {
        turns.send(Turn { until: at(5000 + tick), ..Turn::default() }).unwrap();
    }
    handle.send(Command::Query(query(2)));
    let serial = eye.wait(|view| view.generation == 2).serial;
    assert!(serial - shown <= 2, "{shown} {serial}");
    handle.send(Command::Stop);
    handle.join();
}

#[test]
fn a_screen_that_has_gone_ends_it() {
    let (_turns, to_take) = bounded(1);
    let (eye, port) = Eye::open();
    let Handle { mailbox, thread } = spawn(EngineOptions::default(), Mailbox::new(), to_take, None, Some(port)).unwrap();
    drop((mailbox, eye));
    thread.join().unwrap();
}
