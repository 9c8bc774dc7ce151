//! Which message that was published is the one that was delivered: by its ID, else by all of its content. A broker changes neither.

use super::super::traces::{Hop, hop, settled};
use super::super::twins;
use crate::model::{Detail, FlowId, FlowRef, State, Value};
use crate::time::Time;
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a message takes that is remembered: texts of the usual lengths included.
pub(super) const MESSAGE_COST: usize = size_of::<Hop>() + 256;
/// Of how many queues it is remembered which of several messages alike they handed on last.
const MAX_QUEUES: usize = 64;
/// Of how many deliveries it is remembered of what they are, until they are done with: of more it is told of those that come.
const MAX_HANDED: usize = 1 << 14;

/// The messages that are known by the same, in the order in which they were published.
#[derive(Debug, Default)]
struct Alike {
    list: VecDeque<Arc<Hop>>,
    /// How many there were before those.
    before: usize,
    /// For each queue how many of all it has handed on, those that went before its first one included.
    handed: Vec<(CompactString, usize)>,
}

/// The messages that were published, by what they are known by.
#[derive(Debug, Default)]
pub(super) struct Messages {
    known: HashMap<u64, Alike>,
    order: VecDeque<u64>,
    /// What each delivery is known by, and which of the messages that are known by it that is.
    handed: HashMap<FlowId, (u64, FlowId)>,
    /// How many are remembered: those that wait in queues for longer than so many others are not found again.
    room: usize,
}

impl Messages {
    /// Remembers so many.
    pub(super) fn new(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    /// A message was published.
    pub(super) fn published(&mut self, flow: FlowRef<'_>) {
        let Some(id) = flow.detail.and_then(message) else { return };
        let hop = if flow.row.state == State::Settled { settled(flow, true) } else { hop(flow) };
        self.known.entry(id).or_default().list.push_back(Arc::new(hop));
        self.order.push_back(id);
        if self.order.len() > self.room
            && let Some(oldest) = self.order.pop_front()
            && let Some(alike) = self.known.get_mut(&oldest)
        {
            alike.list.pop_front();
            alike.before += 1;
            if alike.list.is_empty() {
                self.known.remove(&oldest);
            }
        }
    }

    /// One that was taken in before it had settled has settled now.
    pub(super) fn settled(&mut self, detail: &Detail, now: &Hop) {
        let Some(alike) = message(detail).and_then(|id| self.known.get_mut(&id)) else { return };
        // they were taken in by their numbers
        let at = alike.list.binary_search_by_key(&now.flow, |hop| hop.flow);
        if let Some(hop) = at.ok().and_then(|at| alike.list.get_mut(at)) {
            *hop = Arc::new(now.clone());
        }
    }

    /// One that is known goes on from where it was seen first: it counts there.
    pub(super) fn forget(&mut self, detail: &Detail, flow: FlowId) {
        let Some(alike) = message(detail).and_then(|id| self.known.get_mut(&id)) else { return };
        if let Ok(at) = alike.list.binary_search_by_key(&flow, |hop| hop.flow) {
            alike.list.remove(at);
        }
    }

    /// A message is delivered from a queue: of several alike that hands on the first one first, and again one that it handed on before.
    /// They are told in the order in which they are delivered.
    pub(super) fn delivered(&mut self, flow: FlowId, time: Time, queue: &str, detail: &Detail) {
        let Some(id) = message(detail) else { return };
        let Some(Alike { list, before, handed }) = self.known.get_mut(&id) else { return };
        let known = handed.iter().position(|(other, _)| **other == *queue);
        let next = known.and_then(|at| handed.get(at)).map_or(0, |(_, count)| count.saturating_sub(*before));
        let there = |at: &usize| list.get(*at).is_some_and(|hop| hop.time <= time);
        let again = detail.fields.get("amqp.redelivered") == Some(&Value::Bool(true));
        let (fresh, last) = (Some(next).filter(there), next.checked_sub(1).filter(there));
        let Some(at) = (if again { last.or(fresh) } else { fresh.or(last) }) else { return };
        if Some(at) == fresh {
            let count = *before + at + 1;
            match known.and_then(|at| handed.get_mut(at)) {
                Some((_, known)) => *known = count,
                None => {
                    if handed.len() >= MAX_QUEUES {
                        handed.remove(0);
                    }
                    handed.push((queue.into(), count));
                }
            }
        }
        if self.handed.len() >= MAX_HANDED {
            self.handed.clear();
        }
        if let Some(up) = list.get(at) {
            self.handed.insert(flow, (id, up.flow));
        }
    }

    /// The message that is delivered here.
    pub(super) fn publish_of(&mut self, child: &Hop, detail: &Detail) -> Option<&Arc<Hop>> {
        if !self.handed.contains_key(&child.flow) {
            self.delivered(child.flow, child.time, child.extra().via.as_deref().unwrap_or_default(), detail);
        }
        let (alike, at) = self.handed_on(child.flow)?;
        alike.list.get(at)
    }

    /// The one that is delivered here, where there are several alike: an ID that they carry does not tell which it is.
    pub(super) fn one_of_several(&mut self, delivery: FlowId) -> Option<FlowId> {
        let (alike, at) = self.handed_on(delivery)?;
        alike.list.get(at).filter(|_| alike.before + alike.list.len() > 1).map(|hop| hop.flow)
    }

    /// Which one a delivery is, that is not asked for again.
    fn handed_on(&mut self, delivery: FlowId) -> Option<(&Alike, usize)> {
        let (id, up) = self.handed.remove(&delivery)?;
        let alike = self.known.get(&id)?;
        alike.list.binary_search_by_key(&up, |hop| hop.flow).ok().map(|at| (alike, at))
    }
}

/// What a message is known by, whoever sent it where.
pub(super) fn message(detail: &Detail) -> Option<u64> {
    twins::identity(&detail.fields, &detail.request.as_ref()?.body)
}

#[cfg(test)]
mod tests {
    use super::super::super::findings::rig::{deliver, publish};
    use super::*;
    use crate::model::{Flow, Row};

