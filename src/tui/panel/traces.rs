//! The traces: a line each, with what it was that caused everything else. What is in one is the waterfall's.

mod draw;

use super::{Panel, Wish};
use crate::engine::view::{self, TraceLine, View};
use crate::model::TraceNo;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widget::cursor::Cursor;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::cmp::Reverse;
use std::sync::Arc;

/// The list, and the place in it.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    table: Arc<view::Traces>,
    sort: Sort,
    /// Places in the table, in the order on the screen.
    order: Vec<usize>,
    cursor: Cursor,
    /// The selected trace, once somebody has moved: it stays selected wherever it goes. Until then the cursor stays on the newest.
    selected: Option<TraceNo>,
}

/// The order of traces; of equal ones the newer comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    /// As they began: the newest last.
    #[default]
    Time,
    /// The slowest first.
    Duration,
    /// Those with the most errors first.
    Errors,
    /// The largest first.
    Hops,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Time => Self::Duration,
            Self::Duration => Self::Errors,
            Self::Errors => Self::Hops,
            Self::Hops => Self::Time,
        }
    }

    fn key(self, line: &TraceLine) -> u64 {
        match self {
            Self::Time => 0,
            Self::Duration => line.duration.nanos(),
            Self::Errors => line.errors,
            Self::Hops => line.hops,
        }
    }
}

impl Traces {
    fn line(&self, at: usize) -> Option<&TraceLine> {
        self.table.list.get(*self.order.get(at)?)
    }

    fn arrange(&mut self) {
        let (list, sort) = (&self.table.list, self.sort);
        self.order = (0..list.len()).collect();
        self.order.sort_by_key(|&at| Reverse(list.get(at).map(|line| sort.key(line))));
        self.cursor.fit(self.order.len(), self.cursor.height());
        let found =
            self.selected.and_then(|no| (0..self.order.len()).find(|&at| self.line(at).is_some_and(|line| line.no == no)));
        match (found, self.selected) {
            (Some(at), _) => self.cursor.to(at),
            (None, Some(_)) => {}
            (None, None) => self.cursor.ends(sort != Sort::Time),
        }
    }
}

impl Panel for Traces {
    fn context(&self) -> Context {
        Context::Traces
    }

    fn cursor(&mut self) -> Option<&mut Cursor> {
        Some(&mut self.cursor)
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// What is under the cursor stays under it. At the newest it moves on with what comes.
    fn moved(&mut self, _: isize) {
        let follows = self.sort == Sort::Time && self.cursor.is_last();
        self.selected = self.line(self.cursor.at).map(|line| line.no).filter(|_| !follows);
    }

    fn choose(&mut self) -> Option<Wish> {
        let no = self.line(self.cursor.at)?.no;
        self.selected = Some(no);
        Some(Wish::Trace(no))
    }

    fn fixed(&self) -> u16 {
        1
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::OpenTrace => self.choose(),
            Action::SortTraces => {
                self.sort = self.sort.next();
                self.selected = None;
                self.arrange();
                None
            }
            _ => None,
        }
    }

    fn lay_out(&mut self, _: &Keymap, view: Option<&View>, area: Rect) {
        self.cursor.fit(self.order.len(), self.page(area));
        if let Some(table) = view.and_then(|view| view.traces.as_ref()).filter(|table| !Arc::ptr_eq(table, &self.table)) {
            self.table = Arc::clone(table);
            self.arrange();
        }
    }

    fn draw(&self, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
        draw::draw(self, app, theme, buffer, area);
    }
}
