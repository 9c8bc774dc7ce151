//! Parts that know nothing of flows: text in a cell, a table, text that scrolls.

pub mod scroll;
pub mod table;
pub mod text;
