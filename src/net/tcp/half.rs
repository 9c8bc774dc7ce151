//! One direction's state: how far it was shown, what waits, what was acknowledged. What to do about it is the reassembler's to say.

use crate::model::{Dir, Stamp};
use crate::net::limits::{ACK_GRACE, ACK_GRACE_PACKETS, ORDER_WAIT, WINDOW};
use crate::net::pieces::Pieces;
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// How far before what an acknowledgement told its first bytes may begin: what may be on its way at once, and be captured behind it.
const EARLIER: u32 = 256 << 10;

/// How sure it is where a direction begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// By nothing so far.
    #[default]
    Nowhere,
    /// By a SYN, or by what begins it.
    Surely,
    /// By an acknowledgement of a connection that was seen to open: there, or before, where it was captured too early.
    AtMost,
    /// By one of a connection whose opening was not seen: there, or before, or behind what came before the capture.
    About,
}

/// A direction. Its offsets count from its first byte on, or from some way before, 64 bits wide, so that they do not wrap as sequence
/// numbers do.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// The sequence number of offset 0, once anything told where that is.
    base: u32,
    /// How sure it is that its first byte is at `start`.
    told: Told,
    start: u32,
    /// Whether its SYN was seen.
    pub(super) opened: bool,
    pub(super) ended: bool,
    /// How far the peer acknowledged what was shown: the lower half of an offset.
    acked: u32,
    /// How far it was shown.
    pub(super) next: u64,
    /// What there is beyond, once there was something.
    beyond: Option<Box<Beyond>>,
}

/// What is known of a direction beyond what was shown of it: mostly nothing, until its FIN comes.
#[derive(Debug, Default)]
pub(super) struct Beyond {
    /// When bytes last came in order since there is something.
    live: Mark,
    /// What came out of order, or has to wait for the other direction.
    pub(super) pieces: Pieces<Tag>,
    /// What the peer acknowledged beyond `next`, in grace.
    pub(super) acks: VecDeque<(u64, Mark)>,
    /// What it acknowledged, out of grace, and how many packets the connection had by then.
    pub(super) acked: (u64, u64),
    /// What one segment told alone that is too far from the rest, and whether it was the peer's.
    far: Option<(u64, bool)>,
    /// Where one byte may be its FIN, not captured: then what was sent after it does not wait any longer.
    pub(super) spare: Option<u64>,
    /// Where its FIN is.
    pub(super) fin: Option<(u64, Tag)>,
    /// Where a RST is, not before any bytes that wait.
    pub(super) reset: Option<(u64, Tag)>,
}

/// How many packets the connection had, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) packets: u64,
    pub(super) time: Time,
}

/// What is known of bytes that wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) stamp: Stamp,
    /// How many packets the connection had with it.
    pub(super) packets: u64,
    /// How far the other direction must have been shown before.
    pub(super) needs: u64,
}

/// What a direction would show next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) at: u64,
    pub(super) tag: Tag,
}

impl Mark {
    /// Later than all others: what waits has waited long enough.
    pub(super) const END: Self = Self { packets: u64::MAX, time: Time::from_nanos(i64::MAX) };

    pub(super) fn is_past(self, earlier: Self, packets: u64, time: Span) -> bool {
        self.packets - earlier.packets >= packets || self.time.since(earlier.time) >= time
    }

    pub(super) fn later(self, other: Self) -> Self {
        if self.packets >= other.packets { self } else { other }
    }
}

impl Tag {
    fn mark(self) -> Mark {
        Mark { packets: self.packets, time: self.stamp.time }
    }
}

impl Half {
    /// To note what there is beyond.
    pub(super) fn beyond(&mut self) -> &mut Beyond {
        self.beyond.get_or_insert_default()
    }

    /// It was shown as far as this, in order.
    pub(super) fn go_on(&mut self, next: u64, now: Mark) {
        self.next = next;
        if let Some(beyond) = &mut self.beyond {
            beyond.live = now;
        }
    }

    /// Lets go what there is beyond.
    pub(super) fn clear(&mut self) {
        self.beyond = None;
    }

    /// Lets go what tells nothing.
    pub(super) fn rest(&mut self) {
        let next = self.next;
        let idle = self.idle();
        let passed = |at: Option<u64>| at.is_none_or(|at| at < next);
        let known = |b: &Beyond| b.fin.is_some() || b.acked.0 > next || !passed(b.spare) || !passed(b.far.map(|(at, _)| at));
        self.beyond.take_if(|b| idle && !known(b));
    }

