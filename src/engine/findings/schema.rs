//! Messages that are not what their schema says. Read by sample, and only of calls whose method a schema tells: reading is the looker's,
//! and each message of each call would cost more than all the rest.

use super::ledger::label;
use super::{Book, Detector, Words};
use crate::body::{self, Content, Context, Document};
use crate::engine::traces::whoever;
use crate::model::{Body, FindingKind, FlowRef};
use crate::schema::{Current, Place};
use compact_str::CompactString;
use hashbrown::HashMap;

/// How many messages of a side of a method are read at first, and of how many one later: a side that does not fit mostly never does.
const FIRST: u64 = 16;
const ONE_IN: u64 = 64;
/// The longest message that is read, and how many of one flow.
const LONGEST: u64 = 16 << 10;
const MESSAGES: usize = 4;
/// How many sides of methods are told apart.
const MAX_SIDES: usize = 1 << 12;

/// How many messages of each side of each method came by.
#[derive(Debug)]
pub(super) struct SchemaMismatch {
    schemas: Current,
    sides: HashMap<CompactString, u64>,
}

impl SchemaMismatch {
    /// With the schemas that are in force, whenever it looks.
    pub(super) fn new(schemas: &Current) -> Self {
        Self { schemas: schemas.clone(), sides: HashMap::new() }
    }

    /// Whether a message is among the sample.
    fn chosen(&mut self, side: &str) -> bool {
        if self.sides.len() >= MAX_SIDES && !self.sides.contains_key(side) {
            return false;
        }
        let seen = self.sides.entry(side.into()).or_insert(0);
        *seen += 1;
        *seen <= FIRST || *seen % ONE_IN == 0
    }
}

impl Detector for SchemaMismatch {
    fn seeks(&self) -> &'static str {
        "messages that are not what their schema says"
    }

    fn flow(&mut self, flow: FlowRef<'_>, book: &mut Book) {
        let Some(detail) = flow.detail.filter(|detail| flow.row.pattern.is_call() && !detail.bodies_evicted) else { return };
        let schemas = self.schemas.get();
        if schemas.method(&flow.row.operation).is_none() {
            return;
        }
        // a client's port is another one each time
        let (client, server) = (whoever(flow.client).into(), label(flow.server));
        for (half, service) in [(&detail.request, client), (&detail.response, server)] {
            let bodies = half.iter().flat_map(|half| half.messages.iter().map(|message| &message.body)).take(MESSAGES);
            for body in bodies.filter(|body| readable(body)) {
                let Some(side) = body.hint.schema.as_deref() else { continue };
                if !self.chosen(side) {
                    continue;
                }
                let context = Context { limit: LONGEST as usize, schemas: &schemas, place: Place::of(detail) };
                let document = body::decode(body, &context);
                let Some(why) = mismatch(&document) else { continue };
                let (name, key) = (document.schema.unwrap_or_default(), format!("{service} {side}"));
                let words = Words {
                    title: format!("{service} sends what is no {name}, with {}", flow.row.operation),
                    service: Some(service),
                    evidence: format!("a message of {} bytes: {why}; read with {}", body.bytes, document.about.unwrap_or_default()),
                    advice: "see whether both sides were built from one version of the .proto file, and whether that is the one given here".to_owned(),
                };
                book.raise(FindingKind::SchemaMismatch, &key, vec![flow.row.id], words);
                return;
            }
        }
    }
}

/// Whether all of it is here.
fn readable(body: &Body) -> bool {
    body.whole && !body.partial() && (1..=LONGEST).contains(&body.bytes)
}

/// What does not fit. Fields that the schema has not are a newer peer's; nothing but such fields is another message.
fn mismatch(document: &Document) -> Option<String> {
    document.schema.as_ref()?;
    match (&document.error, &document.value) {
        (Some(error), _) => Some(error.clone()),
        (None, Content::Json(json)) if document.unknown && !document.guess => {
            let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
            let unknown = |name: &String| name.bytes().all(|b| b.is_ascii_digit());
            (!members.is_empty() && members.keys().all(unknown)).then(|| "it has no field that the schema knows".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{flow, found};
    use super::*;
    use crate::model::{BodyHint, Detail, Half, Message, Pattern, Stamp};
    use crate::schema::{Loader, Sources};

    const RESERVE: &str = "/shop.v1.Inventory/Reserve";

    /// How many findings there are in so many requests that hold these bytes.
    fn check(operation: &str, kept: &[u8], whole: bool, calls: u64) -> Vec<u64> {
        let schemas = Current::default();
        schemas.set(Loader::new(Sources { demo: true, ..Sources::default() }).load().unwrap());
        let schema = Some(format!("{operation}>").into());
        let hint = BodyHint { media_type: Some("application/grpc".into()), schema, ..BodyHint::default() };
        let body = Body { kept: kept.to_vec(), bytes: kept.len() as u64, hint, whole };
        let half = Half { messages: vec![Message { first: Stamp::default(), body }], ..Half::default() };
        let call = |n| {
            let mut flow = flow(n, Pattern::Unary, "grpc", &format!("orders>inventory {n}-{} {operation} OK", n + 1));
            flow.detail = Some(Detail { request: Some(half.clone()), ..Detail::default() }.into());
            flow
        };
        let calls: Vec<_> = (1..=calls).map(call).collect();
        found(&mut SchemaMismatch::new(&schemas), &calls).into_iter().map(|finding| finding.count).collect()
    }

    #[test]
    fn what_is_no_such_message_is_told() {
        // field 1 is a text, and a number came; a text that ends too early; nothing but fields of another message
        for bytes in [b"\x08\x01".as_slice(), b"\x0a\x09abc", b"\xf2\x06\x01a"] {
            assert_eq!(check(RESERVE, bytes, true, 1), [1], "{bytes:?}");
        }
        // a sample of many
        assert_eq!(check(RESERVE, b"\x08\x01", true, 128), [FIRST + 2]);
    }

    #[test]
    fn what_fits_is_newer_is_cut_or_has_no_schema_is_none() {
        assert!(check(RESERVE, b"\x0a\x01a", true, 9).is_empty());
        assert!(check(RESERVE, b"\x0a\x01a\xf2\x06\x01a", true, 9).is_empty());
        assert!(check(RESERVE, b"\x08\x01", false, 9).is_empty());
        assert!(check("/other.Service/Method", b"\x08\x01", true, 9).is_empty());
    }
}
