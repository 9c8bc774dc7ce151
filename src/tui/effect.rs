//! What the application wants done outside itself. The loop does it; `update` only asks.

use super::port::Command;

/// One wish.
#[derive(Clone, Debug)]
pub enum Effect {
    /// For the engine.
    Send(Command),
    /// Put text on the clipboard and say so: what it is, and the text.
    Copy(String, String),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Paint every cell again.
    Redraw,
    /// Stop, and come back to the foreground later.
    Suspend,
    /// Somebody else stopped and continued the program: take the terminal again.
    Resume,
    /// Leave.
    Quit,
}
