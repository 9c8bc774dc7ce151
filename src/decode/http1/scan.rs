//! Finds the next HTTP/1 message in the middle of a stream: a first line whose fields, down to the empty line, are all valid.

use super::head::{self, Kind, Parsed, Start};
use crate::decode::{Effort, Resync};
use memchr::memmem;

/// The longest request line that is found again.
const LONGEST_LINE: usize = 8 * 1024;
/// What it takes to look at a version, as against a place of a few bytes.
const EFFORT: usize = 16;

/// Either kind.
pub fn any(data: &[u8], effort: &mut Effort) -> Resync {
    effort.places(EFFORT * memmem::find_iter(data, b"HTTP/1.").count());
    message(Kind::Request, data).or(message(Kind::Response, data))
}

/// A message of one kind.
pub fn message(kind: Kind, data: &[u8]) -> Resync {
    let token: &[u8] = match kind {
        Kind::Request => b" HTTP/1.",
        Kind::Response => b"HTTP/1.",
    };
    for hit in memmem::find_iter(data, token) {
        let start = match kind {
            Kind::Response => Some(hit),
            Kind::Request => line_start(data, hit),
        };
        let Some(start) = start else { continue };
        match whole(kind, data.get(start..).unwrap_or_default()) {
            Some(true) => return Resync::Found(start),
            Some(false) => return Resync::Skip(start),
            None => {}
        }
    }
    // the token, or the line before it, may be cut at the end
    let keep = match kind {
        Kind::Response => token.len(),
        Kind::Request => {
            data.len() - memchr::memrchr(b'\n', data).map_or(0, |n| n + 1).max(data.len().saturating_sub(LONGEST_LINE))
        }
    };
    Resync::Skip(data.len().saturating_sub(keep))
}

/// Some(true): a valid head; Some(false): valid so far; None: not one.
fn whole(kind: Kind, data: &[u8]) -> Option<bool> {
    match head::start(kind, data) {
        Parsed::Bad => None,
        Parsed::Partial => Some(false),
        Parsed::Whole(Start::Request { target, .. }, _) if !head::is_clean(target) => None,
        Parsed::Whole(_, length) => match head::fields(data.get(length..)?, usize::MAX) {
            Parsed::Whole(block, _) => (!block.sloppy).then_some(true),
            Parsed::Partial => (!head::fields_so_far(data.get(length..)?, usize::MAX).sloppy).then_some(false),
            Parsed::Bad => None,
        },
    }
}

/// Where the request line starts whose version is at `version`.
fn line_start(data: &[u8], version: usize) -> Option<usize> {
    let from = version.saturating_sub(LONGEST_LINE);
    let before = data.get(from..version)?;
    let space = memchr::memrchr(b' ', before)?;
    let method_end = before.get(..space)?;
    let line = memchr::memrchr(b'\n', method_end).map_or(0, |n| n + 1);
    // behind a line end any method is one; elsewhere only a well-known one, since what comes before may be any body's last byte
    if line > 0 && head::is_token(method_end.get(line..)?) {
        return Some(from + line);
    }
    head::METHODS.iter().find(|m| method_end.ends_with(m)).map(|m| from + space - m.len())
}
