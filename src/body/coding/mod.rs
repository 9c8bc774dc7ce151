//! Content codings (RFC 9110 §8.4.1), undone as far as is asked for and no further.
//!
//! Each coding is a reader over the reader before it, so that a bomb costs what is read of it: `limit` bytes and one buffer.

use compact_str::CompactString;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

mod brotli;
mod deflate;
mod gzip;
mod zstd;

/// One content coding.
struct Coding {
    names: &'static [&'static str],
    undo: for<'a> fn(Input<'a>) -> io::Result<Output<'a>>,
}

type Input<'a> = Box<dyn BufRead + 'a>;
type Output<'a> = Box<dyn Read + 'a>;

/// Codings that can be undone.
static CODINGS: &[Coding] = &[gzip::CODING, deflate::CODING, brotli::CODING, zstd::CODING];

/// How many codings one body may have: nobody applies more than two.
pub const MAX_CODINGS: usize = 4;

/// How many bytes one coding may hand to the next: an inner bomb of bytes that say nothing (empty gzip members, skippable zstd
/// frames) would else run on for ever while the outer one produces nothing.
pub const MAX_BETWEEN: u64 = 8 << 20;

/// Bytes with their codings undone.
#[derive(Debug, PartialEq, Eq)]
pub struct Plain {
    /// At most `limit` bytes.
    pub bytes: Vec<u8>,
    /// The codings that were undone.
    pub codings: Option<String>,
    /// Whether there was more, or the input ended before its codings did.
    pub cut: bool,
}

/// Undoes `codings` (in the order in which they were applied) up to `limit` bytes. `partial` tells that `kept` is the beginning of
/// what was sent: then what inflates so far is the result; else an early end is damage.
pub fn undo(kept: &[u8], codings: &[CompactString], limit: usize, partial: bool) -> Result<Plain, String> {
    let names: Vec<&str> = codings.iter().flat_map(|field| field.split(',')).map(str::trim).filter(|n| applied(n)).collect();
    if names.is_empty() {
        let bytes = kept.get(..limit).unwrap_or(kept).to_vec();
        return Ok(Plain { cut: bytes.len() < kept.len(), bytes, codings: None });
    }
    let codings = Some(names.join(", "));
    if kept.is_empty() {
        return Ok(Plain { bytes: Vec::new(), codings: codings.filter(|_| partial), cut: partial });
    }
    if names.len() > MAX_CODINGS {
        return Err(format!("more than {MAX_CODINGS} content codings"));
    }
    let ended = Cell::new(false);
    let mut reader: Output<'_> = Box::new(Source { rest: kept, ended: &ended });
    for name in names.iter().rev() {
        let known = CODINGS.iter().find(|coding| coding.names.iter().any(|n| n.eq_ignore_ascii_case(name)));
        let coding = known.ok_or_else(|| format!("unknown content coding {name}"))?;
        let input = Box::new(BufReader::new(reader.take(MAX_BETWEEN)));
        reader = (coding.undo)(input).map_err(|e| format!("{name}: {e}"))?;
    }
    let mut bytes = Vec::new();
    match fill(&mut reader, limit, &mut bytes) {
        Ok(cut) => Ok(Plain { bytes, codings, cut }),
        Err(_) if partial && ended.get() => Ok(Plain { bytes, codings, cut: true }),
        Err(e) => Err(format!("{}: {e}", names.join(", "))),
    }
}

fn applied(name: &str) -> bool {
    !name.is_empty() && !name.eq_ignore_ascii_case("identity")
}

/// Reads up to `limit` bytes; tells whether there is one more.
fn fill(reader: &mut dyn Read, limit: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    loop {
        let room = limit.saturating_sub(bytes.len()).saturating_add(1).min(buffer.len());
        let got = match reader.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(0) => return Ok(false),
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        bytes.extend_from_slice(buffer.get(..got).unwrap_or_default());
        if bytes.len() > limit {
            bytes.truncate(limit);
            return Ok(true);
        }
    }
}

/// The kept bytes; remembers whether somebody wanted more.
struct Source<'a> {
    rest: &'a [u8],
    ended: &'a Cell<bool>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ended.set(self.ended.get() || self.rest.is_empty());
        self.rest.read(buffer)
    }
}

#[cfg(test)]
mod tests;
