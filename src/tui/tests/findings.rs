//! The findings: what they look like, where Enter leads, what is copied, and what stays selected while more come up.

use super::mesh::finding;
use super::rig::Rig;
use crate::engine::view::{About, FindingLine, Shown, Spot};
use crate::model::{FindingKind, FlowId, TraceNo};
use crate::tui::effect::Effect;
use crate::tui::keymap::Context;

/// Three, the worst first.
pub fn three() -> Vec<FindingLine> {
    vec![
        finding(3, FindingKind::TraceLost, "billing", 1_204),
        finding(1, FindingKind::TraceFormatSwitched, "gateway", 12),
        finding(2, FindingKind::TraceMaybeLinked, "orders", 1),
    ]
}

fn rig(width: u16, height: u16) -> Rig {
    let mut rig = Rig::new(width, height);
    rig.engine.findings = three();
    rig.arrive(30);
    rig.press("5");
    rig
}

/// The line with the cursor.
fn cursor(rig: &Rig) -> String {
    let screen = rig.screen();
    let line = screen.lines().find_map(|line| line.strip_prefix("▌ ")).unwrap_or_else(|| panic!("no cursor:\n{screen}"));
    line.to_owned()
}

fn shown(rig: &Rig) -> Shown {
    rig.engine.query.as_ref().map(|query| query.shown.clone()).unwrap()
}

#[test]
fn findings_at_every_size() {
    for (width, height) in [(40, 12), (80, 24), (200, 50)] {
        let mut rig = rig(width, height);
        rig.golden(&format!("findings-{width}x{height}.txt"));
        rig.engine.examples = [28, 23, 16, 10].map(FlowId).into();
        rig.press("j");
        rig.golden(&format!("findings-examples-{width}x{height}.txt"));
    }
}

#[test]
fn nothing_found_says_what_is_looked_for() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    rig.press("5");
    rig.golden("findings-none.txt");
    rig.press("enter y");
    assert!(rig.effects.is_empty() && rig.app.context() == Context::Findings);
}

#[test]
fn every_screen_says_how_many_there_are() {
    let mut rig = rig(80, 24);
    for key in ["1", "2", "3", "4", "5", "6"] {
        rig.press(key);
        assert!(rig.screen().contains("5 Findings 3  6 Stats"), "{}", rig.screen());
    }
    rig.engine.findings.clear();
    rig.show();
    assert!(rig.screen().contains("5 Findings    6 Stats"), "the tabs stay where they are:\n{}", rig.screen());
}

#[test]
fn what_is_read_stays_selected_while_others_come_up_and_counts_grow() {
    let mut rig = rig(80, 24);
    // nobody has moved: the one whose proof is on the screen is still the one that is read
    rig.engine.findings.insert(0, finding(4, FindingKind::TraceMalformed, "web", 9_000));
    rig.show();
    assert!(cursor(&rig).contains("billing"), "{}", rig.screen());
    rig.press("j");
    assert!(cursor(&rig).contains("gateway"));
    rig.engine.findings[2].count = 13;
    rig.engine.findings.swap(0, 2);
    rig.show();
    assert!(cursor(&rig).contains("gateway") && cursor(&rig).contains(" 13 "), "{}", rig.screen());
    assert!(rig.screen().contains("13 times"));
}

#[test]
fn enter_leads_to_the_proof_and_escape_comes_back() {
    for back in ["esc", "q"] {
        let mut rig = rig(100, 30);
        rig.press("j enter");
        assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(4))));
        let hop = cursor(&rig);
        // it is on the very hop: its flow opens, and all of it is left again step by step
        rig.press("enter");
        assert_eq!((rig.app.context(), rig.engine.query.as_ref().unwrap().inspect), (Context::Detail, Some(FlowId(28))));
        rig.press(&format!("{back} {back}"));
        assert_eq!((rig.app.context(), cursor(&rig)), (Context::Trace, hop));
        rig.press(back);
        assert_eq!((rig.app.context(), shown(&rig)), (Context::Findings, Shown::Findings { about: About::All, chosen: Some(1) }));
        assert!(cursor(&rig).contains("gateway"));
    }
}

