//! Names in capture files: written, read back, and seen by a reader of the format that shares nothing with the program's own.

use super::program::{records, root, run};
use meshtop::demo::RECORDING;
use meshtop::engine::{Engine, EngineOptions, Record};
use meshtop::model::{Event, EventKind, Fact, Flow, Origin, Owner, Party};
use meshtop::pipeline::{Names, Plan, Taps, run as read};
use meshtop::source::pcapng_write::Writer;
use meshtop::source::{Files, SourceIds};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The type of a block, and its options.
type Block = (u32, Vec<(u16, Vec<u8>)>);

/// The blocks of a little-endian pcapng file, by the letter of the draft.
fn blocks(file: &[u8]) -> Vec<Block> {
    let n32 = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let n16 = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    let (mut at, mut found) = (0, Vec::new());
    while at < file.len() {
        let (kind, len) = (n32(at), n32(at + 4) as usize);
        assert_eq!((len % 4, n32(at + len - 4) as usize), (0, len), "a block at {at}");
        let fixed = match kind {
            0x0a0d_0d0a => 16,
            1 => 8,
            4 => 0,
            5 => 12,
            6 => 20 + (n32(at + 20) as usize).next_multiple_of(4),
            kind => panic!("a block of type {kind} at {at}"),
        };
        let (mut option, mut options) = (at + 8 + fixed, Vec::new());
        while option < at + len - 4 {
            let (code, length) = (n16(option), usize::from(n16(option + 2)));
            options.push((code, file[option + 4..option + 4 + length].to_vec()));
            option += 4 + length.next_multiple_of(4);
        }
        assert_eq!(option, at + len - 4, "options fill a block of type {kind} at {at}");
        assert!(options.is_empty() || options.pop() == Some((0, Vec::new())), "options have an end");
        found.push((kind, options));
        at += len;
    }
    found
}

fn parties(records: &[Value]) -> Vec<[Value; 2]> {
    records.iter().filter(|r| r["type"] == "flow").map(|flow| [flow["client"].clone(), flow["server"].clone()]).collect()
}

#[test]
fn names_that_the_user_gives_are_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, recording) = (dir.path().join("b.pcapng"), root("assets/demo.pcapng"));
    let (path, recording) = (path.to_str().unwrap(), recording.to_str().unwrap());
    let names = ["--name", ":8081=the \"orders\"", "--name", "10.0.0.7=db", "--name", "127.0.1.10=laptop"];
    let written = run(&[&["-r", recording, "-w", path, "--json"][..], &names].concat());
    let written = parties(&records(&written));
    assert!(written.iter().any(|[_, server]| server["service"] == "the \"orders\""));
    assert_eq!(parties(&records(&run(&["-r", path, "--json"]))), written);
    let renamed = records(&run(&["-r", path, "--json", "--name", ":8081=mine"]));
    assert!(parties(&renamed).iter().any(|[_, server]| server["service"] == "mine"), "what the user says comes first");
    let blocks = blocks(&std::fs::read(path).unwrap());
    let options = |kind| blocks.iter().filter(move |b| b.0 == kind).flat_map(|b| &b.1);
    let names: Vec<_> = options(4).map(|(code, value)| (*code, &value[..])).collect();
    assert_eq!(names[..2], [(1, &b"\x0a\0\0\x07db\0"[..]), (1, b"\x7f\0\x01\x0alaptop\0")]);
    let comments: Vec<_> = options(6).map(|(code, text)| (*code, std::str::from_utf8(text).unwrap())).collect();
    assert!(comments.iter().all(|(code, text)| *code == 1 && text.starts_with("meshtop: 127.0.")), "{comments:?}");
    assert!(comments.iter().any(|(_, text)| text.ends_with(":8081 is \"the \\\"orders\\\"\"")), "{comments:?}");
}

/// Whose a socket is, for a run in which a resolver knows.
fn owner(end: SocketAddr) -> Arc<Owner> {
    let container = end.port().is_multiple_of(2).then(|| format!("shop {}", end.port()).into());
    let service = format!("service {}", end.port()).into();
    Arc::new(Owner { service, origin: Origin::Script, pid: Some(u32::from(end.port())), container, process: None })
}

