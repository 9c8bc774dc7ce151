//! XML: kept as it was sent, shown with an element a line. Entities are not resolved, document types not read.

use super::{Content, Document, Format, Kind, MediaType, Raw, plain};
use crate::mask::{self, Secrets};
use crate::text::{self, Line, Token};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// The registry's line.
pub(super) const FORMAT: Format = Format { kind: Kind::Xml, claims, sniff, read, lines };

fn claims(media: &MediaType) -> bool {
    matches!(media.essence.as_str(), "application/xml" | "text/xml") || media.essence.ends_with("+xml")
}

/// A declaration tells it whatever the type says; without a type, a start tag that no HTML begins with.
fn sniff(raw: &Raw<'_>) -> Option<Content> {
    let text = raw.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw.bytes).trim_ascii_start();
    let declared = text.starts_with(b"<?xml") && (raw.media.essence != "text/html");
    let html =
        || [&b"<html"[..], b"<head", b"<body"].iter().any(|tag| text.get(..5).is_some_and(|t| t.eq_ignore_ascii_case(tag)));
    let tagged = || {
        let start = matches!(text, [b'<', first, ..] if first.is_ascii_alphabetic());
        start && (raw.cut || text.trim_ascii_end().ends_with(b">")) && !html()
    };
    if declared || (raw.media.essence.is_empty() && tagged()) { read(raw).ok() } else { None }
}

fn read(raw: &Raw<'_>) -> Result<Content, String> {
    plain::decoded(raw).map(Content::Text)
}

fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let Content::Text(xml) = &document.value else { return Vec::new() };
    let xml = mask::text(xml, secrets);
    pretty(&xml, document.cut).unwrap_or_else(|| plain::by_line(&xml))
}

/// None where it is not well-formed; what was cut is shown as far as it goes.
fn pretty(xml: &str, cut: bool) -> Option<Vec<Line>> {
    let mut reader = Reader::from_str(xml);
    let mut page = Page::default();
    loop {
        let before = reader.buffer_position();
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                page.end_line();
                page.tag(&tag, ">");
                page.depth += 1;
                page.opened = true;
            }
            Ok(Event::Empty(tag)) => {
                page.end_line();
                page.tag(&tag, "/>");
                page.end_line();
            }
            Ok(Event::End(tag)) => {
                page.depth = page.depth.saturating_sub(1);
                if !page.opened {
                    page.end_line();
                }
                page.push(Token::Punctuation, "</");
                page.push(Token::Key, tag.name().as_ref());
                page.push(Token::Punctuation, ">");
                page.end_line();
            }
            Ok(Event::Text(words)) => page.words(&words),
            Ok(Event::GeneralRef(name)) => page.push(Token::Word, &format!("&{};", &*name)),
            Ok(Event::CData(words)) => page.push(Token::Text, &format!("<![CDATA[{}]]>", &*words)),
            Ok(Event::Comment(words)) => page.aside(&format!("<!--{}-->", &*words)),
            Ok(Event::Decl(words)) => page.aside(&format!("<?{}?>", &*words)),
            Ok(Event::PI(words)) => page.aside(&format!("<?{}?>", &*words)),
            Ok(Event::DocType(words)) => page.aside(&format!("<!DOCTYPE {}>", &*words)),
            Ok(Event::Eof) if page.depth == 0 || cut => break,
            Err(_) if cut => {
                let rest = usize::try_from(before).ok().and_then(|at| xml.get(at..)).unwrap_or_default();
                page.push(Token::Plain, rest);
                break;
            }
            Ok(Event::Eof) | Err(_) => return None,
        }
    }
    page.end_line();
    Some(page.lines)
}

#[derive(Default)]
struct Page {
    lines: Vec<Line>,
    line: Line,
    depth: usize,
    /// Whether the line began with a start tag that nothing but text followed.
    opened: bool,
}

impl Page {
    fn push(&mut self, token: Token, word: &str) {
        if word.is_empty() {
            return;
        }
        if self.line.spans.is_empty() {
            self.line.indent = text::indent(self.depth);
        }
        self.line.spans.push((token, text::escape(word)));
    }

    /// Text within an element: white space with a line's end in it is layout, and so is all that stands alone.
    fn words(&mut self, words: &str) {
        let after_reference = matches!(self.line.spans.last(), Some((Token::Word, _)));
        if words.contains('\n') {
            self.push(Token::Text, &words.split_whitespace().collect::<Vec<_>>().join(" "));
        } else if after_reference || !words.trim().is_empty() {
            self.push(Token::Text, words);
        }
    }

    /// What is no content: a line of its own.
    fn aside(&mut self, words: &str) {
        self.end_line();
        self.push(Token::Dim, words);
        self.end_line();
    }

    fn tag(&mut self, tag: &BytesStart<'_>, end: &str) {
        self.push(Token::Punctuation, "<");
        self.push(Token::Key, tag.name().as_ref());
        match tag.attributes().with_checks(false).collect::<Result<Vec<_>, _>>() {
            Ok(attributes) => attributes.iter().for_each(|attribute| {
                let quote = if attribute.value.contains('"') { '\'' } else { '"' };
                self.push(Token::Key, &format!(" {}", attribute.key.as_ref()));
                self.push(Token::Punctuation, "=");
                self.push(Token::Text, &format!("{quote}{}{quote}", attribute.value));
            }),
            // no attributes, but what was sent
            Err(_) => self.push(Token::Error, tag.attributes_raw()),
        }
        self.push(Token::Punctuation, end);
    }

    fn end_line(&mut self) {
        self.opened = false;
        if !self.line.spans.is_empty() {
            self.lines.push(std::mem::take(&mut self.line));
        }
    }
}
