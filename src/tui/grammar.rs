//! The filter language as the filter line needs it: two functions. The language itself is `filter`'s.

use crate::filter::{Filter, FilterError};
use std::fmt;

/// Known values of fields, for completion: `("proto", ["http"])`.
pub type Values = [(String, Vec<String>)];

/// Reads a filter and completes its words.
pub struct Grammar {
    /// A filter, or what is wrong with it and where.
    pub parse: Box<dyn Fn(&str) -> Result<Filter, FilterError>>,
    /// For a text, the byte at which the cursor stands and the known values: what the word there could become.
    pub complete: Box<dyn Fn(&str, usize, &Values) -> Completion>,
}

/// What the word at the cursor could become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The byte at which the word begins.
    pub from: usize,
    /// What could stand in its place, best first.
    pub words: Vec<String>,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grammar")
    }
}
