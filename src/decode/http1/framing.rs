//! Where an HTTP/1 body ends (RFC 9112 §6 and §7), byte by byte: a small machine that knows no flow.

use super::head::{self, Block, Length, Meaning, Parsed, Transfer};
use crate::decode::cursor::Cursor;
use crate::model::Issue;

/// The longest chunk-size line with its extensions, and the longest trailer section.
const LONGEST_LINE: usize = 16 * 1024;

const BAD_CHUNK: Issue = Issue::broken("broken chunk");

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, and where in them.
    Chunked(Chunk),
    /// Everything up to the end of the connection.
    UntilClose,
}

/// What is awaited in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The line with the size.
    Size,
    /// So many bytes of data.
    Data(u64),
    /// The line end after the data.
    DataEnd,
    /// Fields after the last chunk.
    Trailers,
}

/// One move through a body.
#[derive(Debug)]
pub enum Move {
    /// So many bytes of content.
    Content(usize),
    /// So many bytes of framing.
    Frame(usize),
    /// The trailer section: its fields and length. The body is over.
    Trailers(Block, usize),
    /// At least so many bytes are needed.
    Need(usize),
    /// Not what was awaited.
    Broken(Issue),
}

impl Framing {
    /// The framing of a request's body.
    pub fn of_request(meaning: &Meaning) -> Self {
        match (meaning.transfer, meaning.length) {
            (Transfer::Chunked, _) => Self::Chunked(Chunk::Size),
            (Transfer::Plain, Length::Bytes(n)) => Self::Length(n),
            // without a length a request has no body; with a broken one nobody knows (RFC 9112 §6.3)
            (Transfer::Plain, Length::Unsaid) => Self::Length(0),
            (Transfer::Plain, Length::Broken) | (Transfer::Other, _) => Self::UntilClose,
        }
    }

    /// The framing of a response's body; `bodiless` where the request or the status forbids one.
    pub fn of_response(meaning: &Meaning, bodiless: bool) -> Self {
        match (meaning.transfer, meaning.length) {
            _ if bodiless => Self::Length(0),
            (Transfer::Chunked, _) => Self::Chunked(Chunk::Size),
            (Transfer::Plain, Length::Bytes(n)) => Self::Length(n),
            (Transfer::Plain, Length::Unsaid | Length::Broken) | (Transfer::Other, _) => Self::UntilClose,
        }
    }

    /// Whether the body is over.
    pub const fn done(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Moves on over `data`, which is not empty.
    pub fn advance(&mut self, data: &[u8], most_fields: usize) -> Move {
        match self {
            Self::UntilClose => Move::Content(data.len()),
            Self::Length(left) => Move::Content(take(left, data.len())),
            Self::Chunked(chunk) => match chunk {
                Chunk::Data(left) => {
                    let n = take(left, data.len());
                    if *left == 0 {
                        *chunk = Chunk::DataEnd;
                    }
                    Move::Content(n)
                }
                Chunk::DataEnd => match data {
                    [b'\n', ..] | [b'\r', b'\n', ..] => {
                        *chunk = Chunk::Size;
                        Move::Frame(if data.first() == Some(&b'\n') { 1 } else { 2 })
                    }
                    [b'\r'] => Move::Need(2),
                    _ => Move::Broken(BAD_CHUNK),
                },
                Chunk::Size => {
                    let mut cursor = Cursor::new(data);
                    match cursor.line() {
                        None if data.len() <= LONGEST_LINE => Move::Need(data.len() + 1),
                        None => Move::Broken(BAD_CHUNK),
                        Some(line) => match chunk_size(line) {
                            Some(0) => {
                                *chunk = Chunk::Trailers;
                                Move::Frame(cursor.position())
                            }
                            Some(n) => {
                                *chunk = Chunk::Data(n);
                                Move::Frame(cursor.position())
                            }
                            None => Move::Broken(BAD_CHUNK),
                        },
                    }
                }
                Chunk::Trailers => match head::fields(data, most_fields) {
                    Parsed::Whole(block, n) => {
                        *self = Self::Length(0);
                        Move::Trailers(block, n)
                    }
                    Parsed::Partial if data.len() <= LONGEST_LINE => Move::Need(data.len() + 1),
                    Parsed::Partial | Parsed::Bad => Move::Broken(BAD_CHUNK),
                },
            },
        }
    }

    /// Whether a hole of `len` bytes lies inside content whose length is known; then it is passed over.
    pub fn bridge(&mut self, len: u64) -> bool {
        match self {
            Self::UntilClose => true,
            Self::Length(left) if *left >= len => {
                *left -= len;
                true
            }
            Self::Chunked(Chunk::Data(left)) if *left >= len => {
                *left -= len;
                if *left == 0 {
                    *self = Self::Chunked(Chunk::DataEnd);
                }
                true
            }
            Self::Length(_) | Self::Chunked(_) => false,
        }
    }
}

fn take(left: &mut u64, available: usize) -> usize {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
    *left -= n as u64;
    n
}

/// Hex digits, then perhaps an extension (RFC 9112 §7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&b| b == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, &b| Some(n << 4 | u64::from(char::from(b).to_digit(16)?)))
}
