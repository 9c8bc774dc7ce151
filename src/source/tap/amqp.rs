//! A tap of RabbitMQ (<https://www.rabbitmq.com/docs>): a queue of its own, bound beside those of the consumers, or the broker's trace
//! exchange. It publishes nothing, consumes no queue but its own, and leaves nothing behind: the queue is exclusive, so that it goes with
//! the connection, however that ends. Tracing alone would stay where the program is killed.
//!
//! ```text
//!  attach ─> declare ─> bind ─> consume ─┬─> message ─> Tapped     every few seconds: what else is there to bind
//!    ^  waits longer each time           └─> lost, or refused
//!    └──────────────────────────────────────────┘
//! ```

use super::Seat;
use super::management::Api;
use super::message::{self, Message};
use super::sessions::Sessions;
use crate::decode::Limits;
use crate::decode::amqp::handed;
use crate::model::{Attachment, SourceNews, Stamp, Tapped, UNKNOWN};
use crate::time::Time;
use connect::connect;
use dropped::{Dropped, Why};
use futures_core::Stream as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use pace::Pace;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use trouble::Trouble;

mod bind;
mod connect;
mod dropped;
mod firehose;
pub(super) mod frames;
mod holds;
mod pace;
mod trouble;

/// What the queue holds at most while we are behind; the oldest go. The broker's memory is more than our sight.
const MAX_LENGTH: i64 = 10_000;
/// See [`MAX_LENGTH`].
const MAX_BYTES: i64 = 64 << 20;
/// Messages on their way that are not acknowledged: what is held here where the reader is behind.
const PREFETCH: u16 = 500;
/// After so many messages they are acknowledged together.
const ACKNOWLEDGE: u64 = 100;
/// How long a broker may take to let us in, and to let us go.
const PATIENCE: Duration = Duration::from_secs(10);
/// See [`PATIENCE`].
const PARTING: Duration = Duration::from_secs(2);
/// How often it is looked whether we are to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is asked what else is there to bind.
const REFRESH: Duration = Duration::from_secs(5);
/// How long to wait before the second attempt, and before any at most.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// See [`FIRST_WAIT`].
const LAST_WAIT: Duration = Duration::from_secs(10);
/// How many things are told once.
const MAX_TOLD: usize = 64;
/// The exchange of traced messages.
const TRACE: &str = "amq.rabbitmq.trace";

/// One tap.
pub(super) struct Tap {
    seat: Seat,
    limits: Limits,
    state: Attachment,
    api: Api,
    asked: holds::Asked,
    sessions: Sessions,
    pace: Pace,
    /// Our connection's two ends.
    ends: Option<(SocketAddr, SocketAddr)>,
    /// Attached how often.
    times: u64,
    /// The queue of this attachment.
    queue: String,
    /// What the queue is bound to.
    bound: bind::Bound,
    /// Whether everything was traced when it was last asked, and whether by one of ours.
    traced: bool,
    /// See `traced`.
    traces: bool,
    /// What was told already.
    told: BTreeSet<String>,
    dropped: Dropped,
}

