//! The IDs in a recording, and fresh ones in their places, so that each lap is a mesh of its own. What carries them is told by the
//! names of header fields; an ID found there is replaced wherever it stands.

use super::script::Script;
use crate::model::Dir;
use memchr::memmem;
use std::collections::BTreeSet;

/// Values with fewer hex digits than this are no random IDs and stay.
const MIN_DIGITS: usize = 16;

/// Where each ID of a recording stands.
pub(super) struct Ids {
    ids: Vec<Box<[u8]>>,
    places: Vec<Place>,
}

struct Place {
    id: usize,
    connection: usize,
    dir: Dir,
    offset: usize,
}

/// All bytes of a lap: of each connection, by [`Dir::index`].
pub(super) type Streams = Vec<[Vec<u8>; 2]>;

impl Ids {
    /// Looks for them.
    pub fn find(script: &Script) -> Self {
        let streams =
            || script.connections.iter().enumerate().flat_map(|(n, c)| Dir::BOTH.map(|dir| (n, dir, &c.streams[dir.index()])));
        let mut found = BTreeSet::new();
        for (_, _, stream) in streams() {
            for line in stream.split(|&b| b == b'\n') {
                found.extend(in_field(line).filter(|id| digits(id) >= MIN_DIGITS));
            }
        }
        let ids: Vec<Box<[u8]>> = found.into_iter().map(Into::into).collect();
        let mut places = Vec::new();
        for (connection, dir, stream) in streams() {
            for (id, text) in ids.iter().enumerate() {
                places.extend(memmem::find_iter(stream, text).map(|offset| Place { id, connection, dir, offset }));
            }
        }
        Self { ids, places }
    }

    /// The recording's bytes with other IDs of the same form, the same one wherever the same one stood.
    pub fn fresh(&self, script: &Script, random: &mut Random) -> Streams {
        let fresh: Vec<Vec<u8>> = self.ids.iter().map(|id| id.iter().map(|&b| random.like(b)).collect()).collect();
        let mut streams: Streams = script.connections.iter().map(|c| c.streams.clone()).collect();
        for place in &self.places {
            let id = &fresh[place.id];
            streams[place.connection][place.dir.index()][place.offset..place.offset + id.len()].copy_from_slice(id);
        }
        streams
    }
}

/// The IDs in a line, if it is a header field that carries some.
fn in_field(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    // version-traceid-parentid-flags (W3C Trace Context §3.2): the two in the middle
    let (split, skip, take) = match name {
        n if n.eq_ignore_ascii_case(b"traceparent") => (b'-', 1, 2),
        n if n.eq_ignore_ascii_case(b"x-request-id") => (b'\0', 0, 1),
        _ => (b'\0', 0, 0),
    };
    value.split(move |&b| b == split).skip(skip).take(take)
}

fn digits(id: &[u8]) -> usize {
    id.iter().filter(|b| b.is_ascii_hexdigit()).count()
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): good enough for IDs that are shown.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random hex digit in the place of one; all else stays.
    fn like(&mut self, byte: u8) -> u8 {
        if byte.is_ascii_hexdigit() { b"0123456789abcdef"[(self.next() >> 60) as usize] } else { byte }
    }
}
