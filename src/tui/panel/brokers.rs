//! What lies between services: each broker with its exchanges, queues and topics, and below each who publishes to it and who takes from it.
//! Of the same flows as the table of services, and of what a broker tells those of our taps that are attached to it; which flows those
//! are is a filter away.

mod draw;
mod table;

use super::{Panel, Wish};
use crate::engine::view::{self, View};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use table::Line;

/// The table, and the place in it.
#[derive(Clone, Debug, Default)]
pub struct Brokers {
    table: Arc<view::Services>,
    /// Shared with what it is come back to.
    lines: Arc<[Line]>,
    cursor: Cursor,
    /// The selected line, once somebody has moved: it stays selected wherever it goes.
    selected: Option<String>,
}

impl Brokers {
    fn arrange(&mut self) {
        self.lines = table::lines(&self.table).into();
        self.cursor.fit(self.lines.len(), self.cursor.height());
        let found = self.selected.as_ref().and_then(|id| self.lines.iter().position(|line| line.id == *id));
        self.cursor.to(found.unwrap_or(self.cursor.at));
    }
}

impl Panel for Brokers {
    fn context(&self) -> Context {
        Context::Brokers
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        Some(&mut self.cursor)
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn moved(&mut self, _: isize) {
        self.selected = self.lines.get(self.cursor.at).map(|line| line.id.clone());
    }

    fn choose(&mut self) -> Option<Wish> {
        self.lines.get(self.cursor.at).map(|line| Wish::Narrow(line.filter.clone()))
    }

    fn fixed(&self) -> u16 {
        1
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        if action == Action::NarrowTopic { self.choose() } else { None }
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.lines.len(), self.page(area));
        if let Some(table) = view.and_then(|view| view.services.as_ref()).filter(|table| !Arc::ptr_eq(table, &self.table)) {
            self.table = Arc::clone(table);
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}
