//! Real sockets and processes, and an engine that tells of containers late.

use super::*;
use crate::model::PacketNo;
use crossbeam_channel::{Sender, bounded, unbounded};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

struct Asker {
    asks: Sender<Ask>,
    hints: Sender<Hint>,
    facts: Receiver<Fact>,
    next: u64,
}

impl Asker {
    fn start(engines: Vec<PathBuf>) -> Self {
        let ((asks, asked), (hints, hinted), (told, facts)) = (bounded(64), bounded(64), unbounded());
        let tell = Box::new(move |fact| drop(told.send(fact)));
        start(Options { asks: asked, hints: hinted, zones: never(), engines, tell }).unwrap();
        Self { asks, hints, facts, next: 0 }
    }

    /// What is found out about both ends of a connection.
    fn ask(&mut self, client: SocketAddr, server: SocketAddr) -> [Option<Arc<Owner>>; 2] {
        self.next += 1;
        let conn = ConnId(PacketNo(self.next));
        self.asks.send(Ask { conn, client, server, zone: Zone::default() }).unwrap();
        let mut found = [None, None];
        for _ in 0..2 {
            let Fact::Owned { conn: about, end, owner } = self.facts.recv().unwrap() else { panic!("an owner") };
            assert_eq!(about, conn);
            found[usize::from(end == server)] = owner;
        }
        found
    }
}

fn service(owner: &Option<Arc<Owner>>) -> &str {
    owner.as_ref().map_or("-", |owner| &owner.service)
}

fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// A program that says its port, ended with the test.
struct Server(Child, SocketAddr);

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap();
        Self(child, ([127, 0, 0, 1], port).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

const LISTEN: &str =
    "import socket, time\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\ntime.sleep(1000)";

#[test]
fn both_ends_of_a_connection_are_named_with_their_process() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("ledger-svc");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("main.py"), LISTEN).unwrap();
    let server = Server::start(Command::new("python3").arg("main.py").current_dir(&home));
    let client = TcpStream::connect(server.1).unwrap();
    let mut asker = Asker::start(Vec::new());
    let [us, them] = asker.ask(client.local_addr().unwrap(), server.1);
    let us = us.unwrap();
    assert_eq!((us.pid, us.origin), (Some(std::process::id()), Origin::Program));
    let them = them.unwrap();
    assert_eq!((&*them.service, them.origin, them.pid), ("ledger-svc", Origin::Script, Some(server.0.id())));
    let process = them.process.as_ref().unwrap();
    // a version manager may put its own path before it
    assert!(process.command.ends_with("python3 main.py"), "{}", process.command);
    assert_eq!(process.cwd.as_deref(), home.to_str());
    assert!(process.started.is_some());
    // a port of nobody, an address of nobody here
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = asker.ask(free, "192.0.2.7:80".parse().unwrap());
    assert_eq!((service(&found[0]), service(&found[1])), ("-", "-"));
}

#[test]
fn what_people_named_is_told() {
    let server = Server::start(Command::new("python3").args(["-c", LISTEN]).env("OTEL_SERVICE_NAME", "checkout"));
    let client = TcpStream::connect(server.1).unwrap();
    let mut asker = Asker::start(Vec::new());
    let [_, them] = asker.ask(client.local_addr().unwrap(), server.1);
    let them = them.unwrap();
    assert_eq!((&*them.service, them.origin), ("checkout", Origin::Environment));
}

#[test]
fn a_client_is_named_while_it_is_there_and_said_to_be_gone_afterwards() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let script = format!("import socket; s = socket.create_connection(('127.0.0.1', {})); s.recv(1)", at.port());
    let call = || {
        let child = Command::new("python3").args(["-c", &script]).spawn().unwrap();
        let (accepted, client) = listener.accept().unwrap();
        (child, accepted, client)
    };
    let end = |mut child: Child, accepted: TcpStream| {
        drop(accepted);
        child.wait().unwrap();
    };
    let mut asker = Asker::start(Vec::new());
    // a first question, so that the look through all processes is behind us
    let (a, _b) = pair(&listener);
    asker.ask(a.local_addr().unwrap(), at);

    let (child, accepted, client) = call();
    let [them, us] = asker.ask(client, at);
    assert_eq!((them.unwrap().pid, us.unwrap().pid), (Some(child.id()), Some(std::process::id())));
    end(child, accepted);

    for hinted in [true, false] {
        let (child, accepted, client) = call();
        let pid = child.id();
        if hinted {
            asker.hints.send(Hint { client, server: at, zone: Zone::default() }).unwrap();
            // hints are taken before questions
            asker.ask(a.local_addr().unwrap(), at);
        }
        end(child, accepted);
        let [them, us] = asker.ask(client, at);
        let known = |owner: &Arc<Owner>| owner.origin == Origin::Exited || (hinted && owner.pid == Some(pid));
        assert!(them.as_ref().is_none_or(known), "nobody else's name: {them:?}");
        assert_eq!(us.unwrap().pid, Some(std::process::id()), "the listener answers for the connection that is over");
    }
}

#[test]
fn a_port_that_is_used_again_is_its_new_owners() {
    let mut asker = Asker::start(Vec::new());
    let listen = LISTEN.replace("'127.0.0.1', 0", "'127.0.0.1', int(sys.argv[1])").replace("time\n", "time, sys\n");
    let folder = tempfile::tempdir().unwrap();
    for name in ["alpha.py", "beta.py"] {
        std::fs::write(folder.path().join(name), &listen).unwrap();
    }
    let run =
        |name: &str, port: u16| Server::start(Command::new("python3").args([name, &port.to_string()]).current_dir(folder.path()));
    let alpha = run("alpha.py", 0);
    let at = alpha.1;
    let client = TcpStream::connect(at).unwrap();
    let [_, them] = asker.ask(client.local_addr().unwrap(), at);
    assert_eq!(service(&them), "alpha");
    drop((alpha, client));
    let beta = run("beta.py", at.port());
    let client = TcpStream::connect(beta.1).unwrap();
    let [_, them] = asker.ask(client.local_addr().unwrap(), at);
    assert_eq!(service(&them), "beta");
}

#[cfg(target_os = "linux")]
#[test]
fn an_engine_names_the_addresses_of_its_containers_and_the_proxies_of_their_ports() {
    use super::super::containers::tests::{LIST, engine, whole};
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let mut asker = Asker::start(vec![engine(folder.path(), vec![whole(LIST); 2])]);
    let named = ["172.18.0.3", "fd00::3"].map(|address| Fact::Named {
        scope: Scope::Ip(address.parse().unwrap()),
        rank: Rank::System,
        service: "orders".into(),
    });
    assert_eq!([asker.facts.recv().unwrap(), asker.facts.recv().unwrap()], named);
    let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    // as Docker starts it for a port that is published
    let proxy = ["-c", LISTEN, "-container-ip", "172.18.0.3", "-container-port", "80"];
    let server = Server::start(Command::new(python.trim()).arg0("docker-proxy").args(proxy));
    let client = TcpStream::connect(server.1).unwrap();
    let [_, them] = asker.ask(client.local_addr().unwrap(), server.1);
    let them = them.unwrap();
    assert_eq!((&*them.service, them.origin, them.container.as_deref()), ("orders", Origin::Container, Some("shop-orders-1")));
}
