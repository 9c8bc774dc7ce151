//! The demo: the bundled recording of a mesh, played again over real loopback sockets, lap after lap. It only sends; watching is
//! left to the same capture that watches everything else, told through [`Stage`] where the addresses were in the recording.

mod addresses;
mod ids;
mod play;
mod script;
mod stage;

pub use addresses::{Addresses, Placement};
pub use script::Script;
pub use stage::Stage;

use crossbeam_channel::{Receiver, Sender, bounded};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The recording that ships, made by `tests/services/record-demo.sh`.
pub const RECORDING: &[u8] = include_bytes!("../../assets/demo.pcapng");

/// The quiet time between two laps.
const REST: Duration = Duration::from_secs(1);

/// How often the recording is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laps {
    /// One lap, then the player is finished.
    Once,
    /// Until it is stopped.
    Forever,
}

/// Plays on a thread of its own until its laps are done, it is stopped, or it is dropped.
pub struct Player {
    script: Option<Script>,
    names: Vec<(IpAddr, Arc<str>)>,
    addresses: Arc<Addresses>,
    /// Dropped to stop.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Player {
    /// Opens a listener for each server of the recording. Nothing is sent before [`Player::play`], so that a capture of
    /// [`Player::bpf`] can be opened in between and sees all of it.
    pub fn open(script: Script) -> io::Result<Self> {
        Self::placed(script, Placement::of_this_system())
    }

    fn placed(script: Script, placement: Placement) -> io::Result<Self> {
        let addresses = Arc::new(Addresses::open(script.servers(), placement)?);
        Ok(Self { names: script.names.clone(), script: Some(script), addresses, running: None, thread: None })
    }

    /// Starts to play; once.
    pub fn play(&mut self, laps: Laps) -> io::Result<()> {
        let Some(script) = self.script.take() else { return Ok(()) };
        let (running, stopped) = bounded(0);
        let addresses = Arc::clone(&self.addresses);
        let seed = RandomState::new().build_hasher().finish();
        self.running = Some(running);
        self.thread = Some(Builder::new().name("demo".into()).spawn(move || run(&script, &addresses, laps, seed, &stopped))?);
        Ok(())
    }

    /// What turns the addresses on the wire back into those of the recording.
    pub fn addresses(&self) -> Arc<Addresses> {
        Arc::clone(&self.addresses)
    }

    /// What the recording calls its addresses.
    pub fn names(&self) -> &[(IpAddr, Arc<str>)] {
        &self.names
    }

    /// Each listener: its real address, and the recorded one.
    pub fn ports(&self) -> Vec<(SocketAddr, SocketAddr)> {
        self.addresses.servers().collect()
    }

    /// The capture filter that sees the demo and nothing else.
    pub fn bpf(&self) -> String {
        let one = |(real, _): (SocketAddr, SocketAddr)| format!("(host {} and port {})", real.ip(), real.port());
        format!("tcp and ({})", self.addresses.servers().map(one).collect::<Vec<_>>().join(" or "))
    }

    /// Whether the laps are done, or playing failed.
    pub fn finished(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Stops at once, and says what went wrong if something did.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.running = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(done) => done.unwrap_or_else(|_| Err(io::Error::other("the demo's player panicked"))),
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.end(); // whoever wants to know calls `stop`
    }
}

fn run(script: &Script, addresses: &Addresses, laps: Laps, seed: u64, stopped: &Receiver<()>) -> io::Result<()> {
    crate::privileges::drop_the_rest().map_err(io::Error::other)?;
    let ids = ids::Ids::find(script);
    let mut random = ids::Random(seed);
    loop {
        let streams = ids.fresh(script, &mut random);
        let whole = play::lap(script, &streams, addresses, Some(stopped), &mut |_, _, _| ())?;
        if !whole || laps == Laps::Once || play::stopped_within(stopped, REST) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
