//! Which exchanges a tap's queue is bound to, and under which keys. A binding to a topic, fanout, headers or direct exchange gives a copy;
//! exchanges of other types may hand a message to one of their queues alone, so that none of them is ever bound.

use super::url::{Url, is_match};
use crate::model::{Binding, Exchange};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ExchangeKind};
use std::collections::BTreeSet;

/// How many bindings a tap makes: far more than a person watches.
const MAX_BINDINGS: usize = 4096;
/// What the names of a broker's own exchanges begin with that are no place to publish to (its log, its traces, its events).
const OF_THE_BROKER: &str = "amq.rabbitmq.";
/// What shows what goes through an exchange that is not bound.
const FIREHOSE: &str = "firehose=on shows what goes through it";
/// How often a broker is asked of one exchange: its type, whether it is durable, whether it is auto-delete.
const PROBES: usize = 3;
/// The exchanges that every virtual host has (§3.1.3).
const STANDARD: [(&str, &str); 4] =
    [("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.headers", "headers"), ("amq.topic", "topic")];

/// What is to be bound, and what cannot be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Exchanges, each with a key.
    pub bindings: BTreeSet<(String, String)>,
    /// Those that are bound whole: what they are given with keys that were not asked for comes too.
    pub whole: BTreeSet<String>,
    /// Why some are left out.
    pub left_out: BTreeSet<String>,
}

/// What follows from the exchanges that there are, those that are asked for with their types, and from all bindings but our own.
pub fn plan(url: &Url, exchanges: &[Exchange], bindings: &[Binding]) -> Plan {
    let mut plan = Plan::default();
    if url.exchanges.is_empty() || url.exchanges.iter().any(String::is_empty) {
        plan.left_out.insert(format!("the default exchange cannot be bound ({FIREHOSE})"));
    }
    for name in url.exchanges.iter().filter(|name| !name.is_empty()) {
        if !exchanges.iter().any(|e| e.name == *name) {
            plan.left_out.insert(format!("there is no exchange '{name}' yet"));
        }
    }
    let everything = ["#".to_owned()];
    let keys: &[String] = if url.keys.is_empty() { &everything } else { &url.keys };
    let chosen = |e: &&Exchange| match url.exchanges.as_slice() {
        [] => !e.name.is_empty() && !e.name.starts_with(OF_THE_BROKER),
        names => !e.name.is_empty() && names.contains(&e.name),
    };
    for Exchange { name, kind, auto_delete } in exchanges.iter().filter(chosen) {
        // it goes with its last binding: with ours, or not before ours
        if *auto_delete {
            plan.left_out.insert(format!("'{name}' is auto-delete, and would go with our binding: it is not bound ({FIREHOSE})"));
            continue;
        }
        let mut bind = |key: &str| {
            if plan.bindings.len() < MAX_BINDINGS {
                plan.bindings.insert((name.clone(), key.to_owned()));
            }
        };
        match kind.as_str() {
            "topic" => keys.iter().for_each(|key| bind(key)),
            "fanout" | "headers" => {
                bind("");
                plan.whole.insert(name.clone());
            }
            "direct" => {
                let known = bindings.iter().filter(|b| b.source == *name).map(|b| &b.key);
                known.filter(|key| keys.iter().any(|pattern| is_match(pattern, key))).for_each(|key| bind(key));
                url.keys.iter().filter(|key| !key.contains(['#', '*'])).for_each(|key| bind(key));
            }
            kind => {
                plan.left_out.insert(format!(
                    "'{name}' is of type {kind}, which may hand a message to one queue alone: it is not bound ({FIREHOSE})"
                ));
            }
        }
    }
    plan
}

/// The exchanges, where the management plugin does not answer: those that are asked for and are there, else those that every virtual
/// host has.
pub async fn without_management(url: &Url, connection: &Connection) -> lapin::Result<Vec<Exchange>> {
    let standard = || STANDARD.map(|(name, kind)| Exchange { name: name.to_owned(), kind: kind.to_owned(), auto_delete: false });
    if url.exchanges.is_empty() {
        return Ok(standard().to_vec());
    }
    let mut found = Vec::new();
    for name in url.exchanges.iter().filter(|name| !name.is_empty()) {
        match standard().into_iter().find(|e| e.name == *name) {
            Some(standard) => found.push(standard),
            None => found.extend(named(connection, name).await?),
        }
    }
    Ok(found)
}

