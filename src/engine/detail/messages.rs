//! The messages of a flow that has several, both directions in one list, in the order in which they were seen.

use super::{Eye, read};
use crate::body;
use crate::engine::view::MessageView;
use crate::model::{Detail, Half, Message};
use crate::text::escape;
use crate::time::Time;

/// Characters of a message's one line: more than any list shows.
const SUMMARY: usize = 240;

/// All that were kept, of a flow that began at this moment.
pub(super) fn list(detail: &Detail, began: Time, eye: &Eye<'_>) -> Vec<MessageView> {
    let mut all: Vec<_> = numbered(&detail.request, true).chain(numbered(&detail.response, false)).collect();
    all.sort_by_key(|(message, ..)| message.first.packet);
    let mut before: Option<Time> = None;
    all.into_iter()
        .map(|(message, number, request)| {
            let at = message.first.time;
            let gap = before.replace(at).map(|before| at.since(before));
            let read = read(&message.body, eye);
            let hex = if message.body.kept.is_empty() { Vec::new() } else { body::hex(&message.body.kept, eye.secrets) };
            let summary = if read.copy.is_empty() { read.caption.clone() } else { one_line(&read.copy) };
            MessageView {
                number,
                request,
                after: at.since(began),
                gap,
                bytes: message.body.bytes,
                summary,
                caption: read.caption,
                body: read.lines,
                hex,
                copy: read.copy,
                formatted: read.formatted,
            }
        })
        .collect()
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
