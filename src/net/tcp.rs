//! TCP segments of one connection to two ordered streams (RFC 9293 §3.4, §3.10). Not the connection table: one connection's life, no more.
//!
//! Bytes in order pass straight through; bytes out of order are copied and wait. Where bytes overlap, those seen first win. A hole is
//! declared
//! - when the peer has acknowledged past it, and 16 further packets of the connection or 100 ms have not brought it (two capture queues
//!   may show an acknowledgement before its data); bytes that go on arriving in order begin that grace anew;
//! - when bytes behind it have waited for 128 packets of the connection or 2 s, or 256 KiB or 512 runs of them wait;
//! - when the connection ends, or all connections together hold too much.
//!
//! Bytes (or a FIN or RST) sent with an acknowledgement of bytes of the other direction that were not shown yet wait for these, so that an
//! answer is not shown before its question: the acknowledgement gives the question its grace, then a hole takes its place. A hole is shown
//! no sooner than what the other direction sent before it acknowledged the bytes that are missing. Of both
//! directions' bytes that could be shown at once, or that wait for one another, those of the lower packet number are first.
//!
//! What is further than 16 MiB from all that is known of a direction is believed once two segments tell it: no hole is one segment's word.

use super::copies::Copies;
use super::limits::{ACKS, ORDER_BYTES, ORDER_PACKETS, ORDER_PIECES, ORDER_WAIT};
use crate::model::{Counts, Dir, End, PacketNo, Segment, Stamp, TcpFlags};
use crate::time::Time;
use counts::Sums;
pub(super) use counts::count;
use half::{Half, Mark, Tag, Told, pair};

mod belief;
mod counts;
mod half;

/// Who takes the streams.
pub trait Streams {
    /// The next bytes of a direction, and the packet that first brought them.
    fn data(&mut self, dir: Dir, bytes: &[u8], stamp: Stamp);
    /// The next `len` bytes of a direction are lost. The stamp is the packet behind the hole, or the last one where there is none.
    fn hole(&mut self, dir: Dir, len: u64, stamp: Stamp);
    /// A direction is over: exactly once.
    fn end(&mut self, dir: Dir, how: End, stamp: Stamp);
}

/// What a connection counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets, copies left out.
    pub packets: Counts,
    /// Captured payload bytes, each once.
    pub bytes: Counts,
    /// Captured payload bytes that brought nothing: seen before, behind the FIN, or of no place.
    pub repeated: u64,
    /// Segments whose bytes had all been seen, repeated SYNs, and datagrams that were shown again.
    pub retransmissions: u64,
    /// Probes of an idle connection.
    pub keep_alives: u64,
    /// Holes.
    pub gaps: u64,
    /// Segments that can not be of this connection: far out of window, or behind the FIN.
    pub strays: u64,
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub struct Reassembler {
    halves: [Half; 2],
    copies: Copies,
    last: Stamp,
    sums: Sums,
}

impl Reassembler {
    /// Whether another source showed a segment just before: it is not to be taken again. Only asked where there are several, for it costs
    /// memory to know.
    pub fn is_copy(&mut self, seg: &Segment, dir: Dir) -> bool {
        self.copies.has(seg, dir)
    }

    /// A segment with its captured payload.
    pub fn segment(&mut self, seg: &Segment, payload: &[u8], dir: Dir, out: &mut impl Streams) {
        self.last = seg.stamp;
        *count(&mut self.sums.packets, dir) += 1;
        let new = self.taken(seg, payload, dir, out);
        *count(&mut self.sums.bytes, dir) += new;
        let repeated = payload.len() as u64 - new;
        if repeated > 0 {
            self.sums.rare().repeated += repeated;
        }
    }

    /// Takes a segment, and shows what can be shown then: how many bytes of it are new.
    fn taken(&mut self, seg: &Segment, payload: &[u8], dir: Dir, out: &mut impl Streams) -> u64 {
        if self.is_over() || self.is_elsewhere(seg, dir) {
            self.sums.rare().strays += 1;
            self.pump(self.now(), out);
            return 0;
        }
        if seg.flags.has(TcpFlags::RST) {
            self.reset(seg, dir);
            self.pump(self.now(), out);
            return 0;
        }
        if seg.flags.has(TcpFlags::SYN) && !self.open(seg.seq.wrapping_add(1), dir) {
            return 0;
        }
        let needs = self.acknowledge(seg, dir);
        let new = self.take(seg, payload, dir, needs, out);
        self.pump(self.now(), out);
        new
    }

