//! Trace contexts that cannot be right: bad hexadecimal digits, two of one kind, headers of one message that disagree.

use super::ledger::label;
use super::{Book, Detector, Words};
use crate::engine::traces::whoever;
use crate::model::{FindingKind, FlowRef, Pattern};
use crate::trace;
use std::sync::Arc;

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
            // a client's port is another one each time
            let (from, to): (Arc<str>, _) = (whoever(flow.client).into(), label(flow.server));
            let key = format!("{from} > {to}: {}", note.text);
            let words = Words {
                title: format!("{from} sends a trace context that cannot be right: {}", note.text),
                service: Some(from),
                evidence: format!("{} to {to}: {}", flow.row.operation, note.text),
                advice: "receivers drop such a context or begin a trace of their own: let one tracer write one header".to_owned(),
            };
            book.raise(FindingKind::TraceMalformed, &key, vec![flow.row.id], words);
        }
    }
}
