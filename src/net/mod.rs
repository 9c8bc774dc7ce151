//! Packets to ordered streams: link layers, tunnels, IP fragments, TCP and UDP, the connection table. No IO, no clock, no protocol.
//!
//! The reader's [`Slicer`] turns packets into items for the shards; a shard finds the connection of each in its [`ConnTable`] and hands
//! the segment to that connection's [`Reassembler`], which calls [`Streams`] with bytes in order, holes, and one end a direction; a
//! datagram is counted by its connection's [`Datagrams`].

mod copies;
mod datagrams;
mod ends;
mod fragments;
mod ip;
pub mod limits;
mod link;
mod pieces;
mod rest;
mod slice;
pub mod table;
pub mod tcp;
mod tunnel;

pub use datagrams::{Datagrams, Seen};
pub use ends::connection_key;
pub use slice::Slicer;
pub use table::{ConnTable, Owner, Slot};
pub use tcp::{Reassembler, Streams, Tally};
