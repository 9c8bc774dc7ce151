//! gzip (RFC 1952), several members too.

use super::Coding;
use flate2::bufread::MultiGzDecoder;

/// The registry's line.
pub(super) const CODING: Coding = Coding { names: &["gzip", "x-gzip"], undo: |input| Ok(Box::new(MultiGzDecoder::new(input))) };
