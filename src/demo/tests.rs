//! A lap over real sockets, in both placements, with a small play and with the recording that ships.

use super::ids::{Ids, Random};
use super::*;
use crate::model::{Dir, PacketNo, Segment, SourceId, Stamp, TcpFlags, Zone};
use crate::time::Time;
use std::net::IpAddr;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A segment at `ms`, and its payload.
fn segment(ms: i64, (from, to): (&str, &str), seq: u32, flags: u8, payload: &[u8]) -> (Segment, Vec<u8>) {
    let stamp = Stamp { packet: PacketNo(1), time: Time::from_nanos(ms * 1_000_000) };
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    let flags = TcpFlags(flags);
    let segment = Segment {
        stamp,
        source: SourceId(0),
        zone: Zone::default(),
        from,
        to,
        seq,
        ack: 0,
        flags,
        payload: 0..payload.len(),
        cut: 0,
        shard: 0,
    };
    (segment, payload.to_vec())
}

/// browser → gateway → orders: the second request carries the first one's trace; a retransmission; an answer of 100 kB.
fn play() -> Script {
    let (up, down) = (("127.0.1.10:5000", "127.0.1.11:80"), ("127.0.1.11:80", "127.0.1.10:5000"));
    let (on, back) = (("127.0.1.11:6000", "127.0.1.12:80"), ("127.0.1.12:80", "127.0.1.11:6000"));
    let question = format!("GET / HTTP/1.1\r\nTraceparent: 00-{TRACE}-{SPAN}-01\r\nx-request-id: 7\r\n\r\n");
    let onward = format!("POST /o HTTP/1.1\r\ntraceparent: 00-{TRACE}-1111111111111111-01\r\n\r\n");
    let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[7; 100_000]].concat();
    let (q, o, a) = (question.len() as u32, onward.len() as u32, answer.len() as u32);
    let mut script = Script::default();
    for (segment, payload) in [
        segment(0, up, 99, TcpFlags::SYN, b""),
        segment(0, down, 499, TcpFlags::SYN | TcpFlags::ACK, b""),
        segment(1, up, 100, TcpFlags::ACK, question.as_bytes()),
        segment(1, up, 100, TcpFlags::ACK, question.as_bytes()),
        segment(2, on, u32::MAX, TcpFlags::SYN, b""),
        segment(2, back, 9, TcpFlags::SYN | TcpFlags::ACK, b""),
        segment(3, on, 0, TcpFlags::ACK, onward.as_bytes()),
        segment(4, back, 10, TcpFlags::ACK, TRACE.as_bytes()),
        segment(5, back, 10 + TRACE.len() as u32, TcpFlags::RST, b""),
        segment(6, on, o, TcpFlags::ACK, b"after the reset"),
        segment(7, down, 500, TcpFlags::ACK | TcpFlags::FIN, &answer),
        segment(8, up, 100 + q, TcpFlags::ACK | TcpFlags::FIN, b""),
        segment(8, down, 501 + a, TcpFlags::ACK, b""),
        segment(9, ("127.0.1.9:1", "127.0.1.11:80"), 5, TcpFlags::ACK, b"joined midway"),
    ] {
        script.add(&segment, &payload);
    }
    script
}

/// One hurried lap: what arrived.
fn arrivals(script: &Script, streams: &ids::Streams, placement: Placement) -> ids::Streams {
    let addresses = Addresses::open(script.servers(), placement).unwrap();
    let mut arrived: ids::Streams = script.connections.iter().map(|_| Default::default()).collect();
    let whole = play::lap(script, streams, &addresses, None, &mut |connection, dir, bytes| {
        arrived[connection][dir.index()].extend_from_slice(bytes);
    });
    assert!(whole.unwrap());
    arrived
}

#[test]
fn a_lap_delivers_every_byte_with_fresh_ids_that_agree() {
    let script = play();
    let streams = Ids::find(&script).fresh(&script, &mut Random(1));
    for placement in [Placement::Own, Placement::Shared] {
        let placement = if cfg!(target_os = "linux") { placement } else { Placement::Shared };
        assert_eq!(arrivals(&script, &streams, placement), streams);
    }
    let text = |n: usize, dir: Dir| String::from_utf8_lossy(&streams[n][dir.index()]).into_owned();
    let trace = text(1, Dir::ToClient);
    assert!(trace.len() == TRACE.len() && trace != TRACE && trace.bytes().all(|b| b.is_ascii_hexdigit()), "{trace}");
    assert!(text(0, Dir::ToServer).contains(&format!("Traceparent: 00-{trace}-")));
    assert!(text(1, Dir::ToServer).contains(&format!("traceparent: 00-{trace}-")));
    assert!(!text(0, Dir::ToServer).contains(SPAN));
    assert!(text(0, Dir::ToServer).ends_with("-01\r\nx-request-id: 7\r\n\r\n"), "a short ID is not random");
    assert_ne!(streams, Ids::find(&script).fresh(&script, &mut Random(2)));
}

