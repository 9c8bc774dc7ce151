//! How it reads what a service does with the contexts that it receives. It judges nothing.

use super::super::Words;
use super::super::ledger::{Count, Ledger, Sent};
use super::Case;
use crate::model::{FindingKind, Link};
use std::sync::Arc;

/// A few of them, in words.
fn listed(all: &[&str]) -> String {
    match all {
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} and {other}"),
        [one, other, ..] => format!("{one}, {other} and {} more", all.len() - 2),
        [] => String::new(),
    }
}

/// What else a service sends, beside what it sends there: what is of one kind is not named twice.
fn alike(sent: &str, others: &[&str]) -> String {
    let kind = sent.split_once(" to ").map_or(sent, |(kind, _)| kind);
    let rest: Option<Vec<_>> =
        others.iter().map(|other| other.strip_prefix(kind).filter(|rest| rest.starts_with(" to "))).collect();
    match rest.as_deref() {
        Some([first, rest @ ..]) => {
            let rest = rest.iter().map(|rest| rest.trim_start_matches(" to "));
            format!("those{}", listed(&std::iter::once(*first).chain(rest).collect::<Vec<_>>()))
        }
        _ => format!("its {}", listed(others)),
    }
}

impl Case {
    /// What to do about a loss, by what else the same service sends.
    fn remedy(&self, counted: &Sent, carrying: &[&str]) -> String {
        let Self { service, sent, sender, .. } = self;
        let inject = format!("let {service} inject the context of what it works on");
        match (counted.count.carried, counted.parts(), carrying) {
            (0, _, []) => format!("its {sender} is not instrumented: {inject}"),
            (0, _, others) => {
                let (sender, others) = (sender.trim_end_matches(" of messages"), alike(sent, others));
                format!("{inject} into its {sent}, as into {others}: that {sender} is not instrumented, or leaves it out there")
            }
            (_, Some([lost, kept]), _) => format!(
                "{} carries it and {} does not: what sends the latter uses a client of its own that is not instrumented, or loses the \
                 context before (a thread, a callback, a queue): {inject}",
                listed(&kept),
                listed(&lost)
            ),
            (..) => format!(
                "its {sender} is instrumented, as some of them carry it: on one of the ways there the context is lost (a thread, a callback, \
                 a pool, a queue within {service}), or a second {sender} is not instrumented: hand the context on with the work"
            ),
        }
    }

    /// How it reads, by what else was counted.
    pub(super) fn words(&self, ledger: &Ledger) -> Words {
        let Self { service, to, received, sent, sender, carriers: [come, gone], .. } = self;
        let [came, went] = [come, gone].map(|carriers| carriers.iter().copied().collect::<Vec<_>>().join(" and "));
        let counted = ledger.get(service, sent);
        let Count { all, carried } = counted.count;
        let tie = match (self.link, self.among) {
            (Link::TraceId, _) => String::new(),
            (_, 1..) => "; because of which of several requests nobody can tell, but all of them had one".into(),
            (link, _) if self.mixed => {
                format!(
                    "; the flows are {}, but for some of which nobody can tell because of which request they were sent",
                    link.reason()
                )
            }
            (link, _) => format!("; the flows are {}", link.reason()),
        };
        let (title, evidence, advice) = match self.kind {
            FindingKind::TraceRestarted => (
                format!("{service} begins another trace for its {sent}"),
                format!(
                    "{service} received {came} with {received} and sent another trace ID as {went} on {} of {all} {sent}{tie}",
                    all - carried
                ),
                match come.is_disjoint(gone) {
                    false => format!(
                        "let {service} take the context of what it received as the parent: its {sender} begins a trace of its own"
                    ),
                    true => format!(
                        "let {service} read {came}: its propagator writes {went}, and begins a trace of its own where that did not come"
                    ),
                },
            ),
            FindingKind::TraceMaybeLinked => (
                format!("{service} works on {received} in a trace of its own, which a span link may tie"),
                format!(
                    "{service} received {came} with {received} and sent another trace ID on {} of {all} {sent}{tie}",
                    all - carried
                ),
                format!("no error where {service} adds span links; else let it continue the trace that the message carries"),
            ),
            FindingKind::TraceFormatSwitched => {
                let went = if went.is_empty() { "a request ID" } else { &went };
                (
                    format!("{service} passes the trace on with its {sent} as {went} only, though it came as {came}"),
                    format!("{service} received {came} with {received} and sent {went} alone with {sent}{tie}"),
                    format!("let the {sender} of {service} write {came} too, unless {to} is known to read {went}"),
                )
            }
            FindingKind::TraceStaleParent => (
                format!("{service} sends its {sent} with the span ID that it received: its own work is missing from the trace"),
                format!("{service} sent the very span ID with {sent} that it had received with {received}"),
                format!("{service} copies the header instead of beginning a span: let a tracer write it"),
            ),
            FindingKind::TraceUnsampled => (
                format!("{service} turns sampling off for its {sent}: what comes behind them is not recorded"),
                format!("{service} received {came} with the sampled flag on with {received}, and sent it off with {sent}"),
                format!("let {service} respect its parent's decision (a parent-based sampler)"),
            ),
            _ => (
                match carried {
                    0 if self.paired => {
                        format!("{service} loses the trace: its {sent} carry a correlation ID, and no trace context")
                    }
                    0 => format!("{service} loses the trace: its {sent} carry no trace context"),
                    _ => format!("{service} loses the trace: some of its {sent} carry no trace context"),
                },
                format!("{service} received {came} with {received} and sent it on {carried} of {all} {sent}{tie}"),
                match self.remedy(&counted, &ledger.carrying(service)) {
                    remedy if self.paired => format!(
                        "{remedy}; a correlation ID pairs a reply with its question, and no tracer continues a trace by it"
                    ),
                    remedy => remedy,
                },
            ),
        };
        Words { title, service: Some(Arc::clone(service)), evidence, advice }
    }
}
