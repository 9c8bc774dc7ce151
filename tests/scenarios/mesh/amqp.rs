//! AMQP 0-9-1 as bytes: the methods that a publisher, a consumer and a broker need.

use super::capture::Side::{self, Client, Server};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const BASIC: u16 = 60;

/// What a message is, apart from where it goes.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub headers: Vec<(String, String)>,
    pub message_id: Option<String>,
    pub correlation_id: Option<String>,
    pub body: Vec<u8>,
    /// Fields of its headers that the broker has added, as bytes.
    pub added: Vec<u8>,
}

/// What a quorum queue says of a message that it hands out again (<https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling>).
pub fn delivery_count(count: i64) -> Vec<u8> {
    [&short("x-delivery-count")[..], b"l", &count.to_be_bytes()].concat()
}

/// What a broker says of a message that was rejected, and went to another exchange (<https://www.rabbitmq.com/docs/dlx#effects>).
pub fn death(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    let text = |name: &str, value: &str| [short(name), b"S".to_vec(), long(value.as_bytes())].concat();
    let keys = [&b"S"[..], &long(key.as_bytes())].concat();
    let keys = [&short("routing-keys")[..], b"A", &long(&keys)].concat();
    let count = [&short("count")[..], b"l", &1_i64.to_be_bytes()].concat();
    let one = [count, text("reason", "rejected"), text("queue", queue), text("exchange", exchange), keys].concat();
    let deaths = [&b"F"[..], &long(&one)].concat();
    [[&short("x-death")[..], b"A", &long(&deaths)].concat(), text("x-first-death-queue", queue)].concat()
}

/// What opens a connection and its one channel, up to where `confirm.select` or `basic.consume` is answered, a packet each, with the
/// operation of the flow that begins in it.
pub fn opening(consumes: Option<&str>) -> Vec<(Side, Vec<u8>, Option<String>)> {
    let own = |method| [method, short("")].concat();
    let start = [vec![0, 9], table(&[]), long(b"PLAIN"), long(b"en_US")].concat();
    let start_ok = [table(&[]), short("PLAIN"), long(b"\0guest\0guest"), short("en_US")].concat();
    let tune = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &60_u16.to_be_bytes()].concat();
    let open = [short("/"), short(""), vec![0]].concat();
    let named = |operation: &str| Some(operation.to_owned());
    let mut all = vec![
        (Client, b"AMQP\0\0\x09\x01".to_vec(), None),
        (Server, method(0, 10, 10, &start), named("connection.start")),
        (Client, method(0, 10, 11, &start_ok), None),
        (Server, method(0, 10, 30, &tune), named("connection.tune")),
        (Client, method(0, 10, 31, &tune), None),
        (Client, method(0, 10, 40, &open), named("connection.open /")),
        (Server, method(0, 10, 41, &own(vec![])), None),
        (Client, method(1, 20, 10, &own(vec![])), named("channel.open")),
        (Server, method(1, 20, 11, &long(b"")), None),
    ];
    if let Some(queue) = consumes {
        let no_ack = if is_auto(queue) { 2 } else { 0 };
        let consume = [vec![0, 0], short(queue), short(queue), vec![no_ack], table(&[])].concat();
        all.push((Client, method(1, 60, 20, &consume), Some(format!("basic.consume {queue}"))));
        all.push((Server, method(1, 60, 21, &short(queue)), None));
    } else {
        all.push((Client, method(1, 85, 10, &[0]), named("confirm.select")));
        all.push((Server, method(1, 85, 11, &[]), None));
    }
    all
}

/// Whether messages from a queue are not acknowledged.
pub fn is_auto(queue: &str) -> bool {
    queue.starts_with("auto")
}

/// A message to the broker; one that nobody takes is to come back.
pub fn publish(exchange: &str, key: &str, message: &Message) -> Vec<u8> {
    let mandatory = vec![1];
    content(&method(1, BASIC, 40, &[vec![0, 0], short(exchange), short(key), mandatory].concat()), message)
}

/// The broker has it.
pub fn confirm(tag: u64) -> Vec<u8> {
    method(1, BASIC, 80, &[&tag.to_be_bytes()[..], &[0]].concat())
}

/// Nobody takes it: it comes back, and is confirmed.
pub fn returned(exchange: &str, key: &str, message: &Message, tag: u64) -> Vec<u8> {
    let head = [312_u16.to_be_bytes().to_vec(), short("NO_ROUTE"), short(exchange), short(key)].concat();
    [content(&method(1, BASIC, 50, &head), message), confirm(tag)].concat()
}

/// A message to a consumer.
pub fn deliver(queue: &str, exchange: &str, key: &str, message: &Message, tag: u64, redelivered: bool) -> Vec<u8> {
    let head = [short(queue), tag.to_be_bytes().to_vec(), vec![u8::from(redelivered)], short(exchange), short(key)].concat();
    content(&method(1, BASIC, 60, &head), message)
}

/// What a consumer says of it.
pub fn outcome(tag: u64, outcome: Outcome) -> Vec<u8> {
    let tag = tag.to_be_bytes();
    match outcome {
        Outcome::Ack => method(1, BASIC, 80, &[&tag[..], &[0]].concat()),
        // not several, and back into the queue
        Outcome::Requeue => method(1, BASIC, 120, &[&tag[..], &[2]].concat()),
        Outcome::Reject => method(1, BASIC, 90, &[&tag[..], &[0]].concat()),
    }
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ack,
    /// Negatively acknowledged, and to be delivered again.
    Requeue,
    /// Rejected, for good.
    Reject,
}

impl Outcome {
    /// The contract's word.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Requeue => "nack",
            Self::Reject => "reject",
        }
    }
}

/// A method with its content header and one body frame.
fn content(method: &[u8], message: &Message) -> Vec<u8> {
    let Message { headers, message_id, correlation_id, body, added } = message;
    let mut properties = Vec::new();
    let mut flags = 0_u16;
    if !headers.is_empty() || !added.is_empty() {
        flags |= 1 << 13;
        properties.extend(long(&[fields(headers), added.clone()].concat()));
    }
    for (bit, id) in [(10, correlation_id), (7, message_id)] {
        if let Some(id) = id {
            flags |= 1 << bit;
            properties.extend(short(id));
        }
    }
    let size = (body.len() as u64).to_be_bytes();
    let head = [&BASIC.to_be_bytes()[..], &[0, 0], &size, &flags.to_be_bytes(), &properties].concat();
    let mut out = [method.to_vec(), frame(HEADER, 1, &head)].concat();
    if !body.is_empty() {
        out.extend(frame(BODY, 1, body));
    }
    out
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(METHOD, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &length, payload, &[0xce]].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text].concat()
}

/// A table of texts.
fn table(texts: &[(String, String)]) -> Vec<u8> {
    long(&fields(texts))
}

fn fields(texts: &[(String, String)]) -> Vec<u8> {
    let field = |(name, value): &(String, String)| [short(name), vec![b'S'], long(value.as_bytes())].concat();
    texts.iter().flat_map(field).collect()
}
