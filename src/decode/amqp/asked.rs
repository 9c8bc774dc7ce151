//! What was asked on a channel and is not answered so far. Not what the answers mean: see `conversation`.

use super::method::Method;
use crate::decode::Cx;
use crate::model::{Dir, Issue, PENDING, Stamp};
use compact_str::CompactString;
use std::collections::VecDeque;

/// A question that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    /// Its flow; none where there is nothing to tell of it.
    pub key: Option<u64>,
    /// What was asked.
    pub method: &'static Method,
    /// The packets that brought its first and its last byte.
    pub at: (Stamp, Stamp),
    /// The queue, or whatever else it is about.
    pub subject: CompactString,
    /// The consumer tag, of `basic.consume`.
    pub tag: CompactString,
    /// Whether messages of it are not acknowledged.
    pub no_ack: bool,
    /// Of a close: the error that it tells of.
    pub error: Option<CompactString>,
    /// How much was numbered for transactions before it.
    pub numbered: u64,
    /// Whether its answer may lie in a hole.
    pub doubt: bool,
    /// Whether another one may have been asked since, unseen.
    pub followed: bool,
}

/// The questions by their direction, the oldest first. Mostly there are none, on very many channels: then it takes nothing.
#[derive(Debug, Default)]
pub struct Questions(Option<Box<Lists>>);

/// A question is large, and a list has room for some at once.
type Lists = [VecDeque<Box<Asked>>; 2];

impl Questions {
    fn list(&mut self, dir: Dir) -> Option<&mut VecDeque<Box<Asked>>> {
        self.0.as_deref_mut()?.get_mut(dir.index())
    }

    /// One more; of more than there is room for in its direction the oldest is given up.
    pub fn push(&mut self, cx: &mut Cx<'_, '_>, dir: Dir, asked: Asked, room: usize) {
        let Some(list) = self.0.get_or_insert_default().get_mut(dir.index()) else { return };
        if list.len() >= room
            && let Some(oldest) = list.pop_front()
        {
            Asked { doubt: true, ..*oldest }.give_up(cx);
        }
        list.push_back(Box::new(asked));
    }

    /// Those of a direction, to be changed.
    pub fn iter_mut(&mut self, dir: Dir) -> impl Iterator<Item = &mut Asked> {
        self.list(dir).into_iter().flatten().map(|asked| &mut **asked)
    }

    /// The one that an answer is to: the first one of its kind. Those of which the answer may be lost give way to one that was asked
    /// later, or that may have been.
    pub fn take(&mut self, cx: &mut Cx<'_, '_>, asker: Dir, class: u16, id: u16) -> Option<Asked> {
        let asked = self.list(asker)?;
        let is = |a: &Asked| a.method.class == class && a.method.id == id;
        let sure = asked.iter().any(|a| is(a) && !a.doubt);
        let lone = asked.iter().filter(|a| is(a)).count() == 1;
        while let Some(at) = asked.iter().position(|a| is(a)) {
            let found = *asked.remove(at)?;
            if (lone && !(found.doubt && found.followed)) || (sure && !found.doubt) {
                return Some(found);
            }
            found.give_up(cx);
        }
        None
    }

    /// None of a direction will be answered.
    pub fn give_up(&mut self, cx: &mut Cx<'_, '_>, dir: Dir) {
        self.list(dir).map(std::mem::take).into_iter().flatten().for_each(|asked| asked.give_up(cx));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().flat_map(|lists| lists.iter()).all(VecDeque::is_empty)
    }

    /// Where nothing is asked, no room is kept for what may be.
    pub fn rest(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}

impl Asked {
    /// It will not be answered.
    pub fn give_up(self, cx: &mut Cx<'_, '_>) {
        let Some(key) = self.key else { return };
        match self.error {
            Some(word) => cx.close(key, Some(word), false, None),
            None if self.doubt => {
                cx.note(key, Issue::NO_RESPONSE);
                cx.close(key, None, true, None);
            }
            None => cx.close(key, Some(PENDING.into()), false, None),
        }
    }
}
