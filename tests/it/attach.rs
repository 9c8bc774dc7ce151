//! How a tap gets to a broker and stands there: by TLS, without a management API, capped, behind, and on a screen.

use super::broker::{Broker, Watch, assert_once, id};
use super::program::{Running, lines, meshtop, run};
use super::terminal::Terminal;
use serde_json::Value;
use std::process::Command;

/// Whether nothing is said but what a tap of all exchanges leaves out.
fn only_the_default_exchange(told: &str) -> bool {
    told.lines().count() == 1 && told.contains(": the default exchange cannot be bound (firehose=on shows")
}

#[test]
fn by_tls_with_an_authority_that_is_trusted() {
    let mut broker = Broker::start();
    let (url, before) = (broker.tls.clone(), broker.ask("state"));
    let authority = broker.authority.clone();
    let watch = Watch::start_with(&mut broker, &["--tap", &url], &[("SSL_CERT_FILE", &authority)]);
    let published = broker.post(5, "hidden");
    let (flows, _, told) = watch.end(&mut broker, "hidden");
    assert_once(&published, &flows, "publish", 1);
    assert!(only_the_default_exchange(&told), "{told}");
    broker.is_as(&before);

    // an API that speaks no TLS is told nothing
    let wrong = format!(
        "{}?exchange=news&exchange=files&management=https://localhost:{}",
        url.split('?').next().unwrap(),
        broker.management
    );
    let watch = Watch::start_with(&mut broker, &["--tap", &wrong], &[("SSL_CERT_FILE", &authority)]);
    let (.., told) = watch.end(&mut broker, "none");
    assert!(told.lines().count() == 1 && told.contains("its management API at https://localhost:"), "{told}");

    // credentials from the environment; `ann` is nobody's by chance
    assert_eq!(broker.ask("user ann hidden"), "made");
    let nameless = url.replace("guest:guest@", "");
    let env = [("SSL_CERT_FILE", &*authority), ("MESHTOP_AMQP_USER", "ann"), ("MESHTOP_AMQP_PASSWORD", "hidden")];
    let watch = Watch::start_with(&mut broker, &["--tap", &nameless], &env);
    let published = broker.post(2, "ann");
    let (flows, _, told) = watch.end(&mut broker, "ann");
    assert_once(&published, &flows, "publish", 1);
    assert!(only_the_default_exchange(&told), "{told}");

    // the password alone
    let half = url.replace("guest:guest@", "ann@");
    let env = [("SSL_CERT_FILE", &*authority), ("MESHTOP_AMQP_PASSWORD", "hidden")];
    let watch = Watch::start_with(&mut broker, &["--tap", &half], &env);
    assert!(only_the_default_exchange(&watch.end(&mut broker, "none").2));

    // what would be taken for a host is told nobody
    for url in ["amqp://hidden:1234/secret@127.0.0.1", "amqp://guest:p@hidden/w@127.0.0.1"] {
        let refused = run(&["--tap", url, "--json"]);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && told.contains("%40"), "{told}");
        assert!(!told.contains("hidden") && !told.contains("secret"), "{told}");
    }

    let refused = run(&["--tap", &url, "--json"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.lines().count() == 1 && told.contains("certificate is not trusted") && told.contains("SSL_CERT_FILE"), "{told}");
    assert!(!told.contains("guest"), "{told}");
}

