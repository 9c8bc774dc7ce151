//! What can happen to the application. Everything that changes it arrives as one of these.

use crate::engine::view::View;
use crossterm::event::{Event as Input, KeyEvent, KeyEventKind, MouseEvent};
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key went down (or repeats).
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal is now this many columns and rows.
    Resize(u16, u16),
    /// The engine shows something new.
    View(Arc<View>),
    /// An effect has something to tell: it failed, or was done.
    Told(String),
}

impl Event {
    /// The terminal's event, where it means something here.
    pub fn of(input: Input) -> Option<Self> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => Some(Self::Key(key)),
            Input::Paste(text) => Some(Self::Paste(text)),
            Input::Mouse(mouse) => Some(Self::Mouse(mouse)),
            Input::Resize(width, height) => Some(Self::Resize(width, height)),
            Input::Key(_) | Input::FocusGained | Input::FocusLost => None,
        }
    }
}
