//! What is left of root after the interfaces are open, thread by thread. A program of its own and not of the test harness,
//! because privileges are given up before there is a second thread.

use meshtop::model::{Packets, SourceNews};
use meshtop::priority;
use meshtop::privileges::{Keep, drop_after_opening, drop_the_rest, invoking_user, keep_for_capture, keep_for_names, may_govern};
use meshtop::source::Source;
use meshtop::source::live::{Live, Options};
use meshtop::source::netns::Wanted;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

/// Far longer than anything here takes: only a failure waits so long.
const GENEROUS: Duration = Duration::from_secs(60);
/// Set in the process that gives up its privileges.
const CHILD: &str = "MESHTOP_TEST_PRIVILEGES";

fn main() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    // How cargo-nextest asks what there is.
    if std::env::args().any(|a| a == "--list") {
        if !std::env::args().any(|a| a == "--ignored") {
            println!("privileges: test");
        }
        return;
    }
    let root = Command::new("unshare").args(["--net", "true"]).output();
    if !root.is_ok_and(|o| o.status.success()) {
        // Nothing to give up: that must be harmless.
        drop_after_opening(Keep::Capture).unwrap();
        drop_the_rest().unwrap();
        println!("no right to make a network namespace: only that giving up nothing is harmless was checked");
        return;
    }
    // Under sudo of a user who is not in the table of users; and root itself.
    let sudo = [("SUDO_UID", "54321"), ("SUDO_GID", "54322")];
    check(&sudo, "54321", "54322");
    check(&[], "0", "0");
    // With other network namespaces to find and enter, one thread more may do just that.
    check(&[&sudo[..], &[(NAMESPACES, "1")]].concat(), "54321", "54322");
    println!("privileges: ok");
}

/// Set where other network namespaces are captured in.
const NAMESPACES: &str = "MESHTOP_TEST_NAMESPACES";

/// Runs the child in a network namespace of its own, makes an interface there once it has given up its rights, and compares.
fn check(env: &[(&str, &str)], uid: &str, gid: &str) {
    let mut child = Command::new("unshare")
        .arg("--net")
        .arg(std::env::current_exe().unwrap())
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .env(CHILD, "1")
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut text = String::new();
        lines.read_line(&mut text).unwrap();
        text.trim_end().to_owned()
    };
    assert_eq!(line(), "dropped");
    let namespace = child.id().to_string();
    let ip = |arguments: &str| {
        let all = ["--target", &namespace, "--net", "ip"].into_iter().chain(arguments.split(' '));
        assert!(Command::new("nsenter").args(all).status().unwrap().success(), "ip {arguments}");
    };
    ip("link add docker9 type bridge");
    ip("address add 10.250.9.1/24 dev docker9");
    ip("link add veth9 type veth peer name peer9");
    ip("link set veth9 master docker9");
    ip("link set peer9 up");
    ip("link set veth9 up");
    ip("link set docker9 up");
    assert_eq!(line(), "captured", "on an interface that came up later");
    let net_raw = format!("{:016x}", 1u64 << 13);
    let none = format!("{:016x}", 0);
    // capability(7): CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE
    let names = format!("{:016x}", 1u64 << 2 | 1 << 19);
    let entering = format!("{:016x}", 1u64 << 13 | 1 << 19 | 1 << 21);
    let namespaces = env.iter().any(|(name, _)| *name == NAMESPACES).then_some(("namespaces", &entering));
    // capability(7): CAP_SYS_NICE, where whoever runs the tests has it
    let governing = format!("{:016x}", 1u64 << 23);
    let governor = may_govern().then_some(("governor", &governing));
    let threads = [("main", &none), ("reader", &net_raw), ("resolver", &names), ("worker", &none)];
    for (thread, capabilities) in threads.into_iter().chain(governor).chain(namespaces) {
        let expected = format!(
            "{thread}: Uid {uid} {uid} {uid} {uid} Gid {gid} {gid} {gid} {gid} CapInh {none} CapPrm {capabilities} \
             CapEff {capabilities} CapBnd {none} CapAmb {none} NoNewPrivs 1"
        );
        assert_eq!(line(), expected);
    }
    assert_eq!(line(), if uid == "0" { "groups unchanged" } else { "groups 54322" });
    assert_eq!(line(), "file written");
    assert_eq!(line(), "no way back");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// What `main` does, in its order, and then what is left.
