//! Every limit of `net`, with its reason.

use crate::time::Span;

/// Headers that are peeled off one packet: two VLAN tags, three tunnels and a few IPv6 extension headers are well within it.
pub const LAYERS: u32 = 32;
/// Packet time between two ticks: what a hole's grace is measured in, and cheap at any packet rate.
pub const TICK: Span = Span::from_millis(10);
/// A capture's clock that steps back further than this was set anew: ticks go on from there.
pub const CLOCK_STEP: Span = Span::from_secs(1);
/// One packet this far ahead of the one before it and of the one behind it has a wrong stamp: as long as anything may be idle at least, and
/// longer than any interface's packets wait behind another one's.
pub const CLOCK_LEAP: Span = IDLE_BRIEF;

/// The longest packet that there is, with room to spare: what Linux makes of one for a NIC is half of that (BIG TCP).
pub const LONGEST: usize = 1 << 20;

/// Datagrams whose fragments are waited for: a linear search of them is cheaper than anything around it.
pub const FRAGMENTED: usize = 256;
/// Bytes of fragments that wait, in all: sixty datagrams of the largest size.
pub const FRAGMENT_BYTES: usize = 4 << 20;
/// Fragments of one datagram: 64 KiB over the smallest IPv6 MTU are 53, over IPv4's 576 octets 120.
pub const FRAGMENTS: usize = 256;
/// How long a datagram's fragments are waited for (Linux waits 30 s for IPv4, RFC 8200 §4.5 60 s).
pub const FRAGMENT_WAIT: Span = Span::from_secs(30);

/// The last packets of a connection among which one from another source may be a copy.
pub const COPIES: usize = 32;
/// How far apart in packet time two sources show the same packet at most.
pub const COPY_WINDOW: Span = Span::from_millis(100);
/// How long in packet time after a datagram that bears no number one with the same bytes is the same, shown again: it has passed a host's
/// bridges by then, and nobody has given up waiting for an answer.
pub const AGAIN_WINDOW: Span = Span::from_millis(2);

/// Packets of a connection between an acknowledgement of bytes that were not seen, and the hole: two capture queues may show it first.
pub const ACK_GRACE_PACKETS: u64 = 16;
/// The same grace in packet time.
pub const ACK_GRACE: Span = Span::from_millis(100);
/// Acknowledgements in their grace: one a packet of it.
pub const ACKS: usize = 16;
/// Packets of a connection that bytes out of order wait for those before them.
pub const ORDER_PACKETS: u64 = 128;
/// Bytes of a connection that wait for those before them, both directions.
pub const ORDER_BYTES: usize = 256 << 10;
/// Runs of bytes that wait in one direction: tiny ones cost more than their bytes, and ones that were cut hold none.
pub const ORDER_PIECES: usize = 512;
/// How long in packet time bytes wait for those before them: past a first retransmission timeout (RFC 6298 §2.1: 1 s).
pub const ORDER_WAIT: Span = Span::from_secs(2);
/// What lies further from all that is known of a direction, in bytes, is not believed of one segment alone, and never of a reset: beyond the
/// largest common socket buffers.
pub const WINDOW: u64 = 16 << 20;
/// The same for a segment that is as far from what is known of both directions: then it may be another connection's, for initial sequence
/// numbers are random, or 15 MiB apart for each second (RFC 6528, as Linux does it).
pub const BOTH_WAYS: u64 = 4 << 20;

/// Shards there are, whatever the number of workers: limits, timers and caps are a shard's.
pub const SHARDS: usize = 64;
/// Connections in a shard's table, where memory has room for them.
pub const CONNECTIONS: usize = 4096;
/// The same at least.
pub const FEWEST_CONNECTIONS: usize = 2048;
/// Closed and refused connections that a shard remembers, so that what comes late opens nothing.
pub const TOMBSTONES: usize = 4096;
/// A connection without a packet for this long keeps no room for what may come: past the pauses of a busy one, and so far past
/// [`COPY_WINDOW`] that no capture's clock that steps back makes a copy of what comes.
pub const REST: Span = Span::from_secs(2);
/// An established connection without a packet for this long is over: beyond what proxies and NAT keep one.
pub const IDLE: Span = Span::from_secs(3600);
/// The same for one that never was established, for datagrams, and for tombstones (TIME-WAIT lasts 60 s on Linux).
pub const IDLE_BRIEF: Span = Span::from_secs(60);
