//! Text to tokens. A word after a comparison is a value, and may hold what would be an operator elsewhere.

use super::FilterError;
use super::expr::Op;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `(` or `{`.
    Open(char),
    /// `)` or `}`.
    Close(char),
    /// `,`.
    Comma,
    /// `and`, `&&`.
    And,
    /// `or`, `||`.
    Or,
    /// `not`, `!`.
    Not,
    /// Stands between a field and its value.
    Op(Op),
    /// A bare word.
    Word(String),
    /// Text in quotes, escapes undone.
    Quoted(String),
}

/// A token and the bytes of the text that it stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

const SIGNS: &[(&str, Kind)] = &[
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("==", Kind::Op(Op::Eq)),
    ("!=", Kind::Op(Op::Ne)),
    ("<=", Kind::Op(Op::Le)),
    (">=", Kind::Op(Op::Ge)),
    ("<", Kind::Op(Op::Lt)),
    (">", Kind::Op(Op::Gt)),
    ("~", Kind::Op(Op::Matches)),
    ("!", Kind::Not),
    ("(", Kind::Open('(')),
    ("{", Kind::Open('{')),
    (")", Kind::Close(')')),
    ("}", Kind::Close('}')),
    (",", Kind::Comma),
];

const WORDS: &[(&str, Kind)] =
    &[("and", Kind::And), ("or", Kind::Or), ("not", Kind::Not), ("contains", Kind::Op(Op::Contains)), ("in", Kind::Op(Op::In))];

/// What comes next, which decides where a word ends.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Term,
    Value,
    List,
}

/// All tokens of a text.
pub fn lex(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut expect = Expect::Term;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let start = at + (rest.len() - rest.trim_start().len());
        let Some(rest) = text.get(start..).filter(|r| !r.is_empty()) else { break };
        let (kind, len) = token(rest, expect).map_err(|message| error_at(text, start, message))?;
        expect = match (&kind, expect) {
            (Kind::Op(Op::In), Expect::Term) => Expect::List,
            (Kind::Op(_), Expect::Term) => Expect::Value,
            (Kind::Close(_), _) | (_, Expect::Value) => Expect::Term,
            (_, stays) => stays,
        };
        at = start + len;
        tokens.push(Token { kind, start, end: at });
    }
    Ok(tokens)
}

/// An error at a byte of a text.
pub fn error_at(text: &str, byte: usize, message: impl Into<String>) -> FilterError {
    FilterError { at: text.get(..byte).unwrap_or(text).chars().count(), message: message.into() }
}

/// The first token of a text that begins with no space.
fn token(rest: &str, expect: Expect) -> Result<(Kind, usize), String> {
    if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
        return quoted(rest, quote);
    }
    let sign = SIGNS.iter().find(|(sign, kind)| rest.starts_with(sign) && (expect == Expect::Term || ends_value(kind)));
    if let Some((sign, kind)) = sign {
        return Ok((kind.clone(), sign.len()));
    }
    let stops = |(i, c): (usize, char)| match c {
        '(' | ')' | '{' | '}' | ',' | '"' => true,
        '&' | '|' if expect != Expect::Term => rest.get(i..).is_some_and(|r| r.starts_with("&&") || r.starts_with("||")),
        '=' | '!' | '<' | '>' | '~' | '&' | '|' => expect == Expect::Term,
        c => c.is_whitespace(),
    };
    let len = rest.char_indices().find(|&at| stops(at)).map_or(rest.len(), |(i, _)| i);
    let word = rest.get(..len).unwrap_or_default();
    match word {
        "" if rest.starts_with('=') => Err("expected '==', found '='".to_owned()),
        "" => {
            let sign: String = rest.chars().take(1).collect();
            Err(format!("expected '{sign}{sign}', found '{sign}'"))
        }
        word if expect == Expect::Term => {
            let known = WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            Ok((known.map_or_else(|| Kind::Word(word.to_owned()), |(_, kind)| kind.clone()), len))
        }
        word => Ok((Kind::Word(word.to_owned()), len)),
    }
}

/// Signs that no bare value can hold.
fn ends_value(kind: &Kind) -> bool {
    matches!(kind, Kind::Open(_) | Kind::Close(_) | Kind::Comma | Kind::And | Kind::Or)
}

fn quoted(rest: &str, quote: char) -> Result<(Kind, usize), String> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Kind::Quoted(out), i + 1)),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\'' | '\\'))) => out.push(c),
                Some((_, c)) => out.extend(['\\', c]),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(format!("expected {quote} at the end of the text that begins here"))
}

/// Tokens, read one after the other.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    pub(crate) text: &'a str,
    pub(crate) tokens: &'a [Token],
    pub(crate) next: usize,
}

impl<'a> Tokens<'a> {
    /// The next one.
    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    /// The next one, which is passed over.
    pub(crate) fn take(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.next += usize::from(token.is_some());
        token
    }

    /// Passes over the next one, if it is of a kind; whether it was.
    pub(crate) fn take_if(&mut self, kind: &Kind) -> bool {
        let is = self.peek().is_some_and(|t| t.kind == *kind);
        self.next += usize::from(is);
        is
    }

    /// The error that a token (or the end) is not what was expected.
    pub(crate) fn expected(&self, token: Option<&Token>, what: &str) -> FilterError {
        match token {
            None => error_at(self.text, self.text.len(), format!("expected {what}, found the end")),
            Some(t) => {
                let found: String = self.text.get(t.start..t.end).unwrap_or_default().chars().take(40).collect();
                error_at(self.text, t.start, format!("expected {what}, found {}", crate::text::escape(&found)))
            }
        }
    }
}