    /// Time passes: what waited too long is given up. Without effect where nothing [`waits`](Self::waits).
    pub fn tick(&mut self, now: Stamp, out: &mut impl Streams) {
        self.pump(Mark { time: now.time, ..self.now() }, out);
    }

    /// It is over: what waits is shown, with holes, then both directions end, as far as they have not.
    pub fn finish(&mut self, how: End, out: &mut impl Streams) {
        self.over(how, self.last, out);
    }

    fn over(&mut self, how: End, stamp: Stamp, out: &mut impl Streams) {
        self.pump(Mark::END, out);
        for dir in Dir::BOTH {
            let half = &mut self.halves[dir.index()];
            half.clear();
            if !std::mem::replace(&mut half.ended, true) {
                out.end(dir, how, stamp);
            }
        }
    }

    /// Makes room: what waits is shown at once, with holes, as if what is missing would not come.
    pub fn let_go(&mut self, out: &mut impl Streams) {
        self.pump(Mark::END, out);
        self.halves.iter_mut().for_each(Half::rest);
    }

    /// What the bytes that wait take in memory.
    pub fn room(&self) -> usize {
        self.halves.iter().map(Half::room).sum()
    }

    /// Nothing has come for a while: only what is known is kept, no room for what may come.
    pub fn rest(&mut self) {
        self.copies.rest();
        self.halves.iter_mut().for_each(Half::rest);
    }

    /// When time alone changes something, so that a [`tick`](Self::tick) is due; none where nothing [`waits`](Self::waits).
    pub fn due(&self) -> Option<Time> {
        self.halves.iter().filter_map(Half::due).min()
    }

    /// Whether something waits for time to pass.
    pub fn waits(&self) -> bool {
        !self.halves.iter().all(Half::idle)
    }

    /// Whether both directions have ended.
    pub fn is_over(&self) -> bool {
        self.halves.iter().all(|half| half.ended)
    }

    /// What it counted.
    pub fn tally(&self) -> Tally {
        self.sums.tally()
    }

    /// Which side ended it first, and in which packet: none where neither has.
    pub fn hung_up(&self) -> Option<(Dir, Stamp)> {
        self.sums.hung_up()
    }

    /// Its last packet.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// How many packets there were, and when the last one came.
    fn now(&self) -> Mark {
        Mark { packets: self.sums.all_packets(), time: self.last.time }
    }

    /// A SYN; false where it is another connection's.
    fn open(&mut self, base: u32, dir: Dir) -> bool {
        let half = &mut self.halves[dir.index()];
        if !half.open(base) {
            self.sums.rare().strays += 1;
            return false;
        }
        if std::mem::replace(&mut half.opened, true) {
            self.sums.rare().retransmissions += 1;
        }
        true
    }

    /// Notes what a segment acknowledges of the other direction, and returns how far that is.
    fn acknowledge(&mut self, seg: &Segment, dir: Dir) -> u64 {
        if !seg.flags.has(TcpFlags::ACK) {
            return 0;
        }
        let (now, midway) = (self.now(), !self.halves.iter().any(|half| half.opened));
        let other = &mut self.halves[dir.other().index()];
        if !other.is_placed() {
            other.expect(seg.ack, if midway { Told::About } else { Told::AtMost });
            return 0;
        }
        let at = u64::try_from(other.place(seg.ack)).unwrap_or(0);
        other.note_acked(at);
        if other.clamp(at) <= other.next || !other.believes(at, true) {
            return 0;
        }
        let acks = &mut other.beyond().acks;
        let full = acks.len() == ACKS;
        match acks.back_mut() {
            Some(&mut (newest, _)) if newest >= at => {}
            Some(back) if full => back.0 = at,
            _ => acks.push_back((at, now)),
        }
        at
    }

