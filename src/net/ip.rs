//! IPv4, IPv6 and its extension headers, and the headers of TCP and UDP. Checksums are never looked at: offloading leaves them undone.

use super::rest::{Reason, Rest};
use super::slice::{Found, Head, Next};
use super::tunnel;
use crate::model::TcpFlags;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const FRAGMENT_HEADER: u8 = 44;

/// Who sent an IP packet to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    /// The sender.
    pub(super) from: IpAddr,
    /// The receiver.
    pub(super) to: IpAddr,
    /// IPv4's identification of the packet (RFC 6864 §4): 0 where it has none.
    pub(super) id: u16,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    /// Whose.
    pub(super) hosts: Hosts,
    /// Its identification; with the hosts and the protocol, whose part it is.
    pub(super) id: u32,
    /// The key's protocol: IPv6 has none there, only the first fragment's counts (RFC 8200 §4.5).
    pub(super) kind: u8,
    /// What its payload is, where this is its first part.
    pub(super) protocol: u8,
    /// Where its bytes belong.
    pub(super) offset: usize,
    /// Whether it is not the last one.
    pub(super) more: bool,
}

/// An IP packet of either version.
pub(super) fn packet(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    match rest.peek()? >> 4 {
        4 => v4(rest),
        6 => v6(rest),
        _ => Err("bad ip header"),
    }
}

/// What an IP packet carries.
pub(super) fn payload(protocol: u8, hosts: Hosts, rest: &mut Rest<'_>) -> Result<Next, Reason> {
    match protocol {
        6 => tcp(hosts, rest),
        17 => udp(hosts, rest),
        4 | 41 => Ok(Next::Ip),
        47 => tunnel::gre(rest),
        137 => Ok(Next::Ether(0x8847)),
        // RFC 8200 §4: options, routing, mobility, host identity, shim6
        0 | 43 | 60 | 135 | 139 | 140 => {
            let &[protocol, words] = rest.take()?;
            rest.skip(6 + 8 * usize::from(words))?;
            Ok(Next::Payload(protocol, hosts))
        }
        // RFC 4302 §2.2: counted in words of four, less two
        51 => {
            let &[protocol, words] = rest.take()?;
            rest.skip(6 + 4 * usize::from(words))?;
            Ok(Next::Payload(protocol, hosts))
        }
        FRAGMENT_HEADER => fragment_header(hosts, rest),
        1 | 58 => Err("icmp"),
        2 => Err("igmp"),
        50 => Err("esp"),
        132 => Err("sctp"),
        _ => Err("other ip protocol"),
    }
}

/// RFC 791 §3.1. A total length of 0 is a segment larger than the field can say, as offloading makes them.
fn v4(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[first, _, t0, t1, i0, i1, f0, f1, _, protocol, _, _, a0, a1, a2, a3, b0, b1, b2, b3] = rest.take()?;
    let header = 4 * usize::from(first & 0x0f);
    let options = header.checked_sub(20).ok_or("bad ip header")?;
    match usize::from(u16::from_be_bytes([t0, t1])) {
        0 => {}
        total => rest.limit(total.checked_sub(20).ok_or("bad ip header")?),
    }
    rest.skip(options)?;
    let id = u16::from_be_bytes([i0, i1]);
    let hosts = Hosts { from: Ipv4Addr::new(a0, a1, a2, a3).into(), to: Ipv4Addr::new(b0, b1, b2, b3).into(), id };
    let field = u16::from_be_bytes([f0, f1]);
    let (offset, more) = (8 * usize::from(field & 0x1fff), field & 0x2000 != 0);
    if offset == 0 && !more {
        return Ok(Next::Payload(protocol, hosts));
    }
    Ok(Next::Done(Found::Fragment(Fragment { hosts, id: id.into(), kind: protocol, protocol, offset, more })))
}

/// RFC 8200 §3. A payload length of 0 is a jumbogram (RFC 2675), or a segment larger than the field can say.
fn v6(rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[_, _, _, _, l0, l1, protocol, _] = rest.take()?;
    let (from, to) = (Ipv6Addr::from(*rest.take::<16>()?), Ipv6Addr::from(*rest.take::<16>()?));
    match u16::from_be_bytes([l0, l1]) {
        0 => {}
        length => rest.limit(length.into()),
    }
    Ok(Next::Payload(protocol, Hosts { from: from.into(), to: to.into(), id: 0 }))
}

/// RFC 8200 §4.5; one that says offset 0 and no more is a whole datagram (RFC 6946).
fn fragment_header(hosts: Hosts, rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[protocol, _, o0, o1, i0, i1, i2, i3] = rest.take()?;
    let field = u16::from_be_bytes([o0, o1]);
    let (offset, more) = (usize::from(field & 0xfff8), field & 1 == 1);
    if offset == 0 && !more {
        return Ok(Next::Payload(protocol, hosts));
    }
    let id = u32::from_be_bytes([i0, i1, i2, i3]);
    Ok(Next::Done(Found::Fragment(Fragment { hosts, id, kind: FRAGMENT_HEADER, protocol, offset, more })))
}

/// RFC 9293 §3.1.
fn tcp(hosts: Hosts, rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, words, flags, ..] = rest.take::<20>()?;
    rest.skip((4 * usize::from(words >> 4)).checked_sub(20).ok_or("bad tcp header")?)?;
    Ok(Next::Done(Found::Segment(Head {
        from: SocketAddr::new(hosts.from, u16::from_be_bytes([s0, s1])),
        to: SocketAddr::new(hosts.to, u16::from_be_bytes([d0, d1])),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags: TcpFlags(flags),
    })))
}

/// RFC 768. A length of 0 is a jumbogram (RFC 2675 §4).
fn udp(hosts: Hosts, rest: &mut Rest<'_>) -> Result<Next, Reason> {
    let &[s0, s1, d0, d1, l0, l1, _, _] = rest.take()?;
    let to = u16::from_be_bytes([d0, d1]);
    match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => {}
        length => {
            let length = length.checked_sub(8).ok_or("bad udp header")?;
            rest.limit(length.min(rest.range().len() + rest.cut()));
        }
    }
    Ok(tunnel::udp(to, rest).unwrap_or_else(|| {
        let from = SocketAddr::new(hosts.from, u16::from_be_bytes([s0, s1]));
        Next::Done(Found::Datagram(Head {
            from,
            to: SocketAddr::new(hosts.to, to),
            seq: hosts.id.into(),
            ack: 0,
            flags: TcpFlags(0),
        }))
    }))
}
