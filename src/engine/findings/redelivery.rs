//! Messages that a broker delivers again, as it says itself: once in a while, or one message without end.

use super::message::{Letter, fate};
use super::{Book, Detector, Words};
use crate::model::{FindingKind, FlowId, FlowRef, Pattern, Value};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many deliveries are remembered: those before are not told with the next one.
const MAX_REMEMBERED: usize = 1 << 12;
/// How many queues are told apart.
const MAX_QUEUES: usize = 1 << 12;
/// From how many deliveries on a message will not be taken, however often it comes.
const POISON: u64 = 3;

/// The last delivery of each message from each queue.
#[derive(Debug, Default)]
pub(super) struct Redelivery {
    last: HashMap<(String, u64), Last>,
    order: VecDeque<(String, u64)>,
    queues: HashMap<String, Queue>,
}

#[derive(Debug)]
struct Last {
    flow: FlowId,
    fate: &'static str,
    /// Who had it, as it is called, and whatever port it has.
    client: Arc<str>,
    who: CompactString,
    /// How often it was delivered for the first time: more than once where messages are alike.
    firsts: u64,
    /// How often again.
    agains: u64,
    /// How often it was handed back.
    backs: u64,
}

/// What was delivered again from a queue to one consumer.
#[derive(Debug, Default)]
struct Queue {
    agains: u64,
    /// The message that came most often.
    worst: Option<Worst>,
}

/// A message that comes again and again.
#[derive(Debug)]
struct Worst {
    called: CompactString,
    /// How often it came in all, and how often of these it was handed back.
    deliveries: u64,
    backs: u64,
}

impl Detector for Redelivery {
    fn seeks(&self) -> &'static str {
        "messages delivered again"
    }

    fn letter(&mut self, letter: &Letter, flow: FlowRef<'_>, book: &mut Book) {
        let Some(from) = letter.from(flow).filter(|_| flow.row.pattern == Pattern::Deliver) else { return };
        let before = self.remember((from.clone(), letter.id), flow, letter);
        if !letter.again {
            return;
        }
        // who had it before is why it comes again, and need not be who gets it now
        let (client, who) = before.as_ref().map_or((&letter.client, &letter.who), |before| (&before.client, &before.who));
        let (client, key) = (Arc::clone(client), format!("{from} > {who}"));
        if self.queues.len() >= MAX_QUEUES && !self.queues.contains_key(&key) {
            return;
        }
        let queue = self.queues.entry(key.clone()).or_default();
        queue.agains += 1;
        let fate = fate(flow.row);
        let mut flows = vec![flow.row.id];
        let mut evidence =
            format!("{} was delivered again from queue {}", letter.called(), letter.queue.as_deref().unwrap_or_default());
        let mut handed_back = false;
        if let Some(before) = &before {
            flows.insert(0, before.flow);
            handed_back = matches!(before.fate, "rejected" | "nacked");
            evidence.push_str(&format!(", as it had been {} before", before.fate));
            let (deliveries, backs) = (before.agains + 1, before.backs);
            let more = queue.worst.as_ref().is_none_or(|worst| deliveries > worst.deliveries);
            if before.firsts <= 1 && before.agains >= POISON && more {
                queue.worst = Some(Worst { called: letter.called().into(), deliveries, backs });
            }
        }
        evidence.push_str(&format!(
            ", and was {fate} this time; {} in all from this queue",
            times(queue.agains, "redelivery", "redeliveries")
        ));
        let name = letter.queue.as_deref().unwrap_or_default();
        let taker = &letter.client;
        let same = before.is_none() || before.as_ref().is_some_and(|before| before.who == letter.who);
        let then = if same { "is delivered them again".to_owned() } else { format!("{taker} is delivered them") };
        let (title, advice) = match &queue.worst {
            Some(Worst { called, deliveries, backs }) => (
                match backs {
                    0 => format!("{called} from queue {name} comes again and again, {deliveries} times so far: a poison message"),
                    _ => format!(
                        "{client} hands {called} from queue {name} back again and again, {} so far: a poison message",
                        times(*backs, "time", "times")
                    ),
                },
                if given_up(flow) {
                    format!("look at why {client} fails to work on it; sooner than after {deliveries} times it could be given up")
                } else {
                    format!(
                        "let {client} reject it without requeue after a few attempts, to a dead-letter exchange, and look at why it fails"
                    )
                },
            ),
            _ if handed_back => (
                format!("{client} hands messages from queue {name} back, and {then}"),
                format!("see why {client} fails to work on them; what it does twice has to be safe to do twice"),
            ),
            _ => (
                format!("messages from queue {name} are delivered to {taker} again"),
                format!(
                    "see whether {client} or its connection ended before it had acknowledged; what it does twice has to be safe to do twice"
                ),
            ),
        };
        book.raise(FindingKind::Redelivery, &key, flows, Words { title, service: Some(client), evidence, advice });
    }
}

