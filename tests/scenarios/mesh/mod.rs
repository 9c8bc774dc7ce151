//! A mesh that is played in simulated time: services, who calls whom, and what each makes of the trace context that it is sent. It gives a
//! capture file with true bytes and the truth about it. It knows nothing of meshtop.
//!
//! ```text
//!  script: trees of calls ── run ──> words (time, exchange, side) ── in order of time: wire ──> packets ──> capture file
//!                            └────> flows, each with its parent ──────── first packet of each ──> truth
//! ```

pub mod amqp;
pub mod call;
pub mod capture;
mod http1;
mod http2;
pub mod stores;
mod tls;
pub mod tracer;
pub mod truth;
mod unread;
mod wire;

use amqp::Message;
use call::{Answer, Call, Carries, Comment, Connection, Delivery, MS, Order, What};
use capture::{Nanos, Side, naming};
use tracer::{Context, Ids, Sends};
use truth::{Flow, Leg, Truth, truth};
use wire::{Exchange, Kind, Wire, Word};

/// A service of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Svc(pub usize);

/// Who an end of a connection is, as far as the capture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// All on 127.0.0.1, and the file names each end's process.
    Processes,
    /// An address each, and no names.
    Containers,
    /// All on 127.0.0.1, and no names.
    Loopback,
    /// All on 127.0.0.1, and the user says who listens where: nobody says who calls.
    Listeners,
}

impl Naming {
    /// Whether it is known who calls, by name or by address.
    pub fn tells_callers(self) -> bool {
        matches!(self, Self::Processes | Self::Containers)
    }
}

#[derive(Clone, Debug)]
pub struct Service {
    pub name: &'static str,
    pub port: u16,
    pub sends: Sends,
    pub nat: Nat,
}

/// What a kernel does to the addresses of a service's connections, so that they are captured on both sides of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Its port is published on its host, and who calls it calls there.
    pub published: bool,
    /// What it sends comes from its host.
    pub masqueraded: bool,
}

/// A mesh and what happened in it.
#[derive(Debug)]
pub struct Mesh {
    pub services: Vec<Service>,
    pub ids: Ids,
    flows: Vec<Flow>,
    exchanges: Vec<Exchange>,
    words: Vec<Word>,
    /// What of it is captured.
    window: (Nanos, Nanos),
}

/// How soon a broker answers and a message is told to have arrived.
const SOON: Nanos = MS / 2;
/// How soon a relay passes on what it is sent.
pub const RELAYS: Nanos = MS / 50;

impl Mesh {
    pub fn new() -> Self {
        let (flows, exchanges, words) = (Vec::new(), Vec::new(), Vec::new());
        Self { services: Vec::new(), ids: Ids::new(), flows, exchanges, words, window: (0, Nanos::MAX) }
    }

    /// A service that listens on a port of its own.
    pub fn service(&mut self, name: &'static str, sends: Sends) -> Svc {
        let port = 8080 + self.services.len() as u16;
        self.service_at(name, port, sends)
    }

    /// A service on a well-known port.
    pub fn service_at(&mut self, name: &'static str, port: u16, sends: Sends) -> Svc {
        self.services.push(Service { name, port, sends, nat: Nat::default() });
        Svc(self.services.len() - 1)
    }

    /// All of its services are behind such a kernel.
    pub fn behind(&mut self, nat: Nat) {
        self.services.iter_mut().for_each(|service| service.nat = nat);
    }

    /// The capture begins late, and ends early.
    pub fn captured(&mut self, from: Nanos, to: Nanos) {
        self.window = (from, to);
    }

    /// Somebody calls, out of itself. When that is over.
    pub fn run(&mut self, at: Nanos, from: Svc, call: &Call) -> Nanos {
        let context = self.takes(from, &Context::default());
        self.call(at, from, &context, None, call)
    }

    /// The capture file, and what it holds.
    pub fn play(mut self, names: Naming) -> (Vec<u8>, Truth) {
        self.words.sort_by_key(|word| word.at);
        let mut wire = Wire::new(&self.services, names);
        for word in &self.words {
            wire.say(word, &mut self.exchanges, &mut self.flows);
        }
        let mut packets = wire.close(&self.exchanges);
        packets.retain(|packet| (self.window.0..self.window.1).contains(&packet.at));
        packets.sort_by_key(|packet| packet.at);
        (capture::file(&packets), truth(&self, &packets, names))
    }

