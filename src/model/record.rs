//! Records beside flows: what is told of a connection that ended, and the sums at the end.

use super::conn::{End, Stamp};
use super::event::{Counts, Event};
use super::fact::Party;
use super::segment::SourceNews;
use crate::time::{Span, Time};
use std::sync::Arc;

/// The `connection` record.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnRecord {
    /// Its number, from 1 up in packet order.
    pub id: u64,
    /// Its first packet.
    pub time: Time,
    /// From its first packet to its last.
    pub duration: Span,
    /// Who opened it.
    pub client: Arc<Party>,
    /// Who accepted it.
    pub server: Arc<Party>,
    /// Its protocol; none where it stayed unknown.
    pub protocol: Option<&'static str>,
    /// Payload bytes, each once.
    pub bytes: Counts,
    /// Packets.
    pub packets: Counts,
    /// Segments whose bytes had all been seen.
    pub retransmissions: u64,
    /// Holes.
    pub gaps: u64,
    /// How it ended.
    pub end: End,
    /// The first 64 bytes, where the protocol stayed unknown.
    pub head: Vec<u8>,
}

/// Sums that sources, net and decoders count up; each discard has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets read.
    pub packets: u64,
    /// Captured bytes read.
    pub bytes: u64,
    /// Packets we refused under load.
    pub own_drops: u64,
    /// Stream bytes that belong to no message.
    pub undecoded_bytes: u64,
    /// Stream bytes of TLS records that stay closed.
    pub encrypted_bytes: u64,
    /// Holes in streams.
    pub gaps: u64,
    /// Broken framing.
    pub decode_errors: u64,
    /// Connections given up for lack of room.
    pub evicted_connections: u64,
    /// Packets that hold nothing we look into, by reason.
    pub passed_over: Vec<(&'static str, u64)>,
}

impl Totals {
    /// Adds the sums of another part of the pipeline.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.own_drops += other.own_drops;
        self.undecoded_bytes += other.undecoded_bytes;
        self.encrypted_bytes += other.encrypted_bytes;
        self.gaps += other.gaps;
        self.decode_errors += other.decode_errors;
        self.evicted_connections += other.evicted_connections;
        for &(reason, n) in &other.passed_over {
            match self.passed_over.iter_mut().find(|(r, _)| *r == reason) {
                Some(slot) => slot.1 += n,
                None => self.passed_over.push((reason, n)),
            }
        }
    }
}

/// What the pipeline hands the engine for one batch of packets: every worker has passed it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// In packet order; within one packet in the order in which they were made.
    pub events: Vec<Event>,
    /// How far packet time has come.
    pub until: Stamp,
    /// What the sources said.
    pub news: Vec<SourceNews>,
    /// The sums so far (not of this batch alone).
    pub totals: Totals,
    /// Whether this is the last one.
    pub last: bool,
}

/// The `stats` record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// The pipeline's sums.
    pub totals: Totals,
    /// Packets the kernel had no room for.
    pub kernel_drops: u64,
    /// Connections seen.
    pub connections: u64,
    /// Flows by protocol, printed or not, in the order of first appearance.
    pub flows: Vec<(&'static str, u64)>,
    /// Flows whose bodies were dropped for the budget.
    pub evicted_bodies: u64,
    /// Flows whose details were dropped for the budget.
    pub evicted_details: u64,
    /// Flows that were dropped for the budget.
    pub evicted_flows: u64,
    /// Traces that were forgotten to make room.
    pub evicted_traces: u64,
    /// Events that found no place, such as a part of a flow that is not open: a mistake of ours.
    pub unplaced: u64,
    /// The most bytes that the process held at once.
    pub peak_memory: u64,
}

/// What a tap hands the reader, which gives it its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tapped {
    /// Whole flows of a session ([`ConnId::session`](super::ConnId::session)), and what begins and ends those.
    pub events: Vec<Event>,
    /// How the tap is.
    pub news: Vec<SourceNews>,
    /// Messages that were dropped since it last told.
    pub dropped: u64,
}
