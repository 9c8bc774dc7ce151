//! Looking protocols up. The list of them is in the parent, beside their modules.

use super::{PROTOCOLS, Protocol};

/// A protocol by its contract name: an entry a transport.
pub fn by_name(name: &str) -> impl Iterator<Item = &'static Protocol> {
    PROTOCOLS.iter().copied().filter(move |p| p.name == name)
}

/// Whether some protocol usually listens there: a hint at who is the server of a connection whose opening was not seen.
pub fn usual_port(port: u16) -> bool {
    PROTOCOLS.iter().any(|p| p.ports.contains(&port))
}

/// The protocol that an `Upgrade` token leads to.
pub fn by_upgrade(token: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().copied().find(|p| p.upgrades.iter().any(|u| u.eq_ignore_ascii_case(token)))
}
