//! What those are told who write packets to files: the names as the screen shows them. Where no file is written, nobody is told.

use super::{Engine, traces::name};
use crate::model::{ConnId, Fact, Naming, Origin, OwnedEnd, Owner, PacketNo, Party, Rank, Scope};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

impl Engine {
    /// The ends of a connection may be called otherwise now.
    pub(super) fn tell_ends(&mut self, id: ConnId) {
        let (Some(namer), Some(conn)) = (&self.options.namer, self.conns.get(id)) else { return };
        let zone = conn.zone;
        let (Some(client), Some(server)) = (self.facts.addr(conn.client), self.facts.addr(conn.server)) else { return };
        let parties = self.facts.parties(conn.client, conn.server);
        let ends = [(client, parties.0), (server, parties.1)].into_iter().filter_map(|(end, party)| owned(end, party));
        let ends: Vec<_> = ends.collect();
        if !ends.is_empty() {
            // whoever wrote may have stopped
            _ = namer.send(Naming::Ends { conn: id, between: [client, server], zone, ends });
        }
    }

    /// A fact was learned that may name an address. What a loopback address is, only the user can say: it is many services.
    pub(super) fn tell_address(&self, fact: &Fact) {
        let (Some(namer), Fact::Named { scope: Scope::Ip(ip), rank, .. }) = (&self.options.namer, fact) else { return };
        if let Some(name) = self.facts.address(*ip).filter(|_| *rank == Rank::User || !ip.is_loopback()) {
            _ = namer.send(Naming::Address(*ip, name));
        }
    }

    /// The same for all that the user named at the start.
    pub(super) fn tell_user_names(&self) {
        for (scope, service) in &self.options.names {
            self.tell_address(&Fact::Named { scope: scope.clone(), rank: Rank::User, service: Arc::clone(service) });
        }
    }

    /// All events up to this packet are taken in.
    pub(super) fn tell_passed(&self, packet: PacketNo) {
        if let Some(namer) = &self.options.namer {
            _ = namer.send(Naming::Passed(packet));
        }
    }
}

/// An end as a file tells it, where it has a name: that its process is gone is none.
fn owned(end: SocketAddr, party: &Party) -> Option<OwnedEnd> {
    let service = name(party)?.into();
    let container = party.owner.as_ref().and_then(|owner| owner.container.clone());
    let owner = Owner { service, origin: Origin::File, pid: party.pid(), container, process: None };
    Some(OwnedEnd { end, owner: Arc::new(owner) })
}

impl super::Facts {
    /// The best name of an address, whatever the port.
    fn address(&self, ip: IpAddr) -> Option<Arc<str>> {
        [Rank::User, Rank::System, Rank::Capture].into_iter().find_map(|rank| self.known(Scope::Ip(ip), rank)).cloned()
    }
}
