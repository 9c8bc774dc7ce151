//! Queues that fill up and that nobody consumes from, by the broker's own words: who declares a queue is told how many messages and how
//! many consumers it has. That no consumer was seen proves nothing, as it may be on a connection that is not watched.
//!
//! Told at the end, where twice in a row there was no consumer and more messages were there the second time, nobody was seen to take any
//! since, and a consumer had the time to start. Not of queues that are made to be waited in: with a time to live, or a name for what
//! failed.

use super::ledger::label;
use super::redelivery::times;
use super::{Book, Detector, Words};
use crate::model::{FindingKind, FlowId, FlowRef, Pattern, Value};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::sync::Arc;

/// How many names of queues are told apart, and how many brokers that have one of that name.
const MAX_QUEUES: usize = 1 << 10;
const MAX_BROKERS: usize = 8;
/// How many messages have piled up at least, and how long nobody took any: a consumer that starts declares its queue first.
const PILED: i64 = 3;
const LONG: Span = Span::from_secs(1);
/// How long there was no consumer at least: who sends is often there first, and a consumer takes a while to start.
const STARTING: Span = Span::from_secs(10);
/// Arguments of a queue in which messages wait by design (<https://www.rabbitmq.com/docs/ttl>).
const WAITED_IN: &[&str] = &["x-message-ttl", "x-expires"];
/// Parts of names by which queues are called that hold what failed, or is to be tried later.
const SET_ASIDE: &[&str] = &["dead", "dlq", "dlx", "error", "failed", "skipped", "parking", "poison", "retry", "delay"];

/// The queues by name: one for each address of a broker.
#[derive(Debug, Default)]
pub(super) struct Unconsumed {
    queues: HashMap<CompactString, Vec<Pile>>,
}

#[derive(Debug)]
struct Pile {
    broker: Arc<str>,
    /// The first and the last time of an unbroken row in which it had no consumer.
    reports: Option<[Report; 2]>,
    by_design: bool,
}

#[derive(Clone, Debug)]
struct Report {
    flow: FlowId,
    time: Time,
    messages: i64,
    told: Arc<str>,
}

impl Detector for Unconsumed {
    fn seeks(&self) -> &'static str {
        "queues that nobody consumes from"
    }

    fn flow(&mut self, flow: FlowRef<'_>, _: &mut Book) {
        let Some(detail) = flow.detail.filter(|_| flow.row.protocol == "amqp") else { return };
        let Some(Value::Text(queue)) = detail.fields.get("amqp.queue") else { return };
        if !flow.row.operation.starts_with("queue.declare") {
            let takes = ["get ", "basic.consume ", "queue.purge ", "queue.delete "];
            if (flow.row.pattern == Pattern::Deliver || takes.iter().any(|begin| flow.row.operation.starts_with(begin)))
                && let Some(piles) = self.queues.get_mut(queue)
            {
                // a broker may have several addresses, one inside and one outside of a container
                piles.iter_mut().for_each(|pile| pile.reports = None);
            }
            return;
        }
        let count = |name| match entry(detail.fields.get("amqp.reply"), name) {
            Some(Value::Int(count)) => Some(*count),
            _ => None,
        };
        let (Some(messages), Some(consumers)) = (count("message_count"), count("consumer_count")) else { return };
        let arguments = entry(detail.fields.get("amqp.arguments"), "arguments");
        let aside = queue.to_ascii_lowercase();
        let Some(pile) = self.pile(queue, &flow.server.addr) else { return };
        pile.by_design |= WAITED_IN.iter().any(|name| entry(arguments, name).is_some())
            || SET_ASIDE.iter().any(|part| aside.contains(part))
            // a stream keeps what was taken
            || entry(arguments, "x-queue-type") == Some(&Value::from("stream"));
        let report = Report { flow: flow.row.id, time: flow.row.time, messages, told: label(flow.client) };
        pile.reports = match pile.reports.take() {
            _ if consumers > 0 => None,
            Some([first, last]) if messages >= last.messages => Some([first, report]),
            // somebody took some
            _ => Some([report.clone(), report]),
        };
    }

    fn end(&mut self, book: &mut Book) {
        let all = self.queues.iter().flat_map(|(queue, piles)| piles.iter().map(move |pile| (queue, pile)));
        let told =
            all.filter(|(_, pile)| !pile.by_design).filter_map(|(queue, pile)| Some((queue, pile, pile.reports.as_ref()?)));
        let mut told: Vec<_> = told.filter(|(.., reports)| piled(reports, book.now())).collect();
        told.sort_by_key(|(.., [first, _])| first.flow);
        for (queue, pile, reports) in told {
            tell(&pile.broker, queue, reports, book);
        }
    }
}

impl Unconsumed {
    /// Of a broker's queue; none where there is no room for another one.
    fn pile(&mut self, queue: &CompactString, broker: &Arc<str>) -> Option<&mut Pile> {
        if self.queues.len() >= MAX_QUEUES && !self.queues.contains_key(queue) {
            return None;
        }
        let piles = self.queues.entry(queue.clone()).or_default();
        let at = piles.iter().position(|pile| pile.broker == *broker).unwrap_or(piles.len());
        if at == piles.len() && at < MAX_BROKERS {
            piles.push(Pile { broker: Arc::clone(broker), reports: None, by_design: false });
        }
        piles.get_mut(at)
    }
}

