//! Words in order of time become packets on connections: which connection carries what, and how each opens. It knows no script.

use super::amqp;
use super::call::Connection;
use super::capture::{Nanos, Packet, Side, Tcp, addr};
use super::truth::Flow;
use super::{Naming, Service, Svc, http2, naming, stores, tls, unread};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddrV4;

/// The bytes of a word, given the number that its exchange has on its connection: a stream, a tag.
pub type Text = Box<dyn Fn(u64) -> Vec<u8>>;
/// How long before a connection's first word it opens.
const OPENS: Nanos = 100_000;
/// Between two packets of its opening.
const STEP: Nanos = 4_000;
/// How long a kernel takes for a packet whose addresses it changes: while a connection opens and closes, and else.
const SOON: Nanos = 400;
const TRANSLATES: Nanos = 1_000;
/// How far a published port is from the service's own.
const PUBLISHED: u16 = 10_000;
/// The first port that clients use.
const EPHEMERAL: u16 = 32_768;

/// What one side says at once.
pub struct Word {
    pub at: Nanos,
    pub exchange: usize,
    pub side: Side,
    /// The flow that begins with it, where it has not begun before.
    pub begins: Option<usize>,
    pub text: Text,
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word({}, {}, {:?})", self.at, self.exchange, self.side)
    }
}

/// Words that belong to each other: a call with its answer.
#[derive(Debug)]
pub struct Exchange {
    pub client: Svc,
    pub server: Svc,
    pub kind: Kind,
    pub connection: Connection,
    /// When its connection is free again.
    pub ends: Nanos,
    /// Its connection, and its number there.
    pub place: Option<(usize, u64)>,
}

/// What a connection speaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Http,
    Proxied,
    Grpc,
    Publishes,
    Consumes(&'static str),
    Postgres,
    Redis,
    Tls,
    Foreign,
    WebSocket,
}

/// A connection on one side of a kernel.
#[derive(Debug)]
struct Seen {
    tcp: Tcp,
    ends: [SocketAddrV4; 2],
    comment: Option<String>,
}

impl Seen {
    /// A packet as it is seen here, `late` after its sender's side has it.
    fn shows(&self, mut packet: Packet, late: Nanos) -> Packet {
        packet.comment.clone_from(&self.comment);
        packet.at = if packet.side == Side::Client { packet.at + late } else { packet.at - late };
        packet
    }
}

#[derive(Debug)]
struct Conn {
    /// Where it is seen: from the client's side on.
    seen: Vec<Seen>,
    next: u64,
    /// Until when it is in use.
    busy: Nanos,
    own: bool,
}

#[derive(Debug)]
pub struct Wire<'a> {
    services: &'a [Service],
    names: Naming,
    conns: Vec<Conn>,
    of: HashMap<(Svc, Svc, Kind), Vec<usize>>,
    packets: Vec<Packet>,
}

impl<'a> Wire<'a> {
    pub fn new(services: &'a [Service], names: Naming) -> Self {
        Self { services, names, conns: Vec::new(), of: HashMap::new(), packets: Vec::new() }
    }

    /// Puts a word on the wire.
    pub fn say(&mut self, word: &Word, exchanges: &mut [Exchange], flows: &mut Vec<Flow>) {
        let exchange = &mut exchanges[word.exchange];
        let (conn, number) = match exchange.place {
            Some(place) => place,
            None => {
                let conn = self.conn(word.at, exchange, flows);
                let held = &mut self.conns[conn];
                let number = held.next;
                // a client's streams are odd (RFC 9113 §5.1.1)
                held.next += if exchange.kind == Kind::Grpc { 2 } else { 1 };
                held.busy = exchange.ends;
                exchange.place = Some((conn, number));
                (conn, number)
            }
        };
        let bytes = (word.text)(number);
        let twice = self.conns[conn].seen.len() > 1;
        for (n, seen) in (0..).zip(&mut self.conns[conn].seen) {
            // each packet may be the first that is captured
            let packet = seen.tcp.say(word.at, word.side, &bytes);
            let mut packet = seen.shows(packet, n * TRANSLATES);
            if let Some(first) = word.begins {
                let delivered = flows[first].receiver == flows[first].client;
                let flow = first + usize::from(twice && (n > 0) != delivered);
                packet.begins.push(flow);
                flows[flow].ports = Some(seen.ends);
            }
            self.packets.push(packet);
        }
    }

    /// Closes the connections that were for one call; all packets.
    pub fn close(mut self, exchanges: &[Exchange]) -> Vec<Packet> {
        let last = exchanges.iter().filter_map(|exchange| Some((exchange.place?.0, exchange.ends)));
        for (conn, end) in last {
            let Conn { seen, own, .. } = &mut self.conns[conn];
            for (n, seen) in (0..).zip(seen).filter(|_| *own) {
                let packets = seen.tcp.close(end + STEP);
                self.packets.extend(packets.into_iter().map(|packet| seen.shows(packet, n * SOON)));
            }
        }
        self.packets
    }

