//! Which message that was published is the one that was delivered: by its ID, else by all of its content. A broker changes neither.

use super::super::traces::{Hop, hop, settled};
use super::super::twins;
use crate::model::{Detail, FlowRef, State, Value};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// What a message takes that is remembered: texts of the usual lengths included.
pub(super) const MESSAGE_COST: usize = size_of::<Published>() + 256;

/// A message that was published.
#[derive(Debug)]
struct Published {
    hop: Hop,
    /// The queues that it was delivered from, each once.
    delivered: Vec<Box<str>>,
}

/// The messages that were published, by what they are known by.
#[derive(Debug, Default)]
pub(super) struct Messages {
    known: HashMap<u64, Vec<Published>>,
    order: VecDeque<u64>,
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
        let hop = if flow.row.state == State::Settled { settled(flow) } else { hop(flow) };
        self.known.entry(id).or_default().push(Published { hop, delivered: Vec::new() });
        self.order.push_back(id);
        if self.order.len() > self.room
            && let Some(oldest) = self.order.pop_front()
            && let Some(list) = self.known.get_mut(&oldest)
        {
            list.remove(0);
            if list.is_empty() {
                self.known.remove(&oldest);
            }
        }
    }

    /// One that was taken in before it had settled has settled now.
    pub(super) fn settled(&mut self, flow: FlowRef<'_>) {
        let known = flow.detail.and_then(message).and_then(|id| self.known.get_mut(&id));
        if let Some(one) = known.and_then(|list| list.iter_mut().find(|one| one.hop.flow == flow.row.id)) {
            one.hop = settled(flow);
        }
    }

    /// The one that is delivered here. Of several alike a queue hands on the first one first, and again one that it handed on before.
    pub(super) fn publish_of(&mut self, child: &Hop, detail: &Detail) -> Option<&Hop> {
        let list = self.known.get_mut(&message(detail)?)?;
        let queue = child.via.as_deref().unwrap_or_default();
        let delivered = |one: &Published| one.delivered.iter().any(|other| **other == *queue);
        let before = |one: &Published| one.hop.time <= child.time;
        let again = detail.fields.get("amqp.redelivered") == Some(&Value::Bool(true));
        let next = || list.iter().position(|one| before(one) && !delivered(one));
        let last = || list.iter().rposition(|one| before(one) && delivered(one));
        let at = if again { last().or_else(next) } else { next().or_else(last) };
        let one = list.get_mut(at?)?;
        if !one.delivered.iter().any(|other| **other == *queue) {
            one.delivered.push(queue.into());
        }
        Some(&one.hop)
    }
}

/// What a message is known by, whoever sent it where.
pub(super) fn message(detail: &Detail) -> Option<u64> {
    twins::identity(&detail.fields, &detail.request.as_ref()?.body)
}
