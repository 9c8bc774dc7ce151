//! A broker as one of its taps finds it: whether that is attached, and what the broker holds. Plain data; how it is asked is the tap's.

use std::net::SocketAddr;
use std::sync::Arc;

/// A tap, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// What it is called: a URL without credentials.
    pub name: Arc<str>,
    /// What is spoken there.
    pub protocol: &'static str,
    /// Where the broker is, once it was reached.
    pub broker: Option<SocketAddr>,
    /// Why it is not attached; none where it is.
    pub detached: Option<Arc<str>>,
    /// What the broker holds, or why that is not known; none before it was asked.
    pub holds: Option<Result<Arc<Topology>, Arc<str>>>,
}

/// What a broker's virtual host holds, but for what taps have there: each list in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Where messages go in.
    pub exchanges: Vec<Exchange>,
    /// Where they wait.
    pub queues: Vec<Queue>,
    /// How they get from there to here.
    pub bindings: Vec<Binding>,
    /// How much more there is than is told.
    pub more: u64,
}

/// An exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Messages that wait in it; none where that is not told (yet).
    pub ready: Option<u64>,
    /// Messages that were delivered and are not acknowledged.
    pub unacked: Option<u64>,
    /// Who takes from it: the address of each, and the tag that it has given itself.
    pub consumers: Vec<(String, String)>,
}

/// A binding of a queue or exchange to an exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// From which exchange.
    pub source: String,
    /// To which queue or exchange.
    pub destination: String,
    /// Whether that is an exchange.
    pub to_exchange: bool,
    /// Under which key.
    pub key: String,
}
