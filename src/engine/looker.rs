//! The one thread that decodes: the flow that somebody looks at, and flows that a filter on headers or bodies asks about. It holds
//! shared details, never the store, and the engine never waits for it.

use super::EngineOptions;
use super::detail::{self, Memory};
use super::view::{Candidate, DetailView};
use crate::filter::{Filter, Needs};
use crate::mask::Secrets;
use crate::model::{Flow, FlowId};
use crate::schema::Current;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;

/// Jobs on their way: more than the core hands out at once, so that handing over never waits.
const JOBS: usize = 4;

/// What there is to look at.
#[derive(Debug)]
pub(super) enum Job {
    /// Make this flow readable; and what may have caused it, where nothing tells which.
    Inspect(Box<Flow>, Vec<Candidate>),
    /// Say which of these flows match.
    Judge {
        /// The search they belong to.
        search: u64,
        /// What it asks.
        filter: Arc<Filter>,
        /// Newest first.
        flows: Vec<Flow>,
    },
}

/// What was found.
#[derive(Debug)]
pub(super) enum Answer {
    /// The flow, readable.
    Detail(Box<DetailView>),
    /// How each flow stands to the filter. For a search that is no longer wanted some may be missing.
    Verdicts {
        /// The search.
        search: u64,
        /// The flows.
        verdicts: Vec<(FlowId, Verdict)>,
    },
}

/// How a flow stands to a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It matches.
    Matches,
    /// It does not.
    Differs,
    /// Nothing that is left of it matches, and what the filter reads was dropped for the memory budget: nobody knows.
    Unseen,
}

impl From<bool> for Verdict {
    fn from(matches: bool) -> Self {
        if matches { Self::Matches } else { Self::Differs }
    }
}

/// How to look.
#[derive(Clone, Debug)]
pub(super) struct Looks {
    /// Whether secrets are shown.
    pub(super) secrets: Secrets,
    /// Bytes kept of a body once it is inflated.
    pub(super) body_limit: usize,
    /// Which messages are known.
    pub(super) schemas: Current,
}

/// The looker's thread, and the ways to and from it. It ends once its jobs are out of reach.
pub(super) struct Looker {
    pub(super) jobs: Sender<Job>,
    pub(super) answers: Receiver<Answer>,
    /// The newest search.
    pub(super) wanted: Arc<AtomicU64>,
}

impl Looker {
    pub(super) fn start(options: &EngineOptions) -> std::io::Result<Self> {
        let looks = Looks { secrets: options.secrets, body_limit: options.body_limit, schemas: options.schemas.clone() };
        let ((jobs, to_do), (done, answers)) = (bounded(JOBS), bounded(JOBS));
        let wanted = Arc::new(AtomicU64::new(0));
        let newest = Arc::clone(&wanted);
        Builder::new().name("looker".into()).spawn(move || run(&to_do, &looks, &newest, |answer| _ = done.send(answer)))?;
        Ok(Self { jobs, answers, wanted })
    }
}

/// Works until there are no more jobs to come. `wanted` is the newest search: what belongs to an older one is skipped.
fn run(jobs: &Receiver<Job>, looks: &Looks, wanted: &AtomicU64, mut answer: impl FnMut(Answer)) {
    let mut memory = Memory::default();
    for job in jobs {
        answer(look(job, looks, wanted, &mut memory));
    }
}

/// Does one job. A decoder that panics costs one answer, not the thread: the flow is said to be unreadable, and does not match.
pub(super) fn look(job: Job, looks: &Looks, wanted: &AtomicU64, memory: &mut Memory) -> Answer {
    match job {
        Job::Inspect(flow, candidates) => {
            let seen = catch_unwind(AssertUnwindSafe(|| detail::inspect(&flow, looks, memory)));
            let seen = seen.unwrap_or_else(|_| detail::unreadable(&flow));
            Answer::Detail(Box::new(detail::doubted(seen, candidates)))
        }
        Job::Judge { search, filter, flows } => {
            let fresh = flows.iter().take_while(|_| wanted.load(Ordering::Relaxed) == search);
            let judge = |flow: &Flow| catch_unwind(AssertUnwindSafe(|| judge(&filter, flow))).unwrap_or(Verdict::Differs);
            Answer::Verdicts { search, verdicts: fresh.map(|flow| (flow.row.id, judge(flow))).collect() }
        }
    }
}

fn judge(filter: &Filter, flow: &Flow) -> Verdict {
    let gone = match filter.needs() {
        Needs::Row => false,
        Needs::Detail => flow.detail.is_none(),
        Needs::Bodies => flow.detail.as_ref().is_none_or(|detail| detail.bodies_evicted),
    };
    match filter.matches(flow.as_ref()) {
        false if gone => Verdict::Unseen,
        matches => matches.into(),
    }
}
