//! What all workers are told.

use crate::decode::{Limits, detect};
use crate::net::limits::CONNECTIONS;

/// What all workers are told at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The decoders' bounds.
    pub limits: Limits,
    /// How many connections of a shard may be open at once.
    pub connections: usize,
    /// `-d`.
    pub decode_as: detect::DecodeAs,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limits: Limits::default(), connections: CONNECTIONS, decode_as: detect::DecodeAs::default() }
    }
}
