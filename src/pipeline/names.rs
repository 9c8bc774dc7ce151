//! What connections' ends and addresses are called, on its way from the engine into files. Which name is the best, the engine decides.

use crate::model::{ConnId, Naming, PacketNo};
use crate::net::connection_key;
use crate::source::comment;
use crossbeam_channel::Receiver;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Connections whose names are held, about 20 MiB of them: as many as are open at once on a busy machine.
const MAX_CONNECTIONS: usize = 1 << 16;
/// Addresses whose names are held: as many as a file's are taken.
const MAX_ADDRESSES: usize = 1 << 16;

/// The names so far.
#[derive(Default)]
pub struct Names {
    from: Option<Receiver<Naming>>,
    /// By [`connection_key`], then by their first packet: ports are used again.
    connections: BTreeMap<(u64, ConnId), Named>,
    addresses: BTreeMap<IpAddr, Arc<str>>,
    /// Addresses whose names no file has yet.
    fresh: Vec<IpAddr>,
    passed: PacketNo,
}

struct Named {
    comment: Arc<str>,
    /// Whether the comment still is to be written.
    fresh: bool,
    /// The last packet that was seen of it.
    last: PacketNo,
}

impl Names {
    /// Names that come from an engine.
    pub fn new(from: Receiver<Naming>) -> Self {
        Self { from: Some(from), ..Self::default() }
    }

    /// Takes what has come.
    pub(super) fn hear(&mut self) {
        while let Some(naming) = self.from.as_ref().and_then(|from| from.try_recv().ok()) {
            self.take(naming);
        }
    }

    /// Waits until all is said of the packets up to this one, or nobody is left who could.
    pub(super) fn wait_for(&mut self, packet: PacketNo) {
        while !self.have_passed(packet) {
            match self.from.as_ref().map(Receiver::recv) {
                Some(Ok(naming)) => self.take(naming),
                Some(Err(_)) | None => self.from = None,
            }
        }
    }

    /// Whether all is said of the packets up to this one.
    pub(super) fn have_passed(&self, packet: PacketNo) -> bool {
        self.from.is_none() || self.passed >= packet
    }

    /// Whether names come at all.
    pub(super) fn come(&self) -> bool {
        self.from.is_some()
    }

    /// A packet of a connection went by: its name is not among the oldest.
    pub(super) fn touch(&mut self, packet: PacketNo, key: u64) {
        if let Some((_, named)) = self.at(packet, key) {
            named.last = packet;
        }
    }

    /// What is called on the connection of a packet, and which connection that is.
    pub(super) fn comment(&mut self, packet: PacketNo, key: u64) -> Option<(ConnId, Arc<str>)> {
        self.at(packet, key).map(|(conn, named)| (conn, Arc::clone(&named.comment)))
    }

    /// The same, once for each name.
    pub(super) fn fresh_comment(&mut self, packet: PacketNo, key: u64) -> Option<Arc<str>> {
        let (_, named) = self.at(packet, key)?;
        std::mem::take(&mut named.fresh).then(|| Arc::clone(&named.comment))
    }

    /// The names of all addresses.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (IpAddr, &str)> {
        self.addresses.iter().map(|(ip, name)| (*ip, &**name))
    }

    /// The same, once for each name.
    pub(super) fn fresh_addresses(&mut self) -> impl Iterator<Item = (IpAddr, &str)> {
        let fresh = std::mem::take(&mut self.fresh);
        fresh.into_iter().filter_map(|ip| Some((ip, &**self.addresses.get(&ip)?)))
    }

    fn at(&mut self, packet: PacketNo, key: u64) -> Option<(ConnId, &mut Named)> {
        let ((_, conn), named) = self.connections.range_mut((key, ConnId::default())..=(key, ConnId(packet))).next_back()?;
        Some((*conn, named))
    }

    fn take(&mut self, naming: Naming) {
        match naming {
            Naming::Passed(packet) => self.passed = packet,
            Naming::Address(ip, name) => {
                let room = self.addresses.len() < MAX_ADDRESSES || self.addresses.contains_key(&ip);
                if room && self.addresses.insert(ip, Arc::clone(&name)).is_none_or(|before| before != name) {
                    self.fresh.push(ip);
                }
            }
            Naming::Ends { conn, between: [a, b], zone, ends } => {
                if self.connections.len() >= MAX_CONNECTIONS {
                    self.forget_half();
                }
                let (key, comment) = ((connection_key(a, b, zone), conn), Arc::from(comment::write(&ends)));
                let named =
                    self.connections.entry(key).or_insert_with(|| Named { comment: "".into(), fresh: false, last: conn.0 });
                named.fresh |= named.comment != comment;
                named.comment = comment;
            }
        }
    }

    /// Forgets those whose last packet is the longest ago: they are over, or have had their comment.
    fn forget_half(&mut self) {
        let mut last: Vec<_> = self.connections.values().map(|named| named.last).collect();
        let middle = last.len() / 2;
        let (_, median, _) = last.select_nth_unstable(middle);
        let median = *median;
        self.connections.retain(|_, named| named.last > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Zone;

    fn between(port: u32) -> [std::net::SocketAddr; 2] {
        [([10, 0, (port >> 8) as u8, port as u8], (port >> 16) as u16), ([10, 9, 9, 9], 80)].map(Into::into)
    }

    #[test]
    fn of_too_many_connections_those_are_forgotten_that_are_silent_for_the_longest() {
        let (namer, naming) = crossbeam_channel::unbounded();
        let mut names = Names::new(naming);
        let most = MAX_CONNECTIONS as u64;
        let key = |n: u64| {
            let [a, b] = between(n as u32);
            connection_key(a, b, Zone::default())
        };
        for n in 1..=most + 1 {
            if n == most {
                names.hear();
                names.touch(PacketNo(n), key(1));
            }
            namer
                .send(Naming::Ends {
                    conn: ConnId(PacketNo(n)),
                    between: between(n as u32),
                    zone: Zone::default(),
                    ends: Vec::new(),
                })
                .unwrap();
        }
        names.hear();
        assert!(names.connections.len() <= MAX_CONNECTIONS / 2 + 2);
        let known = [1, 2, most, most + 1].map(|n| names.comment(PacketNo(2 * most), key(n)).is_some());
        assert_eq!(known, [true, false, true, true]);
    }

    #[test]
    fn a_port_that_is_used_again_has_another_name() {
        let (namer, naming) = crossbeam_channel::unbounded();
        let mut names = Names::new(naming);
        let [a, b] = between(7);
        for first in [5, 9] {
            namer
                .send(Naming::Ends { conn: ConnId(PacketNo(first)), between: [b, a], zone: Zone::default(), ends: Vec::new() })
                .unwrap();
        }
        names.hear();
        let of = [4, 5, 8, 9, 10]
            .map(|packet| names.comment(PacketNo(packet), connection_key(a, b, Zone::default())).map(|(conn, _)| conn.0.0));
        assert_eq!(of, [None, Some(5), Some(5), Some(9), Some(9)]);
        drop(namer);
        names.wait_for(PacketNo(10));
        assert!(!names.come(), "nobody is left who could tell");
    }
}
