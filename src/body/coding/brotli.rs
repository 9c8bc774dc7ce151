//! Brotli (RFC 7932). Its window is at most 16 MiB: the decoder knows no larger ones.

use super::Coding;
use brotli_decompressor::Decompressor;

const BUFFER: usize = 4096;

/// The registry's line.
pub(super) const CODING: Coding = Coding { names: &["br"], undo: |input| Ok(Box::new(Decompressor::new(input, BUFFER))) };
