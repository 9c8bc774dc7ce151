//! What happened in a recording, as something that can be done again: connections opened, bytes sent, connections closed.

use crate::model::{Batch, Dir, Item, Packets, Segment, SourceNews, TcpFlags};
use crate::net::Slicer;
use crate::source::{Files, Filled, Source, SourceError, SourceIds};
use crate::time::{Span, Time};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

/// A recording as a play. Only connections whose opening was recorded are in it.
#[derive(Debug, Default)]
pub struct Script {
    pub(super) connections: Vec<Connection>,
    /// What the recording calls the addresses in it.
    pub(super) names: Vec<(IpAddr, Arc<str>)>,
    /// In the order of the recording.
    pub(super) steps: Vec<Step>,
    /// The connection that two sockets are now.
    current: HashMap<(SocketAddr, SocketAddr), usize>,
    start: Option<Time>,
}

/// One connection, and all that was sent on it.
#[derive(Debug)]
pub(super) struct Connection {
    pub client: SocketAddr,
    pub server: SocketAddr,
    /// By [`Dir::index`].
    pub streams: [Vec<u8>; 2],
    /// The next sequence number of each direction; none before its SYN.
    next: [Option<u32>; 2],
}

/// One thing to do, and when, from the start of the lap.
#[derive(Debug)]
pub(super) struct Step {
    pub at: Span,
    /// An index into `connections`.
    pub connection: usize,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Open,
    /// These bytes of the direction's stream.
    Send(Dir, Range<usize>),
    /// No more from this side.
    Finish(Dir),
    /// Both sides at once.
    Reset,
}

impl Script {
    /// Reads a recording that is part of the program.
    pub fn read(recording: &'static [u8]) -> Result<Self, SourceError> {
        let mut script = Self::default();
        let (mut source, mut slicer) = (Files::bundled("recording", recording, &SourceIds::default()), Slicer::default());
        loop {
            let mut packets = Packets::default();
            let filled = source.fill(&mut packets)?;
            let mut batch = Batch::default();
            slicer.batch(packets, &mut batch);
            for news in &batch.news {
                if let SourceNews::Name(address, name) = news {
                    script.names.push((*address, Arc::clone(name)));
                }
            }
            for item in &batch.items {
                if let Item::Segment(segment) = item {
                    script.add(segment, batch.slab.get(segment.payload.clone()).unwrap_or_default());
                }
            }
            if filled == Filled::End {
                return Ok(script);
            }
        }
    }

    /// Adds the next segment of the recording, which has to be one without losses: bytes that were seen are passed over.
    pub(super) fn add(&mut self, segment: &Segment, payload: &[u8]) {
        let at = segment.stamp.time.since(*self.start.get_or_insert(segment.stamp.time));
        if segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::ACK) {
            let connection = self.connections.len();
            let next = [Some(segment.seq.wrapping_add(1)), None];
            self.connections.push(Connection { client: segment.from, server: segment.to, streams: Default::default(), next });
            self.current.insert((segment.from, segment.to), connection);
            self.steps.push(Step { at, connection, act: Act::Open });
            return;
        }
        let (dir, connection) = match self.current.get(&(segment.from, segment.to)) {
            Some(&connection) => (Dir::ToServer, connection),
            None => match self.current.get(&(segment.to, segment.from)) {
                Some(&connection) => (Dir::ToClient, connection),
                None => return,
            },
        };
        let Some(on) = self.connections.get_mut(connection) else { return };
        let (next, stream) = (&mut on.next[dir.index()], &mut on.streams[dir.index()]);
        if segment.flags.has(TcpFlags::SYN) {
            *next = Some(segment.seq.wrapping_add(1));
        }
        if segment.flags.has(TcpFlags::RST) {
            self.current.retain(|_, c| *c != connection);
            return self.steps.push(Step { at, connection, act: Act::Reset });
        }
        if *next != Some(segment.seq) {
            return;
        }
        if !payload.is_empty() {
            let start = stream.len();
            stream.extend_from_slice(payload);
            *next = Some(segment.seq.wrapping_add(payload.len() as u32));
            self.steps.push(Step { at, connection, act: Act::Send(dir, start..stream.len()) });
        }
        if segment.flags.has(TcpFlags::FIN) {
            *next = None;
            self.steps.push(Step { at, connection, act: Act::Finish(dir) });
        }
    }

    /// The servers of the recording, in the order in which they were first called.
    pub fn servers(&self) -> Vec<SocketAddr> {
        let mut servers = Vec::new();
        for c in &self.connections {
            if !servers.contains(&c.server) {
                servers.push(c.server);
            }
        }
        servers
    }

    /// How long a lap takes.
    pub fn length(&self) -> Span {
        self.steps.last().map(|s| s.at).unwrap_or_default()
    }
}
