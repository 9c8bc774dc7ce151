//! The reader's part: packets become segments and datagrams for the shards, with ticks between them. Fragments are joined here.

use super::fragments::Fragments;
use super::ip::{self, Fragment, Hosts};
use super::limits::{CLOCK_LEAP, CLOCK_STEP, LAYERS, LONGEST, TICK};
use super::rest::{Reason, Rest};
use super::{ends, link};
use crate::model::{Batch, Item, Packet, Packets, Segment, SourceId, SourceNews, Stamp, TcpFlags, Transport, Zone};
use crate::time::Time;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What the next bytes of a packet are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// An Ethernet frame.
    Ethernet,
    /// What this EtherType says.
    Ether(u16),
    /// An IP packet, its version in its first bits.
    Ip,
    /// What this IP protocol number says, between these hosts.
    Payload(u8, Hosts),
    /// What was looked for: what is left is its payload.
    Done(Found),
}

/// What was looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// A TCP segment.
    Segment(Head),
    /// A UDP datagram.
    Datagram(Head),
    /// A part of one of both.
    Fragment(Fragment),
}

/// The fields of a TCP header that count, or those of a UDP header: then without the numbers and flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The sender.
    pub(super) from: SocketAddr,
    /// The receiver.
    pub(super) to: SocketAddr,
    /// Sequence number.
    pub(super) seq: u32,
    /// Acknowledgement number.
    pub(super) ack: u32,
    /// Flags.
    pub(super) flags: TcpFlags,
}

/// What of the capture is in an item: its own packet, and those of the fragments that were joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// How many packets.
    pub(super) packets: u64,
    /// Their captured bytes.
    pub(super) bytes: u64,
}

/// Turns packets into items. There is one, in the reader, since fragments and ticks belong to no shard.
#[derive(Debug, Default)]
pub struct Slicer {
    fragments: Fragments,
    ticked: Option<Time>,
    last: Stamp,
    /// Of the sources in other network namespaces: which. There are no more of them than a source can number.
    zones: BTreeMap<SourceId, Zone>,
}

/// What was captured between two packets came between them: where its clock was far ahead of both for a moment, it has the time of the one
/// before it, so that nothing seems to have been idle meanwhile.
fn between(mut before: Time, list: &mut [Packet]) {
    for at in 1..list.len() {
        let next = list[at].stamp.time;
        let time = &mut list[at - 1].stamp.time;
        if time.since(before) >= CLOCK_LEAP && time.since(next) >= CLOCK_LEAP {
            *time = before;
        }
        before = *time;
    }
}

impl Slicer {
    /// Takes the packets over into `out`: its slab (with joined fragments behind), items, sums and news; number and overload are the caller's.
    pub fn batch(&mut self, packets: Packets, out: &mut Batch) {
        let Packets { slab, mut list, news, owned, .. } = packets;
        let before = list.first().filter(|_| self.ticked.is_none()).map_or(self.last.time, |first| first.stamp.time);
        between(before, &mut list);
        for news in &news {
            if let SourceNews::Zone(source, zone) = news {
                self.zones.insert(*source, *zone);
            }
        }
        (out.slab, out.news, out.owned) = (slab, news, owned);
        for packet in &list {
            self.tick(packet.stamp.time, out);
            self.last = packet.stamp;
            out.packets += 1;
            out.bytes += packet.bytes.len() as u64;
            let mut load = Load { packets: 1, bytes: packet.bytes.len() as u64 };
            match self.slice(packet, &mut load, out) {
                Ok(Some(item)) => {
                    out.header_bytes += load.bytes - item.payload();
                    out.items.push(item);
                    if load.packets > 1 {
                        pass_over(&mut out.passed_over, "joined fragment", load.packets - 1);
                    }
                }
                Ok(None) => {}
                Err(reason) => {
                    out.passed_over_bytes += load.bytes;
                    pass_over(&mut out.passed_over, reason, load.packets);
                }
            }
        }
        out.last = self.last;
    }

