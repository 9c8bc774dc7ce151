//! What is said on a connection of each protocol that stays open then.

use super::grpc::Grpc;
use super::scenarios::mesh::amqp::{self, Message};
use super::scenarios::mesh::capture::Side;
use super::scenarios::mesh::stores;
use super::workloads::{Dice, Out};
use std::io;

/// What each side says, in turn.
pub type Talk = Vec<(Side, Vec<u8>)>;

pub fn grpc() -> Talk {
    let mut talk = vec![(Side::Client, Grpc::preface()), (Side::Server, Grpc::settings())];
    talk.extend(Grpc::default().call(1, &mut Dice::new()));
    talk
}

/// A message that is published and confirmed.
pub fn amqp() -> Talk {
    let mut talk: Talk = amqp::opening(None).into_iter().map(|(side, bytes, _)| (side, bytes)).collect();
    let message = Message {
        headers: Vec::new(),
        message_id: Some("m-1".to_owned()),
        correlation_id: None,
        body: b"{}".to_vec(),
        added: Vec::new(),
    };
    talk.push((Side::Client, amqp::publish("shop", "order.created", &message)));
    talk.push((Side::Server, amqp::confirm(1)));
    talk
}

pub fn postgresql() -> Talk {
    let [startup, greeting] = stores::postgres_opening();
    let ask = stores::extended("SELECT id FROM orders WHERE id = $1", &["1".to_owned()]);
    let answer = stores::result(true, "SELECT 1", "1");
    vec![(Side::Client, startup), (Side::Server, greeting), (Side::Client, ask), (Side::Server, answer)]
}

pub fn redis() -> Talk {
    let get = stores::command(&["GET".to_owned(), "cart:1".to_owned()]);
    vec![(Side::Client, get), (Side::Server, stores::reply("3"))]
}

/// Queries over UDP, each from a port of its own.
pub fn dns(out: &mut Out, clients: usize) -> io::Result<()> {
    for n in 0..clients {
        let name = [b"\x07orders-", format!("{n:06}").as_bytes()].concat();
        let name = [&[name.len() as u8 - 1], &name[1..], b"\x04shop\x05local\0"].concat();
        let question = [&name[..], &[0, 1, 0, 1]].concat();
        let head = |flags: [u8; 2], answers: u8| [(n as u16).to_be_bytes(), flags, [0, 1], [0, answers], [0; 2], [0; 2]].concat();
        let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10], &(n as u32).to_be_bytes()[1..]].concat();
        let ports = [(10_000 + n % 50_000) as u16, 53];
        out.datagram(Side::Client, ports, n / 50_000, &[head([1, 0], 0), question.clone()].concat())?;
        out.datagram(Side::Server, ports, n / 50_000, &[head([0x81, 0x80], 1), question, record].concat())?;
        out.pass(100);
    }
    Ok(())
}
