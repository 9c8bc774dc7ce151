//! Who takes part in a trace, and who somebody is whatever port it has.

use super::hop::Hop;
use crate::model::{Origin, Owner, Party};
use std::sync::Arc;

/// Who takes part, in the order of first appearance.
pub(super) fn services<'h>(hops: impl Iterator<Item = &'h Hop>) -> Vec<Arc<str>> {
    let mut services: Vec<Arc<str>> = Vec::new();
    for hop in hops {
        for service in [party(&hop.from, !hop.to_server), party(&hop.to, hop.to_server)].into_iter().flatten() {
            if !services.contains(service) {
                services.push(Arc::clone(service));
            }
        }
    }
    services
}

/// What a party is called: that its process is gone is no name.
pub(in crate::engine) fn name(party: &Party) -> Option<&str> {
    let exited = |owner: &Owner| owner.origin == Origin::Exited && Some(&owner.service) == party.service.as_ref();
    let gone = party.owner.as_deref().is_some_and(exited);
    party.service.as_deref().filter(|_| !gone)
}

/// Whether all services of a machine share this address, so that it tells none apart.
pub(in crate::engine) fn everybodys(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Who it is, whatever port it has this time: a name, else a host.
pub(in crate::engine) fn whoever(party: &Party) -> &str {
    name(party).unwrap_or_else(|| party.host())
}

/// How who sends something is called that may come from any port: by its name, else by its host, where others do not share that.
pub(in crate::engine) fn caller(party: &Party) -> Arc<str> {
    match name(party) {
        None if everybodys(party.host()) => Arc::clone(&party.addr),
        _ => whoever(party).into(),
    }
}

/// What a party counts as among the services: a client's port is nobody's name.
fn party(party: &Party, server: bool) -> Option<&Arc<str>> {
    match name(party) {
        Some(_) => party.service.as_ref(),
        None => server.then_some(&party.addr),
    }
}