    /// The payload and the FIN: shown at once where they are next, else kept. How many bytes are new.
    fn take(&mut self, seg: &Segment, payload: &[u8], dir: Dir, needs: u64, out: &mut impl Streams) -> u64 {
        let now = self.now();
        let half = &mut self.halves[dir.index()];
        let len = payload.len() as u64 + u64::from(seg.cut);
        let fin = seg.flags.has(TcpFlags::FIN);
        if len == 0 && !fin {
            // RFC 9293 §3.8.4: a probe is one before what is next
            let probe = half.is_placed() && !seg.flags.has(TcpFlags::SYN) && half.place(seg.seq) == half.next as i64 - 1;
            if probe && half.has_begun() {
                self.sums.rare().keep_alives += 1;
            }
            return 0;
        }
        let seq = if seg.flags.has(TcpFlags::SYN) { seg.seq.wrapping_add(1) } else { seg.seq };
        // one byte alone may be a probe of an idle connection
        half.begin(seq, len > 1 || fin);
        let place = half.place(seq);
        let (next, end) = (half.next as i64, place + len as i64);
        let limit = half.fin().map_or(i64::MAX, |at| at as i64);
        if (len > 0 && place >= limit) || !half.believes(place.max(0) as u64, false) {
            self.sums.rare().strays += 1;
            return 0;
        }
        if len == 1 && end == next && !fin {
            self.sums.rare().keep_alives += 1;
            return 0;
        }
        if half.has_reset() {
            self.goes_on(dir, end.max(0) as u64);
        }
        let (half, other) = pair(&mut self.halves, dir);
        let tag = Tag { stamp: seg.stamp, packets: now.packets, needs };
        if fin && end >= next && half.fin().is_none() {
            let beyond = half.beyond();
            beyond.fin = Some((end as u64, tag));
            let left_out = beyond.pieces.truncate(end as u64);
            if left_out > 0 {
                *count(&mut self.sums.bytes, dir) -= left_out;
                self.sums.rare().repeated += left_out;
            }
        }
        // what comes before offset 0, or was shown, is left out
        let skip = usize::try_from(next - place).unwrap_or(0);
        let (fresh, cut) = match payload.get(skip..) {
            Some(fresh) => (fresh, u64::from(seg.cut)),
            None => (&[][..], (len.saturating_sub(skip as u64)).min(u64::from(seg.cut))),
        };
        let keep = usize::try_from(limit - place.max(next)).unwrap_or(usize::MAX);
        let (mut fresh, cut) = match fresh.get(..keep) {
            Some(fresh) => (fresh, 0),
            None => (fresh, cut.min((keep - fresh.len()) as u64)),
        };
        let mut start = place.max(next) as u64;
        let mut new = 0;
        let room = half.first().map_or(u64::MAX, |at| at - half.next);
        if start == half.next && room > 0 && other.has_shown(needs) {
            let n = fresh.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let (first, later) = fresh.split_at_checked(n).unwrap_or((fresh, &[]));
            if !first.is_empty() {
                out.data(dir, first, seg.stamp);
                half.go_on(half.next + n as u64, now);
                (start, fresh, new) = (half.next, later, n as u64);
            }
        }
        let before = half.waiting();
        if !fresh.is_empty() || cut > 0 {
            new += half.beyond().pieces.insert(start, fresh, cut, tag);
        }
        if len > 0 && new == 0 && half.waiting() == before {
            self.sums.rare().retransmissions += 1;
        }
        new
    }

    /// Shows all that can be shown, and gives up what has waited too long.
    fn pump(&mut self, now: Mark, out: &mut impl Streams) {
        while self.waits() {
            for half in &mut self.halves {
                half.ripen(now);
            }
            if let Some(dir) = self.first(|me, dir| me.is_ready(dir)) {
                self.show(dir, out);
            } else if let Some(dir) = self.first(|me, dir| me.overdue(dir, now).is_some()) {
                let to = self.overdue(dir, now).unwrap_or(u64::MAX);
                self.give_up(dir, to, out);
            } else {
                return;
            }
        }
    }

