//! What is read: captures of services at work, made anew from a few numbers, the same on every machine.

use super::grpc::Grpc;
use super::scenarios::mesh::amqp::{self, Message, Outcome};
use super::scenarios::mesh::capture::Side;
use super::wire::{Capture, Tcp};
use flate2::{Compression, write::GzEncoder};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Goes up when what is generated changes: files of another version are not used again.
const VERSION: u32 = 2;
/// Connections that are open side by side.
const CONNECTIONS: usize = 64;
/// Client ports, as Linux gives them out, and those above them, of connections that stay open.
const PORTS: (u16, u64) = (32_768, 28_000);
const KEPT: u16 = 61_000;
/// Requests of one trace.
const A_TRACE: u64 = 4;

pub type Out = Capture<BufWriter<File>>;
/// Adds an exchange, or a few, to a capture.
type Step = Box<dyn FnMut(&mut Out, &mut Dice) -> io::Result<()>>;

/// One kind of traffic.
pub struct Workload {
    pub name: &'static str,
    pub what: &'static str,
    start: fn() -> Step,
}

pub const WORKLOADS: &[Workload] = &[
    Workload { name: "http", what: "HTTP/1.1, keep-alive, JSON, gzip, traceparent", start: keep_alive },
    Workload { name: "short", what: "HTTP/1.1, a connection a request", start: short },
    Workload { name: "grpc", what: "gRPC, unary and streams", start: grpc },
    Workload { name: "amqp", what: "AMQP 0-9-1, headers, confirms", start: broker },
    Workload { name: "mix", what: "all of them at once", start: mix },
];

impl Workload {
    /// The file of at least `size` bytes in `dir`: made unless it is there.
    pub fn file(&self, dir: &Path, size: u64) -> io::Result<PathBuf> {
        made(dir, &format!("{}-{}", self.name, size >> 20), |out| {
            let (mut step, mut dice) = ((self.start)(), Dice::new());
            while out.bytes < size {
                step(out, &mut dice)?;
                out.pass(20);
            }
            Ok(())
        })
    }
}

/// The file of a name in `dir`: filled unless it is there.
pub fn made(dir: &Path, name: &str, fill: impl FnOnce(&mut Out) -> io::Result<()>) -> io::Result<PathBuf> {
    let path = dir.join(format!("{name}-{VERSION}.pcap"));
    if path.exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(dir)?;
    let unfinished = path.with_extension("part");
    let mut out = Capture::new(BufWriter::with_capacity(1 << 20, File::create(&unfinished)?))?;
    fill(&mut out)?;
    out.finish()?;
    std::fs::rename(unfinished, &path)?;
    Ok(path)
}

/// Numbers as if by chance (xorshift64*), the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A W3C trace context, the same ID for a few requests in a row.
    pub fn traceparent(&mut self, request: u64) -> String {
        let trace = (request / A_TRACE + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("00-{trace:016x}{:016x}-{:016x}-01", trace.rotate_left(31), self.next())
    }
}

/// JSON documents of orders, from 0.2 to some 8 KiB, and each compressed.
struct Documents(Vec<[Vec<u8>; 2]>);

impl Documents {
    fn new() -> Self {
        let mut dice = Dice(7);
        let document = |items: usize, dice: &mut Dice| {
            let items = (0..items).map(|n| {
                let (sku, price) = (dice.below(1 << 20), dice.below(9999));
                format!(
                    r#"{{"line":{n},"sku":"tea-{sku:05x}","quantity":{},"price":{}.{:02},"gift":false}}"#,
                    sku % 9 + 1,
                    price / 100,
                    price % 100
                )
            });
            let items = items.collect::<Vec<_>>().join(",");
            format!(
                r#"{{"order_id":"ord-{:08x}","customer":"c{}","currency":"EUR","items":[{items}]}}"#,
                dice.next() as u32,
                dice.below(5000)
            )
            .into_bytes()
        };
        let plain: Vec<Vec<u8>> = (0..64).map(|n| document(1 + (n * n) / 40, &mut dice)).collect();
        Self(
            plain
                .into_iter()
                .map(|text| {
                    let zipped = gzip(&text);
                    [text, zipped]
                })
                .collect(),
        )
    }

    fn any(&self, dice: &mut Dice) -> &[Vec<u8>; 2] {
        &self.0[dice.below(self.0.len() as u64) as usize]
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).and_then(|()| out.finish()).expect("memory takes it")
}

