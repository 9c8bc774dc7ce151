//! Trace contexts that cannot be right: bad hexadecimal digits, two of one kind, headers of one message that disagree.

use super::ledger::label;
use super::{Book, Detector, Words};
use crate::model::{FindingKind, FlowRef, Pattern};
use crate::trace;

/// It holds nothing: each flow shows it by itself.
#[derive(Debug, Default)]
pub(super) struct Malformed;

impl Detector for Malformed {
    fn seeks(&self) -> &'static str {
        "trace contexts that cannot be right"
    }

    fn flow(&mut self, flow: FlowRef<'_>, book: &mut Book) {
        let Some(detail) = flow.detail else { return };
        // a broker only passes on what was published to it
        if flow.row.pattern == Pattern::Deliver {
            return;
        }
        for note in &detail.notes {
            if !trace::is_trouble(*note) {
                continue;
            }
            let (from, to) = (label(flow.client), label(flow.server));
            // a client's port is another one each time
            let sender = if flow.client.service.is_some() { from.to_string() } else { flow.client.host().to_owned() };
            let words = Words {
                title: format!("{from} sends a trace context that cannot be right: {}", note.text),
                service: Some(from),
                evidence: format!("{} to {to}: {}", flow.row.operation, note.text),
                advice: "receivers drop such a context or begin a trace of their own: let one tracer write one header".to_owned(),
            };
            book.raise(FindingKind::TraceMalformed, &format!("{sender} > {to}: {}", note.text), vec![flow.row.id], words);
        }
    }
}
