//! Forms (`application/x-www-form-urlencoded`, WHATWG URL §5.1): pairs in wire order.

use super::{Content, Document, Format, Kind, MediaType, Raw, field, plain};
use crate::mask::{self, Secrets};
use crate::text::Line;
use crate::text::percent;

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

fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let Content::Pairs(pairs) = &document.value else { return Vec::new() };
    pairs.iter().map(|(name, value)| field(&mask::text(name, secrets), &mask::value(name, value, secrets))).collect()
}
