//! Expectations over the demo's recording: exit codes, and the report that proves what broke.

use super::program::{lines, meshtop, records, run};

fn demo(expectations: &[&str]) -> std::process::Output {
    let mut command = meshtop();
    command.args(["demo", "--recorded", "--emit", "stats"]).env("COLUMNS", "110").env_remove("NO_COLOR");
    expectations.iter().for_each(|expectation| _ = command.args(["--expect", expectation]));
    command.output().unwrap()
}

#[test]
fn what_holds_is_silent_and_exit_0() {
    let lines = records(&demo(&[
        "findings(trace_lost and service == payments) == 1",
        "traces(hops >= 4) > 0 and traces(services >= 9 and complete) > 0",
        "count(proto == grpc) == 16",
        "count(link == payload_id and server == fraud) == 8",
        "not count(server == payments) == 0",
    ]));
    assert_eq!(lines.len(), 1, "the stats alone were asked for");
}

#[test]
fn what_does_not_hold_is_exit_4_and_proved_by_the_trace_as_a_tree() {
    let output = demo(&["findings(trace_lost) == 0", "count(proto == grpc) > 0", "traces(hops > 30) > 0"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(lines(&output.stdout)[0]["type"], "stats", "the records are told all the same");
    let told = String::from_utf8(output.stderr).unwrap();
    let tree = "
browser → gateway           POST /api/checkout            140 ms  201
└ gateway → orders          POST /checkout                139 ms  201";
    for part in [
        "✗ findings(trace_lost) == 0\n  counted 1 finding\n",
        "    payments loses the trace: its HTTP calls to fraud carry no trace context (8 times)\n",
        "      seen: payments received traceparent with HTTP calls and sent it on 0 of 8 HTTP calls to fraud; ",
        "      to do: its HTTP client is not instrumented: ",
        tree,
        "  │ └ payments → fraud      POST /score                   9.6 ms  200  ✗ trace_lost [payload_id]\n",
        "    └ rabbitmq → shipping   deliver shipping               39 ms  ack\n",
        "✗ traces(hops > 30) > 0\n  counted 0 traces\n  the longest of 64 traces that were not counted:\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(told.ends_with("\nmeshtop: 2 of 3 expectations did not hold\n"), "{told}");
    assert!(!told.contains("proto == grpc"), "that one holds:\n{told}");
    assert!(!told.contains('\x1b'), "no colour without a terminal");
    let wide = told.lines().find(|line| line.chars().count() > 110);
    assert_eq!(wide, None);
}

#[test]
fn flows_are_counted_as_they_are_chosen() {
    assert_eq!(run(&["demo", "--recorded", "--json", "-Y", "proto == grpc", "--expect", "count() == 16"]).status.code(), Some(0));
    let output = run(&["demo", "--recorded", "--json", "--expect", "count(not ok and proto == grpc) == 0"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4));
    let flow = "    orders → inventory                /shop.v1.Inventory/Reserve  2.1 ms  FAILED_PRECONDITION ✗\n";
    assert!(told.contains("  counted 2 flows\n") && told.contains(flow), "{told}");
}

#[test]
fn a_reader_of_the_records_that_goes_away_changes_no_verdict() {
    let script = format!(
        "{} -r assets/demo.pcapng --json --expect 'count() == 0' 2>/dev/null | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_meshtop")
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(super::program::root("")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "4\n");
}
