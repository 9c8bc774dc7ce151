//! The messages of a flow that has several, both directions in one list, in the order in which they were seen.

use super::{Eye, Read, read};
use crate::body;
use crate::engine::view::{MessageView, Said};
use crate::model::{Body, Detail, FlowId, Half, Message, Row};
use crate::schema::Place;
use crate::text::escape;
use crate::time::Time;
use compact_str::CompactString;
use std::collections::HashMap;
use std::sync::Arc;

/// Characters of a message's one line: more than any list shows.
const SUMMARY: usize = 240;

/// What was read of the messages of the flow that was looked at last: one that is kept is read once, however often the flow is looked at.
/// It holds no more than the flow does.
#[derive(Debug, Default)]
pub(in super::super) struct Memory {
    basis: Option<Basis>,
    /// By side and number, with how many bytes were kept of it.
    said: HashMap<(bool, u64), (usize, Arc<Said>)>,
}

/// What a message's reading depends on beside its bytes.
#[derive(Debug, PartialEq)]
struct Basis {
    flow: FlowId,
    schemas: u64,
    place: [Option<CompactString>; 3],
    candidate: Option<CompactString>,
}

impl Memory {
    /// Forgets what was read otherwise than it would be now, and gives the rest.
    fn of(&mut self, flow: FlowId, candidate: Option<&str>, eye: &Eye<'_>) -> HashMap<(bool, u64), (usize, Arc<Said>)> {
        let Place { path, topic, exchange, .. } = eye.context.place;
        let place = [path, topic, exchange].map(|text| text.map(Into::into));
        let (schemas, candidate) = (eye.context.schemas.generation(), candidate.map(Into::into));
        let basis = Some(Basis { flow, schemas, place, candidate });
        let said = std::mem::take(&mut self.said);
        if std::mem::replace(&mut self.basis, basis) == self.basis { said } else { HashMap::new() }
    }
}

/// All that were kept. Those of a call whose method is not known are read as if they were those of `candidate`, a method's path.
pub(super) fn list(detail: &Detail, row: &Row, candidate: Option<&str>, eye: &Eye<'_>, memory: &mut Memory) -> Vec<MessageView> {
    let mut known = memory.of(row.id, candidate, eye);
    let sides = ['<', '>'].map(|sign| candidate.map(|path| format!("{path}{sign}")));
    let eyes = sides.each_ref().map(|side| eye.expecting(side.as_deref()));
    let mut all: Vec<_> = numbered(&detail.request, true).chain(numbered(&detail.response, false)).collect();
    all.sort_by_key(|(message, ..)| message.first.packet);
    let mut before: Option<Time> = None;
    all.into_iter()
        .map(|(message, number, request)| {
            let at = message.first.time;
            let gap = before.replace(at).map(|before| at.since(before));
            let kept = message.body.kept.len();
            let said = known.remove(&(request, number)).filter(|(before, _)| *before == kept).map(|(_, said)| said);
            let said = said.unwrap_or_else(|| Arc::new(said_by(&message.body, if request { &eyes[1] } else { &eyes[0] })));
            memory.said.insert((request, number), (kept, Arc::clone(&said)));
            MessageView { number, request, after: at.since(row.time), gap, bytes: message.body.bytes, said }
        })
        .collect()
}

fn said_by(body: &Body, eye: &Eye<'_>) -> Said {
    let Read { caption, lines, copy, formatted, json } = read(body, eye);
    let hex = if body.kept.is_empty() { Vec::new() } else { body::hex(&body.kept, eye.secrets) };
    let summary = if copy.is_empty() { caption.clone() } else { one_line(&copy) };
    Said { summary, caption, body: lines, hex, copy, formatted, json }
}

fn numbered(half: &Option<Half>, request: bool) -> impl Iterator<Item = (&Message, u64, bool)> {
    let messages = half.iter().flat_map(|half| half.messages.iter().zip(half.messages_dropped + 1..));
    messages.map(move |(message, number)| (message, number, request))
}

/// The beginning of a text, its lines and their indents run together.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for part in text.lines().map(str::trim) {
        if !line.is_empty() && !line.ends_with(['{', '[']) && !part.starts_with(['}', ']']) {
            line.push(' ');
        }
        line.push_str(part);
        if line.len() >= SUMMARY {
            break;
        }
    }
    escape(&line.chars().take(SUMMARY).collect::<String>())
}
