//! Running the program and others beside it: shared by the tests, none of them itself.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may stay silent before a test gives up on it: a guard against hanging, asserted by nothing.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A path from the root of the repository.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The program, with nothing of the user's own settings.
pub fn meshtop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshtop"));
    for (name, value) in settings() {
        command.env(name, value);
    }
    command.env_remove("RUST_BACKTRACE").current_dir(root("")).stdin(Stdio::null());
    command
}

/// Environment that keeps a user's configuration out, and what the program writes to its home.
pub fn settings() -> [(&'static str, PathBuf); 4] {
    let home = root("target/services/home");
    std::fs::create_dir_all(&home).unwrap();
    [("HOME", home.clone()), ("XDG_CONFIG_HOME", home.clone()), ("XDG_STATE_HOME", home.clone()), ("XDG_CACHE_HOME", home)]
}

/// Runs it to its end.
pub fn run(args: &[&str]) -> Output {
    meshtop().args(args).output().unwrap()
}

/// The lines of NDJSON that a successful run printed.
pub fn records(output: &Output) -> Vec<Value> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert_eq!(errors, "", "stderr is empty when all is well");
    lines(&output.stdout)
}

/// NDJSON, line by line.
pub fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Whether this process may capture. Where it may not, says loudly that `test` is skipped.
pub fn can_capture(test: &str) -> bool {
    const NET_RAW: u32 = 13; // capability(7)
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let caps = status.lines().find_map(|l| l.strip_prefix("CapEff:")).and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let may = caps.is_some_and(|caps| caps >> NET_RAW & 1 == 1);
    if !may {
        // not by eprintln, which the test runner keeps to itself
        let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: no right to capture; run the tests as root to have it run");
    }
    may
}

/// A listener on loopback, and the program that captures what goes there, from now on. None where it may not.
pub fn listened(test: &str) -> Option<(TcpListener, Running)> {
    if !can_capture(test) {
        return None;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp port {}", listener.local_addr().unwrap().port());
    let running = Running::start(meshtop().args(["-i", "lo", "-f", &port, "--json"]));
    // it captures once it says something
    running.line();
    Some((listener, running))
}

/// A process that ends with the test, whatever happens.
pub struct Running {
    pub child: Child,
    out: Receiver<String>,
}

impl Running {
    /// Starts a command whose standard output is read line by line, and whose input and errors are left as they are set.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let out = reader(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next line; none at the end.
    pub fn line(&self) -> Option<String> {
        match self.out.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("nothing came for {PATIENCE:?}"),
        }
    }

    /// A line, if one comes within `wait`.
    pub fn line_within(&self, wait: Duration) -> Option<String> {
        self.out.recv_timeout(wait).ok()
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal("TERM"); // scripts end their own children
        }
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap().success());
}

fn reader(out: ChildStdout) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// All of a stream, as text.
pub fn text(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}