fn child() {
    let all = std::env::var_os(NAMESPACES).is_some();
    let mut live = Live::open(Options { namespaces: Wanted { named: vec![], all }, ..Options::default() }).unwrap();
    let mut before = tempfile::tempfile().unwrap();
    let sudo = invoking_user();
    drop_after_opening(if all { Keep::Namespaces } else { Keep::Capture }).unwrap();
    let (tell, told) = channel();
    let (stop, stopped) = channel::<()>();
    let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let governs = may_govern();
    priority::look_after().unwrap();
    let keeper = live.keeper().map(|keeper| named("namespaces").spawn(keeper).unwrap());
    let (stop_resolver, resolver_stopped) = channel::<()>();
    let (resolves, resolving) = channel();
    let resolver = named("resolver").spawn(move || {
        keep_for_names().unwrap();
        resolves.send(()).unwrap();
        let _ = resolver_stopped.recv();
    });
    resolving.recv().unwrap();
    let reader = named("reader").spawn(move || {
        keep_for_capture().unwrap();
        capture_later_interface(&mut live);
        tell.send(()).unwrap();
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            live.fill(&mut Packets::default()).unwrap();
        }
    });
    drop_the_rest().unwrap();
    let (stop_worker, worker_stopped) = channel::<()>();
    let (start, started) = channel();
    let worker = named("worker").spawn(move || {
        start.send(()).unwrap();
        let _ = worker_stopped.recv();
    });
    started.recv().unwrap();
    println!("dropped");
    told.recv().unwrap();
    println!("captured");

    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|t| t.unwrap().path().join("status"));
    let tasks: Vec<BTreeMap<String, String>> = tasks.map(|path| status(&std::fs::read_to_string(path).unwrap())).collect();
    let main = std::process::id().to_string();
    let names = ["main", "reader", "resolver", "worker"].into_iter().chain(governs.then_some("governor"));
    let names: Vec<&str> = names.chain(all.then_some("namespaces")).collect();
    for name in &names {
        let is = |t: &&BTreeMap<String, String>| if *name == "main" { t["Pid"] == main } else { t["Name"] == *name };
        let task = tasks.iter().find(is).unwrap();
        let keys = ["Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"];
        println!("{name}: {}", keys.map(|k| format!("{k} {}", task[k])).join(" "));
    }
    assert_eq!(tasks.len(), names.len());
    let groups = &tasks[0]["Groups"];
    println!("groups {}", if sudo.is_some() { groups } else { "unchanged" });

    before.write_all(b"x").unwrap();
    println!("file written");
    assert_eq!(Live::open(Options::default()).err().unwrap().exit_code(), 3, "only the reader may");
    assert_eq!(Live::open(Options { interfaces: vec!["any".into()], ..Options::default() }).err().unwrap().exit_code(), 3);
    let started = Command::new("cat").arg("/proc/self/status").output().unwrap();
    let started = status(&String::from_utf8(started.stdout).unwrap());
    assert_eq!((started["CapEff"].as_str(), started["NoNewPrivs"].as_str()), ("0000000000000000", "1"));
    println!("no way back");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop((stop, stop_worker, stop_resolver));
    reader.unwrap().join().unwrap();
    resolver.unwrap().join().unwrap();
    worker.unwrap().join().unwrap();
    // it ends with the capture
    keeper.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Reads until a packet came over a bridge that was not there when the capture was opened.
fn capture_later_interface(live: &mut Live) {
    let start = Instant::now();
    let mut out = Packets::default();
    let mut bridge = None;
    while !out.list.iter().any(|p| Some(p.source) == bridge) {
        assert!(start.elapsed() < GENEROUS, "it does not come: {:?}", out.news);
        live.fill(&mut out).unwrap();
        let opened =
            |n: &SourceNews| if let SourceNews::Opened(id, name) = n { (&**name == "docker9").then_some(*id) } else { None };
        if let Some(id) = out.news.iter().find_map(opened)
            && bridge.is_none()
        {
            bridge = Some(id);
            // Whether anybody answers does not matter: the question goes over the bridge.
            UdpSocket::bind("10.250.9.1:0").unwrap().send_to(b"x", "10.250.9.2:9").unwrap();
        }
    }
}

/// The lines of a `/proc/…/status`, with one blank between words.
fn status(text: &str) -> BTreeMap<String, String> {
    let line = |l: &str| {
        let (key, value) = l.split_once(':')?;
        Some((key.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    text.lines().filter_map(line).collect()
}
