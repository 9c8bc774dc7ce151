//! The connection table, rule by rule.

use super::super::limits::CONNECTIONS;
use super::*;
use crate::model::{Stamp, Zone};
use proptest::prelude::*;

/// What the table told its owner: what ended, and what is at rest. A connection is its meta.
#[derive(Default)]
struct Log(Vec<(ConnId, End)>, Vec<u64>);

impl Owner<ConnMeta> for Log {
    fn begin(&mut self, meta: ConnMeta, _: SourceId) -> ConnMeta {
        meta
    }

    fn rest(&mut self, conn: &mut ConnMeta) {
        self.1.push(conn.id.0.0);
    }

    fn end(&mut self, conn: ConnMeta, how: End) {
        self.0.push((conn.id, how));
    }
}

struct Shard {
    table: ConnTable<ConnMeta>,
    log: Log,
    packet: u64,
    time: Time,
    overload: bool,
}

impl Default for Shard {
    fn default() -> Self {
        let table = ConnTable::new(CONNECTIONS, |port| port == 50051);
        Self { table, log: Log::default(), packet: 0, time: Time::default(), overload: false }
    }
}

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const CLIENT: u16 = 40000;
const SERVER: u16 = 80;

impl Shard {
    fn segment(&mut self, from: u16, to: u16, flags: u8, seq: u32, ack: u32) -> Segment {
        self.packet += 1;
        Segment {
            stamp: Stamp { packet: PacketNo(self.packet), time: self.time },
            source: SourceId(0),
            zone: Zone::default(),
            from: ([10, 0, 0, 1], from).into(),
            to: ([10, 0, 0, 1], to).into(),
            seq,
            ack,
            flags: TcpFlags(flags),
            payload: 0..0,
            cut: 0,
            shard: 0,
        }
    }

    /// The packet that began the connection, and the direction.
    fn tcp(&mut self, from: u16, to: u16, flags: u8, seq: u32, ack: u32) -> Option<(u64, Dir)> {
        let seg = self.segment(from, to, flags, seq, ack);
        let (slot, dir) = self.table.find(&seg, Transport::Stream, self.overload, &mut self.log)?;
        Some((self.table.get(slot)?.id.0.0, dir))
    }

    fn slot(&mut self, from: u16, to: u16) -> Option<Slot> {
        let seg = self.segment(from, to, ACK, 2, 2);
        Some(self.table.find(&seg, Transport::Stream, false, &mut self.log)?.0)
    }

    fn close(&mut self) {
        let slot = self.slot(CLIENT, SERVER).unwrap();
        assert!(self.table.close(slot).is_some() && self.table.get(slot).is_none() && self.table.close(slot).is_none());
    }

    fn tick(&mut self, span: Span) -> Vec<(u64, End)> {
        self.time = self.time.after(span);
        self.table.tick(self.time, &mut self.log);
        self.ended()
    }

    fn ended(&mut self) -> Vec<(u64, End)> {
        self.log.0.drain(..).map(|(id, how)| (id.0.0, how)).collect()
    }
}

#[test]
fn both_directions_are_one_connection() {
    let mut s = Shard::default();
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 1, 0), Some((1, Dir::ToServer)));
    assert_eq!(s.tcp(SERVER, CLIENT, SYN | ACK, 1, 2), Some((1, Dir::ToClient)));
    assert_eq!(s.tcp(CLIENT, SERVER, ACK, 2, 2), Some((1, Dir::ToServer)));
    assert_eq!(s.tcp(CLIENT + 1, SERVER, SYN, 1, 0), Some((4, Dir::ToServer)));
    let seg = s.segment(CLIENT, SERVER, 0, 0, 0);
    assert!(s.table.find(&seg, Transport::Datagram, false, &mut s.log).is_some());
    assert_eq!(s.table.len(), 3);
    let all: Vec<_> = s.table.drain().into_iter().map(|meta| (meta.id.0.0, meta.transport, meta.joined)).collect();
    let (stream, open) = (Transport::Stream, Joined::Opening);
    assert_eq!(all, [(1, stream, open), (4, stream, open), (5, Transport::Datagram, open)]);
    assert!(s.table.is_empty());
}

#[test]
fn a_syn_tells_its_clients_number() {
    for (flags, seq, isn) in [(SYN, 7, Some(7)), (SYN, 0, None), (SYN | ACK, 7, None), (ACK, 7, None)] {
        let mut s = Shard::default();
        s.tcp(CLIENT, SERVER, flags, seq, 1);
        let told: Vec<_> = s.table.drain().into_iter().map(|meta| meta.isn.map(NonZeroU32::get)).collect();
        assert_eq!(told, [isn], "{flags}");
    }
}

