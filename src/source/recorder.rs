//! The last packets, kept in memory within a budget: for hex, replay, and saving what just happened. Not the store of flows.
//!
//! ```text
//!  one ring of bytes, oldest to newest, each record in one piece:
//!  len(4) wire_len(4) link(4) source(2) has_connection(2) packet(8) time(8) connection(8) previous(8) bytes…
//! ```
//!
//! Places in the ring are offsets that count up for ever; the byte at offset `o` is at `o % ring.len()`.

use super::pcapng_write::{WriteError, Writer};
use crate::model::{LinkType, Packet, PacketNo, SourceId, Stamp};
use crate::time::Time;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

/// The length of a record before its bytes.
const HEADER: usize = 48;
/// A length that says: nothing more before the ring begins again.
const PADDING: u32 = u32::MAX;
/// The connection has no earlier packet here.
const NONE: u64 = u64::MAX;
/// Every so many records the ring has a mark, so that a packet is found by its number.
const MARK_EVERY: usize = 64;
/// What part of the budget may tell the newest packet of each connection.
const CONNECTIONS_SHARE: usize = 16;
/// What a slot of that table takes at most: 17 bytes, 7 of 8 usable, and the table's size is a power of two.
const CONNECTION_COST: usize = 40;

/// Records packets; the oldest go when the budget is used up. Its memory is taken once, and never grows.
#[derive(Debug)]
pub struct Recorder {
    ring: Vec<u8>,
    /// The oldest record.
    tail: u64,
    /// Where the next record goes.
    head: u64,
    marks: VecDeque<(PacketNo, u64)>,
    until_mark: usize,
    newest: HashMap<u64, u64>,
    most_connections: usize,
    last: PacketNo,
    counts: Recorded,
}

/// What the recorder did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Packets it holds.
    pub held: u64,
    /// Packets that made room for newer ones.
    pub gone: u64,
    /// Packets that were larger than the whole budget.
    pub refused: u64,
    /// Packets whose connection could not be noted, because there were too many.
    pub unlinked: u64,
}

/// What is known of a packet number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It is here; the range in it is that of its bytes.
    Held(Packet, &'a [u8]),
    /// It was, but made room for newer ones.
    Gone,
    /// It was never recorded.
    Never,
}

#[derive(Clone, Copy)]
struct Record {
    len: u32,
    wire_len: u32,
    link: u32,
    source: u16,
    connection: Option<u64>,
    packet: u64,
    time: i64,
    previous: u64,
}

impl Recorder {
    /// A recorder that takes at most `budget` bytes in all.
    pub fn new(budget: usize) -> Self {
        let connections = budget / CONNECTIONS_SHARE / CONNECTION_COST;
        let newest: HashMap<u64, u64> = HashMap::with_capacity(connections);
        let rest = budget.saturating_sub(newest.allocation_size());
        let mark = size_of::<(PacketNo, u64)>();
        let marks = VecDeque::with_capacity(rest / (MARK_EVERY * HEADER + mark) + 1);
        let ring = vec![0; rest.saturating_sub(marks.capacity() * mark)];
        // a table that is at most half full makes room for removed keys in place
        let most_connections = newest.capacity() / 2;
        let (last, counts) = (PacketNo::default(), Recorded::default());
        Self { ring, tail: 0, head: 0, marks, until_mark: 0, newest, most_connections, last, counts }
    }

    /// Records a packet. `connection` is the same for both directions of a connection, and unlikely to be another's.
    /// Numbers go up.
    pub fn push(&mut self, packet: &Packet, bytes: &[u8], connection: Option<u64>) {
        let number = packet.stamp.packet;
        self.last = number;
        let (len, size) = (HEADER + bytes.len(), self.ring.len());
        if len > size {
            self.counts.refused += 1;
            return;
        }
        let at = self.make_room(len);
        let previous = connection.and_then(|key| self.note(key, at)).filter(|&previous| previous >= self.tail);
        if self.until_mark == 0 {
            self.marks.push_back((number, at));
            self.until_mark = MARK_EVERY;
        }
        self.until_mark -= 1;
        let record = Record {
            len: bytes.len() as u32,
            wire_len: packet.wire_len,
            link: packet.link.0,
            source: packet.source.0,
            connection,
            packet: number.0,
            time: packet.stamp.time.nanos(),
            previous: previous.unwrap_or(NONE),
        };
        self.put(at, &record.to_bytes());
        self.put(at + HEADER as u64, bytes);
        self.head = at + len as u64;
        self.counts.held += 1;
    }

