//! How a run is asked to stop, by signals too. Not what is still done then.

use super::command::Reach;
use crate::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// From when on a second signal is meant as one.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// Asks the reader to stop, and remembers the signal that asked.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Set where it is to stop.
    pub flag: Arc<AtomicBool>,
    /// The last signal; 0: none.
    pub signal: Arc<AtomicI32>,
}

impl Stop {
    /// From now on.
    pub fn now(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Listens for the signals that end a run. One that comes a while after the first ends the process at once; one that comes with
    /// it is the same wish again (`timeout` signals the process and its group).
    /// As long as there is a command, they are its own: it decides what becomes of them.
    pub fn on_signals(&self, command: Option<Reach>) -> Result<(), Error> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|e| Error::failed(format!("cannot listen for signals: {e}")))?;
        let stop = self.clone();
        let listen = move || {
            let mut asked: Option<Instant> = None;
            for signal in &mut signals {
                if command.as_ref().is_some_and(|command| command.pass(signal)) {
                    continue;
                }
                if asked.get_or_insert_with(Instant::now).elapsed() > IMPATIENCE {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                stop.now();
                stop.signal.store(signal, Ordering::Relaxed);
            }
        };
        let started = std::thread::Builder::new().name("signals".into()).spawn(listen);
        started.map(drop).map_err(|e| Error::failed(format!("cannot start a thread: {e}")))
    }

    /// What a run that a signal ended comes to: a live watch is simply over, the reading of a file is cut short.
    pub fn verdict(&self, live: bool) -> Result<(), Error> {
        match self.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ if live => Ok(()),
            signal_hook::consts::SIGINT => Err(Error::Interrupted),
            _ => Err(Error::Terminated),
        }
    }
}
