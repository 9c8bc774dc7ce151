use super::super::{Settings, Worker};
use crate::decode::Limits;
use crate::model::{Batch, Item, PacketNo, Segment, SourceId, Stamp, TcpFlags, Totals, Zone};
use crate::time::Time;
use std::net::SocketAddr;
use std::sync::Arc;

const LIMIT: usize = 256 << 10;

/// A worker that is shown one segment after the other.
struct Rig {
    worker: Worker,
    packet: u64,
}

impl Rig {
    fn new() -> Self {
        let limits = Limits { together: LIMIT, ..Limits::default() };
        Self { worker: Worker::new(Arc::new(Settings { limits, ..Settings::default() }), 0, 1), packet: 0 }
    }

    /// What a client sends, a connection for each number, `at` bytes behind its opening.
    fn send(&mut self, client: u16, at: u32, flags: u8, payload: &[u8]) {
        self.packet += 1;
        let stamp = Stamp { packet: PacketNo(self.packet), time: Time::from_nanos(self.packet as i64 * 1000) };
        let segment = Segment {
            stamp,
            source: SourceId(0),
            zone: Zone::default(),
            from: SocketAddr::from(([10, 0, 0, 1], 10_000 + client)),
            to: SocketAddr::from(([10, 0, 0, 2], 8080)),
            seq: 100 + at,
            ack: 0,
            flags: TcpFlags(flags),
            payload: 0..payload.len(),
            cut: 0,
            shard: (client % 64) as u8,
        };
        let batch = Batch { slab: payload.to_vec(), items: vec![Item::Segment(segment)], ..Batch::default() };
        self.worker.batch(&batch);
        assert!(self.worker.holds.sum <= LIMIT, "{} bytes are held", self.worker.holds.sum);
    }

    fn open(&mut self, client: u16) {
        self.send(client, 0, TcpFlags::SYN, b"");
    }

    fn totals(mut self) -> Totals {
        while !self.worker.finish(Stamp::default(), 100).1 {}
        assert_eq!(self.worker.holds.sum, 0, "what is over holds nothing");
        let totals = self.worker.sums();
        assert_eq!(totals.stream_bytes, totals.decoded_bytes as u64 + totals.undecoded_bytes, "each byte is told of");
        totals
    }
}

#[test]
fn connections_of_unknown_protocols_let_go_when_all_hold_too_much() {
    let mut rig = Rig::new();
    (0..200).for_each(|client| rig.open(client));
    for client in 0..200 {
        rig.send(client, 1, TcpFlags::ACK, &[0x99; 4000]);
    }
    let totals = rig.totals();
    assert!((100..200).contains(&totals.evicted_held), "{}", totals.evicted_held);
    assert_eq!((totals.undecoded_bytes, totals.lost_bytes), (800_000, 0));
}

#[test]
fn what_waits_behind_holes_is_shown_when_all_hold_too_much() {
    let mut rig = Rig::new();
    (0..200).for_each(|client| rig.open(client));
    for client in 0..200 {
        rig.send(client, 101, TcpFlags::ACK, &[0x99; 4000]);
    }
    let totals = rig.totals();
    assert!(totals.evicted_held >= 100, "{}", totals.evicted_held);
    assert_eq!((totals.undecoded_bytes, totals.lost_bytes, totals.gaps), (800_000, 20_000, 200));
}

#[test]
fn a_head_that_does_not_end_gives_way_after_what_is_unknown() {
    let mut rig = Rig::new();
    (0..200).for_each(|client| rig.open(client));
    rig.send(0, 1, TcpFlags::ACK, b"GET /slow HTTP/1.1\r\nhost: a\r\nx-long: ");
    for client in 1..200 {
        rig.send(client, 1, TcpFlags::ACK, &[0x99; 4000]);
    }
    rig.send(0, 38, TcpFlags::ACK, b"whole\r\n\r\n");
    assert_eq!(rig.totals().decoded_bytes, 37 + 9, "it could be read to its end");
    let mut rig = Rig::new();
    (0..200).for_each(|client| rig.open(client));
    for client in 0..200 {
        let head = [b"GET /slow HTTP/1.1\r\nhost: a\r\nx-long: ".as_slice(), &[b'a'; 4000]].concat();
        rig.send(client, 1, TcpFlags::ACK, &head);
    }
    let totals = rig.totals();
    assert!(totals.evicted_held > 0);
    assert_eq!((totals.decoded_bytes, totals.lost_bytes), (0, 0));
}

#[test]
fn one_connection_of_an_unknown_protocol_waits_only_so_long() {
    let mut rig = Rig::new();
    rig.open(0);
    for n in 0..100 {
        rig.send(0, 1 + n * 1000, TcpFlags::ACK, &[0x99; 1000]);
    }
    assert!(rig.worker.holds.sum < 40_000, "{} bytes are held", rig.worker.holds.sum);
    let totals = rig.totals();
    assert_eq!((totals.undecoded_bytes, totals.evicted_held), (100_000, 0));
}

#[test]
fn what_is_held_counts_with_what_an_allocator_adds() {
    let mut rig = Rig::new();
    rig.open(0);
    rig.send(0, 1, TcpFlags::ACK, &[b"GET / HTTP/1.1\r\nx-long: ".as_slice(), &[b'a'; 8000]].concat());
    assert!(rig.worker.holds.sum >= 9000, "{} bytes", rig.worker.holds.sum);
}

