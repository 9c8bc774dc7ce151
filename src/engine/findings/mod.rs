//! Findings: what is wrong or suspicious, noticed by detectors, a file each, and folded where it repeats. Not how flows are tied.
//!
//! ```text
//!  a flow settles ────> Detector::flow ──┐
//!  a trace is quiet ──> Detector::trace ─┼─> Book: by kind and key ─> Record::Finding, at first and at the end with its count
//!  the last turn ─────> Detector::end ───┘
//! ```
//! A detector judges only what could be seen: absent, present and not observable stay apart. What rests on circumstances alone is held
//! back until it has repeated or nothing more comes, so that something may still speak against it.

mod book;
mod cascade;
mod company;
mod duplicate;
mod housekeeping;
mod ledger;
mod look;
mod loss;
mod malformed;
mod message;
mod n_plus_one;
mod order;
mod propagation;
mod redelivery;
mod retries;
#[cfg(test)]
pub(super) mod rig;
mod schema;
mod shown;
mod slow;
mod unanswered;
mod unconsumed;
mod undelivered;
mod waits;

use super::stitch::Manner;
use super::traces::{Hop, Trace};
use crate::model::{ConnRecord, Finding, FindingKind, FlowId, FlowRef, Node, Totals};
use crate::schema::Current;
use crate::time::Time;
pub(super) use book::{Book, Words};
pub(super) use housekeeping::{housekeeping, public_name};
pub(super) use ledger::label;
pub(super) use look::Look;
use message::Letter;

