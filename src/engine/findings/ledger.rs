//! What services do with the trace contexts that they receive: by sender and receiver, so that a finding can say how often of how many.

use super::super::traces::{Hop, name};
use crate::model::{Party, Pattern};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many pairs of services are told apart.
const MAX_PAIRS: usize = 1 << 12;

/// How many operations are told apart of what one service sends to another: of more none is named.
const MAX_OPERATIONS: usize = 32;

/// How often an operation was seen before it tells anything.
const ENOUGH: u64 = 3;

/// How often something was sent in all, and how often the same trace ID went with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) all: u64,
    pub(super) carried: u64,
}

impl Count {
    fn add(&mut self, carried: bool) {
        self.all += 1;
        self.carried += u64::from(carried);
    }
}

/// What one service sent to another because of flows with a trace context.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// All of it.
    pub(super) count: Count,
    /// In the order of their names.
    operations: Vec<(CompactString, Count)>,
}

impl Sent {
    /// The operations that never carried the context, and those that always did: where each is surely one of the two and both are there.
    pub(super) fn parts(&self) -> Option<[Vec<&str>; 2]> {
        let of = |is: fn(&Count) -> bool| -> Vec<&str> {
            self.operations.iter().filter(|(_, count)| is(count)).map(|(operation, _)| &**operation).collect()
        };
        let parts = [of(|count| count.carried == 0), of(|count| count.carried == count.all)];
        let clean = parts.iter().all(|part| !part.is_empty()) && parts.iter().flatten().count() == self.operations.len();
        let surely = self.operations.iter().all(|(_, count)| count.all >= ENOUGH) && self.operations.len() < MAX_OPERATIONS;
        (clean && surely).then_some(parts)
    }
}

/// What each service sent, by what it is to that service.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    services: HashMap<Arc<str>, BTreeMap<CompactString, Sent>>,
    pairs: usize,
}

impl Ledger {
    /// Counts one.
    pub(super) fn add(&mut self, service: &Arc<str>, sent: &str, operation: &str, carried: bool) {
        if self.pairs >= MAX_PAIRS && !self.services.get(service).is_some_and(|all| all.contains_key(sent)) {
            *self = Self::default();
        }
        let all = self.services.entry(Arc::clone(service)).or_default();
        if !all.contains_key(sent) {
            all.insert(sent.into(), Sent::default());
            self.pairs += 1;
        }
        let Some(sent) = all.get_mut(sent) else { return };
        sent.count.add(carried);
        let place = match sent.operations.binary_search_by(|(known, _)| (**known).cmp(operation)) {
            Ok(place) => place,
            Err(_) if sent.operations.len() >= MAX_OPERATIONS => return,
            Err(place) => {
                sent.operations.reserve_exact(1);
                sent.operations.insert(place, (operation.into(), Count::default()));
                place
            }
        };
        if let Some((_, count)) = sent.operations.get_mut(place) {
            count.add(carried);
        }
    }

    /// What was counted.
    pub(super) fn get(&self, service: &str, sent: &str) -> Sent {
        self.services.get(service).and_then(|all| all.get(sent)).cloned().unwrap_or_default()
    }

    /// What else a service sent that always carried the context.
    pub(super) fn carrying(&self, service: &str) -> Vec<&str> {
        let all = self.services.get(service).into_iter().flatten();
        all.filter(|(_, sent)| sent.count.carried == sent.count.all).map(|(sent, _)| &**sent).collect()
    }
}

/// Who received the one and sent the other: by name, else by the address that it is reached at.
pub(super) fn who(up: &Hop, down: &Hop) -> Arc<str> {
    let named = [&down.from, &up.to].into_iter().find(|party| name(party).is_some());
    label(named.unwrap_or(&up.to))
}

/// A name, else the address.
pub(in crate::engine) fn label(party: &Party) -> Arc<str> {
    match name(party) {
        Some(_) => party.service.clone().unwrap_or_else(|| Arc::clone(&party.addr)),
        None => Arc::clone(&party.addr),
    }
}