    /// Whether anything told where it begins.
    pub(super) fn is_placed(&self) -> bool {
        self.told != Told::Nowhere
    }

    /// Where nothing told where it begins, that is here.
    fn place_at(&mut self, seq: u32) {
        if !self.is_placed() {
            (self.base, self.told) = (seq, Told::Surely);
        }
    }

    /// The offset of a sequence number, by the nearest way from `next`: below 0 for what came before the base.
    pub(super) fn place(&self, seq: u32) -> i64 {
        let base = if self.is_placed() { self.base } else { seq };
        let next = base.wrapping_add(self.next as u32);
        self.next as i64 + i64::from(seq.wrapping_sub(next) as i32)
    }

    pub(super) fn head(&self) -> Option<Head> {
        let beyond = self.beyond.as_ref()?;
        let fin = beyond.fin.filter(|_| !self.ended).map(|(at, tag)| Head { at, tag });
        let piece = beyond.pieces.first().map(|p| Head { at: p.start, tag: p.tag });
        let reset = beyond.reset.map(|(at, tag)| Head { at: self.clamp(at), tag });
        [fin, piece, reset].into_iter().flatten().min_by_key(|head| head.at)
    }

    /// Whether it was shown as far as this, or to its end.
    pub(super) fn has_shown(&self, needs: u64) -> bool {
        let spare = self.beyond.as_ref().and_then(|b| b.spare);
        self.next + u64::from(spare == Some(self.next)) >= self.clamp(needs)
    }

    /// Where its FIN is.
    pub(super) fn fin(&self) -> Option<u64> {
        self.beyond.as_ref()?.fin.map(|(at, _)| at)
    }

    /// What it sends begins here, or near, as the other direction acknowledges.
    pub(super) fn expect(&mut self, ack: u32, told: Told) {
        (self.base, self.told) = (ack.wrapping_sub(EARLIER), told);
        self.begin_at(EARLIER.into());
    }

    /// It is opened here: true unless that is another connection's.
    pub(super) fn open(&mut self, seq: u32) -> bool {
        let place = self.place(seq);
        self.place_at(seq);
        if self.told != Told::Surely && self.is_untouched() && (0..=self.next as i64).contains(&place) {
            self.told = Told::Surely;
            self.begin_at(place as u64);
        }
        place == i64::from(self.start)
    }

    /// What it sends begins here, unless that is known. What `brings` something may have been captured behind what acknowledged it.
    pub(super) fn begin(&mut self, seq: u32, brings: bool) {
        let (place, next) = (self.place(seq), self.next as i64);
        self.place_at(seq);
        let moves = match self.told {
            Told::Nowhere | Told::Surely => return,
            Told::AtMost | Told::About if place < next => brings && place >= 0,
            Told::AtMost => false,
            Told::About => self.acks() == 0,
        };
        self.told = Told::AtMost;
        if moves && self.is_untouched() {
            self.begin_at(place as u64);
        }
    }

    /// Whether nothing was shown of it, not even its end.
    fn is_untouched(&self) -> bool {
        !self.has_begun() && !self.ended
    }

    fn begin_at(&mut self, place: u64) {
        (self.start, self.next) = (place as u32, place);
    }

    /// Whether anything of it was shown.
    pub(super) fn has_begun(&self) -> bool {
        self.next > self.start.into()
    }

    /// How far anything is known of it: it was shown, it waits, or it was acknowledged.
    fn known(&self) -> u64 {
        let Some(beyond) = &self.beyond else { return self.next };
        let acked = beyond.acks.back().map_or(0, |&(at, _)| at).max(beyond.acked.0);
        beyond.pieces.end().max(acked).max(self.next)
    }

    /// Whether a sequence number is so far from what is known, one way or the other.
    pub(super) fn is_far(&self, seq: u32, far: u64) -> bool {
        let place = self.place(seq);
        place < self.next as i64 - far as i64 || place > (self.known() + far) as i64
    }

    /// Whether it may go on at `place`, as it says or the peer: that is not far from what is known of it, or another segment said so.
    pub(super) fn believes(&mut self, place: u64, by_peer: bool) -> bool {
        if place.saturating_sub(WINDOW) <= self.next || place.saturating_sub(WINDOW) <= self.known() {
            return true;
        }
        let far = self.beyond().far.replace((place, by_peer));
        far.is_some_and(|(far, by)| (far, by) != (place, by_peer) && far.abs_diff(place) <= WINDOW)
    }

