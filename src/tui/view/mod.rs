//! What the screen looks like: a file a part. Drawing reads the application and changes nothing.

mod detail;
pub mod empty;
mod filter;
pub mod flows;
mod header;
pub mod help;
mod messages;
pub mod stats;
mod status;

use super::app::App;
use super::layout::Layout;
use super::theme::Theme;
use super::widget::text;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

/// Draws everything.
pub fn draw(app: &App, frame: &mut Frame) {
    let area = frame.area();
    let theme = Theme::from(app.palette);
    let buffer = frame.buffer_mut();
    if (area.width, area.height) != app.size {
        return; // the terminal has changed since: its event is on the way
    }
    let Some(layout) = app.layout() else { return too_small(buffer, area) };
    header::draw(app, &theme, buffer, layout.header);
    let cursor = filter::draw(app, &theme, buffer, layout.filter);
    match app.front() {
        Some(panel) => panel.draw(app, &theme, buffer, layout.main),
        None => flows(app, &theme, buffer, &layout),
    }
    status::draw(app, &theme, buffer, layout.status);
    if let Some(column) = cursor {
        frame.set_cursor_position(Position::new(layout.filter.x + column, layout.filter.y));
    }
}

fn flows(app: &App, theme: &Theme, buffer: &mut Buffer, layout: &Layout) {
    match app.view.as_deref().filter(|v| !v.rows.is_empty()) {
        Some(view) => flows::draw(app, view, theme, buffer, layout.list),
        None => empty::draw(app, theme, buffer, layout.list),
    }
    for y in 0..layout.rule.height {
        text::put(buffer, text::line(layout.rule, y), 0, "│", theme.dim);
    }
    detail::draw(app, theme, buffer, layout);
}

/// At the right edge of a text, that more of it is above or below.
pub fn more(theme: &Theme, buffer: &mut Buffer, area: Rect, scroll: usize, len: usize) {
    if scroll > 0 {
        text::put_right(buffer, text::line(area, 0), "▴", theme.dim);
    }
    if len > scroll + usize::from(area.height) {
        text::put_right(buffer, text::line(area, area.height.saturating_sub(1)), "▾", theme.dim);
    }
}

fn too_small(buffer: &mut Buffer, area: Rect) {
    for (y, line) in (0..).zip(["terminal too small", "40x8 is the least", "q quits"]) {
        text::put(buffer, text::line(area, y), 0, line, Style::new());
    }
}
