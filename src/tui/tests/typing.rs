//! The filter line while it is typed: completion, history, what is pasted.

use super::rig::Rig;
use crate::tui::event::Event;

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
