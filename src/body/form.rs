//! Forms (`application/x-www-form-urlencoded`, WHATWG URL §5.1): pairs in wire order.

use super::{Content, Document, Format, Kind, MediaType, Raw, field, plain};
use crate::mask::{self, Secrets};
use crate::text::Line;

/// The registry's line.
pub(super) const FORMAT: Format = Format { kind: Kind::Form, claims, sniff: |_| None, read, lines };

fn claims(media: &MediaType) -> bool {
    media.essence == "application/x-www-form-urlencoded"
}

fn read(raw: &Raw<'_>) -> Result<Content, String> {
    let text = plain::utf8(raw).ok_or("not a form: not text")?;
    if text.trim_start().starts_with(['{', '<']) {
        // no form's first name begins so: broken JSON or XML, under the type that curl sends without being asked
        return Err("not a form".to_owned());
    }
    let pairs = text.trim_end_matches(['\r', '\n']).split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    Ok(Content::Pairs(pairs.collect()))
}

/// Undoes `%XX` and `+`. What would not be UTF-8 then is left as it was on the wire, escapes and all: nothing is lost.
pub(super) fn decode(text: &str) -> String {
    String::from_utf8(percent(text, b' ')).unwrap_or_else(|_| text.to_owned())
}

/// Undoes `%XX`; a plus sign becomes `plus`. A `%` that no two digits follow stays.
pub(crate) fn percent(text: &str, plus: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        out.push(match (first, after) {
            (b'+', _) => plus,
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let Content::Pairs(pairs) = &document.value else { return Vec::new() };
    pairs.iter().map(|(name, value)| field(&mask::text(name, secrets), &mask::value(name, value, secrets))).collect()
}