/// One request and its answer.
fn exchange(out: &mut Out, tcp: &mut Tcp, documents: &Documents, no: u64, dice: &mut Dice) -> io::Result<()> {
    let traceparent = dice.traceparent(no);
    let order = dice.below(1 << 32);
    let head = format!(
        "host: shop.local:8080\r\nuser-agent: axios/1.7.2\r\naccept: application/json\r\naccept-encoding: gzip\r\ntraceparent: {traceparent}\r\n"
    );
    let request = if no.is_multiple_of(3) {
        let [body, _] = documents.any(dice);
        let head = format!(
            "POST /api/v1/orders?customer={} HTTP/1.1\r\n{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            order % 5000,
            body.len()
        );
        [head.as_bytes(), body].concat()
    } else {
        format!("GET /api/v1/orders/{order:08x}/lines?limit=50 HTTP/1.1\r\n{head}\r\n").into_bytes()
    };
    out.say(tcp, Side::Client, &request)?;
    out.acknowledge(tcp, Side::Server)?;
    out.pass(200 + dice.below(2000));
    let [body, zipped] = documents.any(dice);
    let (body, coding) = if no.is_multiple_of(2) { (zipped, "content-encoding: gzip\r\n") } else { (body, "") };
    let status = if no.is_multiple_of(97) { "503 Service Unavailable" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\nserver: nginx/1.22.1\r\ndate: Fri, 27 Nov 2026 10:00:00 GMT\r\ncontent-type: application/json; charset=utf-8\r\n{coding}content-length: {}\r\nconnection: keep-alive\r\nvary: accept-encoding\r\n\r\n",
        body.len()
    );
    out.say(tcp, Side::Server, &[head.as_bytes(), body].concat())?;
    out.acknowledge(tcp, Side::Client)
}

fn keep_alive() -> Step {
    let documents = Documents::new();
    let mut open: Vec<Tcp> = Vec::new();
    let mut no = 0;
    Box::new(move |out, dice| {
        if open.len() < CONNECTIONS {
            open.push(out.open(KEPT + open.len() as u16, 8080 + open.len() as u16 % 4)?);
        }
        no += 1;
        let at = dice.below(open.len() as u64) as usize;
        exchange(out, &mut open[at], &documents, no, dice)
    })
}

fn short() -> Step {
    let documents = Documents::new();
    let mut no = 0_u64;
    Box::new(move |out, dice| {
        no += 1;
        // Linux gives out every other one, and each again for another server
        let (first, all) = PORTS;
        let mut tcp = out.open(first + (no * 2 % all) as u16, 8080 + (no * 2 / all % 4) as u16)?;
        exchange(out, &mut tcp, &documents, no, dice)?;
        out.close(tcp)
    })
}

fn grpc() -> Step {
    let mut open: Vec<(Tcp, Grpc)> = Vec::new();
    let mut no = 0;
    Box::new(move |out, dice| {
        if open.len() < CONNECTIONS / 4 {
            let mut tcp = out.open(36_000 + open.len() as u16, 50_051)?;
            out.say(&mut tcp, Side::Client, &Grpc::preface())?;
            out.say(&mut tcp, Side::Server, &Grpc::settings())?;
            open.push((tcp, Grpc::default()));
        }
        no += 1;
        let at = dice.below(open.len() as u64) as usize;
        let (tcp, grpc) = &mut open[at];
        for (side, bytes) in grpc.call(no, dice) {
            out.say(tcp, side, &bytes)?;
            out.pass(50);
        }
        out.acknowledge(tcp, Side::Client)
    })
}

fn broker() -> Step {
    let documents = Documents::new();
    let mut open: Vec<[(Tcp, u64); 2]> = Vec::new();
    let mut no = 0;
    Box::new(move |out, dice| {
        if open.len() < 8 {
            let mut tcp = |consumes, port| -> io::Result<Tcp> {
                let mut tcp = out.open(port, 5672)?;
                for (side, bytes, _) in amqp::opening(consumes) {
                    out.say(&mut tcp, side, &bytes)?;
                }
                Ok(tcp)
            };
            let port = 38_000 + 2 * open.len() as u16;
            open.push([(tcp(None, port)?, 0), (tcp(Some("orders"), port + 1)?, 0)]);
        }
        no += 1;
        let at = dice.below(open.len() as u64) as usize;
        let [(publisher, published), (consumer, delivered)] = &mut open[at];
        (*published, *delivered) = (*published + 1, *delivered + 1);
        let headers = vec![
            ("traceparent".to_owned(), dice.traceparent(no)),
            ("x-tenant".to_owned(), format!("tenant-{}", no % 40)),
            ("x-schema".to_owned(), "order.created.v2".to_owned()),
        ];
        let id = Some(format!("m-{no:012x}"));
        let message =
            Message { headers, message_id: id, correlation_id: None, body: documents.any(dice)[0].clone(), added: Vec::new() };
        out.say(publisher, Side::Client, &amqp::publish("shop", "order.created", &message))?;
        out.pass(100);
        out.say(publisher, Side::Server, &amqp::confirm(*published))?;
        out.say(consumer, Side::Server, &amqp::deliver("orders", "shop", "order.created", &message, *delivered, false))?;
        out.pass(500);
        out.say(consumer, Side::Client, &amqp::outcome(*delivered, Outcome::Ack))
    })
}

fn mix() -> Step {
    let mut all = [keep_alive(), short(), grpc(), broker()];
    Box::new(move |out, dice| {
        let at = dice.below(all.len() as u64) as usize;
        all[at](out, dice)
    })
}