    fn takes(&mut self, by: Svc, sent: &Context) -> Context {
        self.services[by.0].sends.takes(sent, &mut self.ids)
    }

    /// `from` calls while it works with a context, because of `parent`. When it is over.
    fn call(&mut self, at: Nanos, from: Svc, works_with: &Context, parent: Option<usize>, call: &Call) -> Nanos {
        let context = self.services[from.0].sends.sends(works_with, &mut self.ids);
        let unread = match call.connection {
            Connection::Sealed => Some((Kind::Tls, "tls")),
            Connection::Foreign => Some((Kind::Foreign, "thrift")),
            Connection::WebSocket => Some((Kind::WebSocket, "websocket")),
            Connection::Kept | Connection::Own | Connection::Brief | Connection::Proxied => None,
        };
        let begins_unread = unread.is_some();
        let (kind, protocol, operation) = match (unread, &call.what) {
            (Some((kind, protocol)), _) => (kind, protocol, String::new()),
            (None, What::Http { method, target }) => {
                let kind = if call.connection == Connection::Proxied { Kind::Proxied } else { Kind::Http };
                (kind, "http", format!("{method} {}", target.split('?').next().unwrap_or_default()))
            }
            (None, What::Grpc { path }) => (Kind::Grpc, "grpc", (*path).to_owned()),
            (None, What::Publish { exchange, key, .. }) => {
                (Kind::Publishes, "amqp", format!("publish {} {key}", if exchange.is_empty() { "(default)" } else { *exchange }))
            }
            (None, What::Sql { text, .. }) => (Kind::Postgres, "postgresql", statement(text)),
            (None, What::Redis { arguments }) => (Kind::Redis, "redis", arguments[0].clone()),
        };
        // databases are told nothing but what the statement says
        let told = match &call.what {
            What::Sql { comment, .. } => *comment == Comment::Traced,
            What::Redis { .. } => false,
            What::Http { .. } | What::Grpc { .. } | What::Publish { .. } => true,
        };
        let context = if told && call.carries == Carries::Context { context } else { Context::default() };
        let exchange = self.exchange(from, call.to, kind.clone(), call.connection);
        let [first, flow] = self.begin(Flow {
            protocol,
            operation,
            status: status(call),
            client: from,
            server: call.to,
            receiver: call.to,
            parent,
            context: context.clone(),
            ids: call.ids.clone(),
            begins: at,
            ends: Nanos::MAX,
            ports: None,
            leg: Leg::Only,
            nameless: call.connection == Connection::Brief,
        });
        let begins = (!begins_unread).then_some(first);
        let headers: Vec<_> = context.headers().into_iter().chain(call.headers.iter().cloned()).collect();
        let (asks, answers) = self.texts(call, headers);
        self.words.push(Word { at, exchange, side: Side::Client, begins, text: asks });
        let mut end = at + call.works;
        if let What::Publish { deliveries, .. } = &call.what {
            for delivery in deliveries {
                self.deliver(at + delivery.after, flow, call, delivery);
            }
            end = at + SOON;
            if !call.calls.is_empty() {
                end = self.all(at, call.to, &context, flow, &call.calls, call.order) + call.works;
            }
        } else {
            let takes = self.takes(call.to, &context);
            end = self.all(end, call.to, &takes, flow, &call.calls, call.order) + call.works;
            self.all(end, call.to, &takes, flow, &call.later, call.order);
        }
        if call.answer != Answer::Never {
            // whoever joins late sees the answer first; a broker's word is of no message that was not seen
            let begins =
                begins.filter(|_| matches!(kind, Kind::Http | Kind::Proxied | Kind::Grpc | Kind::Postgres | Kind::Redis));
            self.words.push(Word { at: end, exchange, side: Side::Server, begins, text: answers });
            self.flows[first..=flow].iter_mut().for_each(|leg| leg.ends = end);
        } else {
            self.exchanges[exchange].connection = Connection::Own;
        }
        self.exchanges[exchange].ends = end;
        end
    }

