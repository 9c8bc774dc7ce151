//! Other network namespaces, made for the test and removed by it: what is said inside them, once.

use super::program::{Running, lines, meshtop, run};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// Namespaces of one test, and interfaces of ours that go with it.
pub struct Lab {
    tag: String,
    namespaces: Vec<String>,
    links: Vec<String>,
}

impl Lab {
    /// None, said loudly, without the right to make namespaces.
    pub fn new(test: &str, letter: char) -> Option<Self> {
        let may = Command::new("unshare").args(["--net", "true"]).output().is_ok_and(|o| o.status.success());
        if !may {
            // not by eprintln, which the test runner keeps to itself
            let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: no right to make a network namespace; run it as root");
        }
        // short: an interface's name has 15 characters
        let tag = format!("mt{letter}{}", std::process::id());
        may.then(|| Self { tag, namespaces: Vec::new(), links: Vec::new() })
    }

    /// A namespace with its loopback up.
    pub fn namespace(&mut self, name: &str) -> String {
        let name = format!("{}{name}", self.tag);
        ip(&format!("netns add {name}"));
        self.namespaces.push(name.clone());
        ip(&format!("-n {name} link set lo up"));
        name
    }

    /// An interface of ours that is to go with the test.
    pub fn link(&mut self, name: &str) -> String {
        let name = format!("{}{name}", self.tag);
        self.links.push(name.clone());
        name
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for link in &self.links {
            let _ = Command::new("ip").args(["link", "delete", link]).status();
        }
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

pub fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// An interface in a namespace, up and with an address.
pub fn address(namespace: &str, interface: &str, address: &str) {
    ip(&format!("-n {namespace} address add {address}/24 dev {interface}"));
    ip(&format!("-n {namespace} link set {interface} up"));
}

/// A web server in a namespace, on all its addresses; `says` is its answer to everything.
fn serve(namespace: &str, says: &str) -> Running {
    let script = format!(
        "import http.server\n\
         class H(http.server.BaseHTTPRequestHandler):\n \
         def do_GET(self): self.send_response(200); self.send_header('content-length', '{}'); self.end_headers(); \
         self.wfile.write(b'{says}')\n \
         def log_message(self, *a): pass\n\
         s = http.server.ThreadingHTTPServer(('0.0.0.0', 8000), H)\n\
         print('ready', flush=True)\n\
         s.serve_forever()",
        says.len()
    );
    // ip(8) becomes the program, which has its number then
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "python3", "-c", &script]).env("OTEL_SERVICE_NAME", "shop");
    let server = Running::start(&mut command);
    assert_eq!(server.line().as_deref(), Some("ready"));
    server
}

