//! Calls by script.
