//! What goes wrong says so in one line, and exits as the contract says.

use super::program::{meshtop, root, text};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

/// One line on stderr that names what was wrong, nothing on stdout but NDJSON, and the exit code.
fn check(what: &str, output: &Output, code: i32, names: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{what}: {errors}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{what}: one line: {errors:?}");
    assert!(errors.ends_with('\n'), "{what}: {errors:?}");
    for name in names {
        assert!(errors.contains(name), "{what}: {errors:?} does not name {name:?}");
    }
}

#[test]
fn unusable_arguments_and_files_are_exit_2() {
    let capture = "tests/captures/keep-alive/input.pcap";
    let cases: &[(&[&str], &[&str])] = &[
        (&["--no-such-option"], &["--no-such-option"]),
        (&["no-such-command"], &["no-such-command"]),
        (&["-r"], &["--read"]),
        (&["-r", "no/such/file.pcap"], &["no/such/file.pcap"]),
        (&["-r", "tests/captures"], &["tests/captures"]),
        (&["-r", "README.md"], &["README.md"]),
        (&["-r", "/dev/null"], &["/dev/null"]),
        (&["-r", capture, "-Y", "status >="], &["status >="]),
        (&["-r", capture, "-Y", "status == 200 and (ok"], &["("]),
        (&["-r", capture, "-Y", "op ~ \"[\""], &["["]),
        (&["-r", capture, "--emit", "flow,nonsense"], &["nonsense"]),
        (&["-r", capture, "--duration", "5parsecs"], &["5parsecs"]),
        (&["-r", capture, "--body-limit", "5x"], &["5x"]),
        (&["-r", capture, "-c", "many"], &["many"]),
        (&["-r", capture, "-d", "80=nonsense"], &["nonsense"]),
        (&["-r", capture, "--name", "nobody"], &["nobody"]),
        (&["-r", capture, "--config", "no/such.toml"], &["no/such.toml"]),
        (&["-r", capture, "--proto", "no/such.proto"], &["--proto no/such.proto"]),
        (&["-r", capture, "--proto", "README.md"], &["README.md", "no descriptor set"]),
        (&["-r", capture, "--proto", "tests/captures"], &["tests/captures", "no .proto file"]),
        (&["-r", capture, "--reflect", "localhost"], &["--reflect", "localhost:8081"]),
        (&["-r", capture, "-I", "no/such"], &["-I no/such", "no such folder"]),
        (&["-r", capture, "--reflect", "127.0.0.1:1"], &["--reflect 127.0.0.1:1", "--proto"]),
        (&["--tap", "kafka://localhost"], &["--tap"]),
        (&["-r", capture, "--json", "--export", "har=out.har"], &["--export"]),
    ];
    for (args, names) in cases {
        let mut args = args.to_vec();
        if args[0] == "-r" && !args.contains(&"--json") {
            args.push("--json");
        }
        check(&args.join(" "), &meshtop().args(&args).output().unwrap(), 2, names);
    }
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    if super::program::can_capture("an_interface_that_is_not_there_is_named") {
        check("-i", &meshtop().args(["-i", "nosuch0", "--json"]).output().unwrap(), 2, &["nosuch0"]);
        check("-f", &meshtop().args(["-i", "lo", "--json", "-f", "tcp prot 80"]).output().unwrap(), 2, &["capture filter"]);
    }
}

#[test]
fn a_capture_that_is_cut_short_is_read_to_its_last_packet() {
    let whole = std::fs::read(root("tests/captures/keep-alive/input.pcap")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pcap");
    std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    let output = meshtop().args(["--json", "-r"]).arg(&path).output().unwrap();
    check("cut short", &output, 0, &["cut.pcap"]);
    let flows = String::from_utf8(output.stdout).unwrap().lines().filter(|l| l.starts_with("{\"type\":\"flow\"")).count();
    assert_eq!(flows, 4);
}

/// Somebody without rights is told how to get them.
#[test]
fn no_right_to_capture_is_exit_3_with_the_command_that_grants_it() {
    if !super::program::can_capture("no_right_to_capture_is_exit_3_with_the_command_that_grants_it") {
        return;
    }
    // where nobody can reach it, whatever folder the tests are built in
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("meshtop");
    std::fs::copy(env!("CARGO_BIN_EXE_meshtop"), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&program)
        .args(["-i", "lo", "--json"])
        .env("HOME", folder.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    check("-i lo as nobody", &output, 3, &["setcap cap_net_raw", program.to_str().unwrap()]);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child =
        meshtop().args(["-r", "assets/demo.pcapng", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(text(child.stderr.take().unwrap()), "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
