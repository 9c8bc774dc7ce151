//! A capture file of TCP conversations: pcapng bytes, with handshakes and sequence numbers. It knows no protocol above TCP.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Nanoseconds since the simulation began.
pub type Nanos = u64;

/// The moment at which every simulation begins, in nanoseconds since 1970.
const EPOCH: u64 = 1_795_000_000_000_000_000;
const SYN: u8 = 2;
const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Which side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// A packet, and what begins in it.
#[derive(Debug)]
pub struct Packet {
    pub at: Nanos,
    pub side: Side,
    pub bytes: Vec<u8>,
    /// Whose its ends are, where the file is to say so.
    pub comment: Option<String>,
    /// The flows that begin in it.
    pub begins: Vec<usize>,
}

/// One TCP connection as it is captured.
#[derive(Clone, Debug)]
pub struct Tcp {
    ends: [SocketAddrV4; 2],
    next: [u32; 2],
}

impl Tcp {
    pub fn new(client: SocketAddrV4, server: SocketAddrV4) -> Self {
        let start = u32::from(client.port()) << 12;
        Self { ends: [client, server], next: [start, start ^ 0x5a5a_5a5a] }
    }

    /// The same with other ends, as a kernel makes it that changes addresses.
    pub fn translated(&self, client: SocketAddrV4, server: SocketAddrV4) -> Self {
        Self { ends: [client, server], ..self.clone() }
    }

    /// The three packets with which it opens.
    pub fn open(&mut self, at: Nanos) -> Vec<Packet> {
        let syn = self.packet(at, Side::Client, SYN, &[]);
        let answer = self.packet(at + 1_000, Side::Server, SYN | ACK, &[]);
        vec![syn, answer, self.packet(at + 2_000, Side::Client, ACK, &[])]
    }

    /// Something that one side says.
    pub fn say(&mut self, at: Nanos, side: Side, payload: &[u8]) -> Packet {
        self.packet(at, side, PSH | ACK, payload)
    }

    /// Both sides are done.
    pub fn close(&mut self, at: Nanos) -> Vec<Packet> {
        let fin = self.packet(at, Side::Client, FIN | ACK, &[]);
        let answer = self.packet(at + 1_000, Side::Server, FIN | ACK, &[]);
        vec![fin, answer, self.packet(at + 2_000, Side::Client, ACK, &[])]
    }

    fn packet(&mut self, at: Nanos, side: Side, flags: u8, payload: &[u8]) -> Packet {
        let (me, peer) = if side == Side::Client { (0, 1) } else { (1, 0) };
        let (from, to) = (self.ends[me], self.ends[peer]);
        let ack = if flags & ACK != 0 { self.next[peer] } else { 0 };
        let length = u16::try_from(40 + payload.len()).expect("a message fits a packet");
        let mut bytes = vec![0x45, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend(from.ip().octets());
        bytes.extend(to.ip().octets());
        bytes.extend(from.port().to_be_bytes());
        bytes.extend(to.port().to_be_bytes());
        bytes.extend(self.next[me].to_be_bytes());
        bytes.extend(ack.to_be_bytes());
        bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(payload);
        let taken = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[me] = self.next[me].wrapping_add(taken);
        Packet { at, side, bytes, comment: None, begins: Vec::new() }
    }
}

/// Who an address is, as meshtop's own files tell it in comments.
pub fn naming(ends: &[(SocketAddrV4, &str, u32)]) -> String {
    let ends: Vec<_> = ends.iter().map(|(addr, name, pid)| format!("{addr} is {name} (pid {pid})")).collect();
    format!("meshtop: {}", ends.join(", "))
}

/// An address of the simulated network.
pub fn addr(ip: [u8; 4], port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(ip), port)
}

/// The file, little-endian, of raw IP packets (LINKTYPE 101) with times in nanoseconds.
pub fn file(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, 0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    // if_tsresol 9: nanoseconds
    block(&mut out, 1, &[&[101, 0, 0, 0, 0, 0, 4, 0][..], &[9, 0, 1, 0, 9, 0, 0, 0], &[0; 4]].concat());
    for packet in packets {
        let (time, length) = (EPOCH + packet.at, packet.bytes.len() as u32);
        let mut body = [0, (time >> 32) as u32, time as u32, length, length].map(u32::to_le_bytes).concat();
        padded(&mut body, &packet.bytes);
        if let Some(comment) = &packet.comment {
            body.extend([1, 0]);
            body.extend((comment.len() as u16).to_le_bytes());
            padded(&mut body, comment.as_bytes());
            body.extend([0; 4]);
        }
        block(&mut out, 6, &body);
    }
    out
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = (body.len() as u32 + 12).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(length);
    out.extend(body);
    out.extend(length);
}
