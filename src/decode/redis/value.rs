//! RESP2 and RESP3 on the wire (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): where a value ends, piece by piece, so
//! that none is held. Not what a value means, nor how it is shown: that is `body`'s.
//!
//! ```text
//!  +text\r\n  -text  :1  ,1.5  #t  (1  _           a line
//!  $5\r\nhello\r\n   !5  =9                        bytes of known length; -1: nothing
//!  *2\r\n value value   ~  >   %1 key value        so many values; -1: nothing
//!  |1\r\n key value                                beside the value that follows, which is still due
//!  $?\r\n ;5\r\nhello\r\n ;0\r\n    *?\r\n value … .\r\n     until its end is said
//! ```

use crate::decode::cursor::Cursor;

/// How deep values may lie in one another: replies of the server go seven deep (`COMMAND`), those of scripts as deep as a script likes.
pub const DEPTH: usize = 64;
/// The longest line. The server itself takes no longer ones (`PROTO_INLINE_MAX_SIZE`).
pub const LINE: usize = 64 * 1024;
/// The longest line that holds a length: `*`, the digits of a 64-bit number with its sign, and the line's end.
const LENGTH_LINE: usize = 23;
/// More than any length that a server takes (`proto-max-bulk-len`, which may be raised), and less than what overflows.
const LONGEST: u64 = 1 << 40;

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `+`.
    Simple,
    /// `-` and `!`.
    Error,
    /// `:` `,` `#` `(` `_`.
    Scalar,
    /// `$` and `=`.
    Bulk,
    /// `*` `~` `%`.
    Many,
    /// `>`.
    Push,
    /// `|`.
    Attribute,
}

/// The first line of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// It is all of the value.
    Line(Kind, &'a [u8]),
    /// So many bytes follow, and a line's end.
    Bytes(Kind, u64),
    /// So many values follow.
    Values(Kind, u64),
    /// Values, or chunks of bytes, follow until their end is said.
    Streamed(Kind),
    /// The end of streamed values.
    End,
}

/// What became of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// It is this.
    Is(T),
    /// So many bytes are needed, counted from the first one.
    Need(usize),
    /// It is none.
    Bad,
}

/// Reads a value's first line, and says how long that is.
pub fn head(data: &[u8]) -> Read<(Head<'_>, usize)> {
    let mut cursor = Cursor::new(data);
    let Some(byte) = cursor.u8() else { return Read::Need(1) };
    let (kind, longest) = match byte {
        b'+' => (Kind::Simple, LINE),
        b'-' => (Kind::Error, LINE),
        b':' | b',' | b'#' | b'(' | b'_' => (Kind::Scalar, LINE),
        b'$' | b'=' | b';' => (Kind::Bulk, LENGTH_LINE),
        b'!' => (Kind::Error, LENGTH_LINE),
        b'*' | b'~' | b'%' => (Kind::Many, LENGTH_LINE),
        b'>' => (Kind::Push, LENGTH_LINE),
        b'|' => (Kind::Attribute, LENGTH_LINE),
        b'.' => (Kind::Scalar, LENGTH_LINE),
        _ => return Read::Bad,
    };
    let Some(end) = memchr::memchr(b'\n', cursor.rest()) else {
        let clean =
            kind == Kind::Simple || kind == Kind::Error && byte == b'-' || cursor.rest().iter().all(|&b| of_line(byte, b));
        return if clean && data.len() < longest { Read::Need(data.len() + 1) } else { Read::Bad };
    };
    if end >= longest {
        return Read::Bad;
    }
    let Some(line) = cursor.rest().get(..end).and_then(|line| line.strip_suffix(b"\r")) else { return Read::Bad };
    let head = match (byte, line) {
        (b'+' | b'-', line) if !line.contains(&b'\r') => Some(Head::Line(kind, line)),
        (b'.', b"") => Some(Head::End),
        (b'_', b"") => Some(Head::Line(kind, line)),
        (b'#', b"t" | b"f") => Some(Head::Line(kind, line)),
        (b':' | b'(' | b',', [_, ..]) if line.iter().all(|&b| of_line(byte, b)) => Some(Head::Line(kind, line)),
        (b'$' | b'*', b"-1") => Some(Head::Line(Kind::Scalar, line)),
        (b'$' | b'*' | b'~' | b'%' | b'>', b"?") => Some(Head::Streamed(kind)),
        (b'$' | b'!' | b'=' | b';', digits) => length(digits).map(|n| Head::Bytes(kind, n)),
        (b'%' | b'|', digits) => length(digits).map(|n| Head::Values(kind, 2 * n)),
        (b'*' | b'~' | b'>', digits) => length(digits).map(|n| Head::Values(kind, n)),
        _ => None,
    };
    head.map_or(Read::Bad, |head| Read::Is((head, 1 + end + 1)))
}

