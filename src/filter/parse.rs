//! Tokens to an expression, each value checked against its field. It says where it stopped and what it expected there.

use super::FilterError;
use super::expr::{Cmp, Expr, Literal, OPS, Op, Pattern, Value};
use super::field::{Common, FIELDS, Field, HEADER, Holds, dotted};
use super::lex::{Kind, Token, Tokens, error_at};
use super::terms;
use crate::units;
use std::ops::Range;

/// Reads a filter.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    let after = "'and' or 'or' (text with spaces goes in quotes)";
    terms::read(text, "a field or text", after, &|tokens, token| tokens.term(token))
}

impl<'a> Tokens<'a> {
    fn term(&mut self, token: &'a Token) -> Result<Expr, FilterError> {
        match &token.kind {
            Kind::Word(word) => self.test(word, token.start),
            Kind::Quoted(text) if self.op().is_none() => self.search(text, token.start),
            _ => Err(self.expected(self.peek(), "'and' or 'or' after text in quotes")),
        }
    }

    fn search(&self, text: &str, at: usize) -> Result<Expr, FilterError> {
        Pattern::search(text).map(Expr::Search).map_err(|e| error_at(self.text, at, e))
    }

    /// A word: the left side of a comparison, a bare field, or a search.
    fn test(&mut self, word: &str, at: usize) -> Result<Expr, FilterError> {
        let Some(op) = self.op() else {
            return match Field::certain(word) {
                Some(field) => Ok(Expr::Is(field)),
                None if dotted(word) => match self.search(word, at)? {
                    Expr::Search(pattern) => Ok(Expr::IsOr(Field::Own(word.to_owned()), pattern)),
                    other => Ok(other),
                },
                None => self.search(word, at),
            };
        };
        let Some(field) = Field::named(word) else {
            return Err(error_at(self.text, at, unknown(word)));
        };
        let sign = self.take();
        if !allowed(&field, op) {
            let fit: Vec<_> = OPS.iter().filter(|(_, op)| allowed(&field, *op)).map(|(sign, _)| *sign).collect();
            return Err(self.expected(sign, &format!("one of {} after '{field}'", fit.join(" "))));
        }
        if op == Op::In {
            let values = self.list(|tokens| {
                let (text, at) = tokens.value(&field)?;
                tokens.literal(&field, text, at)
            })?;
            return Ok(Expr::OneOf(field, values));
        }
        let (text, at) = self.value(&field)?;
        match Cmp::of(op) {
            Some(cmp) if cmp.orders() && matches!(field, Field::Common(Common::Status)) && text.parse::<f64>().is_err() => {
                Err(error_at(self.text, at, format!("'{}' is no number: only numbers have an order", crate::text::escape(text))))
            }
            Some(cmp) => Ok(Expr::Compare(field.clone(), cmp, self.literal(&field, text, at)?)),
            None if op == Op::Contains => Ok(Expr::Contains(field, text.to_owned())),
            None => Ok(Expr::Matches(field, Pattern::regex(text).map_err(|e| error_at(self.text, at, e))?)),
        }
    }

    fn value(&mut self, field: &Field) -> Result<(&'a str, usize), FilterError> {
        match self.take() {
            Some(Token { kind: Kind::Word(text) | Kind::Quoted(text), start, .. }) => Ok((text, *start)),
            other => Err(self.expected(other, &format!("{} for '{field}'", wanted(field.holds())))),
        }
    }

    fn literal(&self, field: &Field, text: &str, at: usize) -> Result<Literal, FilterError> {
        let value = match field.holds() {
            Holds::Text | Holds::Any => Ok(Value::Text),
            Holds::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("'{text}' is neither true nor false")),
            },
            Holds::Span => units::span(text).map(|span| exactly(span.nanos().into())),
            Holds::Size => units::size(text).map(|bytes| exactly(bytes.into())),
            Holds::Count => text.parse().map(|n: u64| exactly(n.into())).map_err(|_| format!("'{text}' is no whole number")),
            Holds::Time => moment(text),
        };
        let value = value.map_err(|e| error_at(self.text, at, crate::text::escape(&e)))?;
        Ok(Literal { text: text.to_owned(), value })
    }
}

/// Whether a field can be compared so.
fn allowed(field: &Field, op: Op) -> bool {
    match field.holds() {
        Holds::Any => true,
        Holds::Text => !Cmp::of(op).is_some_and(Cmp::orders),
        Holds::Bool => matches!(op, Op::Eq | Op::Ne),
        Holds::Span | Holds::Size | Holds::Count | Holds::Time => !matches!(op, Op::Matches | Op::Contains),
    }
}

/// What a field is compared with, for errors.
fn wanted(holds: Holds) -> &'static str {
    match holds {
        Holds::Text | Holds::Any => "a value",
        Holds::Bool => "true or false",
        Holds::Span => "a time (as in 250ms)",
        Holds::Size => "a size (as in 4KiB)",
        Holds::Count => "a whole number",
        Holds::Time => "a moment (RFC 3339, or HH:MM:SS in UTC)",
    }
}

fn unknown(word: &str) -> String {
    let names: Vec<_> = FIELDS.iter().map(|(name, ..)| *name).collect();
    let word = crate::text::escape(word);
    format!("unknown field '{word}'; fields are {} {HEADER}NAME and the protocols' own (http.method)", names.join(" "))
}

fn exactly(n: i128) -> Value {
    Value::Quantity(n..n + 1)
}

/// A moment as exact as it is written: RFC 3339 (UTC where it names no offset), a date, or a time of day in UTC.
fn moment(text: &str) -> Result<Value, String> {
    let clock = text.parse::<jiff::civil::Time>().ok().filter(|_| text.contains(':') && !text.contains('-'));
    let stamp = || {
        text.parse::<jiff::Timestamp>().ok().or_else(|| {
            let local: jiff::civil::DateTime = text.parse().ok()?;
            jiff::tz::Offset::UTC.to_timestamp(local).ok()
        })
    };
    let range = |from: i128| from..from + exactness(text);
    if let Some(clock) = clock {
        let nanos = clock.duration_since(jiff::civil::Time::midnight()).as_nanos();
        return Ok(Value::Clock(range(nanos)));
    }
    match stamp() {
        Some(stamp) => Ok(Value::Quantity(range(stamp.as_nanosecond()))),
        None => Err(format!("'{text}' is no moment: RFC 3339, or HH:MM:SS in UTC")),
    }
}

/// How long the shortest unit is that a moment names.
fn exactness(text: &str) -> i128 {
    let fraction = text.split_once('.').map(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    match fraction {
        Some(digits) => 10i128.pow(9u32.saturating_sub(u32::try_from(digits).unwrap_or(9))),
        None => match text.matches(':').count() {
            0 => 86_400_000_000_000,
            1 => 60_000_000_000,
            _ => 1_000_000_000,
        },
    }
}

/// The time of day of a moment, both in nanoseconds.
pub fn of_day(nanos: i128) -> i128 {
    nanos.rem_euclid(86_400_000_000_000)
}

/// Where a quantity stands to the range that counts as equal.
pub fn order(n: i128, range: &Range<i128>) -> std::cmp::Ordering {
    if n < range.start {
        std::cmp::Ordering::Less
    } else if n < range.end {
        std::cmp::Ordering::Equal
    } else {
        std::cmp::Ordering::Greater
    }
}
