//! The service that is watched, and those who ask it: as much as it can answer (wrk), or at a steady pace.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// What it answers: as much as a small JSON document.
const BODY: &str = r#"{"order_id":"ord-00000001","customer":"c1","currency":"EUR","items":[{"line":0,"sku":"tea-00001","quantity":2,"price":4.20,"gift":false},{"line":1,"sku":"pot-00002","quantity":1,"price":19.90,"gift":true}]}"#;
/// Connections that are kept alive.
const CONNECTIONS: u64 = 8;
/// What a target that tells the time begins with; milliseconds follow, [`DIGITS`] of them.
pub const TOLD: &str = "/at-";
pub const DIGITS: usize = 9;
/// wrk's targets as [`target`] makes them.
const SCRIPT: &str = r#"
local ffi = require("ffi")
ffi.cdef[[typedef struct { long s; long us; } timeval; int gettimeofday(timeval*, void*);]]
local now = ffi.new("timeval")
function request()
  ffi.C.gettimeofday(now, nil)
  local millis = (tonumber(now.s) * 1000 + math.floor(tonumber(now.us) / 1000)) % 1000000000
  return wrk.format("GET", string.format("/at-%09d", millis))
end
"#;

/// nginx, with everything that it writes in a folder of its own.
pub struct Site {
    pub port: u16,
    nginx: Child,
    dir: TempDir,
}

impl Site {
    pub fn start() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let home = dir.path().display();
        let temps =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {home}/{of};")).concat();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "{user} daemon off; worker_processes 1; pid {home}/pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{ {temps} access_log off; keepalive_requests 100000000;
               server {{ listen 127.0.0.1:{port}; default_type application/json; location / {{ return 200 '{BODY}'; }} }} }}"
        );
        let (file, script) = (dir.path().join("nginx.conf"), dir.path().join("told.lua"));
        std::fs::write(&file, config)?;
        std::fs::write(script, SCRIPT)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir.path()).args(["-e", "stderr", "-c"]).arg(&file);
        let mut nginx = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = nginx.try_wait()? {
                return Err(io::Error::other(format!("nginx: {status}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { port, nginx, dir })
    }

    /// Requests a second, as many as there can be.
    pub fn full_tilt(&self, time: Duration) -> io::Result<f64> {
        self.wrk(time, &[])
    }

    /// … and each tells when it was sent, which costs wrk a little.
    pub fn full_tilt_told(&self, time: Duration) -> io::Result<f64> {
        self.wrk(time, &["-s", &self.dir.path().join("told.lua").to_string_lossy()])
    }

    fn wrk(&self, time: Duration, args: &[&str]) -> io::Result<f64> {
        let (seconds, url) = (format!("-d{}s", time.as_secs()), format!("http://127.0.0.1:{}/orders/1", self.port));
        let output = Command::new("wrk").args(["-t1", "-c16", &seconds]).args(args).arg(url).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).and_then(|rate| rate.trim().parse().ok());
        rate.ok_or_else(|| io::Error::other(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr))))
    }

    /// `rate` requests a second. Who was answered late does not catch up faster than others ask.
    pub fn steady(&self, rate: u64, time: Duration) -> io::Result<u64> {
        let (every, start) = (Duration::from_secs(1) * CONNECTIONS as u32 / rate as u32, Instant::now());
        let ask = |n: u64| -> io::Result<u64> {
            let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
            connection.set_nodelay(true)?;
            // they do not all ask at the same moment
            let mut due = start + every * n as u32 / CONNECTIONS as u32;
            let (mut sent, mut answer, mut part) = (0, Vec::new(), [0; 4096]);
            while due < start + time {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                write!(connection, "GET {} HTTP/1.1\r\nHost: shop.local\r\nAccept: application/json\r\n\r\n", target())?;
                answer.clear();
                while !answer.ends_with(BODY.as_bytes()) {
                    match connection.read(&mut part)? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        n => answer.extend(&part[..n]),
                    }
                }
                (sent, due) = (sent + 1, due + every);
            }
            Ok(sent)
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(move || ask(n))).collect();
            all.into_iter().map(|one| one.join().expect("it only asks")).sum()
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // its worker ends with the master only when that is asked to
        if let Some(pid) = rustix::process::Pid::from_raw(self.nginx.id() as i32) {
            _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        _ = self.nginx.wait();
    }
}

/// A target that tells when it was asked for.
fn target() -> String {
    format!("{TOLD}{:0width$}", millis(), width = DIGITS)
}

/// Milliseconds since 1970, the last [`DIGITS`] of them.
pub fn millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    now % 10_u64.pow(DIGITS as u32)
}
