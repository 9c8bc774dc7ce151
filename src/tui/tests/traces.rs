//! The traces, and one trace drawn out in time: what they look like, and where keys lead from there.

use super::rig::Rig;
use crate::engine::view::{Candidate, Shown, Spot};
use crate::model::{FlowId, TraceNo};
use crate::tui::event::Event;
use crate::tui::keymap::Context;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// The line with the cursor, without its marker.
fn cursor(rig: &Rig) -> String {
    let screen = rig.screen();
    let line = screen.lines().find_map(|line| line.strip_prefix("▌ ")).unwrap_or_else(|| panic!("no cursor:\n{screen}"));
    line.trim().to_owned()
}

fn shown(rig: &Rig) -> Shown {
    rig.engine.query.as_ref().map(|query| query.shown.clone()).unwrap()
}

#[test]
fn traces_at_every_size() {
    for (width, height) in [(40, 12), (80, 24), (100, 20), (200, 50)] {
        let mut rig = Rig::new(width, height);
        rig.arrive(300);
        rig.press("2");
        rig.golden(&format!("traces-{width}x{height}.txt"));
        rig.press("k k enter");
        rig.golden(&format!("trace-{width}x{height}.txt"));
    }
    let mut rig = Rig::new(100, 20);
    rig.arrive(30);
    rig.press("2 k enter j j + +");
    rig.golden("trace-zoomed.txt");
}

#[test]
fn no_trace_says_why() {
    let mut rig = Rig::new(80, 24);
    rig.push(9);
    rig.engine.flows.iter_mut().for_each(|row| (row.trace, row.flow.row.trace_id) = (None, None));
    rig.show();
    rig.press("2");
    rig.golden("traces-none.txt");
    rig.press("1 t");
    assert!(rig.screen().contains("this flow carries no trace ID"), "{}", rig.screen());
}

#[test]
fn the_list_moves_on_until_somebody_moves() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(60);
    rig.press("2");
    rig.arrive(60);
    assert_eq!(cursor(&rig), rig.screen().lines().rev().nth(1).unwrap().trim_start_matches("▌ ").trim());
    rig.press("k k");
    let held = cursor(&rig);
    rig.arrive(60);
    assert_eq!(cursor(&rig), held);
    rig.press("G");
    rig.arrive(6);
    assert_ne!(cursor(&rig), held);
    // by errors: the first is one with the most
    rig.press("s s");
    assert!(cursor(&rig).contains("2 ✗"), "{}", rig.screen());
}

#[test]
fn from_a_trace_to_any_hop_and_back() {
    for back in ["esc", "q"] {
        let mut rig = Rig::new(100, 30);
        rig.arrive(30);
        rig.press("2 k enter j");
        assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(4))));
        let hop = cursor(&rig);
        rig.press("enter");
        // the flow is open, and the list is of the trace
        assert_eq!(rig.app.context(), Context::Detail);
        assert_eq!(rig.engine.query.as_ref().unwrap().inspect, Some(FlowId(25)));
        assert!(rig.app.filter.text().starts_with("trace == \"4bfd2f35"), "{}", rig.app.filter.text());
        rig.press(back);
        rig.press(back);
        assert_eq!((rig.app.context(), cursor(&rig)), (Context::Trace, hop), "{back}");
        assert_eq!(rig.app.filter.text(), "");
        rig.press(back);
        assert_eq!((rig.app.context(), shown(&rig)), (Context::Traces, Shown::Traces), "{back}");
    }
}

#[test]
fn a_flow_leads_to_its_trace_and_back() {
    let mut rig = Rig::new(100, 30);
    rig.arrive(30);
    rig.press("k k enter t");
    assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(4))));
    rig.press("esc");
    assert_eq!((rig.app.context(), rig.engine.query.as_ref().unwrap().inspect), (Context::Detail, Some(FlowId(28))));
    // from the trace to another hop, and to the list by its number: the filter is as it was
    rig.press("t k enter 2");
    assert_eq!((rig.app.context(), rig.app.filter.text()), (Context::Traces, ""));
}

