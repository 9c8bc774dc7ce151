//! JSON (RFC 8259): a strict scanner that keeps the wire's own tokens, and its lines for reading. Not a data model: numbers are
//! never converted, keys never merged.

use super::{Content, Document, Format, Kind, MediaType, Raw};
use crate::mask::{self, Secrets};
use crate::text::{self, Line, Marks, Odd, Token};

/// The registry's line.
pub(super) const FORMAT: Format = Format { kind: Kind::Json, claims, sniff, read, lines };

/// How deep arrays and objects may nest. Deeper is legal (RFC 8259 §9 lets a reader set a limit), but serde_json refuses 128
/// levels, and a body sits up to a dozen levels deep in its flow's line; no real service comes near.
pub const MAX_DEPTH: usize = 100;

fn claims(media: &MediaType) -> bool {
    matches!(media.essence.as_str(), "application/json" | "text/json" | "application/x-json" | "text/x-json")
        || media.essence.ends_with("+json")
}

/// An object or array is JSON whatever its type says (`curl -d '{"a":1}'` says it is a form), but for types that are lines of JSON
/// or that wrap other things.
fn sniff(raw: &Raw<'_>) -> Option<Content> {
    let own = matches!(raw.media.essence.as_str(), "text/event-stream" | "application/x-ndjson" | "application/ndjson")
        || raw.media.essence.starts_with("multipart/");
    let open = raw.bytes.iter().find(|b| !b.is_ascii_whitespace() && !BOM.contains(b))?;
    if own || !matches!(open, b'{' | b'[') {
        return None;
    }
    read(raw).ok()
}

const BOM: &[u8] = b"\xef\xbb\xbf";

fn read(raw: &Raw<'_>) -> Result<Content, String> {
    let skipped = if raw.bytes.starts_with(BOM) { BOM.len() } else { 0 };
    let bytes = raw.bytes.get(skipped..).unwrap_or_default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // a character that the limit cut through
        Err(e) if raw.cut && e.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(e) => return Err(format!("invalid JSON at byte {}: not UTF-8", skipped + e.valid_up_to())),
    };
    match compact(text) {
        Ok(json) if !raw.cut => Ok(Content::Json(json)),
        Ok(_) => Ok(Content::Text(text.to_owned())),
        Err(fault) if raw.cut && fault.ended => Ok(Content::Text(text.to_owned())),
        Err(fault) => Err(format!("invalid JSON at byte {}: {}", skipped + fault.at, fault.what)),
    }
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte at which it stops being JSON.
    pub at: usize,
    /// What was wrong there.
    pub what: &'static str,
    /// Whether it was only the end that came too early.
    pub ended: bool,
}

/// The text's own tokens without the white space between them, control characters inside strings escaped.
pub fn compact(text: &str) -> Result<String, Fault> {
    let odd = Marks::new(text.as_bytes());
    let mut scan = Scan { text, odd, at: 0, out: String::with_capacity(text.len()), copied: 0 };
    // the brackets that close what is open
    let mut open: Vec<u8> = Vec::new();
    loop {
        match scan.next() {
            Some(bracket @ (b'{' | b'[')) => {
                if open.len() == MAX_DEPTH {
                    return Err(scan.fault("nested too deeply"));
                }
                scan.take();
                let close = if bracket == b'{' { b'}' } else { b']' };
                open.push(close);
                if scan.next() != Some(close) {
                    if close == b'}' {
                        scan.key()?;
                    }
                    continue;
                }
            }
            first => scan.scalar(first)?,
        }
        // what follows a value
        loop {
            match (scan.next(), open.last()) {
                (None, None) => return Ok(scan.end()),
                (Some(_), None) => return Err(scan.fault("more after the end")),
                (Some(b','), Some(close)) => {
                    scan.take();
                    if *close == b'}' {
                        scan.key()?;
                    }
                    break;
                }
                (Some(byte), Some(close)) if byte == *close => {
                    scan.take();
                    open.pop();
                }
                _ => return Err(scan.fault("a comma or the end of the list was expected")),
            }
        }
    }
}

