//! A worker: the connections of its shards, from segments to events. Workers share nothing; one may run inline in the reader.

mod conn;
mod ending;
mod holds;
mod merge;
mod out;
mod settings;

use crate::decode::{detect, registry};
use crate::model::{
    Batch, ConnId, ConnMeta, End, Event, EventKind, Fact, Item, OwnedEnd, Segment, SourceId, Stamp, Totals, Transport,
};
use crate::net::limits::SHARDS;
use crate::net::{ConnTable, Owner, Seen, Slot};
use conn::{Carrier, Conn};
use ending::Left;
use holds::Holds;
pub use merge::merge;
pub use settings::Settings;
use std::sync::Arc;

/// How much of a connection's beginning is kept for its record.
const HEAD: usize = 64;
/// Why a packet is passed over that another source showed just before.
const COPY: &str = "seen on another interface";

/// What one worker made of one batch.
#[derive(Debug, Default)]
pub struct Made {
    /// In the order in which they were made.
    pub events: Vec<Event>,
    /// Where in the order of all workers' events each run of events belongs, and where in `events` it ends.
    runs: Vec<(Place, usize)>,
    /// The worker's sums so far.
    pub totals: Totals,
}

/// A place in the order of events: by item of the batch, then by shard; at the end by connection.
type Place = (u64, usize);

/// Some shards.
#[derive(Debug)]
pub struct Worker {
    settings: Arc<Settings>,
    /// Every `of`-th shard, from `index` on.
    shards: Vec<Shard>,
    index: usize,
    of: usize,
    totals: Totals,
    holds: Holds,
    /// Room for the events of the next batch, by what the last ones made: a power of two, so that an allocator has few sizes to keep.
    made: usize,
    /// What was open at the end and has not ended so far, in the order of the first packets.
    left: Left,
}

#[derive(Debug)]
struct Shard {
    table: ConnTable<Conn>,
}

impl Worker {
    /// Worker `index` of `of`, at least one.
    pub fn new(settings: Arc<Settings>, index: usize, of: usize) -> Self {
        let shards = (index..SHARDS)
            .step_by(of)
            .map(|_| Shard { table: ConnTable::new(settings.connections, registry::usual_port) })
            .collect();
        let holds = Holds::new(settings.limits.together / of);
        Self { settings, shards, index, of, totals: Totals::default(), holds, made: 0, left: Left::default() }
    }

    /// Works through the items of its shards.
    pub fn batch(&mut self, batch: &Batch) -> Made {
        let mut made = Made { events: Vec::with_capacity(self.made), ..Made::default() };
        for (n, item) in batch.items.iter().enumerate() {
            match item {
                Item::Segment(seg) => {
                    let Some(at) = self.own(usize::from(seg.shard)) else { continue };
                    self.segment(at, seg, Transport::Stream, batch, &mut made.events);
                    made.mark((n as u64, usize::from(seg.shard)));
                }
                Item::Datagram(seg) => {
                    let Some(at) = self.own(usize::from(seg.shard)) else { continue };
                    if self.is_read(at, seg, batch) {
                        self.segment(at, seg, Transport::Datagram, batch, &mut made.events);
                        made.mark((n as u64, usize::from(seg.shard)));
                    } else {
                        self.totals.pass_over("udp", 1, item.payload());
                    }
                }
                Item::Tick(now) => {
                    for at in 0..self.shards.len() {
                        self.tick(at, *now, &mut made.events);
                        made.mark((n as u64, self.index + at * self.of));
                    }
                }
            }
        }
        made.totals = self.sums();
        self.made = made.events.len().next_power_of_two().max(self.made / 2);
        made
    }

    fn own(&self, shard: usize) -> Option<usize> {
        (shard % self.of == self.index).then_some(shard / self.of)
    }

    /// The sums so far.
    pub fn sums(&self) -> Totals {
        let mut totals = self.totals.clone();
        for shard in &self.shards {
            let sums = shard.table.sums();
            totals.evicted_connections += sums.evicted;
            totals.own_drops += sums.refused_packets;
            if sums.late > 0 {
                totals.pass_over("after the close", sums.late, 0);
            }
        }
        totals
    }

    /// Whether a datagram is of a connection that is there, or recognised. Others cost no connection: a port may carry nothing else.
    fn is_read(&self, at: usize, seg: &Segment, batch: &Batch) -> bool {
        let ports = [seg.to.port(), seg.from.port()];
        let payload = batch.slab.get(seg.payload.clone()).unwrap_or_default();
        // what is sent to a group is no conversation: who answers, if anyone, is not known
        !seg.to.ip().is_multicast()
            && (self.shards.get(at).is_some_and(|shard| shard.table.holds(seg, Transport::Datagram))
                || detect::recognises(&self.settings.decode_as, ports, payload, seg.cut > 0))
    }

