//! Answers that are shown before their queries: datagrams keep no order, and a capture of several queues mixes them. They wait a while.

use super::message::Message;
use super::{Dns, Found};
use crate::decode::Cx;
use crate::model::{Dir, Transport};
use crate::time::{Span, Time};

/// How long, in packet time, and how many.
const WAIT: Span = Span::from_millis(20);
const MOST: usize = 16;
/// Where answers come from one host to a question that went to a group (RFC 6762 §5.5, RFC 4795 §2).
const GROUP_PORTS: [u16; 2] = [5353, 5355];

impl Dns {
    /// An answer to nothing that was seen so far.
    pub(super) fn is_early(&mut self, cx: &mut Cx<'_, '_>, found: Found) {
        if self.framed || is_of_group(cx) {
            return self.unasked(cx, &found);
        }
        self.wait_no_longer(cx, found.first.time);
        if self.early.len() >= MOST
            && let Some(oldest) = self.early.pop_front()
        {
            self.unasked(cx, &oldest);
        }
        self.early.push_back(found);
    }

    /// The answer to a query of a direction that came before it.
    pub(super) fn early(&mut self, dir: Dir, query: &Message) -> Option<Found> {
        let of = |found: &Found| {
            let Found { message, .. } = found;
            let same = message.question.is_none() || message.question == query.question;
            found.dir == dir.other() && message.id == query.id && same
        };
        let at = self.early.iter().position(of)?;
        self.early.remove(at)
    }

    /// The queries of those that have waited for long were not captured.
    pub(super) fn wait_no_longer(&mut self, cx: &mut Cx<'_, '_>, now: Time) {
        while let Some(oldest) = self.early.pop_front_if(|found| now.since(found.first.time) > WAIT) {
            self.unasked(cx, &oldest);
        }
    }

    /// No queries will come.
    pub(super) fn wait_for_none(&mut self, cx: &mut Cx<'_, '_>) {
        while let Some(oldest) = self.early.pop_front() {
            self.unasked(cx, &oldest);
        }
    }
}

/// Whether queries go to a group, so that who answers is another one.
pub(super) fn is_of_group(cx: &Cx<'_, '_>) -> bool {
    let ports = [cx.meta().client.port(), cx.meta().server.port()];
    cx.meta().transport == Transport::Datagram && GROUP_PORTS.iter().any(|port| ports.contains(port))
}