#[test]
fn all_else_stays_as_recorded() {
    let script = play();
    let streams = Ids::find(&script).fresh(&script, &mut Random(1));
    assert_eq!(script.length(), crate::time::Span::from_millis(8));
    assert_eq!(script.connections.len(), 2);
    for (fresh, connection) in streams.iter().zip(&script.connections) {
        for (fresh, recorded) in fresh.iter().zip(&connection.streams) {
            assert_eq!(fresh.len(), recorded.len());
            let changed = fresh.iter().zip(recorded).filter(|(a, b)| a != b);
            assert!(changed.into_iter().all(|(a, b)| a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
        }
    }
}

#[test]
fn addresses_are_mapped_back() {
    let player = Player::placed(play(), Placement::Shared).unwrap();
    let recorded: Vec<_> = player.ports().into_iter().map(|(_, recorded)| recorded.to_string()).collect();
    assert_eq!(recorded, ["127.0.1.11:80", "127.0.1.12:80"]);
    let addresses = player.addresses();
    for (real, recorded) in player.ports() {
        assert_eq!(real.ip(), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(addresses.recorded(real), recorded);
        assert!(player.bpf().contains(&format!("(host 127.0.0.1 and port {})", real.port())));
    }
    let (client, stranger) = ("127.0.0.1:9".parse().unwrap(), "127.0.0.1:10".parse().unwrap());
    addresses.client(client, "127.0.1.10".parse().unwrap());
    assert_eq!(addresses.recorded(client), "127.0.1.10:9".parse().unwrap());
    assert_eq!(addresses.recorded(stranger), stranger);
}

#[test]
fn it_plays_one_lap_or_until_it_is_stopped() {
    let mut once = Player::open(play()).unwrap();
    once.play(Laps::Once).unwrap();
    while !once.finished() {
        std::thread::yield_now();
    }
    once.stop().unwrap();

    let mut forever = Player::open(play()).unwrap();
    forever.play(Laps::Forever).unwrap();
    assert!(!forever.finished());
    forever.stop().unwrap();
}

#[test]
fn the_recording_is_a_whole_play() {
    let script = Script::read(RECORDING).unwrap();
    assert!(script.names.iter().any(|(ip, name)| ip.to_string() == "127.0.1.12" && &**name == "orders"));
    assert_eq!(script.servers().len(), 9);
    assert!(script.connections.iter().all(|c| c.streams.iter().all(|stream| !stream.is_empty())));
    let streams = Ids::find(&script).fresh(&script, &mut Random(1));
    assert_eq!(arrivals(&script, &streams, Placement::of_this_system()), streams);
    for (fresh, c) in streams.iter().zip(&script.connections) {
        assert!(fresh[0].len() == c.streams[0].len() && fresh[1].len() == c.streams[1].len());
    }
    let ids = |streams: &ids::Streams| {
        let text = streams.iter().flatten().map(|s| String::from_utf8_lossy(s)).collect::<String>();
        text.match_indices("traceparent: 00-").map(|(at, name)| text[at + name.len()..][..32].to_owned()).collect::<Vec<_>>()
    };
    let recorded = script.connections.iter().map(|c| c.streams.clone()).collect();
    let (old, new) = (ids(&recorded), ids(&streams));
    assert!(old.len() > 50 && old.len() == new.len());
    assert!(old.iter().all(|id| !new.contains(id)));
}

/// A capture of one frame, then of nothing.
struct OneFrame(Option<Vec<u8>>);

impl crate::source::Source for OneFrame {
    fn fill(&mut self, out: &mut crate::model::Packets) -> Result<crate::source::Filled, crate::source::SourceError> {
        std::thread::yield_now();
        if let Some(frame) = self.0.take() {
            out.push(Time::default(), SourceId(0), crate::model::LinkType(1), frame.len() as u32, &frame);
        }
        Ok(crate::source::Filled::Idle)
    }
}

#[test]
fn a_captured_lap_has_the_recorded_addresses_and_ends() {
    use crate::model::{Packets, SourceNews};
    use crate::source::{Filled, Source};
    let mut script = play();
    script.names.push(("127.0.1.11".parse().unwrap(), "gateway".into()));
    let player = Player::placed(script, Placement::Shared).unwrap();
    let (real, _) = player.ports()[0];
    let mut frame = vec![0; 14];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    frame.extend([0x30, 0x39]);
    frame.extend(real.port().to_be_bytes());
    frame.extend([0; 16]);
    let mut stage = Stage::new(Box::new(OneFrame(Some(frame))), player, Laps::Once);
    let mut packets = Packets::default();
    while stage.fill(&mut packets).unwrap() != Filled::End {}
    assert_eq!(packets.news, [SourceNews::Name("127.0.1.11".parse().unwrap(), "gateway".into())]);
    let frame = packets.bytes(&packets.list[0]);
    assert_eq!(&frame[26..38], [127, 0, 0, 1, 127, 0, 1, 11, 0x30, 0x39, 0, 80]);
}
