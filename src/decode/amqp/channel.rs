//! One channel: which messages wait for their acknowledgement, who consumes what. Not frames.
//!
//! Tags of publishes are counted; those of deliveries are said with each.

use super::asked::Questions;
use super::confirms::Confirms;
use super::content::{Content, Digest, What};
use super::fate::UNCOUNTED;
use super::field::Table;
use super::transaction::{Acked, Transaction};
use super::waiting::{Sent, Wait, Waiting};
use crate::decode::Cx;
use crate::model::{Dir, Issue, Stamp};
use crate::time::Time;
use compact_str::CompactString;
use std::collections::VecDeque;

/// How many questions of one channel wait, and acknowledgements for what commits them; of more the oldest is given up. As many are the
/// consumers that are known by their tags: of further ones the queue is not known.
pub const WAITING: usize = 4096;
/// How many deliveries of a channel wait of which it is not known whether an acknowledgement is due: they may wait for nothing.
const WAITING_FOR_NOTHING: usize = 64;

/// What a channel takes in memory, in bytes, beside what waits.
pub const COST: usize = size_of::<Channel>() + size_of::<(u16, Box<Channel>)>();

const TOO_MANY: Issue = Issue::unseen("too many messages wait for their acknowledgement");

/// A channel.
#[derive(Debug, Default)]
pub struct Channel {
    /// How many may wait of each kind: its share of what the connection may hold.
    pub room: usize,
    /// What was asked.
    pub asked: Questions,
    /// The content on its way in each direction.
    pub contents: [Option<Box<Content>>; 2],
    /// Which publish is confirmed by which tag.
    pub confirms: Confirms,
    /// Whether what is published and acknowledged counts only once it is committed.
    pub transaction: Option<Box<Transaction>>,
    /// Whether the method of a publish may be lost, and no more of it: its header follows.
    pub torn: bool,
    /// Publishes that will be confirmed, or committed.
    pub publishes: Waiting,
    /// Publishes that are not, held for as long as a failure may be told of them; numbered as they come.
    pub unconfirmed: Waiting,
    /// The number of the last one.
    pub next_unconfirmed: u64,
    /// What stands for those that were held for long enough.
    pub known: VecDeque<Digest>,
    /// Whether one that may come back was not.
    pub forgot: bool,
    /// Whether the broker takes nothing more on it.
    pub failed: bool,
    /// Deliveries that will be acknowledged.
    pub deliveries: Waiting,
    /// Those of which that is not known.
    pub unsure: Waiting,
    /// Whether any delivery was acknowledged.
    acknowledges: bool,
    /// By their tags, in the order of these; and what that takes, in bytes, about.
    consumers: Vec<(CompactString, Consumer)>,
    consumers_cost: usize,
    /// The queue that was declared last: an empty name means it (§1.7.2.1 of the reference).
    pub queue: Option<CompactString>,
}

/// A consumer.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// Its queue, where that was seen.
    pub queue: Option<CompactString>,
    /// Whether an acknowledgement is due, where that is known.
    pub due: Option<bool>,
}

impl Channel {
    /// One that begins; the broker takes nothing on it, or not.
    pub fn new(failed: bool) -> Self {
        Self { failed, ..Self::default() }
    }

    /// The tag of a publish that begins now, or its number in the transactions.
    pub fn next_tag(&mut self, at: Time) -> Option<u64> {
        if let Some(transaction) = &mut self.transaction {
            return Some(transaction.number());
        }
        self.confirms.publish(at, self.publishes.is_due())
    }

    /// A consumer's tag stands for its queue.
    pub fn consume(&mut self, tag: &str, consumer: Consumer) {
        self.cancel(tag);
        if let Err(at) = self.place(tag)
            && self.consumers.len() < self.room
        {
            self.consumers_cost += cost(tag, &consumer);
            self.consumers.insert(at, (tag.into(), consumer));
        }
    }

