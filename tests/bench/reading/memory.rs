//! How much memory a run takes that may hold little: of files of several sizes, of many open connections, and of what nobody answers.

use super::child::measure;
use super::meshtop;
use super::scenarios::mesh::capture::Side;
use super::talks::{self, Talk};
use super::workloads::{Out, WORKLOADS, made};
use std::io;
use std::path::Path;

/// What a run may hold, and what it may take beside that; beside it 100,000 open connections may take more. MiB.
const HELD: usize = 16;
const BESIDE: usize = 64;
const BESIDE_CONNECTIONS: usize = 128;
/// Sizes of files, of which none takes more than another, but for closed connections, which are remembered for a minute of packet time: of
/// short ones 200 MB are that.
const SIZES: [u64; 3] = [100 << 20, 200 << 20, 400 << 20];
const CONNECTIONS: usize = 100_000;
/// Client ports: then the next server port's turn comes.
const PORTS: usize = 50_000;
/// How much of requests there is that nobody answers, in how many connections, and how many come at once.
const UNANSWERED: u64 = 100 << 20;
const ASKING: usize = 200;
const AT_ONCE: usize = 400;

const REQUEST: &[u8] = b"GET /orders/1 HTTP/1.1\r\nhost: orders\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// Something to be read.
struct Case {
    what: &'static str,
    /// What its file is called, and how it is filled.
    name: &'static str,
    fill: fn(&mut Out) -> io::Result<()>,
    beside: usize,
}

const CASES: &[Case] = &[
    Case { what: "100,000 idle connections", name: "idle", fill: |out| open(out, &[]), beside: BESIDE_CONNECTIONS },
    Case {
        what: "  an exchange each",
        name: "exchanged",
        fill: |out| open(out, &[(Side::Client, REQUEST), (Side::Server, ANSWER)]),
        beside: BESIDE_CONNECTIONS,
    },
    Case {
        what: "  each waits for an answer",
        name: "waiting",
        fill: |out| open(out, &[(Side::Client, REQUEST)]),
        beside: BESIDE_CONNECTIONS,
    },
    Case { what: "  gRPC, a call each", name: "open-grpc", fill: |out| talk(out, &talks::grpc()), beside: BESIDE_CONNECTIONS },
    Case { what: "  AMQP, a message each", name: "open-amqp", fill: |out| talk(out, &talks::amqp()), beside: BESIDE_CONNECTIONS },
    Case {
        what: "  PostgreSQL, a statement each",
        name: "open-postgresql",
        fill: |out| talk(out, &talks::postgresql()),
        beside: BESIDE_CONNECTIONS,
    },
    Case {
        what: "  Redis, a command each",
        name: "open-redis",
        fill: |out| talk(out, &talks::redis()),
        beside: BESIDE_CONNECTIONS,
    },
    Case {
        what: "100,000 clients of DNS, a query each",
        name: "open-dns",
        fill: |out| talks::dns(out, CONNECTIONS),
        beside: BESIDE_CONNECTIONS,
    },
    Case { what: "HTTP/1.1 without an answer", name: "unanswered-http", fill: |out| ask(out, 80, REQUEST), beside: BESIDE },
    Case {
        what: "Redis without an answer",
        name: "unanswered-redis",
        fill: |out| ask(out, 6379, b"*2\r\n$3\r\nGET\r\n$8\r\nk0000001\r\n"),
        beside: BESIDE,
    },
];

pub fn print(dir: &Path) -> io::Result<()> {
    println!("\nthe most anonymous memory with --max-memory {HELD}MiB, in MiB");
    println!("{:<44} {:>6} {:>6}", "", "taken", "goal");
    for workload in WORKLOADS {
        for size in SIZES {
            let taken = taken(&workload.file(dir, size)?)?;
            println!("{:<44} {taken:>6} {:>6}", format!("{}, {} MB", workload.what, size >> 20), HELD + BESIDE);
        }
    }
    for Case { what, name, fill, beside } in CASES {
        let taken = taken(&made(dir, name, fill)?)?;
        println!("{what:<44} {taken:>6} {:>6}", HELD + beside);
    }
    Ok(())
}

/// MiB.
fn taken(file: &Path) -> io::Result<u64> {
    let held = format!("{HELD}MiB");
    Ok(measure(&mut meshtop(file, &["--json", "--emit", "stats", "--max-memory", &held]))?.memory >> 20)
}

/// Connections that stay open, each with what is said on it; some eight thousand a second begin.
fn talk(out: &mut Out, said: &Talk) -> io::Result<()> {
    for n in 0..CONNECTIONS {
        let mut tcp = out.open((10_000 + n % PORTS) as u16, (8000 + n / PORTS) as u16)?;
        said.iter().try_for_each(|(side, bytes)| out.say(&mut tcp, *side, bytes))?;
        out.pass(100);
    }
    Ok(())
}

/// Connections that stay open, each with what is said on it.
fn open(out: &mut Out, said: &[(Side, &[u8])]) -> io::Result<()> {
    for n in 0..CONNECTIONS {
        let mut tcp = out.open((10_000 + n % PORTS) as u16, (8000 + n / PORTS) as u16)?;
        for (side, bytes) in said {
            out.say(&mut tcp, *side, bytes)?;
        }
    }
    Ok(())
}

/// Requests in pipelines.
fn ask(out: &mut Out, port: u16, request: &[u8]) -> io::Result<()> {
    let requests = request.repeat(AT_ONCE);
    let mut all = (0..ASKING).map(|n| out.open(10_000 + n as u16, port)).collect::<io::Result<Vec<_>>>()?;
    while out.bytes < UNANSWERED {
        for tcp in &mut all {
            out.say(tcp, Side::Client, &requests)?;
        }
    }
    Ok(())
}
