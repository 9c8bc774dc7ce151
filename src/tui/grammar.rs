//! The filter language as the filter line needs it: two functions. The language itself is `filter`'s.

use crate::filter::{Filter, FilterError};
use std::fmt;

/// Known values of fields, for completion: `("proto", ["http"])`.
pub type Values = [(String, Vec<String>)];
/// A filter, or what is wrong with the text and where.
pub type Parse = dyn Fn(&str) -> Result<Filter, FilterError>;
/// For a text, the byte at which the cursor stands and the known values: what the word there could become.
pub type Complete = dyn Fn(&str, usize, &Values) -> Completion;

/// Reads filters and completes their words.
pub struct Grammar {
    /// Reads a filter.
    pub parse: Box<Parse>,
    /// Completes a word.
    pub complete: Box<Complete>,
}

/// What the word at the cursor could become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The byte at which the word begins: what is taken replaces the text from here to the cursor.
    pub from: usize,
    /// What could stand in its place, best first.
    pub words: Vec<String>,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grammar")
    }
}
