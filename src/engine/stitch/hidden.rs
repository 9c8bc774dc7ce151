//! Requests that may be there and cannot be seen: on connections that are encrypted or of an unknown protocol, and on those that were
//! joined while one may have waited for its answer, since before the capture began. Who received one may be at work on it, so that nothing
//! is the only thing it works on.

use super::super::conns::Conns;
use super::super::facts::Facts;
use super::super::traces::{Hop, name};
use super::Stitch;
use super::works::label;
use crate::model::{ConnId, Opened, Party, Pattern};
use crate::time::{Span, Time};
use compact_str::CompactString;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many such connections are remembered.
const MAX_HIDDEN: usize = 1024;
/// How long a request from before the capture is reckoned with where nothing is seen of it.
const BEFORE: Span = Span::from_secs(5);
/// Before every capture.
const BEGINNING: Time = Time::from_nanos(i64::MIN);

/// A connection with something hidden.
#[derive(Debug)]
struct Hidden {
    since: Time,
    until: Option<Time>,
    /// Whether its client works on what it is sent, rather than its server on what it is asked.
    consumes: bool,
    /// Who works on it, and on which host: once it is over, as it was called then.
    worker: Option<(Arc<str>, CompactString)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Veil {
    list: HashMap<ConnId, Hidden>,
    /// The oldest first.
    order: VecDeque<ConnId>,
    /// When a connection was joined first.
    joined: Option<Time>,
}

impl Veil {
    /// A connection cannot be read.
    pub(in crate::engine) fn unread(&mut self, conn: ConnId, since: Time) {
        match self.list.get_mut(&conn) {
            Some(hidden) => hidden.until = None,
            None => self.add(conn, Hidden { since, until: None, consumes: false, worker: None }),
        }
    }

    /// It can be read after all.
    pub(in crate::engine) fn read(&mut self, conn: ConnId, since: Time) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            let until = if hidden.since == BEGINNING { since.after(BEFORE) } else { since };
            hidden.until.get_or_insert(until);
        }
    }

    /// A connection was joined: what was asked on it before the capture began may be worked on still.
    pub(in crate::engine) fn joined(&mut self, conn: ConnId, first: Time) {
        self.joined.get_or_insert(first);
        self.add(conn, Hidden { since: BEGINNING, until: Some(first.after(BEFORE)), consumes: false, worker: None });
    }

    /// A flow began on a connection: where one thing is asked after the other, nothing was open before it.
    pub(in crate::engine) fn shown(&mut self, conn: ConnId, opened: &Opened) {
        let Some(hidden) = self.list.get_mut(&conn).filter(|hidden| hidden.until > Some(opened.first.time)) else { return };
        match opened.pattern {
            Pattern::Deliver => hidden.consumes = true,
            // a store asks nobody because of what it is asked
            Pattern::Query => hidden.until = Some(hidden.since),
            Pattern::RequestResponse if opened.protocol != "amqp" && !opened.layers.contains(&"http2") => {
                hidden.until = Some(hidden.since);
            }
            _ => {}
        }
    }

    /// It turned out to be the answer to something that was asked before.
    pub(in crate::engine) fn unasked(&mut self, conn: ConnId, answered: Time) {
        if let Some(hidden) = self.list.get_mut(&conn).filter(|hidden| hidden.since == BEGINNING) {
            hidden.until = hidden.until.map(|until| until.max(answered));
        }
    }

    /// A connection is over.
    pub(in crate::engine) fn ended(&mut self, conn: ConnId, at: Time, client: &Party, server: &Party) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            hidden.until = Some(hidden.until.map_or(at, |until| until.min(at)));
            let worker = if hidden.consumes { client } else { server };
            hidden.worker = Some((Arc::clone(label(worker)), worker.host().into()));
        }
    }

    /// Whether it is so soon after the first connection was joined that others may be yet, which something is hidden on, too.
    pub(in crate::engine) fn young(&self, now: Time, settle: Span) -> bool {
        self.joined.is_some_and(|joined| now < joined.after(settle))
    }

    /// Whether anything is hidden at all.
    pub(super) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Whether somebody may have been at work on something hidden at a moment: `is` tells of a service and its host whether they are meant,
    /// `asked` of the client, or else the server, of a connection that is not over.
    pub(super) fn hides(&self, at: Time, is: impl Fn(&str, &str) -> bool, mut asked: impl FnMut(ConnId, bool) -> bool) -> bool {
        self.list.iter().any(|(conn, hidden)| {
            let then = hidden.since <= at && hidden.until.is_none_or(|until| at < until);
            then && hidden.worker.as_ref().map_or_else(|| asked(*conn, hidden.consumes), |(worker, host)| is(worker, host))
        })
    }

    fn add(&mut self, conn: ConnId, hidden: Hidden) {
        if self.list.insert(conn, hidden).is_none() {
            self.order.push_back(conn);
        }
        if self.order.len() > MAX_HIDDEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.list.remove(&oldest);
        }
    }
}

/// Whether who sent a flow may have been at work on something that cannot be read.
pub(super) fn is_veiled(stitch: &Stitch, conns: &Conns, facts: &mut Facts, hop: &Hop) -> bool {
    if !stitch.veil.any() {
        return false;
    }
    let (senders, _) = stitch.works.senders(&hop.from, &hop.to);
    let host = name(&hop.from).is_none().then(|| hop.from.host());
    let is = |label: &str, on: &str| senders.one().is_some_and(|known| **known == *label) || host == Some(on);
    let asked = |conn, client| {
        let Some(conn) = conns.place(conn).and_then(|place| conns.at(place)) else { return false };
        let (of_client, of_server) = facts.parties(conn.client, conn.server);
        let worker = if client { of_client } else { of_server };
        is(label(worker), worker.host())
    };
    stitch.veil.hides(hop.time, is, asked)
}
