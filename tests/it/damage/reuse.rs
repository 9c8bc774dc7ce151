//! Connections one after the other between the same two ports, of which what tells them apart is lost or out of its place.

use super::wire::{OPENING, Wire, chance};
use super::{File, Packets};
use serde_json::Value;
use std::collections::BTreeSet;

const CONNECTIONS: u32 = 60;
const EXCHANGES: u32 = 3;
/// Packets that close one.
const CLOSING: usize = 3;

/// The packets of each, 2 s apart. Initial sequence numbers are random, or grow by one each 64 ns, as Linux has it for the same ports.
fn connections(random: bool) -> Vec<Packets> {
    let mut state = 0x2545_f491;
    let one = |n: u32| {
        let isn = |state: &mut u32| if random { chance(state) } else { n.wrapping_mul(31_250_000) };
        let mut wire = Wire::open_at(40_000, 8080, u64::from(n) * 2_000_000, [isn(&mut state), isn(&mut state)]);
        for exchange in 0..EXCHANGES {
            wire.up(format!("GET /{n}/{exchange} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let body = format!("{n}/{exchange}");
            wire.down(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
        wire.close()
    };
    (0..CONNECTIONS).map(one).collect()
}

/// Targets of requests with their own answers, and the sums. An answer whose request was lost has none.
fn read(packets: Packets) -> (BTreeSet<String>, Value) {
    let records = File { head: File::of("keep-alive").head, packets }.read();
    let whole = |flow: &&Value| flow["type"] == "flow" && flow["status"] == "200" && flow["http"]["target"].is_string();
    let mut targets = BTreeSet::new();
    for flow in records.iter().filter(whole) {
        let target = flow["http"]["target"].as_str().unwrap()[1..].to_owned();
        assert_eq!(flow["response"]["body"]["value"], target, "{flow:#}");
        targets.insert(target);
    }
    (targets, records.last().unwrap().clone())
}

/// Whether a packet is left out, by its place among so many.
type LeftOut = fn(usize, usize) -> bool;

/// What of a connection's packets is left out: nothing that brings bytes.
const LEFT_OUT: [(&str, LeftOut); 5] = [
    ("nothing", |_, _| false),
    ("the client's SYN", |at, _| at == 0),
    ("SYNs", |at, _| at < 2),
    ("openings", |at, _| at < OPENING),
    ("openings and closes", |at, all| at < OPENING || at >= all - CLOSING),
];

#[test]
fn ports_that_are_used_again_lose_nothing() {
    for random in [true, false] {
        for (what, is_left_out) in LEFT_OUT {
            let kept = |packets: Packets| {
                let all = packets.len();
                packets.into_iter().enumerate().filter(move |(at, _)| !is_left_out(*at, all)).map(|(_, packet)| packet)
            };
            let (whole, stats) = read(connections(random).into_iter().flat_map(kept).collect());
            // the first segment of one whose opening is lost is not believed yet
            let least = (CONNECTIONS * (EXCHANGES - u32::from(what.starts_with("openings")))) as usize;
            assert!(whole.len() >= least, "without {what}: {} of {}", whole.len(), CONNECTIONS * EXCHANGES);
            // random numbers may go on near those before them by chance, in one direction
            let number = |key: &str| stats[key].as_u64().unwrap();
            let told = if random { number("connections") + 2 >= CONNECTIONS.into() } else { number("lost_bytes") == 0 };
            assert!(told, "without {what}: {stats}");
        }
    }
}

/// One segment that is none of theirs, with bytes or without, changes nothing, save that it is counted.
#[test]
fn one_stray_segment_ends_nothing() {
    for case in ["grpc", "amqp", "postgresql-extended", "redis", "keep-alive"] {
        let whole = File::of(case);
        let count = |packets: Packets| {
            let records = File { head: whole.head.clone(), packets }.read();
            let stats = records.last().unwrap();
            ["connections", "flows", "lost_bytes", "gaps", "stream_bytes", "evicted"].map(|key| stats[key].to_string())
        };
        let truth = count(whole.packets.clone());
        // Ethernet and IPv4 are before them: the numbers of both directions are turned around, of no opening
        let any = whole.packets.iter().enumerate().filter(|(at, packet)| at % 7 == 5 && packet[63] & 2 == 0);
        let far = any.map(|(at, packet)| {
            let mut stray = packet.clone();
            [54, 58].into_iter().for_each(|number| stray[number] ^= 0x50);
            (at, stray)
        });
        for (at, stray) in far.take(12) {
            let mut packets = whole.packets.clone();
            packets.insert(at + 1, stray);
            assert_eq!(count(packets), truth, "{case}, behind packet {at}");
        }
    }
}

/// Packets come up to three places late.
#[test]
fn what_is_out_of_order_between_them_loses_nothing() {
    let mut state = 0x9e37_79b9;
    for round in 0..8 {
        let packets = connections(round % 2 == 0).concat().into_iter().enumerate();
        let mut late: Vec<_> = packets.map(|(at, packet)| (at + chance(&mut state) as usize % 4, packet)).collect();
        late.sort_by_key(|(at, _)| *at);
        let (whole, stats) = read(late.into_iter().map(|(_, packet)| packet).collect());
        assert_eq!((whole.len(), &stats["lost_bytes"]), ((CONNECTIONS * EXCHANGES) as usize, &0.into()), "round {round}");
    }
}
