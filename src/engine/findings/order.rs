//! Messages of one publisher that one consumer is delivered in another order. Redeliveries, priorities and messages alike have none.

use super::message::Letter;
use super::{Book, Detector, Words};
use crate::model::{FindingKind, FlowId, FlowRef, Pattern};
use hashbrown::HashMap;
use std::collections::{BTreeMap, VecDeque};

/// How many messages are remembered.
const MAX_REMEMBERED: usize = 1 << 12;
/// How many deliveries of a lane are compared with a new one: flows settle nearly in order.
const COMPARED: usize = 64;
/// How many lanes are told apart.
const MAX_LANES: usize = 1 << 12;

/// A queue, a consumer's channel, a publisher's channel, and the route.
type Lane = (String, (u64, i64), (u64, i64), u64);

/// Which message was published and delivered when.
#[derive(Debug, Default)]
pub(super) struct OutOfOrder {
    known: HashMap<u64, Known>,
    order: VecDeque<u64>,
    /// The deliveries of each lane, with their publishes.
    lanes: HashMap<Lane, BTreeMap<FlowId, FlowId>>,
}

#[derive(Debug, Default)]
struct Known {
    published: Vec<(FlowId, Letter)>,
    delivered: Vec<(FlowId, String, Letter)>,
    /// Whether it was there twice, so that nothing tells which is which.
    twice: bool,
}

impl Detector for OutOfOrder {
    fn seeks(&self) -> &'static str {
        "messages out of order"
    }

    fn letter(&mut self, letter: &Letter, flow: FlowRef<'_>, book: &mut Book) {
        if letter.otherwise {
            return;
        }
        let id = letter.id;
        if !self.known.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > MAX_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        let known = self.known.entry(id).or_default();
        // what is delivered again keeps no place
        known.twice |= letter.again;
        if known.twice {
            return;
        }
        let pairs: Vec<_> = match flow.row.pattern {
            Pattern::Publish => {
                known.twice |= !known.published.is_empty();
                known.published = vec![(flow.row.id, letter.clone())];
                known.pairs().collect()
            }
            _ => {
                let Some(from) = letter.from(flow) else { return };
                known.twice |= known.delivered.iter().any(|(_, other, _)| *other == from);
                known.delivered.push((flow.row.id, from, letter.clone()));
                known.pairs().skip(known.delivered.len() - 1).collect()
            }
        };
        if known.twice {
            // however often it still comes
            (known.published, known.delivered) = Default::default();
            return;
        }
        for (sent, got, from, by, to) in pairs {
            self.paired(sent, got, (from, to.lane, by.lane, by.route), &by, &to, book);
        }
    }
}

impl Known {
    /// The publish with each delivery behind it.
    fn pairs(&self) -> impl Iterator<Item = (FlowId, FlowId, String, Letter, Letter)> {
        let sent = self.published.first();
        let both = self.delivered.iter().filter_map(move |got| Some((sent?, got)));
        both.filter(|((sent, _), (got, ..))| sent < got)
            .map(|((sent, by), (got, from, to))| (*sent, *got, from.clone(), by.clone(), to.clone()))
    }
}

impl OutOfOrder {
    fn paired(&mut self, sent: FlowId, got: FlowId, lane: Lane, by: &Letter, to: &Letter, book: &mut Book) {
        if self.lanes.len() >= MAX_LANES && !self.lanes.contains_key(&lane) {
            return;
        }
        let key = format!("{} > {}: {} {}", lane.0, to.client, by.client, lane.3);
        let others = self.lanes.entry(lane).or_default();
        let before = others.range(..got).next_back().filter(|(_, other)| **other > sent);
        let after = others.range(got..).next().filter(|(_, other)| **other < sent);
        let wrong = before.or(after).map(|(got, sent)| (*got, *sent));
        others.insert(got, sent);
        if others.len() > COMPARED {
            others.pop_first();
        }
        let Some((other_got, other_sent)) = wrong else { return };
        let queue = to.queue.as_deref().unwrap_or_default();
        let (client, by) = (&to.client, &by.client);
        let words = Words {
            title: format!(
                "{} delivers messages from queue {queue} to {client} in another order than {by} published them",
                to.broker
            ),
            service: Some(to.broker.clone()),
            evidence: format!(
                "{by} published flow {} before flow {} on one channel, and {client} was delivered flow {} before flow {}",
                sent.min(other_sent).0,
                sent.max(other_sent).0,
                got.min(other_got).0,
                got.max(other_got).0
            ),
            advice: format!(
                "where the order matters, see what lies between {by} and queue {queue}: a sharded or delayed exchange, or several routes"
            ),
        };
        let mut flows = vec![sent, got, other_sent, other_got];
        flows.sort_unstable();
        book.raise(FindingKind::OutOfOrder, &key, flows, words);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{deliver, found, publish, titles};
    use super::*;
    use crate::model::Flow;

    fn check(flows: &[Flow], wanted: &[u64]) {
        let found = found(&mut OutOfOrder::default(), flows);
        assert_eq!(titles(&found).iter().map(|(_, count)| *count).collect::<Vec<_>>(), wanted, "{found:#?}");
    }

    #[test]
    fn another_order_on_one_channel_is_told_whenever_the_flows_settle() {
        let (a, b) = (publish(1, "id=a"), publish(2, "id=b"));
        let (got_a, got_b) = (deliver(4, "id=a queue=q by=c"), deliver(3, "id=b queue=q by=c"));
        check(&[a.clone(), b.clone(), got_b.clone(), got_a.clone()], &[1]);
        check(&[got_a.clone(), got_b.clone(), b.clone(), a.clone()], &[1]);
        check(&[a, got_a, b, got_b], &[1]);
    }

    #[test]
    fn the_same_order_is_none() {
        let flows: Vec<_> = (1..9).map(|n| publish(n, &format!("id={n}"))).collect();
        let got: Vec<_> = (1..9).map(|n| deliver(20 + n, &format!("id={n} queue=q"))).collect();
        check(&[flows.clone(), got.clone()].concat(), &[]);
        check(&[flows, got.into_iter().rev().collect()].concat(), &[]);
    }

    #[test]
    fn of_messages_alike_nothing_is_remembered() {
        let mut detector = OutOfOrder::default();
        let flows: Vec<_> = (1..9).flat_map(|n| [publish(n, "body=a"), deliver(20 + n, "body=a queue=q")]).collect();
        assert_eq!(found(&mut detector, &flows), []);
        let known: Vec<_> = detector.known.values().map(|known| (known.published.len(), known.delivered.len())).collect();
        assert_eq!(known, [(0, 0)]);
    }

    #[test]
    fn what_has_no_order_is_none() {
        let of = |first: &str, second: &str, got_first: &str, got_second: &str| {
            let got = [deliver(3, &format!("{got_second} queue=q")), deliver(4, &format!("{got_first} queue=q"))];
            [vec![publish(1, first), publish(2, second)], got.to_vec()].concat()
        };
        check(&of("id=a", "id=b", "id=a", "id=b"), &[1]);
        check(&of("id=a", "id=b", "id=a again=1", "id=b"), &[]);
        check(&of("id=a", "id=b channel=2", "id=a", "id=b"), &[]);
        check(&of("id=a", "id=b key=k", "id=a", "id=b key=k"), &[]);
        check(&of("id=a", "id=b", "id=a channel=2", "id=b"), &[]);
        check(&of("id=a", "id=b", "id=a x-delay=5", "id=b"), &[]);
        check(&of("body=a", "body=a", "body=a", "body=a"), &[]);
    }
}
