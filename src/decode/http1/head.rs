//! Heads of HTTP/1 messages (RFC 9112 §2 to §5): the first line, the fields, and what they say of the body.

use crate::decode::cursor::Cursor;
use crate::model::{BodyHint, Headers, text_of};
use compact_str::CompactString;

/// The longest method, protocol token or field name that is taken for one.
const LONGEST_TOKEN: usize = 64;

/// Methods that are believed where the bytes before them were not seen.
pub const METHODS: &[&[u8]] =
    &[b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"PROPFIND", b"QUERY", b"REPORT"];

/// Whether a first line that is not yet whole may be a status line, or a request line with one of these.
pub fn may_be_known(data: &[u8]) -> bool {
    let begins = |with: &[u8]| data.iter().zip(with).all(|(a, b)| a == b);
    begins(b"HTTP/1.") || METHODS.iter().any(|method| begins(method) && data.get(method.len()).is_none_or(|b| *b == b' '))
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// `POST /orders HTTP/1.1`
    Request {
        /// The method, as sent.
        method: &'a [u8],
        /// The request target, as sent.
        target: &'a [u8],
        /// `0.9`, `1.0` or `1.1`.
        version: &'static str,
    },
    /// `HTTP/1.1 201 Created`
    Status {
        /// `1.0` or `1.1`.
        version: &'static str,
        /// The status code.
        code: u16,
    },
}

/// What parsing came to.
#[derive(Debug)]
pub enum Parsed<T> {
    /// All of it, and its length.
    Whole(T, usize),
    /// Fine so far; more is needed.
    Partial,
    /// Not an HTTP/1 message.
    Bad,
}

/// Field lines, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Block {
    /// The fields.
    pub headers: Headers,
    /// Whether lines were passed over because they are no fields, or too many.
    pub sloppy: bool,
}

/// How a direction starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With a request line.
    Request,
    /// With a status line.
    Response,
}

/// Parses the first line.
pub fn start(kind: Kind, data: &[u8]) -> Parsed<Start<'_>> {
    let mut cursor = Cursor::new(data);
    let Some(line) = cursor.line() else {
        return if plausible(kind, data) { Parsed::Partial } else { Parsed::Bad };
    };
    let parsed = match kind {
        Kind::Request => request_line(line),
        Kind::Response => status_line(line),
    };
    parsed.map_or(Parsed::Bad, |start| Parsed::Whole(start, cursor.position()))
}

/// Parses field lines up to the empty line that ends them; `most` fields are kept.
pub fn fields(data: &[u8], most: usize) -> Parsed<Block> {
    let (block, length, ended) = collect(data, most);
    if ended { Parsed::Whole(block, length) } else { Parsed::Partial }
}

/// The field lines that are there whole, of a head that was cut.
pub fn fields_so_far(data: &[u8], most: usize) -> Block {
    collect(data, most).0
}

fn collect(data: &[u8], most: usize) -> (Block, usize, bool) {
    let mut cursor = Cursor::new(data);
    let mut block = Block { headers: Headers::with_capacity(12, data.len().min(1024)), sloppy: false };
    // obsolete line folding (RFC 9112 §5.2) joins a line to the field before it
    let mut folded: Option<(&[u8], Vec<u8>)> = None;
    let mut plain: Option<(&[u8], &[u8])> = None;
    loop {
        let line = cursor.line();
        if let (Some(line), true) = (line, line.is_some_and(|l| matches!(l.first(), Some(b' ' | b'\t'))))
            && let Some((name, mut value)) = folded.take().or_else(|| plain.take().map(|(n, v)| (n, v.to_vec())))
        {
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            folded = Some((name, value));
            continue;
        }
        // a field ends where the next line does not continue it: at a cut that is not known
        let open = line.is_none() && cursor.rest().first().is_none_or(|b| matches!(b, b' ' | b'\t'));
        if open {
            return (block, cursor.position(), false);
        }
        if let Some((name, value)) = plain.take() {
            block.add(name, value, most);
        } else if let Some((name, value)) = folded.take() {
            block.add(name, &value, most);
        }
        match line {
            None => return (block, cursor.position(), false),
            Some([]) => return (block, cursor.position(), true),
            Some(line) => match field(line) {
                Some(pair) => plain = Some(pair),
                None => block.sloppy = true,
            },
        }
    }
}

impl Block {
    fn add(&mut self, name: &[u8], value: &[u8], most: usize) {
        if self.headers.len() < most {
            self.headers.push(name, value);
        } else {
            self.sloppy = true;
        }
    }
}

/// A field line's name and value. White space before the colon is tolerated, as clients do (RFC 9112 §5.1).
pub fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?.trim_ascii_end(), line.get(colon + 1..)?.trim_ascii());
    (is_token(name) && !value.contains(&0)).then_some((name, value))
}

fn request_line(line: &[u8]) -> Option<Start<'_>> {
    let space = memchr::memchr(b' ', line)?;
    let (method, rest) = (line.get(..space)?, line.get(space + 1..)?);
    if !is_token(method) {
        return None;
    }
    let Some(end) = memchr::memrchr(b' ', rest) else {
        // HTTP/0.9: `GET /path` and nothing else (RFC 1945 §5)
        return (method == b"GET" && rest.starts_with(b"/") && is_clean(rest)).then_some(Start::Request {
            method,
            target: rest,
            version: "0.9",
        });
    };
    let (target, version) = (rest.get(..end)?.trim_ascii(), version(rest.get(end + 1..)?)?);
    (!target.is_empty()).then_some(Start::Request { method, target, version })
}