/// Whether a byte may stand in a line that begins so.
fn of_line(first: u8, byte: u8) -> bool {
    match first {
        b':' | b'(' => byte.is_ascii_digit() || b"+-\r".contains(&byte),
        b',' => byte.is_ascii_alphanumeric() || b"+-.\r".contains(&byte),
        b'#' => b"tf\r".contains(&byte),
        b'_' | b'.' => byte == b'\r',
        _ => byte.is_ascii_digit() || b"-?\r".contains(&byte),
    }
}

/// A length: digits alone.
pub fn length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 13 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    (n <= LONGEST).then_some(n)
}

/// A piece of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// How many bytes it is.
    pub taken: usize,
    /// What it is.
    pub what: What<'a>,
    /// Whether the value ends with it.
    pub ends: bool,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The first line of a value, this one or one within.
    Head(Head<'a>),
    /// Of a value's bytes.
    Data(&'a [u8]),
    /// The line's end behind them.
    End,
}

/// Reads one value after the other.
#[derive(Debug, Default)]
pub struct Reader {
    /// What is open, the outermost first.
    frames: Vec<Frame>,
    /// How many of a value's bytes are still to come, the line's end not counted.
    bytes: Option<u64>,
}

/// A value within which others lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// So many more.
    Values(u64),
    /// So many more, and then the value that they describe.
    Attribute(u64),
    /// Until their end.
    Open,
    /// Chunks of bytes, until an empty one.
    Chunks,
}

impl Reader {
    /// How many values the next one lies within.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The next piece.
    pub fn next<'a>(&mut self, data: &'a [u8]) -> Read<Piece<'a>> {
        match self.bytes {
            Some(0) => match data {
                [b'\r', b'\n', ..] => {
                    self.bytes = None;
                    let ends = self.ended();
                    Read::Is(Piece { taken: 2, what: What::End, ends })
                }
                [] | [b'\r'] => Read::Need(2),
                _ => Read::Bad,
            },
            Some(left) => {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.bytes = Some(left - n as u64);
                match data.get(..n) {
                    Some(bytes) if n > 0 => Read::Is(Piece { taken: n, what: What::Data(bytes), ends: false }),
                    _ => Read::Need(1),
                }
            }
            None => self.head(data),
        }
    }

    /// Passes over bytes that were not captured, if they all belong to one value's bytes.
    pub fn bridge(&mut self, lost: u64) -> bool {
        let left = self.bytes.and_then(|bytes| bytes.checked_sub(lost));
        if left.is_some() {
            self.bytes = left;
        }
        left.is_some()
    }

    fn head<'a>(&mut self, data: &'a [u8]) -> Read<Piece<'a>> {
        let (head, taken) = match head(data) {
            Read::Is(found) => found,
            Read::Need(n) => return Read::Need(n),
            Read::Bad => return Read::Bad,
        };
        let chunk = data.first() == Some(&b';');
        if chunk != (self.frames.last() == Some(&Frame::Chunks)) {
            return Read::Bad;
        }
        let ends = match head {
            Head::Bytes(_, 0) if chunk => {
                self.frames.pop();
                self.ended()
            }
            Head::Bytes(_, n) => {
                self.bytes = Some(n);
                false
            }
            Head::Line(..) => self.ended(),
            Head::End if self.frames.last() == Some(&Frame::Open) => {
                self.frames.pop();
                self.ended()
            }
            Head::End => return Read::Bad,
            Head::Values(..) | Head::Streamed(_) if self.frames.len() >= DEPTH => return Read::Bad,
            // nothing is said of the value that follows
            Head::Values(Kind::Attribute, 0) => false,
            Head::Values(_, 0) => self.ended(),
            Head::Values(kind, n) => {
                self.frames.push(if kind == Kind::Attribute { Frame::Attribute(n) } else { Frame::Values(n) });
                false
            }
            Head::Streamed(kind) => {
                self.frames.push(if kind == Kind::Bulk { Frame::Chunks } else { Frame::Open });
                false
            }
        };
        Read::Is(Piece { taken, what: What::Head(head), ends })
    }

    /// A value has ended, and with it those that it was the last of. Whether nothing is open any more.
    fn ended(&mut self) -> bool {
        loop {
            match self.frames.last_mut() {
                None => return true,
                Some(Frame::Open | Frame::Chunks) => return false,
                Some(Frame::Values(left) | Frame::Attribute(left)) if *left > 1 => {
                    *left -= 1;
                    return false;
                }
                Some(Frame::Attribute(_)) => {
                    self.frames.pop();
                    return false;
                }
                Some(Frame::Values(_)) => {
                    self.frames.pop();
                }
            }
        }
    }
}