    fn segment(&mut self, at: usize, seg: &Segment, transport: Transport, batch: &Batch, events: &mut Vec<Event>) {
        let Some(shard) = self.shards.get_mut(at) else { return };
        let (settings, totals, holds) = (&self.settings, &mut self.totals, &mut self.holds);
        let mut desk = Desk { settings, totals, holds, events, at: seg.stamp };
        let Some((slot, dir)) = shard.table.find(seg, transport, batch.overload, &mut desk) else {
            desk.totals.passed_over_bytes += seg.payload.len() as u64;
            if let Some(closed) = shard.table.closed(seg, transport) {
                desk.push(closed, EventKind::SeenBy(seg.source));
                desk.owned(closed, seg, batch);
            }
            return;
        };
        let Some(conn) = shard.table.get(slot) else { return };
        let meta = conn.meta();
        desk.owned(meta.id, seg, batch);
        if !conn.sources.has(seg.source) {
            conn.sources.add(seg.source);
            desk.push(meta.id, EventKind::SeenBy(seg.source));
        }
        let payload = batch.slab.get(seg.payload.clone()).unwrap_or_default();
        let (carrier, mut out) = conn.parts(&meta, &mut desk);
        match carrier {
            Carrier::Tcp(tcp) => {
                if batch.several && tcp.is_copy(seg, dir) {
                    return desk.totals.pass_over(COPY, 1, payload.len() as u64);
                }
                tcp.segment(seg, payload, dir, &mut out);
                shard.after(slot, &mut desk);
                self.weigh(at, slot, seg.stamp, events);
            }
            Carrier::Udp(udp) => {
                match udp.datagram(seg, payload, dir) {
                    Seen::Copy => return desk.totals.pass_over(COPY, 1, payload.len() as u64),
                    Seen::Again => return,
                    Seen::First => {}
                }
                out.driver.datagram(&mut out.sink, dir, payload, seg.stamp);
                out.sink.totals.lost_bytes += u64::from(seg.cut);
                shard.after(slot, &mut desk);
            }
        }
    }

    fn tick(&mut self, at: usize, now: Stamp, events: &mut Vec<Event>) {
        let Some(shard) = self.shards.get_mut(at) else { return };
        let mut desk = Desk { settings: &self.settings, totals: &mut self.totals, holds: &mut self.holds, events, at: now };
        let due = shard.table.tick(now.time, &mut desk);
        for &slot in &due {
            let Some(conn) = shard.table.get(slot) else { continue };
            let meta = conn.meta();
            let (carrier, mut out) = conn.parts(&meta, &mut desk);
            if let Carrier::Tcp(tcp) = carrier {
                tcp.tick(now, &mut out);
            }
            out.driver.tick(&mut out.sink, now);
            shard.after(slot, &mut desk);
        }
        due.into_iter().for_each(|slot| self.weigh(at, slot, now, events));
    }
}

impl Shard {
    /// A connection has moved on: it is over, or waits for time to pass, or neither.
    fn after(&mut self, slot: Slot, desk: &mut Desk<'_>) {
        let Some(Conn { carrier, driver, .. }) = self.table.get(slot) else { return };
        let (over, due) = match carrier {
            Carrier::Tcp(tcp) => (tcp.is_over(), tcp.due()),
            Carrier::Udp(_) => (false, None),
        };
        // an analyzer that waits is told of each tick
        let due = if driver.waits() { Some(desk.at.time) } else { due };
        if over {
            if let Some(mut conn) = self.table.close(slot) {
                conn.ended(desk);
            }
        } else if let Some(due) = due {
            self.table.wait(slot, due);
        }
    }
}

impl Made {
    /// What was made since the last mark belongs to `place`.
    fn mark(&mut self, place: Place) {
        if self.runs.last().map_or(0, |(_, end)| *end) < self.events.len() {
            self.runs.push((place, self.events.len()));
        }
    }
}

/// What a connection works with.
struct Desk<'a> {
    settings: &'a Settings,
    totals: &'a mut Totals,
    holds: &'a mut Holds,
    events: &'a mut Vec<Event>,
    at: Stamp,
}

impl Desk<'_> {
    fn push(&mut self, conn: ConnId, kind: EventKind) {
        self.events.push(Event { conn, at: self.at, kind });
    }

    /// What a comment on the packet says of the ends of its connection; what it says of others is not believed.
    fn owned(&mut self, conn: ConnId, seg: &Segment, batch: &Batch) {
        let Ok(at) = batch.owned.binary_search_by_key(&seg.stamp.packet, |(packet, _)| *packet) else { return };
        let ends = batch.owned.get(at).map(|(_, ends)| ends.as_slice()).unwrap_or_default();
        for OwnedEnd { end, owner } in ends.iter().filter(|of| of.end == seg.from || of.end == seg.to) {
            let fact = Fact::Owned { conn, end: *end, owner: Some(Arc::clone(owner)) };
            self.push(conn, EventKind::Fact(Box::new(fact)));
        }
    }
}

impl Owner<Conn> for Desk<'_> {
    fn begin(&mut self, meta: ConnMeta, source: SourceId) -> Conn {
        self.push(meta.id, EventKind::Began(Box::new(meta), source));
        Conn::new(meta, source)
    }

    fn rest(&mut self, conn: &mut Conn) {
        match &mut conn.carrier {
            Carrier::Tcp(tcp) => tcp.rest(),
            Carrier::Udp(udp) => udp.rest(),
        }
        conn.driver.rest();
        self.holds.weigh(conn);
    }

    fn end(&mut self, mut conn: Conn, how: End) {
        // its ports are another one's by now: it was not seen to end
        if how == End::Open {
            conn.end_is_lost(self);
        }
        conn.finish(how, self);
    }
}

#[cfg(test)]
mod tests;