impl Redelivery {
    /// Remembers a delivery: what was known of the message before, this one counted.
    fn remember(&mut self, key: (String, u64), flow: FlowRef<'_>, letter: &Letter) -> Option<Last> {
        let again = letter.again;
        let known = self.last.get(&key);
        let (firsts, agains, backs) = known.map_or((0, 0, 0), |last| (last.firsts, last.agains, last.backs));
        let (firsts, agains) = (firsts + u64::from(!again), agains + u64::from(again));
        let backs = backs + u64::from(matches!(fate(flow.row), "rejected" | "nacked") && !given_up(flow));
        if known.is_none() {
            self.order.push_back(key.clone());
            if self.order.len() > MAX_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.last.remove(&oldest);
            }
        }
        let (client, who) = (Arc::clone(&letter.client), letter.who.clone());
        let last = Last { flow: flow.row.id, fate: fate(flow.row), client, who, firsts, agains, backs };
        let before = self.last.insert(key, last)?;
        Some(Last { firsts, agains, backs, ..before })
    }
}

/// Whether it was rejected, and not to come again.
fn given_up(flow: FlowRef<'_>) -> bool {
    flow.detail.is_some_and(|detail| detail.fields.get("amqp.requeue") == Some(&Value::Bool(false)))
}

/// `1 call`, `3 calls`.
pub(super) fn times(n: u64, one: &str, several: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::super::rig::{deliver, found, publish};
    use super::*;

    fn titles(texts: &[&str]) -> Vec<(String, u64, usize)> {
        let flows: Vec<_> = (1..).zip(texts).map(|(n, text)| deliver(n, text)).collect();
        found(&mut Redelivery::default(), &flows).into_iter().map(|f| (f.title, f.count, f.flows[0].len())).collect()
    }

    #[test]
    fn what_is_delivered_again_is_told_with_the_delivery_before() {
        let texts = ["id=a queue=q status=nack", "id=a queue=q again=1 status=ack", "id=b queue=q status=ack"];
        assert_eq!(titles(&texts), [("billing hands messages from queue q back, and is delivered them again".to_owned(), 1, 2)]);
        let late = ["id=a queue=q again=1 status=ack"];
        assert_eq!(titles(&late), [("messages from queue q are delivered to billing again".to_owned(), 1, 1)]);
    }

    #[test]
    fn who_had_it_before_is_named_and_not_who_gets_it_now() {
        let told = |status: &str| {
            let flows =
                [deliver(1, &format!("id=a queue=q {status}")), deliver(2, "id=a queue=q again=1 by=shipping status=ack")];
            let found = found(&mut Redelivery::default(), &flows).remove(0);
            (found.title, found.service.unwrap(), found.advice.contains("billing"))
        };
        let title = "billing hands messages from queue q back, and shipping is delivered them";
        assert_eq!(told("status=nack"), (title.to_owned(), "billing".into(), true));
        let title = "messages from queue q are delivered to shipping again";
        assert_eq!(told("by=billing"), (title.to_owned(), "billing".into(), true));
    }

    #[test]
    fn one_message_again_and_again_is_one_finding_that_says_so() {
        let again = "id=a queue=q again=1 status=nack";
        let told = titles(&["id=a queue=q status=nack", again, again, again, again]);
        let title = "billing hands message a from queue q back again and again, 5 times so far: a poison message";
        assert_eq!(told, [(title.to_owned(), 4, 2)]);
    }

    #[test]
    fn how_often_it_was_handed_back_is_told_and_not_how_often_it_came() {
        let again = "id=a queue=q again=1 status=nack";
        let last = |last| titles(&["id=a queue=q status=nack", again, again, again, last]).remove(0).0;
        let title = "billing hands message a from queue q back again and again, 4 times so far: a poison message";
        assert_eq!(last("id=a queue=q again=1 status=reject requeue=0"), title);
        assert_eq!(last("id=a queue=q again=1 status=ack"), title);
        let gone = ["id=a queue=q", "id=a queue=q again=1", "id=a queue=q again=1", "id=a queue=q again=1"];
        assert_eq!(titles(&gone).remove(0).0, "message a from queue q comes again and again, 4 times so far: a poison message");
    }

    #[test]
    fn a_poison_message_that_was_given_up_is_to_be_given_up_sooner() {
        let advice = |last: &str| {
            let again = "id=a queue=q again=1 status=nack";
            let texts = ["id=a queue=q status=nack", again, again, again, last];
            let flows: Vec<_> = (1..).zip(texts).map(|(n, text)| deliver(n, text)).collect();
            found(&mut Redelivery::default(), &flows).remove(0).advice
        };
        let sooner = "look at why billing fails to work on it; sooner than after 5 times it could be given up";
        assert_eq!(advice("id=a queue=q again=1 status=reject requeue=0"), sooner);
        let never =
            "let billing reject it without requeue after a few attempts, to a dead-letter exchange, and look at why it fails";
        assert_eq!(advice("id=a queue=q again=1 status=reject requeue=1"), never);
    }

    #[test]
    fn many_messages_once_each_are_no_poison() {
        let of = |n| [format!("id={n} queue=q"), format!("id={n} queue=q again=1")];
        let texts: Vec<_> = (0..9).flat_map(of).collect();
        let told = titles(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((told.len(), told[0].1, told[0].0.contains("poison")), (1, 9, false));
        // those alike, without an ID, are not one
        let alike = ["queue=q", "queue=q", "queue=q", "queue=q again=1", "queue=q again=1", "queue=q again=1"];
        assert!(!titles(&alike)[0].0.contains("poison"));
    }

    #[test]
    fn what_is_delivered_once_is_nothing() {
        assert_eq!(titles(&["id=a queue=q", "id=a queue=other", "id=b queue=q"]), []);
        assert_eq!(found(&mut Redelivery::default(), &[publish(1, "id=a"), publish(2, "id=a")]), []);
    }
}
