//! The place in the list: what follows, what stays, whatever arrives, stops matching or goes.

use super::rig::Rig;
use crate::tui::event::Event;

/// At 80x24 this many rows fit.
const ROWS: u64 = 20;

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
