//! One shard's connections: which one a segment belongs to, when one is new, who opened it, and when it is over. It knows no stream.
//!
//! The caller finds the connection of a segment, works on it, and says when it is closed; what ends otherwise is handed to the [`Owner`].
//! A closed connection leaves a tombstone, so that what comes late opens nothing. Every step costs the same however many there are:
//! entries are in lists by how long they may be idle, each in the order of the last packet, and only what is due at a front is looked at.

use super::ends::{guess, opened_by};
use super::limits::{IDLE, IDLE_BRIEF, REST, TOMBSTONES};
use crate::chunked::Chunked;
use crate::model::{ConnId, ConnMeta, Dir, End, Joined, PacketNo, Segment, SourceId, TcpFlags, Transport};
use crate::time::{Span, Time};
use hashbrown::HashTable;
use key::{Key, socket};
use lists::Lists;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

mod key;
mod lists;
mod reuse;

/// Behind every capture.
const NEVER: Time = Time::from_nanos(i64::MAX);

/// Who makes and buries what the table holds.
pub trait Owner<C> {
    /// A connection comes into view.
    fn begin(&mut self, meta: ConnMeta, source: SourceId) -> C;
    /// Nothing has come for a while: it may give back what it holds for what comes soon. Called once, until something comes.
    fn rest(&mut self, conn: &mut C);
    /// It is over for a reason that is not in its segments: idle, evicted, or (`Open`) its ports were taken by a new one.
    fn end(&mut self, conn: C, how: End);
}

/// A place in the table; good for as long as its connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    index: u32,
    generation: u32,
}

/// The connections of one shard.
#[derive(Debug)]
pub struct ConnTable<C> {
    /// How many may be open.
    room: usize,
    entries: Chunked<Entry<C>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    lists: Lists,
    /// Those in which something waits for time to pass, by when they are due.
    due: BTreeSet<(Time, u32)>,
    clock: Time,
    sums: Sums,
    known: fn(u16) -> bool,
}

/// What a table did not hand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Connections given up for lack of room.
    pub evicted: u64,
    /// Connections refused under load.
    pub refused: u64,
    /// Packets of refused connections, the first ones too.
    pub refused_packets: u64,
    /// Packets that came after their connection was closed.
    pub late: u64,
}

#[derive(Debug)]
struct Entry<C> {
    key: Key,
    state: State<C>,
    generation: u32,
    first: PacketNo,
    touched: Time,
    /// Whether the lower end of the key is the client.
    low_is_client: bool,
    /// Initial sequence numbers of the lower and the higher end; where they were not seen, the one before what was seen first. A 0 is taken
    /// for none.
    isn: [Option<NonZeroU32>; 2],
    /// The numbers of what they sent last, or, of an end that sent nothing, of what was acknowledged. A 0 is taken for none.
    at: [Option<NonZeroU32>; 2],
    /// What the last segment told of them, where that is far from what is known.
    doubt: Option<[u32; 2]>,
    /// Whether the lower and the higher end sent something.
    sent: [bool; 2],
    /// Whether it may be idle for long.
    established: bool,
    /// When it is to be looked at.
    due: Time,
}

#[derive(Debug)]
enum State<C> {
    Open(Box<C>),
    Closed,
    Refused,
    Free,
}

/// How long an entry may be idle: which list it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Open, and not at rest so far.
    Busy,
    Established,
    Brief,
    Tombstone,
}

impl Class {
    const ALL: [Self; 4] = [Self::Busy, Self::Established, Self::Brief, Self::Tombstone];

    const fn idle(self) -> Span {
        match self {
            Self::Busy => REST,
            Self::Established => IDLE,
            Self::Brief | Self::Tombstone => IDLE_BRIEF,
        }
    }
}

impl<C> ConnTable<C> {
    /// An empty one, with room for so many. `known` says which ports are a protocol's own: a hint at who is the server, where the opening
    /// was not seen.
    pub fn new(room: usize, known: fn(u16) -> bool) -> Self {
        Self {
            room,
            entries: Chunked::default(),
            free: Vec::new(),
            index: HashTable::new(),
            lists: Lists::default(),
            due: BTreeSet::new(),
            clock: Time::from_nanos(i64::MIN),
            sums: Sums::default(),
            known,
        }
    }

