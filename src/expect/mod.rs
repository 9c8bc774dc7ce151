//! Expectations of a run: what `--expect` understands, and whether it held. Not how a broken one is told: that is `report`'s.
//!
//! ```text
//! expr    = and { ("or" | "||") and }         and = not { ("and" | "&&") not }         not = ("not" | "!") not | "(" expr ")" | test
//! test    = subject "(" which ")" op number   op  = == != < <= > >=
//! subject = count     flows that match a display filter
//!         | findings  each once, however often it was seen:   kind severity service title count
//!         | traces    each once, as it was at the end:        hops services service errors dur complete trace op
//! ```
//! Nothing between the parentheses is all of them. Of findings a kind alone is a test too (`findings(trace_lost or trace_restarted)`).
//!
//! All is counted as it passes, and exactly, in bounded memory: of each test a number, and of the newest [`MAX_OPEN`] traces which tests they
//! met, since they may grow. What is older is taken not to grow any more.

mod judge;
mod parse;
mod test;

use crate::filter::{Cmp, Filter, FilterError};
pub use judge::{Blame, Judge, MAX_OPEN, MAX_PROOFS};
use std::fmt;
pub use test::Test;

/// An expectation.
#[derive(Clone, Debug)]
pub struct Expectation {
    text: String,
    what: Logic<Subject>,
}

impl Expectation {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.trim().to_owned(), what: parse::parse(text)? })
    }

    /// The same, counting flows by a filter that sees what is shown.
    #[must_use]
    pub fn seeing(mut self, see: impl Fn(Filter) -> Filter) -> Self {
        self.what.each_mut(&mut |subject| {
            if let Which::Flows(Some(filter)) = &mut subject.which {
                *filter = see(filter.clone());
            }
        });
        self
    }
}

/// The text as it was given.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is counted, and how many it is to be.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As it was written.
    text: String,
    which: Which,
    cmp: Cmp,
    number: u64,
}

impl Subject {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is counted.
    pub fn which(&self) -> &Which {
        &self.which
    }

    fn holds(&self, count: u64) -> bool {
        self.cmp.holds(count.cmp(&self.number))
    }

    /// Whether more would have made it come out otherwise than it does with so many.
    pub fn wants_more(&self, count: u64) -> bool {
        let held = self.holds(count);
        match self.cmp {
            Cmp::Gt | Cmp::Ge => !held,
            Cmp::Lt | Cmp::Le => held,
            Cmp::Eq => {
                if held {
                    count == 0
                } else {
                    count < self.number
                }
            }
            Cmp::Ne => {
                if held {
                    count < self.number
                } else {
                    self.number == 0
                }
            }
        }
    }
}

/// What a subject counts; without a test all.
#[derive(Clone, Debug)]
pub enum Which {
    /// Flows.
    Flows(Option<Filter>),
    /// Findings.
    Findings(Option<Logic<Test>>),
    /// Traces.
    Traces(Option<Logic<Test>>),
}

/// Tests, joined.
#[derive(Clone, Debug)]
pub enum Logic<T> {
    /// All of them hold.
    All(Vec<Self>),
    /// One of them holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A test.
    Is(T),
}

impl<T> Logic<T> {
    /// Whether it holds where `test` says which tests do.
    fn holds(&self, test: &dyn Fn(&T) -> bool) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.holds(test)),
            Self::Any(terms) => terms.iter().any(|term| term.holds(test)),
            Self::Not(term) => !term.holds(test),
            Self::Is(this) => test(this),
        }
    }

    /// The tests, in the order of the text.
    fn each<'l>(&'l self, tell: &mut dyn FnMut(&'l T)) {
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter().for_each(|term| term.each(tell)),
            Self::Not(term) => term.each(tell),
            Self::Is(this) => tell(this),
        }
    }

    fn each_mut(&mut self, tell: &mut dyn FnMut(&mut T)) {
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter_mut().for_each(|term| term.each_mut(tell)),
            Self::Not(term) => term.each_mut(tell),
            Self::Is(this) => tell(this),
        }
    }

    /// The tests because of which it does not come to `wanted`.
    fn blamed<'l>(&'l self, wanted: bool, test: &dyn Fn(&T) -> bool, tell: &mut dyn FnMut(&'l T)) {
        if self.holds(test) == wanted {
            return;
        }
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter().for_each(|term| term.blamed(wanted, test, tell)),
            Self::Not(term) => term.blamed(!wanted, test, tell),
            Self::Is(this) => tell(this),
        }
    }
}

#[cfg(test)]
mod tests;
