//! Messages that wait for what becomes of them, by the tag under which that will be said. Not what the tags count: see `channel`.

use super::content::Digest;
use crate::decode::Cx;
use crate::model::{Issue, PENDING, Stamp};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// A message whose flow is open.
#[derive(Debug)]
pub struct Wait {
    /// Its flow.
    pub key: u64,
    /// The packet that brought its last byte.
    pub last: Stamp,
    /// Of a publish: by what it is known when the broker tells of it.
    pub sent: Option<Sent>,
    /// Whether it has come back.
    pub returned: bool,
    /// Whether an answer is due.
    pub due: bool,
    /// Whether what became of it may lie in a hole.
    pub doubt: bool,
}

/// By what a publish is known when the broker tells of it. Texts are long, and many publishes wait: numbers stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// Where it was published.
    pub exchange: Digest,
    /// Its key.
    pub routing_key: Digest,
    /// Properties and body, where it may come back and all of them were seen.
    pub digest: Option<Digest>,
    /// Whether it may come back.
    pub mandatory: bool,
}

impl Sent {
    /// One of which the content is still to come.
    pub fn new(exchange: &[u8], routing_key: &[u8], mandatory: bool) -> Self {
        Self { exchange: digest_of(exchange), routing_key: digest_of(routing_key), digest: None, mandatory }
    }

    /// Whether it was published there with the same key.
    pub fn is_routed_as(&self, other: &Self) -> bool {
        (self.exchange, self.routing_key) == (other.exchange, other.routing_key)
    }
}

/// What stands for something.
pub fn digest_of(what: impl Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Messages by tag.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Each with how many were there before it, ever.
    list: BTreeMap<u64, (u64, Wait)>,
    seen: u64,
    /// What becomes of the first so many may lie in a hole: told of each as it is taken, as holes may be many.
    doubted: u64,
}

impl Waiting {
    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether something is still to be said of any for certain, of those whose tags count up.
    pub fn is_due(&self) -> bool {
        self.list.last_key_value().is_some_and(|(_, (number, _))| *number > self.doubted)
    }

    /// One more. A tag that is used again is another channel's under the same number: what became of the earlier one was not seen.
    pub fn push(&mut self, cx: &mut Cx<'_, '_>, tag: u64, wait: Wait) {
        self.seen += 1;
        if let Some((_, earlier)) = self.list.insert(tag, (self.seen, wait)) {
            Wait { doubt: true, ..earlier }.give_up(cx);
        }
    }

    /// The oldest one.
    pub fn pop(&mut self) -> Option<Wait> {
        let (_, wait) = self.list.pop_first()?;
        Some(self.taken(wait))
    }

    /// The oldest one, if it is of a kind.
    pub fn pop_if(&mut self, is: impl Fn(&Wait) -> bool) -> Option<Wait> {
        let (_, (_, oldest)) = self.list.first_key_value()?;
        if is(oldest) { self.pop() } else { None }
    }

    /// The first one of a kind, by its tag.
    pub fn find(&self, is: impl Fn(&Wait) -> bool) -> Option<u64> {
        self.list.iter().find(|(_, (_, wait))| is(wait)).map(|(tag, _)| *tag)
    }

    /// The one with a tag.
    pub fn get_mut(&mut self, tag: u64) -> Option<&mut Wait> {
        self.list.get_mut(&tag).map(|(_, wait)| wait)
    }

    /// Those that wait, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Wait> {
        self.list.values().map(|(_, wait)| wait)
    }

    /// The same, to be changed; whether what becomes of one may lie in a hole is only told of those that are taken.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Wait> {
        self.list.values_mut().map(|(_, wait)| wait)
    }

    /// Those that an acknowledgement names: one, or all up to it (all there are: 0). Of the latter each with its tag, and whether it is meant for
    /// certain: one of them may have been named alone, in a hole.
    pub fn take(&mut self, tag: u64, multiple: bool) -> Vec<(u64, Wait, bool)> {
        if !multiple {
            return self.list.remove(&tag).map(|wait| (tag, self.taken(wait), true)).into_iter().collect();
        }
        let later = match tag.checked_add(1) {
            Some(next) if tag != 0 => self.list.split_off(&next),
            _ => BTreeMap::new(),
        };
        let meant = std::mem::replace(&mut self.list, later).into_iter().map(|(own, wait)| (own, self.taken(wait)));
        meant.map(|(own, wait)| (own == tag || !wait.doubt, own, wait)).map(|(sure, own, wait)| (own, wait, sure)).collect()
    }

    /// What becomes of those that are there may lie in a hole.
    pub fn doubt(&mut self) {
        self.doubted = self.seen;
    }

    /// Nothing more will be said of any.
    pub fn give_up(&mut self, cx: &mut Cx<'_, '_>) {
        std::mem::take(&mut self.list).into_values().for_each(|wait| self.taken(wait).give_up(cx));
    }

    fn taken(&self, (number, wait): (u64, Wait)) -> Wait {
        Wait { doubt: wait.doubt || number <= self.doubted, ..wait }
    }
}

impl Wait {
    /// Nothing more will be said of it.
    pub fn give_up(self, cx: &mut Cx<'_, '_>) {
        match self {
            Self { key, returned: true, last, .. } => cx.close(key, Some("returned".into()), false, Some(last)),
            Self { key, due: false, last, sent, doubt, .. } => {
                // of a publish nothing was due; of a delivery it is not known whether something was
                if doubt && sent.is_some_and(|sent| sent.mandatory) {
                    cx.note(key, Issue::NO_RESPONSE);
                }
                cx.close(key, None, true, sent.map(|_| last));
            }
            Self { key, doubt: true, .. } => {
                cx.note(key, Issue::NO_RESPONSE);
                cx.close(key, None, true, None);
            }
            Self { key, .. } => cx.close(key, Some(PENDING.into()), false, None),
        }
    }
}
