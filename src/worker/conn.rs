//! One connection of a worker: what it is known by, what its bytes come by and where they go, and its end.

use super::Desk;
use super::out::Out;
use crate::decode::{Driver, Sink};
use crate::model::{ConnId, ConnMeta, Counts, Dir, End, Ended, EventKind, Joined, SourceId, SourceSet, Stamp, Transport, Zone};
use crate::net::{Datagrams, Reassembler, Streams as _};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

/// One connection. Very many may be open: what they are known by is held without what addresses of machines have beside.
#[derive(Debug)]
pub(super) struct Conn {
    /// What it was when it began.
    first: Stamp,
    ends: Ends,
    isn: Option<NonZeroU32>,
    zone: Zone,
    joined: Joined,
    pub(super) carrier: Carrier,
    pub(super) driver: Driver,
    /// The next free stream number.
    streams: u32,
    pub(super) held: usize,
    /// What it took of what all may hold, when that was last looked at.
    pub(super) weight: u32,
    /// The same of its exchanges that wait for their answers.
    pub(super) waiting: u32,
    /// What its analyzers remember, in bytes, likewise.
    pub(super) remembered: u32,
    /// Whether it is among those that may hold something.
    pub(super) listed: bool,
    pub(super) sources: SourceSet,
    /// Its first bytes, as long as nobody knows what they are.
    head: Box<[u8]>,
    /// How its directions ended: both by FIN, or else what ended one of them otherwise.
    how: End,
}

/// The addresses and ports of a client and a server.
#[derive(Clone, Copy, Debug)]
struct Ends {
    client: IpAddr,
    server: IpAddr,
    ports: [u16; 2],
}

/// How a connection's bytes come.
#[derive(Debug)]
pub(super) enum Carrier {
    Tcp(Reassembler),
    Udp(Datagrams),
}

impl Conn {
    /// One that begins.
    pub(super) fn new(meta: ConnMeta, source: SourceId) -> Self {
        let ConnMeta { first, client, server, transport, isn, zone, joined, .. } = meta;
        let carrier = match transport {
            Transport::Stream => Carrier::Tcp(Reassembler::default()),
            Transport::Datagram => Carrier::Udp(Datagrams::default()),
        };
        let mut sources = SourceSet::default();
        sources.add(source);
        Self {
            first,
            ends: Ends { client: client.ip(), server: server.ip(), ports: [client.port(), server.port()] },
            isn,
            zone,
            joined,
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

    /// What it was when it began.
    pub(super) fn meta(&self) -> ConnMeta {
        let Self { first, ends: Ends { client, server, ports: [from, to] }, isn, zone, joined, .. } = *self;
        let (client, server) = (SocketAddr::new(client, from), SocketAddr::new(server, to));
        let transport = match self.carrier {
            Carrier::Tcp(_) => Transport::Stream,
            Carrier::Udp(_) => Transport::Datagram,
        };
        ConnMeta { id: self.id(), client, server, transport, first, joined, isn, zone }
    }

    pub(super) fn id(&self) -> ConnId {
        ConnId(self.first.packet)
    }

    /// What its bytes come by, and where they go.
    pub(super) fn parts<'a>(&'a mut self, meta: &'a ConnMeta, desk: &'a mut Desk<'_>) -> (&'a mut Carrier, Out<'a>) {
        let sink = Sink {
            events: &mut *desk.events,
            totals: &mut *desk.totals,
            streams: &mut self.streams,
            held: &mut self.held,
            crowded: desk.holds.crowded(),
            memory: desk.holds.memory(),
            meta,
            at: desk.at,
            limits: &desk.settings.limits,
            decode_as: &desk.settings.decode_as,
        };
        (&mut self.carrier, Out { driver: &mut self.driver, head: &mut self.head, how: &mut self.how, sink })
    }

    /// Its end was not captured, nor what may have come before it.
    pub(super) fn end_is_lost(&mut self, desk: &mut Desk<'_>) {
        if let Carrier::Tcp(tcp) = &mut self.carrier
            && tcp.end_is_lost()
        {
            desk.totals.gaps += 1;
        }
    }

    /// It ends for another reason than its own segments.
    pub(super) fn finish(&mut self, how: End, desk: &mut Desk<'_>) {
        let meta = self.meta();
        match self.parts(&meta, desk) {
            (Carrier::Tcp(tcp), mut out) => tcp.finish(how, &mut out),
            (Carrier::Udp(udp), mut out) => Dir::BOTH.into_iter().for_each(|dir| out.end(dir, how, udp.last())),
        }
        self.ended(desk);
    }

    pub(super) fn ended(&mut self, desk: &mut Desk<'_>) {
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
        desk.push(self.id(), EventKind::Ended(Box::new(ended)));
    }

    /// Counts by the roles that the bytes showed.
    fn oriented(&self, counts: Counts) -> Counts {
        match self.driver.reversed() {
            true => Counts { to_server: counts.to_client, to_client: counts.to_server },
            false => counts,
        }
    }
}
