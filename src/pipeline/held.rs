//! Packets that wait to be written until it is known whose they are, in their order. How long, the taps decide.

use super::names::Names;
use crate::model::{Packet, PacketNo};
use crate::source::pcapng_write::{WriteError, Writer};
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long packets wait live: longer than a name may take that flows wait for, on a machine that is busy.
pub(super) const HOLD: Duration = Duration::from_millis(2500);
/// What may wait, in bytes: little beside what the recorder and the store hold.
const MAX_BYTES: usize = 8 << 20;

/// Batches of packets, the oldest first.
#[derive(Default)]
pub struct Held {
    batches: VecDeque<Batch>,
    bytes: usize,
}

struct Batch {
    came: Instant,
    list: Vec<Packet>,
    slab: Vec<u8>,
    /// The connection of each packet.
    keys: Vec<Option<u64>>,
}

impl Batch {
    fn cost(&self) -> usize {
        self.slab.len() + self.list.len() * (size_of::<Packet>() + size_of::<Option<u64>>())
    }
}

impl Held {
    /// Packets came.
    pub(super) fn push(&mut self, list: Vec<Packet>, slab: &[u8], keys: Vec<Option<u64>>, came: Instant) {
        let batch = Batch { came, list, slab: slab.to_vec(), keys };
        self.bytes += batch.cost();
        self.batches.push_back(batch);
    }

    /// The last packet of the oldest batch.
    pub(super) fn oldest(&self) -> Option<PacketNo> {
        self.batches.front()?.list.last().map(|packet| packet.stamp.packet)
    }

    /// Whether the oldest ones have waited long enough.
    pub(super) fn waited(&self, now: Instant) -> bool {
        self.batches.front().is_some_and(|batch| now.duration_since(batch.came) >= HOLD)
    }

    /// Whether there are more than may wait.
    pub(super) fn too_many(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    /// Writes the oldest batch, with the names that are known now and were not written before.
    pub(super) fn write<W: Write>(&mut self, names: &mut Names, writer: &mut Writer<W>) -> Result<(), WriteError> {
        let Some(batch) = self.batches.pop_front() else { return Ok(()) };
        self.bytes -= batch.cost();
        let mut written = writer.names(names.fresh_addresses());
        for (packet, key) in batch.list.iter().zip(&batch.keys) {
            let comment = key.and_then(|key| names.fresh_comment(packet.stamp.packet, key));
            let bytes = batch.slab.get(packet.bytes.clone()).unwrap_or_default();
            // after a failure the writer counts what it does not write
            written = written.and(writer.packet(packet, bytes, comment.as_deref()));
        }
        written
    }
}
