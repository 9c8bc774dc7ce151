//! The connections in view: their number, parties, protocol and sources. A row knows its connection, and only the connection knows who
//! its ends are, so that a name that comes late reaches every row. An entry goes when its connection has ended and its rows are gone.

use crate::chunked::Chunked;
use crate::model::{ConnId, ConnMeta, FlowId, Joined, Party, Row, SourceSet, Stamp, Zone};
use crate::time::Time;
use hashbrown::HashMap;
use std::sync::Arc;

/// How many connections are open at once: far above what `net` lets be, so that this one only guards against a mistake there.
const MAX_CONNECTIONS: usize = 1 << 20;
/// What a connection holds beside its endpoints: its entry, and its place in the index, which is half empty at worst.
pub(super) const CONN_COST: usize = size_of::<Option<Conn>>() + 2 * size_of::<(ConnId, u32)>();

/// A connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// Its number, from 1 up in the order in which connections came into view.
    pub(super) number: u64,
    /// Numbers of its endpoints.
    pub(super) client: u32,
    pub(super) server: u32,
    /// When its first packet came.
    pub(super) first: Time,
    /// The network namespace in which it was seen first.
    pub(super) zone: Zone,
    /// Its protocol, once it is known.
    pub(super) protocol: Option<&'static str>,
    /// What saw it.
    pub(super) sources: SourceSet,
    /// How many ends somebody is still finding out about.
    pub(super) awaited: Awaited,
    /// Whether it is over.
    pub(super) ended: bool,
    /// Whether its opening was seen.
    pub(super) opened: bool,
    /// Who was at work on something when it was opened, where whoever opened it used it at once.
    pub(super) dialers: Option<Box<[Arc<Party>]>>,
    /// Rows that are left of it, and the first and the last one that there was.
    rows: u32,
    /// Flows of it that are open.
    open: u32,
    flows: (FlowId, FlowId),
}

impl Conn {
    /// The first and the last flow that there was of it. Numbers begin at 1.
    pub(super) fn flows(&self) -> Option<(FlowId, FlowId)> {
        (self.flows.1 != FlowId::default()).then_some(self.flows)
    }
}

/// Which ends of a connection somebody is finding out about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) client: bool,
    pub(super) server: bool,
}

/// All connections in view.
#[derive(Debug, Default)]
pub(super) struct Conns {
    entries: Chunked<Option<Conn>>,
    free: Vec<u32>,
    index: HashMap<ConnId, u32>,
    /// Those that have not ended.
    open: usize,
    /// Connections seen so far.
    pub(super) seen: u64,
    /// Those whose protocol is not known so far.
    pub(super) unknown: u64,
}

impl Conns {
    /// Whether another one may be added.
    pub(super) fn has_room_for(&self, id: ConnId) -> bool {
        self.open < MAX_CONNECTIONS && !self.index.contains_key(&id)
    }

    /// Adds a connection and numbers it.
    pub(super) fn begin(&mut self, meta: &ConnMeta, client: u32, server: u32, awaited: Awaited) {
        let ConnMeta { id, first: Stamp { time: first, .. }, zone, joined, .. } = *meta;
        self.seen += 1;
        self.unknown += 1;
        self.open += 1;
        let (number, sources) = (self.seen, SourceSet::default());
        let conn = Conn {
            number,
            client,
            server,
            first,
            zone,
            protocol: None,
            sources,
            awaited,
            ended: false,
            opened: joined == Joined::Opening,
            dialers: None,
            rows: 0,
            open: 0,
            flows: Default::default(),
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at] = Some(conn);
                at
            }
            None => self.entries.push(Some(conn)),
        };
        self.index.insert(id, at);
    }

    /// A connection in view, by its name.
    pub(super) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        let at = self.place(id)?;
        self.entries.get_mut(at)?.as_mut()
    }

    /// The place of a connection, for rows.
    pub(super) fn place(&self, id: ConnId) -> Option<u32> {
        self.index.get(&id).copied()
    }

    /// The same, to be changed.
    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Conn> {
        self.entries.get_mut(place)?.as_mut()
    }

    /// A connection by its place.
    pub(super) fn at(&self, place: u32) -> Option<&Conn> {
        self.entries.get(place)?.as_ref()
    }

    /// Its protocol is known; a later word is a more specific one.
    pub(super) fn identify(&mut self, id: ConnId, protocol: &'static str) -> bool {
        let Some(conn) = self.get(id) else { return false };
        if conn.protocol.replace(protocol).is_none() {
            self.unknown -= 1;
        }
        true
    }

    /// It is over; where no row is left of it, its entry is handed out.
    pub(super) fn end(&mut self, id: ConnId) -> Option<Conn> {
        let at = self.place(id)?;
        if !std::mem::replace(&mut self.at_mut(at)?.ended, true) {
            self.open -= 1;
        }
        self.take_done(id, at)
    }

    /// A row more.
    pub(super) fn hold(&mut self, place: u32, flow: FlowId) {
        if let Some(conn) = self.at_mut(place) {
            conn.rows += 1;
            conn.open += 1;
            conn.flows = (conn.flows().map_or(flow, |(first, _)| first), flow);
        }
    }

    /// A flow of it is open no more.
    pub(super) fn closed(&mut self, id: ConnId) {
        if let Some(conn) = self.get(id) {
            conn.open = conn.open.saturating_sub(1);
        }
    }

    /// Whether flows of it are open.
    pub(super) fn has_open(&self, id: ConnId) -> bool {
        self.place(id).and_then(|at| self.at(at)).is_some_and(|conn| conn.open > 0)
    }

    /// A row less; where it was the last one of a connection that has ended, the entry is handed out.
    pub(super) fn release(&mut self, row: &Row) -> Option<Conn> {
        let conn = self.at_mut(row.place)?;
        conn.rows = conn.rows.saturating_sub(1);
        self.take_done(row.conn, row.place)
    }

    fn take_done(&mut self, id: ConnId, at: u32) -> Option<Conn> {
        let done = self.at(at).is_some_and(|conn| conn.ended && conn.rows == 0);
        if !done {
            return None;
        }
        self.index.remove(&id);
        self.free.push(at);
        self.entries.get_mut(at)?.take()
    }
}
