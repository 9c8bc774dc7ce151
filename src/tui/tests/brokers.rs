//! The table of brokers: exchanges and queues with who publishes and who takes, and what Enter narrows to.

use super::rig::Rig;
use super::sample::party;
use crate::model::{Attachment, Binding, Detail, Dir, Exchange, Fields, Flow, Pattern, Queue, Topology};
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
        (flow.client, flow.server) =
            (party("10.0.0.1:4711", Some(service)).into(), party("10.0.0.9:5672", Some("rabbitmq")).into());
        (flow.row.pattern, flow.row.protocol) = (pattern, "amqp");
        flow.row.dir = if pattern == Pattern::Deliver { Dir::ToClient } else { Dir::ToServer };
        through(flow, field, topic);
    }
    rig.show();
}

fn through(flow: &mut Flow, field: &'static str, topic: &str) {
    flow.detail = Some(Arc::new(Detail { fields: Fields::default().with(field, topic), ..Detail::default() }));
}

/// A tap of the broker, and what it was told.
fn attach(rig: &mut Rig, detached: Option<&str>, holds: Option<Result<Topology, &str>>) {
    let tap = Attachment {
        name: "amqp://localhost/%2f".into(),
        protocol: "amqp",
        broker: None,
        detached: detached.map(Into::into),
        holds: holds.map(|holds| holds.map(Arc::new).map_err(Into::into)),
    };
    rig.engine.taps = vec![("rabbitmq".into(), Arc::new(tap))];
    rig.show();
}

fn topology() -> Topology {
    let exchange = |name: &str, kind: &str| Exchange { name: name.into(), kind: kind.into(), auto_delete: false };
    let bound = |source: &str, destination: &str, key: &str| Binding {
        source: source.into(),
        destination: destination.into(),
        to_exchange: destination == "audit",
        key: key.into(),
    };
    let queue = |name: &str, ready, unacked, consumers: &[&str]| Queue {
        name: name.into(),
        ready,
        unacked,
        consumers: consumers.iter().map(|at| (at.to_string(), "ctag-1".to_owned())).collect(),
    };
    Topology {
        exchanges: vec![exchange("amq.fanout", "fanout"), exchange("audit", "fanout"), exchange("shop", "topic")],
        queues: vec![
            queue("bills", Some(0), Some(3), &["127.0.0.1:4711"]),
            queue("dead", Some(12_345), Some(0), &[]),
            queue("idle", Some(0), Some(0), &["127.0.0.1:4713", "127.0.0.1:4714"]),
            queue("new", None, None, &[]),
        ],
        bindings: vec![bound("shop", "audit", "#"), bound("shop", "bills", "order.placed"), bound("shop", "parcels", "order.*")],
        more: 7,
    }
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
fn what_a_broker_holds_stands_beside_what_went_through() {
    for (width, height) in [(80, 30), (120, 30), (200, 50)] {
        let mut rig = rig(width, height);
        attach(&mut rig, None, Some(Ok(topology())));
        rig.golden(&format!("brokers-held-{width}x{height}.txt"));
    }
}

#[test]
fn a_tap_that_is_not_attached_and_an_api_that_does_not_answer_are_told() {
    let mut rig = rig(80, 24);
    attach(&mut rig, Some("Connection refused (os error 111); trying again"), None);
    let screen = rig.screen();
    assert!(screen.contains("○ rabbitmq") && screen.contains("not attached: Connection refused"), "{screen}");
    attach(&mut rig, None, Some(Err("its management API does not answer (it answers 401)")));
    let screen = rig.screen();
    assert!(screen.contains("● rabbitmq") && screen.contains("what it holds is not known: its management API"), "{screen}");
}

#[test]
fn a_line_of_what_a_broker_holds_stays_selected() {
    let mut rig = rig(100, 40);
    attach(&mut rig, None, Some(Ok(topology())));
    rig.press("j j j j j j j");
    let before = selected(&rig);
    assert_eq!(before[1..], ["⇒", "bills", "order.placed"]);
    let more = Topology {
        exchanges: [Exchange { name: "a".into(), kind: "topic".into(), auto_delete: false }]
            .into_iter()
            .chain(topology().exchanges)
            .collect(),
        ..topology()
    };
    attach(&mut rig, None, Some(Ok(more)));
    assert_eq!(selected(&rig), before);
    rig.press("enter");
    assert_eq!(rig.app.filter.text(), r#"server == "rabbitmq" and proto == amqp and via == "shop" and direction == to_server"#);
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