    /// The connection for an exchange that begins now.
    fn conn(&mut self, at: Nanos, exchange: &Exchange, flows: &mut Vec<Flow>) -> usize {
        let key = (exchange.client, exchange.server, exchange.kind.clone());
        let shared = matches!(exchange.kind, Kind::Grpc | Kind::Publishes | Kind::Consumes(_));
        let own = matches!(exchange.connection, Connection::Own | Connection::Foreign | Connection::Brief) && !shared;
        let free = |conn: &&usize| shared || self.conns[**conn].busy < at;
        if let Some(conn) = self.of.get(&key).filter(|_| !own).and_then(|all| all.iter().find(free)) {
            return *conn;
        }
        let conn = self.open(at, exchange, own, flows);
        if !own {
            self.of.entry(key).or_default().push(conn);
        }
        conn
    }

    fn open(&mut self, at: Nanos, exchange: &Exchange, own: bool, flows: &mut Vec<Flow>) -> usize {
        let mut seen = self.sides(exchange);
        for (n, seen) in (0..).zip(&mut seen) {
            let mut time = at.saturating_sub(OPENS);
            let mut packets = seen.tcp.open(time);
            for (side, bytes, operation) in preamble(exchange, self.services[exchange.server.0].name) {
                time += STEP;
                let mut packet = seen.tcp.say(time, side, &bytes);
                if let Some(operation) = operation {
                    packet.begins.push(flows.len());
                    let (protocol, status) = if exchange.kind == Kind::WebSocket { ("http", "101") } else { ("amqp", "ok") };
                    let what = (protocol, operation, status);
                    flows.push(Flow::housekeeping(what, exchange.client, exchange.server, time, seen.ends));
                }
                packets.push(packet);
            }
            self.packets.extend(packets.into_iter().map(|packet| seen.shows(packet, n * SOON)));
        }
        self.conns.push(Conn { seen, next: 1, busy: 0, own });
        self.conns.len() - 1
    }

    /// Where a new connection is seen. Behind a kernel that changes addresses each end is known on its own side alone.
    fn sides(&self, exchange: &Exchange) -> Vec<Seen> {
        let (client, server) = (exchange.client, exchange.server);
        let containers = self.names == Naming::Containers;
        let ip = |svc: Svc| if containers { [10, 0, 0, 2 + svc.0 as u8] } else { [127, 0, 0, 1] };
        let [listens, sends] = if containers { [[10, 0, 0, 1]; 2] } else { [[127, 0, 0, 1], [127, 0, 0, 2]] };
        let (ports, nat) =
            ([EPHEMERAL + self.conns.len() as u16, self.services[server.0].port], |svc: Svc| self.services[svc.0].nat);
        let ends = [addr(ip(client), ports[0]), addr(ip(server), ports[1])];
        let near = [ends[0], if nat(server).published { addr(listens, PUBLISHED + ports[1]) } else { ends[1] }];
        let far = [if nat(client).masqueraded { addr(sends, ports[0]) } else { ends[0] }, ends[1]];
        let who = |svc: Svc, end| (end, self.services[svc.0].name, 4000 + svc.0 as u32);
        let seen = |ends: [SocketAddrV4; 2], tcp, who: &[_]| {
            let comment = (self.names == Naming::Processes).then(|| naming(who));
            Seen { tcp, ends, comment }
        };
        let tcp = Tcp::new(near[0], near[1]);
        if near == far {
            let both = [who(client, near[0]), who(server, near[1])];
            return vec![seen(near, tcp, &both[usize::from(exchange.connection == Connection::Brief)..])];
        }
        let behind = tcp.translated(far[0], far[1]);
        vec![seen(near, tcp, &[who(client, near[0])]), seen(far, behind, &[who(server, far[1])])]
    }
}

/// What is said before the first word, a packet each, and the operations of the flows that begin there.
fn preamble(exchange: &Exchange, server: &str) -> Vec<(Side, Vec<u8>, Option<String>)> {
    let both = |client, server| vec![(Side::Client, client, None), (Side::Server, server, None)];
    match exchange.kind {
        Kind::Http | Kind::Redis | Kind::Foreign => Vec::new(),
        Kind::WebSocket => {
            let [client, answer] = unread::upgrade(server);
            vec![(Side::Client, client, Some("GET /ws".to_owned())), (Side::Server, answer, None)]
        }
        Kind::Proxied => vec![(Side::Client, b"PROXY TCP4 10.9.8.7 10.0.0.3 51000 8081\r\n".to_vec(), None)],
        Kind::Grpc => both(http2::client_preface(), http2::server_preface()),
        Kind::Publishes => amqp::opening(None),
        Kind::Consumes(queue) => amqp::opening(Some(queue)),
        Kind::Tls => both(tls::client_hello(server), tls::server_hello()),
        Kind::Postgres => {
            let [client, server] = stores::postgres_opening();
            both(client, server)
        }
    }
}
