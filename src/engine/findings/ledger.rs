//! What services do with the trace contexts that they receive: by sender and receiver, so that a finding can say how often of how many.

use super::super::traces::{Hop, name};
use crate::model::{Party, Pattern};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many pairs of services are told apart.
const MAX_PAIRS: usize = 1 << 14;

/// What one service sent to another because of flows with a trace context.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// How often in all.
    pub(super) all: u64,
    /// How often the same trace ID went with it.
    pub(super) carried: u64,
}

/// All pairs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pairs: HashMap<Box<str>, Sent>,
}

impl Ledger {
    /// Counts one.
    pub(super) fn add(&mut self, pair: &str, carried: bool) -> Sent {
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(pair) {
            self.pairs.clear();
        }
        let sent = self.pairs.entry(pair.into()).or_default();
        sent.all += 1;
        sent.carried += u64::from(carried);
        sent.clone()
    }

    /// What was counted.
    pub(super) fn get(&self, pair: &str) -> Sent {
        self.pairs.get(pair).cloned().unwrap_or_default()
    }
}

/// Who received the one and sent the other: by name, else by the address that it is reached at.
pub(super) fn who(up: &Hop, down: &Hop) -> Arc<str> {
    let named = [&down.from, &up.to].into_iter().find(|party| name(party).is_some());
    label(named.unwrap_or(&up.to))
}

/// A name, else the address.
pub(super) fn label(party: &Party) -> Arc<str> {
    match name(party) {
        Some(_) => party.service.clone().unwrap_or_else(|| Arc::clone(&party.addr)),
        None => Arc::clone(&party.addr),
    }
}

/// What a flow is to the service that received it: `deliveries from queue billing`, `calls`.
pub(super) fn received(hop: &Hop) -> String {
    match (hop.pattern, hop.via.as_deref()) {
        (Pattern::Deliver, Some(queue)) => format!("deliveries from queue {queue}"),
        (Pattern::Deliver, None) => "deliveries".to_owned(),
        _ => format!("{} calls", protocol(hop)),
    }
}

/// What a flow is to the service that sent it: `calls to payments`, `messages to exchange shop`.
pub(super) fn sent(hop: &Hop) -> String {
    match (hop.pattern, hop.via.as_deref()) {
        (Pattern::Publish, Some(exchange)) => format!("messages to exchange {exchange}"),
        (Pattern::Publish, None) => format!("messages to {}", label(&hop.to)),
        _ => format!("{} calls to {}", protocol(hop), label(&hop.to)),
    }
}

/// What has to be taught to carry a context, where such a flow was sent without.
pub(super) fn sender(hop: &Hop) -> String {
    match hop.pattern {
        Pattern::Publish => "publisher of messages".to_owned(),
        _ => format!("{} client", protocol(hop)),
    }
}

/// The carriers of a flow's tracer contexts.
pub(super) fn carriers(hop: &Hop) -> String {
    let carriers: BTreeSet<_> = hop.marks.iter().filter(|mark| mark.of_tracer()).map(|mark| mark.carrier).collect();
    carriers.into_iter().collect::<Vec<_>>().join(" and ")
}

fn protocol(hop: &Hop) -> &'static str {
    match hop.protocol {
        "grpc" => "gRPC",
        "graphql" => "GraphQL",
        "soap" => "SOAP",
        "amqp" => "AMQP",
        _ => "HTTP",
    }
}