/// The flows of a run over the recording in which every end is found out, written to `path` meanwhile.
fn resolved(path: &Path, workers: usize) -> Vec<Flow> {
    let (namer, names) = crossbeam_channel::unbounded();
    let (to, turns) = crossbeam_channel::unbounded();
    let writer = Some(Writer::create(path, &[], None).unwrap());
    let reading = std::thread::spawn(move || {
        let source = Box::new(Files::bundled("demo", RECORDING, &SourceIds::default()));
        let (plan, taps) = (Plan { workers, ..Plan::default() }, Taps { writer, naming: Names::new(names), ..Taps::default() });
        read(source, &plan, taps, &AtomicBool::new(false), &to).unwrap();
    });
    let mut engine = Engine::new(EngineOptions { namer: Some(namer), ..EngineOptions::default() });
    let mut flows = Vec::new();
    for mut turn in turns {
        let found_out = |event: Event| {
            let ends = if let EventKind::Began(meta, _) = &event.kind { vec![meta.client, meta.server] } else { vec![] };
            let (conn, at) = (event.conn, event.at);
            let facts = ends.into_iter().map(move |end| {
                let fact = Fact::Owned { conn, end, owner: Some(owner(end)) };
                Event { conn, at, kind: EventKind::Fact(Box::new(fact)) }
            });
            std::iter::once(event).chain(facts)
        };
        turn.events = turn.events.into_iter().flat_map(found_out).collect();
        engine.take(turn, &mut |record| {
            if let Record::Flow(flow) = record {
                flows.push(flow)
            }
        });
    }
    reading.join().unwrap();
    flows
}

#[test]
fn what_a_run_knew_of_processes_its_file_knows() {
    let dir = tempfile::tempdir().unwrap();
    let [once, again] = ["once", "again"].map(|name| dir.path().join(name));
    let flows = resolved(&once, 0);
    let party = |party: &Party| {
        let (addr, service, pid) = (&*party.addr, party.service.as_deref(), party.pid());
        let mut value = json!({ "addr": addr, "service": service, "pid": pid });
        if let Some(container) = party.container() {
            value["container"] = container.into();
        }
        value
    };
    let knew: Vec<_> = flows.iter().map(|flow| [party(&flow.client), party(&flow.server)]).collect();
    assert!(knew.len() > 100 && knew.iter().flatten().all(|party| party["pid"].is_u64()), "{:?}", knew.first());
    assert!(knew.iter().flatten().any(|party| party["container"].is_string()));
    assert_eq!(parties(&records(&run(&["-r", once.to_str().unwrap(), "--json"]))), knew);
    resolved(&again, 2);
    assert!(std::fs::read(&once).unwrap() == std::fs::read(&again).unwrap(), "the same file for any number of workers");
}

/// One request and its answer on a connection to a port of this machine, as raw IP (LINKTYPE 101).
fn exchange(port: u16) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101].map(u32::to_le_bytes).concat();
    let sides: [(u16, u16, u32, u32, &[u8]); 2] =
        [(1023, port, 1, 1, b"GET / HTTP/1.1\r\n\r\n"), (port, 1023, 1, 19, b"HTTP/1.1 204 No Content\r\n\r\n")];
    for (from, to, seq, ack, payload) in sides {
        let ip = [&[0x45, 0][..], &(40 + payload.len() as u16).to_be_bytes(), &[0, 0, 0, 0, 64, 6, 0, 0]].concat();
        let ends = [Ipv4Addr::LOCALHOST.octets(); 2].concat();
        let tcp = [&from.to_be_bytes()[..], &to.to_be_bytes(), &seq.to_be_bytes(), &ack.to_be_bytes(), &[0x50, 0x18]].concat();
        let packet = [&ip[..], &ends, &tcp, &[0xff, 0xff, 0, 0, 0, 0], payload].concat();
        file.extend([1, 0, packet.len() as u32, packet.len() as u32].map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    file
}

#[test]
fn a_file_is_not_named_after_the_sockets_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let path = dir.path().join("a.pcap");
    std::fs::write(&path, exchange(addr.port())).unwrap();
    let parties = parties(&records(&run(&["-r", path.to_str().unwrap(), "--json"])));
    assert_eq!(parties, [[json!({"addr": "127.0.0.1:1023"}), json!({"addr": addr.to_string()})]]);
}
