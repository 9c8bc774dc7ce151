//! Link layers down to IP: by LINKTYPE (<https://www.tcpdump.org/linktypes.html>) and by EtherType. Not tunnels over IP.

use super::rest::{Reason, Rest};
use super::slice::Next;
use crate::model::LinkType;

const NOT_IP: Reason = "not ip";
/// What follows may be IP, MPLS and so on, by EtherType.
const MPLS: u16 = 0x8847;

/// The outermost header. The upper bits of a LINKTYPE tell of a frame check sequence, which IP's length leaves out anyway.
pub(super) fn link(kind: LinkType, rest: &mut Rest<'_>) -> Result<Next, Reason> {
    match kind.0 & 0xffff {
        0 | 108 => family(rest),
        1 => Ok(Next::Ethernet),
        7 => arcnet(rest, 0),
        129 => arcnet(rest, 2),
        8 => {
            let _: &[u8; 16] = rest.take()?; // SLIP: direction, and what a compressed header was
            Ok(Next::Ip)
        }
        9 | 50 => ppp(rest),
        12 | 14 | 101 | 228 | 229 => Ok(Next::Ip),
        51 => pppoe(rest),
        104 => cisco_hdlc(rest),
        113 => {
            let &[.., high, low] = rest.take::<16>()?;
            cooked(high, low)
        }
        276 => {
            let &[high, low, ..] = rest.take::<20>()?;
            cooked(high, low)
        }
        _ => Err("unknown link type"),
    }
}

/// An Ethernet frame, or an IEEE 802.3 one: then a length stands where the type would.
pub(super) fn ethernet(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[.., high, low] = rest.take::<14>()?;
    match u16::from_be_bytes([high, low]) {
        length @ ..0x600 => {
            rest.limit(length.into());
            llc(rest)
        }
        kind => Ok(Next::Ether(kind)),
    }
}

/// What an EtherType says.
pub(super) fn ether(kind: u16, rest: &mut Rest<'_>) -> Result<Next, Reason> {
    match kind {
        0x0800 | 0x86dd => Ok(Next::Ip),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let &[_, _, high, low] = rest.take()?;
            match u16::from_be_bytes([high, low]) {
                ..0x600 => llc(rest),
                kind => Ok(Next::Ether(kind)),
            }
        }
        MPLS | 0x8848 => mpls(rest),
        0x8864 => pppoe(rest),
        0x6558 => Ok(Next::Ethernet),
        0x0806 => Err("arp"),
        _ => Err(NOT_IP),
    }
}

/// PPP (RFC 1661 §2), with or without HDLC's address and control, its protocol field compressed or not (§6.5).
pub(super) fn ppp(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    if rest.starts_with(&[0x0f, 0x00]) || rest.starts_with(&[0x8f, 0x00]) {
        return cisco_hdlc(rest);
    }
    if rest.starts_with(&[0xff, 0x03]) {
        rest.skip(2)?;
    }
    let &[first] = rest.take()?;
    let protocol = if first & 1 == 1 { first.into() } else { u16::from_be_bytes([first, rest.take::<1>()?[0]]) };
    match protocol {
        0x0021 | 0x0057 => Ok(Next::Ip),
        0x0281 | 0x0283 => Ok(Next::Ether(MPLS)),
        _ => Err(NOT_IP),
    }
}

/// A PPPoE session (RFC 2516 §4): version and type 1, code 0, session, length; then PPP.
fn pppoe(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[0x11, 0, _, _, high, low] = rest.take()? else { return Err(NOT_IP) };
    rest.limit(u16::from_be_bytes([high, low]).into());
    ppp(rest)
}

/// Address, control, EtherType.
fn cisco_hdlc(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[_, _, high, low] = rest.take()?;
    Ok(Next::Ether(u16::from_be_bytes([high, low])))
}

/// The protocol field of Linux cooked headers: an EtherType, or a small number for what is not Ethernet-like.
fn cooked(high: u8, low: u8) -> Result<Next, Reason> {
    match u16::from_be_bytes([high, low]) {
        ..0x600 => Err(NOT_IP),
        kind => Ok(Next::Ether(kind)),
    }
}

/// The address family of BSD loopback, in the byte order of the host that captured: 2 is IPv4; IPv6 has another number on each system.
fn family(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    match rest.take::<4>()? {
        [af, 0, 0, 0] | [0, 0, 0, af] if matches!(af, 2 | 10 | 23 | 24 | 28 | 30) => Ok(Next::Ip),
        _ => Err(NOT_IP),
    }
}

/// LLC with SNAP (IEEE 802.2, RFC 1042): the only kind that IP travels in.
fn llc(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    match rest.take::<8>() {
        Ok(&[0xaa, 0xaa, 0x03, 0, 0, 0, high, low]) => Ok(Next::Ether(u16::from_be_bytes([high, low]))),
        _ => Err(NOT_IP),
    }
}

/// Labels to the bottom of the stack (RFC 3032 §2.1). The first nibble behind it tells IP from a pseudowire (RFC 4385 §3); an Ethernet one
/// may have a control word, whose first bytes are 0 (RFC 4448 §4.6).
fn mpls(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    while rest.take::<4>()?[2] & 1 == 0 {}
    if matches!(rest.peek()? >> 4, 4 | 6) {
        return Ok(Next::Ip);
    }
    if rest.starts_with(&[0, 0]) {
        rest.skip(4)?;
    }
    Ok(Next::Ethernet)
}

/// ARCNET: source, destination, on Linux an offset, then the system code. RFC 1201 puts a split flag and a sequence number behind it,
/// and marks padding by a doubled header; RFC 1051 has neither.
fn arcnet(rest: &mut Rest<'_>, offset: usize) -> Result<Next, Reason> {
    rest.skip(2 + offset)?;
    match rest.take::<1>()? {
        [240] => Ok(Next::Ip),
        [212] => {
            if rest.peek()? == 0xff {
                rest.skip(4)?;
            }
            match rest.take::<3>()? {
                [0, _, _] => Ok(Next::Ip),
                _ => Err("arcnet fragment"),
            }
        }
        [241 | 213] => Err("arp"),
        _ => Err(NOT_IP),
    }
}
