//! One owner of all flows.

pub mod view;
