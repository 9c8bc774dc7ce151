//! The methods of AMQP 0-9-1 and of RabbitMQ's extensions, in one table, and how their arguments are read. Not what they do.

use super::field::{self, Field, Table};
use crate::decode::cursor::Cursor;
use compact_str::CompactString;

/// A method.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// The class's number.
    pub class: u16,
    /// Its number in the class.
    pub id: u16,
    /// `class.method`, as the specification writes it.
    pub name: &'static str,
    /// Who sends it.
    pub from: Sender,
    /// What it is in a conversation.
    pub role: Role,
    /// Names and types, in order.
    args: &'static [(&'static str, Kind)],
}

/// Who sends a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client alone.
    Client,
    /// The server alone.
    Server,
    /// Either.
    Both,
}

/// What a method is in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A reply is due, unless it says `no-wait`.
    Asks,
    /// The reply to the method of this number in its class.
    Answers(u16),
    /// Neither.
    Tells,
}

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Octet,
    Short,
    Long,
    LongLong,
    /// Those that follow one another share octets, from the lowest bit up (§4.2.5.2).
    Bit,
    ShortStr,
    LongStr,
    Table,
}

use Kind::{Bit, Long, LongLong, LongStr, Octet, Short, ShortStr, Table as Tab};
use Role::{Answers, Asks, Tells};
use Sender::{Both, Client, Server};

type Args = &'static [(&'static str, Kind)];

const fn m(class: u16, id: u16, name: &'static str, from: Sender, role: Role, args: Args) -> Method {
    Method { class, id, name, from, role, args }
}

const TICKET: (&str, Kind) = ("reserved", Short);
const CLOSE: Args = &[("reply_code", Short), ("reply_text", ShortStr), ("class_id", Short), ("method_id", Short)];
const TUNE: Args = &[("channel_max", Short), ("frame_max", Long), ("heartbeat", Short)];
const X_BIND: Args =
    &[TICKET, ("destination", ShortStr), ("source", ShortStr), ("routing_key", ShortStr), ("no_wait", Bit), ("arguments", Tab)];

