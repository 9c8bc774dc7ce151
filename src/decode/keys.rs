//! The keys of a connection's flows, and what the first of them says for all.

use super::Cx;
use crate::model::{Dir, Issue, Pattern, Stamp};

/// Gives each flow of a protocol its key.
#[derive(Debug)]
pub struct Keys {
    protocol: &'static str,
    next: u64,
    /// Not yet said that the connection was joined late.
    joined: bool,
}

impl Keys {
    /// Of a connection that was joined late, or seen from its opening.
    pub fn new(protocol: &'static str, joined: bool) -> Self {
        Self { protocol, next: 0, joined }
    }

    /// A flow begins.
    pub fn open(&mut self, cx: &mut Cx<'_, '_>, pattern: Pattern, operation: String, dir: Dir, first: Stamp) -> u64 {
        let key = self.next;
        self.next += 1;
        cx.open(key, self.protocol, pattern, operation, dir, first);
        if std::mem::take(&mut self.joined) {
            cx.note(key, Issue::JOINED);
        }
        key
    }
}