#[test]
fn who_is_the_client() {
    for (from, to, flags, dir) in [
        (SERVER, CLIENT, SYN, Dir::ToServer),
        (CLIENT, SERVER, SYN | ACK, Dir::ToClient),
        (CLIENT, SERVER, ACK, Dir::ToServer),
        (SERVER, CLIENT, ACK, Dir::ToClient),
        (9000, 8000, ACK, Dir::ToServer),
        (50000, 60000, ACK, Dir::ToClient),
        (7000, 7000, ACK, Dir::ToServer),
        (50051, 40000, ACK, Dir::ToClient),
        (40000, 50051, ACK, Dir::ToServer),
    ] {
        assert_eq!(Shard::default().tcp(from, to, flags, 1, 1), Some((1, dir)), "{from} {to} {flags}");
    }
}

#[test]
fn another_opening_is_another_connection() {
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    s.tcp(SERVER, CLIENT, SYN | ACK, 500, 2);
    // repeated, and TCP Fast Open
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 1, 0), Some((1, Dir::ToServer)));
    assert_eq!(s.tcp(SERVER, CLIENT, SYN | ACK, 500, 1402), Some((1, Dir::ToClient)));
    assert_eq!(s.ended(), []);
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 70000, 0), Some((5, Dir::ToServer)));
    assert_eq!(s.ended(), [(1, End::Open)]);
    // its SYN was not captured
    assert_eq!(s.tcp(SERVER, CLIENT, SYN | ACK, 500, 900_001), Some((6, Dir::ToClient)));
    // joined midway, and a SYN that another queue showed late
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, ACK, 100, 200);
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 99, 0), Some((1, Dir::ToServer)));
    assert_eq!(s.tcp(SERVER, CLIENT, SYN | ACK, 199, 100), Some((1, Dir::ToClient)));
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 42, 0), Some((4, Dir::ToServer)));
}

#[test]
fn what_comes_after_the_close_opens_nothing() {
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    s.close();
    assert_eq!(s.tcp(SERVER, CLIENT, ACK, 9, 9), None);
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 1, 0), None);
    assert_eq!((s.table.sums().late, s.table.len()), (2, 0));
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 2, 0), Some((5, Dir::ToServer)));
    s.close();
    s.tick(Span::from_millis(101));
    assert_eq!(s.tcp(CLIENT, SERVER, SYN, 2, 0), Some((7, Dir::ToServer)));
    s.close();
    // late packets do not keep a tombstone
    s.tick(Span::from_secs(59));
    assert_eq!(s.tcp(CLIENT, SERVER, ACK, 9, 9), None);
    s.tick(Span::from_secs(1));
    assert_eq!(s.tcp(CLIENT, SERVER, ACK, 9, 9), Some((10, Dir::ToServer)));
    assert_eq!(s.ended(), []);
}

#[test]
fn data_of_other_numbers_after_the_close_are_another_connections() {
    let (far, near) = (200_000, 100_000);
    for (seq, ack, length, other) in [
        (far, far, 7, true),
        (near, far, 7, false),
        (far, near, 7, false),
        (far, far, 0, false),
        (u32::MAX - 5_000_000, far, 7, true),
        (u32::MAX - 4_000_000, far, 7, false),
    ] {
        let mut s = Shard::default();
        s.tcp(CLIENT, SERVER, SYN, 1, 0);
        s.tcp(SERVER, CLIENT, SYN | ACK, 1, 2);
        s.close();
        let seg = Segment { payload: 0..length, ..s.segment(CLIENT, SERVER, ACK, seq, ack) };
        let found = s.table.find(&seg, Transport::Stream, false, &mut s.log);
        assert_eq!(found.is_some(), other, "{seq} {ack} {length}");
    }
    // of who sent nothing it is known where that would be, once it was acknowledged
    for (flags, at, other) in [(0, near, true), (ACK, near, false), (ACK, far, true)] {
        let mut s = Shard::default();
        s.tcp(CLIENT, SERVER, SYN, 1, 0);
        let seg = s.segment(CLIENT, SERVER, flags, 2, 2);
        let (slot, _) = s.table.find(&seg, Transport::Stream, false, &mut s.log).unwrap();
        s.table.close(slot);
        let seg = Segment { payload: 0..7, ..s.segment(CLIENT, SERVER, ACK, far, at) };
        assert_eq!(s.table.find(&seg, Transport::Stream, false, &mut s.log).is_some(), other, "{flags} {at}");
    }
}

