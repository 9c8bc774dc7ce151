//! Text to an expectation, with the display filter's tokens and its way to say where something is wrong.

use super::test::{FINDING, Fields, Holds, How, Literal, TRACE, Test, allowed, kinds, literal};
use super::{Logic, Subject, Which};
use crate::filter::{Cmp, Filter, FilterError, Kind, Op, Regex, Token, Tokens, error_at, lex};
use crate::text::escape;

/// Longest text, in bytes, as a display filter's.
const MAX_TEXT: usize = 8192;
/// Deepest nesting of parentheses and `not`, so that no text overflows the stack.
const MAX_DEPTH: usize = 64;

const SUBJECT: &str = "count(…), findings(…) or traces(…)";

/// Reads an expectation.
pub fn parse(text: &str) -> Result<Logic<Subject>, FilterError> {
    if text.len() > MAX_TEXT {
        return Err(error_at(text, 0, format!("longer than {MAX_TEXT} bytes")));
    }
    let tokens = lex(text)?;
    let mut reader = Tokens { text, tokens: &tokens, next: 0 };
    let logic = reader.any_of(0, SUBJECT, &|reader, word, at| reader.subject(word, at))?;
    match reader.peek() {
        None => Ok(logic),
        Some(_) => Err(reader.expected(reader.peek(), "'and' or 'or'")),
    }
}

/// Reads a test that begins with a word.
type Leaf<'l, 'a, T> = &'l dyn Fn(&mut Tokens<'a>, &'a str, usize) -> Result<T, FilterError>;

impl<'a> Tokens<'a> {
    fn any_of<T>(&mut self, depth: usize, what: &str, leaf: Leaf<'_, 'a, T>) -> Result<Logic<T>, FilterError> {
        let mut terms = vec![self.all_of(depth, what, leaf)?];
        while self.take_if(&Kind::Or) {
            terms.push(self.all_of(depth, what, leaf)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Logic::Any(terms) })
    }

    fn all_of<T>(&mut self, depth: usize, what: &str, leaf: Leaf<'_, 'a, T>) -> Result<Logic<T>, FilterError> {
        let mut terms = vec![self.not_of(depth, what, leaf)?];
        while self.take_if(&Kind::And) {
            terms.push(self.not_of(depth, what, leaf)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Logic::All(terms) })
    }

    fn not_of<T>(&mut self, depth: usize, what: &str, leaf: Leaf<'_, 'a, T>) -> Result<Logic<T>, FilterError> {
        let token = self.take();
        let Some(Token { kind, start, .. }) = token else { return Err(self.expected(None, what)) };
        if depth > MAX_DEPTH {
            return Err(error_at(self.text, *start, format!("nested deeper than {MAX_DEPTH}")));
        }
        match kind {
            Kind::Not => Ok(Logic::Not(Box::new(self.not_of(depth + 1, what, leaf)?))),
            Kind::Open('(') => {
                let inner = self.any_of(depth + 1, what, leaf)?;
                self.close(*start)?;
                Ok(inner)
            }
            Kind::Word(word) => leaf(self, word, *start).map(Logic::Is),
            _ => Err(self.expected(token, what)),
        }
    }