struct Scan<'a> {
    text: &'a str,
    odd: Marks<'a, Odd>,
    at: usize,
    out: String,
    /// Up to where the text is in `out`, or left out of it.
    copied: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> Fault {
        let ended = self.at >= self.text.len();
        Fault { at: self.at, what: if ended { "it ends early" } else { what }, ended }
    }

    /// The first byte after white space, which is left out.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        if matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.leave_out(rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count());
        }
        self.peek()
    }

    /// Takes over what was passed, and leaves out the next `length` bytes.
    fn leave_out(&mut self, length: usize) {
        self.out.push_str(self.text.get(self.copied..self.at).unwrap_or_default());
        self.at += length;
        self.copied = self.at;
    }

    fn end(mut self) -> String {
        self.leave_out(0);
        self.out
    }

    /// Passes one byte, which is there.
    fn take(&mut self) {
        self.at += 1;
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), Fault> {
        if self.next() != Some(b'"') {
            return Err(self.fault("a key was expected"));
        }
        self.string()?;
        if self.next() != Some(b':') {
            return Err(self.fault("a colon was expected"));
        }
        self.take();
        Ok(())
    }

    fn scalar(&mut self, first: Option<u8>) -> Result<(), Fault> {
        match first {
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.fault("a value was expected")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        for byte in word.bytes() {
            if self.peek() != Some(byte) {
                return Err(self.fault("a value was expected"));
            }
            self.take();
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.take();
        }
        if self.peek() == Some(b'0') {
            self.take()
        } else {
            self.digits()?
        }
        if self.peek() == Some(b'.') {
            self.take();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.take();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.take();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.fault("a digit was expected"));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.take();
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.take();
        loop {
            self.at = self.odd.next(self.at).unwrap_or(self.text.len());
            match self.peek() {
                Some(b'"') => {
                    self.take();
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..0x20) => return Err(self.fault("a control character inside a string")),
                Some(_) => match self.text.get(self.at..).and_then(|rest| rest.chars().next()).unwrap_or_default() {
                    control if text::is_control(control) => {
                        self.leave_out(control.len_utf8());
                        self.out.push_str(&text::json_escape(control));
                    }
                    plain => self.at += plain.len_utf8(),
                },
                None => return Err(self.fault("it ends early")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.take();
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.take(),
            Some(b'u') => {
                self.take();
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.fault("four hexadecimal digits were expected"));
                    }
                    self.take();
                }
            }
            _ => return Err(self.fault("an unknown escape")),
        }
        Ok(())
    }
}

/// Valid JSON, or the beginning of one that was cut: one line an element, a key with its value.
pub(super) fn lines(document: &Document, secrets: Secrets) -> Vec<Line> {
    let json = match &document.value {
        Content::Json(json) => mask::json(json, secrets),
        Content::Text(begun) => mask::text(begun, secrets),
        Content::Empty | Content::Pairs(_) | Content::Parts(_) | Content::Binary(_) => return Vec::new(),
    };
    let mut pretty = Pretty::default();
    let mut tokens = Tokens(&json).peekable();
    while let Some((token, word)) = tokens.next() {
        let next = tokens.peek().map_or("", |&(_, word)| word);
        match word {
            "{" | "[" if matches!(next, "}" | "]") => {
                tokens.next();
                pretty.push(token, if word == "{" { "{}" } else { "[]" });
            }
            "{" | "[" => {
                pretty.push(token, word);
                pretty.depth += 1;
                pretty.end_line();
            }
            "}" | "]" => {
                pretty.end_line();
                pretty.depth = pretty.depth.saturating_sub(1);
                pretty.push(token, word);
            }
            "," => {
                pretty.push(token, word);
                pretty.end_line();
            }
            ":" => pretty.push(token, ": "),
            _ if token == Token::Text && next == ":" => pretty.push(Token::Key, word),
            _ => pretty.push(token, word),
        }
    }
    pretty.end_line();
    pretty.lines
}

#[derive(Default)]
struct Pretty {
    lines: Vec<Line>,
    line: Line,
    depth: usize,
}

impl Pretty {
    fn push(&mut self, token: Token, word: &str) {
        if self.line.spans.is_empty() {
            self.line.indent = text::indent(self.depth);
        }
        self.line.spans.push((token, text::escape(word)));
    }

    fn end_line(&mut self) {
        if !self.line.spans.is_empty() {
            self.lines.push(std::mem::take(&mut self.line));
        }
    }
}

/// Tokens of JSON, of whatever else as far as it looks like it.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = (Token, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let first = self.0.chars().next()?;
        let (token, length) = match first {
            '{' | '}' | '[' | ']' | ',' | ':' => (Token::Punctuation, 1),
            '"' => (Token::Text, string_length(self.0)),
            _ => {
                let end = |c: char| "{}[],:\" \t\r\n".contains(c);
                let token = if first == '-' || first.is_ascii_digit() { Token::Number } else { Token::Word };
                (token, self.0.find(end).unwrap_or(self.0.len()))
            }
        };
        let (word, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((token, word))
    }
}

/// Up to the closing quote of the string that `text` starts with, or all of it.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (i, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}
