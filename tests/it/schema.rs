//! Schemas as the program is given them: from a server that is asked, and beside it from files.

use super::program::{Running, meshtop, root};
use meshtop::schema::{Loader, Sources, reflect};
use std::cell::RefCell;
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// A real gRPC server, and where it listens.
fn server(mode: &str) -> (Running, String) {
    let python = root("target/services/venv/bin/python");
    let server = Running::start(Command::new(python).arg(root("tests/services/apps/reflect.py")).arg(mode).stdin(Stdio::piped()));
    let port = server.line().expect("the server starts");
    (server, format!("127.0.0.1:{port}"))
}

#[test]
fn a_server_tells_its_schemas_in_whatever_version_it_speaks() {
    for mode in ["v1", "v1alpha", "sparse", "odd"] {
        let (_server, address) = server(mode);
        let own = RefCell::new(Vec::new());
        let mut loader = Loader::new(Sources { reflect: vec![address.clone()], ..Sources::default() });
        loader.ask(|local, peer| own.borrow_mut().push((local, peer.to_string()))).unwrap_or_else(|e| panic!("{mode}: {e}"));
        let schemas = loader.load().unwrap();
        assert_eq!(schemas.problems(), [""; 0], "{mode}");
        let method = schemas.method("/test.v1.Orders/Follow").unwrap_or_else(|| panic!("{mode}"));
        assert_eq!(method.output.from, format!("{address}, by reflection"), "{mode}");
        assert_eq!(method.output.message.full_name(), "test.v1.Order", "{mode}");
        // what it imports is there, whether the server knew it or not
        let everything = schemas.message("test.v1.Everything").unwrap().message;
        assert!(everything.parent_pool().get_message_by_name("google.protobuf.Timestamp").is_some(), "{mode}");
        assert!(own.borrow().iter().all(|(local, peer)| local.ip().is_loopback() && *peer == address), "{mode}");
        assert_eq!(own.borrow().len(), if matches!(mode, "v1" | "sparse") { 1 } else { 2 }, "{mode}");
    }
}

#[test]
fn who_does_not_answer_is_told_with_what_to_do() {
    let (_server, address) = server("off");
    let why = reflect::ask(&address, |_, _| {}).unwrap_err();
    assert!(why.starts_with("it does not have server reflection; ") && why.contains("--proto"), "{why}");
    // nobody listens
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let why = reflect::ask(&closed, |_, _| {}).unwrap_err();
    assert!(why.contains("refused") && why.contains("start the server first"), "{why}");
    // something else listens
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap().to_string();
    let answer = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut socket, _) = other.accept().unwrap();
            std::io::Write::write_all(&mut socket, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    assert!(reflect::ask(&at, |_, _| {}).unwrap_err().contains("is there a gRPC server"));
    answer.join().unwrap();
}

#[test]
fn the_program_takes_servers_and_files_at_once() {
    let (_server, address) = server("v1");
    let capture = "tests/captures/keep-alive/input.pcap";
    let run = |args: &[&str]| meshtop().args(["-r", capture, "--json"]).args(args).output().unwrap();
    let output = run(&["--reflect", &address, "--proto", "src/body/protobuf/tests", "-I", "descriptors"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.proto"), "syntax = \"proto3\"; message Good {}").unwrap();
    std::fs::write(folder.path().join("bad.proto"), "message {").unwrap();
    let output = run(&["--proto", folder.path().to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.lines().count() == 1 && told.contains("bad.proto:1:9: "), "{told}");
}