    /// What a service calls while it is at work on a flow. When it is done with that.
    fn all(&mut self, at: Nanos, from: Svc, works_with: &Context, flow: usize, calls: &[Call], order: Order) -> Nanos {
        let mut end = at;
        for call in calls {
            let start = if order == Order::Together { at } else { end };
            end = end.max(self.call(start + call.after, from, works_with, Some(flow), call));
        }
        end
    }

    fn deliver(&mut self, at: Nanos, published: usize, call: &Call, delivery: &Delivery) {
        let (direct, relayed) = ([call.to, delivery.to], delivery.through.map(|relay| [call.to, relay, delivery.to]));
        let way = relayed.as_ref().map_or(&direct[..], |way| way);
        self.hand_on(at, published, call, delivery, way);
    }

    /// A message goes from the first of these to the last. When that is done with it.
    fn hand_on(&mut self, at: Nanos, cause: usize, call: &Call, delivery: &Delivery, way: &[Svc]) -> Nanos {
        let (What::Publish { exchange: name, key, message_id, .. }, [from, to, rest @ ..]) = (&call.what, way) else { return at };
        let (from, to) = (*from, *to);
        let context = self.flows[cause].context.clone();
        let exchange = self.exchange(to, from, Kind::Consumes(delivery.queue), Connection::Kept);
        let [first, flow] = self.begin(Flow {
            protocol: "amqp",
            operation: format!("deliver {}", delivery.queue),
            status: Some(
                delivery
                    .outcome
                    .map_or(if amqp::is_auto(delivery.queue) { "auto" } else { "pending" }, amqp::Outcome::status)
                    .to_owned(),
            ),
            client: to,
            server: from,
            receiver: to,
            parent: Some(cause),
            context: context.clone(),
            ids: call.ids.clone(),
            begins: at,
            ends: Nanos::MAX,
            ports: None,
            leg: Leg::Only,
            nameless: false,
        });
        let headers = context.headers().into_iter().chain(call.headers.iter().cloned()).collect();
        let (body, added) = (json(&call.ids), delivery.added.clone());
        let message = Message { headers, message_id: message_id.clone(), body, added, ..Message::default() };
        let (name, key) = delivery.routed.unwrap_or((name, key));
        let (queue, redelivered) = (delivery.queue, delivery.redelivered);
        let text = Box::new(move |tag| amqp::deliver(queue, name, key, &message, tag, redelivered));
        self.words.push(Word { at, exchange, side: Side::Server, begins: Some(first), text });
        let end = if rest.is_empty() {
            let takes = self.takes(to, &context);
            self.all(at + delivery.works, to, &takes, flow, &delivery.calls, Order::InTurn) + delivery.works
        } else {
            self.hand_on(at + RELAYS, flow, call, delivery, &way[1..]) + RELAYS
        };
        if let Some(outcome) = delivery.outcome {
            let text = Box::new(move |tag| amqp::outcome(tag, outcome));
            self.words.push(Word { at: end, exchange, side: Side::Client, begins: None, text });
            self.flows[first..=flow].iter_mut().for_each(|leg| leg.ends = end);
        }
        self.exchanges[exchange].ends = end;
        end
    }

    /// A flow begins: behind a kernel that changes addresses it is there twice. Where it is seen first, and where last.
    fn begin(&mut self, flow: Flow) -> [usize; 2] {
        let first = self.flows.len();
        if !self.services[flow.client.0].nat.masqueraded && !self.services[flow.server.0].nat.published {
            self.flows.push(flow);
            return [first; 2];
        }
        let second = Flow { parent: Some(first), leg: Leg::Second, ..flow.clone() };
        self.flows.extend([Flow { leg: Leg::First, ..flow }, second]);
        [first, first + 1]
    }

    fn exchange(&mut self, client: Svc, server: Svc, kind: Kind, connection: Connection) -> usize {
        self.exchanges.push(Exchange { client, server, kind, connection, ends: 0, place: None });
        self.exchanges.len() - 1
    }