    /// A consumer is no more, or no longer known.
    pub fn cancel(&mut self, tag: &str) {
        if let Ok(at) = self.place(tag) {
            let (tag, consumer) = self.consumers.remove(at);
            self.consumers_cost -= cost(&tag, &consumer);
        }
    }

    /// No consumer is known any more.
    pub fn forget_consumers(&mut self) {
        (self.consumers, self.consumers_cost) = (Vec::new(), 0);
    }

    /// What the consumers take in memory, in bytes, about.
    pub fn consumers_cost(&self) -> usize {
        self.consumers_cost
    }

    /// The consumer of a tag.
    pub fn consumer(&self, tag: &str) -> Consumer {
        let known = self.place(tag).ok().and_then(|at| self.consumers.get(at));
        known.map(|(_, consumer)| consumer.clone()).unwrap_or_default()
    }

    fn place(&self, tag: &str) -> Result<usize, usize> {
        self.consumers.binary_search_by(|(own, _)| (**own).cmp(tag))
    }

    /// Nothing has come for a while: only what is known is kept, no room for what may come.
    pub fn rest(&mut self) {
        self.asked.rest();
        self.confirms.rest();
        self.known.shrink_to_fit();
        self.consumers.shrink_to_fit();
    }

    /// Whether it is as one that begins: then nothing of it is to be kept.
    pub fn is_blank(&self) -> bool {
        let none = self.asked.is_empty() && self.contents.iter().all(Option::is_none);
        let plain = self.confirms.is_off() && self.transaction.is_none() && self.queue.is_none() && self.consumers.is_empty();
        none && plain
            && self.waiting() == 0
            && self.known.is_empty()
            && !(self.torn || self.forgot || self.failed || self.acknowledges)
    }

    /// The content of a direction is over.
    pub fn end_content(&mut self, cx: &mut Cx<'_, '_>, content: Box<Content>) -> Option<Box<Content>> {
        content.end(cx);
        let (last, doubt, returned) = (content.last, false, false);
        match (&content.what, content.key) {
            (What::Publish(tag, sent), Some(key)) => {
                let sent = Some(Sent { digest: content.digest(), ..*sent });
                let wait = Wait { key, last, sent, returned, due: tag.is_some(), doubt };
                match tag {
                    Some(tag) => self.publishes.push(cx, *tag, wait),
                    None => self.hold(cx, wait),
                }
                None
            }
            (What::Deliver(tag, due), Some(key)) => {
                let wait = Wait { key, last, sent: None, returned, due: *due == Some(true), doubt };
                match due {
                    Some(false) => cx.close(key, Some("auto".into()), true, Some(last)),
                    Some(true) => self.deliveries.push(cx, *tag, wait),
                    None => {
                        self.unsure.push(cx, *tag, wait);
                        if !self.acknowledges && self.unsure.len() > WAITING_FOR_NOTHING {
                            self.unsure.pop().into_iter().for_each(|wait| wait.give_up(cx));
                        }
                    }
                }
                None
            }
            (What::Return(..), _) | (_, None) => Some(content),
        }
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        [&self.publishes, &self.unconfirmed, &self.deliveries, &self.unsure].map(Waiting::len).iter().sum()
    }

    /// An acknowledgement: from the server of publishes, from the client of deliveries. Whether it was of any that are known.
    pub fn acknowledge(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, word: &'static str, args: &Table<'_>, last: Stamp) -> bool {
        let (tag, multiple) = (args.number("delivery_tag"), args.is("multiple"));
        let known = match dir {
            Dir::ToClient => {
                let known = self.publishes.take(tag, multiple);
                if !self.confirms.confirmed(tag, multiple, known.len(), last.time) {
                    self.uncount(cx);
                }
                known
            }
            Dir::ToServer => {
                self.acknowledges = true;
                let mut known = self.deliveries.take(tag, multiple);
                known.append(&mut self.unsure.take(tag, multiple));
                known
            }
        };
        let some = !known.is_empty();
        for (tag, wait, sure) in known {
            // what may have come back in a hole is confirmed all the same
            if !sure || wait.returned || wait.doubt && wait.sent.is_some_and(|sent| sent.mandatory) {
                wait.give_up(cx);
                continue;
            }
            let requeue = (word != "ack" && dir == Dir::ToServer).then(|| args.is("requeue"));
            let acked = Acked { tag, wait, word, requeue };
            match &mut self.transaction {
                Some(transaction) if dir == Dir::ToServer => transaction.hold(cx, acked, self.room),
                _ => acked.counts(cx, last),
            }
        }
        some
    }