    /// The peer acknowledged this.
    pub(super) fn note_acked(&mut self, at: u64) {
        if at <= self.next && (at as u32).wrapping_sub(self.acked) < 1 << 31 {
            self.acked = at as u32;
        }
    }

    /// Whether the peer had certainly more than up to `place`, of what was shown.
    pub(super) fn is_acked_past(&self, place: i64) -> bool {
        let behind = i64::from((self.next as u32).wrapping_sub(self.acked) as i32);
        behind >= 0 && self.next as i64 - behind > place
    }

    pub(super) fn has_reset(&self) -> bool {
        self.beyond.as_ref().is_some_and(|b| b.reset.is_some())
    }

    /// Whether all that lacks before a RST is one byte, which may be a FIN that was not captured: then its turn has come.
    pub(super) fn reset_behind_fin(&mut self) -> bool {
        let next = self.next;
        let Some(beyond) = self.beyond.as_mut().filter(|b| b.pieces.len() == 0 && b.fin.is_none()) else { return false };
        let reset = beyond.reset.as_mut().filter(|(at, _)| *at == next + 1);
        reset.map(|(at, _)| *at = next).is_some()
    }

    /// Where the first bytes are that wait.
    pub(super) fn first(&self) -> Option<u64> {
        self.beyond.as_ref()?.pieces.first().map(|piece| piece.start)
    }

    /// How many bytes wait, and in how many runs.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.beyond.as_ref().map_or((0, 0), |b| (b.pieces.held(), b.pieces.len()))
    }

    /// What those take in memory.
    pub(super) fn room(&self) -> usize {
        self.beyond.as_ref().map_or(0, |b| b.pieces.room())
    }

    /// How many acknowledgements are in grace.
    pub(super) fn acks(&self) -> usize {
        self.beyond.as_ref().map_or(0, |b| b.acks.len())
    }

    /// An acknowledgement counts the FIN too.
    pub(super) fn clamp(&self, ack: u64) -> u64 {
        self.fin().map_or(ack, |at| ack.min(at))
    }

    /// Since when it has been stuck: its oldest bytes, or the last in order, whichever is later.
    pub(super) fn stuck_since(&self) -> Option<Mark> {
        let beyond = self.beyond.as_ref()?;
        let fin = beyond.fin.filter(|_| !self.ended).map(|(_, tag)| tag.mark());
        let ends = fin.into_iter().chain(beyond.reset.map(|(_, tag)| tag.mark()));
        let oldest = beyond.pieces.iter().map(|p| p.tag.mark()).chain(ends).min_by_key(|m| m.packets)?;
        Some(beyond.live.later(oldest))
    }

    /// When time alone lets it go on: its first acknowledgement leaves its grace, or it was stuck for long enough.
    pub(super) fn due(&self) -> Option<Time> {
        let Beyond { live, acks, .. } = self.beyond.as_deref()?;
        let ripe = acks.front().map(|&(_, mark)| live.later(mark).time.after(ACK_GRACE));
        let stuck = self.stuck_since().map(|since| since.time.after(ORDER_WAIT));
        ripe.into_iter().chain(stuck).min()
    }

    /// Acknowledgements leave their grace.
    pub(super) fn ripen(&mut self, now: Mark) {
        let Some(Beyond { live, acks, acked, .. }) = self.beyond.as_deref_mut() else { return };
        while let Some(&(at, mark)) = acks.front() {
            if at > self.next && !now.is_past(live.later(mark), ACK_GRACE_PACKETS, ACK_GRACE) {
                break;
            }
            if at > acked.0 {
                *acked = (at, mark.packets);
            }
            acks.pop_front();
        }
    }

    /// How far bytes are lost for sure, and how many packets the connection had once that was acknowledged. One byte alone may be a FIN
    /// that was not captured.
    pub(super) fn lost_to(&self) -> Option<(u64, u64)> {
        let (acked, by) = self.beyond.as_ref()?.acked;
        let (acked, head) = (self.clamp(acked), self.head());
        let sure = acked > self.next + u64::from(head.is_none());
        (sure && head.is_none_or(|h| h.at > self.next)).then_some((acked, by))
    }

    pub(super) fn idle(&self) -> bool {
        self.acks() == 0 && self.head().is_none()
    }
}

/// A direction, and the other one.
pub(super) fn pair(halves: &mut [Half; 2], dir: Dir) -> (&mut Half, &mut Half) {
    let [a, b] = halves;
    match dir {
        Dir::ToServer => (a, b),
        Dir::ToClient => (b, a),
    }
}
