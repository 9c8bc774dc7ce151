//! Questions that cannot be read, as they are encrypted: whoever asked one waited for its answer, in whatever it was at work on then. Not
//! what the receiver of one was at work on: that is `engine::stitch`'s.

use super::super::Engine;
use super::super::findings::label;
use super::hop::Hop;
use super::parties::whoever;
use super::parties::{everybodys, name};
use crate::model::{ConnId, Dir, Party};
use crate::time::Time;
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many senders are told apart, of which all are forgotten where there is one more, and how many questions of each are remembered: the
/// last.
const MAX_SENDERS: usize = 1 << 10;
const MAX_OF_ONE: usize = 1 << 8;

/// The questions, by whose they are: a name, else a host.
#[derive(Debug, Default)]
pub(super) struct Sealed(HashMap<CompactString, VecDeque<Question>>);

#[derive(Debug)]
struct Question {
    conn: ConnId,
    to: Arc<str>,
    asked: Time,
    /// The last of its answer so far.
    answered: Option<Time>,
}

impl Engine {
    /// Encrypted bytes went over a connection, which need not be known.
    pub(in crate::engine) fn sealed(&mut self, conn: ConnId, dir: Dir, at: Time) -> bool {
        let Self { conns, facts, traces, .. } = self;
        let Some(known) = conns.place(conn).and_then(|place| conns.at(place)) else { return false };
        let (client, server) = facts.parties(known.client, known.server);
        match dir {
            Dir::ToServer => traces.sealed.asked(conn, client, server, at),
            Dir::ToClient => traces.sealed.answered(conn, client, at),
        }
        true
    }
}

impl Sealed {
    fn asked(&mut self, conn: ConnId, from: &Party, to: &Party, asked: Time) {
        let key = whoever(from);
        if self.0.len() >= MAX_SENDERS && !self.0.contains_key(key) {
            self.0.clear();
        }
        let questions = self.0.entry(key.into()).or_default();
        if questions.len() >= MAX_OF_ONE {
            questions.pop_front();
        }
        questions.push_back(Question { conn, to: label(to), asked, answered: None });
    }

    fn answered(&mut self, conn: ConnId, from: &Party, at: Time) {
        let questions = self.0.get_mut(whoever(from)).into_iter().flatten();
        if let Some(question) = questions.rev().find(|question| question.conn == conn) {
            question.answered = Some(at);
        }
    }

    /// Has flows know when their receivers may have waited for such an answer.
    pub(super) fn tell(&self, hops: &mut [Hop]) {
        if self.0.is_empty() {
            return;
        }
        for hop in hops {
            let unread = self.within(hop);
            if !unread.is_empty() {
                hop.extra_mut().unread = unread;
            }
        }
    }

    fn within(&self, hop: &Hop) -> Vec<(Time, Time)> {
        let (host, receiver) = (hop.to.host(), label(&hop.to));
        let to = &receiver;
        // on an address that all share whoever it was waited for it, as far as anybody can tell
        let of = |key: &str, anybodys: bool| {
            let may_be = move |question: &&Question| {
                let asked = hop.time <= question.asked && question.asked < hop.last && question.to != *to;
                asked && (!anybodys || question.answered.is_some_and(|answered| answered <= hop.last))
            };
            self.0.get(key).into_iter().flatten().filter(may_be)
        };
        let named = name(&hop.to).map(|name| of(name, false)).into_iter().flatten();
        let others = of(host, everybodys(host));
        let span = |question: &Question| (question.asked, question.answered.unwrap_or(hop.last).min(hop.last));
        named.chain(others).map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Record;
    use crate::engine::mesh::run;

    /// The time that is told as each one's own, in milliseconds, and how often somebody is said to be slow.
    fn told(lines: &[&str]) -> (Vec<(String, u64)>, usize) {
        let records = run(lines);
        let steps = records.iter().filter_map(|record| match record {
            Record::Trace(trace) => Some(&trace.why.path),
            _ => None,
        });
        let steps = steps.flatten().map(|step| (step.service.to_string(), step.own.nanos() / 1_000_000)).collect();
        (steps, records.iter().filter(|record| matches!(record, Record::Finding(_))).count())
    }

    #[test]
    fn who_waits_for_what_cannot_be_read_is_not_slow() {
        let (asked, users) = ("web>gate 1-2001 id=t", "gate>users 1902-1992 id=t");
        let own = |gate: u64| vec![("gate".to_owned(), gate), ("users".to_owned(), 90)];
        assert_eq!(told(&[asked, users]), (own(1910), 1));
        assert_eq!(told(&[asked, "gate>orders 11-1901 hidden=yes", users]), (own(20), 0));
        // another one's, and one of before
        assert_eq!(told(&[asked, "shop>orders 11-1901 hidden=yes", users]), (own(1910), 1));
        assert_eq!(told(&["gate>orders 0-1901 hidden=yes", asked, users]), (own(1910), 1));
    }
}
