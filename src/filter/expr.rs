//! What a filter is once it is read. It prints as a text that reads back as the same filter.

use super::Needs;
use super::field::Field;
use super::terms::Terms;
use regex::{Regex, RegexBuilder};
use std::fmt;
use std::ops::Range;

/// Compiled size of one regex: enough for a few hundred alternatives, and a bound on what a pasted one can cost.
const REGEX_BYTES: usize = 1 << 20;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them hold; at least two, cheapest first.
    All(Vec<Self>),
    /// One of them holds; likewise.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The field is present and true.
    Is(Field),
    /// The same where the flow has this field, else a search for the word.
    IsOr(Field, Pattern),
    /// The text is somewhere in what is visible.
    Search(Pattern),
    /// Compares.
    Compare(Field, Cmp, Literal),
    /// Is one of several.
    OneOf(Field, Vec<Literal>),
    /// Holds a text.
    Contains(Field, String),
    /// Matches a regex.
    Matches(Field, Pattern),
}

/// An operator between field and value, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `~`
    Matches,
    /// `contains`
    Contains,
    /// `in`
    In,
}

/// All operators as they are written.
pub const OPS: &[(&str, Op)] = &[
    ("==", Op::Eq),
    ("!=", Op::Ne),
    ("<", Op::Lt),
    ("<=", Op::Le),
    (">", Op::Gt),
    (">=", Op::Ge),
    ("~", Op::Matches),
    ("contains", Op::Contains),
    ("in", Op::In),
];

/// The operators that compare one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A value as it was written, and what it is for its field.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// As written.
    pub text: String,
    /// As read.
    pub value: Value,
}

/// A value for the kind of its field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The text itself.
    Text,
    /// Yes or no.
    Bool(bool),
    /// Nanoseconds, bytes, a count: all that count as equal.
    Quantity(Range<i128>),
    /// Nanoseconds of the day, UTC.
    Clock(Range<i128>),
}

/// A regex, compiled once.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// As compiled.
    pub regex: Regex,
}

impl Pattern {
    /// A regex as it is written.
    pub fn regex(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
        Ok(Self { text: text.to_owned(), regex: regex.map_err(|e| reason(&e))? })
    }

    /// A case-blind search for a text.
    pub fn search(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(&regex::escape(text)).case_insensitive(true).size_limit(REGEX_BYTES).build();
        Ok(Self { text: text.to_owned(), regex: regex.map_err(|e| reason(&e))? })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// The last line of a regex error says what is wrong; the others draw the text.
fn reason(error: &regex::Error) -> String {
    let text = match error {
        regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
        other => other.to_string(),
    };
    let last = text.lines().last().unwrap_or_default();
    format!("this is no regular expression: {}", last.trim_start_matches("error: "))
}

impl Cmp {
    /// The operator that compares with one value, if it is one.
    pub fn of(op: Op) -> Option<Self> {
        match op {
            Op::Eq => Some(Self::Eq),
            Op::Ne => Some(Self::Ne),
            Op::Lt => Some(Self::Lt),
            Op::Le => Some(Self::Le),
            Op::Gt => Some(Self::Gt),
            Op::Ge => Some(Self::Ge),
            Op::Matches | Op::Contains | Op::In => None,
        }
    }

    /// Whether it asks for an order.
    pub fn orders(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }

    /// Whether it holds for `left` and `right` that stand in this order.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// As it is written.
    fn sign(self) -> &'static str {
        OPS.iter().find(|(_, op)| Self::of(*op) == Some(self)).map_or("", |(sign, _)| sign)
    }
}

impl Terms for Expr {
    fn any(terms: Vec<Self>) -> Self {
        Self::joined(terms, Self::Any)
    }

    fn all(terms: Vec<Self>) -> Self {
        Self::joined(terms, Self::All)
    }

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl Expr {
    /// Cheapest first, so that bodies are decoded only for flows that pass the rest.
    fn joined(mut terms: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        terms.sort_by_key(Self::needs);
        match terms.len() {
            1 => terms.remove(0),
            _ => join(terms),
        }
    }

    /// What must be read to decide it.
    pub fn needs(&self) -> Needs {
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter().map(Self::needs).max().unwrap_or(Needs::Row),
            Self::Not(term) => term.needs(),
            Self::Search(_) | Self::IsOr(..) => Needs::Bodies,
            // that there is a body is the row's to know
            Self::Is(Field::Common(_)) => Needs::Row,
            Self::Is(field)
            | Self::Compare(field, ..)
            | Self::OneOf(field, _)
            | Self::Contains(field, _)
            | Self::Matches(field, _) => field.needs(),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(terms) => join(f, terms, " and "),
            Self::Any(terms) => join(f, terms, " or "),
            Self::Not(term) => write!(f, "not {}", Inner(term)),
            Self::Is(field) | Self::IsOr(field, _) => write!(f, "{field}"),
            Self::Search(pattern) => write!(f, "{}", Quoted(&pattern.text)),
            Self::Compare(field, cmp, value) => write!(f, "{field} {} {}", cmp.sign(), Quoted(&value.text)),
            Self::Contains(field, text) => write!(f, "{field} contains {}", Quoted(text)),
            Self::Matches(field, pattern) => write!(f, "{field} ~ {}", Quoted(&pattern.text)),
            Self::OneOf(field, values) => {
                write!(f, "{field} in (")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, Quoted(&value.text))?;
                }
                f.write_str(")")
            }
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, terms: &[Expr], by: &str) -> fmt::Result {
    for (i, term) in terms.iter().enumerate() {
        write!(f, "{}{}", if i == 0 { "" } else { by }, Inner(term))?;
    }
    Ok(())
}

/// An expression inside another one.
struct Inner<'a>(&'a Expr);

impl fmt::Display for Inner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::All(_) | Expr::Any(_) => write!(f, "({})", self.0),
            term => write!(f, "{term}"),
        }
    }
}

/// A text in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
