//! Text in whatever charset it is in, by lines.

use super::{Content, Document, Format, Kind, MediaType, Raw};
use crate::mask::{self, Secrets};
use crate::text::{Line, Token, escape};
use encoding_rs::{DecoderResult, Encoding, UTF_8, WINDOWS_1252};

/// The registry's line.
pub(super) const FORMAT: Format = Format { kind: Kind::Text, claims, sniff: |_| None, read, lines };

/// Types that are text without saying so.
const TEXTUAL: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-seq",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/graphql",
    "application/sql",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/x-sh",
];

fn claims(media: &MediaType) -> bool {
    media.essence.starts_with("text/") || TEXTUAL.contains(&media.essence.as_str())
}

fn read(raw: &Raw<'_>) -> Result<Content, String> {
    decoded(raw).map(Content::Text)
}

/// The charset is the byte order mark's, else the type's, else UTF-8. What is not valid in it, and has no control bytes either, is
/// read as windows-1252 by [`lossless`], and says so.
pub(super) fn decoded(raw: &Raw<'_>) -> Result<String, String> {
    let named = raw.media.parameter("charset").and_then(|label| Encoding::for_label(label.as_bytes()));
    let (encoding, mark) = Encoding::for_bom(raw.bytes).unwrap_or((named.unwrap_or(UTF_8), 0));
    let bytes = raw.bytes.get(mark..).unwrap_or_default();
    decode(bytes, encoding, raw.cut).ok_or_else(|| format!("not valid {}", encoding.name()))
}

/// The bytes as UTF-8 (a mark at the start and a character cut at the end left out), where they are text: control bytes that no text
/// has tell otherwise.
pub(super) fn utf8(raw: &Raw<'_>) -> Option<String> {
    let bytes = raw.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw.bytes);
    decode(bytes, UTF_8, raw.cut).filter(|_| !bytes.iter().any(|&b| untypical(b)))
}

/// Bytes that text does not have: C0 but for tab, line ends, form feed and escape (colours in logs), and DEL.
fn untypical(byte: u8) -> bool {
    matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127)
}

fn decode(bytes: &[u8], encoding: &'static Encoding, cut: bool) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, !cut).0 {
        DecoderResult::InputEmpty => Some(text),
        DecoderResult::OutputFull | DecoderResult::Malformed(..) => None,
    }
}

/// Bytes of an unknown charset as windows-1252, which has a character for every byte that text has.
pub(super) fn lossless(bytes: &[u8]) -> Option<String> {
    if bytes.iter().any(|&b| untypical(b)) {
        return None;
    }
    decode(bytes, WINDOWS_1252, false)
}

fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let Content::Text(text) = &document.value else { return Vec::new() };
    by_line(&mask::text(text, secrets))
}

/// Text by lines, tabs as four spaces.
pub(super) fn by_line(text: &str) -> Vec<Line> {
    text.lines().map(|line| Line::of(Token::Plain, escape(&line.replace('\t', "    ")))).collect()
}
