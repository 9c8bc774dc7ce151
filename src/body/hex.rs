//! Bytes that nothing could read, as a hex dump.
//!
//! ```text
//! 00000000  50 4f 53 54 20 2f 63 68  65 63 6b 6f 75 74 20 48  |POST /checkout H|
//! ```

use super::{Content, Document, Format, Kind, MediaType};
use crate::mask::{self, Secrets};
use crate::text::{Line, Token};
use std::fmt::Write as _;

/// The registry's line: what no type claims.
pub(super) const FORMAT: Format = Format { kind: Kind::Binary, claims, sniff: |_| None, read: |_| Err(String::new()), lines };

fn claims(_: &MediaType) -> bool {
    false
}

fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let Content::Binary(bytes) = &document.value else { return Vec::new() };
    hex(bytes, secrets)
}

/// Sixteen bytes a line: their offset, in hexadecimal, and as ASCII. Secrets in readable bytes become stars of the same length.
pub fn hex(bytes: &[u8], secrets: Secrets) -> Vec<Line> {
    let bytes = mask::bytes(bytes, secrets);
    bytes.chunks(16).enumerate().map(|(row, chunk)| line(row * 16, chunk)).collect()
}

fn line(offset: usize, chunk: &[u8]) -> Line {
    let mut digits = String::with_capacity(51);
    for i in 0..16 {
        if i == 8 {
            digits.push(' ');
        }
        match chunk.get(i) {
            Some(byte) => _ = write!(digits, "{byte:02x} "),
            None => digits.push_str("   "),
        }
    }
    let shown = |&b: &u8| if (0x20..0x7f).contains(&b) { char::from(b) } else { '.' };
    let ascii: String = chunk.iter().map(shown).collect();
    let spans = vec![
        (Token::Dim, format!("{offset:08x}  ")),
        (Token::Number, digits),
        (Token::Dim, " |".to_owned()),
        (Token::Text, ascii),
        (Token::Dim, "|".to_owned()),
    ];
    Line { indent: 0, spans }
}
