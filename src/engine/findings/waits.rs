//! Calls of which nothing is claimed: whoever sent one may have waited for it in whatever it was at work on then. Not what caused them.

use super::ledger::label;
use crate::engine::traces::{Hop, everybodys, name, whoever};
use crate::model::Pattern;
use crate::time::Time;
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many senders are told apart, and how many calls of each and of all are remembered: those of the last seconds, in which traces are
/// judged.
const MAX_SENDERS: usize = 1 << 10;
const MAX_OF_ONE: usize = 1 << 10;
const MAX_OF_ALL: usize = 1 << 16;

/// The calls, by whose they are.
#[derive(Debug, Default)]
pub(super) struct Waits {
    senders: HashMap<CompactString, Sender>,
    /// How many there are.
    calls: usize,
    /// Before then calls may have been forgotten with their senders.
    forgotten: Option<Time>,
}

#[derive(Debug, Default)]
struct Sender {
    calls: VecDeque<Call>,
    /// When the last of those began that are forgotten.
    forgotten: Option<Time>,
}

#[derive(Debug)]
struct Call {
    to: Arc<str>,
    time: Time,
    /// None: it got no answer, and nobody knows when it was given up.
    last: Option<Time>,
}

impl Call {
    fn of(hop: &Hop) -> Self {
        Self { to: label(&hop.to), time: hop.time, last: Some(hop.last).filter(|_| !hop.pending) }
    }

    /// For which part of a flow its receiver may have waited for this; `anybodys`, where any service of the machine may have sent it.
    fn within(&self, hop: &Hop, anybodys: bool) -> Option<(Time, Time)> {
        let last = self.last.unwrap_or(hop.last);
        // nobody asks itself, and on an address that all share whoever it was waited for it, as far as anybody can tell
        let may_be = hop.time <= self.time && self.time < hop.last && self.to != label(&hop.to);
        (may_be && (!anybodys || last <= hop.last)).then_some((self.time, last.min(hop.last)))
    }
}

impl Waits {
    /// Nothing is claimed of what caused a flow.
    pub(super) fn add(&mut self, hop: &Hop) {
        let waited_for = match hop.pattern {
            // a command that blocks is a worker's, who waits for its next task, unless it was at work on a request that may be its cause
            Pattern::Query => !hop.held || !hop.extra().maybe.is_empty(),
            Pattern::RequestResponse | Pattern::Unary | Pattern::Publish => true,
            Pattern::ClientStream | Pattern::ServerStream | Pattern::BidiStream => !hop.pending,
            Pattern::Deliver | Pattern::Message | Pattern::Session => false,
        };
        if !waited_for || !(hop.pending || hop.time < hop.last) {
            return;
        }
        let key = whoever(&hop.from);
        let another = self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(key);
        if another || self.calls >= MAX_OF_ALL {
            self.senders.clear();
            (self.calls, self.forgotten) = (0, Some(hop.last));
        }
        self.calls += 1;
        let Sender { calls, forgotten } = self.senders.entry(key.into()).or_default();
        calls.push_back(Call::of(hop));
        if calls.len() > MAX_OF_ONE
            && let Some(Call { time, .. }) = calls.pop_front()
        {
            self.calls -= 1;
            *forgotten = (*forgotten).max(Some(time));
        }
    }

    /// When the receiver of a flow may have waited for calls of which nothing is claimed, those of its own trace given: all of the time
    /// where there were more than are remembered.
    pub(super) fn within(&self, hop: &Hop, own: &[&Hop]) -> Vec<(Time, Time)> {
        let (host, named) = (hop.to.host(), name(&hop.to));
        let senders = [named, Some(host).filter(|host| named != Some(*host))].into_iter().flatten();
        let senders: Vec<_> = senders.filter_map(|key| Some((key, self.senders.get(key)?))).collect();
        let lost = senders.iter().map(|(_, sender)| sender.forgotten).chain([self.forgotten]).flatten().max();
        if lost.is_some_and(|lost| lost >= hop.time) {
            return vec![(hop.time, hop.last)];
        }
        let anybodys = |key: &str| named != Some(key) && everybodys(host);
        let remembered = senders.iter().flat_map(|(key, sender)| sender.calls.iter().map(|call| call.within(hop, anybodys(key))));
        let of_trace = own.iter().filter(|own| {
            let from = whoever(&own.from);
            own.flow != hop.flow && (named == Some(from) || (name(&own.from).is_none() && host == from))
        });
        remembered.chain(of_trace.map(|own| Call::of(own).within(hop, anybodys(whoever(&own.from))))).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{at, call};
    use super::*;
    use crate::engine::traces::settled;

    fn hop(text: &str) -> Hop {
        settled(call(1, text).as_ref(), true)
    }

    fn waited(calls: &[&str], on: &str) -> Vec<(u64, u64)> {
        let mut waits = Waits::default();
        calls.iter().for_each(|call| waits.add(&hop(call)));
        let millis = |time: Time| time.since(at(0)).nanos() / 1_000_000;
        waits.within(&hop(on), &[]).into_iter().map(|(from, to)| (millis(from), millis(to))).collect()
    }

    #[test]
    fn what_its_receiver_sent_meanwhile_may_have_been_waited_for() {
        let on = "gate>orders 10-90 GET / 200";
        assert_eq!(waited(&["orders>db 20-80 GET / 200", "orders>db 85-99 GET / 200"], on), [(20, 80), (85, 90)]);
        assert_eq!(waited(&["orders>db 20- GET / pending"], on), [(20, 90)]);
        // somebody else's, from before, after, and its own
        let others =
            ["gate>db 20-80 GET / 200", "orders>db 5-80 GET / 200", "orders>db 90-95 GET / 200", "x>orders 20-80 GET / 200"];
        assert_eq!(waited(&others, on), []);
    }

    #[test]
    fn a_command_that_blocks_is_waited_for_where_a_request_may_have_caused_it() {
        let mut blocks = hop("orders>redis 20-80 BLPOP 200");
        (blocks.pattern, blocks.held) = (Pattern::Query, true);
        let waited = |hop_: &Hop| {
            let mut waits = Waits::default();
            waits.add(hop_);
            waits.within(&hop("gate>orders 10-90 GET / 200"), &[]).len()
        };
        assert_eq!(waited(&blocks), 0);
        blocks.extra_mut().maybe = vec![crate::model::FlowId(7)];
        assert_eq!(waited(&blocks), 1);
    }

    #[test]
    fn without_a_name_it_may_be_any_of_its_host() {
        let on = "10.0.0.9:5>orders=127.0.0.1:81 10-90 GET / 200";
        let sent = ["127.0.0.1:7>db=127.0.0.1:82 20-80 GET / 200", "127.0.0.1:8>127.0.0.1:83 30-95 GET / 200"];
        assert_eq!(waited(&sent, on), [(20, 80)], "whoever sent the other one waited beyond");
        assert_eq!(waited(&["10.0.0.1:7>10.0.0.2:82 20-99 GET / 200"], "10.0.0.9:5>10.0.0.1:81 10-90 GET / 200"), [(20, 90)]);
    }

    #[test]
    fn of_more_than_are_remembered_all_may_have_been_waited_for() {
        let mut waits = Waits::default();
        (0..=MAX_OF_ONE).for_each(|_| waits.add(&hop("orders>db 20-30 GET / 200")));
        let all = |text: &str| waits.within(&hop(text), &[]).len() == 1;
        assert!(all("gate>orders 10-90 GET / 200") && !all("gate>orders 25-90 GET / 200"));
    }
}
