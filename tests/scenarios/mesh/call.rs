//! What a script says: a call, what its receiver does meanwhile, and how it ends. A tree of plain data.

use super::Svc;
use super::amqp::Outcome;
use super::capture::Nanos;

/// A millisecond.
pub const MS: Nanos = 1_000_000;

/// A call from whoever makes it.
#[derive(Clone, Debug)]
pub struct Call {
    pub to: Svc,
    pub what: What,
    /// How long its sender waits before it.
    pub after: Nanos,
    /// How long its receiver is at work before the first call of its own, and again after the last.
    pub works: Nanos,
    /// What the receiver calls meanwhile.
    pub calls: Vec<Call>,
    /// What it calls because of it after its answer, each a while after the one before.
    pub later: Vec<Call>,
    pub order: Order,
    pub answer: Answer,
    pub connection: Connection,
    /// Headers besides trace context.
    pub headers: Vec<(String, String)>,
    /// ID-like values in what it carries.
    pub ids: Vec<String>,
    pub carries: Carries,
}

/// Whether a call carries its sender's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    Context,
    /// Not even where its sender does so otherwise.
    Nothing,
}

/// Whether calls are made one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    InTurn,
    Together,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Good,
    /// HTTP: the status. gRPC: the code. AMQP: nobody takes it.
    Bad(u16),
    /// Not at all.
    Never,
}

/// What carries a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// One that was used before, where one is free.
    Kept,
    /// One of its own.
    Own,
    /// One of its own, gone before anybody has seen whose process its client is.
    Brief,
    /// One that cannot be looked into.
    Sealed,
    /// One of its own, in a protocol that is not read.
    Foreign,
    /// A WebSocket, whose messages are not read.
    WebSocket,
    /// One that begins with whom it is for (the PROXY protocol).
    Proxied,
}

/// What is called.
#[derive(Clone, Debug)]
pub enum What {
    Http { method: &'static str, target: String },
    Grpc { path: &'static str },
    Publish { exchange: &'static str, key: &'static str, message_id: Option<String>, deliveries: Vec<Delivery> },
    Sql { text: String, parameters: Vec<String>, comment: Comment },
    Redis { arguments: Vec<String> },
}

/// Whether a statement carries context in a comment (sqlcommenter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comment {
    Plain,
    Traced,
}

/// A message that comes out of a broker.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub to: Svc,
    /// What passes it on to that one, to the letter.
    pub through: Option<Svc>,
    pub queue: &'static str,
    /// How long after it went in.
    pub after: Nanos,
    pub works: Nanos,
    pub calls: Vec<Call>,
    /// What becomes of it; none: nothing is said of it.
    pub outcome: Option<Outcome>,
    pub redelivered: bool,
    /// What the broker has added to its headers, and how it was routed where not as it was published.
    pub added: Vec<u8>,
    pub routed: Option<(&'static str, &'static str)>,
}

impl Call {
    fn new(to: Svc, what: What) -> Self {
        let (order, answer, connection) = (Order::InTurn, Answer::Good, Connection::Kept);
        let (calls, later, headers, ids) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            to,
            what,
            after: MS,
            works: 2 * MS,
            calls,
            later,
            order,
            answer,
            connection,
            headers,
            ids,
            carries: Carries::Context,
        }
    }

    pub fn http(to: Svc, method: &'static str, target: impl Into<String>) -> Self {
        Self::new(to, What::Http { method, target: target.into() })
    }

    pub fn grpc(to: Svc, path: &'static str) -> Self {
        Self::new(to, What::Grpc { path })
    }

    pub fn publish(to: Svc, exchange: &'static str, key: &'static str) -> Self {
        Self::new(to, What::Publish { exchange, key, message_id: None, deliveries: Vec::new() })
    }

    /// A statement; with parameters by the extended protocol.
    pub fn sql(to: Svc, text: impl Into<String>, parameters: &[&str]) -> Self {
        let parameters = parameters.iter().map(|p| (*p).to_owned()).collect();
        Self::new(to, What::Sql { text: text.into(), parameters, comment: Comment::Plain })
    }

    pub fn redis(to: Svc, arguments: &[&str]) -> Self {
        Self::new(to, What::Redis { arguments: arguments.iter().map(|a| (*a).to_owned()).collect() })
    }

    pub fn calls(mut self, calls: impl IntoIterator<Item = Self>) -> Self {
        self.calls.extend(calls);
        self
    }

    /// What is done when its sender has long been answered.
    pub fn later(mut self, calls: impl IntoIterator<Item = Self>) -> Self {
        self.later.extend(calls);
        self
    }

    pub fn together(mut self) -> Self {
        self.order = Order::Together;
        self
    }

    pub fn after(mut self, after: Nanos) -> Self {
        self.after = after;
        self
    }

    pub fn works(mut self, works: Nanos) -> Self {
        self.works = works;
        self
    }

    pub fn answers(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    pub fn over(mut self, connection: Connection) -> Self {
        self.connection = connection;
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.ids.push(id.into());
        self
    }

    /// Without its sender's context.
    pub fn bare(mut self) -> Self {
        self.carries = Carries::Nothing;
        self
    }

    /// Of a statement: with context in a comment.
    pub fn traced(mut self) -> Self {
        if let What::Sql { comment, .. } = &mut self.what {
            *comment = Comment::Traced;
        }
        self
    }

    /// Of a message: where it comes out.
    pub fn delivers(mut self, all: impl IntoIterator<Item = Delivery>) -> Self {
        if let What::Publish { deliveries, .. } = &mut self.what {
            deliveries.extend(all);
        }
        self
    }

    /// Of a message: its property `message-id`.
    pub fn message_id(mut self, id: impl Into<String>) -> Self {
        if let What::Publish { message_id, .. } = &mut self.what {
            *message_id = Some(id.into());
        }
        self
    }
}

impl Delivery {
    pub fn new(to: Svc, queue: &'static str) -> Self {
        let (after, works) = (3 * MS, 2 * MS);
        Self {
            to,
            through: None,
            queue,
            after,
            works,
            calls: Vec::new(),
            outcome: Some(Outcome::Ack),
            redelivered: false,
            added: Vec::new(),
            routed: None,
        }
    }

    pub fn after(mut self, after: Nanos) -> Self {
        self.after = after;
        self
    }

    pub fn calls(mut self, calls: impl IntoIterator<Item = Call>) -> Self {
        self.calls.extend(calls);
        self
    }

    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// By a relay that reads nothing of it.
    pub fn through(mut self, relay: Svc) -> Self {
        self.through = Some(relay);
        self
    }

    pub fn redelivered(mut self) -> Self {
        self.redelivered = true;
        self
    }

    /// With headers that the broker has added.
    pub fn added(mut self, fields: Vec<u8>) -> Self {
        self.added = fields;
        self
    }

    /// By another exchange and key than it was published with.
    pub fn routed(mut self, exchange: &'static str, key: &'static str) -> Self {
        self.routed = Some((exchange, key));
        self
    }

    /// Nothing is said of what became of it.
    pub fn unacknowledged(mut self) -> Self {
        self.outcome = None;
        self
    }
}
