//! The fields that an HPACK index stands for (RFC 7541 §2.3): the static table, and the dynamic one as far as it was seen.

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// The size of a dynamic table before anything was said about it, in bytes (RFC 9113 §6.5.2). Most peers leave it at that, so that it is
/// taken for theirs where what they agreed on was not seen, until an index stands for a field that such a table has no room for.
pub const INITIAL: usize = 4096;
/// The largest one that is kept, in bytes, whatever the peers agree on: what was pushed out is unknown, never wrong.
pub const MOST: usize = 64 * 1024;
/// What an entry counts beside its text (RFC 7541 §4.1).
const OVERHEAD: usize = 32;

/// A field, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// The dynamic table of one direction.
///
/// Why a field that comes out is never a wrong one, even where the connection was joined late or bytes were lost: the peer's table is at
/// any time a beginning of the list of all fields that were inserted, the newest first. An insertion adds one in front; for lack of room,
/// and where the size changes, fields go at the other end; one that is larger than the table leaves it empty, which is again such a
/// beginning (RFC 7541 §4.2 to §4.4). An index counts from the newest on, so that the *k*th one is the *k*th newest insertion: the same
/// here as there, as long as every insertion since the first one that is held was seen. The sizes of fields from before do not matter, nor
/// does a table that is larger here than there: an index beyond the peer's table is never sent. Nor does the size that the SETTINGS
/// allow, since what is used of it is said within the blocks. An insertion that was seen without its name or value
/// is held as such, because it counts. So a table that is smaller here holds less, and nothing wrong. One that may not have been seen (in
/// a gap, in a block that could not be read to its end) is older than all that follow, so that it is enough to forget what was held: an
/// index beyond what is held is an unknown field.
///
/// Very many connections have such tables: one holds its texts in one piece, and beside them where each begins.
#[derive(Debug)]
pub struct Table {
    /// The oldest first.
    entries: VecDeque<Entry>,
    /// Their texts in this order, behind those of some that went.
    texts: Vec<u8>,
    /// How many bytes of text went from before `texts`, modulo 2³².
    before: u32,
    /// What the fields count that it holds, in bytes.
    size: u32,
    limit: u32,
    /// One more than how many went for a limit that nobody told; none where it was told.
    gone: Option<NonZeroU32>,
}

/// A field: where its text begins, modulo 2³², and how long its name and its value are. A name of the static table is not held again:
/// [`NAMED`] and its place there stand for its length.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    name: u16,
    value: u16,
}

/// Stands for the length of a text that is not known.
const UNKNOWN: u16 = u16::MAX;
/// A text as long as this is not held: it is taken for unknown.
const NAMED: u16 = 0xff00;

impl Table {
    /// Empty; `opening` tells that it is the peer's, too, and that its size is the initial one.
    pub fn new(opening: bool) -> Self {
        let gone = (!opening).then_some(NonZeroU32::MIN);
        Self { entries: VecDeque::new(), texts: Vec::new(), before: 0, size: 0, limit: INITIAL as u32, gone }
    }

    /// Forgets all fields: insertions may have gone by unseen.
    pub fn forget(&mut self) {
        *self = Self::new(false);
    }

