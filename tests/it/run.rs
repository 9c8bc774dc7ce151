//! `meshtop run` around real commands: what is captured, whose output and exit code they are, what signals do.

use super::program::{PATIENCE, Running, can_capture, lines, meshtop};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

/// A server, and a client that calls it once for each path: all of what is between them lies within the life of the command.
const TESTS: &str = "
import http.client, http.server, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(500 if 'fail' in self.path else 200)
        self.send_header('content-length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
name = int(sys.argv[1])
for n, path in enumerate(sys.argv[2:]):
    client = http.client.HTTPConnection('127.0.0.1', server.server_port)
    client.request('GET', path, headers={'traceparent': '00-%016x%016x-%016x-01' % (name, n + 1, n + 1), 'user-agent': 'meshtop-tests-%d' % name})
    client.getresponse().read()
    client.close()
print('all tests ran')
";

/// Runs a command; what counts is what bears the name of the test, as others use the loopback too.
fn with(name: u32, options: &[&str], command: &[&str]) -> Output {
    let ours = format!("header.user-agent == meshtop-tests-{name}");
    meshtop().args(["run", "-i", "lo", "-Y", &ours]).args(options).arg("--").args(command).output().unwrap()
}

fn tests(name: u32, options: &[&str], paths: &[&str]) -> Output {
    with(name, options, &[&["python3", "-c", TESTS, &name.to_string()], paths].concat())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_command_is_captured_from_its_first_packet_to_its_last() {
    if !can_capture("a_command_is_captured_from_its_first_packet_to_its_last") {
        return;
    }
    let output = tests(1, &["--expect", "count() == 3", "--expect", "traces() == 3"], &["/a", "/b", "/c"]);
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "all tests ran\n"), "{told}");
    assert!(told.starts_with("3 flows (3 http), 0 failed, 3 traces, "), "{told}");

    let output = tests(2, &["--expect", "count(not ok) == 0"], &["/a", "/fail"]);
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), "all tests ran\n"), "{told}");
    assert!(told.contains("✗ count(not ok) == 0\n  counted 1 flow\n") && told.contains("GET /fail"), "{told}");
    assert!(told.contains("trace 00000000000000020000000000000002\n"), "{told}");
    assert!(told.ends_with("meshtop: 1 of 1 expectation did not hold\n"), "{told}");
}

#[test]
fn records_have_standard_output_for_themselves() {
    if !can_capture("records_have_standard_output_for_themselves") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pcapng");
    let output = tests(3, &["--json", "-w", file.to_str().unwrap()], &["/a"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), "all tests ran\n"));
    let records = lines(&output.stdout);
    let kinds: Vec<_> = records.iter().filter_map(|record| record["type"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"meta"), Some(&"stats")));
    assert_eq!(kinds.iter().filter(|kind| **kind == "flow").count(), 1, "{kinds:?}");
    let mut read = meshtop();
    let read = read.args([
        "-r",
        file.to_str().unwrap(),
        "-Y",
        "header.user-agent == meshtop-tests-3",
        "--expect",
        "count(op == 'GET /a') == 1",
    ]);
    let read = read.output().unwrap();
    assert_eq!(read.status.code(), Some(0), "{}", text(&read.stderr));
}

#[test]
fn the_exit_code_is_the_commands_own_unless_an_expectation_broke() {
    if !can_capture("the_exit_code_is_the_commands_own_unless_an_expectation_broke") {
        return;
    }
    let code = |options: &[&str], command: &[&str]| with(4, options, command).status.code();
    assert_eq!(code(&[], &["true"]), Some(0));
    assert_eq!(code(&[], &["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["--expect", "count() == 0"], &["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["--expect", "count() > 0"], &["sh", "-c", "exit 7"]), Some(4));
    assert_eq!(code(&[], &["sh", "-c", "kill -TERM $$"]), Some(143));
    let output = with(4, &["--expect", "count() > 0"], &["no-such-command"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.starts_with("meshtop: no-such-command: cannot be run: ") && told.lines().count() == 1, "{told}");
    // what cannot be captured is not run
    let output = meshtop().args(["run", "-i", "nosuch0", "--", "echo", "ran"]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
}

#[test]
fn the_command_has_what_its_caller_has_and_nothing_of_ours() {
    if !can_capture("the_command_has_what_its_caller_has_and_nothing_of_ours") {
        return;
    }
    let script = "read line; echo $line $OF_MINE; ls /proc/self/fd | wc -l; grep -E 'NoNewPrivs|Cap(Eff|Bnd)' /proc/self/status";
    let say = |command: &mut Command| {
        let mut child =
            command.env("OF_MINE", "mine").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"typed\n").unwrap();
        let output = child.wait_with_output().unwrap();
        text(&output.stdout).to_owned()
    };
    let within = say(meshtop().args(["run", "-i", "lo", "--", "sh", "-c", script]));
    assert_eq!(within, say(Command::new("sh").args(["-c", script])));
    assert!(within.starts_with("typed mine\n"), "{within}");
}

#[test]
fn signals_are_passed_on_and_the_command_has_the_last_word() {
    if !can_capture("signals_are_passed_on_and_the_command_has_the_last_word") {
        return;
    }
    for (signal, code) in [("TERM", 5), ("INT", 6), ("HUP", 7)] {
        let script = "trap 'echo got TERM; exit 5' TERM; trap 'echo got INT; exit 6' INT; trap 'echo got HUP; exit 7' HUP
            echo ready; while :; do sleep 0.05; done";
        // in a session of its own, so that no terminal is told of the test's keys; and where the tests run in the background of a script,
        // SIGINT is ignored, behind nohup(1) SIGHUP: a shell inherits that, and no trap undoes it (POSIX, Shell Command Language §2.11)
        let mut command = Command::new("env");
        command.args(["--default-signal=INT,HUP", "setsid", "--wait", env!("CARGO_BIN_EXE_meshtop"), "run", "-i", "lo", "--"]);
        command.args(["sh", "-c", script]);
        let mut running = Running::start(command.envs(super::program::settings()).stderr(Stdio::null()));
        assert_eq!(running.line().as_deref(), Some("ready"));
        super::program::signal(child_of(running.child.id()), signal);
        assert_eq!(running.line(), Some(format!("got {signal}")));
        assert_eq!(running.child.wait().unwrap().code(), Some(code), "{signal}");
    }
}

/// `setsid` becomes the program itself unless it leads a group of its own: then it starts it.
fn child_of(pid: u32) -> u32 {
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name(pid).trim() == "meshtop" {
        return pid;
    }
    let enough = Instant::now() + PATIENCE;
    loop {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        if let Some(child) =
            children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|&pid| name(pid).trim() == "meshtop")
        {
            return child;
        }
        assert!(Instant::now() < enough, "{children}");
        std::thread::yield_now();
    }
}
