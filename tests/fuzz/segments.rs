//! Bytes as the segments of one connection, in any order, any of them twice, cut or missing: what is reassembled of them is what was
//! sent, in order, and each direction ends once.

use meshtop::model::{Dir, End, PacketNo, Segment, SourceId, Stamp, TcpFlags, Zone};
use meshtop::net::{Reassembler, Streams};
use meshtop::time::Time;

/// How far apart the places are where a segment may lie that goes on from none.
const STEP: u32 = 64;

/// From which place on it lies far ahead, and by how much more each: up to 64 MiB.
const FAR: (u8, u32) = (192, 1 << 20);

/// How many bytes are at one place alone.
const TELLING: usize = 8;

/// What came of it.
#[derive(Default)]
struct Heard {
    /// How far each direction is, where that is known.
    at: [Option<u64>; 2],
    ended: [bool; 2],
    /// Where the payload of each packet begins, and its length.
    packets: Vec<(u32, usize)>,
}

impl Heard {
    /// Where the first bytes of a direction are, within the packet that brought them: its beginning may be left out. None where they are
    /// so few that it cannot be told.
    fn place(&self, dir: Dir, bytes: &[u8], stamp: Stamp) -> Option<u64> {
        let (seq, length) = self.packets[stamp.packet.0 as usize - 1];
        let mut starts = (0..=length - bytes.len()).map(|skip| u64::from(seq) + skip as u64);
        (bytes.len() >= TELLING).then(|| starts.find(|start| is(dir, *start, bytes)).expect("its packet brought them"))
    }
}

/// Whether bytes are those of a place.
fn is(dir: Dir, start: u64, bytes: &[u8]) -> bool {
    bytes.iter().zip(start as u32..).all(|(found, at)| *found == byte(dir, at))
}

/// The byte that is sent at a place of a direction: another one's neighbours are others.
fn byte(dir: Dir, at: u32) -> u8 {
    let mut x = at ^ (dir.index() as u32) << 31;
    x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    (x ^ x >> 16) as u8
}

impl Streams for Heard {
    fn data(&mut self, dir: Dir, bytes: &[u8], stamp: Stamp) {
        assert!(!self.ended[dir.index()], "{dir:?} goes on behind its end");
        assert!(!bytes.is_empty());
        let Some(start) = self.at[dir.index()].or_else(|| self.place(dir, bytes, stamp)) else { return };
        assert!(is(dir, start, bytes), "{} bytes of {dir:?} are not those at {start}", bytes.len());
        self.at[dir.index()] = Some(start + bytes.len() as u64);
    }

    fn hole(&mut self, dir: Dir, len: u64, _: Stamp) {
        assert!(!self.ended[dir.index()], "{dir:?} loses bytes behind its end");
        assert!(len > 0);
        if let Some(at) = &mut self.at[dir.index()] {
            *at += len;
        }
    }

    fn end(&mut self, dir: Dir, _: End, _: Stamp) {
        assert!(!std::mem::replace(&mut self.ended[dir.index()], true), "{dir:?} ends twice");
    }
}

/// Plays `data`, five bytes a segment.
pub fn play(data: &[u8]) {
    let (mut tcp, mut heard) = (Reassembler::default(), Heard::default());
    let mut packet = 0;
    let mut next = [1_u32; 2];
    for part in data.chunks_exact(5) {
        packet += 1;
        let [what, place, ack, len, wait] = part.try_into().expect("five bytes");
        let dir = if what & 1 == 0 { Dir::ToServer } else { Dir::ToClient };
        let stamp = Stamp { packet: PacketNo(packet), time: Time::from_nanos(i64::from(wait) * 10_000_000 * packet as i64) };
        // bits 1 and 2: the next bytes, some before them, some behind them, anywhere
        let me = dir.index();
        let seq = match what >> 1 & 3 {
            0 => next[me],
            1 => next[me].saturating_sub(u32::from(place)).max(1),
            2 => next[me].wrapping_add(place.into()),
            _ if place < FAR.0 => 1 + u32::from(place) * STEP,
            _ => next[me].wrapping_add(u32::from(place - FAR.0) * FAR.1),
        };
        let flags =
            [0, TcpFlags::ACK, TcpFlags::ACK, TcpFlags::ACK | TcpFlags::FIN, TcpFlags::SYN, TcpFlags::RST, TcpFlags::ACK, 0];
        let flags = TcpFlags(flags[usize::from(what >> 3 & 7)]);
        // a SYN has the place before the first byte
        let seq = if flags.has(TcpFlags::SYN) { 0 } else { seq };
        let payload: Vec<u8> = if flags.has(TcpFlags::SYN) {
            Vec::new()
        } else {
            (0..u32::from(len)).map(|i| byte(dir, seq.wrapping_add(i))).collect()
        };
        let cut = if what & 0xc0 == 0xc0 { payload.len() as u32 / 2 } else { 0 };
        let captured = payload.len() - cut as usize;
        let ports = if dir == Dir::ToServer { [40_000, 80] } else { [80, 40_000] };
        let [from, to] = ports.map(|port| ([127, 0, 0, 1], port).into());
        let peers = next[dir.other().index()];
        let ack = if what & 0xc0 == 0x40 {
            peers.wrapping_add(u32::from(ack) * FAR.1)
        } else {
            peers.saturating_add_signed(i32::from(ack as i8))
        };
        heard.packets.push((seq, payload.len()));
        let (source, zone) = (SourceId(0), Zone::default());
        let seg = Segment { stamp, source, zone, from, to, seq, ack, flags, payload: 0..captured, cut, shard: 0 };
        assert!(!tcp.is_copy(&seg, dir), "there is one source");
        tcp.segment(&seg, &payload[..captured], dir, &mut heard);
        tcp.tick(stamp, &mut heard);
        let end = seq.wrapping_add(payload.len() as u32);
        if end.wrapping_sub(next[me]) < 1 << 31 {
            next[me] = end;
        }
    }
    tcp.finish(End::Open, &mut heard);
    assert!(heard.ended.iter().all(|ended| *ended), "both directions end");
}