    /// The connection that a segment belongs to, found or begun, and the segment's direction. None where it is to be left out: it came
    /// after the close, or the connection was refused; with `overload`, every unknown one is.
    pub fn find(
        &mut self,
        seg: &Segment,
        transport: Transport,
        overload: bool,
        owner: &mut impl Owner<C>,
    ) -> Option<(Slot, Dir)> {
        self.clock = self.clock.max(seg.stamp.time);
        let key = Key::of(seg, transport);
        let side = usize::from(socket(seg.from) != key.low);
        let entries = &self.entries;
        let found = self.index.find(key.hash(), |&i| entries.get(i).is_some_and(|e| e.key == key)).copied();
        if let Some(index) = found {
            if !self.entries[index].is_over_by(seg, side, self.clock) {
                return self.known(index, seg, side);
            }
            if let Some(conn) = self.remove(index) {
                owner.end(conn, End::Open);
            }
        }
        if overload {
            self.sums.refused += 1;
            self.sums.refused_packets += 1;
            self.insert(key, State::Refused, Class::Tombstone, seg, side, true);
            self.trim_tombstones();
            return None;
        }
        if self.len() >= self.room {
            self.evict(owner);
        }
        // a datagram has no flags, so that its ports decide
        let client_sent = opened_by(seg).unwrap_or_else(|| guess(seg.from, seg.to, self.known));
        let (client, server) = if client_sent { (seg.from, seg.to) } else { (seg.to, seg.from) };
        let joined =
            if transport == Transport::Stream && !seg.flags.has(TcpFlags::SYN) { Joined::Midway } else { Joined::Opening };
        let id = ConnId(seg.stamp.packet);
        let opens = seg.flags.has(TcpFlags::SYN) && !seg.flags.has(TcpFlags::ACK);
        let isn = NonZeroU32::new(seg.seq).filter(|_| opens);
        let meta = ConnMeta { id, client, server, transport, first: seg.stamp, joined, isn, zone: seg.zone };
        let conn = Box::new(owner.begin(meta, seg.source));
        let index = self.insert(key, State::Open(conn), Class::Busy, seg, side, socket(client) == key.low);
        self.known(index, seg, side)
    }

    /// Whether the connection of a segment is there already.
    pub fn holds(&self, seg: &Segment, transport: Transport) -> bool {
        let key = Key::of(seg, transport);
        self.index.find(key.hash(), |&i| self.entries.get(i).is_some_and(|e| e.key == key)).is_some()
    }

    /// The connection that is closed already, where a segment comes after its close: one more source may show it.
    pub fn closed(&self, seg: &Segment, transport: Transport) -> Option<ConnId> {
        let key = Key::of(seg, transport);
        let entry = |i: &u32| self.entries.get(*i).filter(|e| e.key == key);
        let entry = self.index.find(key.hash(), |i| entry(i).is_some()).and_then(entry)?;
        matches!(entry.state, State::Closed).then_some(ConnId(entry.first))
    }

    /// What is there, unless it is gone.
    pub fn get(&mut self, slot: Slot) -> Option<&mut C> {
        match self.entries.get_mut(slot.index) {
            Some(Entry { state: State::Open(conn), generation, .. }) if *generation == slot.generation => Some(conn),
            _ => None,
        }
    }

    /// Both its directions have ended: takes it out, and leaves a tombstone.
    pub fn close(&mut self, slot: Slot) -> Option<C> {
        self.get(slot)?;
        let entry = &mut self.entries[slot.index];
        entry.generation = entry.generation.wrapping_add(1);
        self.due.remove(&(std::mem::replace(&mut entry.due, NEVER), slot.index));
        entry.touched = self.clock;
        let State::Open(conn) = std::mem::replace(&mut entry.state, State::Closed) else { return None };
        self.lists.push(Class::Tombstone, slot.index);
        self.trim_tombstones();
        Some(*conn)
    }

    /// Something in it waits for time to pass: it is among those that the first tick at `due` is for, or the first before for which it
    /// said so.
    pub fn wait(&mut self, slot: Slot, due: Time) {
        if self.get(slot).is_some() && due < self.entries[slot.index].due {
            let before = std::mem::replace(&mut self.entries[slot.index].due, due);
            self.due.remove(&(before, slot.index));
            self.due.insert((due, slot.index));
        }
    }

    /// Time has come to `now`: what was idle for too long ends. Returns those that are due, the first ones first; each has to say anew
    /// until when it waits.
    pub fn tick(&mut self, now: Time, owner: &mut impl Owner<C>) -> Vec<Slot> {
        self.clock = self.clock.max(now);
        for class in Class::ALL {
            while let Some(index) = self.lists.front(class) {
                let entry = &mut self.entries[index];
                if self.clock.since(entry.touched) < class.idle() {
                    break;
                }
                if let (Class::Busy, State::Open(conn)) = (class, &mut entry.state) {
                    owner.rest(conn);
                    self.lists.push(if entry.established { Class::Established } else { Class::Brief }, index);
                } else if let Some(conn) = self.remove(index) {
                    owner.end(conn, End::Idle);
                }
            }
        }
        let mut due = Vec::new();
        while let Some(&(at, index)) = self.due.first().filter(|(at, _)| *at <= self.clock) {
            self.due.remove(&(at, index));
            let entry = &mut self.entries[index];
            entry.due = NEVER;
            due.push(Slot { index, generation: entry.generation });
        }
        due
    }

