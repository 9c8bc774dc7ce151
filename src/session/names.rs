//! Who finds out whose sockets they are in this run: a resolver, on Linux and macOS, beside a live watch alone.

use crate::engine::owner::Mailbox;
use crate::error::Error;
use crate::model::Ask;
#[cfg(feature = "live")]
pub use crate::source::scout::Lookout;
use crossbeam_channel::Sender;

/// Nothing is looked out for.
#[cfg(not(feature = "live"))]
pub enum Lookout {}

/// Starts it; it sends what it learns to the engine. Returns where questions go; none where nobody can answer them.
#[cfg(all(any(target_os = "linux", target_os = "macos"), feature = "live"))]
pub fn start(lookout: Lookout, mailbox: &Mailbox) -> Result<Option<Sender<Ask>>, Error> {
    use crate::engine::owner::Command;
    use crate::identity::{self, containers};
    use crossbeam_channel::{bounded, never};
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
        zones: never(),
        engines: containers::usual_sockets(),
        // an engine that is gone needs no names
        tell: Box::new(move |fact| _ = mail.send(Command::Fact(fact))),
        tally: Default::default(),
    })
    .map_err(failed)?;
    lookout.start(hints).map_err(failed)?;
    Ok(Some(asks))
}

/// Nobody can answer.
#[cfg(not(all(any(target_os = "linux", target_os = "macos"), feature = "live")))]
pub fn start(_: Lookout, _: &Mailbox) -> Result<Option<Sender<Ask>>, Error> {
    Ok(None)
}
