//! IP fragments joined into datagrams (RFC 791 §3.2, RFC 8200 §4.5). Where they overlap, what was seen first wins.

use super::ip::{Fragment, Hosts};
use super::limits::{FRAGMENT_BYTES, FRAGMENT_WAIT, FRAGMENTED, FRAGMENTS};
use super::pieces::Pieces;
use super::rest::Reason;
use super::slice::Load;
use crate::model::SourceId;
use crate::time::Time;
use std::collections::VecDeque;

const DROPPED: Reason = "fragment dropped";

/// The datagrams whose parts are waited for, in the order of their first one.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: VecDeque<Datagram>,
    held: usize,
}

/// What the parts of one datagram have in common. The source too, since each shows all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    hosts: Hosts,
    id: u32,
    kind: u8,
    source: SourceId,
}

#[derive(Debug)]
struct Datagram {
    key: Key,
    since: Time,
    pieces: Pieces<()>,
    load: Load,
    protocol: Option<u8>,
    len: Option<u64>,
}

/// A datagram that is whole.
#[derive(Debug)]
pub(super) struct Joined {
    /// Who sent it to whom.
    pub(super) hosts: Hosts,
    /// What its payload is.
    pub(super) protocol: u8,
    /// The payload.
    pub(super) bytes: Vec<u8>,
    /// All its parts.
    pub(super) load: Load,
}

impl Fragments {
    /// Takes a part, and returns the datagram if that makes it whole. `drop` is told each part that was in vain.
    pub(super) fn add(
        &mut self,
        part: Fragment,
        bytes: &[u8],
        load: Load,
        (source, now): (SourceId, Time),
        mut drop: impl FnMut(Reason, Load),
    ) -> Option<Joined> {
        while self.waiting.front().is_some_and(|d| now.since(d.since) >= FRAGMENT_WAIT) {
            self.give_up(0, &mut drop);
        }
        let key = Key { hosts: part.hosts, id: part.id, kind: part.kind, source };
        let index = match self.waiting.iter().position(|d| d.key == key) {
            Some(index) => index,
            None => {
                if self.waiting.len() == FRAGMENTED {
                    self.give_up(0, &mut drop);
                }
                let pieces = Pieces::default();
                let none = Load { packets: 0, bytes: 0 };
                self.waiting.push_back(Datagram { key, since: now, pieces, load: none, protocol: None, len: None });
                self.waiting.len() - 1
            }
        };
        let datagram = self.waiting.get_mut(index)?;
        datagram.load.packets += load.packets;
        datagram.load.bytes += load.bytes;
        if datagram.load.packets > FRAGMENTS as u64 {
            self.give_up(index, &mut drop);
            return None;
        }
        let before = datagram.pieces.held();
        datagram.put(part, bytes);
        self.held += datagram.pieces.held() - before;
        if datagram.is_whole() {
            let whole = self.waiting.remove(index)?;
            self.held -= whole.pieces.held();
            return whole.join();
        }
        while self.held > FRAGMENT_BYTES {
            self.give_up(0, &mut drop);
        }
        None
    }

    /// No more parts will come.
    pub(super) fn finish(&mut self, mut drop: impl FnMut(Reason, Load)) {
        while !self.waiting.is_empty() {
            self.give_up(0, &mut drop);
        }
    }

    fn give_up(&mut self, index: usize, drop: &mut impl FnMut(Reason, Load)) {
        if let Some(datagram) = self.waiting.remove(index) {
            self.held -= datagram.pieces.held();
            drop(DROPPED, datagram.load);
        }
    }
}

impl Datagram {
    fn put(&mut self, part: Fragment, bytes: &[u8]) {
        let start = part.offset as u64;
        if part.offset == 0 {
            self.protocol.get_or_insert(part.protocol);
        }
        if !part.more {
            self.len.get_or_insert(start + bytes.len() as u64);
        }
        self.pieces.insert(start, bytes, 0, ());
    }

    fn is_whole(&self) -> bool {
        self.protocol.is_some() && self.len.is_some_and(|len| self.contiguous() >= len)
    }

    /// How far it goes from 0 on without a hole.
    fn contiguous(&self) -> u64 {
        self.pieces.iter().try_fold(0, |at, p| if p.start == at { Ok(p.end()) } else { Err(at) }).unwrap_or_else(|at| at)
    }

    fn join(self) -> Option<Joined> {
        let mut bytes: Vec<u8> = self.pieces.iter().flat_map(|p| p.bytes.iter().copied()).collect();
        bytes.truncate(usize::try_from(self.len?).ok()?);
        Some(Joined { hosts: self.key.hosts, protocol: self.protocol?, bytes, load: self.load })
    }
}
