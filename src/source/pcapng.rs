//! The pcapng format (draft-ietf-opsawg-pcapng). Parses the blocks it is given; which blocks there are, `capture` finds out.
//!
//! ```text
//!  type(4) length(4) body… length(4)      a block; numbers are in the byte order of its section
//! ```

use super::blocks::{Order, Unit};
use super::capture::{Header, Record};
use crate::model::LinkType;
use crate::time::Time;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Type of the section header block; reads the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Type and length.
pub(super) const BLOCK_HEADER: usize = 8;
/// A section's header up to its version: type, length, byte-order magic (4), version (2+2).
pub(super) const SECTION_HEADER: usize = 16;
/// The shortest block: header and the length again.
pub(super) const BLOCK_MIN: u32 = 12;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const COMMENT: u16 = 1;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
const NRB_IPV4: u16 = 1;
const NRB_IPV6: u16 = 2;

/// Interfaces in a section: far more than any machine has.
const MAX_INTERFACES: usize = 4096;
/// Names taken from a file: as many as a busy cluster has addresses.
pub(super) const MAX_NAMES: usize = 65_536;
/// The longest name that is taken (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;

/// A section, and what its interfaces are.
#[derive(Debug)]
pub(super) struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    unit: Unit,
    offset: i64,
}

/// What a block holds.
pub(super) enum Block<'a> {
    /// A packet, and where in the body its bytes begin.
    Packet(Header, usize),
    /// The interface with this number.
    Interface(u32),
    /// An interface, and how many packets it lost.
    Drops(u32, u64),
    /// Addresses with names.
    Names(Vec<(IpAddr, &'a str)>),
    /// Nothing that we read.
    Other,
}

/// Whether a type is one whose body we read.
pub(super) fn is_read(kind: u32) -> bool {
    matches!(kind, INTERFACE..=ENHANCED_PACKET)
}

/// Whether the file makes sense without a block of this type.
pub(super) fn is_spare(kind: u32) -> bool {
    matches!(kind, NAMES | STATISTICS) || !is_read(kind)
}

impl Section {
    /// Reads the beginning of a section header block. An outer error: it is none; an inner one: of another version.
    pub(super) fn start(block: &[u8]) -> Result<Result<Self, String>, String> {
        let order = match Order::Little.u32(block, 8) {
            Some(0x1a2b_3c4d) => Order::Little,
            Some(0x4d3c_2b1a) => Order::Big,
            _ => return Err("a section without a byte order".into()),
        };
        let major = order.u16(block, 12).unwrap_or(0);
        Ok(if major == 1 { Ok(Self { order, interfaces: Vec::new() }) } else { Err(format!("pcapng version {major}")) })
    }

    /// Type and length of the block that begins here.
    pub(super) fn header(&self, data: &[u8]) -> Option<(u32, u32)> {
        Some((self.order.u32(data, 0)?, self.order.u32(data, 4)?))
    }

    /// The length that a block ends with.
    pub(super) fn trailer(&self, data: &[u8]) -> Option<u32> {
        self.order.u32(data, data.len().checked_sub(4)?)
    }

    /// Reads the body of a block. `last` is the time of the packet before it, for packets that come without one.
    pub(super) fn block<'a>(&mut self, kind: u32, body: &'a [u8], last: Time) -> Result<Block<'a>, &'static str> {
        let order = self.order;
        let cut = "a block that is too short for its type";
        match kind {
            INTERFACE => {
                if self.interfaces.len() == MAX_INTERFACES {
                    return Err("more than 4096 interfaces");
                }
                let link = LinkType(order.u16(body, 0).ok_or(cut)?.into());
                let snaplen = order.u32(body, 4).ok_or(cut)?;
                let mut interface = Interface { link, snaplen, unit: Unit::Decimal(6), offset: 0 };
                for (code, value) in order.options(body.get(8..).unwrap_or_default()) {
                    match (code, value) {
                        (IF_TSRESOL, &[byte]) => interface.unit = Unit::from_byte(byte),
                        (IF_TSOFFSET, value) => interface.offset = order.u64(value, 0).unwrap_or(0).cast_signed(),
                        _ => {}
                    }
                }
                self.interfaces.push(interface);
                Ok(Block::Interface(self.interfaces.len() as u32 - 1))
            }
            ENHANCED_PACKET => {
                let interface = order.u32(body, 0).ok_or(cut)?;
                self.packet(interface, body).ok_or(cut)?
            }
            OLD_PACKET => {
                let interface = order.u16(body, 0).ok_or(cut)?.into();
                self.packet(interface, body).ok_or(cut)?
            }
            SIMPLE_PACKET => {
                let wire_len = order.u32(body, 0).ok_or(cut)?;
                let of = self.interfaces.first().ok_or("a packet of an interface that is not described")?;
                let held = u32::try_from(body.len() - 4).unwrap_or(u32::MAX);
                let captured = wire_len.min(held).min(if of.snaplen == 0 { u32::MAX } else { of.snaplen });
                let record = Record { time: last, link: of.link, wire_len, interface: 0 };
                Ok(Block::Packet(Header { captured, record }, 4))
            }
            STATISTICS => {
                let interface = order.u32(body, 0).ok_or(cut)?;
                let drops = order.options(body.get(12..).unwrap_or_default());
                let drops = drops.filter(|(code, _)| matches!(*code, ISB_IFDROP | ISB_OSDROP));
                let drops = drops.filter_map(|(_, value)| order.u64(value, 0)).fold(0, u64::saturating_add);
                let known = (interface as usize) < self.interfaces.len();
                Ok(if known && drops > 0 { Block::Drops(interface, drops) } else { Block::Other })
            }
            NAMES => {
                let names = order.options(body).filter_map(|(code, value)| name(code, value));
                Ok(Block::Names(names.take(MAX_NAMES).collect()))
            }
            _ => Ok(Block::Other),
        }
    }

    /// The comments of an enhanced packet whose bytes end at `end` of the block's body, in their order; not those that are no text.
    pub(super) fn comments<'a>(&self, kind: u32, body: &'a [u8], end: usize) -> impl Iterator<Item = &'a str> {
        let options = if kind == ENHANCED_PACKET { body.get(end.next_multiple_of(4)..) } else { None };
        let comments = self.order.options(options.unwrap_or_default()).filter(|(code, _)| *code == COMMENT);
        comments.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// A packet block, new or old: they differ in the first four bytes alone.
    fn packet(&self, interface: u32, body: &[u8]) -> Option<Result<Block<'static>, &'static str>> {
        let order = self.order;
        let Some(of) = self.interfaces.get(interface as usize) else {
            return Some(Err("a packet of an interface that is not described"));
        };
        let units = u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?);
        let (captured, wire_len) = (order.u32(body, 12)?, order.u32(body, 16)?);
        let time = of.unit.time(units, of.offset);
        Some(Ok(Block::Packet(Header { captured, record: Record { time, link: of.link, wire_len, interface } }, 20)))
    }
}

/// The first name of a record: an address, then names that each end with a zero byte.
fn name(code: u16, value: &[u8]) -> Option<(IpAddr, &str)> {
    let (ip, names) = match code {
        NRB_IPV4 => value.split_first_chunk().map(|(ip, names)| (Ipv4Addr::from(*ip).into(), names))?,
        NRB_IPV6 => value.split_first_chunk::<16>().map(|(ip, names)| (Ipv6Addr::from(*ip).into(), names))?,
        _ => return None,
    };
    let name = std::str::from_utf8(names.split(|&b| b == 0).next()?).ok()?;
    (!name.is_empty() && name.len() <= MAX_NAME).then_some((ip, name))
}
