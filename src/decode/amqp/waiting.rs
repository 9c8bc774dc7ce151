//! Messages that wait for what becomes of them, by the tag under which that will be said. Not what the tags count: see `channel`.

use super::channel::forgotten;
use super::content::Digest;
use crate::decode::Cx;
use crate::model::{Issue, PENDING, Stamp};
use std::collections::BTreeMap;

/// A message whose flow is open.
#[derive(Debug)]
pub struct Wait {
    /// Its flow.
    pub key: u64,
    /// The packet that brought its last byte.
    pub last: Stamp,
    /// Of a publish that may come back: by what it is known again.
    pub mandatory: Option<Routed>,
    /// Whether it has come back.
    pub returned: bool,
    /// Whether an answer is due.
    pub due: bool,
    /// Whether what became of it may lie in a hole.
    pub doubt: bool,
}

/// By what a message that comes back is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Where it was published.
    pub exchange: Box<[u8]>,
    /// Its key.
    pub routing_key: Box<[u8]>,
    /// Properties and body, where all of them were seen.
    pub digest: Option<Digest>,
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

    /// One more. A tag that is used again is another channel's under the same number: what became of the earlier one was not seen.
    pub fn push(&mut self, cx: &mut Cx<'_, '_>, tag: u64, wait: Wait) {
        self.seen += 1;
        if let Some((_, earlier)) = self.list.insert(tag, (self.seen, wait)) {
            Wait { doubt: true, ..earlier }.give_up(cx);
        }
    }

    /// One more, of which something is due; of more than there is room for the oldest is given up.
    pub fn hold(&mut self, cx: &mut Cx<'_, '_>, tag: u64, wait: Wait, room: usize) {
        self.push(cx, tag, wait);
        if self.len() > room {
            self.pop().into_iter().for_each(|wait| forgotten(cx, wait));
        }
    }

    /// The oldest one.
    pub fn pop(&mut self) -> Option<Wait> {
        let (_, wait) = self.list.pop_first()?;
        Some(self.taken(wait))
    }

    /// Those that wait, in order; whether what becomes of one may lie in a hole is only told of those that are taken.
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

    /// Removes those that are of a kind.
    pub fn extract(&mut self, is: impl Fn(&Wait) -> bool) -> Vec<Wait> {
        let tags: Vec<u64> = self.list.iter().filter(|(_, (_, wait))| is(wait)).map(|(tag, _)| *tag).collect();
        let found: Vec<_> = tags.into_iter().filter_map(|tag| self.list.remove(&tag)).collect();
        found.into_iter().map(|wait| self.taken(wait)).collect()
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
            Self { key, due: false, last, mandatory, doubt, .. } => {
                // of a publish nothing was due; of a delivery it is not known whether something was
                if doubt && mandatory.is_some() {
                    cx.note(key, Issue::NO_RESPONSE);
                }
                cx.close(key, None, true, mandatory.map(|_| last));
            }
            Self { key, doubt: true, .. } => {
                cx.note(key, Issue::NO_RESPONSE);
                cx.close(key, None, true, None);
            }
            Self { key, .. } => cx.close(key, Some(PENDING.into()), false, None),
        }
    }
}
