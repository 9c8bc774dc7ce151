//! What the screen needs of an engine: a mailbox for commands and the newest view. Who answers is not its business.

use crate::engine::view::{Query, View};
use std::sync::Arc;

/// The engine, as the screen sees it. Neither method waits.
pub trait Port {
    /// Hands over a command; a new query replaces one that was not answered yet.
    fn send(&self, command: Command);
    /// The newest view, where it was not taken yet.
    fn latest(&self) -> Option<Arc<View>>;
}

/// What the screen asks of the engine.
#[derive(Clone, Debug)]
pub enum Command {
    /// Show this.
    Query(Query),
    /// Forget all flows.
    Clear,
    /// Write the packets that are still held to a file; the status tells which.
    Save,
    /// Read the descriptors that were offered.
    Accept,
}
