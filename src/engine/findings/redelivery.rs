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
/// How many consumers of one message are told apart.
const MAX_CONSUMERS: usize = 64;
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
    who: Arc<str>,
    /// How often it was delivered for the first time: more than once where messages are alike.
    firsts: u64,
    /// How often again.
    agains: u64,
    /// How often each handed it back.
    backs: Vec<(Arc<str>, u64)>,
}

/// What was delivered again from a queue that one consumer had had.
#[derive(Debug, Default)]
struct Queue {
    agains: u64,
    /// Who got it then, and whether others did.
    taker: Option<Arc<str>>,
    takers: bool,
    /// Which message it was, and whether there are others.
    message: Option<u64>,
    messages: bool,
    /// The message that came most often.
    worst: Option<Worst>,
}

/// A message that comes again and again.
#[derive(Debug)]
struct Worst {
    called: CompactString,
    /// How often it came in all, and how often of these this consumer handed it back.
    deliveries: u64,
    backs: u64,
    /// Whether it will not come any more.
    given_up: bool,
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
        let handed_back = before.as_ref().is_some_and(|before| matches!(before.fate, "rejected" | "nacked"));
        // who hands back is there to be told from others by its port, and who went away comes back with another one
        let called = |client: &Arc<str>, who: &Arc<str>| Arc::clone(if handed_back { client } else { who });
        let taker = called(&letter.client, &letter.who);
        // who had it before is why it comes again, and need not be who gets it now
        let client = before.as_ref().map_or_else(|| Arc::clone(&taker), |before| called(&before.client, &before.who));
        let how = before.as_ref().map_or("seen", |_| if handed_back { "handed back" } else { "had" });
        let key = format!("{from} > {client}, {how}");
        if self.queues.len() >= MAX_QUEUES && !self.queues.contains_key(&key) {
            return;
        }
        let queue = self.queues.entry(key.clone()).or_default();
        queue.agains += 1;
        queue.takers |= *queue.taker.get_or_insert_with(|| Arc::clone(&taker)) != taker;
        queue.messages |= *queue.message.get_or_insert(letter.id) != letter.id;
        if let Some(before) = before.as_ref().filter(|before| before.firsts <= 1 && before.agains >= POISON) {
            let deliveries = before.agains + 1;
            if queue.worst.as_ref().is_none_or(|worst| deliveries > worst.deliveries) {
                let backs = before.backs.iter().find(|(by, _)| *by == client).map_or(0, |(_, backs)| *backs);
                queue.worst = Some(Worst { called: letter.called().into(), deliveries, backs, given_up: given_up(flow) });
            }
        }
        let name = letter.queue.as_deref().unwrap_or_default();
        let (to, as_before, of) = match &before {
            Some(before) => (
                if taker == client { String::new() } else { format!(" to {taker}") },
                format!(", as it had been {} before", before.fate),
                format!("of what {client} had had"),
            ),
            None => (String::new(), String::new(), format!("to {client}")),
        };
        let evidence = format!(
            "{} was delivered again from queue {name}{to}{as_before}, and was {} this time; {} in all {of}",
            letter.called(),
            fate(flow.row),
            times(queue.agains, "redelivery", "redeliveries")
        );
        let (title, advice) = queue.words(name, &client, how);
        let flows = before.map(|before| before.flow).into_iter().chain([flow.row.id]).collect();
        book.raise(FindingKind::Redelivery, &key, flows, Words { title, service: Some(client), evidence, advice });
    }
}

impl Queue {
    /// What is true of all that was delivered again, and what to do.
    fn words(&self, name: &str, client: &str, how: &str) -> (String, String) {
        let taker = self.taker.as_deref().filter(|_| !self.takers);
        match (&self.worst, how) {
            (Some(Worst { called, deliveries, backs, given_up }), _) => (
                match (backs, self.messages) {
                    (0, _) => {
                        format!("{called} from queue {name} comes again and again, {deliveries} times so far: a poison message")
                    }
                    (backs, false) => format!(
                        "{client} hands {called} from queue {name} back again and again, {} so far: a poison message",
                        times(*backs, "time", "times")
                    ),
                    (backs, true) => format!(
                        "{client} hands messages from queue {name} back, {called} again and again, {} so far: a poison message",
                        times(*backs, "time", "times")
                    ),
                },
                if *given_up {
                    format!("look at why {client} fails to work on it; sooner than after {deliveries} times it could be given up")
                } else {
                    format!(
                        "let {client} reject it without requeue after a few attempts, to a dead-letter exchange, and look at why it fails"
                    )
                },
            ),
            (None, "handed back") => (
                match taker {
                    Some(taker) if taker == client => {
                        format!("{client} hands messages from queue {name} back, and is delivered them again")
                    }
                    Some(taker) => format!("{client} hands messages from queue {name} back, and {taker} is delivered them"),
                    None => format!("{client} hands messages from queue {name} back, and they are delivered again"),
                },
                format!("see why {client} fails to work on them; what it does twice has to be safe to do twice"),
            ),
            _ => (
                match taker {
                    Some(taker) if taker == client => format!("messages from queue {name} are delivered to {client} again"),
                    Some(taker) => format!("messages from queue {name} that {client} had are delivered to {taker}"),
                    None => format!("messages from queue {name} that {client} had are delivered again"),
                },
                format!(
                    "see whether {client} or its connection ended before it had acknowledged; what it does twice has to be safe to do twice"
                ),
            ),
        }
    }
}

