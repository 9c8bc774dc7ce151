//! Real processes behind the sockets: each is called what it is, none is called what another is.

use super::program::{Running, can_capture, lines, meshtop};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PYTHON: &str = "import http.server as h, sys
s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)
print(s.server_port, flush=True)
s.serve_forever()
";
const NODE: &str = "const s = require('http').createServer((q, r) => r.end('tea'));
s.listen(0, '127.0.0.1', () => console.log(s.address().port));
";
const JAVA: &str = "import com.sun.net.httpserver.*; import java.net.*;
public class Ledger { public static void main(String[] a) throws Exception {
  HttpServer s = HttpServer.create(new InetSocketAddress(\"127.0.0.1\", 0), 0);
  s.createContext(\"/\", e -> { e.sendResponseHeaders(204, -1); e.close(); });
  s.start(); System.out.println(s.getAddress().getPort()); System.out.flush(); } }
";

/// A server that says its port, ended with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap_or_else(|e| panic!("{command:?}: {e}: {line}")), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A watch over some ports, which is known to see.
struct Watch(Running);

impl Watch {
    fn start(ports: &[u16]) -> Self {
        let filter = ports.iter().map(|p| format!("tcp port {p}")).collect::<Vec<_>>().join(" or ");
        let watch = Running::start(meshtop().args(["-i", "lo", "-f", &filter, "--json", "--emit", "flow"]));
        loop {
            get(ports[0], "/probe");
            if watch.line_within(Duration::from_millis(500)).is_some() {
                return Self(watch);
            }
        }
    }

    /// The flows up to the one of `last`, the test's own probes left out.
    fn until(&self, port: u16, last: &str) -> Vec<Value> {
        get(port, last);
        let mut seen = Vec::new();
        loop {
            let flow = lines(self.0.line().expect("it goes on").as_bytes()).remove(0);
            let operation = flow["operation"].as_str().unwrap_or_default().to_owned();
            if operation.ends_with(last) {
                return seen;
            }
            if !operation.ends_with("/probe") {
                seen.push(flow);
            }
        }
    }
}

/// One exchange on a connection of its own.
fn get(port: u16, path: &str) {
    let mut to = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(to, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let _ = to.read_to_end(&mut Vec::new());
}

fn service<'a>(flow: &'a Value, side: &str) -> &'a str {
    flow[side]["service"].as_str().unwrap_or_default()
}

/// Whether an end is said to have been gone before it could be looked at.
fn gone(name: &str) -> bool {
    name.is_empty() || (name.starts_with("uid ") && name.ends_with(", exited"))
}

/// A folder with a file in it.
fn put(folder: &Path, path: &str, text: &str) -> std::path::PathBuf {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    file.parent().unwrap().to_owned()
}

#[test]
fn servers_are_called_what_they_run() {
    if !can_capture("servers_are_called_what_they_run") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let orders = put(folder.path(), "orders-svc/server.js", NODE);
    let billing = put(folder.path(), "x/billing.py", PYTHON);
    let stock = put(folder.path(), "stock/main.py", PYTHON);
    let mut servers = vec![
        ("orders-svc", Server::start(Command::new("node").arg("server.js").current_dir(&orders))),
        ("billing", Server::start(Command::new("python3").args(["-u", "billing.py"]).current_dir(&billing))),
        ("stock", Server::start(Command::new("python3").arg("main.py").current_dir(&stock))),
        (
            "checkout",
            Server::start(Command::new("python3").arg("main.py").current_dir(&stock).env("OTEL_SERVICE_NAME", "checkout")),
        ),
    ];
    if Command::new("java").arg("-version").output().is_ok_and(|o| o.status.success()) {
        let ledger = put(folder.path(), "y/Ledger.java", JAVA);
        servers.push(("Ledger", Server::start(Command::new("java").arg("Ledger.java").current_dir(&ledger))));
    } else {
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: no java here: its name was not checked");
    }
    let ports: Vec<u16> = servers.iter().map(|(_, server)| server.port).collect();
    let watch = Watch::start(&ports);
    for port in &ports {
        get(*port, "/");
    }
    let flows = watch.until(ports[0], "/end");
    assert_eq!(flows.len(), servers.len());
    for (flow, (name, server)) in flows.iter().zip(&servers) {
        assert_eq!((service(flow, "server"), &flow["server"]["pid"]), (*name, &server.child.id().into()), "{flow}");
        // this program called them, each time by a socket that was closed at once
        assert!(gone(service(flow, "client")) || flow["client"]["pid"] == std::process::id(), "{flow}");
    }
}

#[test]
fn short_lived_clients_are_named_or_said_to_be_gone() {
    const CALLS: usize = 60;
    if !can_capture("short_lived_clients_are_named_or_said_to_be_gone") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shop = put(folder.path(), "shop/main.py", PYTHON);
    let server = Server::start(Command::new("python3").arg("main.py").current_dir(&shop));
    let idle: Vec<Server> =
        (0..300).map(|_| Server { child: Command::new("sleep").arg("1000").spawn().unwrap(), port: 0 }).collect();
    let watch = Watch::start(&[server.port]);
    let calls = format!("for i in $(seq {CALLS}); do curl -s -o /dev/null http://127.0.0.1:{}/call; done", server.port);
    assert!(Command::new("sh").args(["-c", &calls]).status().unwrap().success());
    let flows = watch.until(server.port, "/end");
    assert_eq!(flows.len(), CALLS);
    let clients: BTreeSet<&str> = flows.iter().map(|flow| service(flow, "client")).collect();
    assert!(clients.iter().all(|name| *name == "curl" || gone(name)), "nobody is called what another is: {clients:?}");
    assert!(flows.iter().all(|flow| service(flow, "server") == "shop"), "the listener is always there");
    drop(idle);
}
