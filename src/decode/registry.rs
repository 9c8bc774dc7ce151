//! Every protocol that is read: one line each, the more telling first bytes first.

use super::{Protocol, http1};

/// In the order in which they are asked.
pub static PROTOCOLS: &[&Protocol] = &[
    &http1::PROTOCOL,
    #[cfg(test)]
    &super::toy::FRAMES,
    #[cfg(test)]
    &super::toy::LINES,
];

/// A protocol by its contract name.
pub fn by_name(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().copied().find(|p| p.name == name)
}

/// Whether some protocol usually listens there: a hint at who is the server of a connection whose opening was not seen.
pub fn usual_port(port: u16) -> bool {
    PROTOCOLS.iter().any(|p| p.ports.contains(&port))
}

/// The protocol that an `Upgrade` token leads to.
pub fn by_upgrade(token: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().copied().find(|p| p.upgrades.iter().any(|u| u.eq_ignore_ascii_case(token)))
}
