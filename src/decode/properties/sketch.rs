//! Events folded into flows, for comparing them; it insists on the order that the engine relies on.

use crate::model::{Closed, Dir, Event, EventKind, Headers, Key, Message, Part, Pattern, Value};
use std::collections::BTreeMap;

/// A flow as the events tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    pub protocol: &'static str,
    pub pattern: Pattern,
    pub operation: String,
    pub layers: Vec<&'static str>,
    pub first: u64,
    pub halves: [Option<(u64, Headers)>; 2],
    pub bodies: [Vec<u8>; 2],
    pub sizes: [Option<(u64, bool)>; 2],
    pub messages: Vec<(Dir, Message)>,
    pub trailers: [Headers; 2],
    pub fields: BTreeMap<&'static str, String>,
    pub traces: Vec<String>,
    pub notes: Vec<&'static str>,
    pub closed: Option<Closed>,
}

/// The flows that the events tell of.
pub fn sketch(events: &[Event]) -> BTreeMap<Key, Sketch> {
    let mut flows = BTreeMap::<Key, Sketch>::new();
    for event in events {
        match &event.kind {
            EventKind::Open(key, opened) => {
                let flow = Sketch {
                    protocol: opened.protocol,
                    pattern: opened.pattern,
                    operation: opened.operation.to_string(),
                    layers: opened.layers.clone(),
                    first: opened.first.packet.0,
                    halves: [None, None],
                    bodies: Default::default(),
                    sizes: [None, None],
                    messages: Vec::new(),
                    trailers: Default::default(),
                    fields: BTreeMap::new(),
                    traces: Vec::new(),
                    notes: Vec::new(),
                    closed: None,
                };
                assert!(flows.insert(*key, flow).is_none(), "a key is used once");
            }
            EventKind::Part(key, part) => {
                let flow = flows.get_mut(key).expect("a part of a flow that was opened");
                assert!(flow.closed.is_none(), "nothing comes after the end: {part:?}");
                add(flow, part);
            }
            EventKind::Close(key, closed) => {
                let flow = flows.get_mut(key).expect("an end of a flow that was opened");
                assert!(flow.closed.replace((**closed).clone()).is_none(), "a flow ends once");
            }
            EventKind::Note(Some(key), issue) => {
                let flow = flows.get_mut(key).expect("a note on a flow that was opened");
                assert!(flow.closed.is_none(), "nothing comes after the end: {issue:?}");
                flow.notes.push(issue.text);
            }
            _ => {}
        }
    }
    flows
}

fn add(flow: &mut Sketch, part: &Part) {
    match part {
        Part::Head(head) => flow.halves[head.dir.index()] = Some((head.first.packet.0, head.headers.clone())),
        Part::Body(dir, bytes) => flow.bodies[dir.index()].extend_from_slice(bytes),
        Part::BodyEnd { dir, bytes, whole } => flow.sizes[dir.index()] = Some((*bytes, *whole)),
        Part::Trailers(dir, headers) => flow.trailers[dir.index()] = headers.clone(),
        Part::Fields(fields) => flow.fields.extend(fields.iter().map(|(n, v)| (n, text(v)))),
        Part::Named { protocol, pattern, operation } => {
            (flow.protocol, flow.pattern, flow.operation) = (protocol, *pattern, operation.to_string());
        }
        Part::Message(dir, message) => flow.messages.push((*dir, (**message).clone())),
        Part::Trace(context) => flow.traces.push(format!("{context:?}")),
    }
}

fn text(value: &Value) -> String {
    format!("{value:?}")
}
