//! Multipart bodies (RFC 2046 §5.1, RFC 7578): parts with headers, each a document of its own.

use super::{Content, Document, Format, Kind, MediaType, Raw, field, read as read_document, render, write_json};
use crate::mask::{self, MASK, Secrets};
use crate::text::{self, Line, Token, write_json_string};
use memchr::{memchr, memmem};
use std::borrow::Cow;

/// The registry's line.
pub(super) const FORMAT: Format = Format { kind: Kind::Multipart, claims, sniff: |_| None, read, lines };

/// How deep multiparts may nest: mails nest three deep, and nothing else does.
pub const MAX_NESTING: usize = 4;
/// How many parts one body may have, and fields one part: far beyond any upload, and a bound for bodies of boundaries alone.
pub const MAX_PARTS: usize = 1000;
/// See [`MAX_PARTS`].
pub const MAX_FIELDS: usize = 100;

fn claims(media: &MediaType) -> bool {
    media.essence.starts_with("multipart/")
}

fn read(raw: &Raw<'_>) -> Result<Content, String> {
    if raw.depth >= MAX_NESTING {
        return Err("multipart nested too deeply".to_owned());
    }
    let boundary = raw.media.parameter("boundary").filter(|b| !b.is_empty()).ok_or("multipart without a boundary")?;
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut parts = Vec::new();
    let (_, mut rest) = next_delimiter(raw.bytes, &delimiter).ok_or("multipart without its boundary")?;
    // after the delimiter: `--` closes the body, a line's end begins a part
    while !rest.starts_with(b"--") {
        if parts.len() == MAX_PARTS {
            return Err(format!("more than {MAX_PARTS} parts"));
        }
        let begun = memchr(b'\n', rest).and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        let (part, after, cut) = match next_delimiter(begun, &delimiter) {
            Some((part, after)) => (part, after, false),
            None => (begun, &b"--"[..], true),
        };
        parts.push(read_part(part, raw, cut));
        rest = after;
    }
    Ok(Content::Parts(parts))
}

/// What is before the next delimiter line (and the line's end that belongs to it), and what follows the delimiter.
fn next_delimiter<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memmem::find_iter(bytes, delimiter).find_map(|at| {
        let (before, rest) = bytes.split_at_checked(at)?;
        let after = rest.get(delimiter.len()..)?;
        let ends = matches!(after.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')) || after.starts_with(b"--");
        match before.strip_suffix(b"\n") {
            Some(line) if ends => Some((line.strip_suffix(b"\r").unwrap_or(line), after)),
            None if ends && before.is_empty() => Some((before, after)),
            _ => None,
        }
    })
}

fn read_part(part: &[u8], within: &Raw<'_>, cut: bool) -> (Vec<(String, String)>, Document) {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut rest = part;
    while !rest.is_empty() && headers.len() < MAX_FIELDS {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        let line = latin(line.strip_suffix(b"\r").unwrap_or(line));
        match line.split_once(':') {
            _ if line.is_empty() => break,
            // a line that begins with white space continues the one before (RFC 5322 §2.2.3)
            _ if line.starts_with([' ', '\t']) => {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
            Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
            None => headers.push((line.into_owned(), String::new())),
        }
    }
    let media_type = header(&headers, "content-type").unwrap_or_default();
    let media = MediaType::parse(media_type);
    let depth = within.depth + 1;
    let body = read_document(&Raw { bytes: rest, media: &media, media_type, schema: None, cut, depth, ..*within }, cut);
    (headers, body)
}

/// UTF-8, else a character for each byte.
fn latin(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|&b| char::from(b)).collect(), Cow::Borrowed)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The name and the file name of a part of a form (RFC 7578 §4.2).
fn names(headers: &[(String, String)]) -> [(&'static str, Option<String>); 2] {
    let disposition = MediaType::parse(header(headers, "content-disposition").unwrap_or_default());
    ["name", "filename"].map(|key| (key, disposition.parameter(key).map(str::to_owned)))
}

/// Whether a part's whole content is a secret, for its name.
fn is_secret(names: &[(&str, Option<String>)], secrets: Secrets) -> bool {
    let named = names.iter().any(|(key, name)| *key == "name" && name.as_deref().is_some_and(mask::is_secret_name));
    named && secrets == Secrets::Mask
}

fn masked(document: &Document) -> Document {
    Document { kind: Kind::Text, value: Content::Text(MASK.to_owned()), error: None, ..document.clone() }
}

/// Appends one part as an object of the list that a multipart's value is.
pub(super) fn write_part(headers: &[(String, String)], body: &Document, secrets: Secrets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"headers\":");
    super::list(headers, b"[]", out, |(name, value), out| {
        out.push(b'[');
        write_json_string(&mask::text(name, secrets), out);
        out.push(b',');
        write_json_string(&mask::header(name, value, secrets), out);
        out.push(b']');
    });
    let names = names(headers);
    for (key, name) in names.iter().filter_map(|(key, name)| Some((key, name.as_deref()?))) {
        out.push(b',');
        write_json_string(key, out);
        out.push(b':');
        write_json_string(&mask::text(name, secrets), out);
    }
    out.extend_from_slice(b",\"body\":");
    if is_secret(&names, secrets) {
        write_json(&masked(body), secrets, out);
    } else {
        write_json(body, secrets, out);
    }
    out.push(b'}');
}

fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let Content::Parts(parts) = &document.value else { return Vec::new() };
    let mut lines = Vec::new();
    for (i, (headers, body)) in parts.iter().enumerate() {
        lines.push(Line::of(Token::Dim, format!("part {} of {}", i + 1, parts.len())));
        let fields = headers.iter().map(|(name, value)| (mask::text(name, secrets), mask::header(name, value, secrets)));
        lines.extend(fields.map(|(name, value)| indented(field(&name, &value), 1)));
        if is_secret(&names(headers), secrets) {
            lines.push(indented(Line::of(Token::Text, MASK), 2));
            continue;
        }
        lines.extend(render(body, secrets).into_iter().map(|line| indented(line, 2)));
        let error = body.error.iter().map(|error| Line::of(Token::Error, text::escape(error)));
        lines.extend(error.map(|line| indented(line, 2)));
    }
    lines
}

fn indented(line: Line, steps: u16) -> Line {
    Line { indent: line.indent.saturating_add(steps), ..line }
}
