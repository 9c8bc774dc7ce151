//! A flow with messages: its list, what is read of it, what is found in it, while more arrive.

use super::rig::Rig;
use crate::model::Pattern;
use crate::tui::effect::Effect;
use crate::tui::event::Event;
use crate::tui::messages::Chosen;

/// A stream with so many messages, open on its list.
fn open(width: u16, height: u16, messages: u64) -> Rig {
    let mut rig = Rig::new(width, height);
    rig.push(3);
    for row in &mut rig.engine.flows {
        let flow = &mut row.flow.row;
        (flow.pattern, flow.protocol) = (Pattern::BidiStream, "grpc");
        flow.operation = "/shop.inventory.v1.Inventory/Reserve".into();
    }
    rig.engine.messages = messages;
    rig.show();
    rig.press("enter tab tab");
    rig
}

/// Side and number of the chosen message.
fn chosen(rig: &Rig) -> (bool, u64) {
    let message = rig.app.detail.message().unwrap();
    (message.request, message.number)
}

#[test]
fn messages_are_a_list_with_what_they_say_below() {
    for (width, height) in [(80, 24), (120, 30), (200, 50)] {
        let mut rig = open(width, height, 12);
        rig.golden(&format!("messages-{width}x{height}.txt"));
        rig.press("j j enter");
        rig.golden(&format!("message-{width}x{height}.txt"));
    }
    open(40, 12, 3).golden("messages-40x12.txt");
    open(80, 24, 2).golden("messages-unary.txt");
}

#[test]
fn a_message_that_arrives_takes_nobody_from_his_place() {
    let mut rig = open(80, 24, 9);
    rig.press("j j");
    assert_eq!(chosen(&rig), (false, 1));
    let arrive = |rig: &mut Rig, n| {
        rig.engine.messages = n;
        rig.show();
    };
    arrive(&mut rig, 90);
    assert_eq!((chosen(&rig), rig.app.detail.list().len()), ((false, 1), 90));
    rig.press("enter");
    assert!(rig.app.detail.messages.reading && rig.screen().contains("\"left\": 2"), "{}", rig.screen());
    arrive(&mut rig, 91);
    assert!(rig.app.detail.messages.reading && rig.screen().contains("\"left\": 2"));
    rig.press("q G");
    assert_eq!((rig.app.detail.messages.chosen, chosen(&rig)), (Chosen::Newest, (true, 61)));
    arrive(&mut rig, 92);
    assert_eq!(chosen(&rig), (true, 62), "at the end the newest stays chosen");
    rig.press("k");
    arrive(&mut rig, 120);
    assert_eq!(chosen(&rig), (true, 61));
    assert!(rig.screen().contains("\"k90\""), "{}", rig.screen());
    rig.press("pageup g k k");
    assert_eq!(chosen(&rig), (true, 1));
    rig.press("K");
    assert_eq!((chosen(&rig), rig.app.detail.messages.top), ((true, 1), 0), "another flow begins at its first");
}

#[test]
fn a_message_that_is_dropped_stays_for_who_reads_it() {
    let mut rig = open(80, 24, 90);
    let drop = |rig: &mut Rig, n| {
        rig.engine.dropped = n;
        rig.show();
    };
    assert!(!rig.screen().contains("not kept"), "{}", rig.screen());
    drop(&mut rig, 5);
    assert_eq!(chosen(&rig), (true, 1), "who opened a flow reads its first, whatever is dropped then");
    drop(&mut rig, 0);
    rig.press("j j");
    drop(&mut rig, 2);
    assert!(rig.screen().contains("2 older not kept") && !rig.screen().contains("no longer kept"), "{}", rig.screen());
    for n in [3, 60] {
        drop(&mut rig, n);
        assert_eq!(chosen(&rig), (false, 1));
        assert!(rig.screen().contains("\"left\": 2") && rig.screen().contains("no longer kept"), "{}", rig.screen());
    }
    rig.golden("messages-dropped.txt");
    rig.press("enter");
    assert!(rig.app.detail.messages.reading && rig.screen().contains("\"left\": 2"), "{}", rig.screen());
    rig.press("q j");
    assert_eq!(chosen(&rig), (true, 41), "the oldest that is kept");
    assert!(!rig.screen().contains("no longer kept"), "{}", rig.screen());
}