    /// The `)` for a `(` at a byte.
    fn close(&mut self, open: usize) -> Result<&'a Token, FilterError> {
        match self.take() {
            Some(token) if token.kind == Kind::Close(')') => Ok(token),
            other => Err(self.expected(other, &format!("')' for the '(' at {}", error_at(self.text, open, "").at + 1))),
        }
    }

    /// `count(not ok) == 0`
    fn subject(&mut self, word: &'a str, at: usize) -> Result<Subject, FilterError> {
        if !["count", "findings", "traces"].contains(&word) {
            return Err(error_at(self.text, at, format!("expected {SUBJECT}, found {}", escape(word))));
        }
        let open = match self.take() {
            Some(token) if token.kind == Kind::Open('(') => token,
            other => return Err(self.expected(other, &format!("'(' after '{word}'"))),
        };
        let all = self.peek().is_some_and(|t| t.kind == Kind::Close(')'));
        let which = match word {
            "count" => Which::Flows(if all { None } else { Some(self.filter(open)?) }),
            "findings" => Which::Findings(if all { None } else { Some(self.tests(FINDING)?) }),
            _ => Which::Traces(if all { None } else { Some(self.tests(TRACE)?) }),
        };
        self.close(open.start)?;
        let sign = self.take();
        let cmp = match sign.map(|t| &t.kind) {
            Some(Kind::Op(op)) => Cmp::of(*op),
            _ => None,
        };
        let Some(cmp) = cmp else { return Err(self.expected(sign, &format!("one of == != < <= > >= after '{word}(…)'"))) };
        let value = self.take();
        let number = match value.map(|t| &t.kind) {
            Some(Kind::Word(text)) => text.parse().ok(),
            _ => None,
        };
        let Some(number) = number else { return Err(self.expected(value, "a whole number")) };
        let end = value.map_or(self.text.len(), |t| t.end);
        let text = self.text.get(at..end).unwrap_or_default().to_owned();
        Ok(Subject { text, which, cmp, number })
    }

    /// A display filter, up to the parenthesis that closes the one at `open`.
    fn filter(&mut self, open: &Token) -> Result<Filter, FilterError> {
        let mut depth = 0;
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Open('(') => depth += 1,
                Kind::Close(')') if depth == 0 => break,
                Kind::Close(')') => depth -= 1,
                _ => {}
            }
            self.next += 1;
        }
        let end = self.peek().map_or(self.text.len(), |t| t.start);
        if self.peek().is_none() {
            self.close(open.start)?;
        }
        let before = self.text.get(..open.end).unwrap_or_default().chars().count();
        Filter::parse(self.text.get(open.end..end).unwrap_or_default())
            .map_err(|e| FilterError { at: before + e.at, message: e.message })
    }

    fn tests(&mut self, fields: Fields) -> Result<Logic<Test>, FilterError> {
        self.any_of(0, if of_findings(fields) { "a kind of finding or a field" } else { "a field" }, &|reader, word, at| {
            reader.field(fields, word, at)
        })
    }

    /// `hops >= 4`, `complete`, `trace_lost`
    fn field(&mut self, fields: Fields, word: &'a str, at: usize) -> Result<Test, FilterError> {
        let named = fields.iter().find(|(name, ..)| *name == word);
        let sign = self.peek();
        let op = match sign.map(|t| &t.kind) {
            Some(Kind::Op(op)) => Some(*op),
            _ => None,
        };
        let Some(&(name, field, holds)) = named else {
            return match (of_findings(fields), op) {
                (true, None) if kinds().contains(&word) => {
                    let kind = Literal::Text(word.to_owned());
                    Ok(Test { field: FINDING[0].1, how: How::Compare(Cmp::Eq, kind) })
                }
                _ => Err(error_at(self.text, at, unknown(fields, word, op.is_none()))),
            };
        };
        let Some(op) = op else { return Ok(Test { field, how: How::Is }) };
        self.next += 1;
        if !allowed(holds, op) {
            let fit = crate::filter::OPS.iter().filter(|(_, op)| allowed(holds, *op)).map(|(sign, _)| *sign);
            return Err(self.expected(sign, &format!("one of {} after '{name}'", fit.collect::<Vec<_>>().join(" "))));
        }
        let how = match (op, Cmp::of(op)) {
            (_, Some(cmp)) => How::Compare(cmp, self.one(name, holds)?.0),
            (Op::In, _) => How::OneOf(self.several(name, holds)?),
            (Op::Contains, _) => How::Contains(self.one(name, Holds::Text)?.1.to_owned()),
            _ => {
                let at = self.peek().map_or(self.text.len(), |t| t.start);
                let (_, text) = self.one(name, Holds::Text)?;
                How::Matches(Regex::regex(text).map_err(|e| error_at(self.text, at, e))?)
            }
        };
        Ok(Test { field, how })
    }

    fn one(&mut self, name: &str, holds: Holds) -> Result<(Literal, &'a str), FilterError> {
        match self.take() {
            Some(Token { kind: Kind::Word(text) | Kind::Quoted(text), start, .. }) => {
                literal(holds, text).map(|value| (value, text.as_str())).map_err(|e| error_at(self.text, *start, escape(&e)))
            }
            other => Err(self.expected(other, &format!("a value for '{name}'"))),
        }
    }

    fn several(&mut self, name: &str, holds: Holds) -> Result<Vec<Literal>, FilterError> {
        let open = self.take();
        let close = match open.map(|t| &t.kind) {
            Some(Kind::Open('(')) => ')',
            Some(Kind::Open('{')) => '}',
            _ => return Err(self.expected(open, "a list in '()' or '{}' after 'in'")),
        };
        let mut values = Vec::new();
        loop {
            values.push(self.one(name, holds)?.0);
            let after = self.take();
            match after.map(|t| &t.kind) {
                Some(Kind::Comma) => {}
                Some(Kind::Close(c)) if *c == close => return Ok(values),
                _ => return Err(self.expected(after, &format!("',' or '{close}'"))),
            }
        }
    }
}

/// Whether these are the fields of findings, whose kinds are words of their own.
fn of_findings(fields: Fields) -> bool {
    std::ptr::eq(fields, FINDING)
}

/// A word that is no field, with those that are.
fn unknown(fields: Fields, word: &str, bare: bool) -> String {
    let names: Vec<_> = fields.iter().map(|(name, ..)| *name).collect();
    let (word, names) = (escape(word), names.join(" "));
    if of_findings(fields) && bare {
        return format!("unknown kind of finding '{word}'; kinds are {}; fields are {names}", kinds().join(" "));
    }
    format!("unknown field '{word}'; fields are {names}")
}
