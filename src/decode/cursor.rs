//! The one reader of wire bytes: every step is checked, none panics.

/// A place in a slice of wire bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// How many bytes are behind.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// What is ahead.
    pub fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// The next `n` bytes, if they are there.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let bytes = self.data.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(bytes)
    }

    /// The same bytes from another place on, for formats that point into themselves.
    pub const fn at(&self, place: usize) -> Self {
        Self { data: self.data, at: place }
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A big-endian 16-bit number.
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A big-endian 24-bit number.
    pub fn u24(&mut self) -> Option<u32> {
        let [a, b, c] = *self.take(3)?.first_chunk()?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }

    /// A big-endian 32-bit number.
    pub fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The bytes before the next NUL, which is passed over, if it is there.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.rest().iter().position(|b| *b == 0)?;
        let text = self.take(end)?;
        self.take(1).map(|_| text)
    }

    /// The next line without its LF and the CR before it, if its end is there.
    pub fn line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest.get(..end)?;
        self.at += end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}