    /// Which of these publishes each delivery is of, where only so many are remembered.
    fn check(room: usize, published: u64, deliveries: &[Flow], wanted: &[Option<u64>]) {
        let mut messages = Messages::new(room);
        (1..=published).for_each(|n| messages.published(publish(n, "").as_ref()));
        let told = (90..).zip(deliveries).map(|(id, flow)| {
            let (row, detail) = (Row { id: FlowId(id), ..flow.row.clone() }, flow.detail.as_ref().unwrap());
            let child = hop(FlowRef { row: &row, ..flow.as_ref() });
            messages.publish_of(&child, detail).map(|up| up.flow.0)
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told, wanted);
    }

    fn from(queue: &str, again: bool) -> Flow {
        deliver(90, &format!("queue={queue}{}", if again { " again=1" } else { "" }))
    }

    #[test]
    fn each_queue_hands_messages_alike_on_in_their_order() {
        let deliveries =
            [from("a", false), from("a", true), from("b", false), from("a", false), from("b", true), from("a", true)];
        check(9, 3, &deliveries, &[Some(1), Some(1), Some(1), Some(2), Some(1), Some(2)]);
        // the first was forgotten; of those that are handed on when none is left, the last
        let deliveries = [from("a", false), from("a", false), from("a", false), from("b", true)];
        check(2, 3, &deliveries, &[Some(2), Some(3), Some(3), Some(2)]);
    }

    #[test]
    fn they_are_told_in_the_order_in_which_they_were_delivered() {
        let mut messages = Messages::new(9);
        (1..=3).for_each(|n| messages.published(publish(n, "").as_ref()));
        let delivery = from("a", false);
        let detail = delivery.detail.as_ref().unwrap();
        (91..94).for_each(|n| messages.delivered(FlowId(n), delivery.row.time, "a", detail));
        let told = [93, 91, 92].map(|n| messages.one_of_several(FlowId(n)).map(|up| up.0));
        assert_eq!(told, [Some(3), Some(1), Some(2)]);
        // the only one is told by any ID
        let mut messages = Messages::new(9);
        messages.published(publish(1, "").as_ref());
        messages.delivered(FlowId(91), delivery.row.time, "a", detail);
        assert_eq!(messages.one_of_several(FlowId(91)), None);
    }

    #[test]
    fn one_that_is_known_settles_later() {
        let mut messages = Messages::new(9);
        (1..=3).for_each(|n| messages.published(publish(n, "").as_ref()));
        for n in [2, 4] {
            let flow = publish(n, "status=nack");
            messages.settled(flow.detail.as_ref().unwrap(), &hop(flow.as_ref()));
        }
        let known: Vec<_> = messages.known.values().flat_map(|alike| alike.list.iter().map(|hop| (hop.flow.0, hop.ok))).collect();
        assert_eq!(known, [(1, true), (2, false), (3, true)]);
    }
}
