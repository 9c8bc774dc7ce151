//! Connections that are our own (a tap's, the demo's control channel, the terminal's ssh): left out before anything is
//! decoded, and counted by whoever leaves them out. Only addresses are compared.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// More connections of our own than this would be a leak: the newest are then not registered.
const MAX_OWN: usize = 4096;

type Pair = (SocketAddr, SocketAddr);

/// Where own connections are registered, from any thread. A clone is the same registry.
#[derive(Clone, Debug, Default)]
pub struct OwnSockets(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Counts changes, so that the reader takes the lock only after one.
    version: AtomicU64,
    pairs: Mutex<HashSet<Pair>>,
}

impl OwnSockets {
    /// A registry that holds the ssh connection this terminal runs over, if it does.
    pub fn with_ssh() -> Self {
        let own = Self::default();
        if let Some((a, b)) = ssh_connection() {
            own.add(a, b);
        }
        own
    }

    /// From now on packets between the two are left out, whatever their direction.
    pub fn add(&self, a: SocketAddr, b: SocketAddr) {
        self.change(|pairs| {
            if pairs.len() < MAX_OWN {
                pairs.insert(pair(a, b));
            }
        });
    }

    /// The connection is closed: its ports may become somebody else's.
    pub fn remove(&self, a: SocketAddr, b: SocketAddr) {
        self.change(|pairs| {
            pairs.remove(&pair(a, b));
        });
    }

    /// A reader's copy.
    pub fn reader(&self) -> OwnReader {
        OwnReader { own: self.clone(), version: u64::MAX, pairs: HashSet::new() }
    }

    fn change(&self, f: impl FnOnce(&mut HashSet<Pair>)) {
        f(&mut self.0.pairs.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.version.fetch_add(1, Ordering::Release);
    }
}

/// What the reader asks for every packet: one atomic load where nothing has changed.
#[derive(Debug)]
pub struct OwnReader {
    own: OwnSockets,
    version: u64,
    pairs: HashSet<Pair>,
}

impl OwnReader {
    /// Whether a packet between the two is our own.
    pub fn has(&mut self, from: SocketAddr, to: SocketAddr) -> bool {
        let now = self.own.0.version.load(Ordering::Acquire);
        if now != self.version {
            self.pairs.clone_from(&self.own.0.pairs.lock().unwrap_or_else(PoisonError::into_inner));
            self.version = now;
        }
        !self.pairs.is_empty() && self.pairs.contains(&pair(from, to))
    }
}

/// The two ends of the ssh connection of this terminal, from `SSH_CONNECTION` (ssh(1)).
pub fn ssh_connection() -> Option<(SocketAddr, SocketAddr)> {
    parse_ssh(&std::env::var("SSH_CONNECTION").ok()?)
}

/// `client port server port`; an IPv6 address may carry its zone.
fn parse_ssh(text: &str) -> Option<Pair> {
    let mut words = text.split_ascii_whitespace();
    let mut end = || {
        let ip: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(ip.to_canonical(), words.next()?.parse().ok()?))
    };
    Some((end()?, end()?))
}

/// The same for both directions, whether IPv4 came mapped into IPv6 or not, and without zones, which packets do not have.
fn pair(a: SocketAddr, b: SocketAddr) -> Pair {
    let plain = |s: SocketAddr| SocketAddr::new(s.ip().to_canonical(), s.port());
    let (a, b) = (plain(a), plain(b));
    if a <= b { (a, b) } else { (b, a) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_own_connection_is_known_in_both_directions_until_it_is_closed() {
        let own = OwnSockets::default();
        let mut reader = own.reader();
        let (a, b) = (at("127.0.0.1:5672"), at("127.0.0.1:40000"));
        assert!(!reader.has(a, b));
        own.clone().add(a, b);
        assert!(reader.has(a, b) && reader.has(b, a));
        assert!(reader.has(at("[::ffff:127.0.0.1]:5672"), b), "a dual-stack socket's name for the same end");
        assert!(!reader.has(a, at("127.0.0.1:40001")));
        own.remove(b, a);
        assert!(!reader.has(a, b));
    }

    #[test]
    fn the_registry_is_bounded() {
        let own = OwnSockets::default();
        for port in 0..=u16::MAX {
            own.add(at("127.0.0.1:1"), SocketAddr::new([127, 0, 0, 1].into(), port));
        }
        assert_eq!(own.0.pairs.lock().unwrap().len(), MAX_OWN);
    }

    #[test]
    fn ssh_connection_is_read_with_zone_and_mapped_addresses() {
        let ends = |text| parse_ssh(text).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(ends("10.0.0.9 50123 10.0.0.1 22").as_deref(), Some("10.0.0.9:50123 10.0.0.1:22"));
        assert_eq!(ends("fe80::1%eth0 50123 fe80::2%eth0 22").as_deref(), Some("[fe80::1]:50123 [fe80::2]:22"));
        assert_eq!(ends("::ffff:10.0.0.9 1 ::ffff:10.0.0.1 22").as_deref(), Some("10.0.0.9:1 10.0.0.1:22"));
        for bad in ["", "10.0.0.9", "10.0.0.9 50123 10.0.0.1", "a b c d", "10.0.0.9 70000 10.0.0.1 22"] {
            assert_eq!(parse_ssh(bad), None, "{bad}");
        }
    }
}