#[test]
fn without_a_management_api_what_is_named_is_watched_and_what_is_not_known_is_said() {
    let mut broker = Broker::start_as("bare");
    let url = broker.url.clone();
    let watch =
        Watch::start(&mut broker, &format!("{url}&exchange=shop&exchange=jobs&exchange=news&exchange=files&exchange=none"), &[]);
    let published = broker.post(4, "named");
    let (flows, _, told) = watch.end(&mut broker, "named");
    let (direct, others): (Vec<_>, Vec<_>) = published.into_iter().partition(|message| message["exchange"] == "jobs");
    assert_once(&others, &flows, "publish", 1);
    assert_eq!((direct.len(), flows.len()), (4, others.len()));
    assert!(told.contains("'jobs' is a direct exchange, whose keys are not known"), "{told}");
    assert!(told.contains("there is no exchange 'none' yet"), "{told}");
    assert!(told.contains("an exchange that is declared later, or again, is not watched"), "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");

    // the keys that are named, of what is direct too
    let keys = Watch::start(&mut broker, &format!("{url}&exchange=jobs&exchange=files&key=mail&key="), &[]);
    let published = broker.post(4, "keys");
    let (flows, _, told) = keys.end_with(&mut broker, "keys", &|_| {});
    let is = |message: &Value| message["key"] == "mail" || message["exchange"] == "files";
    let wanted: Vec<_> = published.into_iter().filter(is).collect();
    assert_once(&wanted, &flows, "publish", 1);
    assert_eq!((wanted.len(), flows.len(), told.lines().count()), (6, 6, 1), "{told}");

    // nothing is named: only what every virtual host has is watched, and that is said
    let mut all = Running::start(Command::new("sh").arg("-c").arg(format!("exec {} 2>&1", shown(&["--tap", &url, "--json"]))));
    let told = std::iter::from_fn(|| all.line()).find(|line| line.contains("management"));
    assert!(told.is_some_and(|told| told.contains("only the exchanges that every virtual host has are watched")));
    all.signal("INT");
    assert_eq!(all.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_more_than_its_rate_is_dropped_and_counted() {
    let mut broker = Broker::start();
    let url = format!("{}&rate=20", broker.url);
    let watch = Watch::start(&mut broker, &url, &[]);
    let before = broker.posted;
    broker.post(50, "capped");
    let posted = |flow: &&Value| id(flow).is_some_and(|id| id.starts_with("capped.") || id.starts_with("last."));
    let seen = std::cell::Cell::new(0);
    let look = |told: &[String]| seen.set(lines(told.join("\n").as_bytes()).iter().filter(posted).count() as u64);
    let (flows, stats, told) = watch.end_with(&mut broker, "capped", &look);
    let dropped = stats["dropped"]["meshtop"].as_u64().unwrap();
    assert!(dropped > 0 && flows.len() < 200, "{stats}");
    assert_eq!(seen.get() + dropped, broker.posted - before, "each is told or counted: {stats}");
    assert!(told.contains("messages dropped: more than 20 a second"), "{told}");
}

#[test]
fn what_the_broker_drops_while_a_tap_is_behind_is_counted() {
    let mut broker = Broker::start();
    let url = format!("{}&rate=1000000", broker.url);
    let args = shown(&["--tap", &url, "--json", "--emit", "flow,stats"]);
    let running = Running::start(Command::new("sh").arg("-c").arg(format!("exec {args} 2>&1")));
    let mut watch = Watch(running, Vec::new());
    watch.catch_up(&mut broker);
    watch.0.signal("STOP");
    assert_eq!(broker.ask("flood 12000 flood"), "published");
    watch.0.signal("CONT");
    let told = loop {
        let line = watch.0.line().expect("it goes on until it is told to stop");
        watch.1.push(line);
        let line = watch.1.last().unwrap();
        if line.contains("dropped by the broker") {
            break line.clone();
        }
    };
    assert!(told.contains("more than 10000, or than 64 MiB, waited for us"), "{told}");
    watch.0.signal("INT");
    watch.1.extend(std::iter::from_fn(|| watch.0.line()));
    let records: Vec<_> = watch.1.iter().filter(|line| line.starts_with('{')).cloned().collect();
    let mut records = lines(records.join("\n").as_bytes());
    let dropped = records.pop().unwrap()["dropped"]["meshtop"].as_u64().unwrap();
    let seen = records.iter().filter(|flow| id(flow).is_some_and(|id| id.starts_with("flood."))).count() as u64;
    assert_eq!(seen + dropped, 12_000, "each is told or counted");
}

#[test]
fn a_tap_on_a_screen_tells_how_it_stands_and_what_the_broker_holds() {
    let mut broker = Broker::start();
    assert_eq!(broker.ask("stop"), "stopped");
    let url = broker.url.clone();
    let mut terminal = Terminal::open(&["--tap", &url], 110, 40);
    terminal.shows("○ not attached");
    terminal.shows("refused");
    assert_eq!(broker.ask("begin"), "begun");
    terminal.hides("○ not attached");
    broker.post(2, "seen");
    terminal.shows("publish shop order");
    terminal.press("4");
    for shown in ["● rabbitmq amqp attached", "→ shop topic", "⇒ all.shop order.#", "← all.shop", "consumers"] {
        terminal.shows(shown);
    }
    assert!(!terminal.screen().contains("meshtop.tap."), "we are not on the screen:\n{}", terminal.screen());
    assert_eq!(broker.ask("stop"), "stopped");
    terminal.shows("○ not attached");
    terminal.hides("→ shop topic");
    terminal.press("Q");
    assert_eq!(terminal.ends().0, 0);
}

/// The program and its arguments, for a shell.
fn shown(args: &[&str]) -> String {
    let command = meshtop();
    let quoted = |text: &str| format!("'{text}'");
    let env = command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, quoted(value?.to_str()?))));
    let env: Vec<_> = env.collect();
    let args: Vec<_> = args.iter().map(|arg| quoted(arg)).collect();
    format!("env {} {} {}", env.join(" "), quoted(env!("CARGO_BIN_EXE_meshtop")), args.join(" "))
}
