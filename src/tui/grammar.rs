//! The filter language as the filter line needs it. The language itself is `filter`'s.

use crate::filter::{Filter, FilterError};
use std::fmt;

/// Known values of fields, for completion: `("proto", ["http"])`.
pub type Values = [(String, Vec<String>)];

/// Reads filters and completes their words.
pub trait Grammar: fmt::Debug {
    /// A filter, or what is wrong with the text and where.
    fn parse(&self, text: &str) -> Result<Filter, FilterError>;
    /// What the word at the cursor (a byte of the text) could become.
    fn complete(&self, text: &str, cursor: usize, values: &Values) -> Completion;
}

/// What the word at the cursor could become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The byte at which the word begins: what is taken replaces the text from here to the cursor.
    pub from: usize,
    /// What could stand in its place, best first.
    pub words: Vec<String>,
}
