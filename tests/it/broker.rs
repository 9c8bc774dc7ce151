//! A RabbitMQ of the test's own, what peers do there, and the program watching that: shared by the tests of taps.

use super::lapin_peer;
use super::program::{Running, lines, meshtop, root, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A broker, and what is done to it.
pub struct Broker {
    script: Running,
    pub port: u16,
    /// The port of its management API.
    pub management: u16,
    /// Its URL, by which its management API is found, too.
    pub url: String,
    /// The same by TLS, and the file of the authority that its certificate is by.
    pub tls: String,
    pub authority: String,
    /// How many messages were published to it.
    pub posted: u64,
}

/// Who publishes and consumes.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    Pika,
    Amqplib,
    Lapin,
}

impl Broker {
    pub fn start() -> Self {
        Self::start_as("")
    }

    /// `bare`: one without a management API.
    pub fn start_as(how: &str) -> Self {
        let script = root("tests/services/tap.sh");
        let script = Running::start(Command::new("bash").arg(script).arg(how).stdin(Stdio::piped()));
        let ready = script.line().expect("the broker starts");
        let words: Vec<_> = ready.split(' ').skip(1).map(str::to_owned).collect();
        let [port, management, tls, tls_management, authority] = <[String; 5]>::try_from(words).unwrap();
        let url = |s, port, management| {
            format!("amqp{s}://guest:guest@localhost:{port}/%2f?management=http{s}://localhost:{management}")
        };
        let (url, tls) = (url("", &port, &management), url("s", &tls, &tls_management));
        let (port, management) = (port.parse().unwrap(), management.parse().unwrap());
        Self { script, port, management, url, tls, authority, posted: 0 }
    }

    pub fn ask(&mut self, what: &str) -> String {
        self.script.say(what);
        self.script.line().unwrap_or_else(|| panic!("{what} is answered"))
    }

    /// Publishes to each exchange, and has two consumers take it all: what was published.
    pub fn post(&mut self, count: usize, run: &str) -> Vec<Value> {
        self.post_by(Peer::Pika, count, run)
    }

    pub fn post_by(&mut self, peer: Peer, count: usize, run: &str) -> Vec<Value> {
        let told = match peer {
            Peer::Pika => serde_json::from_str(&self.ask(&format!("post {count} {run}"))).unwrap(),
            Peer::Amqplib => serde_json::from_str(&self.ask(&format!("post-node {count} {run}"))).unwrap(),
            Peer::Lapin => lapin_peer::post(self.port, count, run),
        };
        let told: Value = told;
        let published = told["published"].as_array().unwrap().clone();
        let mut ids: Vec<_> = published.iter().map(|p| p["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        let taken: Vec<_> = told["taken"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(taken, ids, "taken once each");
        self.posted += published.len() as u64;
        published
    }

    /// The state that a broker comes to: who has gone is noticed in a moment, which nothing tells us of.
    pub fn is_as(&mut self, before: &str) {
        let mut now = String::new();
        for _ in 0..50 {
            now = self.ask("state");
            if now == before {
                return;
            }
        }
        assert_eq!(now, before);
    }
}

/// The program on its way, and what it has printed.
pub struct Watch(pub Running, pub Vec<String>);

impl Watch {
    /// Starts it with a tap; that is attached once it shows a message.
    pub fn start(broker: &mut Broker, url: &str, more: &[&str]) -> Self {
        Self::start_with(broker, &[&["--tap", url], more].concat(), &[])
    }

    pub fn start_with(broker: &mut Broker, args: &[&str], env: &[(&str, &str)]) -> Self {
        let args = [args, &["--json", "--emit", "flow,stats"]].concat();
        let mut command = meshtop();
        command.args(args).envs(env.iter().copied()).stderr(Stdio::piped());
        let mut watch = Self(Running::start(&mut command), Vec::new());
        watch.catch_up(broker);
        watch
    }

    /// Reads on until it shows a message that was published now.
    pub fn catch_up(&mut self, broker: &mut Broker) {
        self.show(broker, "probe", |line| line.contains("probe."));
    }

    /// Publishes in a run until a line is there that was not there before.
    pub fn show(&mut self, broker: &mut Broker, run: &str, is: impl Fn(&str) -> bool) {
        let (before, mut tries) = (self.1.len(), 0);
        while !self.1[before..].iter().any(|line| is(line)) {
            tries += 1;
            assert!(tries < 100, "it does not show what is published: {:#?}", self.1);
            broker.post(1, run);
            while let Some(line) = self.0.line_within(Duration::from_millis(500)) {
                self.1.push(line);
            }
        }
    }

    /// Ends it with a message that comes last, and returns the flows of runs that begin so, and what was told on standard error.
    pub fn end(self, broker: &mut Broker, run: &str) -> (Vec<Value>, Value, String) {
        self.end_with(broker, run, &|_| {})
    }

    /// The same, with a look at all that it printed.
    pub fn end_with(mut self, broker: &mut Broker, run: &str, look: &dyn Fn(&[String])) -> (Vec<Value>, Value, String) {
        self.show(broker, "last", |line| line.contains("\"last.files.0\"") && line.contains("\"publish\""));
        let told = self.stop();
        look(&self.1);
        let mut flows = lines(self.1.join("\n").as_bytes());
        let stats = flows.pop().unwrap();
        flows.retain(|flow| id(flow).is_some_and(|id| id.starts_with(&format!("{run}."))));
        (flows, stats, told)
    }

    /// Has it end: what it told on standard error.
    pub fn stop(&mut self) -> String {
        self.0.signal("INT");
        self.1.extend(std::iter::from_fn(|| self.0.line()));
        let told = text(self.0.child.stderr.take().unwrap());
        assert_eq!(self.0.child.wait().unwrap().code(), Some(0), "{told}");
        told
    }
}

pub fn id(flow: &Value) -> Option<&str> {
    flow["amqp"]["properties"]["message_id"].as_str()
}

/// Each message has one flow of a pattern, seen by so many sources.
pub fn assert_once(published: &[Value], flows: &[Value], pattern: &str, sources: usize) {
    let mut of: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| flow["pattern"] == pattern) {
        of.entry(id(flow).unwrap()).or_default().push(flow);
    }
    assert_eq!(of.len(), published.len(), "{pattern}");
    for message in published {
        let found = &of[message["id"].as_str().unwrap()];
        let [flow] = found.as_slice() else { panic!("{message} is told {} times: {found:#?}", found.len()) };
        assert_eq!((&flow["amqp"]["exchange"], &flow["amqp"]["routing_key"]), (&message["exchange"], &message["key"]), "{flow}");
        assert_eq!(flow["sources"].as_array().unwrap().len(), sources, "{flow}");
        assert_eq!(flow["trace"]["carrier"], "traceparent", "{flow}");
        assert_eq!(flow["request"]["body"]["kind"], "json", "{flow}");
    }
}
