//! The same message twice: published twice, or delivered twice from one queue without the broker saying so. Redeliveries are none.

use super::message::Letter;
use super::{Book, Detector, Words};
use crate::model::{FindingKind, FlowId, FlowRef, Pattern};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many messages are remembered: what comes twice does so soon.
const MAX_REMEMBERED: usize = 1 << 12;
/// How long a second delivery waits for a second publish to explain it: a publish settles when it is confirmed.
const WAIT: Span = Span::from_secs(5);

/// The messages that carry an ID.
#[derive(Debug, Default)]
pub(super) struct Duplicate {
    known: HashMap<u64, Known>,
    order: VecDeque<u64>,
    held: VecDeque<(Time, Twice)>,
}

#[derive(Debug, Default)]
struct Known {
    published: Option<(FlowId, Arc<str>, Arc<str>)>,
    publishes: u64,
    /// The first delivery from each queue, and to whom.
    delivered: Vec<(String, FlowId, Arc<str>)>,
}

/// A second delivery.
#[derive(Debug)]
struct Twice {
    id: u64,
    key: String,
    flows: [FlowId; 2],
    called: CompactString,
    queue: CompactString,
    clients: [Arc<str>; 2],
    broker: Arc<str>,
}

impl Detector for Duplicate {
    fn seeks(&self) -> &'static str {
        "messages sent or delivered twice"
    }

    fn flow(&mut self, _: FlowRef<'_>, book: &mut Book) {
        self.tell(book.now().before(WAIT), book);
    }

    fn letter(&mut self, letter: &Letter, flow: FlowRef<'_>, book: &mut Book) {
        if letter.named.is_none() || letter.otherwise {
            return;
        }
        match flow.row.pattern {
            Pattern::Publish if flow.row.ok => self.published(letter, flow, book),
            Pattern::Deliver if !letter.again => self.delivered(letter, flow, book),
            // what was refused has to be sent again
            _ => {}
        }
    }

    fn end(&mut self, book: &mut Book) {
        self.tell(Time::from_nanos(i64::MAX), book);
    }
}

impl Duplicate {
    fn known(&mut self, id: u64) -> &mut Known {
        if !self.known.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > MAX_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        self.known.entry(id).or_default()
    }

    fn published(&mut self, letter: &Letter, flow: FlowRef<'_>, book: &mut Book) {
        let known = self.known(letter.whole);
        known.publishes += 1;
        let Some((first, by, at)) = &known.published else {
            known.published = Some((flow.row.id, letter.who.clone(), letter.client.clone()));
            return;
        };
        // a consumer that puts back what it could not work on is another one; a tap does not know who it was
        if *by != letter.who || !flow.client.is_known() {
            return;
        }
        let client = if *at == letter.client { at } else { by };
        let words = Words {
            title: format!("{client} publishes the same message twice, to {}", letter.way),
            service: Some(client.clone()),
            evidence: format!(
                "{} was published {} times by {client}, equal in all of its content",
                letter.called(),
                known.publishes
            ),
            advice: format!(
                "see whether {client} sends again what was confirmed late, or works on one request twice; let consumers drop what has an ID that they know"
            ),
        };
        book.raise(
            FindingKind::DuplicateMessage,
            &format!("published {client} > {}", letter.route),
            vec![*first, flow.row.id],
            words,
        );
    }

    fn delivered(&mut self, letter: &Letter, flow: FlowRef<'_>, book: &Book) {
        let (Some(from), Some(queue)) = (letter.from(flow), letter.queue.clone()) else { return };
        let known = self.known(letter.whole);
        let Some((_, first, client)) = known.delivered.iter().find(|(other, ..)| *other == from) else {
            known.delivered.push((from, flow.row.id, letter.client.clone()));
            return;
        };
        let twice = Twice {
            id: letter.whole,
            key: format!("delivered {from}"),
            flows: [*first, flow.row.id],
            called: letter.called().into(),
            queue,
            clients: [client.clone(), letter.client.clone()],
            broker: letter.broker.clone(),
        };
        self.held.push_back((book.now(), twice));
        if self.held.len() > MAX_REMEMBERED {
            self.held.pop_front();
        }
    }

