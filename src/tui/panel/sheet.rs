//! A screen that is a text: the help, the counters. What the text says is theirs.

use super::Panel;
use crate::engine::view::View;
use crate::tui::app::App;
use crate::tui::keymap::Keymap;
use crate::tui::theme::Theme;
use crate::tui::view::{help, more, stats};
use crate::tui::widget::scroll::Page;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns left free, half of them on either side.
const MARGIN: u16 = 4;

/// A text and how far it is scrolled.
#[derive(Clone, Debug)]
pub struct Sheet {
    text: fn(&Keymap, Option<&View>, u16) -> Page,
    scroll: usize,
}

impl Sheet {
    /// Every key.
    pub fn help() -> Self {
        Self { text: |keymap, _, width| help::page(keymap, width), scroll: 0 }
    }

    /// Every counter.
    pub fn stats() -> Self {
        Self { text: |_, view, width| stats::page(view, width), scroll: 0 }
    }
}

impl Panel for Sheet {
    fn go(&mut self, by: isize) {
        self.scroll = self.scroll.saturating_add_signed(by);
    }

    fn ends(&mut self, start: bool) {
        self.scroll = if start { 0 } else { usize::MAX };
    }

    fn lay_out(&mut self, keymap: &Keymap, view: Option<&View>, area: Rect) {
        let page = (self.text)(keymap, view, area.width.saturating_sub(MARGIN));
        self.scroll = self.scroll.min(page.furthest(usize::from(area.height)));
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        let inner = Rect { x: area.x + MARGIN / 2, width: area.width.saturating_sub(MARGIN), ..area };
        let page = (self.text)(&app.keymap, app.view.as_deref(), inner.width);
        page.draw(buffer, inner, self.scroll, |token| theme.token(token));
        more(theme, buffer, area, self.scroll, page.height());
    }
}
