//! How many a service was at work on at once: who is one of many may merely have stood in line. Not how long any of them may take.

use super::ledger::label;
use crate::engine::traces::Hop;
use crate::model::{FlowId, FlowRef};
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many receivers are told apart, and how many calls of each and of all are remembered: those of the last seconds, in which traces are
/// judged.
const MAX_RECEIVERS: usize = 1 << 10;
const MAX_OF_ONE: usize = 1 << 10;
const MAX_OF_ALL: usize = 1 << 16;
/// What takes less is gone before it could keep anybody waiting.
const BRIEF: Span = Span::from_millis(10);

/// The calls that took a while, by who received them, in the order in which they were over.
#[derive(Debug, Default)]
pub(super) struct Company {
    receivers: HashMap<Arc<str>, VecDeque<Call>>,
    /// How many there are.
    calls: usize,
}

#[derive(Debug)]
struct Call {
    flow: FlowId,
    time: Time,
    last: Time,
}

impl Company {
    /// A call has settled.
    pub(super) fn add(&mut self, flow: FlowRef<'_>) {
        let Some(last) = flow.row.last().filter(|last| last.since(flow.row.time) >= BRIEF) else { return };
        let (_, to) = flow.ends();
        let to = label(to);
        let another = self.receivers.len() >= MAX_RECEIVERS && !self.receivers.contains_key(&to);
        if another || self.calls >= MAX_OF_ALL {
            self.receivers.clear();
            self.calls = 0;
        }
        let calls = self.receivers.entry(to).or_default();
        calls.push_back(Call { flow: flow.row.id, time: flow.row.time, last });
        self.calls += 1;
        if calls.len() > MAX_OF_ONE {
            calls.pop_front();
            self.calls -= 1;
        }
    }

    /// How many others its receiver was at work on meanwhile, but those that overtook it: asked later and answered earlier, they show that
    /// nobody has to wait for his turn.
    pub(super) fn of(&self, hop: &Hop) -> usize {
        if hop.last.since(hop.time) < BRIEF {
            return 0;
        }
        let Some(calls) = self.receivers.get(&label(&hop.to)) else { return 0 };
        let meanwhile = calls.iter().rev().take_while(|call| call.last > hop.time).filter(|call| call.time < hop.last);
        meanwhile.filter(|call| call.flow != hop.flow && (call.time <= hop.time || call.last >= hop.last)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::call;
    use super::*;
    use crate::engine::traces::settled;

    #[test]
    fn who_was_there_meanwhile_is_counted_and_who_overtook_is_not() {
        let mut company = Company::default();
        let calls = [
            "a>api 0-40 GET / 200",
            "a>api 10-100 GET / 200",
            // asked later, answered earlier; of another; too short
            "b>api 60-110 GET / 200",
            "b>db 10-120 GET / 200",
            "b>api 45-50 GET / 200",
            "b>api 110-150 GET / 200",
            "b>api 150-170 GET / 200",
        ];
        (1..).zip(calls).for_each(|(n, text)| company.add(call(n, text).as_ref()));
        let of = |n: u64, text: &str| company.of(&settled(call(n, text).as_ref(), true));
        assert_eq!(of(9, "a>api 50-140 GET / 200"), 2);
        assert_eq!(of(2, "a>api 10-100 GET / 200"), 2, "itself is none");
        assert_eq!(of(9, "a>api 95-99 GET / 200"), 0);
    }
}