    /// The bytes of a call and of its answer.
    fn texts(&self, call: &Call, mut headers: Vec<(String, String)>) -> (wire::Text, wire::Text) {
        let body = json(&call.ids);
        let bad = if let Answer::Bad(status) = call.answer { Some(status) } else { None };
        match call.connection {
            Connection::Sealed => return (Box::new(|_| tls::sealed(200)), Box::new(|_| tls::sealed(90))),
            Connection::Foreign => return (Box::new(|_| unread::foreign(1, "put")), Box::new(|_| unread::foreign(2, "put"))),
            Connection::WebSocket => {
                return (Box::new(|_| unread::message("put", true)), Box::new(|_| unread::message("done", false)));
            }
            Connection::Kept | Connection::Own | Connection::Brief | Connection::Proxied => {}
        }
        let own = format!("{}:{}", self.services[call.to.0].name, self.services[call.to.0].port);
        let named = headers.iter().position(|(name, _)| name == "host").map(|at| headers.remove(at).1);
        let host = named.unwrap_or(own);
        match call.what.clone() {
            What::Http { method, target } => {
                headers.insert(0, ("host".into(), host));
                let body = if method == "GET" { Vec::new() } else { body };
                headers.push(("content-type".into(), "application/json".into()));
                let answer = http1::response(bad.unwrap_or(200), &[("content-type".into(), "application/json".into())], b"{}");
                (Box::new(move |_| http1::request(method, &target, &headers, &body)), Box::new(move |_| answer.clone()))
            }
            What::Grpc { path } => {
                let message = http2::protobuf(call.ids.first().map_or("", |id| id));
                let code = bad.unwrap_or(0) as u8;
                let asks = move |stream| http2::request(stream as u32, &host, path, &headers, &message);
                // a health check is answered as its schema says: SERVING
                let answer = if path.starts_with("/grpc.health.") { vec![8, 1] } else { http2::protobuf("done") };
                (Box::new(asks), Box::new(move |stream| http2::response(stream as u32, code, &answer)))
            }
            What::Publish { exchange, key, message_id, .. } => {
                let message = Message { headers, message_id, body, ..Message::default() };
                let back = message.clone();
                let answers: wire::Text = match bad {
                    Some(_) => Box::new(move |tag| amqp::returned(exchange, key, &back, tag)),
                    None => Box::new(amqp::confirm),
                };
                (Box::new(move |_| amqp::publish(exchange, key, &message)), answers)
            }
            What::Sql { mut text, parameters, comment } => {
                let traceparent = headers.iter().find(|(name, _)| name == "traceparent");
                if let (Comment::Traced, Some((name, value))) = (comment, traceparent) {
                    text.push_str(&format!(" /*{name}='{value}'*/"));
                }
                let extended = !parameters.is_empty();
                let tag = if text.starts_with("SELECT") { "SELECT 1" } else { "UPDATE 1" };
                let asks = move |_| if extended { stores::extended(&text, &parameters) } else { stores::query(&text) };
                (Box::new(asks), Box::new(move |_| stores::result(extended, tag, "1")))
            }
            What::Redis { arguments } => (Box::new(move |_| stores::command(&arguments)), Box::new(|_| stores::reply("1"))),
        }
    }
}

/// The contract's word for how a call ends, where it has one.
fn status(call: &Call) -> Option<String> {
    let word = match (&call.what, call.answer) {
        (What::Sql { .. } | What::Redis { .. }, _) => return None,
        (_, Answer::Never) => "pending".into(),
        (What::Http { .. }, Answer::Good) => "200".into(),
        (What::Http { .. }, Answer::Bad(status)) => status.to_string(),
        (What::Grpc { .. }, Answer::Good) => "OK".into(),
        (What::Grpc { .. }, Answer::Bad(14)) => "UNAVAILABLE".into(),
        (What::Grpc { .. }, Answer::Bad(code)) => panic!("no word for code {code}"),
        (What::Publish { .. }, Answer::Good) => "ack".into(),
        (What::Publish { .. }, Answer::Bad(_)) => "returned".into(),
    };
    Some(word)
}

/// A statement's verb and table.
fn statement(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let table = words.iter().position(|word| matches!(*word, "FROM" | "INTO" | "UPDATE")).and_then(|at| words.get(at + 1));
    format!("{} {}", words[0], table.unwrap_or(&""))
}

/// A document that holds IDs.
fn json(ids: &[String]) -> Vec<u8> {
    let fields: Vec<_> = ids.iter().enumerate().map(|(n, id)| format!("\"id{n}\":\"{id}\"")).collect();
    format!("{{{}}}", fields.join(",")).into_bytes()
}
