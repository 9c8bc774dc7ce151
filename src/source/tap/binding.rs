//! Which exchanges a tap's queue is bound to, and under which keys. A binding to a topic, fanout, headers or direct exchange gives a copy;
//! exchanges of other types may hand a message to one of their queues alone, so that none of them is ever bound.

use super::url::{Url, is_match};
use crate::model::{Binding, Exchange};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};
use std::collections::BTreeSet;

/// How many bindings a tap makes: far more than a person watches.
const MAX_BINDINGS: usize = 4096;
/// What the names of a broker's own exchanges begin with that are no place to publish to (its log, its traces, its events).
const OF_THE_BROKER: &str = "amq.rabbitmq.";
/// The exchanges that every virtual host has (§3.1.3).
const STANDARD: [(&str, &str); 4] =
    [("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.headers", "headers"), ("amq.topic", "topic")];

/// What is to be bound, and what cannot be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Exchanges, each with a key.
    pub bindings: BTreeSet<(String, String)>,
    /// Why some are left out.
    pub left_out: BTreeSet<String>,
}

/// What follows from the exchanges that there are, those that are asked for with their types, and from all bindings but our own.
pub fn plan(url: &Url, exchanges: &[Exchange], bindings: &[Binding]) -> Plan {
    let mut plan = Plan::default();
    for name in &url.exchanges {
        if name.is_empty() {
            plan.left_out.insert("the default exchange cannot be bound: firehose=on shows what goes through it".into());
        } else if !exchanges.iter().any(|e| e.name == *name) {
            plan.left_out.insert(format!("there is no exchange '{name}' yet"));
        }
    }
    let everything = ["#".to_owned()];
    let keys: &[String] = if url.keys.is_empty() { &everything } else { &url.keys };
    let chosen = |e: &&Exchange| match url.exchanges.as_slice() {
        [] => !e.name.is_empty() && !e.name.starts_with(OF_THE_BROKER),
        names => !e.name.is_empty() && names.contains(&e.name),
    };
    for Exchange { name, kind } in exchanges.iter().filter(chosen) {
        let mut bind = |key: &str| {
            if plan.bindings.len() < MAX_BINDINGS {
                plan.bindings.insert((name.clone(), key.to_owned()));
            }
        };
        match kind.as_str() {
            "topic" => keys.iter().for_each(|key| bind(key)),
            "fanout" | "headers" => bind(""),
            "direct" => {
                let known = bindings.iter().filter(|b| b.source == *name).map(|b| &b.key);
                known.filter(|key| keys.iter().any(|pattern| is_match(pattern, key))).for_each(|key| bind(key));
                url.keys.iter().filter(|key| !key.contains(['#', '*'])).for_each(|key| bind(key));
            }
            kind => {
                plan.left_out
                    .insert(format!("'{name}' is of type {kind}, which may hand a message to one queue alone: it is not bound"));
            }
        }
    }
    plan
}

/// The exchanges, where the management plugin does not answer: those that are asked for and are there, else those that every virtual
/// host has.
pub async fn without_management(url: &Url, connection: &Connection) -> lapin::Result<Vec<Exchange>> {
    let standard = || STANDARD.map(|(name, kind)| Exchange { name: name.to_owned(), kind: kind.to_owned() });
    if url.exchanges.is_empty() {
        return Ok(standard().to_vec());
    }
    let mut found = Vec::new();
    for name in url.exchanges.iter().filter(|name| !name.is_empty()) {
        match standard().into_iter().find(|e| e.name == *name) {
            Some(standard) => found.push(standard),
            None => {
                if let Some(kind) = kind_of(connection, name).await? {
                    found.push(Exchange { name: name.clone(), kind });
                }
            }
        }
    }
    Ok(found)
}

/// The type of an exchange; none where it is not there. A broker tells it only to who would declare the exchange otherwise: that it is
/// there is asked first, so that none is made; should it go in between, the one that is made goes with its last binding, ours.
async fn kind_of(connection: &Connection, name: &str) -> lapin::Result<Option<String>> {
    let declare = async |options| {
        let channel = connection.create_channel().await?;
        let declared = channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, FieldTable::default()).await;
        if declared.is_ok() {
            channel.close(200, "OK".into()).await?;
        }
        declared
    };
    if declare(ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() }).await.is_err() {
        return Ok(None);
    }
    let as_ours = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    match declare(as_ours).await {
        Ok(()) => Ok(Some("fanout".to_owned())),
        // "… received 'fanout' but current is 'topic'"; another difference than the type is told only where that is the same
        Err(e) => {
            let text = e.to_string();
            let current = text.split_once("inequivalent arg 'type'").and_then(|(_, after)| after.split_once("current is '"));
            let other = if text.contains("inequivalent arg") { "fanout" } else { "(not told)" };
            Ok(Some(current.and_then(|(_, kind)| kind.split_once('\'')).map_or(other, |(kind, _)| kind).to_owned()))
        }
    }
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
        ];
        let exchanges = exchanges.map(|(name, kind)| Exchange { name: name.into(), kind: kind.into() });
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
        let left_out = planned("amqp://h").left_out;
        assert!(
            left_out.len() == 1 && left_out.iter().all(|why| why.contains("'share' is of type x-consistent-hash")),
            "{left_out:?}"
        );
    }

    #[test]
    fn what_cannot_be_bound_is_said() {
        let Plan { bindings, left_out } = planned("amqp://h/?exchange=&exchange=gone");
        assert!(bindings.is_empty());
        let left_out: Vec<_> = left_out.into_iter().collect();
        assert!(
            left_out[0].starts_with("the default exchange cannot be bound") && left_out[1].contains("'gone'"),
            "{left_out:?}"
        );
    }
}