/// An exchange; none where it is not there. A broker tells of what kind it is only to who would declare it otherwise, one difference at a
/// time. None is ever made: one that is not there is refused for what is asked to be its alternate, which is no name.
async fn named(connection: &Connection, name: &str) -> lapin::Result<Option<Exchange>> {
    let declare = async |kind: &str, options| {
        let channel = connection.create_channel().await?;
        let kind = ExchangeKind::Custom(kind.to_owned());
        let mut arguments = FieldTable::default();
        arguments.insert("alternate-exchange".into(), AMQPValue::LongInt(0));
        let declared = channel.exchange_declare(name.into(), kind, options, arguments).await;
        if declared.is_ok() {
            channel.close(200, "OK".into()).await?;
        }
        declared
    };
    if declare("fanout", ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() }).await.is_err() {
        return Ok(None);
    }
    let mut options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    let mut exchange = Exchange { name: name.to_owned(), kind: "fanout".to_owned(), auto_delete: true };
    for _ in 0..PROBES {
        let Err(e) = declare(&exchange.kind, options).await else { return Ok(Some(exchange)) };
        match difference(&e.to_string()) {
            Some(("type", current)) => exchange.kind = current.to_owned(),
            Some(("durable", current)) => options.durable = current == "true",
            Some(("auto_delete", _)) => return Ok(Some(Exchange { auto_delete: false, ..exchange })),
            // what comes behind that is told only where it is the same
            Some(_) => return Ok(Some(exchange)),
            None => break,
        }
    }
    Ok(Some(Exchange { kind: "(not told)".to_owned(), auto_delete: false, ..exchange }))
}

/// What an exchange differs in, and what it is there: "inequivalent arg 'type' for exchange 'shop' in vhost '/': received 'fanout' but
/// current is 'topic'".
fn difference(text: &str) -> Option<(&str, &str)> {
    let (_, after) = text.split_once("inequivalent arg '")?;
    let (arg, after) = after.split_once('\'')?;
    let current = after.split_once("current is '").and_then(|(_, after)| after.split_once('\''));
    Some((arg, current.map_or("", |(current, _)| current)))
}

/// Binds the queue. A refusal ends its channel, so that each has its own.
pub async fn bind(connection: &Connection, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    channel.queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), FieldTable::default()).await?;
    channel.close(200, "OK".into()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(url: &str) -> Plan {
        let exchanges = [
            ("", "direct"),
            ("amq.rabbitmq.trace", "topic"),
            ("shop", "topic"),
            ("jobs", "direct"),
            ("news", "fanout"),
            ("h", "headers"),
            ("share", "x-consistent-hash"),
            ("passing", "topic"),
        ];
        let exchanges =
            exchanges.map(|(name, kind)| Exchange { name: name.into(), kind: kind.into(), auto_delete: name == "passing" });
        let binding = |source: &str, key: &str| Binding {
            source: source.into(),
            destination: "q".into(),
            to_exchange: false,
            key: key.into(),
        };
        let bindings = [binding("jobs", "mail.send"), binding("jobs", "print"), binding("shop", "x"), binding("", "q")];
        plan(&Url::parse(url).unwrap(), &exchanges, &bindings)
    }

    fn bound(url: &str) -> Vec<String> {
        planned(url).bindings.into_iter().map(|(exchange, key)| format!("{exchange}/{key}")).collect()
    }

    #[test]
    fn everything_that_gives_a_copy_is_bound_and_nothing_else() {
        assert_eq!(bound("amqp://h"), ["h/", "jobs/mail.send", "jobs/print", "news/", "shop/#"]);
        assert_eq!(
            bound("amqp://h/?key=mail.%23&key=stop"),
            ["h/", "jobs/mail.send", "jobs/stop", "news/", "shop/mail.#", "shop/stop"]
        );
        assert_eq!(bound("amqp://h/?exchange=shop&key=order.%23"), ["shop/order.#"]);
        let left_out: Vec<_> = planned("amqp://h").left_out.into_iter().collect();
        let [passing, share, default] = left_out.as_slice() else { panic!("{left_out:?}") };
        assert!(default.starts_with("the default exchange cannot be bound"));
        assert!(passing.starts_with("'passing' is auto-delete") && share.starts_with("'share' is of type x-consistent-hash"));
        assert!(bound("amqp://h/?exchange=passing").is_empty(), "it would go with our binding, whoever names it");
    }

    #[test]
    fn what_cannot_be_bound_is_said() {
        let Plan { bindings, left_out, .. } = planned("amqp://h/?exchange=&exchange=gone");
        assert!(bindings.is_empty());
        let left_out: Vec<_> = left_out.into_iter().collect();
        assert!(
            left_out[0].starts_with("the default exchange cannot be bound") && left_out[1].contains("'gone'"),
            "{left_out:?}"
        );
    }

    #[test]
    fn what_an_exchange_is_is_read_from_a_refusal() {
        let text = |what: &str| format!("PRECONDITION_FAILED - inequivalent arg {what}");
        let of_type = text("'type' for exchange 'it''s' in vhost '/': received 'fanout' but current is 'topic'");
        assert_eq!(difference(&of_type), Some(("type", "topic")));
        let none = text(
            "'alternate-exchange' for exchange 'a' in vhost '/': received none but current is the value 'b' of type 'longstr'",
        );
        assert_eq!(difference(&none), Some(("alternate-exchange", "")));
        assert_eq!(difference("ACCESS_REFUSED - access to exchange 'a' in vhost '/' refused"), None);
    }
}