fn status_line(line: &[u8]) -> Option<Start<'_>> {
    let version = version(line.get(..8)?)?;
    let rest = line.get(8..)?.strip_prefix(b" ")?;
    let code = rest.get(..3).filter(|c| c.iter().all(u8::is_ascii_digit))?;
    let code = code.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    (code >= 100 && matches!(rest.get(3), None | Some(b' '))).then_some(Start::Status { version, code })
}

/// `HTTP/1.x`: a minor version above 1 is read as 1.1 (RFC 9110 §6.2).
fn version(text: &[u8]) -> Option<&'static str> {
    match text {
        b"HTTP/1.0" => Some("1.0"),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => Some("1.1"),
        _ => None,
    }
}

/// Whether an unfinished first line may still become one.
fn plausible(kind: Kind, data: &[u8]) -> bool {
    match kind {
        Kind::Response => {
            let prefix = b"HTTP/1.";
            data.iter().zip(prefix).all(|(a, b)| a == b) && data.get(prefix.len()).is_none_or(u8::is_ascii_digit)
        }
        Kind::Request => match memchr::memchr(b' ', data) {
            None => data.len() <= LONGEST_TOKEN && data.iter().all(|&b| is_tchar(b)),
            Some(space) => is_token(data.get(..space).unwrap_or_default()),
        },
    }
}

/// A target that the grammar allows has no control characters (RFC 9112 §3.2). One that has is read all the same where the place is
/// sure; spaces are tolerated inside, as servers do.
pub fn is_clean(target: &[u8]) -> bool {
    is_text(target)
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| b >= 0x20 && b != 0x7f || b == b'\t' || b == b'\r')
}

/// A token (RFC 9110 §5.6.2) of a length that somebody would write.
pub fn is_token(bytes: &[u8]) -> bool {
    (1..=LONGEST_TOKEN).contains(&bytes.len()) && bytes.iter().all(|&b| is_tchar(b))
}

fn is_tchar(b: u8) -> bool {
    TCHARS.get(usize::from(b)).is_some_and(|is| *is)
}

/// Which bytes a token is made of (RFC 9110 §5.6.2): each byte of each name is looked up.
const TCHARS: [bool; 256] = {
    let mut is = [false; 256];
    let mut b = 0;
    while b < 256 {
        is[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let (marks, mut at) = (b"!#$%&'*+-.^_`|~", 0);
    while at < marks.len() {
        is[marks[at] as usize] = true;
        at += 1;
    }
    is
};

/// `Content-Length` (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Not said.
    Unsaid,
    /// So many bytes.
    Bytes(u64),
    /// Several that differ, or no number.
    Broken,
}

/// `Transfer-Encoding` (RFC 9112 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// None.
    Plain,
    /// Chunked, as the last coding.
    Chunked,
    /// Another one: only the end of the connection ends the body.
    Other,
}

/// What the fields say of the body.
#[derive(Debug)]
pub struct Meaning {
    /// Its length.
    pub length: Length,
    /// Its framing.
    pub transfer: Transfer,
    /// What a reader of the body needs.
    pub hint: BodyHint,
    /// The first protocol of `Upgrade`.
    pub upgrade: Option<CompactString>,
}

/// Reads the fields that decide where the message ends and what its body is.
pub fn meaning(headers: &Headers) -> Meaning {
    let mut m = Meaning { length: Length::Unsaid, transfer: Transfer::Plain, hint: BodyHint::default(), upgrade: None };
    let mut transfer_codings: Vec<CompactString> = Vec::new();
    for (name, value) in headers.iter() {
        // their length tells most fields apart from these five
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => m.length = content_length(m.length, value),
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                m.hint.media_type.get_or_insert_with(|| text_of(value).into());
            }
            16 if name.eq_ignore_ascii_case(b"content-encoding") => m.hint.encodings.extend(codings(value)),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => transfer_codings.extend(codings(value)),
            7 if name.eq_ignore_ascii_case(b"upgrade") => m.upgrade = m.upgrade.or_else(|| codings(value).next()),
            _ => {}
        }
    }
    if let Some(last) = transfer_codings.pop() {
        m.transfer = if &*last == "chunked" { Transfer::Chunked } else { Transfer::Other };
        m.hint.encodings.extend(transfer_codings);
        if m.transfer == Transfer::Other {
            m.hint.encodings.push(last);
        }
    }
    m
}

/// Comma-separated names, lower case; parameters dropped.
fn codings(value: &[u8]) -> impl Iterator<Item = CompactString> {
    value
        .split(|&b| b == b',')
        .map(|item| item.split(|&b| b == b';').next().unwrap_or_default().trim_ascii())
        .filter(|item| !item.is_empty() && !item.eq_ignore_ascii_case(b"identity"))
        .map(|item| text_of(item).to_ascii_lowercase().into())
}

/// A repeated field or a list of the same number counts once (RFC 9110 §8.6).
fn content_length(so_far: Length, value: &[u8]) -> Length {
    value.split(|&b| b == b',').fold(so_far, |so_far, item| {
        let digits = item.trim_ascii();
        let number = (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
            .then(|| std::str::from_utf8(digits).ok()?.parse::<u64>().ok())
            .flatten();
        match (so_far, number) {
            (Length::Unsaid, Some(n)) => Length::Bytes(n),
            (Length::Bytes(a), Some(b)) if a == b => Length::Bytes(a),
            _ => Length::Broken,
        }
    })
}
