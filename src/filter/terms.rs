//! Terms joined by `and`, `or`, `not` and parentheses, and lists of values: as display filters and expectations read them alike. What a
//! term is, is theirs.

use super::FilterError;
use super::expr::Op;
use super::lex::{Kind, Token, Tokens, error_at, lex};

/// Longest text, in bytes: far more than a person writes, and a bound on what is compiled from it.
const MAX_TEXT: usize = 8192;
/// Deepest nesting of parentheses and `not`, so that no text overflows the stack.
const MAX_DEPTH: usize = 64;

/// What terms can be joined to.
pub(crate) trait Terms: Sized {
    /// Any of them; of one it is that one.
    fn any(terms: Vec<Self>) -> Self;
    /// All of them, likewise.
    fn all(terms: Vec<Self>) -> Self;
    /// It does not hold.
    fn not(self) -> Self;
}

/// Reads a term that begins with a token.
pub(crate) type Term<'l, T> = &'l dyn for<'t> Fn(&mut Tokens<'t>, &'t Token) -> Result<T, FilterError>;

/// Reads a whole text: `what` is what a term is called, `after` what may follow one, for errors.
pub(crate) fn read<T: Terms>(text: &str, what: &str, after: &str, term: Term<'_, T>) -> Result<T, FilterError> {
    if text.len() > MAX_TEXT {
        return Err(error_at(text, 0, format!("longer than {MAX_TEXT} bytes")));
    }
    let tokens = lex(text)?;
    let mut tokens = Tokens { text, tokens: &tokens, next: 0 };
    let whole = tokens.terms(what, term)?;
    match tokens.peek() {
        None => Ok(whole),
        token => Err(tokens.expected(token, after)),
    }
}

impl<'a> Tokens<'a> {
    /// Terms, joined.
    pub(crate) fn terms<T: Terms>(&mut self, what: &str, term: Term<'_, T>) -> Result<T, FilterError> {
        self.any_of(0, what, term)
    }

    fn any_of<T: Terms>(&mut self, depth: usize, what: &str, term: Term<'_, T>) -> Result<T, FilterError> {
        let mut terms = vec![self.all_of(depth, what, term)?];
        while self.take_if(&Kind::Or) {
            terms.push(self.all_of(depth, what, term)?);
        }
        Ok(T::any(terms))
    }

    fn all_of<T: Terms>(&mut self, depth: usize, what: &str, term: Term<'_, T>) -> Result<T, FilterError> {
        let mut terms = vec![self.not_of(depth, what, term)?];
        while self.take_if(&Kind::And) {
            terms.push(self.not_of(depth, what, term)?);
        }
        Ok(T::all(terms))
    }

    fn not_of<T: Terms>(&mut self, depth: usize, what: &str, term: Term<'_, T>) -> Result<T, FilterError> {
        let Some(token) = self.take() else { return Err(self.expected(None, what)) };
        if depth > MAX_DEPTH {
            return Err(error_at(self.text, token.start, format!("nested deeper than {MAX_DEPTH}")));
        }
        match token.kind {
            Kind::Not => Ok(self.not_of(depth + 1, what, term)?.not()),
            Kind::Open('(') => {
                let inner = self.any_of(depth + 1, what, term)?;
                self.close(token)?;
                Ok(inner)
            }
            Kind::Word(_) | Kind::Quoted(_) => term(self, token),
            Kind::Open(_) | Kind::Close(_) | Kind::Comma | Kind::And | Kind::Or | Kind::Op(_) => {
                Err(self.expected(Some(token), what))
            }
        }
    }

    /// The `)` for a `(`.
    pub(crate) fn close(&mut self, open: &Token) -> Result<(), FilterError> {
        match self.take() {
            Some(token) if token.kind == Kind::Close(')') => Ok(()),
            other => Err(self.expected(other, &format!("')' for the '(' at {}", error_at(self.text, open.start, "").at + 1))),
        }
    }

    /// The sign that comes next, where one does.
    pub(crate) fn op(&self) -> Option<Op> {
        match self.peek()?.kind {
            Kind::Op(op) => Some(op),
            _ => None,
        }
    }

    /// `(a, b)` or `{a, b}`, behind `in`.
    pub(crate) fn list<V>(&mut self, value: impl Fn(&mut Self) -> Result<V, FilterError>) -> Result<Vec<V>, FilterError> {
        let open = self.take();
        let close = match open.map(|t| &t.kind) {
            Some(Kind::Open('(')) => ')',
            Some(Kind::Open('{')) => '}',
            _ => return Err(self.expected(open, "a list in '()' or '{}' after 'in'")),
        };
        let mut values = Vec::new();
        loop {
            values.push(value(self)?);
            let after = self.take();
            match after.map(|t| &t.kind) {
                Some(Kind::Comma) => {}
                Some(Kind::Close(c)) if *c == close => return Ok(values),
                _ => return Err(self.expected(after, &format!("',' or '{close}'"))),
            }
        }
    }
}
