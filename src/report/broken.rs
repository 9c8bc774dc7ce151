//! What broke an expectation: what was counted, and the flows, findings and traces that prove it.

use super::tree::{marks, tree};
use super::{Marks, Paper, Tone, counted, outcome, padded};
use crate::expect::{Blame, Judge, MAX_PROOFS, Which};
use crate::model::{Finding, FlowId, TraceRecord};
use crate::story::{Brief, Story};
use crate::text::escape;
use crate::units::duration;
use std::collections::BTreeSet;

/// How many findings are told of one test.
const MAX_FINDINGS: usize = 5;
/// How many traces are drawn of one test.
const MAX_TRACES: usize = 3;

/// Writes all that is broken. How many of the expectations that are.
pub fn broken(paper: &mut Paper, judge: &Judge, story: &Story) -> usize {
    let broken = judge.broken();
    let mut drawn = Drawn { marks: marks(story), traces: BTreeSet::new() };
    for (expectation, blamed) in &broken {
        paper.line(&[(Tone::Bad, "✗ "), (Tone::Strong, &escape(&expectation.to_string()))]);
        for blame in blamed {
            // a test that is all of the expectation was just told
            let text = blame.subject.text();
            let which = if text == expectation.to_string() { String::new() } else { format!("{}: ", escape(text)) };
            told(paper, &which, blame, story, &mut drawn);
        }
    }
    broken.len()
}

/// What was drawn already, of all expectations.
struct Drawn {
    marks: Marks,
    traces: BTreeSet<FlowId>,
}

fn told(paper: &mut Paper, which: &str, blame: &Blame<'_>, story: &Story, drawn: &mut Drawn) {
    let one = match blame.subject.which() {
        Which::Flows(_) => "flow",
        Which::Findings(_) => "finding",
        Which::Traces(_) => "trace",
    };
    paper.line(&[(Tone::Plain, &format!("  {which}counted {}", counted(blame.count, one)))]);
    let more = blame.subject.wants_more(blame.count);
    match blame.subject.which() {
        Which::Flows(_) => {
            flows(paper, blame);
            if more {
                let all = story.sums().iter().map(|(_, n)| n).sum();
                paper.line(&[(Tone::Dim, &format!("  of {} in all", counted(all, "flow")))]);
            } else {
                let trace = blame.flows.iter().find_map(|flow| story.trace_of(flow.id));
                draw(paper, story, trace, drawn);
            }
        }
        Which::Findings(_) => {
            let found: Vec<_> = story.findings().filter(|finding| blame.subject.finds(finding)).collect();
            found.iter().take(MAX_FINDINGS).for_each(|finding| self::finding(paper, finding, story, drawn));
            rest(paper, found.len(), MAX_FINDINGS);
        }
        Which::Traces(_) => {
            let met = |trace: &&TraceRecord| {
                let root = trace.tree.first().and_then(|node| story.flow(node.flow));
                blame.subject.traces(trace, root) != more
            };
            let mut traces: Vec<_> = story.traces().filter(met).collect();
            if more {
                // those that fall short, the longest first: what is missing in them is missing in all
                traces.sort_by_key(|trace| std::cmp::Reverse(trace.tree.len()));
                paper.line(&[(
                    Tone::Dim,
                    &format!("  the longest of {} that were not counted:", counted(traces.len() as u64, "trace")),
                )]);
                draw(paper, story, traces.first().copied(), drawn);
            } else {
                traces.iter().take(MAX_TRACES).for_each(|trace| draw(paper, story, Some(trace), drawn));
                rest(paper, traces.len(), MAX_TRACES);
            }
        }
    }
}

fn flows(paper: &mut Paper, blame: &Blame<'_>) {
    for flow in blame.flows {
        let (head, status) = (format!("{} → {}", flow.from, flow.to), outcome(flow));
        let runs = format!("    {}  {}  {}  ", padded(&head, 32), flow.operation, took(flow));
        paper.line(&[(Tone::Plain, &runs), (if flow.ok { Tone::Plain } else { Tone::Bad }, &status)]);
    }
    if blame.count > MAX_PROOFS as u64 {
        paper.line(&[(Tone::Dim, &format!("    … and {} more", blame.count - MAX_PROOFS as u64))]);
    }
}

fn took(flow: &Brief) -> String {
    flow.duration.map_or("…".to_owned(), duration)
}

fn finding(paper: &mut Paper, finding: &Finding, story: &Story, drawn: &mut Drawn) {
    let times = if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
    paper.wrapped(Tone::Strong, "    ", 6, &format!("{}{times}", escape(&finding.title)));
    for (what, text) in [("seen: ", &finding.evidence), ("to do: ", &finding.advice)] {
        if !text.is_empty() {
            paper.wrapped(Tone::Plain, &format!("      {what}"), 8, &escape(text));
        }
    }
    let trace = finding.flows.iter().flatten().find_map(|flow| story.trace_of(*flow));
    draw(paper, story, trace, drawn);
}

/// A trace, once.
fn draw(paper: &mut Paper, story: &Story, trace: Option<&TraceRecord>, drawn: &mut Drawn) {
    let Some((trace, first)) = trace.and_then(|trace| Some((trace, trace.tree.first()?.flow))) else { return };
    if drawn.traces.insert(first) {
        paper.line(&[]);
        tree(paper, story, trace, &drawn.marks);
        paper.line(&[]);
    } else {
        paper.line(&[(Tone::Dim, &format!("    in trace {}, drawn above", escape(&trace.trace_id)))]);
    }
}

fn rest(paper: &mut Paper, all: usize, shown: usize) {
    if all > shown {
        paper.line(&[(Tone::Dim, &format!("    … and {} more", all - shown))]);
    }
}
