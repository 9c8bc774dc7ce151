//! Text on its way to a person: control bytes escaped, lines made of tokens that a theme can colour. Nothing here knows a terminal.

mod marks;

pub use marks::{Class, Marks};

/// What a run of characters is; a theme gives it a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Token {
    /// Just text.
    #[default]
    Plain,
    /// The name of a member, a field, an attribute.
    Key,
    /// A string value.
    Text,
    /// A number.
    Number,
    /// `true`, `false`, `null`, an enum's name.
    Word,
    /// Brackets, colons, tags' angle brackets.
    Punctuation,
    /// Offsets, hints: what is not being read.
    Dim,
    /// What is wrong.
    Error,
    /// What somebody looks for.
    Found,
}

/// One line, ready to be shown: control characters are escaped already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How deep it is nested, in steps.
    pub indent: u16,
    /// Its runs.
    pub spans: Vec<(Token, String)>,
}

impl Line {
    /// A line of one run.
    pub fn of(token: Token, text: impl Into<String>) -> Self {
        Self { indent: 0, spans: vec![(token, text.into())] }
    }

    /// The characters alone, without the indent.
    pub fn text(&self) -> String {
        self.spans.iter().map(|(_, s)| s.as_str()).collect()
    }
}

/// Whether a character would act on a terminal or break a line of output: C0, DEL, C1, U+2028, U+2029 and the characters
/// that turn the direction of text (U+202A to U+202E, U+2066 to U+2069).
pub const fn is_control(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with every control character shown as an escape: `\n`, `\t`, `\x1b`, `\u{2028}`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !is_control(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    out
}

/// How deep lines are indented at most: what is nested deeper than any screen is wide stays where it is.
pub const MAX_INDENT: u16 = 64;

/// The indent of a line that is nested `depth` deep.
pub fn indent(depth: usize) -> u16 {
    u16::try_from(depth).map_or(MAX_INDENT, |depth| depth.min(MAX_INDENT))
}

/// Appends `text` as a JSON string (RFC 8259 §7), quotes included. Whatever [`is_control`] is escaped, so that a line of output
/// stays one line and does nothing to a terminal.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, odd) = rest.split_at(plain(rest));
        out.extend_from_slice(plain.as_bytes());
        let mut chars = odd.chars();
        match chars.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some(control) => out.extend_from_slice(json_escape(control).as_bytes()),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push(b'"');
}

/// How many bytes at the beginning of a text are as they are in a JSON string.
pub fn plain(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let (simple, rest) = rest.split_at(simple(rest.as_bytes()));
        at += simple.len();
        match rest.chars().next() {
            Some(c) if !c.is_ascii() && !is_control(c) => at += c.len_utf8(),
            _ => break,
        }
    }
    at
}

/// Bytes that are not printable ASCII, quotes and backslashes: what may not stand as it is in a JSON string.
pub struct Odd;

impl Class for Odd {
    fn has(byte: u8) -> bool {
        !matches!(byte, 0x20..0x7f) || matches!(byte, b'"' | b'\\')
    }
}

/// How many bytes at the beginning are not odd: thirty-two at a time.
fn simple(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let passed = 32 * blocks.iter().take_while(|block| !block.iter().fold(false, |odd, byte| odd | Odd::has(*byte))).count();
    let rest = bytes.get(passed..).unwrap_or_default();
    passed + rest.iter().position(|byte| Odd::has(*byte)).unwrap_or(rest.len())
}

/// A character that [`is_control`] in a JSON string. All of them are in the basic plane: no surrogates.
pub fn json_escape(control: char) -> String {
    format!("\\u{:04x}", control as u32)
}

/// Undoes `%XX` (RFC 3986 §2.1); a plus sign becomes `plus`. A `%` that no two digits follow stays.
pub fn percent(text: &str, plus: u8) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_string_is_one_line_and_reads_back() {
        let all: String = (0..0x3000).chain(0x1f600..0x1f610).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        write_json_string(&all, &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(!out.chars().any(is_control));
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), all);
    }

    #[test]
    fn what_is_plain_ends_at_the_first_odd_character_wherever_it_stands() {
        for odd in ['"', '\\', '\0', '\x1f', '\x7f', '\u{80}', '\u{9f}', '\u{2028}', '\u{202e}', '\u{2069}'] {
            for fill in ["a", " ", "~", "!", "#", "[", "]", "ä", "\u{a0}", "–", "漢", "\u{1f600}"] {
                for before in 0..20 {
                    let plain_part = fill.repeat(before);
                    for after in ["", "a", "\"\"\"\"\"\"\"\"\"", "ab\x01cdefghijkl"] {
                        assert_eq!(plain(&format!("{plain_part}{odd}{after}")), plain_part.len(), "{plain_part}{odd:?}{after}");
                    }
                    assert_eq!(plain(&plain_part), plain_part.len());
                }
            }
        }
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        assert_eq!(escape("a\x1b[2J\u{9b}\n\u{2028}ü漢"), "a\\x1b[2J\\x9b\\n\\u{2028}ü漢");
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!escape(&all).chars().any(is_control));
    }
}
