//! Parts that know nothing of flows: text in a cell, a table, a place in it, text that scrolls.

pub mod cursor;
pub mod scroll;
pub mod table;
pub mod text;
