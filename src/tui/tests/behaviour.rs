//! How the screen behaves: what follows, what stays, what is asked of the engine, what keys do.

use super::rig::{Rig, event};
use crate::engine::view::Window;
use crate::model::FlowId;
use crate::text::is_control;
use crate::tui::detail::Tab;
use crate::tui::effect::Effect;
use crate::tui::event::Event;
use crate::tui::keymap::{Context, Key, Keymap, TABLE};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// At 80x24 this many rows fit.
const ROWS: u64 = 20;

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Event {
    Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

#[test]
fn it_follows_until_somebody_moves_up_and_again_when_asked() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(50);
    assert_eq!((rig.selected(), rig.listed()), (50, (31..=50).collect()));
    rig.press("j");
    rig.arrive(5);
    assert_eq!(rig.selected(), 55);
    rig.press("k");
    let listed = rig.listed();
    rig.arrive(500);
    assert_eq!((rig.selected(), rig.listed()), (54, listed));
    assert!(rig.screen().contains("PAUSED   +500 new"), "{}", rig.screen());
    for (pause, resume) in [("k", "G"), ("p", "F"), ("space", "p"), ("g", "end"), ("pageup", "space")] {
        rig.press(resume);
        assert!(rig.screen().contains("FOLLOW "), "{resume}");
        rig.arrive(1);
        assert_eq!(rig.selected(), rig.engine.seen);
        rig.press(pause);
        assert!(rig.screen().contains("PAUSED "), "{pause}");
    }
}

#[test]
fn a_pause_before_the_first_flow_holds_the_start() {
    let mut rig = Rig::new(80, 24);
    rig.show();
    rig.press("p");
    rig.arrive(100);
    assert_eq!((rig.selected(), rig.listed()), (1, (1..=ROWS).collect()));
}

#[test]
fn pages_miss_no_flow() {
    let mut rig = Rig::with(80, 24, |o| o.follow = false);
    rig.arrive(333);
    assert_eq!((rig.selected(), rig.listed()), (1, (1..=ROWS).collect()));
    let mut seen = rig.listed();
    while rig.selected() < 333 {
        let before = rig.selected();
        rig.press("pagedown");
        assert!(rig.selected() > before);
        let last = *seen.last().unwrap();
        seen.extend(rig.listed().into_iter().filter(|id| *id > last));
    }
    assert_eq!(seen, (1..=333).collect::<Vec<_>>());
    rig.press("g");
    assert_eq!(rig.selected(), 1);
}

#[test]
fn a_file_stands_still_while_it_is_read() {
    let mut rig = Rig::with(80, 24, |o| o.follow = false);
    rig.engine.status.progress = Some((1, 3));
    rig.arrive(3);
    assert_eq!(rig.selected(), 1);
    rig.press("j");
    rig.arrive(1_000);
    assert_eq!((rig.selected(), rig.listed()), (2, (1..=ROWS).collect()));
    assert!(rig.screen().contains("LOADING"));
}

#[test]
fn the_selection_stays_on_its_flow() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(200);
    rig.press("k k k");
    assert_eq!(rig.selected(), 197);
    // evicted below the window, then the window's own rows, then the flow itself
    for (first, selected) in [(100, 197), (190, 197), (199, 199)] {
        rig.engine.flows.retain(|r| r.flow.row.id.0 >= first);
        rig.show();
        assert_eq!(rig.selected(), selected, "from {first}");
    }
    // a size, and back
    rig.arrive(100);
    for size in [(80, 9), (200, 50), (80, 24)] {
        rig.update(Event::Resize(size.0, size.1));
        assert_eq!(rig.selected(), 199);
        assert!(rig.listed().contains(&199));
    }
}

#[test]
fn a_flow_that_stops_matching_is_selected_again_when_it_matches_again() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(60);
    rig.press("k k /");
    rig.write("anything");
    rig.engine.matches = Some(|f| f.row.id.0 % 2 == 0);
    rig.press("enter");
    assert_eq!(rig.selected(), 58);
    rig.engine.matches = Some(|f| f.row.id.0 % 3 == 0);
    rig.show();
    assert_eq!(rig.selected(), 60);
    rig.engine.matches = Some(|_| false);
    rig.show();
    assert!(rig.screen().contains("60 flows, none matches the filter"));
    rig.engine.matches = None;
    rig.show();
    assert_eq!(rig.selected(), 58);
}

#[test]
fn a_filter_and_no_filter_keep_the_selected_flow_on_the_screen() {
    let mut rig = Rig::with(80, 24, |o| o.follow = false);
    rig.arrive(1_000);
    rig.engine.matches = Some(|f| f.row.id.0 % 50 == 0);
    rig.press("/");
    rig.write("anything");
    rig.press("enter g j j j j");
    assert_eq!(rig.selected(), 250);
    rig.press("esc");
    assert_eq!(rig.selected(), 250);
    assert!(rig.listed().contains(&250));
    assert_eq!(rig.engine.view().matching, 1_000);
}

