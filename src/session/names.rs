//! Who finds out whose sockets they are in this run: a resolver, on Linux and macOS, beside a live watch alone.

use crate::engine::owner::Mailbox;
use crate::error::Error;
use crate::model::Ask;
use crossbeam_channel::Sender;

#[cfg(feature = "live")]
pub use live::{Clues, clues};

/// Nothing is captured, so that there is nobody to be named.
#[cfg(not(feature = "live"))]
pub enum Clues {}

/// What the capture has to tell beside packets.
#[cfg(feature = "live")]
mod live {
    use crate::error::Error;
    use crate::model::Zone;
    use crate::source::scout::{self, Lookout, Scout};
    use crossbeam_channel::{Receiver, Sender, bounded};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    /// Network namespaces that came or went and wait to be heard of: as many as are captured in.
    const ZONES: usize = 64;

    /// Where a namespace is told of: with a socket to ask in it, with none once it is gone.
    pub type Zones = Sender<(Zone, Option<OwnedFd>)>;

    /// What helps to find out names.
    pub struct Clues {
        /// Sees connections being opened.
        pub(super) lookout: Lookout,
        /// Tells of other network namespaces.
        pub(super) zones: Receiver<(Zone, Option<OwnedFd>)>,
    }

    /// Both sides: what a capture is told of, for what it sees.
    pub fn clues() -> Result<(Clues, Arc<Scout>, Zones), Error> {
        let (scout, lookout) = scout::pair().map_err(|e| Error::failed(format!("cannot make a pipe: {e}")))?;
        let (tell, zones) = bounded(ZONES);
        Ok((Clues { lookout, zones }, Arc::new(scout), tell))
    }
}

/// Starts it; it sends what it learns to the engine. Returns where questions go; none where nobody can answer them.
#[cfg(all(any(target_os = "linux", target_os = "macos"), feature = "live"))]
pub fn start(clues: Clues, mailbox: &Mailbox) -> Result<Option<Sender<Ask>>, Error> {
    use crate::engine::owner::Command;
    use crate::identity::{self, containers};
    use crossbeam_channel::bounded;
    /// Connections that wait to be asked about; of further ones nobody finds out.
    const ASKS: usize = 1 << 14;
    /// Connections being opened that wait to be looked up.
    const HINTS: usize = 1 << 10;
    let failed = |e: std::io::Error| Error::failed(format!("cannot find out names: {e}"));
    let ((asks, asked), (hints, hinted)) = (bounded(ASKS), bounded(HINTS));
    let mail = mailbox.sender();
    identity::start(identity::Options {
        asks: asked,
        hints: hinted,
        zones: clues.zones,
        engines: containers::usual_sockets(),
        // an engine that is gone needs no names
        tell: Box::new(move |fact| _ = mail.send(Command::Fact(fact))),
    })
    .map_err(failed)?;
    clues.lookout.start(hints).map_err(failed)?;
    Ok(Some(asks))
}

/// Nobody can answer.
#[cfg(not(all(any(target_os = "linux", target_os = "macos"), feature = "live")))]
pub fn start(_: Clues, _: &Mailbox) -> Result<Option<Sender<Ask>>, Error> {
    Ok(None)
}
