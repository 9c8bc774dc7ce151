//! How the screen behaves: what is asked of the engine, what stays open, what keys and the mouse do.

use super::rig::{Rig, event};
use crate::engine::view::Window;
use crate::model::FlowId;
use crate::text::is_control;
use crate::tui::detail::Tab;
use crate::tui::effect::Effect;
use crate::tui::event::Event;
use crate::tui::keymap::{Context, Key, Keymap, TABLE};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use std::sync::Arc;

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Event {
    Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

#[test]
fn a_jump_and_an_open_in_one_burst_open_the_flow_that_was_jumped_to() {
    for (jump, id) in [("G", 100), ("g", 1)] {
        let mut rig = Rig::with(80, 24, |o| o.follow = false);
        rig.arrive(100);
        rig.press(if jump == "G" { "g" } else { "G k" });
        for key in [jump, "enter", "tab"] {
            rig.press_only(key);
        }
        assert!(rig.app.detail.is_open() && rig.app.detail.shown.is_none(), "nothing else is shown meanwhile");
        rig.show();
        assert_eq!((rig.selected(), rig.app.detail.shown.as_ref().map(|d| d.id)), (id, Some(FlowId(id))), "{jump}");
        assert_eq!(rig.app.detail.tab, Tab::Headers);
        rig.arrive(10);
        assert_eq!(rig.selected(), id, "the list has stopped");
    }
    let mut rig = Rig::with(80, 24, |o| o.follow = false);
    for key in ["G", "enter"] {
        rig.press_only(key);
    }
    rig.arrive(100);
    assert_eq!(rig.app.detail.shown.as_ref().map(|d| d.id), Some(FlowId(100)), "before the first view");
    let mut rig = Rig::new(80, 24);
    rig.press_only("enter");
    rig.show();
    assert!(!rig.app.detail.is_open(), "there is none to open");
}

#[test]
fn the_engine_is_asked_only_when_something_is_wanted() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(100);
    let asked = rig.engine.query.clone().unwrap();
    assert_eq!((asked.window, asked.height, asked.inspect), (Window::Follow, 20, None));
    rig.arrive(1);
    rig.show();
    rig.press("? j esc M /");
    rig.write("pro");
    rig.press("esc");
    assert_eq!(rig.engine.query.as_ref().unwrap().generation, asked.generation);
    rig.press("enter");
    let opened = rig.engine.query.clone().unwrap();
    assert_eq!(opened.inspect, Some(FlowId(101)));
    assert_eq!(opened.height, 7);
    assert!(opened.generation > asked.generation);
    rig.press("q");
    assert_eq!(rig.engine.query.as_ref().unwrap().inspect, None);
}

#[test]
fn an_open_flow_stays_open_while_others_arrive() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(50);
    rig.press("enter");
    let shown = |rig: &Rig| rig.app.detail.shown.as_ref().map(|d| d.id.0);
    assert_eq!(shown(&rig), Some(50));
    rig.arrive(500);
    assert_eq!((shown(&rig), rig.selected()), (Some(50), 50));
    rig.press("J J K");
    assert_eq!((shown(&rig), rig.selected()), (Some(51), 51));
    // evicted while it is read: it stays on the screen, and only there
    rig.engine.flows.retain(|r| r.flow.row.id.0 > 300);
    rig.show();
    assert_eq!((shown(&rig), rig.selected()), (Some(51), 301));
    rig.press("J");
    assert_eq!(shown(&rig), Some(302));
}

#[test]
fn another_flow_begins_at_its_top_in_the_same_tab() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(50);
    rig.press("enter backtab G");
    assert_eq!(rig.app.detail.tab, Tab::Hex);
    let scrolled = rig.app.detail.scroll;
    assert!(scrolled > 20);
    rig.press_only("K");
    assert_eq!(rig.app.detail.scroll, scrolled, "the flow before stays until the next one is there");
    rig.show();
    assert_eq!((rig.app.detail.tab, rig.app.detail.scroll), (Tab::Hex, 0));
    rig.press("G tab");
    assert_eq!((rig.app.detail.tab, rig.app.detail.scroll), (Tab::Overview, 0));
    rig.press("j j j");
    assert_eq!(rig.app.detail.scroll, 0, "what fits does not scroll");
}

