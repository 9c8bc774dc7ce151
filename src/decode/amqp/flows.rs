//! The flows of a connection: their keys, and what all of them say.

use super::PROTOCOL;
use crate::decode::Cx;
use crate::model::{Dir, Issue, Part, Pattern, Stamp};

/// Gives each its key.
#[derive(Debug)]
pub(super) struct Flows {
    next_key: u64,
    /// Not yet said that the connection was joined late.
    joined: bool,
}

impl Flows {
    /// Of a connection that was joined late, or seen from its opening.
    pub(super) fn new(joined: bool) -> Self {
        Self { next_key: 0, joined }
    }

    /// A flow begins.
    pub(super) fn open(&mut self, cx: &mut Cx<'_, '_>, pattern: Pattern, operation: String, dir: Dir, first: Stamp) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        cx.open(key, PROTOCOL.name, pattern, operation, dir, first);
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
        key
    }
}

/// One side of a flow that has no body: its frame is all of it.
pub(super) fn half(cx: &mut Cx<'_, '_>, key: u64, dir: Dir, first: Stamp, length: usize) {
    let (headers, hint) = Default::default();
    cx.part(key, Part::Head { dir, first, headers, head_bytes: length as u64, hint });
    cx.part(key, Part::BodyEnd { dir, bytes: 0, whole: true });
}