#[test]
fn keys_before_the_answer_never_yank() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(500);
    rig.press("k");
    let listed = rig.listed();
    rig.press_only("g");
    assert_eq!(rig.listed(), listed);
    rig.press_only("G");
    assert_eq!(rig.listed(), listed);
    rig.press_only("k");
    rig.show();
    assert_eq!((rig.selected(), rig.listed()), (498, listed));
    for _ in 0..100 {
        rig.press_only("pageup");
    }
    rig.show();
    assert!(rig.listed().contains(&rig.selected()));
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
fn an_invalid_filter_leaves_the_count_of_new_flows() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(50);
    rig.press("k");
    rig.engine.matches = Some(|flow| !flow.row.ok);
    rig.arrive(88);
    rig.press("/");
    rig.write("status ==");
    rig.press("enter");
    assert!(rig.app.filter.error().is_some() && rig.app.arrived() == 88, "{}", rig.app.arrived());
    rig.press("ctrl-u");
    rig.write("not ok");
    rig.press("enter");
    assert!(rig.app.filter.filter().is_some());
    assert_ne!(rig.app.arrived(), 88, "the list is another one");
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
fn a_filter_is_used_when_it_is_valid_and_left_as_it_was_otherwise() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    let filtered = |rig: &Rig| rig.engine.query.as_ref().unwrap().filter.is_some();
    rig.press("/");
    rig.write("status ==");
    rig.press("enter");
    assert!(rig.app.filter.editing() && !filtered(&rig), "an invalid one is not used");
    rig.write(" 200 q");
    assert!(rig.app.filter.error().is_none());
    rig.press("enter");
    assert!(!rig.app.filter.editing() && filtered(&rig));
    rig.press("/ ctrl-u");
    rig.write("other");
    rig.press("esc");
    assert_eq!(rig.app.filter.text(), "status == 200 q");
    rig.press("/ ctrl-w backspace enter");
    assert_eq!(rig.app.filter.text(), "status == 200");
    rig.press("esc");
    assert!(!filtered(&rig), "escape in the list clears it");
    rig.press("/");
    rig.write("x");
    rig.press("backspace enter");
    assert!(!rig.app.filter.editing() && !filtered(&rig), "an empty one shows all");
}

#[test]
fn filters_are_remembered() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(1);
    for text in ["one", "two", "three", "two"] {
        rig.press("/ ctrl-u");
        rig.write(text);
        rig.press("enter");
    }
    rig.press("/ ctrl-u");
    rig.write("draft");
    let mut texts = Vec::new();
    for key in ["up", "up", "up", "up", "down", "down", "down", "down"] {
        rig.press(key);
        texts.push(rig.app.filter.text().to_owned());
    }
    assert_eq!(texts, ["two", "three", "one", "one", "three", "two", "draft", "draft"]);
    for n in 0..300 {
        rig.press("/ ctrl-u");
        rig.write(&format!("f{n}"));
        rig.press("enter");
    }
    rig.press("/");
    for _ in 0..300 {
        rig.press_only("up");
    }
    assert_eq!(rig.app.filter.text(), "f200", "a hundred are kept");
}

#[test]
fn words_are_completed_where_the_cursor_is() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(12);
    rig.press("/");
    rig.write("ok or s");
    let mut texts = Vec::new();
    for _ in 0..3 {
        rig.press("tab");
        texts.push((rig.app.filter.text().to_owned(), rig.app.filter.cursor()));
    }
    let wanted = [("ok or status", 12), ("ok or server", 12), ("ok or status", 12)];
    assert_eq!(texts, wanted.map(|(t, c)| (t.to_owned(), c)));
    assert!(rig.screen().contains("1 of 2, Tab: the next"));
    rig.write(" == 20");
    rig.press("tab");
    assert_eq!(rig.app.filter.text(), "ok or status == 200", "values come from the flows");
    rig.press("ctrl-u");
    rig.write("注文 st x");
    rig.press("left left tab");
    assert_eq!((rig.app.filter.text(), rig.app.filter.cursor()), ("注文 status x", 9));
    rig.press("end tab");
    assert_eq!(rig.app.filter.text(), "注文 status x", "nothing fits, nothing changes");
}

#[test]
fn what_is_pasted_is_only_text() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(1);
    rig.update(Event::Paste("q".into()));
    assert!(rig.effects.is_empty(), "outside the filter line a paste does nothing");
    rig.press("/");
    rig.update(Event::Paste("ok\n\x1b[2J\u{202e}and\tx".into()));
    assert_eq!(rig.app.filter.text(), "ok [2Jand x");
    rig.update(Event::Paste("y".repeat(1_000_000)));
    assert!(rig.app.filter.text().len() <= 4096);
    rig.screen();
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
        rig.app.detail.shown = Some(std::sync::Arc::new(shown));
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
        Context::Detail => &["k enter tab"],
        Context::Traces => &["2"],
        Context::Trace => &["2 enter", "2 enter +"],
        Context::Services => &["3"],
        Context::Filter => &["/ s tab", "/ x enter / up up", "/ x space s left"],
        Context::Confirm => &["z"],
    };
    for entry in TABLE {
        for key in entry.keys {
            let changes = |place: &&str| {
                let mut rig = Rig::new(80, 24);
                rig.arrive(100);
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
        row.flow.client.service = Some(evil.as_str().into());
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
