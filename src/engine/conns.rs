//! The connections in view: their number, parties, protocol and sources. An entry goes when its connection has ended and its flows settled.

use crate::model::{ConnId, SourceSet, Stamp};
use hashbrown::HashMap;

/// How many connections are held at once: far above what `net` lets be open, so that this one only guards against a mistake there.
const MAX_CONNECTIONS: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// Its number, from 1 up in the order in which connections came into view.
    pub(super) number: u64,
    /// Numbers of its endpoints.
    pub(super) client: u32,
    pub(super) server: u32,
    /// Its first packet.
    pub(super) first: Stamp,
    /// Its protocol, once it is known.
    pub(super) protocol: Option<&'static str>,
    /// What saw it.
    pub(super) sources: SourceSet,
    /// Flows that have not settled.
    pub(super) unsettled: u32,
    /// Whether it is over.
    pub(super) ended: bool,
}

/// All connections in view.
#[derive(Debug, Default)]
pub(super) struct Conns {
    table: HashMap<ConnId, Conn>,
    /// Connections seen so far.
    pub(super) seen: u64,
    /// Those whose protocol is not known so far.
    pub(super) unknown: u64,
}

impl Conns {
    /// Whether another one may be added.
    pub(super) fn has_room_for(&self, id: ConnId) -> bool {
        self.table.len() < MAX_CONNECTIONS && !self.table.contains_key(&id)
    }

    /// Adds a connection and numbers it.
    pub(super) fn begin(&mut self, id: ConnId, client: u32, server: u32, first: Stamp) -> &mut Conn {
        self.seen += 1;
        self.unknown += 1;
        let number = self.seen;
        let sources = SourceSet::default();
        self.table
            .entry(id)
            .insert(Conn { number, client, server, first, protocol: None, sources, unsettled: 0, ended: false })
            .into_mut()
    }

    /// A connection in view.
    pub(super) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.table.get_mut(&id)
    }

    /// Its protocol is known; a later word is a more specific one.
    pub(super) fn identify(&mut self, id: ConnId, protocol: &'static str) -> bool {
        let Some(conn) = self.table.get_mut(&id) else { return false };
        if conn.protocol.replace(protocol).is_none() {
            self.unknown -= 1;
        }
        true
    }

    /// Takes the entry out where its connection has ended and its flows have settled.
    pub(super) fn remove_done(&mut self, id: ConnId) -> Option<Conn> {
        let done = self.table.get(&id).is_some_and(|conn| conn.ended && conn.unsettled == 0);
        if done { self.table.remove(&id) } else { None }
    }
}
