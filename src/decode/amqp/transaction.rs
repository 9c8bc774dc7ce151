//! Transactions of a channel (§1.9 of the reference): what is published and acknowledged in one counts once the broker says that it is
//! committed. Publishes wait with those that are confirmed, by their numbers here; a channel has either.

use super::asked::Asked;
use super::channel::{Channel, forgotten};
use super::waiting::Wait;
use crate::decode::Cx;
use crate::model::{Fields, Issue, Stamp};
use std::collections::VecDeque;

const ROLLED_BACK: Issue = Issue::remark("its acknowledgement was rolled back");

/// What a channel's transactions hold.
#[derive(Debug, Default)]
pub struct Transaction {
    /// How many publishes and acknowledgements were numbered so far.
    numbered: u64,
    /// Acknowledgements that are not committed, by their numbers.
    acked: VecDeque<(u64, Acked)>,
    /// Up to this number their end may have been asked for in a hole.
    unseen: u64,
    /// Up to this number the answer to that may lie in one.
    doubted: u64,
}

/// A delivery with what its client said of it.
#[derive(Debug)]
pub struct Acked {
    /// Its tag.
    pub tag: u64,
    /// The delivery.
    pub wait: Wait,
    /// `ack`, `nack` or `reject`.
    pub word: &'static str,
    /// Whether it is to be delivered again, where that was said.
    pub requeue: Option<bool>,
}

impl Transaction {
    /// The number of a publish or an acknowledgement.
    pub fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// How many there are.
    pub fn numbered(&self) -> u64 {
        self.numbered
    }

    /// An acknowledgement counts only later; of more than there is room for the oldest is given up.
    pub fn hold(&mut self, cx: &mut Cx<'_, '_>, acked: Acked, room: usize) {
        let number = self.number();
        self.acked.push_back((number, acked));
        if self.acked.len() > room {
            self.acked.pop_front().into_iter().for_each(|(_, acked)| forgotten(cx, acked.wait));
        }
    }

    /// The client may have said anything.
    pub fn asked_unseen(&mut self) {
        self.unseen = self.numbered;
    }

    /// The broker may have.
    pub fn doubt(&mut self) {
        self.doubted = self.numbered;
    }

    /// Nothing more will be said.
    pub fn give_up(&mut self, cx: &mut Cx<'_, '_>) {
        for (number, Acked { wait, .. }) in std::mem::take(&mut self.acked) {
            Wait { due: true, doubt: number <= self.doubted, ..wait }.give_up(cx);
        }
    }
}

impl Acked {
    /// It counts, from this packet on.
    pub fn counts(self, cx: &mut Cx<'_, '_>, last: Stamp) {
        let mut fields = Fields::default().with("amqp.outcome", self.word);
        if let Some(requeue) = self.requeue {
            fields.set("amqp.requeue", requeue);
        }
        cx.fields(self.wait.key, fields);
        cx.close(self.wait.key, Some(self.word.into()), self.word == "ack", Some(last));
    }
}

impl Channel {
    /// The broker says that a transaction is over, as it was asked to (before it was seen, where that is not known).
    pub fn end_transaction(&mut self, cx: &mut Cx<'_, '_>, committed: bool, asked: Option<&Asked>, last: Stamp) {
        let transaction = self.transaction.get_or_insert_default();
        let until = asked.map_or(transaction.unseen, |asked| asked.numbered);
        // 0 would mean all there are
        let published = if until == 0 { Vec::new() } else { self.publishes.take(until, true) };
        for (_, wait, _) in published {
            if wait.returned || wait.doubt {
                wait.give_up(cx);
                continue;
            }
            let (outcome, word) = if committed { ("commit", "ack") } else { ("rollback", "rollback") };
            cx.fields(wait.key, Fields::default().with("amqp.outcome", outcome));
            cx.close(wait.key, Some(word.into()), committed, Some(last));
        }
        while let Some((number, acked)) = transaction.acked.pop_front_if(|(number, _)| *number <= until) {
            let Acked { tag, wait, .. } = acked;
            match (number <= transaction.doubted, committed) {
                (true, _) => Wait { due: true, doubt: true, ..wait }.give_up(cx),
                (false, true) => Acked { wait, ..acked }.counts(cx, last),
                // it is not delivered again for that (§1.9.1.4): it waits as before
                (false, false) => {
                    cx.note(wait.key, ROLLED_BACK);
                    self.deliveries.push(cx, tag, Wait { due: true, ..wait });
                }
            }
        }
    }
}
