//! Findings: what is wrong or suspicious, with the flows that show it. What makes one is `engine::findings`'.

use super::flow::FlowId;
use crate::time::Time;
use std::sync::Arc;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A service took a message with a trace context, and what it sent because of it carries none.
    TraceLost,
    /// … carries another trace ID.
    TraceRestarted,
    /// … carries the ID in another format only.
    TraceFormatSwitched,
    /// … carries the same span ID unchanged, by a service that passes nothing on.
    TraceStaleParent,
    /// A trace context that cannot be right.
    TraceMalformed,
    /// The sampled flag goes from 1 to 0 on the way.
    TraceUnsampled,
    /// A consumer's work begins a new trace, which a span link may tie.
    TraceMaybeLinked,
    /// One failure made its callers fail.
    ErrorCascade,
    /// The same call again and again, failing.
    RetryStorm,
    /// A message was delivered again.
    Redelivery,
    /// A message was sent twice.
    DuplicateMessage,
    /// Messages were delivered in another order than they were sent.
    OutOfOrder,
    /// One hop took most of the time of a slow request.
    SlowHop,
    /// Many like queries because of one request.
    NPlusOne,
    /// A question without its answer.
    Unanswered,
    /// A message that reached nobody.
    Undelivered,
    /// Bytes that are not what their schema says.
    SchemaMismatch,
    /// Packets were lost, so that something else may be wrong.
    CaptureLoss,
}

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingSeverity {
    /// Something is broken.
    Error,
    /// Something probably is.
    Warning,
    /// Something to know.
    Info,
}

impl FindingSeverity {
    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// The kinds, the contract's word for each, and how bad it is.
pub const FINDING_KINDS: &[(FindingKind, &str, FindingSeverity)] = &[
    (FindingKind::TraceLost, "trace_lost", FindingSeverity::Error),
    (FindingKind::TraceRestarted, "trace_restarted", FindingSeverity::Error),
    (FindingKind::TraceFormatSwitched, "trace_format_switched", FindingSeverity::Warning),
    (FindingKind::TraceStaleParent, "trace_stale_parent", FindingSeverity::Warning),
    (FindingKind::TraceMalformed, "trace_malformed", FindingSeverity::Error),
    (FindingKind::TraceUnsampled, "trace_unsampled", FindingSeverity::Warning),
    (FindingKind::TraceMaybeLinked, "trace_maybe_linked", FindingSeverity::Info),
    (FindingKind::ErrorCascade, "error_cascade", FindingSeverity::Error),
    (FindingKind::RetryStorm, "retry_storm", FindingSeverity::Warning),
    (FindingKind::Redelivery, "redelivery", FindingSeverity::Warning),
    (FindingKind::DuplicateMessage, "duplicate_message", FindingSeverity::Warning),
    (FindingKind::OutOfOrder, "out_of_order", FindingSeverity::Warning),
    (FindingKind::SlowHop, "slow_hop", FindingSeverity::Warning),
    (FindingKind::NPlusOne, "n_plus_one", FindingSeverity::Warning),
    (FindingKind::Unanswered, "unanswered", FindingSeverity::Error),
    (FindingKind::Undelivered, "undelivered", FindingSeverity::Error),
    (FindingKind::SchemaMismatch, "schema_mismatch", FindingSeverity::Error),
    (FindingKind::CaptureLoss, "capture_loss", FindingSeverity::Info),
];

impl FindingKind {
    /// The contract's word.
    pub fn word(self) -> &'static str {
        FINDING_KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, word, _)| word)
    }

    /// How bad it is.
    pub fn severity(self) -> FindingSeverity {
        FINDING_KINDS.iter().find(|(kind, ..)| *kind == self).map_or(FindingSeverity::Info, |(.., severity)| *severity)
    }
}

/// Something wrong or suspicious: repeats of it are counted, not told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its number, from 1 up in the order in which findings came up.
    pub id: u64,
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// One sentence for people.
    pub title: String,
    /// The one at fault: its name, else its address; none where nobody is.
    pub service: Option<Arc<str>>,
    /// The flows of each occurrence: of a lost trace the flow in and the flow out. The first of many.
    pub flows: Vec<Vec<FlowId>>,
    /// How often it was seen.
    pub count: u64,
    /// What shows it, in words.
    pub evidence: String,
    /// What to do about it.
    pub advice: String,
    /// When it was noticed first: a little after the flows that showed it, once they or all of their trace had settled.
    pub time: Time,
}
