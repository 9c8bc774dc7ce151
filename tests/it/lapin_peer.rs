//! lapin as a peer: what `tests/services/apps/tapped.py` does by pika, in Rust.

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties, Consumer};
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::Pin;

/// Each exchange with the keys by which its queue is bound.
const EXCHANGES: [(&str, &[&str]); 4] =
    [("shop", &["order.placed"]), ("jobs", &["mail", "print"]), ("news", &[""]), ("files", &[""])];

/// Publishes `count` messages to each exchange, each confirmed, and has two consumers take them all.
pub fn post(port: u16, count: usize, run: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let consumers = [Taking::start(port).await, Taking::start(port).await];
        let connection = connect(port).await;
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let mut published = Vec::new();
        for n in 0..count {
            for (exchange, keys) in EXCHANGES {
                let (key, id) = (keys[n % keys.len()], format!("{run}.{exchange}.{n}"));
                let mut headers = FieldTable::default();
                headers.insert("kind".into(), AMQPValue::LongString("image".into()));
                headers.insert("n".into(), AMQPValue::LongLongInt(n as i64));
                let traceparent = format!("00-{:032x}-00f067aa0ba902b7-01", n + 1);
                headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
                let properties = BasicProperties::default()
                    .with_content_type("application/json".into())
                    .with_message_id(id.as_str().into())
                    .with_headers(headers)
                    .with_delivery_mode(2)
                    .with_app_id("tapped".into());
                let (options, body) = (BasicPublishOptions::default(), json!({ "n": n }).to_string());
                let confirm =
                    channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await.unwrap();
                assert!(confirm.await.unwrap().is_ack());
                published.push(json!({ "id": id, "exchange": exchange, "key": key }));
            }
        }
        let mut taken = Vec::new();
        let [mut one, mut other] = consumers;
        while taken.len() < published.len() {
            tokio::select! {
                delivery = one.next() => taken.push(one.take(delivery).await),
                delivery = other.next() => taken.push(other.take(delivery).await),
            }
        }
        taken.sort_unstable();
        for connection in [connection, one.connection, other.connection] {
            connection.close(200, "OK".into()).await.unwrap();
        }
        json!({ "published": published, "taken": taken })
    })
}

async fn connect(port: u16) -> Connection {
    Connection::connect(&format!("amqp://guest:guest@127.0.0.1:{port}/%2f"), ConnectionProperties::default()).await.unwrap()
}

/// A consumer of all queues.
struct Taking {
    connection: Connection,
    consumers: Vec<Consumer>,
}

impl Taking {
    async fn start(port: u16) -> Self {
        let connection = connect(port).await;
        let channel = connection.create_channel().await.unwrap();
        channel.basic_qos(5, BasicQosOptions::default()).await.unwrap();
        let mut consumers = Vec::new();
        for (exchange, _) in EXCHANGES {
            let (queue, options) = (format!("all.{exchange}"), BasicConsumeOptions::default());
            consumers
                .push(channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await.unwrap());
        }
        Self { connection, consumers }
    }

    /// The next delivery of any queue.
    async fn next(&mut self) -> Delivery {
        poll_fn(|cx| {
            let mut ready = self.consumers.iter_mut().map(|consumer| futures_core::Stream::poll_next(Pin::new(consumer), cx));
            ready.find(std::task::Poll::is_ready).unwrap_or(std::task::Poll::Pending)
        })
        .await
        .unwrap()
        .unwrap()
    }

    /// Acknowledges it: which it was.
    async fn take(&self, delivery: Delivery) -> String {
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        delivery.properties.message_id().as_ref().unwrap().to_string()
    }
}
