//! Taps beside a real RabbitMQ: each message once, with and without the wire, nothing taken from consumers and nothing left behind.

use super::program::{Running, can_capture, lines, meshtop, root, run, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A broker, and what is done to it.
struct Broker {
    script: Running,
    port: String,
    url: String,
}

impl Broker {
    fn start() -> Self {
        let script = root("tests/services/tap.sh");
        let script = Running::start(Command::new("bash").arg(script).stdin(Stdio::piped()));
        let ready = script.line().expect("the broker starts");
        let ports: Vec<_> = ready.split(' ').skip(1).map(str::to_owned).collect();
        let [port, management] = <[String; 2]>::try_from(ports).unwrap();
        let url = format!("amqp://guest:guest@localhost:{port}/%2f?management=http://localhost:{management}");
        Self { script, port, url }
    }

    fn ask(&mut self, what: &str) -> String {
        self.script.say(what);
        self.script.line().unwrap_or_else(|| panic!("{what} is answered"))
    }

    /// Publishes, and has two consumers take it all: the IDs of what was published to each exchange.
    fn post(&mut self, count: usize, run: &str) -> Vec<Value> {
        let told: Value = serde_json::from_str(&self.ask(&format!("post {count} {run}"))).unwrap();
        let published = told["published"].as_array().unwrap().clone();
        let mut ids: Vec<_> = published.iter().map(|p| p["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(
            told["taken"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect::<Vec<_>>(),
            ids,
            "taken once each"
        );
        published
    }

    /// The state that a broker comes to: who has gone is noticed in a moment, which nothing tells us of.
    fn is_as(&mut self, before: &str) {
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

/// A tap on its way.
struct Tap(Running, Vec<String>);

impl Tap {
    /// Starts it; it is attached once it shows a message.
    fn start(broker: &mut Broker, url: &str, more: &[&str]) -> Self {
        let args = [&["--tap", url, "--json", "--emit", "flow,stats"], more].concat();
        let mut tap = Self(Running::start(meshtop().args(args).stderr(Stdio::piped())), Vec::new());
        tap.catch_up(broker);
        tap
    }

    fn catch_up(&mut self, broker: &mut Broker) {
        let before = self.1.len();
        while !self.1[before..].iter().any(|line| line.contains("probe.")) {
            broker.post(1, "probe");
            while let Some(line) = self.0.line_within(Duration::from_millis(500)) {
                self.1.push(line);
            }
        }
    }

    /// Ends it with a message that comes last, and returns the flows of a run but that one's, and what was told on standard error.
    fn end(self, broker: &mut Broker, run: &str) -> (Vec<Value>, Value, String) {
        self.end_with(broker, run, &|_| {})
    }

    /// The same, with a look at all that it printed.
    fn end_with(mut self, broker: &mut Broker, run: &str, look: &dyn Fn(&[String])) -> (Vec<Value>, Value, String) {
        broker.post(1, "last");
        while !self.1.iter().any(|line| line.contains("\"last.files.0\"") && line.contains("\"publish\"")) {
            self.1.push(self.0.line().expect("it goes on until it is told to stop"));
        }
        self.0.signal("INT");
        self.1.extend(std::iter::from_fn(|| self.0.line()));
        let told = text(self.0.child.stderr.take().unwrap());
        assert_eq!(self.0.child.wait().unwrap().code(), Some(0), "{told}");
        look(&self.1);
        let mut flows = lines(self.1.join("\n").as_bytes());
        let stats = flows.pop().unwrap();
        assert_eq!(stats["dropped"]["meshtop"], 0, "{stats}");
        flows.retain(|flow| id(flow).is_some_and(|id| id.starts_with(&format!("{run}."))));
        (flows, stats, told)
    }
}

fn id(flow: &Value) -> Option<&str> {
    flow["amqp"]["properties"]["message_id"].as_str()
}

/// Each message has one flow of a pattern, seen by so many sources.
fn assert_once(published: &[Value], flows: &[Value], pattern: &str, sources: usize) {
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

#[test]
fn a_tap_tells_each_message_once_and_takes_and_leaves_nothing() {
    let mut broker = Broker::start();
    let (url, before) = (broker.url.clone(), broker.ask("state"));

    let tap = Tap::start(&mut broker, &url, &[]);
    let published = broker.post(20, "bound");
    let (flows, _, told) = tap.end(&mut broker, "bound");
    assert_once(&published, &flows, "publish", 1);
    assert_eq!((flows.len(), &*told), (published.len(), ""));
    assert!(flows.iter().all(|flow| flow["client"].is_null() && flow["direction"] == "to_server"), "who published is not known");
    broker.is_as(&before);

    // no message ends it, however it is made
    let tap = Tap::start(&mut broker, &url, &[]);
    assert_eq!(broker.ask("nested 15000"), "published");
    let published = broker.post(2, "deep");
    let deep = |line: &String| line.contains("the properties cannot be read") && line.contains("\"publish news\"");
    let (flows, ..) = tap.end_with(&mut broker, "deep", &|lines| assert_eq!(lines.iter().filter(|line| deep(line)).count(), 1));
    assert_once(&published, &flows, "publish", 1);
    broker.is_as(&before);

    // the traces of all that is published and delivered; switched on, and off again
    let firehose = format!("{url}&firehose=on");
    let tap = Tap::start(&mut broker, &firehose, &[]);
    let published = broker.post(20, "traced");
    let (flows, _, told) = tap.end(&mut broker, "traced");
    assert_once(&published, &flows, "publish", 1);
    assert_once(&published, &flows, "deliver", 1);
    assert!(flows.iter().all(|flow| flow["client"]["addr"].as_str().is_some_and(|addr| addr.starts_with("127.0.0.1:"))));
    assert!(told.lines().count() == 1 && told.contains("changes its state") && told.contains("kill"), "{told}");
    broker.is_as(&before);

    // killed: the queue goes with its connection
    let mut tap = Tap::start(&mut broker, &url, &[]);
    broker.post(2, "killed");
    tap.0.signal("KILL");
    tap.0.child.wait().unwrap();
    broker.post(2, "killed");
    broker.is_as(&before);

    // the broker goes, and the tap comes back with it
    let mut tap = Tap::start(&mut broker, &url, &[]);
    assert_eq!(broker.ask("restart"), "restarted");
    tap.catch_up(&mut broker);
    let published = broker.post(20, "again");
    let (flows, _, told) = tap.end(&mut broker, "again");
    assert_once(&published, &flows, "publish", 1);
    assert!(told.contains("trying again") && !told.contains("guest"), "{told}");
    broker.is_as(&before);

    // who is refused is told so, and not by name
    let refused = url.replace("guest:guest", "ann:hidden");
    let refused = run(&["--tap", &refused, "--json"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.lines().count() == 1 && told.contains("refuses this login"), "{told}");
    assert!(!told.contains("ann") && !told.contains("hidden"), "{told}");
}

#[test]
fn what_wire_and_tap_both_tell_is_one_flow_with_two_sources() {
    if !can_capture("what_wire_and_tap_both_tell_is_one_flow_with_two_sources") {
        return;
    }
    let mut broker = Broker::start();
    let filter = format!("tcp port {}", broker.port);
    let both = ["-i", "lo", "-f", &filter];
    let url = broker.url.clone();

    let tap = Tap::start(&mut broker, &url, &both);
    let published = broker.post(20, "both");
    let (flows, stats, _) = tap.end(&mut broker, "both");
    assert_once(&published, &flows, "publish", 2);
    assert_once(&published, &flows, "deliver", 1);
    assert!(flows.iter().filter(|flow| flow["pattern"] == "publish").all(|flow| flow["status"] == "ack"), "the wire knows more");
    assert!(flows.iter().all(|flow| !flow["operation"].as_str().unwrap().contains("meshtop.tap")), "we are not on the screen");
    assert!(stats["passed_over"]["our own connections"].as_u64().is_some_and(|n| n > 0), "{stats}");

    let firehose = format!("{url}&firehose=on");
    let tap = Tap::start(&mut broker, &firehose, &both);
    let published = broker.post(20, "all");
    let (flows, ..) = tap.end(&mut broker, "all");
    assert_once(&published, &flows, "publish", 2);
    assert_once(&published, &flows, "deliver", 2);
}