#[test]
fn what_two_segments_tell_of_other_numbers_both_ways_is_another_connections() {
    const FAR: u32 = 5 << 20;
    const FARTHER: u32 = 17 << 20;
    let back = u32::MAX - FAR;
    // where they begin, what the first and the second one bring, and by how much they differ
    for (seq, ack, lengths, apart, other) in [
        (FARTHER, FARTHER, [7, 7], 7, true),
        (FARTHER, FARTHER, [0, 7], 7, true),
        (FAR, back, [7, 7], 7, true),
        // one alone, however often it comes, and two that differ
        (FARTHER, FARTHER, [7, 7], 0, false),
        (FARTHER, FARTHER, [7, 7], FAR, false),
        (FARTHER, FARTHER, [7, 0], 7, false),
        // a hole, in both directions or in one
        (FAR, FARTHER, [7, 7], 7, false),
        (FARTHER, 9, [7, 7], 7, false),
        (back, 9, [7, 7], 7, false),
    ] {
        let mut s = Shard::default();
        s.tcp(CLIENT, SERVER, SYN, 1, 0);
        s.tcp(SERVER, CLIENT, SYN | ACK, 1, 2);
        for (length, apart) in lengths.into_iter().zip([0, apart]) {
            assert_eq!(s.ended(), []);
            let seg = s.segment(CLIENT, SERVER, ACK, seq.wrapping_add(apart), ack);
            s.table.find(&Segment { payload: 0..length, ..seg }, Transport::Stream, false, &mut s.log).unwrap();
        }
        let ended = if other { vec![(1, End::Open)] } else { vec![] };
        assert_eq!(s.ended(), ended, "{seq} {ack} {lengths:?} {apart}");
    }
    // between them the connection goes on, and later it is where the hole led
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    s.tcp(SERVER, CLIENT, SYN | ACK, 1, 2);
    for seq in [FARTHER, 2, FARTHER + 7, 2, FAR, FAR + 7, FAR + FARTHER, 2 * FARTHER] {
        let seg = s.segment(CLIENT, SERVER, ACK, seq, seq);
        s.table.find(&Segment { payload: 0..7, ..seg }, Transport::Stream, false, &mut s.log).unwrap();
        assert_eq!(s.ended(), [], "{seq}");
    }
    // what is left of an old connection behind a SYN
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    for seq in [FARTHER, FARTHER + 7] {
        let seg = s.segment(SERVER, CLIENT, ACK, seq, seq);
        s.table.find(&Segment { payload: 0..7, ..seg }, Transport::Stream, false, &mut s.log).unwrap();
    }
    assert_eq!(s.ended(), []);
}

#[test]
fn idle_connections_end() {
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    s.tcp(CLIENT + 1, SERVER, SYN, 1, 0);
    s.tcp(SERVER, CLIENT + 1, SYN | ACK, 1, 2);
    assert_eq!(s.tick(Span::from_secs(59)), []);
    assert_eq!(s.tick(Span::from_secs(1)), [(1, End::Idle)]);
    assert_eq!(s.tick(Span::from_secs(3539)), []);
    s.tcp(CLIENT + 1, SERVER, ACK, 1, 2);
    assert_eq!(s.tick(Span::from_secs(3599)), []);
    assert_eq!(s.tick(Span::from_secs(1)), [(2, End::Idle)]);
    assert!(s.table.is_empty());
}

#[test]
fn what_is_quiet_for_a_while_is_at_rest_until_something_comes() {
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    s.tick(Span::from_millis(1500));
    s.tcp(CLIENT + 1, SERVER, SYN, 1, 0);
    s.tick(Span::from_millis(500));
    assert_eq!(std::mem::take(&mut s.log.1), [1]);
    s.tcp(CLIENT, SERVER, ACK, 2, 1);
    s.tick(Span::from_millis(1999));
    assert_eq!(std::mem::take(&mut s.log.1), [2]);
    s.tick(Span::from_millis(1));
    s.tick(Span::from_secs(50));
    assert_eq!((std::mem::take(&mut s.log.1), s.table.len()), (vec![1], 2));
    assert_eq!(s.tick(Span::from_millis(7500)), [(2, End::Idle)]);
}

#[test]
fn a_full_table_gives_up_the_longest_idle() {
    let mut s = Shard::default();
    for port in 0..CONNECTIONS as u16 {
        s.tcp(10_000 + port, SERVER, SYN, 1, 0);
    }
    s.tcp(10_000, SERVER, ACK, 2, 1);
    s.tcp(60_000, SERVER, SYN, 1, 0);
    // all at one time: the order of packets decides
    assert_eq!(s.ended(), [(2, End::Evicted)]);
    assert_eq!((s.table.len(), s.table.sums().evicted), (CONNECTIONS, 1));
}

