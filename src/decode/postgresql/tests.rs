//! PostgreSQL by script.

use super::*;
use crate::decode::properties::Conversation;

const UP: Dir = Dir::ToServer;
const DOWN: Dir = Dir::ToClient;

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let mut message = vec![kind];
    message.extend((payload.len() as u32 + 4).to_be_bytes());
    message.extend(payload);
    message
}

fn startup() -> Vec<u8> {
    let rest = b"\0\x03\0\0user\0shop\0database\0orders\0application_name\0billing\0\0";
    [&(rest.len() as u32 + 4).to_be_bytes()[..], rest].concat()
}

fn greeted() -> Vec<u8> {
    [message(b'R', &[&[0; 4]]), message(b'S', &[b"TimeZone\0UTC\0"]), message(b'K', &[&[0, 0, 0, 7, 1, 2, 3, 4]]), ready()]
        .concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', &[b"I"])
}

fn row(value: &[u8]) -> Vec<u8> {
    message(b'D', &[&[0, 1], &(value.len() as u32).to_be_bytes(), value])
}

fn columns() -> Vec<u8> {
    message(b'T', &[&[0, 1], b"id\0", &[0; 18]])
}

fn tag(tag: &[u8]) -> Vec<u8> {
    message(b'C', &[tag, b"\0"])
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"])
}

fn error(code: &str) -> Vec<u8> {
    message(b'E', &[b"SERROR\0VERROR\0C", code.as_bytes(), b"\0Mno such thing\0\0"])
}

fn extended(name: &str, text: &str, value: &[u8]) -> Vec<u8> {
    let name = name.as_bytes();
    let bind: &[&[u8]] = &[b"\0", name, b"\0", &[0, 0, 0, 1], &(value.len() as u32).to_be_bytes(), value, &[0, 0]];
    [
        message(b'P', &[name, b"\0", text.as_bytes(), b"\0\0\0"]),
        message(b'B', bind),
        message(b'D', &[b"P\0"]),
        message(b'E', &[b"\0", &[0; 4]]),
        message(b'S', &[]),
    ]
    .concat()
}

fn selected(rows: &[&[u8]]) -> Vec<u8> {
    let rows: Vec<u8> = rows.iter().flat_map(|value| row(value)).collect();
    [message(b'1', &[]), message(b'2', &[]), columns(), rows, tag(b"SELECT 2"), ready()].concat()
}

/// Conversations for the shared properties.
pub fn samples() -> Vec<Conversation> {
    let mut simple = Conversation::new("PostgreSQL, simple queries");
    // not sequential: behind a hole nothing is sure before the server is ready again, which is an exchange later
    simple.say(UP, &startup()).say(DOWN, &greeted());
    simple
        .say(UP, &query("SELECT id FROM orders"))
        .say(DOWN, &[columns(), row(b"1"), row(b"22"), tag(b"SELECT 2"), ready()].concat());
    simple.say(UP, &query("INSERT INTO orders VALUES (1)")).say(DOWN, &[error("23505"), ready()].concat());
    simple.say(UP, &query("BEGIN; DELETE FROM t")).say(DOWN, &[tag(b"BEGIN"), tag(b"DELETE 0"), message(b'Z', &[b"T"])].concat());
    simple.say(UP, &query("COPY t FROM STDIN")).say(DOWN, &message(b'G', &[&[0, 0, 0]]));
    simple.say(UP, &[message(b'd', &[b"1\n"]), message(b'c', &[])].concat()).say(DOWN, &[tag(b"COPY 1"), ready()].concat());
    simple.say(UP, &message(b'X', &[]));

    let mut extended_talk = Conversation::new("PostgreSQL, extended queries");
    extended_talk.say(UP, b"\0\0\0\x08\x04\xd2\x16\x2f").say(DOWN, b"N").say(UP, &startup()).say(DOWN, &greeted());
    extended_talk.say(UP, &extended("", "SELECT id FROM stock WHERE sku = $1", b"tea")).say(DOWN, &selected(&[b"1", b"2"]));
    extended_talk.say(UP, &extended("s", "UPDATE stock SET n = $1", b"4"));
    extended_talk.say(DOWN, &[message(b'1', &[]), message(b'2', &[]), message(b'n', &[]), tag(b"UPDATE 1"), ready()].concat());
    extended_talk.say(UP, &extended("", "SELEC", b"")).say(DOWN, &[error("42601"), ready()].concat());
    extended_talk.say(UP, &query("SELECT 1")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());

    // what is run again depends on what was prepared: behind a hole it has no text
    let again = [message(b'B', &[b"\0s\0", &[0; 6]]), message(b'E', &[b"\0", &[0; 4]]), message(b'S', &[])].concat();
    let mut prepared = Conversation::new("PostgreSQL, a prepared statement");
    prepared.say(UP, &startup()).say(DOWN, &greeted()).say(UP, &extended("s", "UPDATE stock SET n = $1", b"4"));
    prepared.say(DOWN, &[message(b'1', &[]), message(b'2', &[]), message(b'n', &[]), tag(b"UPDATE 1"), ready()].concat());
    prepared.say(UP, &again).say(DOWN, &[message(b'2', &[]), error("57014"), ready()].concat());

    let mut pipelined = Conversation::new("PostgreSQL, two cycles at once");
    pipelined.say(UP, &startup()).say(DOWN, &greeted());
    pipelined.say(UP, &[extended("", "SELECT a FROM b", b"x"), extended("", "SELECT c FROM d", b"y")].concat());
    pipelined.say(DOWN, &[selected(&[b"1"]), selected(&[b"2", b"3"])].concat());

    let mut late = Conversation::new("PostgreSQL, joined late");
    late.joined = Joined::Midway;
    late.say(UP, &query("SELECT id FROM orders")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    late.say(UP, &query("SELECT id FROM stock")).say(DOWN, &[columns(), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    late.say(UP, &[message(b'B', &[b"\0s9\0", &[0; 6]]), message(b'E', &[b"\0", &[0; 4]]), message(b'S', &[])].concat());
    late.say(DOWN, &[message(b'2', &[]), row(b"1"), tag(b"SELECT 1"), ready()].concat());
    vec![simple, extended_talk, prepared, pipelined, late]
}
