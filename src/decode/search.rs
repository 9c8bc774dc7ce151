//! Looking for a start in the middle of a stream: at which places, at what effort, and where no start is likely any more.
//!
//! A scanner names the places where its protocol's first bytes allow a start, so that most bytes are passed over by a search for one
//! byte, and counts the places at which it looked closer. [`Search`] does no work twice, and gives each byte that comes a fixed allowance
//! of it: a stream that spends more is looked at only where packets begin, as messages nearly always do, until it has saved enough again.

use super::Resync;

#[cfg(test)]
mod tests;

/// What a place looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// No start.
    No,
    /// It may be one: more bytes would tell.
    More,
    /// It is one.
    Yes,
}

/// How much was looked at, in places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort(u64);

impl Effort {
    /// How many bytes are passed over at the effort of a place.
    const BYTES: usize = 256;

    /// So many places were looked at.
    pub fn places(&mut self, n: usize) {
        self.0 += n as u64;
    }

    /// So many bytes were passed over.
    fn bytes(&mut self, n: usize) {
        self.0 += n.div_ceil(Self::BYTES) as u64;
    }
}

/// The first of the places that is a start; where none is, nothing before the first that may be one is kept.
pub fn first(data: &[u8], places: impl Iterator<Item = usize>, effort: &mut Effort, look: impl Fn(&[u8]) -> Place) -> Resync {
    let mut open = None;
    for at in places {
        effort.places(1);
        match look(data.get(at..).unwrap_or_default()) {
            Place::Yes => return Resync::Found(at),
            Place::More => open = open.or(Some(at)),
            Place::No => {}
        }
    }
    Resync::Skip(open.unwrap_or(data.len()))
}

/// The places whose `n`th byte is this one, counted from 0, or is still to come.
pub fn having(data: &[u8], byte: u8, n: usize) -> impl Iterator<Item = usize> {
    let ahead = data.get(n..).unwrap_or_default();
    memchr::memchr_iter(byte, ahead).chain(ahead.len()..data.len())
}

/// The way through one direction of a stream of which nothing is known.
#[derive(Debug, Default)]
pub struct Search {
    /// From which stream offset on each scanner has yet to look.
    from: Vec<u64>,
    /// Where packets began with what may be a start, once scanners rest.
    open: Vec<u64>,
    /// To which stream offset an allowance was given, and to which one beginnings of packets were looked at.
    to: u64,
    begins: u64,
    /// Up to where nothing is, as far as the bytes at the last time told; none behind a find.
    kept: Option<u64>,
    /// What is left of the allowance, in places.
    left: i64,
    begun: bool,
}

impl Search {
    /// What there is to begin with, and the most that is saved, in places: enough for 100 KiB of which every byte is one.
    const BEGIN: i64 = 1 << 17;
    /// For how many bytes of the stream a place is allowed.
    const PER_PLACE: u64 = 8;
    /// How many beginnings of packets are kept in mind that may be a start, and for how many bytes: a TLS record and a half.
    const OPEN: usize = 4;
    const LONG: u64 = 24 * 1024;

    /// Goes on with the unconsumed bytes of the direction, from stream offset `base` on, of which packets began at `begins`. There are
    /// so many scanners, of which `scan` asks one; `look` asks, of one place, all of them or, where it is told so, only what has none.
    pub fn go_on(
        &mut self,
        (data, base): (&[u8], u64),
        begins: impl Iterator<Item = u64>,
        (scanners, scan): (usize, impl Fn(usize, &[u8], &mut Effort) -> Resync),
        look: impl Fn(&[u8], bool) -> Place,
    ) -> Resync {
        let end = base + data.len() as u64;
        let relative = |at: u64| usize::try_from(at - base).unwrap_or(data.len());
        let behind = |at: u64| data.get(relative(at)..).unwrap_or_default();
        if !std::mem::replace(&mut self.begun, true) {
            (self.to, self.left) = (base, Self::BEGIN);
        }
        if self.to == end && self.kept == Some(base) {
            return Resync::Skip(0);
        }
        self.left = (self.left + (end.saturating_sub(self.to) / Self::PER_PLACE) as i64).min(Self::BEGIN);
        let (closely, mut effort, mut found, mut keep) = (self.left > 0, Effort::default(), None::<u64>, end);
        // what scanners left open is not forgotten when they rest
        let left = self.from.iter().copied().filter(|at| !closely && (base..self.to).contains(at));
        let mut open = std::mem::take(&mut self.open);
        open.extend(left);
        open.retain(|at| *at >= base && end - at <= Self::LONG);
        let new = begins.filter(|at| (base.max(self.begins)..end).contains(at));
        for at in open.into_iter().chain(new) {
            effort.places(1);
            match look(behind(at), closely && at >= self.to) {
                Place::Yes => found = Some(found.map_or(at, |f| f.min(at))),
                Place::More if self.open.len() < Self::OPEN => {
                    self.open.push(at);
                    keep = keep.min(at);
                }
                Place::More | Place::No => {}
            }
        }
        self.from.resize(scanners, base);
        for (which, from) in self.from.iter_mut().enumerate() {
            *from = if closely { base.max(*from) } else { end };
            let rest = behind(*from);
            effort.bytes(rest.len());
            let next = scan(which, rest, &mut effort);
            let (Resync::Found(n) | Resync::Skip(n)) = next;
            *from += n as u64;
            if let Resync::Found(_) = next {
                found = Some(found.map_or(*from, |f| f.min(*from)));
            }
            keep = keep.min(*from);
        }
        self.to = end;
        self.left -= effort.0 as i64;
        #[cfg(test)]
        tests::SPENT.set(tests::SPENT.get() + effort.0);
        self.begins = found.map_or(end, |at| at + 1);
        self.kept = found.is_none().then_some(keep);
        found.map_or_else(|| Resync::Skip(relative(keep)), |at| Resync::Found(relative(at)))
    }
}
