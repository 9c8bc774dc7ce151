//! Bytes to readable documents, on demand: nothing here runs for a flow that nobody looks at, filters on or exports.
//!
//! A body format is one file and one line in `FORMATS`; a content coding the same in [`coding`]. A format is asked twice: first
//! whether it recognises the bytes whatever their type says, then, where the type claims it, to read them. One that fails leaves its
//! reason, and the body is shown as the text or the bytes that it is.

use crate::mask::{self, Secrets};
use crate::model::Body;
use crate::schema::{Place, Schemas};
use crate::text::{Line, Token, escape, write_json_string};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::HashMap;

pub use hex::hex;
pub use media::MediaType;

pub mod coding;
mod form;
mod hex;
pub mod json;
mod media;
mod multipart;
mod plain;
pub mod protobuf;
mod resp;
mod xml;

/// What can be read: the first that recognises the bytes, else the first that the type claims.
static FORMATS: &[Format] =
    &[json::FORMAT, form::FORMAT, multipart::FORMAT, xml::FORMAT, protobuf::FORMAT, plain::FORMAT, hex::FORMAT];

/// One body format.
struct Format {
    kind: Kind,
    /// Whether a media type promises it.
    claims: fn(&MediaType) -> bool,
    /// Its content, where the bytes alone, or with a type that does not forbid it, leave no doubt.
    sniff: fn(&Raw<'_>) -> Option<Content>,
    /// Its content, or why it is not what its type promised.
    read: fn(&Raw<'_>) -> Result<Content, String>,
    /// Its content for reading.
    lines: fn(&Document, Secrets) -> Vec<Line>,
}

/// What a format reads: bytes with their codings undone.
struct Raw<'a> {
    bytes: &'a [u8],
    media: &'a MediaType,
    /// The type as it was sent.
    media_type: &'a str,
    /// What names its schema, see `BodyHint`.
    schema: Option<&'a str>,
    /// What it is read with.
    context: &'a Context<'a>,
    /// Whether more was sent than is here.
    cut: bool,
    /// How many documents this one is inside of.
    depth: usize,
}

/// The contract's kinds of body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// JSON (RFC 8259), the wire's own tokens.
    Json,
    /// Protocol buffers.
    Protobuf,
    /// XML 1.0.
    Xml,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Text in a known charset.
    Text,
    /// Parts, each with headers and a body of its own (RFC 2046 §5.1).
    Multipart,
    /// Anything else.
    Binary,
    /// No bytes.
    #[default]
    Empty,
}

impl Kind {
    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
            Self::Xml => "xml",
            Self::Form => "form",
            Self::Text => "text",
            Self::Multipart => "multipart",
            Self::Binary => "binary",
            Self::Empty => "empty",
        }
    }
}

/// What decoding depends on beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// How many bytes of an inflated body are kept (`--body-limit`).
    pub limit: usize,
    /// Which messages are known.
    pub schemas: &'a Schemas,
    /// Where the body was seen, for the user's rules.
    pub place: Place<'a>,
}

impl Context<'static> {
    /// With what is built in alone.
    pub fn plain(limit: usize) -> Self {
        Self { limit, schemas: Schemas::none(), place: Place::default() }
    }
}

/// A decoded body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub value: Content,
    /// The codings that were undone, as the wire named them (`gzip`, `gzip, br`).
    pub encoding: Option<String>,
    /// Whether the limit, a gap or the end of the capture cut it.
    pub cut: bool,
    /// Why it could not be decoded; then `value` is the raw bytes, as text where they are text, or a guess.
    pub error: Option<String>,
    /// The full name of the type that a schema gives it (`shop.v1.Order`).
    pub schema: Option<String>,
    /// Whether `value` is a guess at what the bytes mean, without that schema.
    pub guess: bool,
    /// Whether there are fields that the schema has not.
    pub unknown: bool,
    /// For a person: which schema it was read with and where that is from, or why there is none.
    pub about: Option<String>,
}

/// What a document holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Content {
    /// Nothing.
    #[default]
    Empty,
    /// Valid JSON, white space between tokens removed, tokens as on the wire, control characters inside strings escaped.
    Json(String),
    /// Text. Of kind JSON: the beginning of a JSON text that was cut.
    Text(String),
    /// Names and values in order, duplicates kept.
    Pairs(Vec<(String, String)>),
    /// Parts with their headers.
    Parts(Vec<(Vec<(String, String)>, Document)>),
    /// Bytes.
    Binary(Vec<u8>),
}

/// Decodes a body.
pub fn decode(body: &Body, context: &Context<'_>) -> Document {
    let limit = context.limit;
    let media_type = body.hint.media_type.as_deref().unwrap_or_default();
    let media = MediaType::parse(media_type);
    let raw =
        Raw { bytes: &body.kept, media: &media, media_type, schema: body.hint.schema.as_deref(), context, cut: false, depth: 0 };
    let partial = body.partial() || !body.whole;
    match coding::undo(&body.kept, &body.hint.encodings, limit, partial) {
        Ok(plain) => {
            let raw = Raw { bytes: &plain.bytes, cut: partial || plain.cut, ..raw };
            let more = body.bytes > 0 && raw.cut;
            Document { encoding: plain.codings, ..read(&raw, more) }
        }
        Err(error) => {
            let kept = body.kept.get(..limit).unwrap_or(&body.kept);
            let cut = partial || kept.len() < body.kept.len();
            as_it_is(&Raw { bytes: kept, cut, ..raw }, error)
        }
    }
}

