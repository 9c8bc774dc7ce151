//! Headers that the user names: a company's own field for the ID of a trace, or for what a known propagator writes. Asked before all
//! others: whoever names one knows.

use super::{Carried, Found, PROPAGATORS, context};
use crate::model::{Headers, Issue, TraceContext, text_of};

/// What a header is said to hold that holds an ID and nothing else.
const BARE: &str = "id";
/// The longest one that is taken for an ID.
const LONGEST: usize = 128;
/// What is noted where one cannot be read.
pub(super) const MALFORMED: Issue = Issue::remark("malformed trace header of the configuration");

/// A header, and how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    name: &'static str,
    /// The propagator whose first field it is written as; none: a bare ID.
    like: Option<usize>,
}

impl Named {
    /// A header of a name (in any case) that is written like another one, or holds a bare ID (`id`). A carrier has its name for as
    /// long as the program runs, so that it is never given back: configurations are read once.
    ///
    /// # Errors
    /// Says what is wrong with either.
    pub fn new(name: &str, like: &str) -> Result<Self, String> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(format!("'{name}' is no name of a header"));
        }
        let place = PROPAGATORS.iter().position(|how| how.fields.first() == Some(&like));
        if place.is_none() && like != BARE {
            let known: Vec<_> = PROPAGATORS.iter().filter_map(|how| how.fields.first().copied()).collect();
            return Err(format!("'{name}': nothing is written like '{like}': {BARE}, {}", known.join(", ")));
        }
        Ok(Self { name: name.to_ascii_lowercase().leak(), like: place })
    }

    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What it is written like.
    pub fn like(self) -> &'static str {
        self.like.and_then(|at| PROPAGATORS.get(at)?.fields.first().copied()).unwrap_or(BARE)
    }

    /// What a message's headers say by it.
    pub(super) fn read(self, headers: &Headers) -> Found {
        let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.name.as_bytes()));
        let values: Vec<_> = named.map(|(_, value)| (0, 0, value)).collect();
        let Some((.., first)) = values.first() else { return Found::Nothing };
        let id = first.trim_ascii();
        let found = match self.like.and_then(|at| PROPAGATORS.get(at)) {
            Some(how) => (how.read)(&Carried { propagator: 0, values: &values }),
            None if id.is_empty() => Found::Nothing,
            None if id.len() > LONGEST => Found::Malformed,
            None => Found::Context(context(self.name, &text_of(id), None)),
        };
        match found {
            Found::Context(context) => Found::Context(TraceContext { carrier: self.name, ..context }),
            other => other,
        }
    }
}