impl Redelivery {
    /// Remembers a delivery: what was known of the message before, this one counted.
    fn remember(&mut self, key: (String, u64), flow: FlowRef<'_>, letter: &Letter) -> Option<Last> {
        let again = letter.again;
        let (client, who, fate) = (Arc::clone(&letter.client), Arc::clone(&letter.who), fate(flow.row));
        let known = self.last.get(&key);
        let (firsts, agains) = known.map_or((0, 0), |last| (last.firsts, last.agains));
        let mut backs = known.map(|last| last.backs.clone()).unwrap_or_default();
        let (firsts, agains) = (firsts + u64::from(!again), agains + u64::from(again));
        if matches!(fate, "rejected" | "nacked") && !given_up(flow) {
            if !backs.iter().any(|(by, _)| *by == client) && backs.len() < MAX_CONSUMERS {
                backs.push((Arc::clone(&client), 0));
            }
            backs.iter_mut().filter(|(by, _)| *by == client).for_each(|(_, backs)| *backs += 1);
        }
        if known.is_none() {
            self.order.push_back(key.clone());
            if self.order.len() > MAX_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.last.remove(&oldest);
            }
        }
        let last = Last { flow: flow.row.id, fate, client, who, firsts, agains, backs: backs.clone() };
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
        let title = "messages from queue q that billing had are delivered to shipping";
        assert_eq!(told("by=billing"), (title.to_owned(), "billing".into(), true));
    }

    #[test]
    fn the_title_is_true_of_each_time() {
        let told = |texts: &[&str]| {
            let flows: Vec<_> = (1..).zip(texts).map(|(n, text)| deliver(n, text)).collect();
            let found = found(&mut Redelivery::default(), &flows);
            found.into_iter().map(|f| (f.title, f.service.unwrap().to_string(), f.count)).collect::<Vec<_>>()
        };
        let is = |title: &str, service: &str, count: u64| (title.to_owned(), service.to_owned(), count);
        // it gets some of them itself, and others do
        let mixed = [
            "id=a queue=q status=nack",
            "id=a queue=q again=1 by=shipping status=ack",
            "id=b queue=q status=nack",
            "id=b queue=q again=1 status=ack",
        ];
        let all = "billing hands messages from queue q back, and they are delivered again";
        assert_eq!(told(&mixed), [is(all, "billing", 2)]);
        assert!(
            found(&mut Redelivery::default(), &mixed.map(|text| deliver(1, text)))[0]
                .evidence
                .contains("2 redeliveries in all of what billing")
        );
        // once it hands one back, and once it goes away
        let fates =
            ["id=a queue=q status=nack", "id=a queue=q again=1 status=ack", "id=b queue=q", "id=b queue=q again=1 status=ack"];
        let back = "billing hands messages from queue q back, and is delivered them again";
        assert_eq!(
            told(&fates),
            [is(back, "billing", 1), is("messages from queue q are delivered to billing again", "billing", 1)]
        );
        // of several who hand one back each is told how often it did
        let again = "id=a queue=q again=1 by=shipping status=nack";
        let both = ["id=a queue=q status=nack", again, again, again, "id=a queue=q again=1 status=ack"];
        let [first, second] = &told(&both)[..] else { panic!("{:?}", told(&both)) };
        assert_eq!(*first, is("billing hands messages from queue q back, and shipping is delivered them", "billing", 1));
        assert_eq!(
            *second,
            is("shipping hands message a from queue q back again and again, 3 times so far: a poison message", "shipping", 3)
        );
        // one of several
        let again = "id=a queue=q again=1 status=nack";
        let one =
            ["id=b queue=q status=nack", "id=b queue=q again=1 status=ack", "id=a queue=q status=nack", again, again, again];
        let title = "billing hands messages from queue q back, message a again and again, 4 times so far: a poison message";
        assert_eq!(told(&one), [is(title, "billing", 4)]);
    }

    #[test]
    fn who_has_no_name_is_told_from_others_by_its_port_while_it_is_there() {
        let told = |status: &str| {
            let texts = [("127.0.0.1:1", 'a'), ("127.0.0.1:2", 'b')].map(|(by, id)| {
                [format!("id={id} queue=q by={by} {status}"), format!("id={id} queue=q again=1 by=127.0.0.1:2 status=ack")]
            });
            let flows: Vec<_> = (1..).zip(texts.as_flattened()).map(|(n, text)| deliver(n, text)).collect();
            let found = found(&mut Redelivery::default(), &flows);
            found.into_iter().map(|f| (f.title, f.service.unwrap().to_string(), f.count)).collect::<Vec<_>>()
        };
        let [first, second] = &told("status=nack")[..] else { panic!() };
        assert_eq!(first.0, "127.0.0.1:1 hands messages from queue q back, and 127.0.0.1:2 is delivered them");
        assert_eq!((&*first.1, first.2), ("127.0.0.1:1", 1));
        assert_eq!(second.0, "127.0.0.1:2 hands messages from queue q back, and is delivered them again");
        assert_eq!((&*second.1, second.2), ("127.0.0.1:2", 1));
        let title = "messages from queue q are delivered to 127.0.0.1 again";
        assert_eq!(told("redelivered=0"), [(title.to_owned(), "127.0.0.1".to_owned(), 2)]);
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
