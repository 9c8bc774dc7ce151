//! What can happen to the application. Everything that changes it arrives as one of these.

use crate::engine::view::View;
use crossterm::event::{Event as Input, KeyEvent, KeyEventKind, MouseEvent, MouseEventKind};
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
            // terminals tell every step of the pointer too: nothing on the screen changes with it, so that nothing may be drawn
            Input::Mouse(mouse) => pressed(mouse.kind).then_some(Self::Mouse(mouse)),
            Input::Resize(width, height) => Some(Self::Resize(width, height)),
            Input::Key(_) | Input::FocusGained | Input::FocusLost => None,
        }
    }
}

fn pressed(kind: MouseEventKind) -> bool {
    matches!(kind, MouseEventKind::Down(_) | MouseEventKind::ScrollDown | MouseEventKind::ScrollUp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyCode, KeyModifiers};

    #[test]
    fn what_changes_nothing_is_no_event() {
        let mouse = |kind| Event::of(Input::Mouse(MouseEvent { kind, column: 0, row: 0, modifiers: KeyModifiers::NONE }));
        assert!(mouse(MouseEventKind::Moved).is_none());
        assert!(mouse(MouseEventKind::ScrollUp).is_some());
        let key = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE);
        assert!(Event::of(Input::Key(key)).is_some());
        assert!(Event::of(Input::Key(KeyEvent { kind: KeyEventKind::Release, ..key })).is_none());
    }
}