/// All of them (§1 of the reference; RabbitMQ's are `connection.blocked` and later in that class, `exchange.bind` and `unbind`,
/// `basic.nack`, `confirm`).
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    m(10, 10, "connection.start", Server, Asks, &[("version_major", Octet), ("version_minor", Octet), ("server_properties", Tab), ("mechanisms", LongStr), ("locales", LongStr)]),
    m(10, 11, "connection.start-ok", Client, Answers(10), &[("client_properties", Tab), ("mechanism", ShortStr), ("response", LongStr), ("locale", ShortStr)]),
    m(10, 20, "connection.secure", Server, Asks, &[("challenge", LongStr)]),
    m(10, 21, "connection.secure-ok", Client, Answers(20), &[("response", LongStr)]),
    m(10, 30, "connection.tune", Server, Asks, TUNE),
    m(10, 31, "connection.tune-ok", Client, Answers(30), TUNE),
    m(10, 40, "connection.open", Client, Asks, &[("virtual_host", ShortStr), ("reserved", ShortStr), ("reserved", Bit)]),
    m(10, 41, "connection.open-ok", Server, Answers(40), &[("reserved", ShortStr)]),
    m(10, 50, "connection.close", Both, Asks, CLOSE),
    m(10, 51, "connection.close-ok", Both, Answers(50), &[]),
    m(10, 60, "connection.blocked", Server, Tells, &[("reason", ShortStr)]),
    m(10, 61, "connection.unblocked", Server, Tells, &[]),
    m(10, 70, "connection.update-secret", Client, Asks, &[("new_secret", LongStr), ("reason", ShortStr)]),
    m(10, 71, "connection.update-secret-ok", Server, Answers(70), &[]),
    m(20, 10, "channel.open", Client, Asks, &[("reserved", ShortStr)]),
    m(20, 11, "channel.open-ok", Server, Answers(10), &[("reserved", LongStr)]),
    m(20, 20, "channel.flow", Both, Asks, &[("active", Bit)]),
    m(20, 21, "channel.flow-ok", Both, Answers(20), &[("active", Bit)]),
    m(20, 40, "channel.close", Both, Asks, CLOSE),
    m(20, 41, "channel.close-ok", Both, Answers(40), &[]),
    m(30, 10, "access.request", Client, Asks, &[("realm", ShortStr), ("exclusive", Bit), ("passive", Bit), ("active", Bit), ("write", Bit), ("read", Bit)]),
    m(30, 11, "access.request-ok", Server, Answers(10), &[TICKET]),
    m(40, 10, "exchange.declare", Client, Asks, &[TICKET, ("exchange", ShortStr), ("type", ShortStr), ("passive", Bit), ("durable", Bit), ("auto_delete", Bit), ("internal", Bit), ("no_wait", Bit), ("arguments", Tab)]),
    m(40, 11, "exchange.declare-ok", Server, Answers(10), &[]),
    m(40, 20, "exchange.delete", Client, Asks, &[TICKET, ("exchange", ShortStr), ("if_unused", Bit), ("no_wait", Bit)]),
    m(40, 21, "exchange.delete-ok", Server, Answers(20), &[]),
    m(40, 30, "exchange.bind", Client, Asks, X_BIND),
    m(40, 31, "exchange.bind-ok", Server, Answers(30), &[]),
    m(40, 40, "exchange.unbind", Client, Asks, X_BIND),
    m(40, 51, "exchange.unbind-ok", Server, Answers(40), &[]),
    m(50, 10, "queue.declare", Client, Asks, &[TICKET, ("queue", ShortStr), ("passive", Bit), ("durable", Bit), ("exclusive", Bit), ("auto_delete", Bit), ("no_wait", Bit), ("arguments", Tab)]),
    m(50, 11, "queue.declare-ok", Server, Answers(10), &[("queue", ShortStr), ("message_count", Long), ("consumer_count", Long)]),
    m(50, 20, "queue.bind", Client, Asks, &[TICKET, ("queue", ShortStr), ("exchange", ShortStr), ("routing_key", ShortStr), ("no_wait", Bit), ("arguments", Tab)]),
    m(50, 21, "queue.bind-ok", Server, Answers(20), &[]),
    m(50, 30, "queue.purge", Client, Asks, &[TICKET, ("queue", ShortStr), ("no_wait", Bit)]),
    m(50, 31, "queue.purge-ok", Server, Answers(30), &[("message_count", Long)]),
    m(50, 40, "queue.delete", Client, Asks, &[TICKET, ("queue", ShortStr), ("if_unused", Bit), ("if_empty", Bit), ("no_wait", Bit)]),
    m(50, 41, "queue.delete-ok", Server, Answers(40), &[("message_count", Long)]),
    m(50, 50, "queue.unbind", Client, Asks, &[TICKET, ("queue", ShortStr), ("exchange", ShortStr), ("routing_key", ShortStr), ("arguments", Tab)]),
    m(50, 51, "queue.unbind-ok", Server, Answers(50), &[]),
    m(60, 10, "basic.qos", Client, Asks, &[("prefetch_size", Long), ("prefetch_count", Short), ("global", Bit)]),
    m(60, 11, "basic.qos-ok", Server, Answers(10), &[]),
    m(60, 20, "basic.consume", Client, Asks, &[TICKET, ("queue", ShortStr), ("consumer_tag", ShortStr), ("no_local", Bit), ("no_ack", Bit), ("exclusive", Bit), ("no_wait", Bit), ("arguments", Tab)]),
    m(60, 21, "basic.consume-ok", Server, Answers(20), &[("consumer_tag", ShortStr)]),
    m(60, 30, "basic.cancel", Both, Asks, &[("consumer_tag", ShortStr), ("no_wait", Bit)]),
    m(60, 31, "basic.cancel-ok", Both, Answers(30), &[("consumer_tag", ShortStr)]),
    m(60, 40, "basic.publish", Client, Tells, &[TICKET, ("exchange", ShortStr), ("routing_key", ShortStr), ("mandatory", Bit), ("immediate", Bit)]),
    m(60, 50, "basic.return", Server, Tells, &[("reply_code", Short), ("reply_text", ShortStr), ("exchange", ShortStr), ("routing_key", ShortStr)]),
    m(60, 60, "basic.deliver", Server, Tells, &[("consumer_tag", ShortStr), ("delivery_tag", LongLong), ("redelivered", Bit), ("exchange", ShortStr), ("routing_key", ShortStr)]),
    m(60, 70, "basic.get", Client, Asks, &[TICKET, ("queue", ShortStr), ("no_ack", Bit)]),
    m(60, 71, "basic.get-ok", Server, Answers(70), &[("delivery_tag", LongLong), ("redelivered", Bit), ("exchange", ShortStr), ("routing_key", ShortStr), ("message_count", Long)]),
    m(60, 72, "basic.get-empty", Server, Answers(70), &[("reserved", ShortStr)]),
    m(60, 80, "basic.ack", Both, Tells, &[("delivery_tag", LongLong), ("multiple", Bit)]),
    m(60, 90, "basic.reject", Client, Tells, &[("delivery_tag", LongLong), ("requeue", Bit)]),
    m(60, 100, "basic.recover-async", Client, Tells, &[("requeue", Bit)]),
    m(60, 110, "basic.recover", Client, Asks, &[("requeue", Bit)]),
    m(60, 111, "basic.recover-ok", Server, Answers(110), &[]),
    m(60, 120, "basic.nack", Both, Tells, &[("delivery_tag", LongLong), ("multiple", Bit), ("requeue", Bit)]),
    m(85, 10, "confirm.select", Client, Asks, &[("no_wait", Bit)]),
    m(85, 11, "confirm.select-ok", Server, Answers(10), &[]),
    m(90, 10, "tx.select", Client, Asks, &[]),
    m(90, 11, "tx.select-ok", Server, Answers(10), &[]),
    m(90, 20, "tx.commit", Client, Asks, &[]),
    m(90, 21, "tx.commit-ok", Server, Answers(20), &[]),
    m(90, 30, "tx.rollback", Client, Asks, &[]),
    m(90, 31, "tx.rollback-ok", Server, Answers(30), &[]),
];

