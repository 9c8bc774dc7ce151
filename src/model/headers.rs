//! Header fields in wire order, duplicates kept, in one allocation for the bytes and one for the ends.

use std::borrow::Cow;

/// Ordered name and value pairs, as on the wire.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
    ends: Vec<(u32, u32)>,
}

impl Headers {
    /// Room for `pairs` fields of `bytes` bytes in all.
    pub fn with_capacity(pairs: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(pairs) }
    }

    /// Appends a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push((middle, self.bytes.len() as u32));
    }

    /// The fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(middle, end)| {
            let pair = (
                self.bytes.get(start as usize..middle as usize).unwrap_or_default(),
                self.bytes.get(middle as usize..end as usize).unwrap_or_default(),
            );
            start = end;
            pair
        })
    }

    /// The values of a field, in order; names compare without regard to case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&(middle, end)| {
            let begins = std::mem::replace(&mut start, end);
            // the length tells most names apart
            let is = (middle - begins) as usize == name.len()
                && self.bytes.get(begins as usize..middle as usize)?.eq_ignore_ascii_case(name.as_bytes());
            if is { self.bytes.get(middle as usize..end as usize) } else { None }
        })
    }

    /// The first value of a field.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes held.
    pub fn cost(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<(u32, u32)>()
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(n, v)| (text_of(n), text_of(v)))).finish()
    }
}

/// Bytes of a name or value as text: UTF-8 where they are, else each byte as its Latin-1 character, so that none is lost.
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_duplicates_and_odd_bytes_stay() {
        let mut h = Headers::default();
        h.push(b"A", b"1");
        h.push(b"b", b"");
        h.push(b"a", b"\xff");
        assert_eq!(h.iter().collect::<Vec<_>>(), [(&b"A"[..], &b"1"[..]), (b"b", b""), (b"a", b"\xff")]);
        assert_eq!(h.all("a").count(), 2);
        assert_eq!(h.get("B"), Some(&b""[..]));
        assert_eq!(text_of(h.all("a").last().unwrap()), "ÿ");
    }
}
