//! Connections packet by packet, and what of them is lost.

use super::{File, Packets};
use serde_json::Value;
use std::collections::BTreeSet;

/// The port of the first client.
const FIRST: u16 = 20_000;
/// How many packets open a connection.
pub const OPENING: usize = 3;

/// One connection, each of whose packets acknowledges all that was sent before.
pub struct Wire {
    ports: [u16; 2],
    next: [u32; 2],
    /// In microseconds.
    time: u64,
    packets: Packets,
    /// With how many packets each exchange begins before it, then all of them.
    begins: Vec<usize>,
}

impl Wire {
    /// It is opened, at so many seconds.
    pub fn open(port: u16, server: u16, seconds: u64) -> Self {
        Self::open_at(port, server, seconds * 1_000_000, [100, 500])
    }

    /// The same, at so many microseconds, with these initial sequence numbers.
    pub fn open_at(port: u16, server: u16, time: u64, next: [u32; 2]) -> Self {
        let mut wire = Self { ports: [port, server], next, time, packets: Packets::new(), begins: Vec::new() };
        wire.send(0, 2, b"");
        wire.send(1, 18, b"");
        wire.ack();
        wire
    }

    /// What the client says, in one packet.
    pub fn up(&mut self, bytes: &[u8]) {
        self.send(0, 24, bytes);
    }

    /// What the server says.
    pub fn down(&mut self, bytes: &[u8]) {
        self.send(1, 24, bytes);
    }

    /// The client acknowledges what was said.
    pub fn ack(&mut self) {
        self.send(0, 16, b"");
    }

    /// The client closes it, then the server.
    pub fn close(mut self) -> Packets {
        self.send(0, 17, b"");
        self.send(1, 17, b"");
        self.ack();
        self.packets
    }

    /// Nothing is said for so many milliseconds.
    pub fn pause(&mut self, millis: u64) {
        self.time += millis * 1000;
    }

    /// An exchange begins.
    pub fn begin(&mut self) {
        self.begins.push(self.packets.len());
    }

    fn send(&mut self, from: usize, flags: u8, said: &[u8]) {
        self.time += 50;
        let length = (40 + said.len()) as u16;
        let mut bytes = [&[0; 12][..], &[8, 0, 0x45, 0], &length.to_be_bytes(), &[0, 0, 0x40, 0, 64, 6, 0, 0]].concat();
        bytes.extend([127, 0, 0, 1, 127, 0, 0, 1]);
        bytes.extend([self.ports[from].to_be_bytes(), self.ports[1 - from].to_be_bytes()].concat());
        let ack = if flags == 2 { 0 } else { self.next[1 - from] };
        bytes.extend([self.next[from].to_be_bytes(), ack.to_be_bytes()].concat());
        bytes.extend([&[0x50, flags, 255, 255, 0, 0, 0, 0][..], said].concat());
        self.next[from] = self.next[from].wrapping_add(said.len() as u32 + u32::from(flags & 3 != 0));
        let (time, length) = (self.time, bytes.len() as u32);
        let words = [1_700_000_000 + (time / 1_000_000) as u32, (time % 1_000_000) as u32 * 1000, length, length];
        self.packets.push([words.map(u32::to_le_bytes).concat(), bytes].concat());
    }
}

/// The next number as if by chance (xorshift32).
pub fn chance(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// Packets that are lost, counted from the first one behind those that open the connection: some in a row, and such as chance takes.
pub fn losses(window: std::ops::Range<usize>) -> Vec<BTreeSet<usize>> {
    let rows = (1..=window.len()).flat_map(|len| window.clone().map(move |first| (first..first + len).collect()));
    let mut state = 0x2545_f491;
    let some = (0..150).map(|n| window.clone().filter(|_| chance(&mut state).is_multiple_of(2 + n % 4)).collect());
    rows.chain(some.collect::<Vec<_>>()).collect()
}

/// The same losses, but of what the client sends alone.
pub fn of_client(losses: Vec<BTreeSet<usize>>, talk: impl Fn(&mut Wire)) -> Vec<BTreeSet<usize>> {
    let mut wire = Wire::open(FIRST, FIRST - 1, 0);
    talk(&mut wire);
    let is_client = |at: &usize| wire.packets.get(at + OPENING).is_none_or(|packet| packet[50..52] == FIRST.to_be_bytes());
    losses.into_iter().map(|lost| lost.into_iter().filter(is_client).collect()).collect()
}

/// What became of connections of which packets were lost.
pub struct Seen {
    /// By connection: the packets that it lost, and its flows.
    pub each: Vec<(BTreeSet<usize>, Vec<Value>)>,
    pub stats: Value,
    begins: Vec<usize>,
}

impl Seen {
    /// The program reads a connection as often as there are losses.
    pub fn of(server: u16, losses: Vec<BTreeSet<usize>>, talk: impl Fn(&mut Wire)) -> Self {
        let (mut packets, mut begins) = (Packets::new(), Vec::new());
        for (n, lost) in losses.iter().enumerate() {
            let mut wire = Wire::open(FIRST + n as u16, server, 30 * n as u64);
            talk(&mut wire);
            let kept = wire
                .packets
                .into_iter()
                .enumerate()
                .filter(|(at, _)| !at.checked_sub(OPENING).is_some_and(|at| lost.contains(&at)));
            packets.extend(kept.map(|(_, packet)| packet));
            begins = wire.begins;
        }
        let records = File { head: File::of("keep-alive").head, packets }.read();
        let stats = records.last().unwrap().clone();
        let mut each: Vec<_> = losses.into_iter().map(|lost| (lost, Vec::new())).collect();
        for flow in records.into_iter().filter(|record| record["type"] == "flow") {
            let port: u16 = flow["client"]["addr"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
            each[usize::from(port - FIRST)].1.push(flow);
        }
        Self { each, stats, begins }
    }

    /// No connection lacks exchanges that it should have: those that begin no sooner than `after` exchanges behind the last packet
    /// that was lost. `told` says which exchange a flow is, and whether it is whole.
    pub fn whole(&self, after: usize, told: impl Fn(&Value) -> Option<usize>) {
        let mut missing = Vec::new();
        for (lost, flows) in &self.each {
            let behind = lost.last().map_or(0, |last| last + OPENING + 1);
            let first = self.begins.partition_point(|begin| *begin < behind) + after;
            let seen: BTreeSet<usize> = flows.iter().filter_map(&told).collect();
            let lacks: Vec<_> = (first..self.begins.len()).filter(|n| !seen.contains(n)).collect();
            if !lacks.is_empty() {
                missing.push(format!("without packets {lost:?}: exchanges {lacks:?} from {first} on of {}", self.begins.len()));
            }
        }
        let shown = missing.iter().take(20).map(|told| format!("\n{told}")).collect::<String>();
        assert!(missing.is_empty(), "{} of {}{shown}", missing.len(), self.each.len());
    }
}
