//! A connection under test, and what was shown of it. No tests.

use super::*;
use std::net::SocketAddr;

/// What was shown, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Out {
    Data(Dir, Vec<u8>, u64),
    Hole(Dir, u64),
    End(Dir, End),
}

#[derive(Default)]
pub(super) struct Log(pub(super) Vec<Out>);

impl Streams for Log {
    fn data(&mut self, dir: Dir, bytes: &[u8], stamp: Stamp) {
        assert!(!bytes.is_empty());
        self.0.push(Out::Data(dir, bytes.to_vec(), stamp.packet.0));
    }

    fn hole(&mut self, dir: Dir, len: u64, _: Stamp) {
        assert!(len > 0);
        self.0.push(Out::Hole(dir, len));
    }

    fn end(&mut self, dir: Dir, how: End, _: Stamp) {
        assert!(!self.0.iter().any(|o| matches!(o, Out::End(d, _) if *d == dir)), "a second end");
        self.0.push(Out::End(dir, how));
    }
}

/// A connection under test: sequence numbers are relative to the first data byte.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) tcp: Reassembler,
    pub(super) log: Log,
    pub(super) packet: u64,
    pub(super) time: Time,
    pub(super) base: [u32; 2],
}

impl Wire {
    /// After a handshake.
    pub(super) fn open() -> Self {
        Self::open_at([A, B])
    }

    pub(super) fn open_at(base: [u32; 2]) -> Self {
        let mut wire = Self { base, ..Self::default() };
        wire.send(ToServer, SYN, -1, 0, b"");
        wire.send(ToClient, SYN | ACK, -1, 0, b"");
        wire.send(ToServer, ACK, 0, 0, b"");
        assert_eq!(wire.take(), []);
        wire
    }

    pub(super) fn joined() -> Self {
        Self { base: [A, B], ..Self::default() }
    }

    pub(super) fn send(&mut self, dir: Dir, flags: u8, seq: i64, ack: i64, data: &[u8]) {
        self.cut(dir, flags, seq, ack, data, 0);
    }

    pub(super) fn data(&mut self, dir: Dir, seq: i64, ack: i64, data: &[u8]) {
        self.send(dir, ACK, seq, ack, data);
    }

    pub(super) fn cut(&mut self, dir: Dir, flags: u8, seq: i64, ack: i64, data: &[u8], cut: u32) {
        self.packet += 1;
        let seg = self.segment(dir, flags, seq, ack, data.len(), cut);
        assert!(!self.tcp.is_copy(&seg, dir), "its own source shows it");
        self.tcp.segment(&seg, data, dir, &mut self.log);
        assert!(self.tcp.halves.iter().map(|h| h.waiting().0).sum::<usize>() <= ORDER_BYTES + (1 << 16));
        assert!(self.tcp.halves.iter().all(|h| h.acks() <= ACKS && h.waiting().1 <= ORDER_PIECES));
        // a pause changes nothing, save that what follows is no copy
        if self.packet.is_multiple_of(2) {
            self.tcp.halves.iter_mut().for_each(Half::rest);
        }
    }

    pub(super) fn segment(&self, dir: Dir, flags: u8, seq: i64, ack: i64, len: usize, cut: u32) -> Segment {
        let any = SocketAddr::from(([0; 4], 0));
        Segment {
            stamp: self.stamp(),
            source: SourceId(0),
            zone: Zone::default(),
            from: any,
            to: any,
            seq: self.base[dir.index()].wrapping_add(seq as u32),
            ack: if flags & ACK == 0 { 0 } else { self.base[dir.other().index()].wrapping_add(ack as u32) },
            flags: TcpFlags(flags),
            payload: 0..len,
            cut,
            shard: 0,
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { packet: PacketNo(self.packet), time: self.time }
    }

    pub(super) fn wait(&mut self, span: Span) {
        self.time = self.time.after(span);
        self.tcp.tick(self.stamp(), &mut self.log);
    }

    pub(super) fn finish(&mut self, how: End) {
        self.tcp.finish(how, &mut self.log);
    }

    pub(super) fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.log.0)
    }
}

pub(super) fn data(dir: Dir, bytes: &[u8], packet: u64) -> Out {
    Out::Data(dir, bytes.to_vec(), packet)
}

/// What was shown of a direction, holes as none.
pub(super) fn shown(out: &[Out], dir: Dir) -> Vec<Option<u8>> {
    out.iter()
        .flat_map(|o| match o {
            Out::Data(d, bytes, _) if *d == dir => bytes.iter().copied().map(Some).collect(),
            Out::Hole(d, len) if *d == dir => vec![None; *len as usize],
            _ => Vec::new(),
        })
        .collect()
}
