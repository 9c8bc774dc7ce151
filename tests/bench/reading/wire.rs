//! A capture file as a loopback interface gives it: Ethernet frames without addresses, up to 64 KiB, nanoseconds. Whole conversations
//! are written as they are said; nothing is kept of them.

use super::scenarios::mesh::capture::Side;
use std::io::Write;

/// What the network adds to a segment: Ethernet, IPv4, TCP with timestamps.
const HEADERS: usize = 14 + 20 + 32;
/// The most that a frame of a loopback interface carries.
const SEGMENT: usize = 65_483;
/// The moment at which the captures begin, in nanoseconds since 1970.
const EPOCH: u64 = 1_795_000_000_000_000_000;
const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// A TCP connection between two ports of 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Tcp {
    ports: [u16; 2],
    next: [u32; 2],
}

/// The file.
pub struct Capture<W> {
    out: W,
    now: u64,
    pub bytes: u64,
    pub packets: u64,
    frame: Vec<u8>,
}

impl<W: Write> Capture<W> {
    /// Begins a classic pcap file of Ethernet frames with times in nanoseconds.
    pub fn new(mut out: W) -> std::io::Result<Self> {
        let head = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1];
        out.write_all(&head.map(u32::to_le_bytes).concat())?;
        Ok(Self { out, now: EPOCH, bytes: 24, packets: 0, frame: Vec::new() })
    }

    /// Lets time go on.
    pub fn pass(&mut self, micros: u64) {
        self.now += micros * 1000;
    }

    /// A new connection, opened.
    pub fn open(&mut self, client: u16, server: u16) -> std::io::Result<Tcp> {
        let start = (self.now >> 8) as u32;
        let mut tcp = Tcp { ports: [client, server], next: [start, start.rotate_left(9)] };
        self.frame(&mut tcp, Side::Client, SYN, &[])?;
        self.frame(&mut tcp, Side::Server, SYN | ACK, &[])?;
        self.frame(&mut tcp, Side::Client, ACK, &[])?;
        Ok(tcp)
    }

    /// Something is said, in as many frames as it takes.
    pub fn say(&mut self, tcp: &mut Tcp, side: Side, bytes: &[u8]) -> std::io::Result<()> {
        bytes.chunks(SEGMENT).try_for_each(|part| self.frame(tcp, side, PSH | ACK, part))
    }

    /// What was said is acknowledged by a frame of its own.
    pub fn acknowledge(&mut self, tcp: &mut Tcp, side: Side) -> std::io::Result<()> {
        self.frame(tcp, side, ACK, &[])
    }

    /// Both are done.
    pub fn close(&mut self, mut tcp: Tcp) -> std::io::Result<()> {
        self.frame(&mut tcp, Side::Client, FIN | ACK, &[])?;
        self.frame(&mut tcp, Side::Server, FIN | ACK, &[])?;
        self.frame(&mut tcp, Side::Client, ACK, &[])
    }

    /// A datagram of the client's or the server's port, the client being the `n`th host of those on the loopback interface.
    pub fn datagram(&mut self, side: Side, ports: [u16; 2], n: usize, payload: &[u8]) -> std::io::Result<()> {
        let length = 14 + 20 + 8 + payload.len();
        let (client, server) = ((ports[0], 2 + n as u8), (ports[1], 1));
        let ((from, me), (to, peer)) = if side == Side::Client { (client, server) } else { (server, client) };
        self.head(length);
        let f = &mut self.frame;
        f.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, me, 127, 0, 0, peer]);
        f.extend([from, to, (8 + payload.len()) as u16, 0].map(u16::to_be_bytes).concat());
        f.extend(payload);
        self.put()
    }

    /// What the interface puts before a packet, up to its length.
    fn head(&mut self, length: usize) {
        let f = &mut self.frame;
        f.clear();
        let (seconds, nanos) = ((self.now / 1_000_000_000) as u32, (self.now % 1_000_000_000) as u32);
        f.extend([seconds, nanos, length as u32, length as u32].map(u32::to_le_bytes).concat());
        f.extend([0; 12]);
        f.extend([8, 0, 0x45, 0]);
        f.extend(((length - 14) as u16).to_be_bytes());
    }

    fn put(&mut self) -> std::io::Result<()> {
        self.out.write_all(&self.frame)?;
        self.bytes += self.frame.len() as u64;
        self.packets += 1;
        self.now += 2_000;
        Ok(())
    }

    /// Everything is in the file.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.out.flush()
    }

    fn frame(&mut self, tcp: &mut Tcp, side: Side, flags: u8, payload: &[u8]) -> std::io::Result<()> {
        let (me, peer) = if side == Side::Client { (0, 1) } else { (1, 0) };
        let ack = if flags & ACK == 0 { 0 } else { tcp.next[peer] };
        self.head(HEADERS + payload.len());
        let f = &mut self.frame;
        f.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        f.extend(tcp.ports[me].to_be_bytes());
        f.extend(tcp.ports[peer].to_be_bytes());
        f.extend(tcp.next[me].to_be_bytes());
        f.extend(ack.to_be_bytes());
        f.extend([0x80, flags, 2, 0, 0, 0, 0, 0, 1, 1, 8, 10]);
        f.extend(((self.now / 1_000_000) as u32).to_be_bytes());
        f.extend([0; 4]);
        f.extend(payload);
        tcp.next[me] = tcp.next[me].wrapping_add(payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0));
        self.put()
    }
}