    /// Tells those that came before a moment, where no second publish was seen: that is told already.
    fn tell(&mut self, until: Time, book: &mut Book) {
        while let Some((_, twice)) = self.held.pop_front_if(|(time, _)| *time <= until) {
            let Twice { id, key, flows, called, queue, clients: [client, other], broker } = twice;
            if self.known.get(&id).is_some_and(|known| known.publishes > 1) {
                continue;
            }
            let words = Words {
                title: format!("the same message is delivered twice from queue {queue}, and not as a redelivery"),
                service: Some(broker),
                evidence: if client == other {
                    format!("{called} was delivered to {client} twice from queue {queue} without the redelivered flag")
                } else {
                    format!("{called} was delivered from queue {queue} to {client} and to {other} without the redelivered flag")
                },
                advice: format!(
                    "see whether it was published twice before this watch, or the queue is bound twice; let {other} drop what has an ID that is known"
                ),
            };
            book.raise(FindingKind::DuplicateMessage, &key, flows.to_vec(), words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{deliver, found, publish, titles};
    use super::*;

    fn check(flows: &[crate::model::Flow], wanted: &[(&str, u64)]) {
        assert_eq!(titles(&found(&mut Duplicate::default(), flows)), wanted);
    }

    fn nobodys(flow: crate::model::Flow) -> crate::model::Flow {
        let client = crate::model::Party { addr: crate::model::NOBODY.into(), service: None, ..(*flow.client).clone() };
        crate::model::Flow { client: client.into(), ..flow }
    }

    #[test]
    fn a_message_that_is_published_twice_is_told_once_whatever_is_delivered() {
        let title = "billing publishes the same message twice, to exchange shop, key order";
        let twice = [publish(1, "id=a"), publish(2, "id=a"), deliver(3, "id=a queue=q"), deliver(4, "id=a queue=q")];
        check(&twice, &[(title, 1)]);
        let traced = [publish(1, "id=a uber-trace-id=t:1:0:1"), publish(2, "id=a uber-trace-id=t:2:0:1")];
        check(&traced, &[(title, 1)]);
        // the second is confirmed late
        let late = [publish(1, "id=a"), deliver(3, "id=a queue=q"), deliver(4, "id=a queue=q"), publish(2, "id=a")];
        check(&late, &[(title, 1)]);
        check(&[publish(1, "correlation=a"), publish(2, "correlation=a"), publish(3, "correlation=a")], &[(title, 2)]);
    }

    #[test]
    fn a_message_that_is_delivered_twice_is_told_where_the_broker_does_not_say_so() {
        let title = "the same message is delivered twice from queue q, and not as a redelivery";
        check(&[publish(1, "id=a"), deliver(2, "id=a queue=q"), deliver(3, "id=a queue=q")], &[(title, 1)]);
        check(&[deliver(2, "id=a queue=q"), deliver(3, "id=a queue=q again=1")], &[]);
        check(&[deliver(2, "id=a queue=q"), deliver(3, "id=a queue=other")], &[]);
    }

    #[test]
    fn messages_alike_and_those_that_were_refused_or_put_back_are_none() {
        check(&[publish(1, "body=tick"), publish(2, "body=tick")], &[]);
        check(&[publish(1, "id=a status=nack"), publish(2, "id=a")], &[]);
        check(&[publish(1, "id=a"), publish(2, "id=a retry=1")], &[]);
        check(&[publish(1, "id=a"), publish(2, "id=a by=shipping")], &[]);
        // of taps: who published is not known
        check(&[publish(1, "id=a"), publish(2, "id=a")].map(nobodys), &[]);
        check(&[publish(1, "id=a body=1"), publish(2, "id=a body=2")], &[]);
        check(&[deliver(1, "id=a queue=q x-death=1"), deliver(2, "id=a queue=q x-death=1")], &[]);
    }
}
