//! Text to an expectation, with the display filter's tokens and its way to say where something is wrong.

use super::test::{FINDING, Fields, Holds, How, Literal, TRACE, Test, allowed, kinds, literal};
use super::{Logic, Subject, Which};
use crate::filter::{Cmp, Filter, FilterError, Kind, Op, Regex, Terms, Token, Tokens, error_at, read};
use crate::text::escape;

const SUBJECT: &str = "count(…), findings(…) or traces(…)";

/// Reads an expectation.
pub fn parse(text: &str) -> Result<Logic<Subject>, FilterError> {
    read(text, SUBJECT, "'and' or 'or'", &|reader, token| {
        let word = reader.word(token, SUBJECT)?;
        reader.subject(word, token.start).map(Logic::Is)
    })
}

impl<T> Terms for Logic<T> {
    fn any(mut terms: Vec<Self>) -> Self {
        if terms.len() == 1 { terms.remove(0) } else { Self::Any(terms) }
    }

    fn all(mut terms: Vec<Self>) -> Self {
        if terms.len() == 1 { terms.remove(0) } else { Self::All(terms) }
    }

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl<'a> Tokens<'a> {
    fn word(&self, token: &'a Token, what: &str) -> Result<&'a str, FilterError> {
        match &token.kind {
            Kind::Word(word) => Ok(word),
            _ => Err(self.expected(Some(token), what)),
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
        self.close(open)?;
        let cmp = self.op().and_then(Cmp::of);
        let sign = self.take();
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
            self.close(open)?;
        }
        let before = self.text.get(..open.end).unwrap_or_default().chars().count();
        Filter::parse(self.text.get(open.end..end).unwrap_or_default())
            .map_err(|e| FilterError { at: before + e.at, message: e.message })
    }

    fn tests(&mut self, fields: Fields) -> Result<Logic<Test>, FilterError> {
        let what = if of_findings(fields) { "a kind of finding or a field" } else { "a field" };
        self.terms(what, &|reader, token| {
            let word = reader.word(token, what)?;
            reader.field(fields, word, token.start).map(Logic::Is)
        })
    }

    /// `hops >= 4`, `complete`, `trace_lost`
    fn field(&mut self, fields: Fields, word: &'a str, at: usize) -> Result<Test, FilterError> {
        let named = fields.iter().find(|(name, ..)| *name == word);
        let (sign, op) = (self.peek(), self.op());
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
            (Op::In, _) => How::OneOf(self.list(|reader| Ok(reader.one(name, holds)?.0))?),
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