    /// Packet time has come to `now`: adds a tick if that is past the next one due. A live reader without packets calls it by itself.
    ///
    /// However far time jumped, one tick is enough: it tells where time is. A step back makes none, and a long one sets the clock anew.
    pub fn tick(&mut self, now: Time, out: &mut Batch) {
        let ticked = *self.ticked.get_or_insert(now);
        if now.since(ticked) >= TICK {
            let into = now.nanos().rem_euclid(TICK.nanos() as i64);
            let time = ticked.max(Time::from_nanos(now.nanos().saturating_sub(into)));
            self.ticked = Some(time);
            // a batch without packets ends with the time, not with a packet of long ago: what waits for time to pass hears it so
            out.last = Stamp { packet: self.last.packet, time };
            out.items.push(Item::Tick(out.last));
        } else if ticked.since(now) > CLOCK_STEP {
            self.ticked = Some(now);
        }
    }

    /// The capture is over: counts the fragments that still wait.
    pub fn finish(&mut self, out: &mut Batch) {
        self.fragments.finish(|reason, load| {
            out.passed_over_bytes += load.bytes;
            pass_over(&mut out.passed_over, reason, load.packets);
        });
        out.last = self.last;
    }

    /// One packet: an item, nothing yet where it is a part of a datagram, or why it is passed over. `load` becomes that of all parts.
    fn slice(&mut self, packet: &Packet, load: &mut Load, out: &mut Batch) -> Result<Option<Item>, Reason> {
        let zone = self.zones.get(&packet.source).copied().unwrap_or_default();
        let cut = (packet.wire_len as usize).min(LONGEST).saturating_sub(packet.bytes.len());
        let mut rest = Rest::new(&out.slab, packet.bytes.clone(), cut);
        let mut layers = LAYERS;
        let mut next = link::link(packet.link, &mut rest)?;
        loop {
            let part = match peel(next, &mut rest, &mut layers)? {
                Found::Segment(head) => return Ok(Some(Item::Segment(segment(packet, zone, head, &rest, Transport::Stream)))),
                Found::Datagram(head) => {
                    return Ok(Some(Item::Datagram(segment(packet, zone, head, &rest, Transport::Datagram))));
                }
                Found::Fragment(part) => part,
            };
            if rest.cut() > 0 {
                return Err("cut fragment");
            }
            let bytes = out.slab.get(rest.range()).unwrap_or_default();
            let drop = |reason, load: Load| {
                out.passed_over_bytes += load.bytes;
                pass_over(&mut out.passed_over, reason, load.packets);
            };
            let place = (packet.source, packet.stamp.time);
            let Some(whole) = self.fragments.add(part, bytes, *load, place, drop) else { return Ok(None) };
            *load = whole.load;
            let start = out.slab.len();
            out.slab.extend_from_slice(&whole.bytes);
            rest = Rest::new(&out.slab, start..out.slab.len(), 0);
            next = Next::Payload(whole.protocol, whole.hosts);
        }
    }
}

/// Header by header down to what was looked for.
fn peel(mut next: Next, rest: &mut Rest<'_>, layers: &mut u32) -> Result<Found, Reason> {
    loop {
        next = match next {
            Next::Ethernet => link::ethernet(rest)?,
            Next::Ether(kind) => link::ether(kind, rest)?,
            Next::Ip => ip::packet(rest)?,
            Next::Payload(protocol, hosts) => ip::payload(protocol, hosts, rest)?,
            Next::Done(found) => return Ok(found),
        };
        *layers = layers.checked_sub(1).ok_or("too many headers")?;
    }
}

fn segment(packet: &Packet, zone: Zone, head: Head, rest: &Rest<'_>, transport: Transport) -> Segment {
    let Head { from, to, seq, ack, flags } = head;
    let shard = ends::shard(from, to, transport, ends::realm(from, to, zone));
    let cut = u32::try_from(rest.cut()).unwrap_or(u32::MAX);
    let Packet { stamp, source, .. } = *packet;
    Segment { stamp, source, zone, from, to, seq, ack, flags, payload: rest.range(), cut, shard }
}

fn pass_over(sums: &mut Vec<(Reason, u64)>, reason: Reason, n: u64) {
    match sums.iter_mut().find(|(r, _)| *r == reason) {
        Some((_, sum)) => *sum += n,
        None => sums.push((reason, n)),
    }
}

#[cfg(test)]
mod tests;
