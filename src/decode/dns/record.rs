//! A resource record's data as text, and the words for types and codes. What is not known is shown in the way of RFC 3597.

use super::name::{self, QUOTED, escape};
use crate::decode::cursor::Cursor;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;
use std::fmt::{Display, Formatter, Result, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Characters of a record's data that are kept: keys of DKIM and DNSSEC fit.
const LONGEST: usize = 1024;

pub(super) const A: u16 = 1;
pub(super) const NS: u16 = 2;
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const PTR: u16 = 12;
pub(super) const MX: u16 = 15;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
pub(super) const OPT: u16 = 41;
pub(super) const SVCB: u16 = 64;
pub(super) const HTTPS: u16 = 65;
pub(super) const IXFR: u16 = 251;
pub(super) const AXFR: u16 = 252;

/// A record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of CNAME, NS and PTR.
    Name(String),
    /// Of any other type, as a zone file has it.
    Text(String),
}

impl Data {
    /// The `length` bytes ahead; the cursor is to begin with the message.
    pub(super) fn read(kind: u16, c: &mut Cursor<'_>, length: usize) -> Option<Self> {
        let (mut own, end) = (*c, c.position() + length);
        let bytes = c.take(length)?;
        let known = known(kind, &mut own, bytes).filter(|_| own.position() == end);
        Some(match known.unwrap_or_else(|| Self::Text(unknown(bytes))) {
            Self::Text(text) if text.chars().count() > LONGEST => Self::Text(text.chars().take(LONGEST).chain(['…']).collect()),
            data => data,
        })
    }
}

impl Display for Data {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(text) | Self::Text(text) => f.write_str(text),
        }
    }
}

fn known(kind: u16, c: &mut Cursor<'_>, bytes: &[u8]) -> Option<Data> {
    Some(match kind {
        A => Data::Address(Ipv4Addr::from(c.u32()?).into()),
        AAAA => Data::Address(Ipv6Addr::from(c.take(16)?.first_chunk::<16>().copied()?).into()),
        CNAME | NS | PTR => Data::Name(name::read(c)?),
        MX => Data::Text(format!("{} {}", c.u16()?, name::read(c)?)),
        SRV => Data::Text(format!("{} {} {} {}", c.u16()?, c.u16()?, c.u16()?, name::read(c)?)),
        SOA => {
            let names = format!("{} {}", name::read(c)?, name::read(c)?);
            Data::Text(format!("{names} {} {} {} {} {}", c.u32()?, c.u32()?, c.u32()?, c.u32()?, c.u32()?))
        }
        TXT => Data::Text(strings(c, bytes.len())?),
        SVCB | HTTPS => Data::Text(service(c, c.position() + bytes.len())?),
        _ => return None,
    })
}

/// Character strings (RFC 1035 §3.3.14), each in quotation marks.
fn strings(c: &mut Cursor<'_>, length: usize) -> Option<String> {
    let (mut text, end) = (String::new(), c.position() + length);
    while c.position() < end {
        let n = c.u8()?;
        text.push_str(if text.is_empty() { "\"" } else { " \"" });
        escape(c.take(usize::from(n))?, QUOTED, &mut text);
        text.push('"');
    }
    Some(text)
}

/// Where a service is, and its parameters (RFC 9460 §2.1).
fn service(c: &mut Cursor<'_>, end: usize) -> Option<String> {
    let mut text = format!("{} {}", c.u16()?, name::read(c)?);
    while c.position() < end {
        let (key, length) = (c.u16()?, c.u16()?);
        let value = c.take(usize::from(length))?;
        text.push(' ');
        text.push_str(&parameter(key, value)?);
    }
    Some(text)
}

/// Parameters of a service (RFC 9460 §14.3.2).
const KEYS: &[(u16, &str)] =
    &[(0, "mandatory"), (1, "alpn"), (2, "no-default-alpn"), (3, "port"), (4, "ipv4hint"), (5, "ech"), (6, "ipv6hint")];

/// A parameter as text (RFC 9460 §7).
fn parameter(key: u16, value: &[u8]) -> Option<String> {
    let mut c = Cursor::new(value);
    let mut list = Vec::new();
    while !c.rest().is_empty() {
        list.push(match key {
            0 => word(KEYS, c.u16()?, "key").into_owned(),
            1 => {
                let n = c.u8()?;
                let mut text = String::new();
                escape(c.take(usize::from(n))?, b"\"\\,;()", &mut text);
                text
            }
            3 => c.u16()?.to_string(),
            4 => Ipv4Addr::from(c.u32()?).to_string(),
            5 => BASE64.encode(c.take(value.len())?),
            6 => Ipv6Addr::from(c.take(16)?.first_chunk::<16>().copied()?).to_string(),
            _ => {
                let mut text = String::new();
                escape(c.take(value.len())?, b"\"\\,;()", &mut text);
                text
            }
        });
    }
    let word = word(KEYS, key, "key");
    Some(if list.is_empty() { word.into_owned() } else { format!("{word}={}", list.join(",")) })
}

/// Data of a type that is not known (RFC 3597 §5).
fn unknown(bytes: &[u8]) -> String {
    let mut text = format!("\\# {}", bytes.len());
    for (n, b) in bytes.iter().take(LONGEST).enumerate() {
        // writing to a string does not fail
        _ = write!(text, "{}{b:02x}", if n == 0 { " " } else { "" });
    }
    text
}

/// A type's mnemonic, or `TYPE` and its number (RFC 3597 §5).
pub(super) fn kind_word(kind: u16) -> Cow<'static, str> {
    const WORDS: &[(u16, &str)] = &[
        (A, "A"),
        (NS, "NS"),
        (CNAME, "CNAME"),
        (SOA, "SOA"),
        (PTR, "PTR"),
        (13, "HINFO"),
        (MX, "MX"),
        (TXT, "TXT"),
        (AAAA, "AAAA"),
        (29, "LOC"),
        (SRV, "SRV"),
        (35, "NAPTR"),
        (39, "DNAME"),
        (OPT, "OPT"),
        (43, "DS"),
        (44, "SSHFP"),
        (46, "RRSIG"),
        (47, "NSEC"),
        (48, "DNSKEY"),
        (50, "NSEC3"),
        (52, "TLSA"),
        (SVCB, "SVCB"),
        (HTTPS, "HTTPS"),
        (99, "SPF"),
        (250, "TSIG"),
        (IXFR, "IXFR"),
        (AXFR, "AXFR"),
        (255, "ANY"),
        (256, "URI"),
        (257, "CAA"),
    ];
    word(WORDS, kind, "TYPE")
}

/// A response code's word (RFC 6895 §2.3).
pub(super) fn code_word(code: u16) -> Cow<'static, str> {
    const WORDS: &[(u16, &str)] = &[
        (0, "NOERROR"),
        (1, "FORMERR"),
        (2, "SERVFAIL"),
        (3, "NXDOMAIN"),
        (4, "NOTIMP"),
        (5, "REFUSED"),
        (6, "YXDOMAIN"),
        (7, "YXRRSET"),
        (8, "NXRRSET"),
        (9, "NOTAUTH"),
        (10, "NOTZONE"),
        (16, "BADVERS"),
        (23, "BADCOOKIE"),
    ];
    word(WORDS, code, "RCODE")
}

fn word(words: &[(u16, &'static str)], n: u16, other: &str) -> Cow<'static, str> {
    match words.iter().find(|(number, _)| *number == n) {
        Some((_, word)) => Cow::Borrowed(word),
        None => format!("{other}{n}").into(),
    }
}
