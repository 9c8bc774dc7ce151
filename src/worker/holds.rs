//! What the connections of a worker hold together: bytes that wait for those before them, for the rest of their message, or for what
//! tells their protocol. One connection's limits are far above what all of them could take at once.
//!
//! Exchanges that wait for their answers have half as much room: their flows take as much again elsewhere. Where that is full, a connection
//! that asks on gives up its oldest. What is remembered of what was said before has as much room again: where that is full, a connection that
//! says more forgets its oldest, down to the little that each may remember; where it is half as much again, down to nothing.
//!
//! Each packet changes one sum by what its connection holds more or less. Where that is too much, those that hold something are gone
//! through once: room for what may come goes first, then those let go whose protocol is unknown, then those that hold most (of those
//! within a factor of two the oldest), until a quarter is free. So that is paid for by the packets that filled the quarter.

use super::conn::{Carrier, Conn};
use super::{Desk, Worker};
use crate::model::{ConnId, Event, Stamp};
use crate::net::Slot;
use std::cmp::Reverse;

/// How many bytes of what was said before each connection may remember where all remember more than there is room for: what one says that
/// says the same again and again.
const LITTLE: usize = 512;

/// The sum, and whose it is.
#[derive(Debug)]
pub(super) struct Holds {
    /// How many bytes all may hold.
    limit: usize,
    sum: usize,
    /// What their exchanges take that wait for answers: of more than half as much few are left to each.
    waiting: usize,
    /// What they remember of what was said before: of more than as much again little is left to each, or nothing.
    remembered: usize,
    /// At how many room is made next: more than the limit where what is left can not be let go.
    due: usize,
    /// Those that may hold something, by shard and place there; each once.
    holders: Vec<(usize, Slot)>,
}

impl Holds {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, sum: 0, waiting: 0, remembered: 0, due: limit, holders: Vec::new() }
    }

    /// Takes account of what a connection holds now.
    pub(super) fn weigh(&mut self, conn: &mut Conn) {
        let takes = |sum: &mut usize, took: &mut u32, now: usize| {
            let now = u32::try_from(now).unwrap_or(u32::MAX);
            *sum = *sum + now as usize - std::mem::replace(took, now) as usize;
        };
        let (weight, waiting, remembered) = (conn.room(), conn.driver.waiting(), conn.driver.remembered());
        takes(&mut self.sum, &mut conn.weight, weight);
        takes(&mut self.waiting, &mut conn.waiting, waiting);
        takes(&mut self.remembered, &mut conn.remembered, remembered);
    }

    /// A connection is over.
    pub(super) fn forget(&mut self, conn: &mut Conn) {
        self.sum -= std::mem::take(&mut conn.weight) as usize;
        self.waiting -= std::mem::take(&mut conn.waiting) as usize;
        self.remembered -= std::mem::take(&mut conn.remembered) as usize;
    }

    /// Whether more exchanges wait than there is room for.
    pub(super) fn crowded(&self) -> bool {
        self.waiting > self.limit / 2
    }

    /// How many bytes each may remember, by what all do.
    pub(super) fn memory(&self) -> usize {
        match self.remembered {
            all if all > self.limit / 2 * 3 => 0,
            all if all > self.limit => LITTLE,
            _ => usize::MAX,
        }
    }
}

impl Conn {
    /// What it holds, in bytes of memory, with what an allocator rounds up: an eighth, where it has four sizes to a power of two.
    fn room(&self) -> usize {
        let order = if let Carrier::Tcp(tcp) = &self.carrier { tcp.room() } else { 0 };
        let room = order + self.driver.room() + self.held;
        room + room / 8
    }

    /// Lets go of what waits; where messages that are not whole are most of it, reads on no more.
    fn let_go(&mut self, desk: &mut Desk<'_>) {
        desk.totals.evicted_held += 1;
        let meta = self.meta();
        if let (Carrier::Tcp(tcp), mut out) = self.parts(&meta, desk) {
            tcp.let_go(&mut out);
            out.driver.let_go(&mut out.sink);
            if *out.sink.held > 0 {
                out.driver.give_up(&mut out.sink);
                *out.sink.held = 0;
            }
        }
        desk.holds.weigh(self);
    }
}

impl Worker {
    /// A connection has moved on: takes account of what it holds, and makes room where that is too much.
    pub(super) fn weigh(&mut self, at: usize, slot: Slot, now: Stamp, events: &mut Vec<Event>) {
        let Some(conn) = self.shards.get_mut(at).and_then(|shard| shard.table.get(slot)) else { return };
        self.holds.weigh(conn);
        if conn.weight > 0 && !std::mem::replace(&mut conn.listed, true) {
            self.holds.holders.push((at, slot));
        }
        if self.holds.sum > self.holds.due {
            self.make_room(now, events);
        }
    }

    #[cold]
    fn make_room(&mut self, now: Stamp, events: &mut Vec<Event>) {
        let holders = std::mem::take(&mut self.holds.holders);
        let mut ranked: Vec<(bool, Reverse<u32>, ConnId, usize, Slot)> = Vec::with_capacity(holders.len());
        for (at, slot) in holders {
            let Some(conn) = self.shards.get_mut(at).and_then(|shard| shard.table.get(slot)) else { continue };
            conn.driver.rest();
            self.holds.weigh(conn);
            match conn.weight.checked_ilog2() {
                Some(class) => ranked.push((conn.driver.is_known(), Reverse(class), conn.id(), at, slot)),
                None => conn.listed = false,
            }
        }
        ranked.sort_unstable_by_key(|&(known, class, id, ..)| (known, class, id));
        let mut desk = Desk { settings: &self.settings, totals: &mut self.totals, holds: &mut self.holds, events, at: now };
        let goal = desk.holds.limit / 4 * 3;
        for &(.., at, slot) in &ranked {
            let Some(shard) = self.shards.get_mut(at) else { continue };
            if desk.holds.sum > goal
                && let Some(conn) = shard.table.get(slot)
            {
                conn.let_go(&mut desk);
                shard.after(slot, &mut desk);
            }
            if let Some(conn) = shard.table.get(slot) {
                conn.listed = conn.weight > 0;
                if conn.listed {
                    desk.holds.holders.push((at, slot));
                }
            }
        }
        self.holds.due = self.holds.limit.max(self.holds.sum + self.holds.limit / 4);
    }
}

#[cfg(test)]
mod tests;