/// The method of a number.
pub fn of(class: u16, id: u16) -> Option<&'static Method> {
    METHODS.iter().find(|m| m.class == class && m.id == id)
}

/// The method of a frame's payload, and its arguments where they are what they should be.
pub fn read(payload: &[u8]) -> Option<(&'static Method, Option<Table<'_>>)> {
    let mut c = Cursor::new(payload);
    let method = of(c.u16()?, c.u16()?)?;
    Some((method, arguments(method, &mut c).filter(|_| c.rest().is_empty())))
}

fn arguments<'a>(method: &Method, c: &mut Cursor<'a>) -> Option<Table<'a>> {
    let (mut found, mut bits) = (Table::default(), (0, 8));
    for &(name, kind) in method.args {
        if kind != Bit {
            bits = (0, 8);
        }
        let value = match kind {
            Octet => Field::Uint(c.u8()?.into()),
            Short => Field::Uint(c.u16()?.into()),
            Long => Field::Uint(c.u32()?.into()),
            LongLong => Field::Uint(field::eight(c)?),
            ShortStr => Field::Text(field::short(c)?),
            LongStr => Field::Text(field::long(c)?),
            Tab => Field::Table(field::table(c)?),
            Bit => {
                if bits.1 == 8 {
                    bits = (c.u8()?, 0);
                }
                bits.1 += 1;
                Field::Bool(bits.0 >> (bits.1 - 1) & 1 == 1)
            }
        };
        found.0.push((name.as_bytes(), value));
    }
    Some(found)
}

/// The word for a reply code (§1.3 of the reference).
pub fn code_word(code: u64) -> CompactString {
    let known = match code {
        200 => "ok",
        311 => "CONTENT_TOO_LARGE",
        312 => "NO_ROUTE",
        313 => "NO_CONSUMERS",
        320 => "CONNECTION_FORCED",
        402 => "INVALID_PATH",
        403 => "ACCESS_REFUSED",
        404 => "NOT_FOUND",
        405 => "RESOURCE_LOCKED",
        406 => "PRECONDITION_FAILED",
        501 => "FRAME_ERROR",
        502 => "SYNTAX_ERROR",
        503 => "COMMAND_INVALID",
        504 => "CHANNEL_ERROR",
        505 => "UNEXPECTED_FRAME",
        506 => "RESOURCE_ERROR",
        530 => "NOT_ALLOWED",
        540 => "NOT_IMPLEMENTED",
        541 => "INTERNAL_ERROR",
        other => return other.to_string().into(),
    };
    known.into()
}
