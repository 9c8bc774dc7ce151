//! The table of brokers: exchanges and queues with who publishes and who takes, and what Enter narrows to.

use super::rig::Rig;
use super::sample::party;
use crate::model::{Detail, Dir, Fields, Flow, Pattern};
use crate::tui::keymap::Context;
use std::sync::Arc;

fn rig(width: u16, height: u16) -> Rig {
    let mut rig = Rig::new(width, height);
    rig.push(60);
    mix(&mut rig);
    rig.press("4");
    rig
}

/// Every other flow goes through a broker.
pub fn mix(rig: &mut Rig) {
    let messages = [
        ("orders", Pattern::Publish, "amqp.exchange", "shop"),
        ("shipping", Pattern::Deliver, "amqp.queue", "parcels"),
        ("accounts", Pattern::Publish, "amqp.exchange", "shop"),
        ("billing", Pattern::Deliver, "amqp.queue", "bills"),
    ];
    for (row, (service, pattern, field, topic)) in rig.engine.flows.iter_mut().step_by(2).zip(messages.into_iter().cycle()) {
        let flow = &mut row.flow;
        (flow.client, flow.server) = (party("10.0.0.1:4711", Some(service)), party("10.0.0.9:5672", Some("rabbitmq")));
        (flow.row.pattern, flow.row.protocol) = (pattern, "amqp");
        flow.row.dir = if pattern == Pattern::Deliver { Dir::ToClient } else { Dir::ToServer };
        through(flow, field, topic);
    }
    rig.show();
}

fn through(flow: &mut Flow, field: &'static str, topic: &str) {
    flow.detail = Some(Arc::new(Detail { fields: Fields::default().with(field, topic), ..Detail::default() }));
}

/// The words of the line with the cursor.
fn selected(rig: &Rig) -> Vec<String> {
    let screen = rig.screen();
    let line = screen.lines().find(|line| line.starts_with('▌')).unwrap_or_else(|| panic!("no cursor:\n{screen}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_table_at_every_size() {
    for (width, height) in [(40, 12), (80, 24), (200, 50)] {
        rig(width, height).golden(&format!("brokers-{width}x{height}.txt"));
    }
}

#[test]
fn no_broker_says_why() {
    let mut rig = Rig::new(80, 24);
    rig.arrive(9);
    rig.press("4");
    rig.golden("brokers-none.txt");
}

#[test]
fn each_line_narrows_to_its_flows_and_escape_comes_back() {
    let mut rig = rig(100, 30);
    let broker = r#"server == "rabbitmq" and proto == amqp"#;
    let shop = format!(r#"{broker} and via == "shop" and direction == to_server"#);
    let bills = format!(r#"{broker} and via == "bills" and direction == to_client"#);
    let lines = [
        broker.to_owned(),
        shop.clone(),
        format!(r#"client == "accounts" and {shop}"#),
        format!(r#"client == "orders" and {shop}"#),
        bills.clone(),
        format!(r#"client == "billing" and {bills}"#),
    ];
    for wanted in lines {
        rig.press("enter");
        assert_eq!((rig.app.context(), rig.app.filter.text()), (Context::List, &*wanted));
        rig.press("esc j");
        assert_eq!((rig.app.context(), rig.app.filter.text()), (Context::Brokers, ""));
    }
    // the selected line stays selected while another comes above it
    assert_eq!(selected(&rig)[1..3], ["←", "parcels"]);
    through(&mut rig.engine.flows[0].flow, "amqp.exchange", "a");
    rig.show();
    assert!(rig.screen().contains("→ a "), "{}", rig.screen());
    assert_eq!(selected(&rig)[1..3], ["←", "parcels"]);
}
