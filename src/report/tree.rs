//! A trace as a tree of lines: who asked whom for what, how long it took, how it went, and where the trace was lost on the way.
//!
//! ```text
//! POST /api/checkout · 11 hops · 9 services · 103 ms · 2 errors · trace a34794a8…
//! browser → gateway              POST /api/checkout            94 ms  201
//! └ gateway → orders             POST /checkout                92 ms  201
//!   ├ orders → payments          POST /charges                2.8 ms  503 ✗
//!   │ └ payments → fraud         POST /score                  0.9 ms  200    ✗ trace_lost [payload_id]
//! ```

use super::{Paper, Tone, counted, fit, outcome, padded};
use crate::model::{FindingKind, FlowId, Link, Node, TraceRecord};
use crate::story::{Brief, Story};
use crate::units::duration;
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr as _;

/// How many lines are drawn of one trace: more is no picture.
const MAX_LINES: usize = 200;
/// Levels of the tree that are indented; deeper ones stand below each other.
const MAX_INDENT: usize = 16;

/// What is said behind some flows' lines.
pub type Marks = BTreeMap<FlowId, Vec<String>>;

/// What findings say of flows: of each occurrence that its last flow is where it went wrong.
pub fn marks(story: &Story) -> Marks {
    let mut marks = Marks::new();
    for finding in story.findings().filter(|finding| speaks_of_a_flow(finding.kind)) {
        for flow in finding.flows.iter().filter_map(|flows| flows.last()) {
            let said = marks.entry(*flow).or_default();
            let word = finding.kind.word().to_owned();
            if !said.contains(&word) {
                said.push(word);
            }
        }
    }
    marks
}

/// Whether the last flow of an occurrence is the one at which it went wrong.
fn speaks_of_a_flow(kind: FindingKind) -> bool {
    !matches!(kind, FindingKind::CaptureLoss | FindingKind::NPlusOne | FindingKind::ErrorCascade | FindingKind::RetryStorm)
}

/// Draws one.
pub fn tree(paper: &mut Paper, story: &Story, trace: &TraceRecord, marks: &Marks) {
    let root = trace.tree.first().and_then(|node| story.flow(node.flow));
    let mut about = vec![counted(trace.tree.len() as u64, "hop"), counted(trace.services.len() as u64, "service")];
    about.push(duration(trace.duration));
    if trace.errors > 0 {
        about.push(counted(trace.errors, "error"));
    }
    if !trace.complete {
        about.push("not complete".to_owned());
    }
    let name = root.map_or("trace", |root| &*root.operation);
    let rest = format!(" · {} · trace {}", about.join(" · "), crate::text::escape(&trace.trace_id));
    paper.line(&[(Tone::Strong, name), (Tone::Plain, &rest)]);
    rows(paper, &trace.tree, |flow| story.flow(flow), marks);
}

/// Draws nodes, each below its parent.
pub fn rows<'s>(paper: &mut Paper, tree: &[Node], flow: impl Fn(FlowId) -> Option<&'s Brief>, marks: &Marks) {
    let shown = &tree[..tree.len().min(MAX_LINES)];
    let heads: Vec<_> = (0..shown.len()).map(|at| head(tree, at, flow(tree[at].flow))).collect();
    let most = |share: usize, lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).min(paper.width * share / 100);
    let wide = most(45, &mut heads.iter().map(|head| head.width()));
    let op_wide = most(40, &mut shown.iter().filter_map(|node| flow(node.flow)).map(|flow| flow.operation.width()));
    let status_wide = most(20, &mut shown.iter().filter_map(|node| flow(node.flow)).map(|flow| outcome(flow).width()));
    for (node, head) in shown.iter().zip(&heads) {
        let Some(flow) = flow(node.flow) else {
            paper.line(&[(Tone::Plain, head)]);
            continue;
        };
        let said = marks.get(&node.flow);
        let tone = if flow.ok { Tone::Plain } else { Tone::Bad };
        let duration = flow.duration.map_or("…".to_owned(), duration);
        let cross = said.map(|said| format!("✗ {}", said.join(" ✗ "))).unwrap_or_default();
        let why = match node.link {
            None | Some(Link::TraceId) => String::new(),
            Some(link) => format!("[{}]", link.word()),
        };
        let gap = if cross.is_empty() || why.is_empty() { "" } else { " " };
        paper.line(&[
            (Tone::Plain, &padded(head, wide)),
            (Tone::Plain, "  "),
            (tone, &padded(&flow.operation, op_wide)),
            (Tone::Plain, &format!("  {duration:>8}  ")),
            (tone, &padded(&outcome(flow), status_wide)),
            (Tone::Plain, "  "),
            (Tone::Bad, &cross),
            (Tone::Dim, &format!("{gap}{why}")),
        ]);
    }
    if tree.len() > shown.len() {
        paper.line(&[(Tone::Dim, &format!("… and {} more", tree.len() - shown.len()))]);
    }
}

/// The branches before a node, and who asked whom.
fn head(tree: &[Node], at: usize, flow: Option<&Brief>) -> String {
    let depth = tree[at].depth;
    // whether another one follows below the same parent, at each level
    let more = |level: usize| tree[at + 1..].iter().take_while(|node| node.depth >= level).any(|node| node.depth == level);
    let mut out = String::new();
    for level in 1..=depth.min(MAX_INDENT) {
        out.push_str(match (level == depth, more(level)) {
            (true, true) => "├ ",
            (true, false) => "└ ",
            (false, true) => "│ ",
            (false, false) => "  ",
        });
    }
    match flow {
        Some(flow) => out.push_str(&format!("{} → {}", fit(&flow.from, 40), fit(&flow.to, 40))),
        None => out.push_str("(not remembered)"),
    }
    out
}