    /// Of the directions that are so, the one whose next packet is the lower.
    fn first(&self, is_so: impl Fn(&Self, Dir) -> bool) -> Option<Dir> {
        let packet = |dir: &Dir| self.halves[dir.index()].head().map_or(PacketNo(u64::MAX), |h| h.tag.stamp.packet);
        Dir::BOTH.into_iter().filter(|&dir| is_so(self, dir)).min_by_key(packet)
    }

    /// Whether a direction can be shown: what it answers was, or can not be before it, since each answers the other (as a
    /// retransmission does that acknowledges more than its original did).
    fn is_ready(&self, dir: Dir) -> bool {
        let (half, other) = (&self.halves[dir.index()], &self.halves[dir.other().index()]);
        let next = |half: &Half| half.head().filter(|h| h.at == half.next);
        next(half).is_some_and(|ours| {
            other.has_shown(ours.tag.needs) || next(other).is_some_and(|theirs| !half.has_shown(theirs.tag.needs))
        })
    }

    /// Whether a direction has waited long enough, and then how far a hole may go at most.
    fn overdue(&self, dir: Dir, now: Mark) -> Option<u64> {
        let (half, other) = (&self.halves[dir.index()], &self.halves[dir.other().index()]);
        if let Some((lost, by)) = half.lost_to() {
            // what the peer sent before it acknowledged that comes before it
            match other.head().filter(|theirs| theirs.tag.packets < by) {
                Some(theirs) if !half.has_shown(theirs.tag.needs) => return Some(lost.min(theirs.tag.needs)),
                Some(theirs) if theirs.at > other.next => {}
                _ => return Some(lost),
            }
        }
        let since = half.stuck_since()?;
        let held: usize = self.halves.iter().map(|half| half.waiting().0).sum();
        let full = held > ORDER_BYTES || half.waiting().1 > ORDER_PIECES;
        (full || now.is_past(since, ORDER_PACKETS, ORDER_WAIT)).then_some(u64::MAX)
    }

    /// Shows what is next of a direction.
    fn show(&mut self, dir: Dir, out: &mut impl Streams) {
        let half = &mut self.halves[dir.index()];
        let next = half.next;
        if let Some((_, tag)) = half.beyond().fin.filter(|&(at, _)| at == next && !half.ended) {
            half.ended = true;
            self.sums.rare().hung_up.get_or_insert((dir, tag.stamp));
            out.end(dir, End::Fin, tag.stamp);
        } else if let Some(piece) = half.beyond().pieces.pop() {
            half.next = piece.end();
            if piece.bytes.is_empty() {
                self.sums.rare().gaps += 1;
                out.hole(dir, piece.len, piece.tag.stamp);
            } else {
                out.data(dir, &piece.bytes, piece.tag.stamp);
            }
        } else if let Some((_, tag)) = half.beyond().reset {
            self.cut_off(dir, tag.stamp, out);
        }
    }

    /// A direction can not go on: a hole, where bytes before its next ones are missing, or where the other direction's are that they
    /// answer. One byte of these may be a FIN that was not captured.
    fn give_up(&mut self, dir: Dir, to: u64, out: &mut impl Streams) {
        let (half, other) = pair(&mut self.halves, dir);
        let ours = half.head();
        let Some(waits) = ours.filter(|h| h.at == half.next) else {
            if half.reset_behind_fin() {
                return;
            }
            return self.hole(dir, ours.map_or(u64::MAX, |h| h.at).min(to), out);
        };
        let (theirs, needs) = (other.head(), other.clamp(waits.tag.needs));
        if theirs.is_none() && needs == other.next + 1 {
            let next = other.next;
            other.beyond().spare = Some(next);
        } else {
            self.hole(dir.other(), theirs.map_or(u64::MAX, |h| h.at).min(needs), out);
        }
    }

    fn hole(&mut self, dir: Dir, to: u64, out: &mut impl Streams) {
        let half = &mut self.halves[dir.index()];
        let stamp = half.head().filter(|h| h.at == to).map_or(self.last, |h| h.tag.stamp);
        out.hole(dir, to - half.next, stamp);
        half.next = to;
        self.sums.rare().gaps += 1;
    }
}

#[cfg(test)]
mod tests;