/// What a flow is to the service that received it: `deliveries from queue billing`, `calls`.
pub(super) fn received(hop: &Hop) -> String {
    match (hop.pattern, hop.extra().via.as_deref()) {
        (Pattern::Deliver, Some(queue)) => format!("deliveries from queue {queue}"),
        (Pattern::Deliver, None) => "deliveries".to_owned(),
        _ => format!("{} calls", protocol(hop)),
    }
}

/// What a flow is to the service that sent it: `calls to payments`, `messages to exchange shop`; `replies to …` where it answers another
/// message.
pub(super) fn sent(hop: &Hop, answers: bool) -> String {
    match (hop.pattern, hop.extra().via.as_deref()) {
        (Pattern::Publish, Some(exchange)) => format!("{} to exchange {exchange}", messages(answers)),
        (Pattern::Publish, None) => match queue(hop).filter(|_| !to_reply_queue(hop)) {
            Some(queue) => format!("{} to queue {queue}", messages(answers)),
            None => format!("{} to {}", messages(answers), label(&hop.to)),
        },
        _ => format!("{} calls to {}", protocol(hop), label(&hop.to)),
    }
}

const fn messages(answers: bool) -> &'static str {
    if answers { "replies" } else { "messages" }
}

/// Whether a message goes straight to a queue that somebody made for answers to himself: one that the broker named, or that has a UUID.
pub(super) fn to_reply_queue(hop: &Hop) -> bool {
    queue(hop).is_some_and(|queue| queue.starts_with("amq.") || queue.split(['.', '_', ':']).any(is_uuid))
}

/// The queue that a message goes straight to, by way of the default exchange.
fn queue(hop: &Hop) -> Option<&str> {
    hop.operation.strip_prefix("publish (default) ").filter(|_| hop.pattern == Pattern::Publish)
}

fn is_uuid(text: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(shape)
}

/// What an operation is counted as: queues for answers are no operations of their own.
pub(super) fn counted_as(hop: &Hop) -> &str {
    if to_reply_queue(hop) { "publish (default) reply queue" } else { &hop.operation }
}

/// What has to be taught to carry a context, where such a flow was sent without.
pub(super) fn sender(hop: &Hop) -> String {
    match hop.pattern {
        Pattern::Publish => "publisher of messages".to_owned(),
        _ => format!("{} client", protocol(hop)),
    }
}

/// The carriers of a flow's tracer contexts.
pub(super) fn carriers(hop: &Hop) -> BTreeSet<&'static str> {
    hop.marks.iter().filter(|mark| mark.of_tracer()).map(|mark| mark.carrier).collect()
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

/// As much of a statement as is read.
pub(super) fn excerpt(shape: &str) -> String {
    const READ: usize = 120;
    let mut text: String = shape.chars().take(READ).collect();
    if text.len() < shape.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::rig::flow;
    use super::*;
    use crate::engine::traces::begun;

    #[test]
    fn a_queue_is_named_that_a_message_goes_straight_to() {
        let text = |operation: &str| {
            let flow = flow(1, Pattern::Publish, "amqp", &format!("worker>rabbit 1-2 {operation} -"));
            sent(&begun(flow.as_ref()), false)
        };
        assert_eq!(text("publish (default) retry"), "messages to queue retry");
        assert_eq!(text("publish (default) amq.gen-2Xk"), "messages to rabbit");
        assert_eq!(text("publish shop order"), "messages to rabbit");
    }

    #[test]
    fn queues_for_answers_are_told_from_those_that_have_a_name() {
        let counted = |operation: &str| {
            let text = format!("worker>rabbit 1-2 {operation} -");
            counted_as(&begun(flow(1, Pattern::Publish, "amqp", &text).as_ref())).to_owned()
        };
        for queue in ["08940cdb-df51-34f1-a068-68ad336a5bc5", "amq.gen-2Xk", "web.08940cdb-df51-34f1-a068-68ad336a5bc5"] {
            assert_eq!(counted(&format!("publish (default) {queue}")), "publish (default) reply queue");
        }
        for operation in ["publish (default) celery", "publish shop amq.gen-2Xk", "publish (default) 08940cdb"] {
            assert_eq!(counted(operation), operation);
        }
    }
}
