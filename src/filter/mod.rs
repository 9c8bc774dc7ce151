//! The display filter language: what `-Y`, the filter line of the screen and the `count(…)` of `--expect` understand.
//!
//! ```text
//! expr  = and { ("or" | "||") and }           and = not { ("and" | "&&") not }
//! not   = ("not" | "!") not | "(" expr ")" | test
//! test  = field cmp value | field "in" ("(" | "{") value { "," value } (")" | "}") | field | word | "text"
//! cmp   = == != < <= > >= ~ contains
//! ```
//!
//! A bare field means present and true. A bare word that is no field, and text in quotes (`"…"` or `'…'`, with `\"`, `\'` and `\\`; any other
//! backslash stays, so that regexes read as usual), is a case-blind search in everything visible. A bare word with a dot (`grpc.web`, `example.com`) is the
//! protocol's own field of that name where the flow has it, and a search where it does not.
//!
//! Decided here, as Wireshark does where it has an answer:
//! - A comparison with an absent field is false, `!=` too: `http.method != GET` finds HTTP flows alone; `not http.method == GET` all others too.
//! - A field with several values (a header sent twice, `service`, a list) equals what one of them equals; `!=` holds when none does.
//! - `==`, `~` and `contains` mind the case, but for `proto`, `trace` and the names of header fields; `~ "(?i)…"` does not.
//! - `client`, `server` and `service` (either side) match the name, `addr:port`, the address, `:port` and the port. Alone they say that
//!   there is a name: `not client` finds the clients without one.
//! - `time` takes RFC 3339 or a time of day in UTC, and is as exact as it is written: `time == 07:21:03` is that whole second.
//! - `via` is the topic or queue that a message goes through, `direction` the way of a one-way message: `to_server` or `to_client`.
//! - `link` is what ties a flow to its trace where that is no ID of its own; with one it is absent.
//! - `hops` has no value: how many flows a trace has is known once it is over (`--expect "traces(hops >= 4) > 0"`). A test of it is false.
//! - Secrets are masked before they are looked at: a filter cannot find what is not shown.

mod complete;
mod eval;
mod expr;
mod field;
mod lex;
mod parse;
mod shown;
mod terms;

use crate::mask::Secrets;
use crate::model::FlowRef;
use crate::schema::Current;
use std::fmt;

pub use complete::{Completion, complete};
// what `expect` reads its texts with
pub(crate) use expr::{Cmp, OPS, Op, Pattern as Regex};
pub(crate) use lex::{Kind, Token, Tokens, error_at};
pub(crate) use terms::{Terms, read};

/// How much of a body a filter sees that was not told otherwise.
const BODY_LIMIT: usize = 64 << 10;

/// A parsed display filter.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    expr: expr::Expr,
    secrets: Secrets,
    body_limit: usize,
    schemas: Current,
}

/// What a filter has to read to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The row and the parties' names.
    Row,
    /// Headers and fields too.
    Detail,
    /// Decoded bodies too.
    Bodies,
}

/// Why a text is no filter, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {}: {message}", at + 1)]
pub struct FilterError {
    /// How many characters stand before the place; it is shown counted from 1.
    pub at: usize,
    /// What is wrong there, and what was expected.
    pub message: String,
}

impl Filter {
    /// Reads a filter; the text must hold something.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let expr = parse::parse(text)?;
        let (secrets, body_limit) = (Secrets::Mask, BODY_LIMIT);
        Ok(Self { text: text.trim().to_owned(), expr, secrets, body_limit, schemas: Current::default() })
    }

    /// The same filter, looking at what is shown: secrets or not, and as much of a body as is kept.
    #[must_use]
    pub fn looking(mut self, secrets: Secrets, body_limit: usize) -> Self {
        (self.secrets, self.body_limit) = (secrets, body_limit);
        self
    }

    /// The same filter, reading bodies by the schemas in force.
    #[must_use]
    pub fn knowing(mut self, schemas: &Current) -> Self {
        self.schemas = schemas.clone();
        self
    }

    /// Whether a flow matches. What was evicted is absent.
    pub fn matches(&self, flow: FlowRef<'_>) -> bool {
        let schemas = self.schemas.get();
        eval::Look { secrets: self.secrets, body_limit: self.body_limit, schemas: &schemas }.holds(&self.expr, flow)
    }

    /// What it reads.
    pub fn needs(&self) -> Needs {
        self.expr.needs()
    }
}

/// The text as it was given.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