#[test]
fn back_goes_up_one_view_and_then_quits() {
    let quits = |rig: &Rig| rig.effects.iter().any(|e| matches!(e, Effect::Quit));
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    rig.press("enter ? q q 6 q");
    assert!(!quits(&rig) && rig.app.context() == Context::List);
    rig.press("esc esc");
    assert!(!quits(&rig), "escape never quits");
    rig.press("q");
    assert!(quits(&rig));
    for before in ["?", "enter", "6", "/", "z"] {
        let mut rig = Rig::new(80, 24);
        rig.arrive(9);
        rig.press(before);
        rig.press("ctrl-c");
        assert!(quits(&rig), "ctrl-c after {before}");
    }
}

#[test]
fn forgetting_asks_first() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    for no in ["n", "esc", "q"] {
        rig.press("z x");
        assert_eq!(rig.app.context(), Context::Confirm, "another key is no answer");
        rig.press(no);
        assert_eq!((rig.engine.flows.len(), rig.app.context()), (9, Context::List));
    }
    rig.press("z y");
    assert_eq!(rig.engine.flows.len(), 0);
}

#[test]
fn bodies_are_copied_as_harmless_text_of_a_size_that_terminals_take() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(1);
    rig.press("enter");
    let mut copy = |text: &str, key: &str| {
        let mut shown = (**rig.app.detail.shown.as_ref().unwrap()).clone();
        let side = shown.response.as_mut().unwrap();
        (side.copy, side.formatted) = (text.to_owned(), text.starts_with('{'));
        shown.request = None;
        rig.app.detail.shown = Some(Arc::new(shown));
        rig.effects.clear();
        rig.press_only(key);
        let copied = rig
            .effects
            .iter()
            .find_map(|e| if let Effect::Copy(what, text) = e { Some((what.clone(), text.clone())) } else { None });
        (copied, rig.app.notice.clone())
    };
    let (copied, _) = copy("{\n\t\"a\": 1\x1b]0;x\x07\r\n}", "y");
    assert_eq!(copied, Some(("the response's body, formatted, 25 B".into(), "{\n\t\"a\": 1\\x1b]0;x\\x07\\r\n}".into())));
    assert_eq!(copy("", "y"), (None, Some("the response has no body to copy".into())));
    assert_eq!(copy("x", "Y"), (None, Some("the request has no body to copy".into())));
    let (copied, said) = copy(&"x".repeat(60_000), "y");
    assert_eq!((copied, said.unwrap().as_str()), (None, "not copied: the response's body is 59 KiB, terminals take 54 KiB"));
}

#[test]
fn a_notice_is_cut_where_there_is_no_room_not_left_out() {
    let mut rig = Rig::new(60, 24);
    rig.arrive(1);
    for (width, end) in [(60, "9 words"), (40, "…")] {
        rig.app.size.0 = width;
        rig.update(Event::Told("sent the response's body, formatted, 9 words".into()));
        let screen = rig.screen();
        let last = screen.lines().last().unwrap();
        assert!(last.contains("sent the response's body") && last.contains(end), "{last}");
    }
}

#[test]
fn an_answer_of_the_reader_is_told_once_and_a_warning_stays() {
    let mut rig = Rig::new(100, 24);
    rig.engine.status.warning = Some("docker0 went away".into());
    rig.engine.status.notice = Some((1, "saved 42 packets to a.pcapng".into()));
    rig.arrive(1);
    assert!(rig.screen().contains("saved 42 packets to a.pcapng"), "{}", rig.screen());
    rig.press("j");
    rig.arrive(1);
    assert!(!rig.screen().contains("saved 42") && rig.screen().contains("! docker0 went away"), "{}", rig.screen());
    rig.engine.status.notice = Some((2, "saved 42 packets to a.pcapng".into()));
    rig.show();
    assert!(rig.screen().contains("saved 42"), "the same words again are another answer");
    rig.press("j");
    rig.engine.status.warning = Some(format!("{} is broken", "very/".repeat(40)));
    rig.show();
    assert!(rig.screen().contains("  ! very/very/") && rig.screen().contains('…'), "cut, not left out: {}", rig.screen());
    rig.press("6 G");
    assert!(rig.screen().contains("is broken"), "whole beside the counters: {}", rig.screen());
}

