//! Tunnels over IP and UDP that are looked through: GRE, ERSPAN, VXLAN, Geneve, TZSP. Not those that are closed (ESP, WireGuard).

use super::link;
use super::rest::{Reason, Rest};
use super::slice::Next;

/// GRE: version 0 (RFC 2784, RFC 2890) with what EtherType says, and version 1 with PPP (PPTP, RFC 2637 §4.1).
///
/// ```text
///  C R K S …   Version | Protocol | [checksum, offset] | [key] | [sequence] | [acknowledgement, version 1 only]
/// ```
pub(super) fn gre(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[flags, version, high, low] = rest.take()?;
    if flags & 0x40 != 0 {
        return Err("gre source route");
    }
    let sequence = flags & 0x10 != 0;
    rest.skip(4 * (flags & 0xb0).count_ones() as usize)?;
    match (version & 7, u16::from_be_bytes([high, low])) {
        (0, 0x88be) => {
            // ERSPAN I has no header of its own; II has one, and is numbered
            rest.skip(if sequence { 8 } else { 0 })?;
            Ok(Next::Ethernet)
        }
        (0, 0x22eb) => {
            let &[.., last] = rest.take::<12>()?;
            rest.skip(if last & 1 == 1 { 8 } else { 0 })?;
            Ok(Next::Ethernet)
        }
        (0, kind) => Ok(Next::Ether(kind)),
        (1, 0x880b) => {
            rest.skip(if version & 0x80 != 0 { 4 } else { 0 })?;
            link::ppp(rest)
        }
        _ => Err("unknown gre version"),
    }
}

/// What a datagram to this port holds, where its first bytes bear that out. `rest` moves on only then.
pub(super) fn udp(port: u16, rest: &mut Rest<'_>) -> Option<Next> {
    let mut inside = *rest;
    let next = match port {
        4789 | 8472 => vxlan(&mut inside),
        6081 => geneve(&mut inside),
        37008 => tzsp(&mut inside),
        _ => None,
    }?;
    *rest = inside;
    Some(next)
}

/// VXLAN (RFC 7348 §5): the I flag, and what is reserved is zero; a group policy may stand in the first reserved bytes.
fn vxlan(rest: &mut Rest<'_>) -> Option<Next> {
    match rest.take().ok()? {
        [flags, _, _, _, _, _, _, 0] if flags & 0x08 != 0 => Some(Next::Ethernet),
        _ => None,
    }
}

/// Geneve (RFC 8926 §3.4): version 0, its options' length in words, an EtherType.
fn geneve(rest: &mut Rest<'_>) -> Option<Next> {
    match rest.take().ok()? {
        &[options @ ..0x40, _, high, low, _, _, _, 0] => {
            rest.skip(4 * usize::from(options)).ok()?;
            Some(Next::Ether(u16::from_be_bytes([high, low])))
        }
        _ => None,
    }
}

/// TZSP: version 1, a received (0) or sent (1) packet, protocol 1 for Ethernet, then tags up to the one that ends them.
fn tzsp(rest: &mut Rest<'_>) -> Option<Next> {
    let &[1, 0 | 1, 0, 1] = rest.take().ok()? else { return None };
    loop {
        match rest.take().ok()? {
            [0] => {}
            [1] => return Some(Next::Ethernet),
            [_] => {
                let &[length] = rest.take().ok()?;
                rest.skip(length.into()).ok()?;
            }
        }
    }
}
