//! The pcap format (draft-ietf-opsawg-pcap), with nanoseconds, and as A. Kuznetzov's patch changed it. Parses what it is given.
//!
//! ```text
//!  magic(4) version(2+2) thiszone(4) sigfigs(4) snaplen(4) linktype(4)
//!  seconds(4) fraction(4) captured(4) on-the-wire(4) [ifindex(4) protocol(2) type(1) padding(1)] data…
//! ```

use super::blocks::{Order, Unit};
use super::capture::{Header, Record};
use crate::model::LinkType;

/// The length of a file's header.
pub(super) const FILE_HEADER: usize = 24;
/// The bits of the link type field that tell the link type; the others tell of a frame check sequence (§4).
const LINK_BITS: u32 = 0xffff;

/// How the records of a file are to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    unit: Unit,
    record: usize,
    lengths_swapped: Swapped,
    /// Of all its packets.
    pub(super) link: LinkType,
}

/// Up to version 2.2 the two lengths stood in the other order; in 2.3 it depends (libpcap's sf-pcap.c).
#[derive(Clone, Copy, Debug)]
enum Swapped {
    No,
    Perhaps,
    Yes,
}

/// Whether a file begins like this.
pub(super) fn begins(magic: [u8; 4]) -> bool {
    kind(magic).is_some()
}

impl Pcap {
    /// Reads the header of a file.
    pub(super) fn start(header: &[u8]) -> Option<Result<Self, String>> {
        let (order, unit, record) = kind(*header.first_chunk()?)?;
        let (major, minor) = (order.u16(header, 4)?, order.u16(header, 6)?);
        if major != 2 {
            return Some(Err(format!("pcap version {major}.{minor}")));
        }
        let lengths_swapped = match minor {
            0..=2 => Swapped::Yes,
            3 => Swapped::Perhaps,
            _ => Swapped::No,
        };
        let link = LinkType(order.u32(header, 20)? & LINK_BITS);
        Some(Ok(Self { order, unit, record, lengths_swapped, link }))
    }

    /// The length of a record's header.
    pub(super) fn record_header(&self) -> usize {
        self.record
    }

    /// Reads the header of a record.
    pub(super) fn record(&self, header: &[u8]) -> Option<Header> {
        let (seconds, fraction) = (self.order.u32(header, 0)?, self.order.u32(header, 4)?);
        let (mut captured, mut wire_len) = (self.order.u32(header, 8)?, self.order.u32(header, 12)?);
        let swap = match self.lengths_swapped {
            Swapped::No => false,
            Swapped::Perhaps => captured > wire_len,
            Swapped::Yes => true,
        };
        if swap {
            std::mem::swap(&mut captured, &mut wire_len);
        }
        let time = self.unit.time(fraction.into(), seconds.into());
        Some(Header { captured, record: Record { time, link: self.link, wire_len, interface: 0 } })
    }
}

fn kind(magic: [u8; 4]) -> Option<(Order, Unit, usize)> {
    let read = |order, magic| {
        Some(match magic {
            0xa1b2_c3d4 => (order, Unit::Decimal(6), 16),
            0xa1b2_3c4d => (order, Unit::Decimal(9), 16),
            0xa1b2_cd34 => (order, Unit::Decimal(6), 24),
            _ => return None,
        })
    };
    read(Order::Little, u32::from_le_bytes(magic)).or_else(|| read(Order::Big, u32::from_be_bytes(magic)))
}
