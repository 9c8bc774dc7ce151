//! The table on the screen. Columns are a function of the width alone; a narrow screen leaves out the last minute, then all but the worst.

use super::{Row, Services, Sort};
use crate::model::{Load, RECENT};
use crate::time::{Span, Time};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::view::{empty, more};
use crate::tui::widget::table::{self, Align, Column};
use crate::tui::widget::text::{fit, line, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Bars of rising height; the lowest stands for nothing at all.
const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The widest column of names: farther away from their numbers they are hard to read.
pub const NAME: u16 = 56;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Name,
    Rate,
    Errors,
    P50,
    P95,
    P99,
    Count,
    Size,
    Recent,
}

/// Draws headings and lines; where there are none, why.
pub fn draw(panel: &Services, app: &App, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if panel.rows.is_empty() {
        return empty::draw(app, theme, buffer, area);
    }
    let columns = columns(area.width, Some(panel.sort));
    table::headings(buffer, line(area, 0), &columns, theme.dim);
    for (y, at) in (1..area.height).zip(panel.cursor.visible()) {
        let Some(&row) = panel.rows.get(at) else { break };
        let selected = (at == panel.cursor.at).then_some(theme.strong);
        table::row(buffer, line(area, y), &columns, selected, |cell, width| runs(panel, theme, row, cell, width));
    }
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    more(theme, buffer, below, panel.cursor.visible().start, panel.rows.len());
}

/// The columns of a screen of `width` cells; the one that is sorted by says so.
pub fn columns(width: u16, sort: Option<Sort>) -> Vec<Column<Cell>> {
    use Align::{Left, Right};
    let column = |kind, (title, sorted), by: Option<Sort>, width, align| {
        let title = if by.is_some() && by == sort { sorted } else { title };
        Column { kind, title, width, align }
    };
    let from = |least, cells| if width < least { 0 } else { cells };
    // each divides a minute, so that all of its bars stand for as many seconds
    let recent = match width {
        0..80 => 0,
        80..100 => 10,
        100..180 => 20,
        180.. => 60,
    };
    let all = [
        column(Cell::Name, ("service ─proto→ asks", "▾service ─proto→ asks"), Some(Sort::Name), 1, Left),
        column(Cell::Rate, ("rate", "▾rate"), Some(Sort::Rate), 8, Right),
        column(Cell::Errors, ("errors ✗", "▾errors✗"), Some(Sort::Errors), 8, Right),
        column(Cell::P50, ("p50", "p50"), None, from(60, 7), Right),
        column(Cell::P95, ("p95", "▾p95"), Some(Sort::P95), 7, Right),
        column(Cell::P99, ("p99", "p99"), None, from(60, 7), Right),
        column(Cell::Count, ("flows", "flows"), None, from(140, 11), Right),
        column(Cell::Size, ("size", "size"), None, from(140, 7), Right),
        column(Cell::Recent, ("last min", "last min"), None, recent, Left),
    ];
    let mut columns: Vec<_> = all.into_iter().filter(|c| c.width > 0).collect();
    // the last column is that of the mark of more lines
    let left = table::left_over(&columns, width).saturating_sub(1);
    for column in &mut columns {
        match column.kind {
            Cell::Name => column.width += left.min(NAME),
            Cell::Recent if column.width > 10 => column.title = "last minute",
            _ => {}
        }
    }
    columns
}

fn runs(panel: &Services, theme: &Theme, row: Row, cell: Cell, room: u16) -> Vec<(String, Style)> {
    let Some(service) = panel.service(row) else { return Vec::new() };
    let edge = panel.edge(row);
    let load = edge.map_or(&service.serves, |edge| &edge.load);
    match (cell, edge) {
        (Cell::Name, None) => name(panel, theme, &service.name, usize::from(room)),
        (Cell::Name, Some(edge)) => vec![
            ("  ─".to_owned(), theme.dim),
            (edge.protocol.to_owned(), theme.name),
            ("→ ".to_owned(), theme.dim),
            (edge.to.to_string(), Style::new()),
            (edge.via.as_ref().map(|via| format!(" ({via})")).unwrap_or_default(), theme.dim),
        ],
        _ => numbers(load, cell, usize::from(room), panel.table.at, theme),
    }
}