    /// The field that an index from 1 up stands for.
    pub fn get(&mut self, index: usize) -> Field<'_> {
        if let Some((name, value)) = STATIC.get(index.wrapping_sub(1)) {
            return Field { name: Some(name), value: Some(value) };
        }
        // the newest one comes first
        let place = index.wrapping_sub(STATIC.len() + 1);
        let Some(at) = self.entries.len().checked_sub(place.saturating_add(1)) else {
            if self.gone.is_some_and(|gone| place - self.entries.len() + 1 < gone.get() as usize) {
                // the peer has what went here
                (self.limit, self.gone) = (MOST as u32, None);
            }
            return Field::default();
        };
        self.entries.get(at).map_or_else(Field::default, |entry| self.field(*entry))
    }

    fn field(&self, entry: Entry) -> Field<'_> {
        let texts = self.texts.get(self.place(entry)..).unwrap_or_default();
        let (name, value) = texts.split_at_checked(length(entry.name).unwrap_or(0)).unwrap_or_default();
        let name = entry.named().or(length(entry.name).map(|_| name));
        Field { name, value: length(entry.value).and_then(|length| value.get(..length)) }
    }

    /// Where the text of an entry begins in `texts`.
    fn place(&self, entry: Entry) -> usize {
        entry.start.wrapping_sub(self.before) as usize
    }

    /// What it takes in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.texts.capacity()
    }

    /// What the fields count that it holds, in bytes.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// A field is inserted.
    pub fn insert(&mut self, name: Option<&[u8]>, value: Option<&[u8]>) {
        let [name, value] = [name, value].map(|text| text.filter(|text| text.len() < NAMED.into()));
        let text = |text: Option<&[u8]>| text.map_or(0, <[u8]>::len);
        let size = OVERHEAD + text(name) + text(value);
        // one that is larger than the table leaves it empty
        let fits = size <= self.limit as usize;
        self.evict(if fits { self.limit - size as u32 } else { 0 });
        if !fits {
            self.gone = self.gone.map(|gone| gone.saturating_add(1));
            return;
        }
        let named = name.and_then(|name| STATIC.iter().position(|(own, _)| *own == name));
        let own = name.filter(|_| named.is_none());
        let text = text(own) + text(value);
        if self.texts.len() + text > self.texts.capacity() && self.dead() >= self.texts.len() / 4 {
            self.compact();
        }
        let start = self.before.wrapping_add(self.texts.len() as u32);
        [own, value].into_iter().flatten().for_each(|text| self.texts.extend_from_slice(text));
        let length = |text: Option<&[u8]>| text.map_or(UNKNOWN, |text| text.len() as u16);
        let name = named.map_or(length(name), |place| NAMED + place as u16);
        self.size += size as u32;
        let entry = Entry { start, name, value: length(value) };
        self.entries.push_back(entry);
    }

    /// The peer changes the size of its table.
    pub fn resize(&mut self, size: usize) {
        (self.limit, self.gone) = (size.min(MOST) as u32, None);
        self.evict(self.limit);
    }

    /// Lets the oldest fields go until what is left takes no more than this in memory, in bytes: as those that were not seen they are
    /// unknown from here on.
    pub fn shrink(&mut self, room: usize) {
        let takes = |table: &Self| table.entries.len() * size_of::<Entry>() + table.texts.len() - table.dead();
        while takes(self) > room
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= oldest.size();
        }
        self.rest();
    }

    /// Gives back the room for more.
    pub fn rest(&mut self) {
        self.compact();
        self.texts.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// Lets the oldest fields go until they count no more than this, in bytes.
    fn evict(&mut self, size: u32) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= oldest.size();
            self.gone = self.gone.map(|gone| gone.saturating_add(1));
        }
    }

    /// How many bytes of text are of fields that went.
    fn dead(&self) -> usize {
        self.entries.front().map_or(self.texts.len(), |oldest| self.place(*oldest))
    }

    fn compact(&mut self) {
        let dead = self.dead();
        self.texts.drain(..dead);
        self.before = self.before.wrapping_add(dead as u32);
    }
}

impl Entry {
    /// What is not known counts nothing: then more is held than the peer holds.
    fn size(self) -> u32 {
        let name = self.named().map(<[u8]>::len).or(length(self.name));
        (OVERHEAD + name.unwrap_or(0) + length(self.value).unwrap_or(0)) as u32
    }

    /// Its name, where it is one of the static table.
    fn named(self) -> Option<&'static [u8]> {
        STATIC.get(usize::from(self.name.checked_sub(NAMED)?)).map(|(name, _)| *name)
    }
}

/// How much of a text is held; none: it is not.
fn length(length: u16) -> Option<usize> {
    (length < NAMED).then_some(length.into())
}

/// RFC 7541, Appendix A.
static STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];