#[test]
fn the_mouse_selects_opens_and_scrolls() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(100);
    rig.update(mouse(MouseEventKind::ScrollUp, 5, 10));
    assert_eq!(rig.selected(), 97);
    let listed = rig.listed();
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 5, 5));
    assert_eq!((rig.selected(), rig.listed()), (listed[2], listed.clone()));
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 5, 2));
    assert_eq!(rig.selected(), listed[2], "headings are no row");
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 5, 5));
    assert!(rig.app.detail.is_open());
    rig.press("backtab");
    rig.update(mouse(MouseEventKind::ScrollDown, 5, 20));
    assert_eq!(rig.app.detail.scroll, 3);
    rig.update(mouse(MouseEventKind::Moved, 5, 20));
    rig.press("M M");
    let taken: Vec<_> = rig.effects.iter().map(|e| matches!(e, Effect::Mouse(true))).collect();
    assert_eq!(taken, [false, true]);
}

#[test]
fn every_key_of_the_table_does_what_the_help_says() {
    let map = Keymap::default();
    for entry in TABLE {
        for key in entry.keys {
            assert_eq!(map.action(entry.context, Key::parse(key).unwrap()), Some(entry.action), "{key}");
        }
        let help: Vec<_> = map.help(entry.context).collect();
        assert!(help.contains(&(entry.keys.join(" "), entry.help)));
    }
    assert_eq!(Key::from(event("ctrl-d")), Key::parse("ctrl-d").unwrap());
}

#[test]
fn every_action_does_something() {
    // what is pressed before: somewhere in each context every one of its actions changes something
    let places = |context| match context {
        Context::Anywhere => &["p", "k k k", "6", "enter"][..],
        Context::List => &["k"],
        Context::Detail => &["k enter tab", "k enter tab / o enter"],
        Context::Traces => &["2"],
        Context::Trace => &["2 enter", "2 enter +", "2 k k enter", "5 enter"],
        Context::Services => &["3"],
        Context::Brokers => &["4"],
        Context::Findings => &["5"],
        Context::Filter => &["/ s tab", "/ x enter / up up", "/ x space s left"],
        Context::Confirm => &["z"],
    };
    for entry in TABLE {
        for key in entry.keys {
            let changes = |place: &&str| {
                let mut rig = Rig::new(80, 24);
                rig.arrive(100);
                rig.engine.findings = super::findings::three();
                rig.engine.examples = [28, 22].map(FlowId).into();
                super::brokers::mix(&mut rig);
                rig.press(place);
                assert!(entry.context == Context::Anywhere || rig.app.context() == entry.context, "{place}");
                let state = |rig: &Rig| format!("{:?} {} {}", rig.app, rig.engine.flows.len(), rig.effects.len());
                let before = state(&rig);
                rig.update(Event::Key(Key::parse(key).unwrap().into()));
                state(&rig) != before
            };
            assert!(places(entry.context).iter().any(changes), "{key}: {}", entry.name);
        }
    }
}

#[test]
fn nothing_from_the_wire_acts_on_the_terminal() {
    let mut rig = Rig::new(200, 50);
    rig.push(3);
    let evil: String = ('\0'..='\u{9f}').filter(|c| is_control(*c)).chain(['\u{2028}', '\u{202e}', '\u{2066}']).collect();
    for row in &mut rig.engine.flows {
        row.flow.row.operation = evil.as_str().into();
        row.flow.row.status = Some(evil.as_str().into());
        row.flow.row.trace_id = Some(evil.as_str().into());
        Arc::make_mut(&mut row.flow.client).service = Some(evil.as_str().into());
    }
    rig.engine.status.warning = Some(evil.clone());
    rig.engine.status.capture_filter = Some(evil.clone());
    rig.engine.status.sources[0].name = evil;
    rig.show();
    rig.press("enter tab tab");
    for keys in ["esc", "6"] {
        let text = rig.screen();
        assert!(!text.chars().any(|c| is_control(c) && c != '\n'), "{text:?}");
        rig.press(keys);
    }
    assert!(!rig.screen().chars().any(|c| is_control(c) && c != '\n'));
}
