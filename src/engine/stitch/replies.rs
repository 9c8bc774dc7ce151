//! Which messages are replies to what their receiver asked by message (AMQP's RPC: `reply-to` and `correlation-id`): it goes on with what
//! it was at work on, and does nothing because of the reply itself.

use super::works::label;
use crate::engine::digest::digester;
use crate::engine::twins;
use crate::model::{FlowRef, Pattern, Row, Value};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

/// How many questions are remembered: those that wait for longer than so many others have no replies.
const MAX_QUESTIONS: usize = 1 << 12;

/// The questions that were asked by message, and who asked each.
#[derive(Debug, Default)]
pub(super) struct Replies {
    asked: HashMap<u64, Arc<str>>,
    order: VecDeque<u64>,
}

impl Replies {
    /// A message was published.
    pub(super) fn published(&mut self, flow: FlowRef<'_>) {
        let Some(id) = correlated(flow).filter(|_| property(flow, "reply_to").is_some()) else { return };
        if self.asked.insert(id, Arc::clone(label(flow.ends().0))).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_QUESTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.asked.remove(&oldest);
        }
    }

    /// Whether something may be a reply.
    pub(super) fn may_be(&self, row: &Row) -> bool {
        !self.asked.is_empty() && row.pattern == Pattern::Deliver
    }

    /// Whether a message that was delivered is the reply to what its receiver asked. One that asks back is a question.
    pub(super) fn is_reply(&self, flow: FlowRef<'_>) -> bool {
        self.may_be(flow.row)
            && property(flow, "reply_to").is_none()
            && correlated(flow).and_then(|id| self.asked.get(&id)).is_some_and(|asker| asker == label(flow.ends().1))
    }
}

/// Stands for its correlation ID.
fn correlated(flow: FlowRef<'_>) -> Option<u64> {
    let mut hasher = digester();
    property(flow, "correlation_id")?.hash(&mut hasher);
    Some(hasher.finish())
}

fn property<'f>(flow: FlowRef<'f>, name: &str) -> Option<&'f str> {
    match twins::entry(flow.detail?.fields.get("amqp.properties"), name) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}