    /// The capture is over: everything that is still there, in the order of the first packets. What was counted stays.
    pub fn drain(&mut self) -> Vec<Box<C>> {
        let rest = Self { sums: self.sums, ..Self::new(self.room, self.known) };
        let entries = std::mem::replace(self, rest).entries;
        let mut open: Vec<_> = entries
            .into_iter()
            .filter_map(|e| if let State::Open(conn) = e.state { Some((e.first, conn)) } else { None })
            .collect();
        open.sort_by_key(|(first, _)| *first);
        open.into_iter().map(|(_, conn)| conn).collect()
    }

    /// How many connections there are, tombstones left out.
    pub fn len(&self) -> usize {
        [Class::Busy, Class::Established, Class::Brief].map(|class| self.lists.len(class)).iter().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was not handed on.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// A packet for an entry that is there.
    fn known(&mut self, index: u32, seg: &Segment, side: usize) -> Option<(Slot, Dir)> {
        let entry = &mut self.entries[index];
        let class = match entry.state {
            State::Open(_) => {
                entry.note(seg, side);
                let established = entry.sent == [true; 2] || (!seg.payload.is_empty() && !seg.flags.has(TcpFlags::SYN));
                entry.established |= established && entry.key.transport == Transport::Stream;
                Class::Busy
            }
            State::Refused => {
                self.sums.refused_packets += 1;
                Class::Tombstone
            }
            State::Closed | State::Free => {
                self.sums.late += 1;
                return None;
            }
        };
        entry.touched = self.clock;
        self.lists.push(class, index);
        let to_server = (side == 0) == entry.low_is_client;
        let dir = if to_server { Dir::ToServer } else { Dir::ToClient };
        let slot = Slot { index, generation: entry.generation };
        matches!(entry.state, State::Open(_)).then_some((slot, dir))
    }

    fn insert(&mut self, key: Key, state: State<C>, class: Class, seg: &Segment, side: usize, low_is_client: bool) -> u32 {
        let (first, touched) = (seg.stamp.packet, self.clock);
        let (isn, at, doubt, sent, established, due) = ([None; 2], [None; 2], None, [false; 2], false, NEVER);
        let mut entry =
            Entry { key, state, generation: 0, first, touched, low_is_client, isn, at, doubt, sent, established, due };
        entry.note_isn(seg, side);
        let index = match self.free.pop() {
            Some(index) => {
                let slot = &mut self.entries[index];
                entry.generation = slot.generation;
                *slot = entry;
                index
            }
            None => self.entries.push(entry),
        };
        let entries = &self.entries;
        self.index.insert_unique(key.hash(), index, |&i| entries.get(i).map_or(0, |e| e.key.hash()));
        self.lists.push(class, index);
        index
    }

    fn remove(&mut self, index: u32) -> Option<C> {
        let entry = &mut self.entries[index];
        entry.generation = entry.generation.wrapping_add(1);
        let state = std::mem::replace(&mut entry.state, State::Free);
        self.due.remove(&(std::mem::replace(&mut entry.due, NEVER), index));
        if let Ok(found) = self.index.find_entry(entry.key.hash(), |&i| i == index) {
            found.remove();
        }
        self.lists.remove(index);
        self.free.push(index);
        if let State::Open(conn) = state { Some(*conn) } else { None }
    }

    /// The one whose last packet is the longest ago goes.
    fn evict(&mut self, owner: &mut impl Owner<C>) {
        let fronts = [Class::Brief, Class::Established, Class::Busy].into_iter().filter_map(|class| self.lists.front(class));
        if let Some(index) = fronts.min_by_key(|&i| self.entries[i].touched)
            && let Some(conn) = self.remove(index)
        {
            self.sums.evicted += 1;
            owner.end(conn, End::Evicted);
        }
    }

    fn trim_tombstones(&mut self) {
        if self.lists.len(Class::Tombstone) > TOMBSTONES
            && let Some(index) = self.lists.front(Class::Tombstone)
        {
            self.remove(index);
        }
    }
}

#[cfg(test)]
mod tests;
