//! Servers of several processes: real ones, each of which answers with its number.

use super::*;
use std::io::Read;
use std::time::Duration;

/// Three workers that take connections at one port, after a parent that may hold the socket and takes none. Each says its number, and closes
/// after it was told to, or at once where it was told so beforehand.
const WORKERS: &str = "import os, signal, socket, sys, threading, time\n\
    def opened(port):\n    \
        s = socket.socket()\n    \
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n    \
        s.bind(('127.0.0.1', port))\n    \
        return s\n\
    how, brief = sys.argv[1], len(sys.argv) > 2\n\
    first = opened(0)\n\
    port = first.getsockname()[1]\n\
    if how == 'fork': first.listen(64)\n\
    def told(c):\n    \
        c.sendall(b'%d\\n' % os.getpid())\n    \
        if not brief: c.recv(1)\n    \
        c.close()\n\
    def work():\n    \
        s = first\n    \
        if how == 'reuse': s = opened(port); s.listen(64)\n    \
        while True: threading.Thread(target=told, args=(s.accept()[0],)).start()\n\
    parent = os.getppid()\n\
    for _ in range(3):\n    \
        if not os.fork():\n        \
            threading.Thread(target=work, daemon=True).start()\n        \
            while os.getppid() != 1 and os.path.exists(f'/proc/{parent}'): time.sleep(.05)\n        \
            os._exit(0)\n\
    time.sleep(.3)\n\
    print(port, flush=True)\n\
    time.sleep(1000)";

fn workers(how: &str) -> Server {
    Server::start(Command::new("python3").args(["-c", WORKERS]).args(how.split(' ')).env("OTEL_SERVICE_NAME", "shop"))
}

/// Calls, and says which process answered.
fn call(at: SocketAddr) -> (TcpStream, u32) {
    let stream = TcpStream::connect(at).unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    (stream, line.trim().parse().unwrap())
}

#[test]
fn of_several_workers_the_one_is_told_that_accepted() {
    for how in ["fork", "reuse"] {
        for early in [true, false] {
            let mut asker = early.then(|| Asker::start(Vec::new()));
            // one that watches from before has looked at all processes
            std::thread::sleep(Duration::from_millis(if early { 200 } else { 0 }));
            let server = workers(how);
            let asker = asker.get_or_insert_with(|| Asker::start(Vec::new()));
            let calls: Vec<_> = (0..12).map(|_| call(server.1)).collect();
            let mut answered: Vec<u32> = calls.iter().map(|(_, pid)| *pid).collect();
            for (stream, pid) in &calls {
                let [_, them] = asker.ask(stream.local_addr().unwrap(), server.1);
                let them = them.unwrap();
                assert_eq!((&*them.service, them.pid), ("shop", Some(*pid)), "{how}");
            }
            answered.sort_unstable();
            answered.dedup();
            assert!(answered.len() > 1 && !answered.contains(&server.0.id()), "{how}: {answered:?}");
        }
    }
}

#[test]
fn of_a_connection_that_is_gone_any_worker_may_have_accepted_the_service_alone_is_told() {
    for how in ["fork brief", "reuse brief"] {
        let server = workers(how);
        let mut asker = Asker::start(Vec::new());
        for _ in 0..4 {
            let (mut stream, _) = call(server.1);
            let from = stream.local_addr().unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it has closed");
            let [_, them] = asker.ask(from, server.1);
            let them = them.unwrap();
            assert_eq!((&*them.service, them.pid), ("shop", None), "{how}");
            assert_eq!(them.process.as_ref().unwrap().started, None);
        }
    }
}

#[test]
fn a_parent_alone_accepts_where_its_children_hold_its_socket_no_longer() {
    let server = workers("fork brief");
    let mut asker = Asker::start(Vec::new());
    let (stream, _) = call(server.1);
    asker.ask(stream.local_addr().unwrap(), server.1);
    // its children are its own: without them the socket is its own again, as far as it is still held by it alone
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.0.id())).unwrap();
    for child in children.split_ascii_whitespace() {
        Command::new("kill").args(["-9", child]).status().unwrap();
    }
    let enough = Instant::now() + Duration::from_secs(20);
    loop {
        let waiting = TcpStream::connect(server.1).unwrap();
        let [_, them] = asker.ask(waiting.local_addr().unwrap(), server.1);
        let them = them.unwrap();
        assert_eq!(&*them.service, "shop");
        if them.pid == Some(server.0.id()) {
            break;
        }
        assert!(Instant::now() < enough, "{them:?}");
    }
}

/// For each connection it forks a process, which closes the socket that takes them after a while, if not at once.
const FORKS: &str = "import os, signal, socket, time\n\
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
    s = socket.create_server(('127.0.0.1', 0))\n\
    print(s.getsockname()[1], flush=True)\n\
    while True:\n    \
        c, _ = s.accept()\n    \
        if not os.fork():\n        \
            time.sleep(.03); s.close(); c.recv(1); os._exit(0)\n    \
        c.close()\n";

#[test]
fn of_a_server_that_forks_for_each_connection_it_is_the_one_that_accepts() {
    let server = Server::start(Command::new("python3").args(["-c", FORKS]).env("OTEL_SERVICE_NAME", "db"));
    let mut asker = Asker::start(Vec::new());
    for n in 0..20 {
        let stream = TcpStream::connect(server.1).unwrap();
        std::thread::sleep(Duration::from_millis(n));
        let [_, them] = asker.ask(stream.local_addr().unwrap(), server.1);
        let them = them.unwrap();
        assert_eq!((&*them.service, them.pid), ("db", Some(server.0.id())));
    }
}