/// Reads bytes with their codings undone; `more` tells that there was a body even where no byte of it is here.
fn read(raw: &Raw<'_>, more: bool) -> Document {
    let document = |kind, value| {
        // a multipart without its end is cut, even where all that was sent is here
        let open = matches!(&value, Content::Parts(parts) if parts.last().is_some_and(|(_, body)| body.cut));
        Document { kind, value, cut: raw.cut || open, ..Document::default() }
    };
    // before the others: a message may begin like JSON, `\n` being the key of a text that is `{…}`
    if let Some(document) = protobuf::document(raw, more) {
        return document;
    }
    if let Some(document) = resp::document(raw) {
        return document;
    }
    let claimed = FORMATS.iter().find(|format| (format.claims)(raw.media));
    if raw.bytes.is_empty() {
        let kind = match claimed {
            // whether it had any is not known
            Some(format) if raw.cut => format.kind,
            None if more => Kind::Binary,
            Some(_) | None => Kind::Empty,
        };
        return document(kind, Content::Empty);
    }
    if let Some((kind, value)) = FORMATS.iter().find_map(|format| Some((format.kind, (format.sniff)(raw)?))) {
        return document(kind, value);
    }
    match claimed.map(|format| (format.kind, (format.read)(raw))) {
        Some((kind, Ok(value))) => document(kind, value),
        Some((_, Err(error))) => match (as_it_is(raw, error), plain::lossless(raw.bytes)) {
            (Document { value: Content::Binary(_), error: Some(error), .. }, Some(text)) => {
                let error = Some(format!("{error}; read as windows-1252"));
                Document { error, ..document(Kind::Text, Content::Text(text)) }
            }
            (document, _) => document,
        },
        None => Document { error: None, ..as_it_is(raw, String::new()) },
    }
}

/// What could not be read, as the text or the bytes that it is.
fn as_it_is(raw: &Raw<'_>, error: String) -> Document {
    let (kind, value) = match plain::utf8(raw) {
        _ if raw.bytes.is_empty() => (Kind::Binary, Content::Empty),
        Some(text) => (Kind::Text, Content::Text(text)),
        None => (Kind::Binary, Content::Binary(raw.bytes.to_vec())),
    };
    Document { kind, value, cut: raw.cut, error: Some(error), ..Document::default() }
}

/// Appends the document as the contract's `body` object (JSON, one line).
pub fn write_json(document: &Document, secrets: Secrets, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":");
    write_json_string(document.kind.word(), out);
    if let Some(name) = &document.schema {
        out.extend_from_slice(b",\"type\":");
        write_json_string(name, out);
    }
    if document.value != Content::Empty {
        out.extend_from_slice(b",\"value\":");
        write_value(&document.value, secrets, out);
    }
    for (key, text) in [(&b",\"encoding\":"[..], &document.encoding), (b",\"error\":", &document.error)] {
        if let Some(text) = text {
            out.extend_from_slice(key);
            write_json_string(text, out);
        }
    }
    for (set, flag) in [(document.guess, &b",\"guess\":true"[..]), (document.cut, b",\"cut\":true")] {
        if set {
            out.extend_from_slice(flag);
        }
    }
    out.push(b'}');
}

fn write_value(value: &Content, secrets: Secrets, out: &mut Vec<u8>) {
    match value {
        Content::Empty => out.extend_from_slice(b"null"),
        Content::Json(json) => out.extend_from_slice(mask::json(json, secrets).as_bytes()),
        Content::Text(text) => write_json_string(&mask::text(text, secrets), out),
        Content::Pairs(pairs) => write_pairs(pairs, secrets, out),
        Content::Parts(parts) => {
            list(parts, b"[]", out, |(headers, body), out| multipart::write_part(headers, body, secrets, out));
        }
        Content::Binary(bytes) => write_json_string(&BASE64.encode(mask::bytes(bytes, secrets)), out),
    }
}

/// Names in wire order; the values of a name that comes again become a list in its first place.
fn write_pairs(pairs: &[(String, String)], secrets: Secrets, out: &mut Vec<u8>) {
    let mut place: HashMap<&str, usize> = HashMap::new();
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, value) in pairs {
        let at = *place.entry(name).or_insert(grouped.len());
        match grouped.get_mut(at) {
            Some((_, values)) => values.push(value),
            None => grouped.push((name, vec![value])),
        }
    }
    list(&grouped, b"{}", out, |(name, values), out| {
        write_json_string(&mask::text(name, secrets), out);
        out.push(b':');
        let write = |value: &&str, out: &mut Vec<u8>| write_json_string(&mask::value(name, value, secrets), out);
        match values.as_slice() {
            [value] => write(value, out),
            values => list(values, b"[]", out, write),
        }
    });
}

/// Appends items with commas between them, in a pair of brackets.
fn list<T>(items: &[T], [open, close]: &[u8; 2], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(*open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(*close);
}

/// The document as lines for reading, secrets masked.
pub fn render(document: &Document, secrets: Secrets) -> Vec<Line> {
    let format = FORMATS.iter().find(|format| format.kind == document.kind);
    format.map_or_else(Vec::new, |format| (format.lines)(document, secrets))
}

/// What is copied: the lines for reading, a text's own lines, bytes in base64. Nothing in it acts on a terminal.
pub fn plain(document: &Document, secrets: Secrets) -> String {
    if let Content::Binary(bytes) = &document.value {
        return BASE64.encode(mask::bytes(bytes, secrets));
    }
    let mut out = String::new();
    for (i, line) in render(document, secrets).iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n("  ", usize::from(line.indent)));
        line.spans.iter().for_each(|(_, text)| out.push_str(text));
    }
    out
}

/// `name: value` for reading.
fn field(name: &str, value: &str) -> Line {
    let spans = vec![(Token::Key, escape(name)), (Token::Punctuation, ": ".to_owned()), (Token::Text, escape(value))];
    Line { indent: 0, spans }
}

#[cfg(test)]
mod tests;