/// Asks from inside a namespace; for the path `/loopback` always from the same port.
fn get(namespace: &str, url: &str) {
    let curl = ["netns", "exec", namespace, "curl", "-sS", "--noproxy", "*", "-o", "/dev/null", url];
    let port: &[&str] = if url.ends_with("/loopback") { &["--local-port", "47000"] } else { &[] };
    let output = Command::new("ip").args(curl).args(port).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Starts the program, and returns once it captures.
fn watch(arguments: &[&str]) -> Running {
    let all = [arguments, &["--json", "--emit", "meta,flow,stats"]].concat();
    let live = Running::start(meshtop().args(all).stderr(Stdio::piped()));
    live.line().expect("the first line");
    live
}

/// Ends it; all flows.
fn flows(mut live: Running, mut seen: Vec<String>) -> Vec<Value> {
    live.signal("INT");
    seen.extend(std::iter::from_fn(|| live.line()));
    assert_eq!(super::program::text(live.child.stderr.take().unwrap()), "");
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
    let mut flows = lines(seen.join("\n").as_bytes());
    flows.retain(|line| line["type"] == "flow");
    flows
}

fn sources(flow: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = flow["sources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// The flows of one path.
fn of<'a>(flows: &'a [Value], path: &str) -> Vec<&'a Value> {
    flows.iter().filter(|flow| flow["operation"] == format!("GET {path}")).collect()
}

#[test]
fn what_crosses_two_namespaces_is_one_and_their_loopbacks_stay_apart() {
    let Some(mut lab) = Lab::new("what_crosses_two_namespaces_is_one_and_their_loopbacks_stay_apart", 'a') else { return };
    let (a, b) = (lab.namespace("a"), lab.namespace("b"));
    ip(&format!("link add eth0 netns {a} type veth peer name eth0 netns {b}"));
    address(&a, "eth0", "10.251.1.1");
    address(&b, "eth0", "10.251.1.2");
    let servers = [serve(&a, "a"), serve(&b, "bb")];
    let live = watch(&["--netns", &a, "--netns", &b]);
    // how soon a process is found is the machine's; whose a connection is, is ours
    let mut seen: Vec<String> = Vec::new();
    for namespace in [&a, &b] {
        let mut named = false;
        while !named {
            get(namespace, "http://127.0.0.1:8000/who");
            let flow = live.line().expect("it goes on");
            named = flow.contains("\"shop\"");
            seen.push(flow);
        }
    }
    get(&b, "http://10.251.1.1:8000/between");
    get(&a, "http://127.0.0.1:8000/loopback");
    get(&b, "http://127.0.0.1:8000/loopback");
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/host", here.local_addr().unwrap());
    let mut curl = Command::new("curl").args(["-s", "--noproxy", "*", "--max-time", "60", &url]).spawn().unwrap();
    let (mut stream, _) = here.accept().unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    drop(stream);
    curl.wait().unwrap();
    get(&b, "http://10.251.1.1:8000/last");
    while !seen.iter().any(|line| line.contains("GET /last")) {
        seen.push(live.line().expect("it goes on"));
    }
    let flows = flows(live, seen);
    let between = of(&flows, "/between");
    assert_eq!(between.len(), 1, "{flows:#?}");
    assert_eq!(sources(between[0]), [format!("eth0@{a}"), format!("eth0@{b}")]);
    // each on its own loopback, and the one across: whose it is
    let is = |flow: &Value, server: &Running| {
        let pid = &flow["server"]["pid"];
        flow["server"]["service"] == "shop" && (pid.is_null() || *pid == server.child.id())
    };
    assert!(is(between[0], &servers[0]), "{}", between[0]);
    let loopbacks = of(&flows, "/loopback");
    for flow in &loopbacks {
        let other = usize::from(sources(flow) == [format!("lo@{b}")]);
        assert!(is(flow, &servers[other]), "{flow}");
    }
    let mut answers: Vec<_> = loopbacks.iter().map(|flow| (sources(flow), flow["response"]["bytes"].as_u64())).collect();
    answers.sort();
    let (lo_a, lo_b) = (format!("lo@{a}"), format!("lo@{b}"));
    assert_eq!(answers, [(vec![lo_a.as_str()], Some(1)), (vec![lo_b.as_str()], Some(2))]);
    assert_eq!(of(&flows, "/host"), Vec::<&Value>::new(), "our own loopback was not asked for");
}

#[test]
fn a_packet_on_cable_bridge_and_inside_is_one_and_a_namespace_that_comes_up_is_captured_in() {
    let name = "a_packet_on_cable_bridge_and_inside_is_one_and_a_namespace_that_comes_up_is_captured_in";
    let Some(mut lab) = Lab::new(name, 'b') else { return };
    let bridge = lab.link("br");
    ip(&format!("link add {bridge} type bridge"));
    ip(&format!("address add 10.251.2.254/24 dev {bridge}"));
    ip(&format!("link set {bridge} up"));
    let mut container = |n: u8| {
        let namespace = lab.namespace(&n.to_string());
        let cable = lab.link(&format!("v{n}"));
        ip(&format!("link add {cable} type veth peer name eth0 netns {namespace}"));
        ip(&format!("link set {cable} master {bridge}"));
        ip(&format!("link set {cable} up"));
        address(&namespace, "eth0", &format!("10.251.2.{n}"));
        (namespace, cable)
    };
    let (a, cable_a) = container(1);
    let _server = serve(&a, "a");
    let live = watch(&["--all-netns", "-i", &bridge, "-i", &cable_a, "-f", "net 10.251.2.0/24"]);
    let (b, _) = container(2);
    let mut seen: Vec<String> = Vec::new();
    let inside = format!("\"eth0@{b}\"");
    // until it has found the new one, whose packets then are among those of the others
    while !seen.iter().any(|line| line.contains(&inside)) {
        get(&b, "http://10.251.2.1:8000/again");
        let flow = live.line().expect("it goes on");
        assert!(flow.contains("GET /again"), "{flow}");
        seen.push(flow);
    }
    let asked = seen.len();
    let flows = flows(live, seen);
    assert_eq!(flows.len(), asked, "each once");
    assert_eq!(sources(&flows[asked - 1]), [format!("eth0@{a}"), format!("eth0@{b}"), bridge, cable_a]);
    assert_eq!(flows[0]["response"]["bytes"].as_u64(), Some(1));
}

#[test]
fn a_namespace_that_is_not_there_or_not_ours_to_enter_is_told() {
    let Some(mut lab) = Lab::new("a_namespace_that_is_not_there_or_not_ours_to_enter_is_told", 'c') else { return };
    let there = lab.namespace("a");
    let output = run(&["--netns", "no-such"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told.starts_with("meshtop: no network namespace no-such; there are: ") && told.contains(&there), "{told}");
    assert_eq!(told.lines().count(), 1);
    // without the right to enter, and with the one to capture
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", env!("CARGO_BIN_EXE_meshtop"), "--netns", &there]);
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    let expected = "meshtop: no right to enter other network namespaces: run `sudo setcap cap_net_raw,cap_sys_admin";
    assert!(told.starts_with(expected), "{told}");
}
