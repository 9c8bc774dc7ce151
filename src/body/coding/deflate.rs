//! `deflate`: the zlib format (RFC 1950) by the book (RFC 9110 §8.4.1.2), bare deflate data (RFC 1951) from some servers.

use super::{Coding, Input, Output};
use flate2::bufread::{DeflateDecoder, ZlibDecoder};

/// The registry's line.
pub(super) const CODING: Coding = Coding { names: &["deflate"], undo };

fn undo<'a>(mut input: Input<'a>) -> std::io::Result<Output<'a>> {
    Ok(match input.fill_buf()? {
        [method, flags, ..] if zlib(*method, *flags) => Box::new(ZlibDecoder::new(input)),
        _ => Box::new(DeflateDecoder::new(input)),
    })
}

/// RFC 1950 §2.2: method 8, and the two bytes are a multiple of 31.
fn zlib(method: u8, flags: u8) -> bool {
    method & 0x0f == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}