    /// Looks a packet up.
    pub fn get(&self, packet: PacketNo) -> Found<'_> {
        let first = self.records(self.tail).next().map(|(_, record)| record.packet);
        if packet == PacketNo::default() || packet > self.last {
            return Found::Never;
        }
        if first.is_none_or(|first| packet.0 < first) {
            return Found::Gone;
        }
        match self.find(packet) {
            Some((at, record)) => {
                let (packet, bytes) = self.held(at, &record);
                Found::Held(packet, bytes)
            }
            None => Found::Never,
        }
    }

    /// The packets of a connection that are held, newest first, from `packet` back. It began with the last of them only where
    /// that is the packet that names it ([`ConnId`](crate::model::ConnId)): what came before may be gone.
    pub fn back_from(&self, packet: PacketNo) -> impl Iterator<Item = (Packet, &[u8])> {
        self.chain(self.find(packet).map(|(at, _)| at))
    }

    /// The same, from the newest packet of the connection.
    pub fn connection(&self, connection: u64) -> impl Iterator<Item = (Packet, &[u8])> {
        self.chain(self.newest.get(&connection).copied())
    }

    /// Everything that is held, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Packet, &[u8])> {
        self.records(self.tail).map(|(at, record)| self.held(at, &record))
    }

    /// Writes everything that is held, with what `comment` has to say of a packet of a connection. The writer should know the
    /// sources' names before.
    pub fn save<W: Write>(
        &self,
        writer: &mut Writer<W>,
        mut comment: impl FnMut(PacketNo, u64) -> Option<Arc<str>>,
    ) -> Result<(), WriteError> {
        self.records(self.tail).try_for_each(|(at, record)| {
            let (packet, bytes) = self.held(at, &record);
            let comment = record.connection.and_then(|connection| comment(packet.stamp.packet, connection));
            writer.packet(&packet, bytes, comment.as_deref())
        })
    }

    /// What it did so far.
    pub fn counts(&self) -> Recorded {
        self.counts
    }

    /// The bytes that it takes, used or not: the budget, or less.
    pub fn memory(&self) -> usize {
        self.ring.capacity() + self.marks.capacity() * size_of::<(PacketNo, u64)>() + self.newest.allocation_size()
    }

    /// Notes the newest packet of a connection; returns the one before it.
    fn note(&mut self, connection: u64, at: u64) -> Option<u64> {
        if let Some(newest) = self.newest.get_mut(&connection) {
            return Some(std::mem::replace(newest, at));
        }
        if self.newest.len() < self.most_connections {
            self.newest.insert(connection, at);
        } else {
            self.counts.unlinked += 1;
        }
        None
    }

    /// Drops the oldest packets until `len` bytes fit in one piece; returns where.
    fn make_room(&mut self, len: usize) -> u64 {
        let (size, len) = (self.ring.len() as u64, len as u64);
        let next_lap = self.head.next_multiple_of(size);
        let fits = next_lap == self.head || next_lap - self.head >= len;
        let at = if fits { self.head } else { next_lap };
        while self.tail < self.head && at + len - self.tail > size {
            self.drop_oldest();
        }
        if self.tail >= self.head {
            self.tail = at;
        } else if !fits && next_lap - self.head >= 4 {
            self.put(self.head, &PADDING.to_le_bytes());
        }
        at
    }

    fn drop_oldest(&mut self) {
        let Some((at, record)) = self.records(self.tail).next() else {
            self.tail = self.head;
            return;
        };
        let next = at + HEADER as u64 + u64::from(record.len);
        let next = self.records(next).next().map_or(self.head, |(at, _)| at);
        self.tail = next;
        while self.marks.front().is_some_and(|(_, mark)| *mark < self.tail) {
            self.marks.pop_front();
        }
        if let Some(connection) = record.connection
            && self.newest.get(&connection) == Some(&at)
        {
            self.newest.remove(&connection);
        }
        self.counts.held -= 1;
        self.counts.gone += 1;
    }

    fn find(&self, packet: PacketNo) -> Option<(u64, Record)> {
        let mark = self.marks.partition_point(|(first, _)| *first <= packet).checked_sub(1);
        let from = mark.and_then(|i| self.marks.get(i)).map_or(self.tail, |(_, at)| *at);
        self.records(from).find(|(_, record)| record.packet >= packet.0).filter(|(_, record)| record.packet == packet.0)
    }

    fn chain(&self, newest: Option<u64>) -> impl Iterator<Item = (Packet, &[u8])> {
        let here = |at: &u64| *at != NONE && *at >= self.tail;
        let first = newest.and_then(|at| Some((at, self.record(at)?)));
        let back =
            move |(_, record): &(u64, Record)| Some(record.previous).filter(here).and_then(|at| Some((at, self.record(at)?)));
        std::iter::successors(first, back).map(|(at, record)| self.held(at, &record))
    }

    /// The records from offset `at` on, and where they are.
    fn records(&self, mut at: u64) -> impl Iterator<Item = (u64, Record)> {
        std::iter::from_fn(move || {
            let size = self.ring.len() as u64;
            if at < self.head && size - at % size < 4 || self.bytes::<4>(at) == Some(PADDING.to_le_bytes()) {
                at = (at + 1).next_multiple_of(size);
            }
            let here = at;
            let record = self.record(here)?;
            at += HEADER as u64 + u64::from(record.len);
            Some((here, record))
        })
    }

    fn record(&self, at: u64) -> Option<Record> {
        if at >= self.head { None } else { self.bytes(at).and_then(Record::from_bytes) }
    }

    fn held(&self, at: u64, record: &Record) -> (Packet, &[u8]) {
        let len = record.len as usize;
        let from = (at % self.ring.len() as u64) as usize + HEADER;
        let bytes = self.ring.get(from..from + len).unwrap_or_default();
        let stamp = Stamp { packet: PacketNo(record.packet), time: Time::from_nanos(record.time) };
        let (source, link) = (SourceId(record.source), LinkType(record.link));
        (Packet { stamp, source, link, wire_len: record.wire_len, bytes: 0..len }, bytes)
    }

    fn bytes<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let from = at.checked_rem(self.ring.len() as u64)? as usize;
        self.ring.get(from..)?.first_chunk().copied()
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let from = at.checked_rem(self.ring.len() as u64).unwrap_or(0) as usize;
        if let Some(to) = self.ring.get_mut(from..from + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

impl Record {
    fn to_bytes(self) -> [u8; HEADER] {
        let words = [
            u64::from(self.len) | u64::from(self.wire_len) << 32,
            u64::from(self.link) | u64::from(self.source) << 32 | u64::from(self.connection.is_some()) << 48,
            self.packet,
            self.time.cast_unsigned(),
            self.connection.unwrap_or(0),
            self.previous,
        ];
        let mut bytes = [0; HEADER];
        bytes.as_chunks_mut::<8>().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; HEADER]) -> Option<Self> {
        let &[lengths, kind, packet, time, connection, previous] = bytes.as_chunks::<8>().0 else { return None };
        let [lengths, kind] = [lengths, kind].map(u64::from_le_bytes);
        Some(Self {
            len: lengths as u32,
            wire_len: (lengths >> 32) as u32,
            link: kind as u32,
            source: (kind >> 32) as u16,
            connection: (kind >> 48 != 0).then_some(u64::from_le_bytes(connection)),
            packet: u64::from_le_bytes(packet),
            time: i64::from_le_bytes(time),
            previous: u64::from_le_bytes(previous),
        })
    }
}

#[cfg(test)]
mod tests;
