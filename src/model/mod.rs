//! Plain data that crosses the walls between the rooms. Everything may depend on it; it depends on nothing but `time`.

mod body;
mod conn;
mod edge;
mod event;
mod fact;
mod fields;
mod finding;
mod flow;
mod headers;
mod issue;
mod record;
mod segment;
mod tap;
mod trace;
pub mod unknown;

pub use body::{Body, BodyHint};
pub use conn::{ConnId, ConnMeta, Dir, End, Joined, PacketNo, Stamp, Transport, UNKNOWN, Zone};
pub use edge::{Edge, Load, RECENT, Service};
pub use event::{Closed, Counts, Ended, Event, EventKind, Head, Key, Opened, Part};
pub use fact::{Ask, Fact, Hint, NOBODY, Naming, Origin, OwnedEnd, Owner, Party, Process, Rank, Scope, host_of};
pub use fields::{Fields, Value};
pub use finding::{FINDING_KINDS, Finding, FindingKind, FindingSeverity};
pub use flow::{Detail, Flow, FlowId, FlowRef, Half, Legs, MAX_CANDIDATES, Message, PENDING, Pattern, Row, SourceSet, State};
pub use headers::{Headers, text_of};
pub use issue::{Issue, Severity};
pub use record::{ConnRecord, Stats, Tapped, Totals, Turn};
pub use segment::{Batch, Item, LinkType, Packet, Packets, Segment, SourceId, SourceNews, TcpFlags};
pub use tap::{Attachment, Binding, Exchange, Queue, Topology};
pub use trace::{Above, Link, Node, Step, StepKind, TraceContext, TraceNo, TraceRecord, Why};
