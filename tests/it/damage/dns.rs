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

/// Whether one datagram goes where the other one comes from, by their ports.
fn reversed(a: &[u8], b: &[u8]) -> bool {
    let ports = |packet: &[u8]| (packet[50..52].to_vec(), packet[52..54].to_vec(), packet[39] == 17);
    let ((from, to, udp), (from_b, to_b, _)) = (ports(a), ports(b));
    udp && from == to_b && to == from_b
}
