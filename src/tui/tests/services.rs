//! The table of services: what it looks like, what stays where it is, and what Enter narrows to.

use super::rig::Rig;
use super::sample::party;
use crate::model::FindingKind;
use crate::tui::event::Event;
use crate::tui::keymap::Context;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// The line with the cursor, without its marker and numbers.
fn cursor(rig: &Rig) -> String {
    let screen = rig.screen();
    let line = screen.lines().find_map(|line| line.strip_prefix("▌ ")).unwrap_or_else(|| panic!("no cursor:\n{screen}"));
    line.split("  ").find(|part| !part.is_empty()).unwrap_or_default().to_owned()
}

/// Services and edges from the top of the screen, without numbers.
fn names(rig: &Rig) -> Vec<String> {
    let part = |line: &str| line.chars().skip(2).collect::<String>().trim().split("  ").next().unwrap_or_default().to_owned();
    let screen = rig.screen();
    let lines: Vec<_> = screen.lines().skip(3).collect();
    lines[..lines.len() - 1].iter().map(|line| part(line)).filter(|name| !name.is_empty()).collect()
}

fn filter(rig: &Rig) -> Option<String> {
    rig.engine.query.as_ref()?.filter.as_ref().map(|_| rig.app.filter.text().to_owned())
}

#[test]
fn the_table_at_every_size() {
    for (width, height) in [(40, 12), (80, 24), (100, 30), (140, 40), (200, 50)] {
        let mut rig = Rig::new(width, height);
        rig.arrive(300);
        rig.press("3 j");
        rig.golden(&format!("services-{width}x{height}.txt"));
    }
    let mut rig = Rig::new(80, 24);
    rig.push(12);
    rig.engine.flows[2].flow.server = party("[fd00:1:2:3:4:5:6:7]:8080", None).into();
    rig.engine.flows[3].flow.client = party("10.0.0.7:51234", None).into();
    rig.engine.flows[4].flow.client = party("10.0.0.8:51234", Some("注文サービスと\x1b[2Jその他すべてのもの")).into();
    rig.engine.flows[5].flow.row.protocol = "postgresql";
    rig.engine.findings = super::findings::three();
    rig.engine.findings.push(super::mesh::finding(9, FindingKind::TraceUnsampled, "注文サービスと\x1b[2Jその他すべてのもの", 1));
    rig.show();
    rig.press("3 s s");
    rig.golden("services-strange.txt");
}

#[test]
fn an_empty_table_says_why() {
    let mut rig = Rig::new(80, 24);
    rig.show();
    rig.press("3");
    rig.golden("services-no-connection.txt");
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    rig.engine.unsettled = true;
    rig.press("3");
    rig.golden("services-none-over.txt");
}

#[test]
fn enter_narrows_to_a_service_or_an_edge_and_escape_comes_back() {
    for back in ["esc", "q", "3"] {
        let mut rig = Rig::new(80, 24);
        rig.arrive(60);
        rig.press("/");
        rig.write("not ok");
        rig.press("enter 3");
        assert_eq!(rig.app.context(), Context::Services);
        assert!(rig.screen().contains("the table is of all flows"));
        assert_eq!(cursor(&rig), "billing");
        rig.press("enter");
        assert_eq!(filter(&rig).as_deref(), Some(r#"client == "billing" or server == "billing""#));
        assert_eq!(rig.app.context(), Context::List);
        rig.press("enter");
        assert_eq!(rig.app.context(), Context::Detail);
        rig.press("q");
        rig.press(back);
        assert_eq!((rig.app.context(), cursor(&rig).as_str()), (Context::Services, "billing"), "{back}");
        assert_eq!(filter(&rig).as_deref(), Some("not ok"), "as it was before");
        rig.press("j l");
        assert_eq!(filter(&rig).as_deref(), Some(r#"client == "billing" and server == "payments" and proto == http"#));
        // a filter of one's own is no step on the way back
        rig.press("/ ctrl-u");
        rig.write("ok");
        rig.press("enter esc");
        assert_eq!((rig.app.context(), filter(&rig)), (Context::List, None));
    }
}

#[test]
fn the_engine_builds_the_table_only_while_it_is_shown() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(60);
    let there = |rig: &Rig| rig.engine.view().services.is_some();
    assert!(!there(&rig));
    for (key, is) in [("3", true), ("?", true), ("q", true), ("q", false), ("3", true), ("6", false)] {
        rig.press(key);
        assert_eq!(there(&rig), is, "after {key}");
    }
}

#[test]
fn the_selected_line_stays_selected_in_any_order_and_while_others_come() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(60);
    rig.press("3 j j j j");
    let by_name = names(&rig);
    assert_eq!(by_name[..4], ["billing", "─http→ payments", "browser", "─http→ gateway"]);
    let selected = cursor(&rig);
    let mut orders = Vec::new();
    for _ in 0..4 {
        rig.press("s");
        assert_eq!(cursor(&rig), selected);
        orders.push(names(&rig));
    }
    assert_eq!(orders[3], by_name, "round");
    for (order, what) in [(1, "nothing but errors"), (2, "the slowest")] {
        assert_eq!(orders[order][..3], ["billing", "─http→ payments", "payments"], "{what}, which who asks for it is too");
    }
    assert!(orders.iter().all(|order| order.len() == by_name.len()));
    rig.push(6);
    rig.engine.flows[60].flow.client = party("10.0.0.1:1", Some("00-first")).into();
    rig.show();
    assert_eq!((cursor(&rig), names(&rig)[0].as_str()), (selected, "00-first"));
}

#[test]
fn it_scrolls_by_lines_pages_and_to_the_ends() {
    let mut rig = Rig::new(80, 12);
    rig.push(60);
    for n in 0..60 {
        rig.engine.flows[n].flow.client = party("10.0.0.1:1", Some(&format!("client-{n:02}"))).into();
        rig.engine.flows[n].flow.server = party("10.0.0.2:1", Some("server")).into();
    }
    rig.show();
    rig.press("3");
    let mut seen = names(&rig);
    assert_eq!(seen.len(), 8);
    while cursor(&rig) != "server" {
        let before = cursor(&rig);
        rig.press("pagedown");
        assert_ne!(cursor(&rig), before);
        seen.extend(names(&rig));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.iter().filter(|name| name.starts_with("client-")).count(), 60, "no page leaves one out");
    rig.press("g");
    assert_eq!(cursor(&rig), "client-00");
    rig.press("G k");
    assert_eq!(cursor(&rig), "─http→ server");
    rig.update(Event::Resize(80, 9));
    assert_eq!(cursor(&rig), "─http→ server");
    rig.press("home ctrl-d up");
    assert_eq!(cursor(&rig), "─http→ server");
}

#[test]
fn the_mouse_selects_narrows_and_scrolls() {
    let mouse = |kind, row| Event::Mouse(MouseEvent { kind, column: 9, row, modifiers: KeyModifiers::NONE });
    let mut rig = Rig::new(80, 24);
    rig.arrive(60);
    rig.press("3");
    rig.update(mouse(MouseEventKind::ScrollDown, 9));
    assert_eq!(cursor(&rig), "─http→ gateway");
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 2));
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 21));
    assert_eq!(cursor(&rig), "─http→ gateway", "neither headings nor the empty part are lines");
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 4));
    assert_eq!(cursor(&rig), "─http→ payments");
    rig.update(mouse(MouseEventKind::Down(MouseButton::Left), 4));
    assert_eq!(filter(&rig).as_deref(), Some(r#"client == "billing" and server == "payments" and proto == http"#));
}
