//! The fields that an HPACK index stands for (RFC 7541 §2.3): the static table, and the dynamic one as far as it was seen.

use std::collections::VecDeque;

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
#[derive(Debug)]
pub struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
    /// How many went for a limit that nobody told; none where it was told.
    gone: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    name: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
}

impl Table {
    /// Empty; `opening` tells that it is the peer's, too, and that its size is the initial one.
    pub fn new(opening: bool) -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: INITIAL, gone: (!opening).then_some(0) }
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
        let place = index.wrapping_sub(STATIC.len() + 1);
        let beyond = place.checked_sub(self.entries.len());
        if let Some(beyond) = beyond
            && self.gone.is_some_and(|gone| beyond < gone)
        {
            // the peer has what went here
            (self.limit, self.gone) = (MOST, None);
        }
        match self.entries.get(place) {
            Some(entry) => Field { name: entry.name.as_deref(), value: entry.value.as_deref() },
            None => Field::default(),
        }
    }

    /// What the fields count that it holds, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A field is inserted.
    pub fn insert(&mut self, name: Option<Box<[u8]>>, value: Option<Box<[u8]>>) {
        let entry = Entry { name, value };
        self.size += entry.size();
        self.entries.push_front(entry);
        self.evict();
    }

    /// The peer changes the size of its table.
    pub fn resize(&mut self, size: usize) {
        (self.limit, self.gone) = (size.min(MOST), None);
        self.evict();
    }

    /// Lets the oldest fields go until they count no more than this, in bytes: as those that were not seen they are unknown from here on.
    pub fn shrink(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
        self.entries.shrink_to(2 * self.entries.len());
    }

    fn evict(&mut self) {
        while self.size > self.limit
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
            self.gone = self.gone.map(|gone| gone + 1);
        }
    }
}

impl Entry {
    /// What is not known counts nothing: then more is held than the peer holds.
    fn size(&self) -> usize {
        OVERHEAD + [&self.name, &self.value].into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }
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
