//! Protocol buffers: by the schema where there is one, else by what the wire alone tells. A document of theirs is JSON; which schema it
//! was read with, and whether it is a guess, stands beside it.

use super::{Content, Context, Document, Format, Kind, MediaType, Raw, as_it_is, json as json_format};
use crate::decode::cursor::Cursor;
use crate::schema::{Found, Schemas};
use std::borrow::Cow;
use std::cell::Cell;

pub use rank::{CANDIDATES, fields, notes};
pub use status::{DETAILS, in_header};

mod cut;
mod guess;
mod json;
mod known;
mod rank;
mod status;
mod wire;

/// The registry's line: how it is shown. What it is, is told by [`document`], with the schemas.
pub(super) const FORMAT: Format =
    Format { kind: Kind::Protobuf, claims, sniff: |_| None, read: |_| Err(String::new()), lines: json_format::lines };

/// Types that promise a message, and those that promise one for each envelope (gRPC, gRPC-Web, Connect).
const TYPES: &[&str] = &[
    "application/protobuf",
    "application/x-protobuf",
    "application/x-google-protobuf",
    "application/vnd.google.protobuf",
    "application/proto",
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
    "application/connect+proto",
];

/// How those begin that are a call's, whose method tells what they are.
const CALLS: &[&str] = &["application/grpc", "application/connect+"];

fn claims(media: &MediaType) -> bool {
    TYPES.contains(&media.essence.as_str())
}

/// What is known of a body's type.
enum Wanted {
    /// The message.
    Type(Found),
    /// The message that it may be: that of this method.
    Guess(Found, String),
    /// Only why none is known.
    Unknown(String),
}

/// A body that is said to be protobuf, read; none where nothing says so. `more` tells that there was a body even where no byte of it is
/// here.
pub(super) fn document(raw: &Raw<'_>, more: bool) -> Option<Document> {
    let wanted = wanted(raw)?;
    let mut document = Document { kind: Kind::Protobuf, cut: raw.cut, ..Document::default() };
    match &wanted {
        Wanted::Type(found) => {
            document.schema = Some(found.message.full_name().to_owned());
            document.about = Some(found.to_string());
        }
        Wanted::Guess(found, method) => {
            document.guess = true;
            document.schema = Some(found.message.full_name().to_owned());
            document.about = Some(format!("a guess: method not captured; may be {method}, {found}"));
        }
        Wanted::Unknown(why) => {
            document.guess = true;
            document.about = Some(format!("a guess: {why}"));
        }
    }
    if raw.bytes.is_empty() {
        // nothing is a message too, where the protocol or the content type says that messages are what there is; a rule alone needs bytes
        let is_message = !more && (raw.schema.is_some() || claims(raw.media) && document.schema.is_some());
        return match (more, is_message) {
            (true, _) => Some(document),
            (false, true) => Some(Document { value: Content::Json("{}".to_owned()), ..document }),
            (false, false) => None,
        };
    }
    let unknown = Cell::new(false);
    let by_schema = match &wanted {
        Wanted::Type(found) | Wanted::Guess(found, _) => each(raw, |bytes, cut| {
            let message = if cut { Cow::Owned(cut::mend(bytes, Some(&found.message))) } else { Cow::Borrowed(bytes) };
            let (json, more) = json::read(&message, &found.message, raw.context.schemas)?;
            unknown.set(unknown.get() | more);
            Ok(json)
        })
        .map_err(|why| format!("does not parse as {}: {why}", found.message.full_name())),
        Wanted::Unknown(_) => Err(String::new()),
    };
    let error = match by_schema {
        Ok(json) => return Some(Document { value: Content::Json(json), unknown: unknown.get(), ..document }),
        Err(why) => Some(why).filter(|why| !why.is_empty()),
    };
    let guessed = each(raw, |bytes, cut| {
        let message = if cut { Cow::Owned(cut::mend(bytes, None)) } else { Cow::Borrowed(bytes) };
        guess::json(&message).map_err(|fault| fault.text().to_owned())
    });
    Some(match guessed {
        Ok(json) => Document { value: Content::Json(json), guess: true, error, ..document },
        Err(why) => {
            let error = error.unwrap_or_else(|| format!("not a protobuf message: {why}"));
            Document { schema: document.schema, ..as_it_is(raw, error) }
        }
    })
}

/// The user's rule first, then what the protocol says, then what the content type says.
fn wanted(raw: &Raw<'_>) -> Option<Wanted> {
    let Context { schemas, place, .. } = raw.context;
    let claimed = claims(raw.media);
    let named = |name: &str| match schemas.message(name) {
        Some(found) => Wanted::Type(found),
        None => Wanted::Unknown(format!("no schema for {name}")),
    };
    if let Some(rule) = schemas.rule(*place, raw.media_type) {
        // the answer to a request that a path names may well be something else, and says so
        let other = || super::FORMATS.iter().any(|format| !claimed && (format.claims)(raw.media));
        if rule.content_type.is_some() || !other() {
            return Some(named(&rule.message));
        }
    }
    if !claimed {
        return None;
    }
    if let Some(method) = raw.schema {
        return Some(
            side(method, schemas)
                .map_or_else(|| Wanted::Unknown(format!("no schema for {}", method.trim_end_matches(['<', '>']))), Wanted::Type),
        );
    }
    if CALLS.iter().any(|call| raw.media.essence.starts_with(call)) {
        let may_be =
            place.may_be.and_then(|sided| Some(Wanted::Guess(side(sided, schemas)?, sided.trim_end_matches(['<', '>']).into())));
        return Some(may_be.unwrap_or_else(|| Wanted::Unknown("method not captured".to_owned())));
    }
    // `messageType` of Spring and others, `proto` of Prometheus
    let name = ["messagetype", "proto", "type"].iter().find_map(|name| raw.media.parameter(name));
    Some(match name.map(|name| name.rsplit('/').next().unwrap_or(name).trim_start_matches('.')) {
        Some(name) if !name.is_empty() => named(name),
        _ => Wanted::Unknown("nothing names its schema".to_owned()),
    })
}

/// `/shop.v1.Orders/PlaceOrder>` is what the client sends, `…<` what the server does.
fn side(method: &str, schemas: &Schemas) -> Option<Found> {
    let (path, input) = match method.strip_suffix('>') {
        Some(path) => (path, true),
        None => (method.strip_suffix('<')?, false),
    };
    schemas.method(path).map(|method| if input { method.input } else { method.output })
}

/// Reads the message; or, where the content type says that there are several, each after its length (Prometheus, Envoy).
fn each(raw: &Raw<'_>, read: impl Fn(&[u8], bool) -> Result<String, String>) -> Result<String, String> {
    let several = raw.media.parameter("encoding") == Some("delimited") || raw.media.parameter("delimited") == Some("true");
    if !several {
        return read(raw.bytes, raw.cut);
    }
    let mut cursor = Cursor::new(raw.bytes);
    let mut messages: Vec<String> = Vec::new();
    while !cursor.rest().is_empty() {
        let mut ahead = cursor;
        match wire::delimited(&mut ahead) {
            Ok(bytes) => messages.push(read(bytes, false)?),
            Err(wire::Fault::Ends) if raw.cut => {
                if wire::varint(&mut cursor).is_ok() {
                    messages.push(read(cursor.rest(), true)?);
                }
                break;
            }
            Err(fault) => return Err(fault.text().to_owned()),
        }
        cursor = ahead;
    }
    Ok(format!("[{}]", messages.join(",")))
}

#[cfg(test)]
mod tests;