#[test]
fn a_flow_that_was_evicted_is_still_a_hop() {
    let mut rig = Rig::new(100, 30);
    rig.arrive(30);
    rig.press("2 k enter j j");
    assert!(cursor(&rig).contains("evicted"), "{}", rig.screen());
    rig.press("enter");
    assert_eq!(rig.app.context(), Context::Trace);
    assert!(rig.screen().contains("this flow was evicted"), "{}", rig.screen());
}

#[test]
fn the_cursor_passes_over_waits() {
    let mut rig = Rig::new(100, 30);
    rig.arrive(30);
    rig.press("2 k enter g");
    let mut seen = vec![cursor(&rig)];
    for _ in 0..5 {
        rig.press("j");
        seen.push(cursor(&rig));
    }
    assert!(rig.screen().contains("waited to be delivered"), "{}", rig.screen());
    assert!(seen.iter().all(|line| !line.contains("waited")), "{seen:#?}");
    for line in seen.iter().rev().skip(1) {
        rig.press("k");
        assert_eq!(cursor(&rig), *line);
    }
}

#[test]
fn a_flow_that_several_may_have_caused_stands_below_each_and_leads_to_them() {
    for (width, height) in [(80, 24), (200, 50)] {
        let mut rig = Rig::new(width, height);
        rig.engine.doubt = true;
        rig.arrive(30);
        rig.press("2 k enter j");
        rig.golden(&format!("trace-doubt-{width}x{height}.txt"));
        rig.press("m");
        assert!(rig.screen().contains("candidate 1 of 2"), "{}", rig.screen());
        let first = cursor(&rig);
        rig.press("n");
        assert!(rig.screen().contains("candidate 2 of 2"), "{}", rig.screen());
        assert_ne!(cursor(&rig), first);
        rig.press("esc");
        assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(4))));
        assert!(cursor(&rig).starts_with('?'), "{}", rig.screen());
        assert!(rig.screen().contains(" · 24 more ? not shown"), "{}", rig.screen());
        // one that something is claimed of has none
        rig.press("g");
        assert!(rig.screen().contains("1 of 25 ? below it are shown"), "{}", rig.screen());
        rig.press("m");
        assert!(rig.screen().contains("nothing is in doubt here: m is for flows marked ?"), "{}", rig.screen());
    }
}

#[test]
fn an_open_flow_leads_to_what_may_have_caused_it() {
    let mut rig = Rig::new(100, 30);
    rig.arrive(30);
    rig.engine.candidates =
        [Spot::Hop(TraceNo(4), FlowId(25)), Spot::Flow(FlowId(5))].map(|spot| Candidate { spot, flow: None }).into();
    rig.press("k enter");
    assert!(rig.screen().contains("m what caused it"), "{}", rig.screen());
    rig.press("m");
    assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(4))));
    // one that is in no trace is its flow
    rig.press("n");
    assert_eq!((rig.app.context(), rig.engine.query.as_ref().unwrap().inspect), (Context::Detail, Some(FlowId(5))));
    rig.press("n");
    assert_eq!(rig.app.context(), Context::Trace);
    rig.press("esc");
    assert_eq!((rig.app.context(), rig.engine.query.as_ref().unwrap().inspect), (Context::Detail, Some(FlowId(29))));
}

#[test]
fn a_click_is_on_the_line_that_is_seen_there() {
    for (height, first) in [(30, 5), (12, 3)] {
        let mut rig = Rig::new(100, height);
        rig.arrive(300);
        rig.press("2 k k enter j");
        for row in [first, first - 1, first + 1] {
            let kind = MouseEventKind::Down(MouseButton::Left);
            rig.update(Event::Mouse(MouseEvent { kind, column: 9, row, modifiers: KeyModifiers::NONE }));
        }
        // above the first there is none
        assert!(rig.screen().lines().nth(usize::from(first + 1)).unwrap().starts_with("▌"), "{}", rig.screen());
        assert_eq!(rig.app.context(), Context::Trace);
    }
}

#[test]
fn the_cause_is_a_key_away() {
    let mut rig = Rig::new(100, 30);
    rig.arrive(300);
    rig.press("2 k k enter c");
    assert!(cursor(&rig).contains("POST /charge"), "{}", rig.screen());
    rig.engine.flows.iter_mut().for_each(|row| row.flow.row.ok = true);
    rig.show();
    rig.press("c");
    assert!(rig.screen().contains("nothing in this trace failed"), "{}", rig.screen());
}