#[test]
fn back_leads_from_a_message_to_the_list_to_the_flows() {
    let mut rig = open(80, 24, 3);
    rig.press("enter q");
    assert!(rig.app.detail.lists());
    rig.press("enter esc");
    assert!(rig.app.detail.lists());
    rig.press("tab");
    assert!(rig.screen().contains("00000000  0a 00") && !rig.screen().contains("0a 01"), "the hex of the chosen one");
    rig.press("backtab q");
    assert!(!rig.app.detail.is_open());
}

#[test]
fn the_chosen_message_is_copied() {
    let mut rig = open(80, 24, 3);
    rig.press("j y");
    let copied = rig
        .effects
        .iter()
        .find_map(|e| if let Effect::Copy(what, text) = e { Some((what.as_str(), text.as_str())) } else { None });
    assert_eq!(copied, Some(("the message's body, formatted, 17 B", "{\n  \"sku\": \"k1\"\n}")));
}

#[test]
fn the_call_is_copied_as_a_command() {
    let mut rig = open(80, 24, 3);
    rig.press("c");
    let Some(Effect::Copy(what, text)) = rig.effects.last() else { panic!("{:?}", rig.effects) };
    assert_eq!((what.as_str(), text.as_str()), ("it as curl, without its body,", "curl http://127.0.0.1:8080/"));
    let mut shown = (**rig.app.detail.shown.as_ref().unwrap()).clone();
    (shown.command, shown.no_command) = (None, None);
    rig.app.detail.shown = Some(std::sync::Arc::new(shown));
    rig.press_only("c");
    assert!(
        rig.effects.len() == 1 && rig.screen().contains("no command makes this: no request of HTTP or gRPC was captured"),
        "{}",
        rig.screen()
    );
}

#[test]
fn a_search_goes_through_messages_and_through_a_text() {
    let mut rig = open(80, 24, 30);
    let search = |rig: &mut Rig, text: &str| {
        rig.press("/");
        rig.write(text);
        rig.press("enter");
    };
    search(&mut rig, "LEFT");
    assert_eq!(chosen(&rig), (false, 1), "whatever its case");
    assert!(rig.screen().contains("“LEFT”: 1 of 10"), "{}", rig.screen());
    rig.golden("messages-search.txt");
    rig.press("n n");
    assert_eq!(chosen(&rig), (false, 3));
    rig.press("N N N");
    assert_eq!(chosen(&rig), (false, 10), "round");
    search(&mut rig, "ctrl");
    assert!(rig.screen().contains("“LEFTctrl” is not in it") && chosen(&rig) == (false, 10), "{}", rig.screen());
    rig.press("esc");
    assert!(rig.app.detail.lists() && rig.app.detail.search.needle().is_empty(), "escape ends the search first");
    assert!(rig.app.filter.filter().is_none() && !rig.app.filter.editing());
    // a text: the hex of a flow without messages is long enough to scroll
    rig.engine.messages = 0;
    rig.press("q enter tab");
    search(&mut rig, "00000100");
    assert!(rig.screen().contains("▸00000100") && rig.screen().contains("1 of 2"), "{}", rig.screen());
    let scrolled = rig.app.detail.scroll;
    rig.press("n");
    assert!(rig.app.detail.scroll > scrolled, "the response has it too");
    rig.update(Event::Resize(100, 30));
    rig.press("n");
    assert!(rig.screen().contains("▸00000100"), "{}", rig.screen());
    rig.press("/");
    rig.update(Event::Paste("a\u{1b}[2J\n".into()));
    assert_eq!(rig.app.detail.search.typed(), Some(("00000100a[2J", 12)));
    rig.press("esc");
    assert_eq!(rig.app.detail.search.needle(), "00000100", "left as it was");
    rig.press("q /");
    assert!(rig.app.filter.editing(), "without an open flow it is the filter");
}