/// Watches until it is told to stop.
pub fn run(seat: Seat, limits: Limits) {
    let (user, password) = seat.url.login(|name| std::env::var(name).ok());
    let (at, vhost, own) = (seat.url.management.clone(), seat.url.vhost.clone(), seat.own.clone());
    let mut tap = Tap {
        state: Attachment { name: seat.url.name().into(), protocol: "amqp", broker: None, detached: None, holds: None },
        api: Api { at, user, password, vhost, own, latest: RefCell::default(), tls: OnceCell::new() },
        asked: holds::Asked::default(),
        queue: String::new(),
        sessions: Sessions::new(seat.id, Arc::clone(&seat.sessions)),
        pace: Pace::new(seat.url.rate),
        ends: None,
        times: 0,
        bound: bind::Bound::default(),
        traced: false,
        traces: false,
        told: BTreeSet::new(),
        dropped: Dropped::default(),
        seat,
        limits,
    };
    tap.state(|state| state.detached = Some("connecting".into()));
    if tap.api.at.shows_login_of(&tap.seat.url) {
        tap.tell(&format!("its login goes to {} in clear text, as management= says", tap.api.at));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    match runtime {
        Ok(runtime) => tap.watch(&runtime),
        Err(e) => tap.close(&format!("cannot be tapped: {e}")),
    }
    tap.untrace();
    let mut rest = Tapped { dropped: tap.dropped.take(), ..Tapped::default() };
    tap.sessions.end(&mut rest.events);
    tap.send(rest);
}

impl Tap {
    fn watch(&mut self, runtime: &tokio::runtime::Runtime) {
        let mut wait = FIRST_WAIT;
        loop {
            let before = self.times;
            match runtime.block_on(self.attached()) {
                Ok(()) => return,
                Err(Trouble::Refused(why)) if self.times == 0 => {
                    match &self.seat.refuse {
                        Some(refuse) => _ = refuse.try_send(format!("{}: {why}", self.state.name)),
                        None => self.close(&why),
                    }
                    return;
                }
                Err(Trouble::Passing(why) | Trouble::Refused(why)) => self.close(&format!("{why}; trying again")),
            }
            if self.times > before {
                wait = FIRST_WAIT;
            }
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.seat.stop.is_asked() {
                    return;
                }
                std::thread::sleep(LOOK.min(wait));
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    /// Attached, until it is told to stop.
    async fn attached(&mut self) -> Result<(), Trouble> {
        let late = || Trouble::Passing(format!("no answer within {} seconds", PATIENCE.as_secs()));
        let connection = tokio::time::timeout(PATIENCE, connect(self)).await.map_err(|_| late())??;
        let watched = self.consume(&connection).await;
        let bye = connection.close(200, "OK".into());
        // a connection that is lost already has nobody to say it to
        _ = tokio::time::timeout(PARTING, bye).await;
        watched
    }

    async fn consume(&mut self, connection: &Connection) -> Result<(), Trouble> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        self.queue = self.name_queue();
        let queue = self.queue.clone();
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(MAX_LENGTH));
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(MAX_BYTES));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
        // a policy for all queues may say where dead letters go; an argument comes before it, and there is no exchange of this name
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(queue.as_str().into()));
        channel.queue_declare(queue.as_str().into(), options, arguments).await?;
        let consume = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let consumer =
            channel.basic_consume(queue.as_str().into(), queue.as_str().into(), consume, FieldTable::default()).await?;
        (self.asked, self.bound) = <(holds::Asked, bind::Bound)>::default();
        if self.seat.url.firehose {
            self.trace(connection).await?;
        } else {
            self.bind(connection).await?;
        }
        self.times += 1;
        self.say(SourceNews::Opened(self.seat.id, Arc::clone(&self.state.name)));
        let broker = self.ends.map(|(_, broker)| broker);
        self.state(|state| (state.detached, state.broker) = (None, broker));
        self.listen(connection, &channel, consumer).await
    }

    async fn listen(&mut self, connection: &Connection, channel: &Channel, mut consumer: Consumer) -> Result<(), Trouble> {
        let (mut refreshed, mut last, mut owed) = (Instant::now(), 0, 0);
        while !self.seat.stop.is_asked() {
            let next = tokio::time::timeout(LOOK, poll_fn(|cx| Pin::new(&mut consumer).poll_next(cx))).await;
            let idle = next.is_err();
            match next {
                Ok(Some(delivery)) => {
                    let delivery = delivery?;
                    (last, owed) = (delivery.delivery_tag, owed + 1);
                    self.hand(&delivery);
                }
                Ok(None) => return Err(Trouble::Passing("the broker has ended it".into())),
                Err(_) => {}
            }
            self.tell_dropped();
            if owed >= ACKNOWLEDGE || owed > 0 && idle {
                channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
                owed = 0;
            }
            self.look();
            if refreshed.elapsed() >= REFRESH {
                if !self.seat.url.firehose {
                    self.bind(connection).await?;
                }
                if self.traced {
                    self.trace_goes_on();
                }
                self.miss();
                refreshed = Instant::now();
            }
        }
        Ok(())
    }

    /// The name of the queue, for whoever looks at the broker. Another one each time: the one before may not be gone yet.
    fn name_queue(&self) -> String {
        let host = rustix::system::uname();
        let (host, process, tap) = (host.nodename().to_string_lossy(), std::process::id(), self.seat.id.0);
        format!("{}{host}.{process}.{tap}.{}", message::QUEUE, self.times + 1)
    }

    /// Hands a message on, as the events of its flow. What is more than may be in a second, or more than the reader takes, is counted.
    fn hand(&mut self, delivery: &Delivery) {
        let url = &self.seat.url;
        let Some(message) = Message::of(delivery) else { return self.dropped.add(Why::TooLong) };
        let (handed, between) = if url.firehose {
            let Some(traced) = message.traced(url) else { return };
            traced
        } else {
            let bound = message.bound();
            if !self.bound.wants(&bound, url) {
                return;
            }
            (bound, None)
        };
        if !self.pace.allows(Instant::now()) {
            return self.dropped.add(Why::Rate);
        }
        let at = Stamp { time: now(), ..Stamp::default() };
        let broker = self.ends.map_or(UNKNOWN, |(_, broker)| broker);
        let between = between.unwrap_or((UNKNOWN, broker));
        let mut events = Vec::new();
        let (session, key) = self.sessions.next(between, at, &mut events);
        let begun = events.len();
        handed::tell(&mut events, &session, key, at, handed, &self.limits);
        if let Err(full) = self.seat.to.try_send(Tapped { events, ..Tapped::default() }) {
            self.dropped.add(Why::Behind);
            // a session that has begun has begun, whatever becomes of its messages
            let mut events = full.into_inner().events;
            events.truncate(begun);
            self.send(Tapped { events, ..Tapped::default() });
        }
    }

    /// Tells something once.
    fn tell(&mut self, what: &str) {
        if self.told.len() < MAX_TOLD && self.told.insert(what.to_owned()) {
            self.say(SourceNews::Warned(format!("{}: {what}", self.state.name).into()));
        }
    }

    fn close(&mut self, why: &str) {
        if self.told.len() < MAX_TOLD && self.told.insert(why.to_owned()) || self.times > 0 {
            self.say(SourceNews::Closed(self.seat.id, format!("{}: {why}", self.state.name).into()));
        }
        self.state(|state| (state.detached, state.holds) = (Some(why.into()), None));
    }

    fn say(&self, news: SourceNews) {
        self.send(Tapped { news: vec![news], ..Tapped::default() });
    }

    fn send(&self, tapped: Tapped) {
        // a reader that is gone needs nothing
        _ = self.seat.to.send(tapped);
    }
}

/// A tap's clock: that of the machine, as nothing says when a message was published.
fn now() -> Time {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    Time::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