#[test]
fn a_proof_that_is_in_no_trace_is_its_flow_and_one_that_is_gone_says_so() {
    let mut rig = rig(100, 30);
    rig.press("1 /");
    rig.write("ok");
    rig.press("enter");
    rig.engine.findings[0].proof = Some(Spot::Flow(FlowId(7)));
    rig.engine.findings[1].proof = None;
    rig.press("5 enter");
    assert_eq!((rig.app.context(), rig.engine.query.as_ref().unwrap().inspect), (Context::Detail, Some(FlowId(7))));
    assert_eq!(rig.app.filter.text(), "", "whatever the filter says");
    rig.press("esc esc");
    assert_eq!((rig.app.context(), rig.app.filter.text()), (Context::Findings, "ok"));
    rig.press("j enter");
    assert_eq!(rig.app.context(), Context::Findings);
    assert!(rig.screen().contains("the flows that showed it were evicted"), "{}", rig.screen());
}

#[test]
fn it_is_copied_as_text() {
    let mut rig = rig(80, 24);
    rig.engine.findings[1].title = "gateway\x1b[2J switches the format".to_owned();
    rig.press("j y");
    let Some(Effect::Copy(what, text)) = rig.effects.last() else { panic!("{:?}", rig.effects) };
    assert_eq!(what, "the finding");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "warning trace_format_switched: gateway\\x1b[2J switches the format",
            "service: gateway",
            "seen: 12 times, first noticed at 2026-11-21T07:21:03.000000000Z",
        ]
    );
    assert!(lines[3].starts_with("evidence: gateway received") && lines[4].starts_with("advice: its HTTP client"), "{text}");
    assert_eq!(lines.len(), 5);
}

/// Whether the screen says this, somewhere.
fn says(rig: &Rig, text: &str) {
    assert!(rig.screen().contains(text), "{text}:\n{}", rig.screen());
}

#[test]
fn the_examples_of_a_proof_are_a_key_apart() {
    let mut rig = rig(100, 30);
    rig.engine.examples = [28, 22, 16].map(FlowId).into();
    rig.show();
    says(&rig, "the first of 3 examples; n there: the next");
    rig.press("enter");
    says(&rig, "example 1 of 3");
    for (key, trace, place) in [("n", 3, 2), ("n", 2, 3), ("n", 4, 1), ("N", 2, 3)] {
        rig.press(key);
        assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(trace))));
        says(&rig, &format!("example {place} of 3"));
    }
    // an open flow of one is left for it again, and the finding is one step back from each
    rig.press("enter esc esc");
    says(&rig, "example 3 of 3");
    rig.press("esc");
    assert_eq!(rig.app.context(), Context::Findings);
    assert!(cursor(&rig).contains("billing"));
}

#[test]
fn one_key_from_a_flow_a_hop_and_a_service_to_what_is_wrong_with_it() {
    let mut rig = Rig::new(100, 30);
    rig.engine.findings = three();
    rig.arrive(30);
    let about = |rig: &Rig| match shown(rig) {
        Shown::Findings { about, .. } => about,
        other => panic!("{other:?}"),
    };
    // a flow, in the list and open
    rig.press("k k f");
    assert_eq!(about(&rig), About::Flow(FlowId(28)));
    says(&rig, "3 of 3 findings, of the flow that was selected");
    rig.press("esc enter f q");
    assert_eq!((rig.app.context(), rig.engine.query.as_ref().unwrap().inspect), (Context::Detail, Some(FlowId(28))));
    // a flow with none says so
    rig.press("esc k f");
    says(&rig, "none of 3 findings is of what was selected");
    rig.press("esc");
    assert_eq!((rig.app.context(), rig.selected()), (Context::List, 27));
    // a hop; its proof is another trace's, and all of it is left step by step
    rig.press("2 k enter j");
    let hop = cursor(&rig);
    rig.press("f esc");
    assert_eq!((rig.app.context(), cursor(&rig)), (Context::Trace, hop.clone()));
    rig.press("j j j f enter");
    assert_eq!((rig.app.context(), shown(&rig)), (Context::Trace, Shown::Trace(TraceNo(4))));
    rig.press("esc esc esc");
    assert_eq!((rig.app.context(), shown(&rig)), (Context::Traces, Shown::Traces));
    // a service, on its own line and on one of what it asks
    rig.press("3 f");
    assert_eq!(about(&rig), About::Service("billing".into()));
    says(&rig, "1 of 3 findings, of billing");
    rig.press("5");
    assert_eq!(about(&rig), About::All, "by its number it has all");
    rig.press("3 j f esc");
    assert_eq!(rig.app.context(), Context::Services);
    rig.press("6 f");
    says(&rig, "select a flow, a hop or a service");
}
