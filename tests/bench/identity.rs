//! What it costs to know who is who, and how often it works: `make bench` prints it. Nothing is asserted: the machine may be busy.
//!
//! Latency is from the question to the answer, in this process. Shares and CPU are the real program's, beside 300 idle processes: as it is
//! while somebody works. It needs the right to capture.

use crossbeam_channel::{bounded, never, unbounded};
use meshtop::identity::{self, Options};
use meshtop::model::{Ask, ConnId, Fact, PacketNo, Transport, Zone};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Connections that are asked about one by one.
const QUESTIONS: u64 = 2000;
/// Calls of each kind of client.
const CALLS: usize = 200;
/// Calls of each client that takes its time, and what it does: as a service that has been there for long.
const SLOW_CALLS: usize = 40;
/// Processes that do nothing.
const IDLE: usize = 300;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    // cargo asks every bench so in `cargo test`
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let _idle: Vec<Killed> = (0..IDLE).map(|_| Killed(Command::new("sleep").arg("1000").spawn().unwrap())).collect();
    println!("who is who, beside {IDLE} idle processes\n");
    latency();
    println!("\n{:<44} {:>7} {:>7} {:>7}   CPU of the naming threads", "clients", "named", "gone", "unseen");
    clients("curl, a process a call", CALLS, |port| {
        format!("for i in $(seq {CALLS}); do curl -s -o /dev/null http://127.0.0.1:{port}/; done")
    });
    let python = "import urllib.request as u";
    clients("Python, a process, a connection a call", CALLS, |port| {
        format!("python3 -c \"{python}\nfor i in range({CALLS}): u.urlopen('http://127.0.0.1:{port}/').read()\"")
    });
    clients("curl, one connection for all calls", CALLS, |port| {
        format!("curl -s -o /dev/null 'http://127.0.0.1:{port}/[1-{CALLS}]'")
    });
    clients("Python, 5 s old, a connection each 300 ms", SLOW_CALLS, |port| {
        format!(
            "python3 -c \"import time; {python}; time.sleep(5)\nfor i in range({SLOW_CALLS}):\n u.urlopen('http://127.0.0.1:{port}/').read()\n time.sleep(0.3)\""
        )
    });
    clients("Node, 5 s old, a connection each 300 ms", SLOW_CALLS, |port| {
        let call = format!("require('http').get({{ port: {port}, agent: false }}, answer => answer.resume())");
        format!(
            "node -e \"let n = 0; const call = () => {{ {call}; if (++n < {SLOW_CALLS}) setTimeout(call, 300) }}; setTimeout(call, 5000)\""
        )
    });
}

/// From the question about a connection of ours to the answer about both ends.
fn latency() {
    let ((asks, asked), (told, facts)) = (bounded(1), unbounded());
    let tell = Box::new(move |fact| drop(told.send(fact)));
    let (hints, zones, engines) = (never(), never(), Vec::new());
    identity::start(Options { asks: asked, hints, zones, engines, tell }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let mut times = Vec::new();
    for n in 0..QUESTIONS {
        let client = TcpStream::connect(server).unwrap();
        let _accepted = listener.accept().unwrap();
        let start = Instant::now();
        let (conn, client, transport) = (ConnId(PacketNo(n + 1)), client.local_addr().unwrap(), Transport::Stream);
        asks.send(Ask { conn, client, server, transport, zone: Zone::default() }).unwrap();
        let named = (0..2).filter(|_| matches!(facts.recv().unwrap(), Fact::Owned { owner: Some(_), .. })).count();
        // the first one has all processes looked through
        if n > 0 && named == 2 {
            times.push(start.elapsed());
        }
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "question to answer, both ends: p50 {:?}, p99 {:?}, longest {:?} ({} of {QUESTIONS})",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

/// What comes of the calls that a shell makes.
fn clients(what: &str, count: usize, calls: impl Fn(u16) -> String) {
    let mut server = Command::new("node");
    let script = "const s = require('http').createServer((q, r) => r.end('tea')); s.listen(0, '127.0.0.1', () => console.log(s.address().port))";
    let mut server = Killed(server.args(["-e", script]).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap();
    let mut meshtop = Command::new(env!("CARGO_BIN_EXE_meshtop"));
    let meshtop =
        meshtop.args(["-i", "lo", "-f", &format!("tcp port {port}"), "--json", "--emit", "meta,flow", "-c", &count.to_string()]);
    let mut meshtop = Killed(meshtop.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(meshtop.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.next().expect("it may capture");
    // it has looked through all processes once, and the idle ones are no longer young
    std::thread::sleep(Duration::from_secs(3));
    let before = cpu(meshtop.0.id());
    let mut shell = Killed(Command::new("sh").args(["-c", &calls(port)]).spawn().unwrap());
    shell.0.wait().unwrap();
    let spent: BTreeMap<String, Duration> = cpu(meshtop.0.id())
        .into_iter()
        .map(|(name, all)| (name.clone(), all - before.get(&name).copied().unwrap_or_default()))
        .collect();
    let (mut named, mut gone, mut unseen) = (0, 0, 0);
    for line in lines {
        let flow: serde_json::Value = serde_json::from_str(&line).unwrap();
        match flow["client"]["service"].as_str() {
            Some(name) if name.ends_with(", exited") || name.ends_with(", closed") => gone += 1,
            Some(_) => named += 1,
            None => unseen += 1,
        }
    }
    let threads =
        ["resolver", "searcher", "scout"].map(|name| format!("{name} {:?}", spent.get(name).copied().unwrap_or_default()));
    println!("{what:<44} {named:>7} {gone:>7} {unseen:>7}   {} for {count} calls", threads.join(", "));
}

/// The CPU time of each thread so far (proc_pid_stat(5): fields 14 and 15, in ticks of a hundredth of a second).
fn cpu(pid: u32) -> BTreeMap<String, Duration> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            let (head, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
            Some((head.split_once('(')?.1.to_owned(), Duration::from_millis(ticks * 10)))
        })
        .collect()
}
