//! The list of traces on the screen. Columns are a function of the width alone.

use super::{Sort, Traces};
use crate::engine::view::TraceLine;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::view::flows::{flag, parties, timed};
use crate::tui::view::{empty, more};
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{fit, line, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The widest column of what traces began with: farther away from it their numbers are hard to read.
const ROOT: u16 = 72;
/// Fewer cells are all for what it was, not for who asked.
const BOTH: usize = 16;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Time,
    Flag,
    Trace,
    Root,
    Duration,
    Hops,
    Services,
    Errors,
}

/// Draws headings and lines; where there are none, why.
pub fn draw(panel: &Traces, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if panel.order.is_empty() {
        return empty::draw(app, theme, buffer, area);
    }
    let columns = columns(area.width, panel.sort);
    table::headings(buffer, line(area, 0), &columns, theme.dim);
    for (y, at) in (1..area.height).zip(panel.cursor.visible()) {
        let Some(trace) = panel.line(at) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        table::row(buffer, line(area, y), &columns, selected, |cell, room| runs(app, theme, trace, cell, usize::from(room)));
    }
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    more(theme, buffer, below, panel.cursor.visible().start, panel.order.len());
}

fn columns(width: u16, sort: Sort) -> Vec<Column<Cell>> {
    use Align::{Left, Right};
    let column = |kind, (title, sorted), by: Option<Sort>, width, align| {
        let title = if by == Some(sort) { sorted } else { title };
        Column { kind, title, width, align }
    };
    let from = |least, cells| if width < least { 0 } else { cells };
    let all = [
        column(Cell::Time, ("time (UTC)", "▾time (UTC)"), Some(Sort::Time), from(60, 12), Left),
        column(Cell::Flag, ("", ""), None, 1, Left),
        column(Cell::Trace, ("trace", "trace"), None, table::by_width(width, [0, 8, 8, 32]), Left),
        column(Cell::Root, ("began with", "began with"), None, 1, Left),
        column(Cell::Duration, ("dur", "▾dur"), Some(Sort::Duration), 9, Right),
        column(Cell::Hops, ("hops", "▾hops"), Some(Sort::Hops), 6, Right),
        column(Cell::Services, ("services", "services"), None, from(100, 8), Right),
        column(Cell::Errors, ("errors ✗", "▾errors✗"), Some(Sort::Errors), 8, Right),
    ];
    let mut columns: Vec<_> = all.into_iter().filter(|c| c.width > 0).collect();
    // the last column is that of the mark of more lines
    let left = table::left_over(&columns, width).saturating_sub(1);
    columns.iter_mut().filter(|c| c.kind == Cell::Root).for_each(|c| c.width += left.min(ROOT));
    columns
}

fn runs(app: &App, theme: &Theme, trace: &TraceLine, cell: Cell, room: usize) -> Vec<(String, Style)> {
    let plain = Style::new();
    match cell {
        Cell::Time => vec![(format::moment(trace.time).1, plain)],
        Cell::Flag => flag(trace.found, theme),
        Cell::Trace => vec![(fit(&trace.trace_id, room), theme.dim)],
        Cell::Root => root(trace, theme, room),
        Cell::Duration if trace.open => vec![("…  ".to_owned(), theme.dim)],
        Cell::Duration => timed(app, trace.duration, theme),
        Cell::Hops => vec![(format::short(trace.hops), plain)],
        Cell::Services => vec![(trace.services.to_string(), plain)],
        Cell::Errors if trace.errors == 0 => vec![("0  ".to_owned(), theme.dim)],
        Cell::Errors => vec![(format!("{} ✗", format::short(trace.errors)), theme.error)],
    }
}

/// Who asked for what first.
fn root(trace: &TraceLine, theme: &Theme, room: usize) -> Vec<(String, Style)> {
    let Some(flow) = &trace.root else { return vec![("its first flow was evicted".to_owned(), theme.dim)] };
    if room < BOTH {
        return vec![(fit(&flow.row.operation, room), plain(flow.row.ok, theme))];
    }
    let operation = fit(&flow.row.operation, room * 3 / 5);
    let left = room.saturating_sub(width(&operation) + 2);
    let mut runs = vec![(operation, plain(flow.row.ok, theme)), ("  ".to_owned(), theme.dim)];
    runs.extend(parties(flow, theme, left).into_iter().map(|(text, style)| (text, style.patch(theme.dim))));
    runs
}

fn plain(ok: bool, theme: &Theme) -> Style {
    if ok { Style::new() } else { theme.error }
}
