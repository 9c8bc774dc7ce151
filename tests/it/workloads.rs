//! What the benchmark reads is what it says: nothing of it is out of its place, lost or not understood.

use super::program::{records, run};
use super::reading::workloads::WORKLOADS;
use std::path::Path;

#[test]
fn all_of_what_is_measured_is_decoded() {
    for workload in WORKLOADS {
        let file = workload.file(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("workloads"), 16 << 20).unwrap();
        let records = records(&run(&["-r", file.to_str().unwrap(), "--json", "--emit", "stats"]));
        let stats = records.last().unwrap();
        for key in ["passed_over_bytes", "undecoded_bytes", "repeated_bytes", "lost_bytes", "gaps"] {
            assert_eq!(stats[key], 0, "{}, {key}: {stats}", workload.name);
        }
        assert_eq!(stats["stream_bytes"], stats["decoded_bytes"], "{}: {stats}", workload.name);
    }
}
