//! Finds values under secret names in text of any kind, in one pass and without a parser. What is secret is the parent's to say.

use super::{is_secret_name, may_be_secret, may_end_secret};
use crate::text::{Class, Marks};
use memchr::{memchr, memmem, memrchr};
use std::ops::Range;

/// What is known of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Valid JSON: a quote after `token=` ends a string.
    Json,
    /// Anything: a quote after `token=` begins a value.
    Any,
}

/// A secret value.
#[derive(Debug)]
pub(super) struct Hit {
    /// Where it is.
    pub range: Range<usize>,
    /// Whether it stands between the quotes of a member's string.
    pub string: bool,
    /// Where a string has to stand for what was none: with how many backslashes before its quotes.
    pub quoted: Option<usize>,
}

/// All secret values, in order. Linear: what a name is looked for in, back from its colon or equals sign, is looked through once, as
/// a name holds neither quotes nor equals signs; what a value is looked for in is not looked at again, or ends where the next begins.
pub(super) fn hits(text: &[u8], syntax: Syntax) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut joints = Marks::<Joint>::new(text);
    let mut at = 0;
    while let Some(i) = joints.next(at) {
        let hit = match text.get(i) {
            Some(b':') => user(text, i).or_else(|| member(text, i)),
            Some(b'=') => parameter(text, i, syntax),
            _ => element(text, i, syntax),
        };
        at = i + 1;
        // an empty string is as secret as another; elsewhere nothing hides nothing
        if let Some(hit) = hit.filter(|hit| hit.string || !hit.range.is_empty()) {
            at = hit.range.end;
            hits.push(hit);
        }
    }
    hits
}

/// What stands between a name and its value.
struct Joint;

impl Class for Joint {
    fn has(byte: u8) -> bool {
        matches!(byte, b':' | b'=' | b'<')
    }
}

/// `"name": value`, its quotes behind as many backslashes as the strings that it is inside of demand (0, 1, 3, 7 …).
fn member(text: &[u8], colon: usize) -> Option<Hit> {
    // as most are written, and few are secret
    if to(text, colon).split_last().is_some_and(|(last, before)| *last == b'"' && ends_otherwise(before)) {
        return None;
    }
    let close = to(text, colon).iter().rposition(|b| !b.is_ascii_whitespace())?;
    let backslashes = backslashes_before(text, close, 0);
    if text.get(close) != Some(&b'"') || !(backslashes + 1).is_power_of_two() {
        return None;
    }
    let end = close - backslashes;
    // names are short: a search by vectors would not pay
    let open = to(text, end).iter().rposition(|&b| b == b'"')?;
    if backslashes_before(text, open, 0) != backslashes || !secret(text.get(open + 1..end)?) {
        return None;
    }
    let start = skip_space(text, colon + 1);
    let run = from(text, start).iter().take_while(|&&b| b == b'\\').count();
    Some(match text.get(start + run)? {
        b'"' if run == backslashes => {
            let start = start + run + 1;
            Hit { range: start..string_end(text, start, backslashes), string: true, quoted: None }
        }
        b'{' | b'[' if run == 0 => {
            Hit { range: start..brackets_end(text, start, backslashes), string: false, quoted: Some(backslashes) }
        }
        _ => {
            let length = from(text, start).iter().position(|b| b",]}\"\\\r\n".contains(b));
            Hit { range: start..length.map_or(text.len(), |l| start + l), string: false, quoted: Some(backslashes) }
        }
    })
}

/// White space, and inside strings its escapes.
fn skip_space(text: &[u8], mut at: usize) -> usize {
    loop {
        let space = from(text, at).iter().take_while(|b| b.is_ascii_whitespace()).count();
        let rest = from(text, at + space);
        let run = rest.iter().take_while(|&&b| b == b'\\').count();
        at += space;
        match rest.get(run) {
            Some(b'n' | b'r' | b't') if run > 0 => at += run + 1,
            _ => return at,
        }
    }
}

/// The end of a string whose quotes have `own` backslashes: its closing quote, that of a string around it, or the end of the text.
fn string_end(text: &[u8], start: usize, own: usize) -> usize {
    let mut at = start;
    while let Some(quote) = memchr(b'"', from(text, at)).map(|i| at + i) {
        let run = backslashes_before(text, quote, at);
        if run % (2 * (own + 1)) == own {
            return quote - own;
        }
        if run % (own + 1) != own {
            return quote - run;
        }
        at = quote + 1;
    }
    text.len()
}

