//! Whose the end of a connection is that accepted it. Where one process alone holds the socket that takes the connections, it is that one,
//! however short the connection was. Where several do, or each has a socket of its own, the connection's own socket tells which: and where
//! that is gone, the service has its name, and nobody says which process it was.

use super::{PATIENCE, Resolver, Wanted, Whose};
use crate::identity::holders::{Pid, Sole};
use crate::identity::system::Takers;
use crate::model::{Owner, Process};
use std::sync::Arc;
use std::time::Duration;

/// How long a name waits for its process: whoever asked waits little longer.
const SOON: Duration = Duration::from_millis(300);
/// How long a look may take that tells whether one process alone holds the socket: a server that forks for each connection is told as one.
const LOOKED_AT: Duration = Duration::from_millis(100);

impl Resolver {
    /// Answers for an end that accepted a connection, where its process is known by now, or nobody will find out; else it stays wanted.
    pub(super) fn settle_taken(&mut self, mut wanted: Wanted) {
        let (Whose::Hinted(end) | Whose::Asked(_, end)) = wanted.whose;
        let sole = self.holders.sole(&wanted.takers);
        let found = match sole {
            Sole::One(pid) => {
                // where its next sockets will be is known then
                wanted.takers.first().map(|taker| self.holders.of(*taker));
                self.owner(pid.0, pid.1).map(|owner| (pid.0, owner))
            }
            Sole::Unsettled => None,
            Sole::Several | Sole::Unsure => {
                if wanted.socket.listens
                    && let Some(accepted) = self.lookup.find(end)
                {
                    wanted.socket = accepted;
                }
                let early = sole == Sole::Unsure && wanted.since.elapsed() < LOOKED_AT;
                let own = if wanted.socket.listens || early { None } else { self.holders.of(wanted.socket) };
                own.and_then(|pid| Some((pid.0, self.worker(pid, &wanted.takers)?)))
            }
        };
        match (found, wanted.whose) {
            (Some((pid, owner)), Whose::Asked(conn, end)) => self.found(conn, end.local, pid, owner),
            (found, Whose::Hinted(end)) => {
                let Some(early) = self.early.get_mut(&end) else { return };
                early.socket = Some(wanted.socket);
                early.owner = found;
                if early.owner.is_none() && wanted.since.elapsed() < PATIENCE {
                    self.wanted.push(wanted);
                }
            }
            (None, Whose::Asked(conn, end)) => {
                let closed = if wanted.socket.listens { !self.lookup.waits(end) } else { !self.is_held(end, wanted.socket) };
                let over = wanted.since.elapsed() >= PATIENCE;
                let known = closed && sole == Sole::Several;
                if over || known || (!wanted.named && wanted.since.elapsed() >= SOON) {
                    let service = self.opener(&wanted.takers).map(|owner| Arc::new(of_several(&owner)));
                    match service {
                        None if over && self.lookup.takers(end).is_empty() => self.gone(conn, end.local, &wanted),
                        None if !over => {}
                        service => self.tell(conn, end.local, service),
                    }
                    wanted.named = true;
                }
                if !over && !known {
                    self.wanted.push(wanted);
                }
            }
        }
    }

    /// Whoever opened the sockets that take the connections; none where they are not of one name.
    fn opener(&mut self, takers: &Takers) -> Option<Arc<Owner>> {
        let mut openers: Vec<Pid> = takers.iter().filter_map(|taker| self.holders.opener(*taker)).collect();
        openers.sort_unstable();
        openers.dedup();
        let mut owners = openers.into_iter().filter_map(|pid| self.owner(pid.0, pid.1));
        let first = owners.next()?;
        owners.all(|owner| owner.service == first.service).then_some(first)
    }

    /// A process that accepted a connection, as one of the service whose sockets it accepts at.
    fn worker(&mut self, pid: Pid, takers: &Takers) -> Option<Arc<Owner>> {
        let own = self.owner(pid.0, pid.1)?;
        if takers.iter().any(|taker| self.holders.opener(*taker) == Some(pid)) {
            return Some(own);
        }
        let Some(opener) = self.opener(takers) else { return Some(own) };
        let Owner { service, origin, .. } = &*opener;
        let opened = opener.process.as_ref().map(|process| Arc::clone(&process.command));
        let process =
            own.process.clone().map(|process| Process { opener: opened.filter(|by| *by != process.command), ..process });
        let container = own.container.clone().or_else(|| opener.container.clone());
        Some(Arc::new(Owner { service: Arc::clone(service), origin: *origin, pid: own.pid, container, process }))
    }
}

/// A service of several processes, where it is not known which of them it was.
fn of_several(opener: &Owner) -> Owner {
    let process = opener.process.clone().map(|process| Process { started: None, ..process });
    Owner { pid: None, process, ..opener.clone() }
}