    /// The tags of those that wait were counted wrongly.
    fn uncount(&mut self, cx: &mut Cx<'_, '_>) {
        while let Some(wait) = self.publishes.pop() {
            cx.note(wait.key, UNCOUNTED);
            cx.close(wait.key, None, true, None);
        }
    }

    /// Bytes of a direction are lost, `publishes` among them or not.
    pub fn lose(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, publishes: bool) {
        let (waiting, own) = (self.publishes.is_due(), self.contents.get(dir.index()).and_then(Option::as_deref));
        let (rest, doubt) = (own.is_some(), own.is_some_and(|own| own.doubt));
        self.end_contents(cx, dir, Issue::GAP);
        self.asked.iter_mut(dir.other()).for_each(|asked| asked.doubt = true);
        self.asked.iter_mut(dir).for_each(|asked| asked.followed = true);
        match dir {
            Dir::ToServer => {
                if publishes {
                    self.confirms.lose_publishes(waiting, rest);
                }
                self.torn = !publishes;
                if doubt {
                    self.publishes.doubt();
                    self.unconfirmed.doubt();
                }
                self.deliveries.doubt();
                self.unsure.doubt();
                self.transaction.iter_mut().for_each(|transaction| transaction.asked_unseen());
            }
            Dir::ToClient => {
                self.confirms.lose_confirmations();
                self.publishes.doubt();
                self.unconfirmed.doubt();
                if let Some(Some(own)) = self.contents.get_mut(dir.other().index()) {
                    own.doubt = true;
                }
                self.transaction.iter_mut().for_each(|transaction| transaction.doubt());
            }
        }
    }

    /// Publishes were lost after all, if any may have been.
    pub fn publishes_lost(&mut self) {
        if std::mem::take(&mut self.torn) {
            self.confirms.lose_publishes(self.publishes.is_due(), false);
        }
    }

    /// The content of a direction ends early.
    pub fn end_contents(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, issue: Issue) {
        let content = self.contents.get_mut(dir.index()).and_then(Option::take);
        if let Some(mut content) = content {
            content.lose(cx, issue);
            self.end_content(cx, content);
        }
    }

    /// Nothing more will come in a direction.
    pub fn over(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.end_contents(cx, dir, Issue::CUT);
        self.asked.give_up(cx, dir.other());
        match dir {
            Dir::ToServer => {
                self.deliveries.give_up(cx);
                self.unsure.give_up(cx);
            }
            Dir::ToClient => {
                self.publishes.give_up(cx);
                while let Some(wait) = self.unconfirmed.pop() {
                    self.let_go(cx, wait);
                }
                self.transaction.iter_mut().for_each(|transaction| transaction.give_up(cx));
            }
        }
    }
}

/// What a consumer takes in memory, in bytes: short texts lie within.
fn cost(tag: &str, consumer: &Consumer) -> usize {
    let beside = |text: &str| if text.len() > size_of::<CompactString>() { text.len() } else { 0 };
    size_of::<(CompactString, Consumer)>() + beside(tag) + consumer.queue.as_deref().map_or(0, beside)
}

/// Nothing more is known of it, for want of room.
pub fn forgotten(cx: &mut Cx<'_, '_>, wait: Wait) {
    cx.note(wait.key, TOO_MANY);
    cx.close(wait.key, None, true, None);
}
