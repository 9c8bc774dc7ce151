//! The messages of an open flow as a list: direction, number, when, how long after the one before, size, and what it begins with.

use super::more;
use crate::engine::view::MessageView;
use crate::time::Span;
use crate::tui::format;
use crate::tui::messages::{Messages, older};
use crate::tui::theme::Theme;
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{self, line};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Below this width the gap makes room for what a message says.
const GAP: u16 = 60;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Side,
    Number,
    After,
    Gap,
    Size,
    Summary,
}

/// Draws headings and rows.
pub fn draw(list: &[MessageView], place: &Messages, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let columns = columns(area.width);
    table::headings(buffer, line(area, 0), &columns, theme.dim);
    let older = older(list);
    if older > 0 {
        let told = format!("{older} older not kept");
        let from = area.width.saturating_sub(u16::try_from(told.len() + 2).unwrap_or(u16::MAX));
        text::put(buffer, line(area, 0), from, &told, theme.warn);
    }
    let chosen = place.at(list);
    for (y, at) in (1..area.height).zip(place.top..) {
        let Some(message) = list.get(at) else { break };
        let selected = (chosen == Some(at)).then_some(theme.strong);
        table::row(buffer, line(area, y), &columns, selected, |cell, _| runs(message, cell, theme));
    }
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    more(theme, buffer, rows, place.top, list.len());
}

fn columns(width: u16) -> Vec<Column<Cell>> {
    use Align::{Left, Right};
    let column = |kind, title, width, align| Column { kind, title, width, align };
    let all = [
        column(Cell::Side, "", 1, Left),
        column(Cell::Number, "#", 5, Right),
        column(Cell::After, "at", 8, Right),
        column(Cell::Gap, "gap", if width < GAP { 0 } else { 8 }, Right),
        column(Cell::Size, "size", 7, Right),
        column(Cell::Summary, "message", 1, Left),
    ];
    let mut columns: Vec<_> = all.into_iter().filter(|c| c.width > 0).collect();
    // the last cell is for the sign that there is more
    let left = table::left_over(&columns, width);
    if let Some(summary) = columns.last_mut() {
        summary.width += left.saturating_sub(1);
    }
    columns
}

fn runs(message: &MessageView, cell: Cell, theme: &Theme) -> Vec<(String, Style)> {
    let plain = Style::new();
    match cell {
        Cell::Side if message.request => vec![("→".to_owned(), theme.name)],
        Cell::Side => vec![("←".to_owned(), theme.name)],
        Cell::Number => vec![(message.number.to_string(), theme.dim)],
        Cell::After => with_unit(Some(message.after), theme),
        Cell::Gap => with_unit(message.gap, theme),
        Cell::Size => vec![(format::size(message.bytes), plain)],
        Cell::Summary => vec![(message.said.summary.clone(), plain)],
    }
}

/// A length of time, the unit dim; nought only where it is.
fn with_unit(span: Option<Span>, theme: &Theme) -> Vec<(String, Style)> {
    let text = match span {
        None => return vec![("·".to_owned(), theme.dim)],
        Some(span) if span == Span::default() => "0 ms".to_owned(),
        Some(span) => format::duration(span),
    };
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    vec![(number.to_owned(), Style::new()), (format!(" {unit}"), theme.dim)]
}
