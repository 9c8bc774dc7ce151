//! What a method's arguments tell, as fields of a flow. Not what it means.

use super::field::{self, Field, Table};
use super::message;
use crate::model::{Fields, Value, text_of};
use compact_str::CompactString;

/// Arguments that have a field of their own.
const OWN: &[(&str, &str)] = &[
    ("queue", "amqp.queue"),
    ("exchange", "amqp.exchange"),
    ("routing_key", "amqp.routing_key"),
    ("consumer_tag", "amqp.consumer_tag"),
    ("reply_code", "amqp.reply_code"),
    ("reply_text", "amqp.reply_text"),
];

/// How a message was delivered.
pub fn delivered(args: &Table<'_>, queue: Option<&str>, channel: u16) -> Fields {
    let mut fields = message::routed(args.bytes("exchange"), args.bytes("routing_key"));
    if let Some(queue) = queue {
        fields.set("amqp.queue", queue);
    }
    let tag = Field::Uint(args.number("delivery_tag")).value();
    fields
        .with("amqp.redelivered", args.is("redelivered"))
        .with("amqp.delivery_tag", tag)
        .with("amqp.channel", i64::from(channel))
}

/// A method's arguments: those that have a field of their own, the rest under `rest`.
pub fn told(args: &Table<'_>, rest: &'static str) -> Fields {
    let (mut fields, mut others) = (Fields::default(), Vec::new());
    for (name, field) in &args.0 {
        let name = text_of(name);
        match (OWN.iter().find(|(own, _)| *own == name), field) {
            (_, field) if is_empty(field) => {}
            (Some((_, own)), field) => fields.set(own, field.value()),
            (None, _) if matches!(&*name, "reserved" | "no_wait") => {}
            // an end that no method caused
            (None, Field::Uint(0)) if matches!(&*name, "class_id" | "method_id") => {}
            (None, Field::Text(response)) if name == "response" => others.extend(credentials(&args.text("mechanism"), response)),
            (None, field) => others.push((name.into(), field.value())),
        }
    }
    if !others.is_empty() {
        fields.set(rest, Value::Map(others));
    }
    fields
}

fn is_empty(field: &Field<'_>) -> bool {
    matches!(field, Field::Text([])) || matches!(field, Field::Table(Table(pairs)) if pairs.is_empty())
}

/// Who logs in, and by what (RFC 4616; AMQPLAIN is a table without its length). The names tell what has to be masked.
fn credentials(mechanism: &str, response: &[u8]) -> Vec<(CompactString, Value)> {
    let text = |bytes: &[u8]| Value::Text(text_of(bytes).into());
    match mechanism {
        "PLAIN" => {
            let mut parts = response.splitn(3, |&b| b == 0).skip(1);
            let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            vec![("user".into(), text(user)), ("password".into(), text(password))]
        }
        "AMQPLAIN" => {
            let table = field::bare_table(response).unwrap_or_default();
            vec![("user".into(), text(table.bytes("LOGIN"))), ("password".into(), text(table.bytes("PASSWORD")))]
        }
        _ => vec![("credentials".into(), text(response))],
    }
}
