//! The end of a capture: what is still open then ends in parts, so that what that makes need not be held at once.

use super::{Conn, Desk, Made, Worker};
use crate::model::{End, Stamp, Totals};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the end of the capture has left open.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The oldest first.
    conns: VecDeque<Box<Conn>>,
    /// The sums before any of it ended.
    before: Totals,
}

impl Worker {
    /// The capture is over: what is still open ends as it stands, the oldest connections first, until that makes so many events or more.
    /// Whether that is all: what ends is summed up once all of it has ended.
    pub fn finish(&mut self, at: Stamp, most: usize) -> (Made, bool) {
        if self.left.conns.is_empty() {
            let mut open: Vec<Box<Conn>> = self.shards.iter_mut().flat_map(|shard| shard.table.drain()).collect();
            open.sort_by_key(|conn| conn.id());
            self.left = Left { conns: open.into(), before: self.sums() };
        }
        let mut made = Made::default();
        let settings = Arc::clone(&self.settings);
        // each lets go of what it holds before the next one ends
        while made.events.len() < most
            && let Some(mut conn) = self.left.conns.pop_front()
        {
            let place = (conn.id().0.0, 0);
            let (totals, holds) = (&mut self.totals, &mut self.holds);
            conn.finish(End::Open, &mut Desk { settings: &settings, totals, holds, events: &mut made.events, at });
            made.mark(place);
        }
        let last = self.left.conns.is_empty();
        made.totals = if last { self.sums() } else { self.left.before.clone() };
        (made, last)
    }
}