fn piled([first, last]: &[Report; 2], now: Time) -> bool {
    let (waited, since) = (now.since(first.time), now.since(last.time));
    last.messages > first.messages && last.messages >= PILED && waited >= STARTING && since >= LONG
}

fn tell(broker: &str, queue: &str, [first, last]: &[Report; 2], book: &mut Book) {
    let messages = |report: &Report| times(report.messages.unsigned_abs(), "message", "messages");
    let words = Words {
        title: format!("nobody consumes from queue {queue}, and its messages pile up: {} by now", last.messages),
        service: Some(Arc::clone(&last.told)),
        evidence: format!(
            "the broker said that queue {queue} had {} and no consumer, and {} later {} and none; nobody was seen to take any in the {} since",
            messages(first),
            crate::units::duration(last.time.since(first.time)),
            messages(last),
            crate::units::duration(book.now().since(last.time))
        ),
        advice: format!(
            "start who consumes from {queue}, or see why it has stopped; where nobody needs what {} sends there, give the queue a limit or do not bind it",
            last.told
        ),
    };
    book.raise(FindingKind::Undelivered, &format!("piled {broker} {queue}"), vec![first.flow, last.flow], words);
}

fn entry<'v>(map: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    let Some(Value::Map(pairs)) = map else { return None };
    pairs.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::super::rig::{deliver, flow, found, titles};
    use super::*;
    use crate::model::{Detail, Flow};

    /// A queue is declared at so many milliseconds, and has so many messages and consumers.
    fn declare(at: u64, queue: &str, [messages, consumers]: [i64; 2], argument: Option<&str>) -> Flow {
        let text = format!("shop>rabbit {at}-{} queue.declare {queue} -", at + 1);
        let mut flow = flow(at, Pattern::RequestResponse, "amqp", &text);
        let map = |pairs: Vec<(CompactString, Value)>| Value::Map(pairs);
        let reply = map(vec![("message_count".into(), messages.into()), ("consumer_count".into(), consumers.into())]);
        let arguments = argument.map(|name| (name.into(), Value::from(5000_i64))).into_iter().collect();
        let mut detail = Detail::clone(flow.detail.as_deref().unwrap());
        detail.fields.set("amqp.queue", queue);
        detail.fields.set("amqp.reply", reply);
        detail.fields.set("amqp.arguments", map(vec![("arguments".into(), map(arguments))]));
        flow.detail = Some(detail.into());
        flow
    }

    fn check(flows: &[Flow], wanted: &[(&str, u64)]) {
        let later = deliver(11_000, "id=a queue=other");
        assert_eq!(titles(&found(&mut Unconsumed::default(), &[flows, &[later]].concat())), wanted);
    }

    const PILES: &str = "nobody consumes from queue q, and its messages pile up: 7 by now";

    #[test]
    fn a_queue_that_fills_up_without_a_consumer_is_told_by_the_brokers_words() {
        check(&[declare(1, "q", [0, 0], None), declare(500, "q", [7, 0], None)], &[(PILES, 1)]);
        let [empty, some, full] = [[0, 0], [4, 0], [7, 0]];
        check(&[declare(1, "q", empty, None), declare(2, "q", some, None), declare(500, "q", full, None)], &[(PILES, 1)]);
        // its consumer went away before
        let gone = [declare(1, "q", [0, 1], None), declare(2, "q", [3, 0], None), declare(500, "q", full, None)];
        check(&gone, &[(PILES, 1)]);
    }

    #[test]
    fn what_somebody_takes_or_waits_by_design_is_none() {
        let twice = |queue, argument| [declare(1, queue, [0, 0], argument), declare(500, queue, [7, 0], argument)];
        check(&[&twice("q", None)[..], &[deliver(600, "id=a queue=q")]].concat(), &[]);
        // by another address of its broker
        let inside = flow(600, Pattern::Deliver, "amqp", "rabbit=172.18.0.2:5672>billing 600-601 deliver q ack");
        let Detail { fields, .. } = Detail::clone(deliver(600, "id=a queue=q").detail.as_deref().unwrap());
        let inside = Flow { detail: Some(Detail { fields, ..Detail::default() }.into()), ..inside };
        check(&[&twice("q", None)[..], &[inside]].concat(), &[]);
        check(&[declare(1, "q", [0, 0], None), declare(500, "q", [7, 1], None)], &[]);
        check(&[declare(1, "q", [9, 0], None), declare(500, "q", [7, 0], None)], &[]);
        // said once, it may be that its consumer is about to start; and at the very end
        check(&twice("q", None)[1..], &[]);
        check(&[declare(1, "q", [0, 0], None), declare(10_500, "q", [7, 0], None)], &[]);
        // nor where a consumer had no time to start
        check(&[declare(1500, "q", [0, 0], None), declare(2000, "q", [7, 0], None)], &[]);
        check(&twice("q", Some("x-message-ttl")), &[]);
        check(&twice("shop.dead-letters", None), &[]);
    }
}
