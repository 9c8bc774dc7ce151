//! The table of brokers on the screen, with the columns of the services'.

use super::{Brokers, Line, What};
use crate::model::Dir;
use crate::tui::app::App;
use crate::tui::panel::services::draw::{Cell, columns, numbers};
use crate::tui::theme::Theme;
use crate::tui::view::{empty, more};
use crate::tui::widget::table;
use crate::tui::widget::text::line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Draws headings and lines; where there are none, why.
pub fn draw(panel: &Brokers, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if panel.lines.is_empty() {
        return empty::draw(app, theme, buffer, area);
    }
    let mut columns = columns(area.width, None);
    columns.iter_mut().filter(|column| column.kind == Cell::Name).for_each(|column| column.title = "exchange, queue, topic");
    table::headings(buffer, line(area, 0), &columns, theme.dim);
    for (y, at) in (1..area.height).zip(panel.cursor.visible()) {
        let Some(row) = panel.lines.get(at) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        table::row(buffer, line(area, y), &columns, selected, |cell, room| match cell {
            Cell::Name => name(row, theme),
            _ => numbers(&row.load, cell, usize::from(room), panel.table.at, theme),
        });
    }
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    more(theme, buffer, below, panel.cursor.visible().start, panel.lines.len());
}

fn name(line: &Line, theme: &Theme) -> Vec<(String, Style)> {
    let plain = Style::new();
    match &line.what {
        What::Broker { name, protocol } => vec![(name.to_string(), theme.strong), (format!(" {protocol}"), theme.name)],
        What::Topic { name, dir: Dir::ToServer } => vec![("  → ".to_owned(), theme.dim), (name.to_string(), plain)],
        What::Topic { name, dir: Dir::ToClient } => vec![("  ← ".to_owned(), theme.dim), (name.to_string(), plain)],
        What::Party { name, dir: Dir::ToServer } => vec![("    from ".to_owned(), theme.dim), (name.to_string(), plain)],
        What::Party { name, dir: Dir::ToClient } => vec![("    to ".to_owned(), theme.dim), (name.to_string(), plain)],
    }
}