/// One thing that is looked out for.
trait Detector: std::fmt::Debug + Send {
    /// What it looks for, for people who see that nothing was found.
    fn seeks(&self) -> &'static str;
    /// A flow has settled.
    fn flow(&mut self, _flow: FlowRef<'_>, _book: &mut Book) {}
    /// A message was published or delivered: its flow has settled.
    fn letter(&mut self, _letter: &Letter, _flow: FlowRef<'_>, _book: &mut Book) {}
    /// A trace is quiet; it may grow again, and is looked at again then.
    fn trace(&mut self, _look: &Look<'_>, _book: &mut Book) {}
    /// A flow that is part of no trace has settled: nothing is known of what it caused.
    fn alone(&mut self, _hop: &Hop, _book: &mut Book) {}
    /// The same of one that any of these has caused, which are as likely.
    fn doubtful(&mut self, _hop: &Hop, _maybe: &[Hop], _book: &mut Book) {}
    /// A flow has settled, and nothing is claimed of what caused it, be it part of a trace or of none.
    fn unclaimed(&mut self, _hop: &Hop, _book: &mut Book) {}
    /// A connection has ended.
    fn connection(&mut self, _conn: &ConnRecord, _book: &mut Book) {}
    /// The sums have come so far, and so many packets were dropped by the kernel.
    fn totals(&mut self, _totals: &Totals, _kernel_drops: u64, _book: &mut Book) {}
    /// What circumstances are worth of a kind of call, by what was seen so far.
    fn manner(&mut self, _kind: u64, _manner: Manner) {}
    /// Nothing more comes.
    fn end(&mut self, _book: &mut Book) {}
}

/// Shows a detector a flow that has settled.
fn see(detector: &mut dyn Detector, flow: FlowRef<'_>, letter: Option<&Letter>, book: &mut Book) {
    detector.flow(flow, book);
    if let Some(letter) = letter {
        detector.letter(letter, flow, book);
    }
}

/// Makes a detector; those that read messages are told which are known.
type New = fn(&Current) -> Box<dyn Detector>;

/// Every detector there is.
static DETECTORS: &[New] = &[
    |_| Box::<propagation::Propagation>::default(),
    |_| Box::<malformed::Malformed>::default(),
    |_| Box::<redelivery::Redelivery>::default(),
    |_| Box::<duplicate::Duplicate>::default(),
    |_| Box::<order::OutOfOrder>::default(),
    |_| Box::<undelivered::Undelivered>::default(),
    |_| Box::<unconsumed::Unconsumed>::default(),
    |_| Box::<cascade::Cascade>::default(),
    |_| Box::<retries::RetryStorm>::default(),
    |_| Box::<n_plus_one::NPlusOne>::default(),
    |_| Box::<slow::Slow>::default(),
    |_| Box::<unanswered::Unanswered>::default(),
    |schemas| Box::new(schema::SchemaMismatch::new(schemas)),
    |_| Box::<loss::CaptureLoss>::default(),
];

/// The detectors, and what they found.
#[derive(Debug)]
pub(super) struct Findings {
    detectors: Vec<Box<dyn Detector>>,
    book: Book,
    schemas: Current,
}

impl Findings {
    /// Nothing is found yet, nor ever where nothing is `sought`. What schemas tell, those of then tell.
    pub(super) fn new(schemas: Current, sought: bool) -> Self {
        let detectors = DETECTORS.iter().filter(|_| sought).map(|new| new(&schemas)).collect();
        Self { detectors, book: Book::default(), schemas }
    }

    /// Whether anything is looked for.
    pub(super) fn any(&self) -> bool {
        !self.detectors.is_empty()
    }

    /// Packet time moves on in one step.
    pub(super) fn moved(&mut self, from: Time, to: Time) {
        self.book.moved(from, to);
    }

    /// A flow has settled.
    pub(super) fn flow(&mut self, flow: FlowRef<'_>, now: Time) {
        if !self.any() {
            return;
        }
        self.book.turn_to(now);
        let letter = Letter::of(flow);
        self.detectors.iter_mut().for_each(|detector| see(&mut **detector, flow, letter.as_ref(), &mut self.book));
    }

    /// A flow that is part of no trace has settled.
    pub(super) fn alone(&mut self, hop: &Hop) {
        self.detectors.iter_mut().for_each(|detector| detector.alone(hop, &mut self.book));
    }

    /// The same of one that any of these has caused, which are as likely.
    pub(super) fn doubtful(&mut self, hop: &Hop, maybe: &[Hop]) {
        self.detectors.iter_mut().for_each(|detector| detector.doubtful(hop, maybe, &mut self.book));
    }

    /// Nothing is claimed of what caused a flow that has settled.
    pub(super) fn unclaimed(&mut self, hop: &Hop) {
        self.detectors.iter_mut().for_each(|detector| detector.unclaimed(hop, &mut self.book));
    }

    /// What circumstances are worth of a kind of call.
    pub(super) fn manner(&mut self, kind: u64, manner: Manner) {
        self.detectors.iter_mut().for_each(|detector| detector.manner(kind, manner));
    }

    /// A connection has ended.
    pub(super) fn connection(&mut self, conn: &ConnRecord, now: Time) {
        self.book.turn_to(now);
        self.detectors.iter_mut().for_each(|detector| detector.connection(conn, &mut self.book));
    }

    /// The sums have come so far.
    pub(super) fn totals(&mut self, totals: &Totals, kernel_drops: u64, now: Time) {
        self.book.turn_to(now);
        self.detectors.iter_mut().for_each(|detector| detector.totals(totals, kernel_drops, &mut self.book));
    }

    /// A trace is quiet.
    pub(super) fn trace(&mut self, trace: &mut Trace, tree: &[Node], now: Time) {
        self.book.turn_to(now);
        trace.judge(|hops| {
            let look = Look::new(hops, tree);
            self.detectors.iter_mut().for_each(|detector| detector.trace(&look, &mut self.book));
        });
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        self.detectors.iter_mut().for_each(|detector| detector.end(&mut self.book));
    }

    /// What was found since this was asked last: each once.
    pub(super) fn news(&mut self) -> Vec<Finding> {
        self.book.news()
    }

    /// What was told before and was seen again since: at the end.
    pub(super) fn grown(&mut self) -> Vec<Finding> {
        self.book.grown()
    }

    /// All of them with the flows of their last occurrence, in the order in which they came up.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Finding, &[FlowId])> {
        self.book.all()
    }

    /// Counts up with each change.
    pub(super) fn changes(&self) -> u64 {
        self.book.changes()
    }

    /// How often something was found that there was no room for.
    pub(super) fn left_out(&self) -> u64 {
        self.book.left_out()
    }

    /// What is wrong with a flow.
    pub(super) fn mark_of(&self, flow: FlowId) -> Option<FindingKind> {
        self.book.mark_of(flow)
    }

    /// All flows of which something is wrong.
    pub(super) fn marks(&self) -> impl Iterator<Item = (FlowId, FindingKind)> {
        self.book.marks()
    }

    /// What is looked for.
    pub(super) fn sought(&self) -> Vec<&'static str> {
        self.detectors.iter().map(|detector| detector.seeks()).collect()
    }

    /// Forgets all, as if the watch began now.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.schemas.clone(), self.any());
    }
}

#[cfg(test)]
mod tests;
