//! What crosses from the engine to the screen and back: a query one way, a finished view the other. Plain data.

mod findings;
mod traces;

use crate::filter::Filter;
use crate::model::{Attachment, FindingKind, FindingSeverity, Flow, FlowId, Service, TraceNo};
use crate::schema::Offer;
use crate::text::Line;
use crate::time::{Span, Time};
pub use findings::{About, Example, FindingLine, Findings};
use std::collections::BTreeMap;
use std::sync::Arc;
pub use traces::{Candidate, Guests, HopLine, Spot, TraceLine, Traces, Waterfall};

/// What the screen wants to see. Each change gets a new generation; answers carry the generation they answer.
#[derive(Clone, Debug)]
pub struct Query {
    /// Counts up with each change.
    pub generation: u64,
    /// Which flows; none means all.
    pub filter: Option<Arc<Filter>>,
    /// Which part of the list.
    pub window: Window,
    /// How many rows fit on the screen; the view holds up to that many more on either side.
    pub height: usize,
    /// The flow whose detail is wanted.
    pub inspect: Option<FlowId>,
    /// What is on the screen beside the flows and the status.
    pub shown: Shown,
}

/// What a screen shows that the engine builds for it alone: nothing is built that nobody looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Only what every view has.
    #[default]
    Flows,
    /// The table of services too.
    Services,
    /// The list of traces too.
    Traces,
    /// One trace too.
    Trace(TraceNo),
    /// The list of findings too.
    Findings {
        /// Which of them.
        about: About,
        /// The one whose examples are wanted; none: the first.
        chosen: Option<u64>,
    },
}

/// Which part of the list of matching flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The newest flows, moving on as more arrive.
    Follow,
    /// The oldest ones.
    Top,
    /// Starting with this flow (or with the first one after it, where it no longer matches or is gone).
    From(FlowId),
}

/// What the screen shows: built by the engine at most 30 times a second, and at once for a new query.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The query it answers.
    pub generation: u64,
    /// Counts up with each view.
    pub serial: u64,
    /// The window and up to `height` rows more on either side, oldest first, with names resolved.
    pub rows: Vec<RowView>,
    /// Where in `rows` the window starts.
    pub top: usize,
    /// How many matching flows are before `rows`.
    pub before: u64,
    /// How many flows match.
    pub matching: u64,
    /// How many flows nobody can tell of: what is left of them does not match, and what the filter reads of them was evicted.
    pub unseen: u64,
    /// How many flows there are, evicted ones not counted.
    pub total: u64,
    /// Flows that arrived after the last row of the window.
    pub newer: u64,
    /// How far a filter that reads bodies has come: 0 to 100; none when it is done.
    pub searched_percent: Option<u8>,
    /// The detail of the inspected flow.
    pub detail: Option<Arc<DetailView>>,
    /// Who talks to whom, where it was asked for; the same table until the numbers have moved on.
    pub services: Option<Arc<Services>>,
    /// The traces, likewise.
    pub traces: Option<Arc<Traces>>,
    /// One trace, likewise; none where it was forgotten.
    pub trace: Option<Arc<Waterfall>>,
    /// The findings, likewise.
    pub findings: Option<Arc<Findings>>,
    /// The truth line.
    pub status: Status,
}

/// Who talks to whom: all settled flows, whatever the filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Services {
    /// As of this moment of packet time.
    pub at: Time,
    /// In the order of names.
    pub list: Vec<Service>,
    /// The taps, each with what its broker is called.
    pub taps: Vec<(Arc<str>, Arc<Attachment>)>,
    /// For each at fault how many findings there are, and how bad the worst is.
    pub found: BTreeMap<Arc<str>, (u64, FindingSeverity)>,
}

/// One row of the list.
#[derive(Clone, Debug)]
pub struct RowView {
    /// The flow: its detail is left out here.
    pub flow: Flow,
    /// The trace that it is part of, and how many flows that has so far; none where it was forgotten.
    pub trace: Option<(TraceNo, u64)>,
    /// Whether something of it could not be seen, or is broken.
    pub notes: bool,
    /// What is wrong with it, by a finding that it shows.
    pub found: Option<FindingKind>,
}

/// One flow, decoded for reading, secrets masked.
#[derive(Clone, Debug, Default)]
pub struct DetailView {
    /// Which flow.
    pub id: FlowId,
    /// Title: operation and parties.
    pub title: String,
    /// Names and values of the overview: times, addresses, sizes, trace context, notes.
    pub overview: Vec<(String, String)>,
    /// The request; none where it was not captured.
    pub request: Option<SideView>,
    /// The response.
    pub response: Option<SideView>,
    /// Its messages, where it has several, of both sides in the order in which they were seen.
    pub messages: Vec<MessageView>,
    /// A command that makes it again, where there is one.
    pub command: Option<CommandView>,
    /// Why there is none, where it is not for want of its request.
    pub no_command: Option<&'static str>,
    /// Whether something of it has a schema that nobody gave.
    pub unknown: bool,
    /// Which flows are as likely to have caused it, where none is claimed.
    pub candidates: Vec<Candidate>,
}

