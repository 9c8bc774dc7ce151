//! Zstandard (RFC 8878).

use super::{Coding, Input, Output};
use zstd::stream::read::Decoder;

/// The registry's line.
pub(super) const CODING: Coding = Coding { names: &["zstd"], undo };

/// The window that a sender may ask for, as a power of two: RFC 9659 §3 allows 8 MiB for HTTP.
const MAX_WINDOW_LOG: u32 = 23;

fn undo<'a>(input: Input<'a>) -> std::io::Result<Output<'a>> {
    let mut decoder = Decoder::with_buffer(input)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(Box::new(decoder))
}
