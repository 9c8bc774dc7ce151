//! Real sockets and processes, and an engine that tells of containers late.

use super::*;
use crate::model::{Origin, PacketNo};
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

    /// What is found out about both ends of a TCP connection.
    fn ask(&mut self, client: SocketAddr, server: SocketAddr) -> [Option<Arc<Owner>>; 2] {
        self.ask_by(Transport::Stream, client, server)
    }

    fn ask_by(&mut self, transport: Transport, client: SocketAddr, server: SocketAddr) -> [Option<Arc<Owner>>; 2] {
        self.next += 1;
        let conn = ConnId(PacketNo(self.next));
        self.asks.send(Ask { conn, client, server, transport, zone: Zone::default() }).unwrap();
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
        let known = |owner: &Arc<Owner>| owner.origin == Origin::Exited || owner.pid == Some(pid);
        if hinted {
            assert!(them.as_ref().is_some_and(known), "nobody else's name, but one: {them:?}");
        } else {
            assert_eq!(them, None, "nobody looked while it was there");
        }
        assert_eq!(us.unwrap().pid, Some(std::process::id()), "the listener answers for the connection that is over");
    }
}

#[test]
fn a_udp_socket_is_its_own_and_not_that_of_whoever_has_the_port_by_tcp() {
    let script = "import socket, time\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 0))\n\
        print(s.getsockname()[1], flush=True)\ntime.sleep(1000)";
    let server = Server::start(Command::new("python3").args(["-c", script]).env("OTEL_SERVICE_NAME", "udp-dns"));
    let _tcp = TcpListener::bind(server.1).unwrap();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut asker = Asker::start(Vec::new());
    let [us, them] = asker.ask_by(Transport::Datagram, client.local_addr().unwrap(), server.1);
    assert_eq!((us.unwrap().pid, service(&them)), (Some(std::process::id()), "udp-dns"));
    let at = server.1;
    drop(server);
    let [_, nobody] = asker.ask_by(Transport::Datagram, client.local_addr().unwrap(), at);
    assert_eq!(service(&nobody), "-");
}

/// A socket that no process has among its files: it is on its way through another one (unix(7)), which holds it.
#[cfg(target_os = "linux")]
fn on_its_way(socket: TcpStream) -> [std::os::unix::net::UnixStream; 2] {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::os::fd::AsFd;
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut buffer = SendAncillaryBuffer::new(&mut space);
    let files = [socket.as_fd()];
    assert!(buffer.push(SendAncillaryMessage::ScmRights(&files)));
    sendmsg(&a, &[io::IoSlice::new(b"x")], &mut buffer, SendFlags::empty()).unwrap();
    [a, b]
}

#[cfg(target_os = "linux")]
#[test]
fn whose_socket_it_was_is_said_and_that_a_process_has_exited_where_one_has() {
    let mut asker = Asker::start(Vec::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (known, _known) = pair(&listener);
    let uid = privileges::own_uid();
    // a busy machine may have begun other processes since
    loop {
        let (client, _accepted) = pair(&listener);
        let from = client.local_addr().unwrap();
        let held = on_its_way(client);
        // it comes and goes before anybody can look at it
        Command::new("true").status().unwrap();
        asker.hints.send(Hint { client: from, server: at, zone: Zone::default() }).unwrap();
        // hints are taken before questions
        asker.ask(known.local_addr().unwrap(), at);
        drop(held);
        let [them, _] = asker.ask(from, at);
        let owner = them.unwrap();
        assert_eq!((owner.origin, owner.pid), (Origin::Exited, None));
        if *owner.service == *format!("uid {uid}, exited") {
            break;
        }
        assert_eq!(*owner.service, *format!("uid {uid}, closed"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_namespace_that_was_told_of_is_known_before_anybody_asks_about_it() {
    use rustix::net::{AddressFamily, SocketType, netlink};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (client, _accepted) = pair(&listener);
    // whichever is taken first of what waits
    for n in 0..16 {
        let ((asks, asked), (zone, zones), (told, facts)) = (bounded(1), bounded(1), unbounded());
        // one of our own: its loopback is asked about in it alone
        let diag = rustix::net::socket(AddressFamily::NETLINK, SocketType::DGRAM, Some(netlink::SOCK_DIAG)).unwrap();
        zone.send((Zone(n + 1), Some(diag))).unwrap();
        let (client, server) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
        let (conn, transport) = (ConnId(PacketNo(1)), Transport::Stream);
        asks.send(Ask { conn, client, server, transport, zone: Zone(n + 1) }).unwrap();
        let tell = Box::new(move |fact| drop(told.send(fact)));
        start(Options { asks: asked, hints: never(), zones, engines: Vec::new(), tell }).unwrap();
        for _ in 0..2 {
            let Fact::Owned { owner, .. } = facts.recv().unwrap() else { panic!("an owner") };
            assert_eq!(owner.unwrap().pid, Some(std::process::id()));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_in_a_pod_is_called_as_its_container() {
    if !Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("no right to mount: this is not run");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // as the kubelet mounts it
    let mounted = folder.path().join("pods/6fd1-9c/containers/orders/4f2a11");
    std::fs::create_dir_all(mounted.parent().unwrap()).unwrap();
    let log = folder.path().join("termination-log");
    for file in [&mounted, &log] {
        std::fs::write(file, "").unwrap();
    }
    let script = "mount --bind \"$1\" \"$2\" && exec python3 -c \"$3\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).args([&mounted, &log]).arg(LISTEN);
    let server = Server::start(command.env("KUBERNETES_SERVICE_HOST", "10.96.0.1").env("HOSTNAME", "orders-6f9c"));
    let client = TcpStream::connect(server.1).unwrap();
    let [_, them] = Asker::start(Vec::new()).ask(client.local_addr().unwrap(), server.1);
    let them = them.unwrap();
    assert_eq!((&*them.service, them.origin, them.container.as_deref()), ("orders", Origin::Pod, Some("orders-6f9c/orders")));
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

#[cfg(target_os = "linux")]
mod workers;
