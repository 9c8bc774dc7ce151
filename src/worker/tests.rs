//! What a connection takes, and which packets are one.

use super::*;
use crate::model::{PacketNo, TcpFlags, Totals, Zone};
use crate::time::Time;
use std::net::SocketAddr;

/// An allocator that has sizes by quarters of a power of two gives it no more than this: there may be 100,000 of them.
#[test]
fn a_connection_is_small() {
    assert!(size_of::<Conn>() <= 320, "{}", size_of::<Conn>());
}

/// The same opening from two sources.
fn shown_twice(several: bool) -> Totals {
    let mut worker = Worker::new(Arc::default(), 0, 1);
    let opening = |source: u16| {
        let packet = u64::from(source) + 1;
        Item::Segment(Segment {
            stamp: Stamp { packet: PacketNo(packet), time: Time::from_nanos(packet as i64 * 1000) },
            source: SourceId(source),
            zone: Zone::default(),
            from: SocketAddr::from(([10, 0, 0, 1], 40_000)),
            to: SocketAddr::from(([10, 0, 0, 2], 80)),
            seq: 100,
            ack: 0,
            flags: TcpFlags(TcpFlags::SYN),
            payload: 0..0,
            cut: 0,
            shard: 0,
        })
    };
    worker.batch(&Batch { items: vec![opening(0), opening(1)], several, ..Batch::default() }).totals
}

#[test]
fn what_packets_were_seen_is_remembered_where_there_are_several_sources() {
    assert_eq!(shown_twice(true).passed_over, [(COPY, 1)]);
    assert_eq!(shown_twice(false).passed_over, []);
}
