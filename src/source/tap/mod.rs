//! Taps: attachments to message brokers that watch without taking messages away from consumers. A tap makes events by the functions that
//! read the same messages from the wire; the reader gives them their place among the packets.

#[cfg(feature = "taps")]
mod amqp;
#[cfg(feature = "taps")]
mod binding;
#[cfg(feature = "taps")]
mod management;
#[cfg(feature = "taps")]
mod message;
mod quiet;
#[cfg(feature = "taps")]
mod sessions;
mod url;

pub use quiet::Quiet;
pub use url::{Management, Url};

use crate::decode::Limits;
use crate::model::{SourceId, Tapped};
use crate::source::SourceIds;
use crate::source::own::OwnSockets;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Pieces that wait for the reader, each of a message or a few; what comes then is dropped and counted.
const WAITING: usize = 1024;

/// Taps, attached once [`Taps::start`] is called.
pub struct Taps {
    /// What they tell.
    pub tapped: Receiver<Tapped>,
    /// Ends them.
    pub stop: Stop,
    /// Why one of them can never be attached.
    pub refused: Receiver<String>,
    seats: Vec<Seat>,
}

/// Asks taps to let go.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they were asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one tap works with.
#[cfg_attr(not(feature = "taps"), expect(dead_code))]
struct Seat {
    url: Url,
    id: SourceId,
    /// Numbers of sessions, of all taps.
    sessions: Arc<AtomicU64>,
    to: Sender<Tapped>,
    refuse: Option<Sender<String>>,
    stop: Stop,
    own: OwnSockets,
    /// Whether a screen shows what the broker holds.
    shown: bool,
}

impl Taps {
    /// Taps that are to be attached; their sources have numbers of their own. Where they are `alone`, as nothing is captured, one that
    /// can never be attached ends the run. What brokers hold is asked where it is `shown` on a screen.
    pub fn new(urls: &[Url], ids: &SourceIds, own: &OwnSockets, alone: bool, shown: bool) -> Self {
        let ((to, tapped), (refuse, refused)) = (bounded(WAITING), bounded(urls.len()));
        let (stop, sessions) = (Stop::default(), Arc::new(AtomicU64::new(0)));
        let seat = |url: &Url| Seat {
            url: url.clone(),
            id: ids.next(),
            sessions: Arc::clone(&sessions),
            to: to.clone(),
            refuse: alone.then(|| refuse.clone()),
            stop: stop.clone(),
            own: own.clone(),
            shown,
        };
        let seats = urls.iter().map(seat).collect();
        Self { tapped, stop, refused, seats }
    }

    /// Attaches them, each on a thread of its own.
    #[cfg(feature = "taps")]
    pub fn start(&mut self, limits: Limits) -> std::io::Result<()> {
        for seat in self.seats.drain(..) {
            std::thread::Builder::new().name("tap".into()).spawn(move || amqp::run(seat, limits))?;
        }
        Ok(())
    }

    /// None can be asked for.
    #[cfg(not(feature = "taps"))]
    pub fn start(&mut self, _: Limits) -> std::io::Result<()> {
        self.seats.clear();
        Ok(())
    }
}
