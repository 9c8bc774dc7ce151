//! The process as the system sees it: its rights, its rest, its end.

use super::program::{PATIENCE, Running, can_capture, lines, listened, meshtop};
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

/// What /proc says of a thread.
fn status<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim()
}

#[test]
fn each_thread_has_its_own_rights_alone() {
    if !can_capture("each_thread_has_its_own_rights_alone") {
        return;
    }
    let running = Running::start(meshtop().args(["-i", "lo", "-f", "tcp port 9", "--json"]));
    running.line();
    // capability(7): CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, for those that look into processes; CAP_NET_RAW; CAP_SYS_NICE
    let (names, capture, governing) = (1 << 2 | 1 << 19, 1 << 13, 1 << 23);
    let rights = |name| match name {
        "reader" => capture,
        "resolver" | "searcher" => names,
        "governor" => governing,
        _ => 0,
    };
    let mut all = vec!["meshtop", "containers", "engine", "reader", "resolver", "scout", "searcher", "signals", "worker"];
    // whoever may not set priorities has none
    if meshtop::privileges::may_govern() {
        all.insert(3, "governor");
    }
    let expected: Vec<_> = all.into_iter().map(|name| (name.to_owned(), rights(name), "1".to_owned())).collect();
    let enough = Instant::now() + PATIENCE;
    // threads start one after the other, and each gives its rights up first
    while threads(running.child.id()) != expected {
        assert!(Instant::now() < enough, "{:?}", threads(running.child.id()));
        std::thread::yield_now();
    }
}

#[test]
fn who_decodes_gives_way_to_what_is_watched_and_the_reader_does_not() {
    if !can_capture("who_decodes_gives_way_to_what_is_watched_and_the_reader_does_not") {
        return;
    }
    let running = Running::start(meshtop().args(["-i", "lo", "-f", "tcp port 9", "--json"]));
    running.line();
    let enough = Instant::now() + PATIENCE;
    let own = nice("self", |name| name != "engine" && name != "worker");
    let nice = |name: &str| nice(&running.child.id().to_string(), |other| other == name);
    while ["engine", "worker"].map(nice) != [own + 10; 2] {
        assert!(Instant::now() < enough, "{:?}", ["engine", "worker"].map(nice));
        std::thread::yield_now();
    }
    assert_eq!(nice("reader"), own);
}

/// The nice value of a process's first thread of such a name: the 19th field of its `stat` (proc_pid_stat(5)).
fn nice(pid: &str, is: impl Fn(&str) -> bool) -> i64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let of = |stat: &String| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        is(name).then(|| rest.split_whitespace().nth(16)?.parse().ok()).flatten()
    };
    stats.filter_map(|stat| of(&stat)).next().unwrap_or_default()
}

/// Name, effective capabilities and NoNewPrivs of each thread, the main one first.
fn threads(pid: u32) -> Vec<(String, u64, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let mut threads: Vec<_> = texts
        .map(|text| {
            let caps = u64::from_str_radix(status(&text, "CapEff:"), 16).unwrap();
            (status(&text, "Name:").to_owned(), caps, status(&text, "NoNewPrivs:").to_owned())
        })
        .collect();
    threads.sort_by_key(|(name, ..)| (name != "meshtop", name.clone()));
    threads
}

#[test]
fn a_signal_that_comes_twice_ends_it_once_and_well() {
    if !can_capture("a_signal_that_comes_twice_ends_it_once_and_well") {
        return;
    }
    let mut running = Running::start(meshtop().args(["-i", "lo", "-f", "tcp port 9", "--json"]));
    running.line();
    for _ in 0..2 {
        running.signal("TERM");
    }
    let last = std::iter::from_fn(|| running.line()).last().unwrap();
    assert_eq!(lines(last.as_bytes())[0]["type"], "stats");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_was_on_its_way_when_it_was_told_to_end_is_seen() {
    let Some((listener, running)) = listened("what_was_on_its_way_when_it_was_told_to_end_is_seen") else { return };
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"GET /last HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    running.signal("INT");
    let all: Vec<_> = std::iter::from_fn(|| running.line()).collect();
    let flows = lines(all.join("\n").as_bytes()).into_iter().filter(|record| record["type"] == "flow");
    let told: Vec<_> = flows.map(|flow| (flow["operation"].clone(), flow["status"].clone())).collect();
    assert_eq!(told, [("GET /last".into(), "204".into())]);
}

#[test]
fn at_rest_it_leaves_the_processor_alone() {
    if !can_capture("at_rest_it_leaves_the_processor_alone") {
        return;
    }
    // `times` prints what the shell's children used, of processor time: not how long they took
    let script = format!("{} -i lo -f 'tcp port 9' --json --duration 3s > /dev/null; times", env!("CARGO_BIN_EXE_meshtop"));
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let used: f64 = text.lines().last().unwrap().split_whitespace().map(seconds).sum();
    assert!(used < 1.0, "{used} s of 3 s: {text}");
}

/// `0m1.234s`
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}

#[test]
fn the_connections_of_now_are_not_looked_for_in_a_file() {
    let read = |ssh: &str| {
        let mut command = meshtop();
        let output = command.args(["-r", "assets/demo.pcapng", "--emit", "flow"]).env("SSH_CONNECTION", ssh).output().unwrap();
        output.stdout
    };
    // a connection of the recording
    assert_eq!(read("127.0.1.10 43993 127.0.1.11 8080"), read(""));
}