/// A service, and how much is wrong with it: in a word where there is room for one.
fn name(panel: &Services, theme: &Theme, name: &str, room: usize) -> Vec<(String, Style)> {
    let Some((n, worst)) = panel.table.found.get(name) else { return vec![(name.to_owned(), theme.strong)] };
    let (sign, style) = theme.severity(*worst);
    let (word, short) = (format!("  {sign} {}", format::counted(*n, "finding")), format!(" {sign}{}", format::short(*n)));
    let mark = if width(name) + width(&word) <= room { word } else { short };
    vec![(fit(name, room.saturating_sub(width(&mark))), theme.strong), (mark, style)]
}

/// A cell of what went over an edge, as of a moment of packet time; who serves nobody has no numbers.
pub fn numbers(load: &Load, cell: Cell, room: usize, at: Time, theme: &Theme) -> Vec<(String, Style)> {
    match cell {
        _ if load.count == 0 => vec![(if cell == Cell::Recent { "" } else { "·" }.to_owned(), theme.dim)],
        Cell::Rate => number(&format::rate(load.rate), if load.rate > 0.0 { Style::new() } else { theme.dim }, theme),
        Cell::Errors => errors(load, theme),
        Cell::P50 => duration(load.p50, theme),
        Cell::P95 => duration(load.p95, theme),
        Cell::P99 => duration(load.p99, theme),
        Cell::Count => vec![(format::count(load.count), Style::new())],
        Cell::Size => number(&format::size(load.bytes), Style::new(), theme),
        Cell::Recent => bars(&load.recent, at, room, theme),
        Cell::Name => Vec::new(),
    }
}

/// A number in its style, its unit dim.
fn number(text: &str, style: Style, theme: &Theme) -> Vec<(String, Style)> {
    let unit = text.find([' ', '/']).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    vec![(number.to_owned(), style), (unit.to_owned(), theme.dim)]
}

/// The share of errors, with a place for its mark that is always there.
fn errors(load: &Load, theme: &Theme) -> Vec<(String, Style)> {
    let share = format::percent(load.errors, load.count);
    if load.errors == 0 {
        return vec![(format!("{share}  "), theme.dim)];
    }
    vec![(format!("{share} ✗"), theme.error)]
}

fn duration(span: Option<Span>, theme: &Theme) -> Vec<(String, Style)> {
    match span {
        Some(span) => number(&format::duration(span), Style::new(), theme),
        None => vec![("·".to_owned(), theme.dim)],
    }
}

/// The last minute as `room` bars, each of the same whole seconds as long as it is on the screen, so that no bar changes as it moves on.
fn bars(recent: &[u32; RECENT], at: Time, room: usize, theme: &Theme) -> Vec<(String, Style)> {
    let each = RECENT.div_ceil(room.max(1));
    // seconds of the newest bar that have not come yet
    let ahead = each - 1 - at.second().rem_euclid(each as i64) as usize;
    let mut sums = vec![0u64; room];
    for (age, count) in recent.iter().rev().enumerate() {
        if let Some(sum) = sums.get_mut((age + ahead) / each) {
            *sum += u64::from(*count);
        }
    }
    let most = sums.iter().copied().max().unwrap_or(0).max(1);
    let bar = |sum: u64| {
        let height = (sum * (BARS.len() as u64 - 1)).div_ceil(most) as usize;
        (BARS[height.min(BARS.len() - 1)].to_owned(), if sum == 0 { theme.dim } else { Style::new() })
    };
    sums.into_iter().rev().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Palette;

    #[test]
    fn a_bar_stays_as_it_is_while_it_moves_on() {
        let theme = Theme::from(Palette::Mono);
        let text = |recent: &[u32; RECENT], second: i64, room| {
            let at = Time::from_nanos(second * 1_000_000_000);
            bars(recent, at, room, &theme).into_iter().map(|(bar, _)| bar).collect::<String>()
        };
        let counts = |second: i64| match second {
            600..606 => 1,
            612 => 7,
            _ => 0,
        };
        let recent = |now: i64| {
            let mut second = now - RECENT as i64;
            [(); RECENT].map(|()| {
                second += 1;
                counts(second)
            })
        };
        assert_eq!(text(&recent(612), 612, 10), "▁▁▁▁▁▁▁▇▁█");
        for second in 612..618 {
            assert_eq!(text(&recent(second), second, 10), "▁▁▁▁▁▁▁▇▁█", "{second}");
        }
        assert_eq!(text(&recent(618), 618, 10), "▁▁▁▁▁▁▇▁█▁");
        assert!(text(&recent(612), 612, 60).ends_with("▁▂▂▂▂▂▂▁▁▁▁▁▁█"));
        assert_eq!(text(&[0; RECENT], 5, 10), "▁".repeat(10));
    }
}
