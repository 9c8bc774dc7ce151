//! Whom an answer names: addresses, by the name that was asked for. What becomes of the names is the engine's.

use super::message::{Message, QUERY};
use super::record::{A, AAAA, CNAME, Data};
use std::net::IpAddr;

/// The addresses that an answer gives to the name that was asked for, also by way of its aliases.
pub(super) fn names(message: &Message) -> Vec<(IpAddr, String)> {
    let Some(question) = &message.question else { return Vec::new() };
    if message.opcode != QUERY || message.code != 0 || question.class != 1 || question.name == "." {
        return Vec::new();
    }
    let mut owners = vec![question.name.as_str()];
    // aliases may stand in any order: each round finds the next one
    while let Some(alias) = message.answers.iter().find_map(|r| match &r.data {
        Data::Name(target) if r.kind == CNAME && has(&owners, &r.name) && !has(&owners, target) => Some(target),
        _ => None,
    }) {
        owners.push(alias);
    }
    let service = question.name.to_ascii_lowercase();
    let service = service.strip_suffix(".svc.cluster.local").unwrap_or(&service);
    let named = message.answers.iter().filter(|r| matches!(r.kind, A | AAAA) && has(&owners, &r.name));
    named
        .filter_map(|r| match r.data {
            Data::Address(address) if !is_everybodys(address.to_canonical()) => Some((address, service.to_owned())),
            _ => None,
        })
        .collect()
}

fn has(names: &[&str], name: &str) -> bool {
    names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Whether an address is not one host's: a name for it would name all.
fn is_everybodys(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    address.is_loopback() || address.is_unspecified() || address.is_multicast() || broadcast
}
