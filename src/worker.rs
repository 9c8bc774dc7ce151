//! A worker: the connections of its shards, from segments to events. Workers share nothing; one may run inline in the reader.

mod ending;
mod holds;
mod merge;
mod out;
mod settings;

use crate::decode::{Driver, Sink, detect, registry};
use crate::model::{
    Batch, ConnId, ConnMeta, Counts, Dir, End, Ended, Event, EventKind, Fact, Item, OwnedEnd, Segment, SourceId, SourceSet,
    Stamp, Totals, Transport,
};
use crate::net::limits::SHARDS;
use crate::net::{ConnTable, Datagrams, Owner, Reassembler, Seen, Slot, Streams as _};
use ending::Left;
use holds::Holds;
pub use merge::merge;
use out::Out;
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

/// One connection.
#[derive(Debug)]
struct Conn {
    meta: ConnMeta,
    carrier: Carrier,
    driver: Driver,
    /// The next free stream number.
    streams: u32,
    held: usize,
    /// What it took of what all may hold, when that was last looked at.
    weight: usize,
    /// The same of its exchanges that wait for their answers.
    waiting: usize,
    /// What its analyzers remember, in bytes, likewise.
    remembered: usize,
    /// Whether it is among those that may hold something.
    listed: bool,
    sources: SourceSet,
    /// Its first bytes, as long as nobody knows what they are.
    head: Box<[u8]>,
    /// How its directions ended: both by FIN, or else what ended one of them otherwise.
    how: End,
}

/// How a connection's bytes come.
#[derive(Debug)]
enum Carrier {
    Tcp(Reassembler),
    Udp(Datagrams),
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
        desk.owned(conn.meta.id, seg, batch);
        if !conn.sources.has(seg.source) {
            conn.sources.add(seg.source);
            desk.push(conn.meta.id, EventKind::SeenBy(seg.source));
        }
        let payload = batch.slab.get(seg.payload.clone()).unwrap_or_default();
        let (carrier, mut out) = conn.parts(&mut desk);
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
            let (carrier, mut out) = conn.parts(&mut desk);
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
        let carrier = match meta.transport {
            Transport::Stream => Carrier::Tcp(Reassembler::default()),
            Transport::Datagram => Carrier::Udp(Datagrams::default()),
        };
        let mut sources = SourceSet::default();
        sources.add(source);
        Conn {
            meta,
            carrier,
            driver: Driver::detecting(),
            streams: 1,
            held: 0,
            weight: 0,
            waiting: 0,
            remembered: 0,
            listed: false,
            sources,
            head: Box::default(),
            how: End::Fin,
        }
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
        conn.finish(how, self);
    }
}

impl Conn {
    /// What its bytes come by, and where they go.
    fn parts<'a>(&'a mut self, desk: &'a mut Desk<'_>) -> (&'a mut Carrier, Out<'a>) {
        let sink = Sink {
            events: &mut *desk.events,
            totals: &mut *desk.totals,
            streams: &mut self.streams,
            held: &mut self.held,
            crowded: desk.holds.crowded(),
            oblivious: desk.holds.oblivious(),
            meta: &self.meta,
            at: desk.at,
            limits: &desk.settings.limits,
            decode_as: &desk.settings.decode_as,
        };
        (&mut self.carrier, Out { driver: &mut self.driver, head: &mut self.head, how: &mut self.how, sink })
    }

    /// It ends for another reason than its own segments.
    fn finish(&mut self, how: End, desk: &mut Desk<'_>) {
        match self.parts(desk) {
            (Carrier::Tcp(tcp), mut out) => tcp.finish(how, &mut out),
            (Carrier::Udp(udp), mut out) => Dir::BOTH.into_iter().for_each(|dir| out.end(dir, how, udp.last())),
        }
        self.ended(desk);
    }

    fn ended(&mut self, desk: &mut Desk<'_>) {
        desk.holds.forget(self);
        let (tally, last, hung_up) = match &self.carrier {
            Carrier::Tcp(tcp) => (tcp.tally(), tcp.last(), tcp.hung_up()),
            Carrier::Udp(udp) => (udp.tally(), udp.last(), None),
        };
        let by = |dir: Dir| if self.driver.reversed() { dir.other() } else { dir };
        if tally.strays > 0 {
            desk.totals.pass_over("of no stream", tally.strays, 0);
        }
        desk.totals.repeated_bytes += tally.repeated;
        let ended = Ended {
            how: self.how,
            last,
            hung_up: hung_up.map(|(dir, stamp)| (by(dir), stamp.time)),
            bytes: self.oriented(tally.bytes),
            packets: self.oriented(tally.packets),
            retransmissions: tally.retransmissions,
            gaps: tally.gaps,
            head: std::mem::take(&mut self.head).into_vec(),
        };
        desk.push(self.meta.id, EventKind::Ended(Box::new(ended)));
    }

    /// Counts by the roles that the bytes showed.
    fn oriented(&self, counts: Counts) -> Counts {
        match self.driver.reversed() {
            true => Counts { to_server: counts.to_client, to_client: counts.to_server },
            false => counts,
        }
    }
}

#[cfg(test)]
mod tests;
