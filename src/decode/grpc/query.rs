//! Connect's GET: a call whose message stands in the query (Connect protocol, "Unary-Get-Request"). Not the path before it.

use crate::text::percent;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use compact_str::CompactString;

/// With and without padding.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What a query asks.
#[derive(Debug)]
pub struct Query {
    /// The message's media type.
    pub media_type: CompactString,
    /// The message's coding.
    pub encoding: Option<CompactString>,
    /// The message; none where it is not the base64 that it is said to be.
    pub message: Option<Vec<u8>>,
}

/// The call that a target's query is, if it is one: `?connect=v1&encoding=proto&base64=1&compression=gzip&message=…`.
pub fn read(target: &str) -> Option<Query> {
    let (_, query) = target.split_once('?')?;
    let query = query.split('#').next()?;
    let value = |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v);
    let (encoding, message) = (value("encoding")?, percent(value("message")?, b' '));
    if value("connect") != Some("v1") || !matches!(encoding, "proto" | "json") {
        return None;
    }
    let message = if value("base64") == Some("1") { BASE64.decode(message).ok() } else { Some(message) };
    let media_type = format!("application/{encoding}").into();
    Some(Query { media_type, encoding: value("compression").map(Into::into), message })
}
