//! Requests that may be there and cannot be seen: on connections that are encrypted or of an unknown protocol, and on those that were
//! joined while one may have waited for its answer. Who received one may be at work on it, so that nothing is the only thing it works on.

use super::works::label;
use crate::model::{ConnId, Party};
use crate::time::{Span, Time};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many such connections are remembered.
const MAX_HIDDEN: usize = 1024;
/// How long a request from before the capture is reckoned with where nothing is seen of it.
const BEFORE: Span = Span::from_secs(5);

/// A connection with something hidden.
#[derive(Debug)]
struct Hidden {
    since: Time,
    until: Option<Time>,
    /// Who is asked on it, and on which host: once it is over, as it was called then.
    server: Option<(Arc<str>, Box<str>)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Veil {
    list: HashMap<ConnId, Hidden>,
    /// The oldest first.
    order: VecDeque<ConnId>,
}

impl Veil {
    /// A connection cannot be read.
    pub(super) fn unread(&mut self, conn: ConnId, since: Time) {
        self.add(conn, Hidden { since, until: None, server: None });
    }

    /// It can be read after all.
    pub(super) fn read(&mut self, conn: ConnId, since: Time) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            hidden.until.get_or_insert(since);
        }
    }

    /// A connection was joined: what was asked on it before is not known.
    pub(super) fn joined(&mut self, conn: ConnId, since: Time) {
        self.add(conn, Hidden { since, until: Some(since.after(BEFORE)), server: None });
    }

    /// A flow began on a connection: what was asked on it before is answered, as far as it was joined.
    pub(super) fn shown(&mut self, conn: ConnId, at: Time) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            hidden.until = hidden.until.map(|until| until.min(at));
        }
    }

    /// A connection is over.
    pub(super) fn ended(&mut self, conn: ConnId, at: Time, server: &Party) {
        if let Some(hidden) = self.list.get_mut(&conn) {
            hidden.until = Some(hidden.until.map_or(at, |until| until.min(at)));
            hidden.server = Some((label(server), server.host().into()));
        }
    }

    /// Whether anything is hidden at all.
    pub(super) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Whether one of these services, or of a nameless sender any on its host, may have been at work on something hidden at a moment;
    /// `server` tells who is asked on a connection that is not over.
    pub(super) fn hides(
        &self,
        services: &[Arc<str>],
        host: Option<&str>,
        at: Time,
        mut server: impl FnMut(ConnId) -> Option<(Arc<str>, Box<str>)>,
    ) -> bool {
        self.list.iter().any(|(conn, hidden)| {
            let then = hidden.since <= at && hidden.until.is_none_or(|until| at < until);
            let mut server = || hidden.server.clone().or_else(|| server(*conn));
            then && server().is_some_and(|(server, on)| services.contains(&server) || host == Some(&*on))
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
