//! Which part of the list is on the screen and which flow is selected, while rows arrive, stop matching and are evicted. Draws nothing.

use crate::engine::view::{RowView, View, Window};
use crate::model::FlowId;
use std::ops::Range;

/// The place in the list.
#[derive(Clone, Debug)]
pub struct List {
    /// The part that is shown.
    window: Window,
    /// The part that is shown as soon as the engine has answered: until then the old rows stay.
    wanted: Option<Window>,
    /// The selected flow, while the list does not follow: it stays selected whatever happens to its row.
    selected: Option<FlowId>,
    /// How many flows there were when the list stopped following.
    paused_at: Option<u64>,
}

impl List {
    /// At the newest flow, moving on; or at the oldest one, standing still.
    pub fn new(follow: bool) -> Self {
        let window = if follow { Window::Follow } else { Window::Top };
        Self { window, wanted: Some(window), selected: None, paused_at: None }
    }

    /// What the engine is asked for.
    pub fn window(&self) -> Window {
        self.wanted.unwrap_or(self.window)
    }

    /// Whether it moves on with what arrives.
    pub fn follows(&self) -> bool {
        self.window() == Window::Follow
    }

    /// Whether the engine has yet to answer what was asked for: the rows on the screen are not the wanted ones.
    pub fn pending(&self) -> bool {
        self.wanted.is_some()
    }

    /// The rows on the screen.
    pub fn visible(&self, view: &View, height: usize) -> Range<usize> {
        let len = view.rows.len();
        let start = match self.window {
            Window::Follow => len.saturating_sub(height),
            Window::Top => 0,
            Window::From(id) => {
                let start = position(&view.rows, id);
                let last = view.before + len as u64 >= view.matching;
                if last { start.min(len.saturating_sub(height)) } else { start }
            }
        };
        start..len.min(start + height)
    }

    /// The row with the cursor: the selected flow's, else the next one after it that is there.
    pub fn cursor(&self, view: &View, height: usize) -> Option<usize> {
        let last = view.rows.len().checked_sub(1)?;
        match (self.window, self.selected) {
            (Window::Follow, _) => Some(last),
            (_, Some(id)) => Some(position(&view.rows, id).min(last)),
            (_, None) => Some(self.visible(view, height).start.min(last)),
        }
    }

    /// The selected flow.
    pub fn selected(&self, view: &View, height: usize) -> Option<FlowId> {
        match self.window {
            Window::Follow => view.rows.last().map(id_of),
            Window::Top | Window::From(_) => self.selected.or_else(|| Some(id_of(view.rows.get(self.cursor(view, height)?)?))),
        }
    }

    /// How many flows arrived since it stopped following.
    pub fn arrived(&self, count: u64) -> u64 {
        self.paused_at.map_or(0, |then| count.saturating_sub(then))
    }

    /// Moves the cursor; upwards it stops following. `count` is how many flows there are now.
    pub fn step(&mut self, by: isize, view: &View, height: usize, count: u64) {
        let (Some(cursor), Some(last)) = (self.cursor(view, height), view.rows.len().checked_sub(1)) else { return };
        if self.follows() && by >= 0 {
            return;
        }
        self.pause(view, height, count);
        let to = cursor.saturating_add_signed(by).min(last);
        self.show(to, view, height);
    }

    /// Selects a row of the view; it stops following.
    pub fn select(&mut self, row: usize, view: &View, height: usize, count: u64) {
        self.pause(view, height, count);
        if row < view.rows.len() {
            self.show(row, view, height);
        }
    }

    /// Stops following: what is on the screen stays there.
    pub fn pause(&mut self, view: &View, height: usize, count: u64) {
        if self.window == Window::Follow {
            let start = self.visible(view, height).start;
            self.selected = self.selected(view, height);
            self.window = Window::From(view.rows.get(start).map(id_of).unwrap_or_default());
        }
        self.paused_at.get_or_insert(count);
        self.wanted = None;
    }

    /// Selects a flow wherever it is: the engine is asked for the part of the list that begins with it.
    pub fn turn_to(&mut self, id: FlowId, count: u64) {
        self.selected = Some(id);
        self.paused_at.get_or_insert(count);
        self.wanted = Some(Window::From(id));
    }

    /// Follows (again).
    pub fn follow(&mut self) {
        self.paused_at = None;
        self.wanted = Some(Window::Follow);
    }

    /// To the oldest flow.
    pub fn top(&mut self, view: &View, height: usize, count: u64) {
        self.pause(view, height, count);
        self.wanted = Some(Window::Top);
    }

    /// The list is another one now: what arrived is counted from here.
    pub fn recount(&mut self, count: u64) {
        if !self.follows() {
            self.paused_at = Some(count);
        }
    }

    /// A new view came; `answers` says whether it answers the newest query.
    pub fn arrive(&mut self, view: &View, height: usize, answers: bool) {
        match self.wanted {
            Some(Window::Top) if answers => {
                if let Some(first) = view.rows.first() {
                    self.window = Window::From(id_of(first));
                    (self.selected, self.wanted) = (Some(id_of(first)), None);
                } else {
                    self.window = Window::Top;
                }
            }
            Some(Window::From(id)) if answers => (self.window, self.wanted, self.selected) = (Window::From(id), None, Some(id)),
            Some(window) if answers => (self.window, self.wanted, self.selected) = (window, None, None),
            _ => {}
        }
        if answers && self.window != Window::Follow && self.wanted.is_none() {
            self.keep_cursor_visible(view, height);
        }
    }

    /// Where the place on the screen is not the one that was asked for (the end came into view, another filter), asks for what is shown.
    fn keep_cursor_visible(&mut self, view: &View, height: usize) {
        let (Some(id), Some(cursor)) = (self.selected, self.cursor(view, height)) else { return };
        let beyond = view.rows.last().is_some_and(|r| id_of(r) < id) && view.before + (view.rows.len() as u64) < view.matching;
        let before = view.rows.first().is_some_and(|r| id_of(r) > id) && view.before > 0;
        if beyond || before {
            self.window = Window::From(id);
        } else {
            self.show_from(cursor, view, height);
        }
    }

    fn show(&mut self, row: usize, view: &View, height: usize) {
        self.selected = view.rows.get(row).map(id_of);
        self.show_from(row, view, height);
    }

    /// Moves the window as little as it takes to have a row in it.
    fn show_from(&mut self, row: usize, view: &View, height: usize) {
        let start = self.visible(view, height).start;
        let start = start.min(row).max((row + 1).saturating_sub(height));
        if let Some(first) = view.rows.get(start) {
            self.window = Window::From(id_of(first));
        }
    }
}

fn id_of(row: &RowView) -> FlowId {
    row.flow.row.id
}

/// The place of a flow among rows in the order of their numbers.
fn position(rows: &[RowView], id: FlowId) -> usize {
    rows.partition_point(|r| id_of(r) < id)
}