/// Past the bracket that closes the one at `start`, or up to what ends it sooner.
fn brackets_end(text: &[u8], start: usize, own: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => {
                let run = backslashes_before(text, at, start);
                if run != own {
                    return at - run;
                }
                let end = string_end(text, at + 1, own);
                if backslashes_before(text, end + own, end) != own || text.get(end + own) != Some(&b'"') {
                    return end;
                }
                at = end + own;
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// `name=value`, as in queries, forms, cookies, attributes.
fn parameter(text: &[u8], equals: usize, syntax: Syntax) -> Option<Hit> {
    let part_of_name = |b: &u8| b.is_ascii_alphanumeric() || b"_-.[]%".contains(b) || !b.is_ascii();
    let name = to(text, equals).iter().rposition(|b| !part_of_name(b)).map_or(0, |i| i + 1);
    if !secret(text.get(name..equals)?) {
        return None;
    }
    let start = equals + 1;
    let run = from(text, start).iter().take_while(|&&b| b == b'\\').count();
    let range = match (syntax, text.get(start + run)) {
        (Syntax::Any, Some(b'"')) if (run + 1).is_power_of_two() => start + run + 1..string_end(text, start + run + 1, run),
        (Syntax::Any, Some(b'\'')) if run == 0 => {
            start + 1..memchr(b'\'', from(text, start + 1)).map_or(text.len(), |length| start + 1 + length)
        }
        _ => start..word_end(text, start),
    };
    Some(Hit { range, string: false, quoted: None })
}

/// Where a value without quotes ends.
fn word_end(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        match byte {
            b'&' | b'"' | b'<' | b'>' => return at,
            b if b.is_ascii_whitespace() => return at,
            b'\\' if matches!(text.get(at + 1), Some(b'"' | b'n' | b'r' | b't')) => return at,
            // an escape is taken whole
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// `<name …>value</name`.
fn element(text: &[u8], open: usize, syntax: Syntax) -> Option<Hit> {
    let rest = from(text, open + 1);
    let length = rest.iter().position(|b| !b.is_ascii_alphanumeric() && !b"_-.:".contains(b) && b.is_ascii())?;
    let name = to(rest, length);
    let local = name.rsplit(|&b| b == b':').next()?;
    // elements are called `key` for other reasons (S3's lists, property lists)
    if !secret(local) || local.eq_ignore_ascii_case(b"key") {
        return None;
    }
    let close = rest.iter().position(|b| matches!(b, b'<' | b'>'))?;
    if rest.get(close) != Some(&b'>') || rest.get(close.checked_sub(1)?) == Some(&b'/') {
        return None;
    }
    let start = open + 1 + close + 1;
    let ending = [b"</", name].concat();
    let mut end = memmem::find(from(text, start), &ending).map_or(text.len(), |i| start + i);
    if syntax == Syntax::Json {
        end = end.min(string_end(text, start, 0));
    }
    Some(Hit { range: start..end, string: false, quoted: None })
}

/// `://user:password@`; a user without a password is one (a token). Slashes may be escaped, as some write them in JSON.
fn user(text: &[u8], colon: usize) -> Option<Hit> {
    let slashes = match from(text, colon + 1) {
        [b'/', b'/', ..] => 2,
        [b'\\', b'/', b'\\', b'/', ..] => 4,
        _ => return None,
    };
    let start = colon + 1 + slashes;
    let authority = from(text, start);
    let length = authority.iter().position(|b| b"/?#\"\\<>".contains(b) || b.is_ascii_whitespace()).unwrap_or(authority.len());
    let at = memrchr(b'@', to(authority, length))?;
    let password = memchr(b':', to(authority, at)).map_or(0, |i| i + 1);
    Some(Hit { range: start + password..start + at, string: false, quoted: None })
}

/// Whether a name, as it was written, is secret.
fn secret(name: &[u8]) -> bool {
    let escaped = name.iter().any(|b| matches!(b, b'%' | b'\\'));
    if !escaped && !may_be_secret(name) {
        return false;
    }
    let name = String::from_utf8_lossy(name);
    if !escaped {
        return is_secret_name(&name);
    }
    is_secret_name(&String::from_utf8_lossy(&crate::text::percent(&unescaped(&name), b'+')))
}

/// Whether no name that ends here is secret, wherever it begins: by its last two letters, where no escape stands for others.
fn ends_otherwise(text: &[u8]) -> bool {
    text.last_chunk::<6>().is_some_and(|last| {
        let [.., before, end] = *last;
        let letters = before.is_ascii_alphabetic() && end.is_ascii_alphabetic();
        letters && !may_end_secret(before, end) && !last.iter().fold(false, |odd, b| odd | matches!(b, b'%' | b'\\'))
    })
}

/// `\u0041` as the character, behind however many backslashes.
fn unescaped(name: &str) -> String {
    let mut parts = name.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escape = part.strip_prefix('u').and_then(|part| part.split_at_checked(4));
        let decoded = escape.and_then(|(digits, rest)| Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, rest)));
        match decoded {
            Some((c, rest)) => {
                out.push(c);
                out.push_str(rest);
            }
            None => out.push_str(part),
        }
    }
    out
}

/// How many backslashes stand right before `at`, none counted before `floor`.
fn backslashes_before(text: &[u8], at: usize, floor: usize) -> usize {
    text.get(floor..at).unwrap_or_default().iter().rev().take_while(|&&b| b == b'\\').count()
}

fn from(text: &[u8], at: usize) -> &[u8] {
    text.get(at..).unwrap_or_default()
}

fn to(text: &[u8], end: usize) -> &[u8] {
    text.get(..end).unwrap_or_default()
}
