//! Containers, as far as they show: control groups, network namespaces on a bridge, and an engine that answers as Docker's API does.

use super::netns::{Lab, address, ip};
use super::program::{Running, lines, meshtop, text};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The engine: the list of running containers at its place, and for all else what the API says of it.
const ENGINE: &str = r#"
import http.server, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'Docker/28.2.2 (linux)'
    def do_GET(self):
        there = self.path == '/containers/json'
        body = open(sys.argv[2], 'rb').read() if there else b'{"message":"page not found"}\n'
        self.send_response(200 if there else 404)
        self.send_header('Api-Version', '1.50')
        self.send_header('Content-Type', 'application/json')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        for chunk in (body[:99], body[99:], b''):
            self.wfile.write(b'%x\r\n%s\r\n' % (len(chunk), chunk))
    def log_message(self, *a): pass
class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
with Engine(sys.argv[1], Handler) as engine:
    print('ready', flush=True)
    engine.serve_forever()
"#;
const SERVER: &str = "\
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(204); self.end_headers()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('0.0.0.0', 8000), H)
print('ready', flush=True)
s.serve_forever()
";

/// A container of the shop, as `GET /containers/json` has it.
fn listed(id: &str, service: &str, ip: &str) -> Value {
    json!({
        "Id": id, "Names": [format!("/shop-{service}-1")], "Image": "shop", "Command": "python3 -c …", "State": "running",
        "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": service},
        "HostConfig": {"NetworkMode": "shop_default"},
        "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": ip, "IPPrefixLen": 24, "GlobalIPv6Address": ""}}},
        "Mounts": []
    })
}

/// A control group, as Docker makes one for a container; removed with the test, whose processes have ended then.
struct Group(PathBuf);

impl Group {
    /// None, said loudly, where we may not make one.
    fn of(id: &str) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let tree = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).and_then(|line| line.split(' ').nth(1));
        let path = Path::new(tree.unwrap_or("/sys/fs/cgroup")).join("docker").join(id);
        let made = std::fs::create_dir_all(&path).is_ok() && path.join("cgroup.procs").exists();
        if !made {
            let _ = writeln!(std::io::stderr(), "\nSKIPPED a part: no right to make a control group");
        }
        made.then(|| Self(path))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // a process that was killed leaves it a moment later; the folder above may be another test's too
        while std::fs::remove_dir(&self.0).is_err_and(|e| e.kind() == std::io::ErrorKind::ResourceBusy) {
            std::thread::yield_now();
        }
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

/// Runs a program in a network namespace, and in a control group where there is one.
fn inside(namespace: &str, group: Option<&Group>, program: &[&str]) -> Command {
    let enter = r#"[ -z "$0" ] || echo $$ > "$0/cgroup.procs"; exec "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", enter]).arg(group.map_or(Path::new(""), |group| &group.0));
    command.args(["ip", "netns", "exec", namespace]).args(program);
    command
}

#[test]
fn containers_are_called_by_what_their_engine_calls_them() {
    let Some(mut lab) = Lab::new("containers_are_called_by_what_their_engine_calls_them", 'd') else { return };
    let folder = tempfile::tempdir().unwrap();
    let bridge = lab.link("br");
    ip(&format!("link add {bridge} type bridge"));
    ip(&format!("address add 10.251.3.254/24 dev {bridge}"));
    ip(&format!("link set {bridge} up"));
    let [orders, gateway] = [1, 2].map(|n| {
        let (namespace, cable) = (lab.namespace(&n.to_string()), lab.link(&format!("v{n}")));
        ip(&format!("link add {cable} type veth peer name eth0 netns {namespace}"));
        ip(&format!("link set {cable} master {bridge}"));
        ip(&format!("link set {cable} up"));
        address(&namespace, "eth0", &format!("10.251.3.{n}"));
        namespace
    });
    let ids = [1, 2].map(|n: u32| format!("{:064x}", u64::from(std::process::id()) << 8 | u64::from(n)));
    let groups = [0, 1].map(|n| Group::of(&ids[n]));
    let list = json!([listed(&ids[0], "orders", "10.251.3.1"), listed(&ids[1], "gateway", "10.251.3.2")]);
    std::fs::write(folder.path().join("list.json"), list.to_string()).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (socket, json) = (at("docker.sock"), at("list.json"));
    let engine = Running::start(Command::new("python3").args(["-c", ENGINE, &socket, &json]));
    let server = Running::start(&mut inside(&orders, groups[0].as_ref(), &["python3", "-c", SERVER]));
    assert_eq!([engine.line().as_deref(), server.line().as_deref()], [Some("ready"); 2]);

    let watch = |more: &[&str], contained: bool| {
        let start = ["-i", &bridge, "-f", "net 10.251.3.0/24", "--json", "--emit", "meta,flow"];
        let mut command = meshtop();
        command.args([&start, more].concat()).env("DOCKER_HOST", format!("unix://{socket}")).stderr(Stdio::piped());
        let mut live = Running::start(&mut command);
        live.line().expect("the first line");
        // until the engine was asked and all is as it stays
        let mut found = Value::Null;
        while found["client"]["service"] != "gateway" || contained && found["server"]["container"].is_null() {
            let curl = ["curl", "-sS", "--noproxy", "*", "http://10.251.3.1:8000/order"];
            assert!(inside(&gateway, groups[1].as_ref(), &curl).status().unwrap().success());
            found = lines(live.line().expect("it goes on").as_bytes()).remove(0);
        }
        live.signal("INT");
        while live.line().is_some() {}
        assert_eq!(text(live.child.stderr.take().unwrap()), "");
        found
    };
    let seen = watch(&[], false);
    let parties = |flow: &Value| [flow["client"]["service"].clone(), flow["server"]["service"].clone()];
    assert_eq!(parties(&seen), ["gateway", "orders"], "by their addresses, from outside");
    assert!(seen["server"]["pid"].is_null(), "{seen}");
    if groups.iter().all(Option::is_some) {
        let seen = watch(&["--netns", &orders, "--netns", &gateway], true);
        assert_eq!(parties(&seen), ["gateway", "orders"]);
        assert_eq!(seen["server"]["container"], "shop-orders-1");
        assert_eq!(seen["server"]["pid"], server.child.id());
    }

    let mut doctor = meshtop();
    let told = doctor.arg("doctor").env("DOCKER_HOST", format!("unix://{socket}")).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(&format!("✓ {socket}: 2 containers running")), "{told}");
    let spaces = told.split("\n\n").find(|part| part.starts_with("Network namespaces")).unwrap();
    assert!(spaces.contains(&orders) && spaces.contains(&gateway), "by the names that --netns takes: {told}");
    let headings = told.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect::<Vec<_>>();
    assert_eq!(headings, ["Rights", "Interfaces", "Network namespaces", "Containers", "Names", "Descriptors"]);
}
