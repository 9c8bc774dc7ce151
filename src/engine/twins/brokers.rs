//! Whether two addresses are one broker's. Of a broker on this machine there are many: that of loopback, those of its interfaces, that of
//! its container. Where nothing shows that they are one, they are two: a message that is published to two brokers stays two.

use crate::model::Owner;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// How many addresses are known; where there are more, only what surely is one is.
const KNOWN: usize = 256;

/// Where a broker is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    addr: SocketAddr,
    /// Who accepts connections there, where that was found: then it is on this machine.
    owner: Option<Arc<Owner>>,
}

/// The addresses at which messages were seen.
#[derive(Debug, Default)]
pub(super) struct Brokers(BTreeMap<SocketAddr, Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the wire.
    seen: bool,
    /// By a tap.
    tapped: bool,
    /// Whether it is on this machine.
    near: bool,
}

impl Place {
    /// All of loopback is one address.
    pub(super) fn new(addr: SocketAddr, owner: Option<Arc<Owner>>) -> Self {
        let ip = addr.ip().to_canonical();
        let ip = if ip.is_loopback() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
        Self { addr: SocketAddr::new(ip, addr.port()), owner }
    }

    fn is_near(&self) -> bool {
        self.addr.ip().is_loopback() || self.owner.is_some()
    }

    /// Whether one process accepts at both.
    fn has_owner_of(&self, other: &Self) -> bool {
        let pid = |place: &Self| place.owner.as_ref().and_then(|owner| owner.pid);
        pid(self).is_some() && pid(self) == pid(other)
    }
}

impl Brokers {
    /// The wire shows a message there.
    pub(super) fn seen(&mut self, place: &Place) {
        self.know(place).into_iter().for_each(|known| known.seen = true);
    }

    /// A tap tells of one.
    pub(super) fn tapped(&mut self, place: &Place) {
        self.know(place).into_iter().for_each(|known| known.tapped = true);
    }

    fn know(&mut self, place: &Place) -> Option<&mut Known> {
        if self.0.len() >= KNOWN && !self.0.contains_key(&place.addr) {
            return None;
        }
        let known = self.0.entry(place.addr).or_default();
        known.near |= place.is_near();
        Some(known)
    }

    /// Whether what the wire shows at one address, and a tap tells of another, may be of one broker: by the address, by the process, or
    /// as both are on this machine with one port, nothing is seen where the tap is, no tap is where it is seen, and no third one is.
    pub(super) fn are_one(&self, wire: &Place, tap: &Place) -> bool {
        if wire.addr == tap.addr || wire.has_owner_of(tap) {
            return true;
        }
        let is = |addr: &SocketAddr, known: &Known| {
            addr.port() == tap.addr.port() && *addr != tap.addr && known.near && known.seen && !known.tapped
        };
        let others: Vec<_> = self.0.iter().filter(|(addr, known)| is(addr, known)).map(|(addr, _)| *addr).collect();
        let unseen = self.0.get(&tap.addr).is_some_and(|known| known.near && !known.seen);
        self.0.len() < KNOWN && unseen && others == [wire.addr]
    }
}