/// A command for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandView {
    /// Which tool it runs.
    pub tool: &'static str,
    /// The command, quoted.
    pub text: String,
    /// What is not in it.
    pub lacks: Option<&'static str>,
}

/// One message of a flow that has several, for reading.
#[derive(Clone, Debug, Default)]
pub struct MessageView {
    /// Its number on its side, from 1 up; those that were not kept are counted.
    pub number: u64,
    /// Whether it is of the request's side.
    pub request: bool,
    /// From the flow's first byte to its own.
    pub after: Span,
    /// From the first byte of the message before it, of whichever side; none for the first.
    pub gap: Option<Span>,
    /// Its bytes, as sent.
    pub bytes: u64,
    /// What it says; the same one as long as it is read the same way.
    pub said: Arc<Said>,
}

/// What a message says.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The beginning of what it holds, on one line.
    pub summary: String,
    /// What it is, and what is wrong with it.
    pub caption: String,
    /// What it holds.
    pub body: Vec<Line>,
    /// Its bytes as a hex dump.
    pub hex: Vec<Line>,
    /// What it holds, as it is copied.
    pub copy: String,
    /// Whether the copy is laid out for reading, and so not what was sent.
    pub formatted: bool,
    /// All of it as JSON on one line, secrets masked, where a schema says all of it.
    pub json: Option<String>,
}

/// One side of a flow for reading.
#[derive(Clone, Debug, Default)]
pub struct SideView {
    /// One line on what it is: `json · gzip · 1.2 KiB`, with what is wrong with it.
    pub caption: String,
    /// Header fields, masked.
    pub headers: Vec<(String, String)>,
    /// Trailer fields, masked.
    pub trailers: Vec<(String, String)>,
    /// The body for reading, tokens told apart for colour; none where it is in messages.
    pub body: Vec<Line>,
    /// The body's bytes as a hex dump, as sent, at most the kept part.
    pub hex: Vec<Line>,
    /// The body, or the messages one after the other, as it is copied: decoded text.
    pub copy: String,
    /// Whether the copy is laid out for reading, and so not what was sent.
    pub formatted: bool,
}

/// What the status line and the empty screen tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Packets read.
    pub packets: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Packets the kernel had no room for.
    pub kernel_drops: u64,
    /// Packets we refused under load.
    pub own_drops: u64,
    /// Holes in streams.
    pub gaps: u64,
    /// Broken framing.
    pub decode_errors: u64,
    /// Stream bytes that belong to no message.
    pub undecoded_bytes: u64,
    /// Stream bytes of taps of meshtop.
    pub tap_bytes: u64,
    /// Packets that hold nothing we look into, by reason.
    pub passed_over: Vec<(&'static str, u64)>,
    /// Connections seen.
    pub connections: u64,
    /// Connections whose protocol stayed unknown so far.
    pub unknown_connections: u64,
    /// Flows seen.
    pub flows: u64,
    /// Flows a second, over the last second of packet time.
    pub rate: u64,
    /// Flows, headers and bodies dropped for the budget.
    pub evicted: u64,
    /// Events that found no place, such as a part of a flow that is not open: a mistake of ours.
    pub unplaced: u64,
    /// Bytes held by the store.
    pub memory: u64,
    /// The store's budget.
    pub memory_limit: u64,
    /// What is read, and how it stands.
    pub sources: Vec<SourceStatus>,
    /// The capture filter in force.
    pub capture_filter: Option<String>,
    /// Bytes read and bytes in all, while a file loads.
    pub progress: Option<(u64, u64)>,
    /// Whether everything has been read: a file is done, or the capture ended.
    pub ended: bool,
    /// How many findings there are, and how bad the worst is.
    pub found: Option<(u64, FindingSeverity)>,
    /// The last warning, for the status line (`docker0 went away`).
    pub warning: Option<String>,
    /// Descriptors that were found and can be read at a word.
    pub offers: Arc<[Offer]>,
    /// What is wrong with the user's descriptors, a line each.
    pub problems: Arc<[String]>,
    /// The last answer to what somebody asked of the reader, to be told once, and how many there were.
    pub notice: Option<(u64, Arc<str>)>,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Interface, file or tap.
    pub name: String,
    /// Why it ended, where it has.
    pub closed: Option<String>,
    /// Packets that came from it.
    pub packets: u64,
    /// How it stands, of a tap.
    pub tap: Option<Arc<Attachment>>,
}

impl SourceStatus {
    /// Why it is not attached, where it is a tap.
    pub fn detached(&self) -> Option<&str> {
        self.tap.as_ref()?.detached.as_deref()
    }
}
