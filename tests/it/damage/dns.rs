//! Datagrams of DNS that a capture mixes up.

use super::{File, Packets};
use serde_json::Value;

/// Each of the pairs is shown the other way round; then an answer comes long before anything that could be its query.
#[test]
fn an_answer_that_is_captured_first_has_its_query() {
    let whole = File::of("dns");
    let flows = |packets: Packets| -> Vec<String> {
        let records = File { head: whole.head.clone(), packets }.read();
        let told = |flow: &Value| {
            format!("{} {} {} {} {}", flow["operation"], flow["status"], flow["dns"], flow["notes"], flow["client"])
        };
        let mut flows: Vec<_> = records.iter().filter(|record| record["type"] == "flow").map(told).collect();
        flows.sort();
        flows
    };
    let truth = flows(whole.packets.clone());
    let (mut mixed, mut swaps) = (whole.packets.clone(), 0);
    for at in (0..mixed.len() - 1).step_by(2) {
        let close = super::sent(&mixed[at + 1]) - super::sent(&mixed[at]) < 15_000_000;
        if close && reversed(&mixed[at], &mixed[at + 1]) {
            mixed.swap(at, at + 1);
            swaps += 1;
        }
    }
    assert!(swaps > 0, "there are queries right before their answers");
    assert_eq!(flows(mixed), truth);
}

/// Each datagram is captured twice at once, or again a little later, behind the answer: it is accounted for, and is no second query.
#[test]
fn a_datagram_that_is_captured_twice_is_one() {
    let whole = File::of("dns");
    let read = |packets: Packets| {
        let records = File { head: whole.head.clone(), packets }.read();
        let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).cloned().collect::<Vec<_>>();
        let told = |flow: &Value| format!("{} {} {} {}", flow["operation"], flow["status"], flow["dns"], flow["notes"]);
        let flows: Vec<_> = of("flow").iter().map(told).collect();
        let again: u64 = of("connection").iter().filter_map(|conn| conn["retransmissions"].as_u64()).sum();
        let stats = &of("stats")[0];
        let sums = ["stream_bytes", "decoded_bytes", "undecoded_bytes"].map(|key| stats[key].as_u64().unwrap());
        ((flows, sums), again, stats["repeated_bytes"].as_u64().unwrap())
    };
    let truth = read(whole.packets.clone()).0;
    let udp: Packets = whole.packets.iter().filter(|packet| packet[39] == 17).cloned().collect();
    assert_eq!(udp.len(), whole.packets.len(), "there are only datagrams");
    let later = |at: usize| {
        let mut packet = udp[at].clone();
        packet[..8].copy_from_slice(&udp[at + 1][..8]);
        packet
    };
    let at_once = udp.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    let behind = (0..udp.len()).step_by(2).flat_map(|at| [udp[at].clone(), udp[at + 1].clone(), later(at), udp[at + 1].clone()]);
    let bytes: usize = udp.iter().map(|packet| packet.len() - 16 - 42).sum();
    for packets in [at_once, behind.collect()] {
        assert_eq!(read(packets), (truth.clone(), udp.len() as u64, bytes as u64));
    }
}

/// Whether one datagram goes where the other one comes from, by their ports.
fn reversed(a: &[u8], b: &[u8]) -> bool {
    let ports = |packet: &[u8]| (packet[50..52].to_vec(), packet[52..54].to_vec(), packet[39] == 17);
    let ((from, to, udp), (from_b, to_b, _)) = (ports(a), ports(b));
    udp && from == to_b && to == from_b
}
