//! Records beside flows: what is told of a connection that ended, and the sums at the end.

use super::conn::{Dir, End, Stamp};
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
    /// Which side ended it first, by the direction in which it said so, and when.
    pub hung_up: Option<(Dir, Time)>,
    /// The first 64 bytes, where the protocol stayed unknown.
    pub head: Vec<u8>,
}

/// Sums that sources, net and decoders count up, each where it happens; each discard has its own. Once all is read, they account for
/// every byte:
///
/// - `bytes = header_bytes + passed_over_bytes + repeated_bytes + stream_bytes`
/// - `stream_bytes = decoded_bytes + undecoded_bytes + encrypted_bytes + tap_bytes`; `lost_bytes` are known of beside them
///
/// and for every packet, which is a connection's or passed over or refused: `packets` is the sum of those of all connections,
/// of `passed_over` and of `own_drops` that were packets, where those `of no stream` are both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets read.
    pub packets: u64,
    /// Captured bytes read.
    pub bytes: u64,
    /// Packets we refused under load.
    pub own_drops: u64,
    /// What is around the payload of packets that have one: headers, padding, what fragments repeat.
    pub header_bytes: u64,
    /// Bytes of packets that are passed over or refused: of all of the packet, or where that is found only after its headers were
    /// counted, of its payload.
    pub passed_over_bytes: u64,
    /// Payload bytes that brought a stream nothing: seen before, probes, behind its end, or of no place in it.
    pub repeated_bytes: u64,
    /// Payload bytes of TCP streams and UDP datagrams, each once: what is decoded or not.
    pub stream_bytes: u64,
    /// Stream bytes that an analyzer consumed as parts of messages. Below 0 only while an analyzer is at work.
    pub decoded_bytes: i64,
    /// Stream bytes that belong to no message.
    pub undecoded_bytes: u64,
    /// Stream bytes of TLS records that stay closed.
    pub encrypted_bytes: u64,
    /// Stream bytes of taps of meshtop, left out of view.
    pub tap_bytes: u64,
    /// Bytes in holes: known to have been sent, and not captured.
    pub lost_bytes: u64,
    /// Holes in streams.
    pub gaps: u64,
    /// Broken framing.
    pub decode_errors: u64,
    /// Connections given up for lack of room.
    pub evicted_connections: u64,
    /// How often a connection let go of bytes that it held, since all together held too much.
    pub evicted_held: u64,
    /// Packets that hold nothing we look into, or nothing new, by reason.
    pub passed_over: Vec<(&'static str, u64)>,
    /// What tells of messages, and nobody knows of which, by kind: their acknowledgements, where they were not all captured.
    pub unassigned: Vec<(&'static str, u64)>,
}

impl Totals {
    /// Adds the sums of another part of the pipeline.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.own_drops += other.own_drops;
        self.header_bytes += other.header_bytes;
        self.passed_over_bytes += other.passed_over_bytes;
        self.repeated_bytes += other.repeated_bytes;
        self.stream_bytes += other.stream_bytes;
        self.decoded_bytes += other.decoded_bytes;
        self.undecoded_bytes += other.undecoded_bytes;
        self.encrypted_bytes += other.encrypted_bytes;
        self.tap_bytes += other.tap_bytes;
        self.lost_bytes += other.lost_bytes;
        self.gaps += other.gaps;
        self.decode_errors += other.decode_errors;
        self.evicted_connections += other.evicted_connections;
        self.evicted_held += other.evicted_held;
        for &(reason, n) in &other.passed_over {
            self.pass_over(reason, n, 0);
        }
        other.unassigned.iter().for_each(|&(kind, n)| add(&mut self.unassigned, kind, n));
    }

    /// Counts packets that are passed over, and what they held.
    pub fn pass_over(&mut self, reason: &'static str, packets: u64, bytes: u64) {
        self.passed_over_bytes += bytes;
        add(&mut self.passed_over, reason, packets);
    }

    /// Counts what tells of a message, and nobody knows of which.
    pub fn leave(&mut self, kind: &'static str) {
        add(&mut self.unassigned, kind, 1);
    }
}

fn add(counts: &mut Vec<(&'static str, u64)>, of: &'static str, n: u64) {
    match counts.iter_mut().find(|(known, _)| *known == of) {
        Some((_, count)) => *count += n,
        None => counts.push((of, n)),
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
    /// How often something was found beside so many findings that there was no room for it.
    pub evicted_findings: u64,
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