#[test]
fn what_told_a_protocol_is_held_no_more() {
    let mut rig = Rig::new();
    rig.open(0);
    rig.send(0, 1, TcpFlags::ACK, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(rig.worker.holds.sum, 0);
}

#[test]
fn what_was_let_go_takes_no_more_room() {
    let mut rig = Rig::new();
    (0..2000).for_each(|client| rig.open(client));
    for client in 0..2000 {
        rig.send(client, 101, TcpFlags::ACK, &[0x99; 100]);
    }
    let held = rig.totals().evicted_held;
    assert!((1000..=4000).contains(&held), "{held} times");
}

#[test]
fn requests_that_are_never_answered_are_bounded_together() {
    let http = |n: usize| format!("GET /{n:05} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes();
    let redis = |n: usize| format!("*2\r\n$3\r\nGET\r\n$5\r\n{n:05}\r\n").into_bytes();
    let sql = |n: usize| [b"Q\0\0\0\x10".as_slice(), format!("select {n:04}\0").as_bytes()].concat();
    let get = |n: usize| [b"\0\0\x03\x01\x04".as_slice(), &(2 * n as u32 + 1).to_be_bytes(), b"\x82\x86\x84"].concat();
    let (startup, preface) = (b"\0\0\0\x13\0\x03\0\0user\0shop\0\0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    type Asks<'a> = (&'a [u8], &'a dyn Fn(usize) -> Vec<u8>);
    let asks: [Asks<'_>; 4] = [(b"", &http), (b"", &redis), (&startup[..], &sql), (&preface[..], &get)];
    for (protocol, (first, one)) in asks.into_iter().enumerate() {
        let (mut rig, mut sent, mut most) = (Rig::new(), 0, 0);
        (0..20).for_each(|client| rig.open(client));
        let mut at = [1; 20];
        for n in (0..900).step_by(10) {
            for (client, at) in (0..).zip(&mut at) {
                let many = (n..n + 10).flat_map(one);
                let payload: Vec<u8> = first.iter().copied().filter(|_| n == 0).chain(many).collect();
                rig.send(client, *at, TcpFlags::ACK, &payload);
                (*at, sent) = (*at + payload.len() as u32, sent + payload.len());
            }
            most = most.max(rig.worker.holds.waiting);
        }
        assert!((LIMIT / 2..LIMIT).contains(&most), "{most} bytes wait for answers of protocol {protocol}");
        let totals = rig.totals();
        assert_eq!((totals.decoded_bytes as usize, totals.evicted_held > 0), (sent, true), "protocol {protocol}");
    }
}

#[test]
fn header_tables_of_the_usual_size_are_bounded_together() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // `:method: GET`, `:path: /`, and thirty fields that are inserted
    let block = |client: u16| {
        let fields = (0..30).flat_map(move |n: u8| [&[0x40, 2, b'x', n, 80][..], format!("{client:080}").as_bytes()].concat());
        [0x82, 0x84].into_iter().chain(fields).collect::<Vec<u8>>()
    };
    let (mut rig, mut most) = (Rig::new(), 0);
    (0..400).for_each(|client| rig.open(client));
    for client in 0..400 {
        let block = block(client);
        let head = [&(block.len() as u32).to_be_bytes()[1..], &[1, 5, 0, 0, 0, 1], &block].concat();
        rig.send(client, 1, TcpFlags::ACK, &[preface, &head[..]].concat());
        most = most.max(rig.worker.holds.remembered);
    }
    assert!(most > LIMIT && most < LIMIT / 2 * 3 + 8192, "{most}");
    let totals = rig.totals();
    assert!((200..=400).contains(&totals.evicted_held), "{} of 400", totals.evicted_held);
    assert_eq!(totals.decode_errors, 0);
}

#[test]
fn a_statement_that_there_is_no_room_for_is_not_kept() {
    let startup = b"\0\0\0\x13\0\x03\0\0user\0shop\0\0";
    let (mut rig, mut most) = (Rig::new(), 0);
    (0..400).for_each(|client| rig.open(client));
    for client in 0..400 {
        let body = format!("s\0select {}\0\0\0", "a".repeat(3000));
        let parse = [b"P".as_slice(), &(body.len() as u32 + 4).to_be_bytes(), body.as_bytes()].concat();
        rig.send(client, 1, TcpFlags::ACK, &[startup.as_slice(), &parse].concat());
        most = most.max(rig.worker.holds.remembered);
    }
    assert!(most > LIMIT && most < LIMIT + 4096, "{most}");
    assert!(rig.totals().evicted_held > 0);
}

#[test]
fn what_is_prepared_is_bounded_together() {
    let startup = b"\0\0\0\x13\0\x03\0\0user\0shop\0\0";
    let parse = |n: u32| {
        let body = format!("s{n}\0select {}\0\0\0", "a".repeat(1000));
        [b"P".as_slice(), &(body.len() as u32 + 4).to_be_bytes(), body.as_bytes()].concat()
    };
    let (mut rig, mut most) = (Rig::new(), 0);
    let clients = 40;
    (0..clients).for_each(|client| rig.open(client));
    let mut at = [1; 40];
    for n in 0..20 {
        for (client, at) in (0..clients).zip(&mut at) {
            let payload = [if n == 0 { startup.as_slice() } else { b"" }, &parse(n)].concat();
            rig.send(client, *at, TcpFlags::ACK, &payload);
            *at += payload.len() as u32;
            most = most.max(rig.worker.holds.remembered);
        }
    }
    assert!(most > LIMIT && most < LIMIT + 40 * 6000, "{most}");
    assert!(rig.totals().evicted_held > 0);
}
