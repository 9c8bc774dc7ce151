//! Real capture, on the loopback of this machine or of a network namespace made for one test. Without the right to capture the
//! tests say so and check the error instead.

use super::*;
use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

/// Far longer than anything here takes: only a failure waits so long.
const GENEROUS: Duration = Duration::from_secs(60);
/// Set in a process that a test started, to do its part elsewhere.
const ELSEWHERE: &str = "MESHTOP_TEST_ELSEWHERE";

fn on(interfaces: &[&str], filter: &str) -> Options {
    let interfaces = interfaces.iter().map(|&s| s.to_owned()).collect();
    Options { interfaces, filter: Some(filter.to_owned()), ..Options::default() }
}

/// None without the right to capture.
fn open(options: Options) -> Option<Live> {
    match Live::open(options) {
        Ok(live) => Some(live),
        Err(e @ LiveError::Denied { .. }) => {
            eprintln!("no right to capture here, so only the refusal is checked: {e}");
            assert_eq!(e.exit_code(), 3);
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// Reads until `done`, which sees all that came so far.
fn read_until(live: &mut Live, out: &mut Packets, mut done: impl FnMut(&Packets) -> bool) {
    let start = Instant::now();
    while !done(out) {
        assert!(start.elapsed() < GENEROUS, "it does not come: {} packets, {:?}", out.list.len(), out.news);
        live.fill(out).unwrap();
    }
}

fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// The UDP payloads on an ethernet-like loopback: 14 bytes of link, 20 of IPv4, 8 of UDP.
fn payloads(out: &Packets) -> Vec<&[u8]> {
    out.list.iter().filter_map(|p| out.bytes(p).get(42..)).collect()
}

/// Runs one test of this binary by another program.
fn run_by(program: &[&str], test: &str) {
    let status = Command::new(program[0])
        .args(&program[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("source::live::tests::{test}"), "--nocapture", "--test-threads=1"])
        .env(ELSEWHERE, "1")
        .status();
    assert!(status.unwrap().success(), "{test} by {program:?}");
}

/// Whether we are in a network namespace of our own by now. From outside it runs the test in one.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(ELSEWHERE).is_some() {
        return true;
    }
    match Command::new("unshare").args(["--net", "true"]).output() {
        Ok(output) if output.status.success() => run_by(&["unshare", "--net"], test),
        _ => eprintln!("no right to make a network namespace: {test} is not run"),
    }
    false
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

#[test]
fn every_datagram_of_a_burst_is_captured_once_or_counted_as_dropped() {
    const SENT: u32 = 20_000;
    let (to, from) = (udp(), udp());
    let address = to.local_addr().unwrap();
    let Some(mut live) = open(on(&["lo"], &format!("udp dst port {}", address.port()))) else { return };
    let sender = std::thread::spawn(move || {
        for n in 0..SENT {
            while from.send_to(&n.to_be_bytes(), address).is_err() {}
        }
    });
    let mut out = Packets::starting_at(crate::model::PacketNo(1));
    let dropped = |out: &Packets| -> u64 {
        let drops = |news: &SourceNews| if let SourceNews::KernelDrops(_, n) = news { Some(*n) } else { None };
        out.news.iter().rev().find_map(drops).unwrap_or(0)
    };
    read_until(&mut live, &mut out, |out| out.list.len() as u64 + dropped(out) >= SENT.into());
    sender.join().unwrap();
    assert_eq!(out.list.len() as u64 + dropped(&out), u64::from(SENT));

    let received = live.open[0].received();
    assert!(received < 2 * SENT, "the ring had room for each once, not twice: {received}");

    let seen: Vec<u32> = payloads(&out).iter().map(|p| u32::from_be_bytes(p[..4].try_into().unwrap())).collect();
    assert!(seen.is_sorted_by(|a, b| a < b), "in the order of sending, none twice");
    assert!(out.list.iter().zip(1..).all(|(p, n)| p.stamp.packet.0 == n && p.link == crate::model::LinkType(1)));
    assert_eq!(out.list.iter().any(|p| p.stamp.time.nanos() % 1000 != 0), cfg!(target_os = "linux"), "nanoseconds");
    assert_eq!(out.news[0], SourceNews::Opened(SourceId(0), "lo".into()));
}

#[test]
fn a_filter_is_changed_while_it_runs() {
    let (a, b, from) = (udp(), udp(), udp());
    let (to_a, to_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let Some(mut live) = open(on(&["lo"], &format!("udp dst port {}", to_a.port()))) else { return };
    let mut out = Packets::default();
    from.send_to(b"other", to_b).unwrap();
    from.send_to(b"first", to_a).unwrap();
    read_until(&mut live, &mut out, |out| !out.list.is_empty());
    assert_eq!(payloads(&out), [b"first"]);

    let control = live.control();
    assert_eq!(control.set_filter("udp dst prt 1").unwrap_err().exit_code(), 2);
    control.set_filter(&format!("udp dst port {}", to_b.port())).unwrap();
    live.fill(&mut out).unwrap();
    from.send_to(b"other", to_a).unwrap();
    from.send_to(b"second", to_b).unwrap();
    read_until(&mut live, &mut out, |out| out.list.len() >= 2);
    assert_eq!(payloads(&out), [b"first".as_slice(), b"second"]);
}

#[test]
fn the_terminals_own_connection_is_left_out() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let mut own = TcpStream::connect(to).unwrap();
    let mut options = on(&["lo"], &format!("tcp port {}", to.port()));
    options.ssh = Some((own.local_addr().unwrap(), to));
    let Some(mut live) = open(options) else { return };
    own.write_all(b"our own").unwrap();
    let mut other = TcpStream::connect(to).unwrap();
    other.write_all(b"somebody's").unwrap();
    let mut out = Packets::default();
    let holds = |out: &Packets, what: &[u8]| out.list.iter().any(|p| out.bytes(p).ends_with(what));
    read_until(&mut live, &mut out, |out| holds(out, b"somebody's"));
    assert!(!holds(&out, b"our own"));
}

#[test]
fn several_interfaces_are_merged_and_each_keeps_its_order() {
    const SENT: u32 = 500;
    let (to, from) = (udp(), udp());
    let address = to.local_addr().unwrap();
    let Some(mut live) = open(on(&["lo", ANY, "lo"], &format!("udp dst port {}", address.port()))) else { return };
    assert_eq!(live.names().len(), 2, "named twice is once");
    for n in 0..SENT {
        from.send_to(&n.to_be_bytes(), address).unwrap();
    }
    let mut out = Packets::default();
    read_until(&mut live, &mut out, |out| out.list.len() >= 2 * SENT as usize);
    let mut seen: HashMap<SourceId, Vec<u32>> = HashMap::new();
    for packet in &out.list {
        let n = out.bytes(packet).last_chunk().unwrap();
        seen.entry(packet.source).or_default().push(u32::from_be_bytes(*n));
    }
    assert_eq!(seen.len(), 2);
    assert!(seen.values().all(|s| s.iter().copied().eq(0..SENT)), "{seen:?}");
}

#[test]
fn what_is_not_there_is_an_error_that_names_what_is() {
    let error = Live::open(on(&["nosuch0"], "")).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(text.starts_with("no interface nosuch0; there are: ") && text.ends_with(", any") && text.contains("lo"), "{text}");
    assert_eq!(Live::open(on(&["lo"], "tcp prt 1")).err().unwrap().exit_code(), 2, "before any right is needed");
    let raw = Live::open(on(&["any"], "ether host 02:00:00:00:00:01")).err().unwrap();
    assert!(matches!(raw.exit_code(), 2 | 3), "{raw}");
}

#[test]
fn without_the_right_it_says_how_to_get_it() {
    if std::env::var_os(ELSEWHERE).is_none() && open(on(&["lo"], "")).is_some() {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
        // Who is not root has the right from the file's capabilities, which do not count where there are no new privileges.
        let as_we_are = ["setpriv", "--no-new-privs"];
        let root = Command::new(nobody[0]).args(&nobody[1..]).arg("true").output().is_ok_and(|o| o.status.success());
        return run_by(if root { &nobody } else { &as_we_are }, "without_the_right_it_says_how_to_get_it");
    }
    let error = Live::open(on(&["lo"], "")).err().unwrap();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(text.starts_with("no right to capture on lo: run `sudo setcap cap_net_raw=ep /"), "{text}");
    assert!(text.contains(&*std::env::current_exe().unwrap().to_string_lossy()) && !text.contains('\n'), "{text}");
    assert_eq!(Live::open(Options::default()).err().unwrap().exit_code(), 3, "by default too");
    let lo = crate::source::interfaces::list().unwrap().into_iter().find(|i| i.name == "lo").unwrap();
    assert!(lo.refused.unwrap().to_string().starts_with("no right: run `sudo setcap"));
}

#[test]
fn interfaces_come_and_go_while_it_runs() {
    if !in_namespace("interfaces_come_and_go_while_it_runs") {
        return;
    }
    let mut live = Live::open(Options::default()).unwrap();
    let mut out = Packets::default();
    let (lo, bridge) = (SourceId(0), SourceId(1));
    let closed = |id, why: &str| SourceNews::Closed(id, why.into());
    let opened = |id, name: &str| SourceNews::Opened(id, name.into());
    let next = |live: &mut Live, out: &mut Packets, news: SourceNews| {
        let told = |out: &Packets| out.news.iter().any(|n| !matches!(n, SourceNews::KernelDrops(..)));
        read_until(live, out, told);
        assert_eq!(out.news.remove(0), news);
    };
    next(&mut live, &mut out, closed(lo, "it is down"));
    ip("link set lo up");
    next(&mut live, &mut out, opened(lo, "lo"));

    // A container engine starts a network, with one container in it.
    let up = || {
        ip("link add docker7 type bridge");
        ip("link set docker7 up");
    };
    up();
    ip("address add 10.250.7.1/24 dev docker7");
    ip("link add veth7 type veth peer name peer7");
    ip("link set veth7 master docker7");
    ip("link set veth7 up");
    ip("link set peer7 up");
    next(&mut live, &mut out, opened(bridge, "docker7"));
    assert_eq!(live.names(), ["lo".into(), "docker7".into()], "no veth by default");
    // Whether anybody answers does not matter: the question goes over the bridge.
    let to = UdpSocket::bind("10.250.7.1:0").unwrap();
    to.send_to(b"x", "10.250.7.2:9").unwrap();
    read_until(&mut live, &mut out, |out| out.list.iter().any(|p| p.source == bridge));

    ip("link set docker7 down");
    next(&mut live, &mut out, closed(bridge, "it is down"));
    ip("link set docker7 up");
    next(&mut live, &mut out, opened(bridge, "docker7"));
    ip("link delete docker7");
    next(&mut live, &mut out, closed(bridge, "it went away"));
    up();
    next(&mut live, &mut out, opened(bridge, "docker7"));
}

#[test]
fn a_named_interface_is_waited_for_once_it_was_there() {
    if !in_namespace("a_named_interface_is_waited_for_once_it_was_there") {
        return;
    }
    let add = || {
        ip("link add veth8 type veth peer name peer8");
        ip("link set peer8 up");
        ip("link set veth8 up");
    };
    add();
    let mut live = Live::open(on(&["veth8"], "")).unwrap();
    let mut out = Packets::default();
    let tells = |out: &Packets, what: &SourceNews| out.news.iter().filter(|n| *n == what).count();
    let opened = SourceNews::Opened(SourceId(0), "veth8".into());
    read_until(&mut live, &mut out, |out| tells(out, &opened) == 1);
    ip("link delete veth8");
    read_until(&mut live, &mut out, |out| tells(out, &SourceNews::Closed(SourceId(0), "it went away".into())) == 1);
    assert_eq!(live.fill(&mut out).unwrap(), Filled::Idle, "it waits");
    assert!(live.names().is_empty());
    add();
    read_until(&mut live, &mut out, |out| tells(out, &opened) == 2);
}

#[test]
fn names_are_remembered_within_a_limit_and_the_open_ones_always() {
    let Some(mut live) = open(on(&["lo"], "")) else { return };
    for n in 0..3 * MAX_KNOWN {
        live.refuse(&format!("br-{n}"), DOWN.into());
    }
    assert_eq!(live.known.len(), MAX_KNOWN);
    assert!(live.known.iter().all(|k| usize::from(k.id.0) < MAX_KNOWN), "numbers are used again");
    assert_eq!(live.known("lo").id, SourceId(0));
}

/// A network namespace with its loopback up, removed at the end.
struct Namespace(String);

impl Namespace {
    fn add(name: &str) -> Self {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        Self(name.to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.0));
    }
}

#[test]
fn a_namespace_that_goes_away_is_let_go_and_one_of_its_name_is_another() {
    if !in_namespace("a_namespace_that_goes_away_is_let_go_and_one_of_its_name_is_another") {
        return;
    }
    let name = format!("mtz{}", std::process::id());
    let first = Namespace::add(&name);
    // ours goes with the namespace, once nothing of it is open any more
    let cable = format!("v{name}");
    ip(&format!("link add {cable} type veth peer name eth0 netns {name}"));
    let (tell, told) = crossbeam_channel::bounded(4);
    let namespaces = Wanted { named: vec![name.clone()], all: false };
    let (scout, lookout) = crate::source::scout::pair().unwrap();
    let (hints, hinted) = crossbeam_channel::unbounded();
    let scout = Some(Arc::new(scout));
    let mut live = Live::open(Options { namespaces, scout, tell: Some(tell), ..Options::default() }).unwrap();
    lookout.start(hints).unwrap();
    let keeper = std::thread::spawn(live.keeper().unwrap());
    assert!(matches!(told.recv(), Ok((Zone(1), Some(_)))), "with a socket inside it");
    let mut out = Packets::default();
    let lo: Arc<str> = format!("lo@{name}").into();
    let (in_zone, opened) = (|zone| SourceNews::Zone(SourceId(0), Zone(zone)), SourceNews::Opened(SourceId(0), lo.clone()));
    read_until(&mut live, &mut out, |out| out.news == [in_zone(1), opened.clone()]);
    assert_eq!(live.names(), [lo], "nothing of ours");
    // nobody is there to answer: that somebody calls is told, and where
    ip(&format!("netns exec {name} bash -c :</dev/tcp/127.0.0.1/9||:"));
    let hint = hinted.recv().unwrap();
    assert_eq!((hint.server, hint.zone), ("127.0.0.1:9".parse().unwrap(), Zone(1)));

    drop(first);
    let gone = SourceNews::Closed(SourceId(0), "its network namespace went away".into());
    read_until(&mut live, &mut out, |out| out.news.contains(&gone));
    assert!(matches!(told.recv(), Ok((Zone(1), None))));
    assert!(live.names().is_empty());
    let there = || Command::new("ip").args(["link", "show", &cable]).output().unwrap().status.success();
    read_until(&mut live, &mut out, |_| !there());

    let _second = Namespace::add(&name);
    out.news.clear();
    read_until(&mut live, &mut out, |out| out.news.contains(&opened));
    assert!(out.news.contains(&in_zone(2)), "{:?}", out.news);
    drop(live);
    keeper.join().unwrap();
}