#[test]
fn under_load_the_unknown_is_refused_whole() {
    let mut s = Shard::default();
    s.tcp(CLIENT, SERVER, SYN, 1, 0);
    s.overload = true;
    assert_eq!(s.tcp(CLIENT, SERVER, ACK, 2, 0), Some((1, Dir::ToServer)));
    assert_eq!(s.tcp(CLIENT + 1, SERVER, SYN, 1, 0), None);
    s.overload = false;
    for _ in 0..10 {
        s.tick(Span::from_secs(30));
        assert_eq!(s.tcp(CLIENT + 1, SERVER, ACK, 2, 0), None);
    }
    assert_eq!(s.table.sums(), Sums { refused: 1, refused_packets: 11, ..Sums::default() });
    assert_eq!(s.tcp(CLIENT + 1, SERVER, SYN, 9, 0).map(|(_, dir)| dir), Some(Dir::ToServer));
    // a flood of them is forgotten from its beginning on
    s.overload = true;
    for port in 0..TOMBSTONES as u16 + 5 {
        s.tcp(10_000 + port, SERVER, SYN, 1, 0);
    }
    assert_eq!(s.table.lists.len(Class::Tombstone), TOMBSTONES);
    assert!(s.table.entries.len() <= TOMBSTONES + 4);
}

#[test]
fn only_those_that_are_due_are_ticked() {
    let mut s = Shard::default();
    for port in 1..=3 {
        s.tcp(CLIENT + port, SERVER, SYN, 1, 0);
    }
    let (third, first) = (s.slot(CLIENT + 3, SERVER).unwrap(), s.slot(CLIENT + 1, SERVER).unwrap());
    let due = |ms| s.time.after(Span::from_millis(ms));
    let (soon, later, now) = (due(100), due(2000), s.time);
    s.table.wait(first, later);
    s.table.wait(third, later);
    s.table.wait(third, soon);
    s.table.wait(third, later);
    assert_eq!(s.table.tick(now, &mut s.log), [], "nothing is looked at before it is due");
    assert_eq!(s.table.tick(soon, &mut s.log), [third]);
    s.table.wait(third, soon);
    assert_eq!(s.table.tick(later, &mut s.log), [third, first]);
    assert_eq!(s.table.tick(later, &mut s.log), []);
    s.table.wait(first, soon);
    s.table.close(first);
    s.table.wait(first, soon);
    assert_eq!(s.table.tick(later, &mut s.log), [], "it is over");
}

#[test]
fn a_loopback_is_each_namespaces_own_and_other_addresses_are_shared() {
    let mut s = Shard::default();
    let mut first = |ip: [u8; 4], zone: u16| {
        let mut seg = s.segment(CLIENT, SERVER, SYN, 1, 0);
        (seg.from, seg.to, seg.zone) = ((ip, CLIENT).into(), (ip, SERVER).into(), Zone(zone));
        let (slot, _) = s.table.find(&seg, Transport::Stream, false, &mut s.log).unwrap();
        let meta = s.table.get(slot).unwrap();
        (meta.id.0.0, meta.zone.0)
    };
    assert_eq!([0, 1, 2, 1].map(|zone| first([127, 0, 0, 1], zone)), [(1, 0), (2, 1), (3, 2), (2, 1)]);
    assert_eq!([1, 0, 2].map(|zone| first([10, 0, 0, 7], zone)), [(5, 1); 3], "seen first in 1");
}

proptest! {
    /// Every connection that begins is handed back once, whatever comes.
    #[test]
    fn none_is_lost_and_none_ends_twice(
        steps in proptest::collection::vec((0..6_u16, any::<bool>(), 0..64_u8, 0..4_u32, 0..90_u64, 0..8_u8), 0..400),
    ) {
        let (mut s, mut begun, mut over) = (Shard::default(), BTreeSet::new(), Vec::new());
        for (port, back, flags, seq, seconds, what) in steps {
            let (from, to) = if back { (SERVER, CLIENT + port) } else { (CLIENT + port, SERVER) };
            s.overload = what == 0;
            let seg = s.segment(from, to, flags, seq, seq);
            if let Some((slot, _)) = s.table.find(&seg, Transport::Stream, s.overload, &mut s.log) {
                begun.insert(s.table.get(slot).unwrap().id.0.0);
                match what {
                    1 => over.push(s.table.close(slot).unwrap().id.0.0),
                    2 => s.table.wait(slot, s.time),
                    _ => {}
                }
            }
            if what == 3 {
                over.extend(s.tick(Span::from_secs(seconds)).into_iter().map(|(id, _)| id));
            }
            over.extend(s.ended().into_iter().map(|(id, _)| id));
            prop_assert_eq!(begun.len(), over.len() + s.table.len());
            prop_assert!(s.table.entries.len() <= 6);
        }
        let open: Vec<_> = s.table.drain().into_iter().map(|meta| meta.id.0.0).collect();
        prop_assert!(open.is_sorted());
        over.extend(open);
        over.sort_unstable();
        prop_assert_eq!(over, begun.into_iter().collect::<Vec<_>>());
    }
}
