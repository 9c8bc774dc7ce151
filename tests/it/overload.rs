//! More than can be read for a while: what was not seen is counted, and then it goes on as before.

use super::program::{PATIENCE, Running, lines, listened};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What is sent while nothing is read, in bytes: several times what the kernel keeps.
const SENT: usize = 512 << 20;
/// After which silence it is asked once more.
const SOON: Duration = Duration::from_millis(500);

#[test]
fn an_overload_is_counted_and_over_with_its_cause() {
    let Some((listener, running)) = listened("an_overload_is_counted_and_over_with_its_cause") else { return };
    let addr = listener.local_addr().unwrap();
    let mut kept = TcpStream::connect(addr).unwrap();
    let (mut served, _) = listener.accept().unwrap();
    exchange((&mut kept, &mut served), "/before");
    assert_eq!(next_flow(&running)["operation"], "GET /before");

    running.signal("STOP");
    flood(addr, &listener);
    running.signal("CONT");
    // a connection that was there all along, and a new one: soon, as what the kernel kept has to be read first
    let (mut after, enough) = (vec!["GET /fresh", "GET /kept"], Instant::now() + PATIENCE);
    while !after.is_empty() {
        assert!(Instant::now() < enough, "{after:?} are not seen");
        exchange((&mut kept, &mut served), "/kept");
        let mut fresh = TcpStream::connect(addr).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        exchange((&mut fresh, &mut accepted), "/fresh");
        while let Some(line) = running.line_within(SOON) {
            let flow: Value = serde_json::from_str(&line).unwrap();
            after.retain(|operation| flow["operation"] != **operation || flow["status"] != "204");
        }
    }
    running.signal("INT");
    let rest: Vec<_> = std::iter::from_fn(|| running.line()).collect();
    let records = lines(rest.join("\n").as_bytes());
    let stats = records.last().unwrap();
    assert!(stats["dropped"]["kernel"].as_u64().unwrap() > 0, "{stats}");
    let seen = ["stream_bytes", "lost_bytes"].map(|key| stats[key].as_u64().unwrap());
    assert!(seen[0] < SENT as u64 && seen.iter().sum::<u64>() < SENT as u64 + (1 << 20), "{stats}");
}

/// A request with its answer.
fn exchange((client, server): (&mut TcpStream, &mut TcpStream), target: &str) {
    client.write_all(format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).unwrap();
    let asked = server.read(&mut [0; 1024]).unwrap();
    assert!(asked > 0);
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(client.read(&mut [0; 1024]).unwrap() > 0);
}

/// One large upload, whose connection is closed.
fn flood(addr: SocketAddr, listener: &TcpListener) {
    let mut client = TcpStream::connect(addr).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let sink = thread::spawn(move || std::io::copy(&mut server, &mut std::io::sink()).unwrap());
    client.write_all(format!("PUT /flood HTTP/1.1\r\nHost: here\r\nContent-Length: {SENT}\r\n\r\n").as_bytes()).unwrap();
    let part = vec![b'x'; 1 << 20];
    (0..SENT / part.len()).for_each(|_| client.write_all(&part).unwrap());
    drop(client);
    assert!(sink.join().unwrap() > SENT as u64);
}

/// The next flow that it tells.
fn next_flow(running: &Running) -> Value {
    loop {
        let line = running.line().expect("it goes on");
        let record: Value = serde_json::from_str(&line).unwrap();
        if record["type"] == "flow" {
            return record;
        }
    }
}
